//! What a program is given: arguments, environment, directories, streams, sockets.

use super::descriptor::{Access, Descriptor, Sharing};
use super::determinism::Determinism;
use super::quota::Quota;
use super::resolve::{Place, Resolver, Unfit};
use rustix::fd::{AsFd, AsRawFd, OwnedFd};
use rustix::fs::{FileType, Mode, OFlags};
use sconce_engine::MemoryLimit;
use sconce_engine::environ::shown::Shown;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// All that a program is given, for an interface to hand out in its own way.
#[derive(Debug)]
pub(crate) struct Grants {
    /// The first is the program's name.
    pub args: Vec<Vec<u8>>,
    pub env: Vec<(Vec<u8>, Vec<u8>)>,
    /// Standard input, output and error, as far as they are open.
    pub streams: [Option<Descriptor>; 3],
    pub directories: Vec<Named>,
    /// Listening sockets, then other descriptors.
    pub others: Vec<Descriptor>,
    pub world: World,
    pub limits: Limits,
}

/// A directory, and the program's name for it.
#[derive(Debug)]
pub(crate) struct Named {
    pub name: Box<[u8]>,
    pub directory: Descriptor,
}

/// What calls need of it later.
#[derive(Debug)]
pub(crate) struct World {
    pub resolver: Resolver,
    /// The host's numbers of signals that are ignored.
    pub ignored: Vec<i32>,
    /// On what is written to standard streams.
    pub output: Option<Arc<Quota>>,
    /// On what is written elsewhere.
    pub written: Option<Arc<Quota>>,
    /// Whether a file could not have more bytes, for whatever limit.
    pub file_size_refused: AtomicBool,
    on_standard_close: Option<fn(usize)>,
    /// What stands in for the machine, in a deterministic run.
    pub determinism: Option<Box<Determinism>>,
}

impl World {
    /// To be told when the program has closed what was [`Descriptor::standard`].
    pub(crate) fn closed(&self, standard: Option<usize>) {
        if let (Some(number), Some(close)) = (standard, self.on_standard_close) {
            close(number);
        }
    }
}

/// Why a [`WasiCtx`](crate::WasiCtx) cannot be made.
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
    /// Two directories have the same name for the guest, or one is given so with different access.
    #[error("two directories, or one with different access, have the program's path {0:?}")]
    DuplicateGuestPath(String),
    /// What was given as a directory is something else.
    #[error("the directory for the program's path {0:?} is not a directory")]
    NotADirectory(String),
    /// A directory was given by which the runtime could be taken over. Nothing that is in it can be given.
    #[error("{directory} cannot be given to a program: {why}")]
    Refused {
        /// Which, for people: the host's path where it was given by that.
        directory: String,
        /// Why.
        why: Refusal,
    },
    /// An argument or environment variable contains a NUL, or the name of a variable is empty or contains `=`.
    #[error("{0:?} cannot be passed to the program")]
    BadString(String),
    /// More than 4 GiB of strings.
    #[error("too many arguments or variables")]
    TooMany,
    /// More descriptors than the guest may have.
    #[error("more descriptors are given to the program than the {0} that it may have")]
    Descriptors(usize),
    /// The limit of memory does not leave any for its descriptors.
    #[error("the limit of memory is too low for what is given to the program")]
    NoMemory,
    /// A directory that no path may lead to cannot be looked for.
    #[error("cannot look for the directories that no program may reach: {0}")]
    Masks(std::io::Error),
    /// Sockets and descriptors have no place in a deterministic run.
    #[error("a deterministic run has neither sockets nor other descriptors: what comes from them, and when, is not its input")]
    NotDeterministic,
    /// A descriptor that was handed in is of no use.
    #[error("cannot use descriptor: {0}")]
    Descriptor(#[from] std::io::Error),
}

/// Why a directory cannot be given to a program, in the words of [`BuildError::Refused`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The kernel and processes are controlled by its file system.
    #[error("it is on {0}; that is for no program, nor is anything in it")]
    Controls(String),
    /// It was masked ([`WasiCtxBuilder::mask`]), or is in a directory that was.
    #[error("it is in {}, which is kept from programs since the runtime relies on what is there", Shown::short(&.0.to_string_lossy()))]
    Masked(PathBuf),
}

