//! What a guest is given: arguments, environment, directories, streams, sockets.

use crate::abi::filetype;
use crate::descriptor::{Access, Descriptor, MAX_DESCRIPTORS, Sharing, Table};
use crate::errno::{Errno, Outcome};
use crate::resolve::Resolver;
use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The world of one guest. It is shared by the guest's threads, each with a store of its own.
#[derive(Debug)]
pub struct WasiCtx {
    pub(crate) args: Strings,
    pub(crate) env: Strings,
    pub(crate) table: Table,
    pub(crate) resolver: Resolver,
    /// The host's numbers of signals that are ignored.
    pub(crate) ignored: Vec<i32>,
}

/// Strings as `args_get` and `environ_get` hand them out: each ends with a NUL, one behind the other.
#[derive(Debug, Default)]
pub(crate) struct Strings {
    pub(crate) bytes: Vec<u8>,
    /// Where each begins.
    pub(crate) starts: Vec<u32>,
}

/// Why a [`WasiCtx`] cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// A host directory cannot be opened.
    #[error("cannot open directory {}: {source}", path.display())]
    Preopen {
        /// The host's path.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Two directories have the same name for the guest.
    #[error("two directories have the guest path {0:?}")]
    DuplicateGuestPath(String),
    /// What was given as a directory is something else.
    #[error("the directory for the guest path {0:?} is not a directory")]
    NotADirectory(String),
    /// An argument or environment variable contains a NUL, or the name of a variable is empty or contains `=`.
    #[error("{0:?} cannot be passed to the guest")]
    BadString(String),
    /// More than 4 GiB of strings, or more descriptors than a guest can have.
    #[error("too many arguments, variables or descriptors")]
    TooMany,
    /// A descriptor that was handed in is of no use.
    #[error("cannot use descriptor: {0}")]
    Descriptor(#[from] std::io::Error),
}

/// Builds a [`WasiCtx`].
///
/// Descriptors are numbered as programs expect: standard input, output and error are 0 to 2, directories follow from 3 on
/// in the order given, then listening sockets, then other descriptors. What is not given of the first three is `/dev/null`.
#[derive(Debug, Default)]
pub struct WasiCtxBuilder {
    args: Vec<Vec<u8>>,
    env: Vec<(Vec<u8>, Vec<u8>)>,
    stdio: [Option<(OwnedFd, Sharing)>; 3],
    preopens: Vec<(OwnedFd, Vec<u8>, Access)>,
    sockets: Vec<OwnedFd>,
    descriptors: Vec<OwnedFd>,
    ignored: Vec<i32>,
}

impl WasiCtx {
    /// With nothing in it yet.
    pub fn builder() -> WasiCtxBuilder {
        WasiCtxBuilder::default()
    }

    /// The descriptor of this number, if it has the rights `needed`.
    #[inline]
    pub(crate) fn fd(&self, fd: u32, needed: u64) -> Outcome<Arc<Descriptor>> {
        self.table.get(fd, needed)
    }

    /// The directory of this number, if it has the rights `needed`; `ENOTDIR` for everything else.
    #[inline]
    pub(crate) fn dir(&self, fd: u32, needed: u64) -> Outcome<Arc<Descriptor>> {
        let d = self.table.get(fd, 0)?;
        if d.filetype != filetype::DIRECTORY {
            return Err(Errno::NotDir.into());
        }
        d.check(needed)?;
        Ok(d)
    }
}

impl Strings {
    fn push(&mut self, parts: &[&[u8]]) -> Result<(), BuildError> {
        let bad = |part: &&&[u8]| part.contains(&0);
        if let Some(part) = parts.iter().find(bad) {
            return Err(BuildError::BadString(String::from_utf8_lossy(part).into_owned()));
        }
        self.starts.push(u32::try_from(self.bytes.len()).map_err(|_| BuildError::TooMany)?);
        self.bytes.extend(parts.concat());
        self.bytes.push(0);
        u32::try_from(self.bytes.len()).map(drop).map_err(|_| BuildError::TooMany)
    }
}

impl WasiCtxBuilder {
    /// Adds an argument; the first is the program's name. Any bytes but NUL.
    pub fn arg(mut self, arg: impl Into<Vec<u8>>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Adds arguments.
    pub fn args<A: Into<Vec<u8>>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets an environment variable; one of the same name is replaced. Any bytes but NUL; no `=` in the name.
    pub fn env(mut self, name: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Self {
        let (name, value) = (name.into(), value.into());
        match self.env.iter_mut().find(|(n, _)| *n == name) {
            Some(there) => there.1 = value,
            None => self.env.push((name, value)),
        }
        self
    }

    /// Standard input, output and error are the process's. Whether each is a terminal, a file or a pipe shows.
    pub fn inherit_stdio(mut self) -> std::io::Result<Self> {
        let streams = [rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr()];
        for (slot, stream) in self.stdio.iter_mut().zip(streams) {
            *slot = match rustix::io::fcntl_dupfd_cloexec(stream, 3) {
                Ok(fd) => Some((fd, Sharing::Shared)),
                // Closed: as if it had not been given.
                Err(rustix::io::Errno::BADF) => None,
                Err(e) => return Err(e.into()),
            };
        }
        Ok(self)
    }

    /// Standard input.
    pub fn stdin(mut self, fd: impl Into<OwnedFd>) -> Self {
        self.stdio[0] = Some((fd.into(), Sharing::Own));
        self
    }

    /// Standard output.
    pub fn stdout(mut self, fd: impl Into<OwnedFd>) -> Self {
        self.stdio[1] = Some((fd.into(), Sharing::Own));
        self
    }

    /// Standard error.
    pub fn stderr(mut self, fd: impl Into<OwnedFd>) -> Self {
        self.stdio[2] = Some((fd.into(), Sharing::Own));
        self
    }

    /// Adds a directory that is open already, for reading, not just as a path.
    pub fn preopen(mut self, dir: impl Into<OwnedFd>, guest: impl Into<Vec<u8>>, access: Access) -> Self {
        self.preopens.push((dir.into(), guest.into(), access));
        self
    }

    /// Adds the host's directory `host`, which the guest calls `guest`. Links on the way are followed: it is the user's path.
    ///
    /// # Errors
    ///
    /// [`BuildError::Preopen`] if it cannot be opened, or is no directory.
    pub fn preopen_path(self, host: &Path, guest: impl Into<Vec<u8>>, access: Access) -> Result<Self, BuildError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        match rustix::fs::open(host, flags, Mode::empty()) {
            Ok(dir) => Ok(self.preopen(dir, guest, access)),
            Err(e) => Err(BuildError::Preopen { path: host.to_owned(), source: e.into() }),
        }
    }

    /// Adds a listening socket.
    pub fn listener(mut self, socket: impl Into<OwnedFd>) -> Self {
        self.sockets.push(socket.into());
        self
    }

    /// Adds another descriptor that the process was given.
    pub fn descriptor(mut self, fd: impl Into<OwnedFd>) -> Self {
        self.descriptors.push(fd.into());
        self
    }

    /// Signals that the guest is started with as ignored, by the host's numbers. Raising one does nothing; with SIGPIPE among them,
    /// writing to a standard stream that nobody reads is the error `EPIPE`, and not the guest's end.
    pub fn ignore_signals(mut self, signals: impl IntoIterator<Item = i32>) -> Self {
        self.ignored.extend(signals);
        self
    }

    /// The context.
    ///
    /// # Errors
    ///
    /// See [`BuildError`].
    pub fn build(self) -> Result<WasiCtx, BuildError> {
        let (mut args, mut env) = (Strings::default(), Strings::default());
        for arg in &self.args {
            args.push(&[arg])?;
        }
        for (name, value) in &self.env {
            if name.is_empty() || name.contains(&b'=') {
                return Err(BuildError::BadString(String::from_utf8_lossy(name).into_owned()));
            }
            env.push(&[name, b"=", value])?;
        }
        let table = Table::new(MAX_DESCRIPTORS);
        let add = |d: Descriptor| table.insert(d).map(drop).map_err(|_| BuildError::TooMany);
        for (number, stream) in self.stdio.into_iter().enumerate() {
            let (fd, sharing) = match stream {
                Some(given) => given,
                None => (null()?, Sharing::Own),
            };
            let mut d = Descriptor::new(fd, sharing, Access::ReadWrite).map_err(std::io::Error::from)?;
            d.ends_on_broken_pipe = number != 0 && !self.ignored.contains(&rustix::process::Signal::PIPE.as_raw());
            add(d)?;
        }
        let mut names: Vec<Vec<u8>> = Vec::new();
        for (fd, guest, access) in self.preopens {
            let shown = String::from_utf8_lossy(&guest).into_owned();
            let name = guest.iter().rposition(|c| *c != b'/').map_or(&b"/"[..], |end| &guest[..=end]).to_vec();
            if names.contains(&name) {
                return Err(BuildError::DuplicateGuestPath(shown));
            }
            names.push(name);
            let mut d = Descriptor::new(fd, Sharing::Own, access).map_err(std::io::Error::from)?;
            if d.filetype != filetype::DIRECTORY {
                return Err(BuildError::NotADirectory(shown));
            }
            d.preopen = Some(guest.into());
            add(d)?;
        }
        for fd in self.sockets.into_iter().chain(self.descriptors) {
            // Nobody but the kernel says what numbers the process was given: none of them may reach a program that it starts.
            rustix::io::fcntl_setfd(&fd, rustix::io::FdFlags::CLOEXEC).map_err(std::io::Error::from)?;
            add(Descriptor::new(fd, Sharing::Shared, Access::ReadWrite).map_err(std::io::Error::from)?)?;
        }
        Ok(WasiCtx { args, env, table, resolver: Resolver::probed(), ignored: self.ignored })
    }
}

/// `/dev/null`, for reading and writing.
fn null() -> std::io::Result<OwnedFd> {
    Ok(std::fs::OpenOptions::new().read(true).write(true).open("/dev/null")?.into())
}
