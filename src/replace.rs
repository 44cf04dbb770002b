//! A file that is written at the end of a run, whole or not at all.
//!
//! By then the process has given up the right to open and to rename. So the new file is made beside the old one while that can be
//! done, and a process which runs no guest code waits to give it the name: it is told to when everything is written, and
//! removes the file if this process ends before.

use crate::report::{End, Failure, reason};
use rustix::fs::{Mode, OFlags};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The subcommand of that process. It is for nobody else, and so not among those that are defined.
pub const COMMAND: &str = "__replace";

/// A file that is to be written.
#[derive(Debug)]
pub struct Replacement {
    out: File,
    /// The process that gives it its name; none for what is no regular file, which is written as it is.
    helper: Option<Helper>,
}

#[derive(Debug)]
struct Helper {
    socket: File,
    _until_closed: OwnedFd,
}

impl Replacement {
    /// Prepares to write a file; `directory` is told where it is.
    ///
    /// # Errors
    /// When it cannot be made, and those of `directory`.
    pub fn prepare(path: &Path, directory: impl FnOnce(&Path) -> Result<(), String>) -> Result<Replacement, String> {
        let path = match std::fs::metadata(path) {
            Ok(there) if there.is_dir() => return Err("it is a directory".to_owned()),
            Ok(there) if there.is_file() => path.canonicalize().map_err(|e| reason(&e))?,
            Ok(_) => {
                let out = File::options().write(true).open(path).map_err(|e| reason(&e))?;
                return Ok(Replacement { out, helper: None });
            }
            Err(e) if e.kind() == ErrorKind::NotFound => path.to_owned(),
            Err(e) => return Err(reason(&e)),
        };
        let name = path.file_name().ok_or("it has no name")?;
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let parent = parent.canonicalize().map_err(|e| reason(&e))?;
        directory(&parent)?;
        let (path, (out, new)) = (parent.join(name), made_in(&parent).map_err(|e| reason(&e))?);
        let helper = Helper::begin(&new, &path).inspect_err(|_| {
            let _ = std::fs::remove_file(&new);
        });
        Ok(Replacement { out, helper: Some(helper.map_err(|e| reason(&e))?) })
    }

    /// What is used when it is written.
    pub fn descriptors(&self) -> Vec<RawFd> {
        [self.out.as_raw_fd()].into_iter().chain(self.helper.as_ref().map(|helper| helper.socket.as_raw_fd())).collect()
    }

    /// Writes it, and gives it its name. To be called once.
    ///
    /// # Errors
    /// When it cannot be written or renamed: what was there before is there still.
    pub fn write(&self, text: &[u8]) -> io::Result<()> {
        (&self.out).write_all(text)?;
        let Some(helper) = &self.helper else { return Ok(()) };
        let mut answer = [0; 4];
        (&helper.socket).write_all(&[0])?;
        (&helper.socket).read_exact(&mut answer)?;
        match i32::from_ne_bytes(answer) {
            0 => Ok(()),
            errno => Err(io::Error::from_raw_os_error(errno)),
        }
    }
}

/// A new file, which is nobody else's to read.
fn made_in(directory: &Path) -> io::Result<(File, PathBuf)> {
    const ATTEMPTS: u32 = 100;
    for n in 0.. {
        let path = directory.join(format!(".sconce-{}-{n}", std::process::id()));
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        match rustix::fs::open(&path, flags, Mode::RUSR | Mode::WUSR) {
            Err(rustix::io::Errno::EXIST) if n < ATTEMPTS => {}
            made => return Ok((made?.into(), path)),
        }
    }
    Err(ErrorKind::AlreadyExists.into())
}

impl Helper {
    fn begin(new: &Path, path: &Path) -> io::Result<Helper> {
        let (socket, its) = socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        let words: [&[u8]; 4] = [b"sconce", COMMAND.as_bytes(), new.as_os_str().as_bytes(), path.as_os_str().as_bytes()];
        let _until_closed = sconce_engine::wait_and_execute(&words, its, Duration::ZERO, sconce_engine::IfEnded::End)?;
        let mut socket = File::from(socket);
        // It says that it is there: without /proc, it cannot be executed.
        let begun = socket.read_exact(&mut [0]);
        begun.map_err(|_| io::Error::other("the process that renames it cannot be executed (/proc/self/exe)"))?;
        Ok(Helper { socket, _until_closed })
    }
}

/// What that process does: its standard input is the socket.
///
/// # Errors
/// When it was started by somebody else.
pub fn replace(words: &[OsString]) -> Result<(), Failure> {
    let [new, path] = words else { return Err(Failure::usage(format!("'{COMMAND}' is for Sconce itself to call"))) };
    let mut socket = File::from(rustix::io::dup(rustix::stdio::stdin()).map_err(|e| Failure::not_run(reason(&e.into())))?);
    let told = socket.write_all(&[0]).and_then(|()| socket.read_exact(&mut [0])).is_ok();
    let done = if told { std::fs::rename(new, path) } else { Err(ErrorKind::UnexpectedEof.into()) };
    if done.is_err() {
        let _ = std::fs::remove_file(new);
    }
    let errno = done.err().map_or(0, |e| e.raw_os_error().unwrap_or(rustix::io::Errno::IO.raw_os_error()));
    // Nobody may hear it any more.
    let _ = socket.write_all(&errno.to_ne_bytes());
    End::Exit(0).now()
}