/// Builds a [`WasiCtx`](crate::WasiCtx).
///
/// Descriptors are numbered as programs expect: standard input, output and error are 0 to 2, directories follow from 3 on
/// in the order given, then listening sockets, then other descriptors. What is not given of the first three is `/dev/null`.
///
/// Flags of what is given as a stream or descriptor stay as they are, since others may share them: the guest's are imitated. What
/// was opened to append to is only appended to. A directory as a stream gives no access to what is in it.
///
/// Directories on file systems by which the kernel or processes are controlled (procfs, sysfs, cgroup and their like) are
/// refused, and no path leads onto one. `/dev` is reached only by a directory that is given at or below it.
#[derive(Debug, Default)]
pub struct WasiCtxBuilder {
    args: Vec<Vec<u8>>,
    env: Vec<(Vec<u8>, Vec<u8>)>,
    stdio: [Stream; 3],
    on_standard_close: Option<fn(usize)>,
    preopens: Vec<Preopen>,
    masked: Vec<PathBuf>,
    sockets: Vec<OwnedFd>,
    descriptors: Vec<OwnedFd>,
    ignored: Vec<i32>,
    seed: Option<u64>,
    limits: Limits,
}

/// What a program may use.
#[derive(Clone, Debug, Default)]
pub struct Limits {
    /// Descriptors that it can have open at once, those that it is given included: at most 65,536, which is the default. More is
    /// `EMFILE`.
    pub descriptors: Option<usize>,
    /// Bytes that it may write to its standard streams, all together. The run ends with [`OutputLimit`](crate::OutputLimit) when it
    /// writes more. With `u64::MAX` they are counted ([`WasiCtx::usage`](crate::WasiCtx::usage)).
    pub output: Option<u64>,
    /// Bytes that it may write to files and whatever else is neither a standard stream nor a socket. More is `EDQUOT`. Counted as the
    /// former.
    pub written: Option<u64>,
    /// What the host keeps for it counts against this.
    pub memory: MemoryLimit,
}

/// A directory to be given.
#[derive(Debug)]
struct Preopen {
    dir: OwnedFd,
    /// If it was given by that.
    host: Option<PathBuf>,
    guest: Vec<u8>,
    access: Access,
}

/// A standard stream.
#[derive(Debug, Default)]
enum Stream {
    /// `/dev/null`.
    #[default]
    Null,
    /// The process's, or another.
    Process(OwnedFd),
    Given(OwnedFd),
    /// Not open.
    Closed,
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

    /// Standard input, output and error are the process's. Whether each is a terminal, a file or a pipe
    /// shows, and what was closed when the process was started is closed.
    pub fn inherit_stdio(mut self) -> std::io::Result<Self> {
        let streams = [rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr()];
        for ((slot, stream), closed) in self.stdio.iter_mut().zip(streams).zip(sconce_engine::closed_at_start()) {
            *slot = match rustix::io::fcntl_dupfd_cloexec(stream, 3) {
                _ if closed => Stream::Closed,
                Ok(fd) => Stream::Process(fd),
                Err(rustix::io::Errno::BADF) => Stream::Closed,
                Err(e) => return Err(e.into()),
            };
        }
        Ok(self)
    }

    /// What is called with 0, 1 or 2 when the guest has closed that stream and it was the process's, which
    /// still has it open: so whoever waits for its end waits on. A process that is nothing but the guest's
    /// closes it as well.
    pub fn on_standard_close(mut self, close: fn(usize)) -> Self {
        self.on_standard_close = Some(close);
        self
    }

    /// Standard input.
    pub fn stdin(mut self, fd: impl Into<OwnedFd>) -> Self {
        self.stdio[0] = Stream::Given(fd.into());
        self
    }

    /// Standard output.
    pub fn stdout(mut self, fd: impl Into<OwnedFd>) -> Self {
        self.stdio[1] = Stream::Given(fd.into());
        self
    }

    /// Standard error.
    pub fn stderr(mut self, fd: impl Into<OwnedFd>) -> Self {
        self.stdio[2] = Stream::Given(fd.into());
        self
    }

    /// Adds a directory that is open already, for reading, not just as a path. The same one with
    /// the same name may be added again.
    pub fn preopen(mut self, dir: impl Into<OwnedFd>, guest: impl Into<Vec<u8>>, access: Access) -> Self {
        self.preopens.push(Preopen { dir: dir.into(), host: None, guest: guest.into(), access });
        self
    }

    /// Adds the host's directory `host`, which the guest calls `guest`. Links on the way are followed: it is the user's path.
    ///
    /// # Errors
    ///
    /// [`BuildError::Preopen`] if it cannot be opened, or is no directory.
    pub fn preopen_path(mut self, host: &Path, guest: impl Into<Vec<u8>>, access: Access) -> Result<Self, BuildError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        match rustix::fs::open(host, flags, Mode::empty()) {
            Ok(dir) => {
                self.preopens.push(Preopen { dir, host: Some(host.to_owned()), guest: guest.into(), access });
                Ok(self)
            }
            Err(e) => Err(BuildError::Preopen { path: host.to_owned(), source: e.into() }),
        }
    }

    /// Masks a directory of the host's: no path of the guest's leads into it or onto it, by whatever name, link or mount, but
    /// is `EPERM`, and [`build`](WasiCtxBuilder::build) refuses to give it, or a directory in it. Those above it cannot be renamed or removed by
    /// the guest. If it is not there, the guest does not get to make it. Links on the way are followed.
    ///
    /// Paths below a directory that it may be in are followed by steps, which takes longer.
    pub fn mask(mut self, directory: impl Into<PathBuf>) -> Self {
        self.masked.push(directory.into());
        self
    }

    /// Adds a listening socket, which nobody else has.
    pub fn listener(mut self, socket: impl Into<OwnedFd>) -> Self {
        self.sockets.push(socket.into());
        self
    }

    /// Adds another descriptor that the process was given.
    pub fn descriptor(mut self, fd: impl Into<OwnedFd>) -> Self {
        self.descriptors.push(fd.into());
        self
    }

    /// What the program observes depends on its input alone: arguments, environment, standard input, what is in its directories, and
    /// this seed. Time begins at a fixed date and passes as the program looks at it or waits for it; random bytes are the
    /// seed's; files have numbers in the order in which they are seen, and the same times; directories are in order; standard streams
    /// are pipes, and what is read from them is complete. There can be neither sockets nor further descriptors.
    ///
    /// What another process does to the program's directories meanwhile counts as input, as do failures of the machine (a full disk).
    pub fn deterministic(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Signals that the guest is started with as ignored, by the host's numbers. Raising one does nothing;
    /// with SIGPIPE among them, writing to a standard stream that nobody reads is the error `EPIPE`, and not
    /// the guest's end.
    pub fn ignore_signals(mut self, signals: impl IntoIterator<Item = i32>) -> Self {
        self.ignored.extend(signals);
        self
    }

    /// Limits what the program may use.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Whether all strings can be passed to a program.
    fn check_strings(&self) -> Result<(), BuildError> {
        let bad = |text: &[u8]| BuildError::BadString(String::from_utf8_lossy(text).into_owned());
        let mut strings = self.args.iter().chain(self.env.iter().flat_map(|(name, value)| [name, value]));
        if let Some(text) = strings.find(|text| text.contains(&0)) {
            return Err(bad(text));
        }
        match self.env.iter().find(|(name, _)| name.is_empty() || name.contains(&b'=')) {
            Some((name, _)) => Err(bad(name)),
            None => Ok(()),
        }
    }

    /// What was given, checked.
    pub(crate) fn grants(self) -> Result<Grants, BuildError> {
        self.check_strings()?;
        if self.seed.is_some() && !(self.sockets.is_empty() && self.descriptors.is_empty()) {
            return Err(BuildError::NotDeterministic);
        }
        let broken_pipe_is_ignored = self.ignored.contains(&rustix::process::Signal::PIPE.as_raw());
        let output = self.limits.output.map(|bytes| Quota::new(bytes, true));
        let written = self.limits.written.map(|bytes| Quota::new(bytes, false));
        let [stdin, stdout, stderr] = self.stdio;
        let streams = [stdin.open(0, false)?, stdout.open(1, !broken_pipe_is_ignored)?, stderr.open(2, !broken_pipe_is_ignored)?];
        let mut streams = streams.map(|stream| Some(stream?.with_quota(output.as_ref())));
        if self.seed.is_some() {
            let mut number = 0..;
            streams = streams.map(|d| number.next().and_then(|n| Some(d?.into_pipe(n))));
        }
        // Without anything that can be a directory there are no paths, and nothing has to be looked for.
        let no_paths = self.preopens.is_empty() && self.descriptors.is_empty() && self.sockets.is_empty();
        let resolver = if no_paths { Ok(Resolver::idle()) } else { Resolver::probed(&self.masked) };
        let resolver = resolver.map_err(|e| BuildError::Masks(e.into()))?;
        Ok(Grants {
            args: self.args,
            env: self.env,
            streams,
            directories: directories(&resolver, self.preopens, written.as_ref())?,
            others: others(&resolver, self.sockets, self.descriptors, written.as_ref())?,
            world: World {
                resolver,
                ignored: self.ignored,
                output,
                written,
                file_size_refused: AtomicBool::new(false),
                on_standard_close: self.on_standard_close,
                determinism: self.seed.map(|seed| Box::new(Determinism::new(seed, &self.limits.memory))),
            },
            limits: self.limits,
        })
    }
}

impl Stream {
    fn open(self, number: usize, ends_on_broken_pipe: bool) -> std::io::Result<Option<Descriptor>> {
        let (fd, sharing, standard) = match self {
            Stream::Null => (null()?, Sharing::Own, None),
            Stream::Process(fd) => (fd, Sharing::Shared, Some(number)),
            Stream::Given(fd) => (fd, Sharing::Shared, None),
            Stream::Closed => return Ok(None),
        };
        let d = Descriptor::new(fd, sharing, Access::ReadWrite)?;
        Ok(Some(d.into_stream(standard, ends_on_broken_pipe)))
    }
}

/// Directories that were given, with the program's names for them.
fn directories(resolver: &Resolver, given: Vec<Preopen>, quota: Option<&Arc<Quota>>) -> Result<Vec<Named>, BuildError> {
    let mut names: HashMap<Vec<u8>, (FileId, Access)> = HashMap::new();
    let mut all = Vec::new();
    for Preopen { dir, host, guest, access } in given {
        let shown = String::from_utf8_lossy(&guest).into_owned();
        let name = guest.iter().rposition(|c| *c != b'/').map_or(&b"/"[..], |end| &guest[..=end]).to_vec();
        // Scripts that put command lines together give the same one twice.
        let this = (file_id(&dir)?, access);
        if *names.entry(name).or_insert(this) != this {
            return Err(BuildError::DuplicateGuestPath(shown));
        }
        if !is_directory(&dir)? {
            return Err(BuildError::NotADirectory(shown));
        }
        let named = || match &host {
            Some(host) => format!("directory {}", Shown::short(&host.to_string_lossy())),
            None => format!("the directory for the program's path {shown:?}"),
        };
        let place = fit(resolver, &dir, named)?;
        let directory = Descriptor::placed(dir, place, Sharing::Own, access).map_err(std::io::Error::from)?;
        all.push(Named { name: guest.into(), directory: directory.with_quota(quota) });
    }
    Ok(all)
}

/// What was given without a name.
fn others(
    resolver: &Resolver,
    sockets: Vec<OwnedFd>,
    descriptors: Vec<OwnedFd>,
    quota: Option<&Arc<Quota>>,
) -> Result<Vec<Descriptor>, BuildError> {
    let sockets = sockets.into_iter().map(|fd| (fd, Sharing::Own));
    let descriptors = descriptors.into_iter().map(|fd| (fd, Sharing::Shared));
    let other = |(fd, sharing): (OwnedFd, Sharing)| {
        // Nobody but the kernel says what numbers the process was given: none of them may reach a program that it starts.
        rustix::io::fcntl_setfd(&fd, rustix::io::FdFlags::CLOEXEC).map_err(std::io::Error::from)?;
        let place = match is_directory(&fd)? {
            true => fit(resolver, &fd, || match std::fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd())) {
                Ok(path) => format!("a descriptor of directory {}", Shown::short(&path.to_string_lossy())),
                Err(_) => "a descriptor of a directory".to_owned(),
            })?,
            false => Place::nowhere(),
        };
        let d = Descriptor::placed(fd, place, sharing, Access::ReadWrite).map_err(std::io::Error::from)?;
        // What is sent to a peer fills no disk.
        let quota = quota.filter(|_| d.kind != FileType::Socket);
        Ok(d.with_quota(quota))
    };
    sockets.chain(descriptors).map(other).collect()
}

/// Device and inode.
type FileId = (u64, u64);

fn file_id(fd: &OwnedFd) -> std::io::Result<FileId> {
    let stat = rustix::fs::fstat(fd)?;
    Ok((stat.st_dev, stat.st_ino))
}

fn is_directory(fd: &OwnedFd) -> std::io::Result<bool> {
    Ok(FileType::from_raw_mode(rustix::fs::fstat(fd)?.st_mode) == FileType::Directory)
}

/// Where a directory is, if it may be a guest's.
fn fit(resolver: &Resolver, dir: &OwnedFd, named: impl FnOnce() -> String) -> Result<Place, BuildError> {
    let why = match resolver.fit(dir.as_fd()).map_err(std::io::Error::from)? {
        Ok(place) => return Ok(place),
        Err(Unfit::Controls(control)) => Refusal::Controls(control.to_string()),
        Err(Unfit::Masked(path)) => Refusal::Masked(path),
    };
    Err(BuildError::Refused { directory: named(), why })
}

/// `/dev/null`, for reading and writing.
fn null() -> std::io::Result<OwnedFd> {
    Ok(std::fs::OpenOptions::new().read(true).write(true).open("/dev/null")?.into())
}
