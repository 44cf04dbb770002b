//! What a guest of preview 1 has: strings in its layout, and descriptors by number.

use super::abi::filetype;
use super::errno::{Errno, Fail, Outcome};
use super::handle::Handle;
use super::positions::{MOST, Room};
use super::rights;
use super::strings::Strings;
use super::table::{MAX_DESCRIPTORS, Table};
use crate::host::descriptor::Access;
use crate::host::determinism::listing;
use crate::host::grants::{BuildError, Grants, WasiCtxBuilder, World};
use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::FileType;
use sconce_engine::MemoryLimit;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// The world of one guest. It is shared by the guest's threads, each with a store of its own.
#[derive(Debug)]
pub struct WasiCtx {
    pub(crate) args: Strings,
    pub(crate) env: Strings,
    pub(crate) table: Table,
    pub(crate) world: World,
    /// The names of the directories that it was given, in this order.
    pub(crate) directories: Vec<Box<[u8]>>,
    /// Whether it was given a socket.
    pub(crate) has_sockets: bool,
    /// What its directories may remember.
    pub(crate) room: Arc<Room>,
    /// The same in a deterministic run.
    pub(crate) listings: listing::Room,
    /// What the host keeps for it counts against this.
    pub(crate) memory: MemoryLimit,
}

/// What a program has used, and which limits it has met.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Descriptors that it had open at once, at most.
    pub descriptors: usize,
    /// Whether it could not have another.
    pub descriptors_refused: bool,
    /// Bytes written to standard streams, if they are counted ([`Limits`](crate::Limits)).
    pub output: Option<u64>,
    /// Bytes written elsewhere, if they are counted.
    pub written: Option<u64>,
    /// Whether more could not be written there.
    pub written_refused: bool,
    /// Whether a file could not have more bytes, for whatever limit.
    pub file_size_refused: bool,
}

impl WasiCtxBuilder {
    /// The context.
    ///
    /// # Errors
    ///
    /// See [`BuildError`].
    pub fn build(self) -> Result<WasiCtx, BuildError> {
        let Grants { args: given_args, env: given_env, streams, directories, others, world, limits } = self.grants()?;
        let (mut args, mut env) = (Strings::default(), Strings::default());
        for arg in &given_args {
            args.push(&[arg])?;
        }
        for (name, value) in &given_env {
            env.push(&[name, b"=", value])?;
        }
        let most = limits.descriptors.map_or(MAX_DESCRIPTORS, |most| most.min(MAX_DESCRIPTORS));
        let table = Table::new(most, &limits.memory);
        let streams = streams.into_iter().map(|d| d.map(Handle::stream));
        let names: Vec<_> = directories.iter().map(|d| d.name.clone()).collect();
        let has_sockets = others.iter().any(|d| d.kind == FileType::Socket);
        let directories = directories.into_iter().map(|d| Handle::preopened(d.directory, d.name));
        let given = directories.chain(others.into_iter().map(Handle::new)).enumerate();
        let given = given.map(|(n, d)| Some(d.of(Some(n))));
        for d in streams.chain(given) {
            table.push(d).map_err(|e| match e {
                Fail::Errno(Errno::MFile) => BuildError::Descriptors(most),
                _ => BuildError::NoMemory,
            })?;
        }
        let (room, listings) = (Room::new(MOST), listing::Room::new(listing::MOST, &limits.memory));
        Ok(WasiCtx { args, env, table, world, directories: names, has_sockets, room, listings, memory: limits.memory })
    }
}

impl WasiCtx {
    /// With nothing in it yet.
    pub fn builder() -> WasiCtxBuilder {
        WasiCtxBuilder::default()
    }

    /// The directories that the program has now, with what may be done in them, and whether it has sockets: for who confines the
    /// process.
    pub fn with_given<R>(&self, see: impl FnOnce(Vec<(BorrowedFd<'_>, Access)>, bool) -> R) -> R {
        let all = self.table.all();
        let directories = all.iter().filter(|d| d.filetype == filetype::DIRECTORY && d.rights().0 & rights::PATH_OPEN != 0);
        see(directories.map(|d| (d.host.as_fd(), d.host.access)).collect(), all.iter().any(|d| d.is_socket()))
    }

    /// What it has used.
    pub fn usage(&self) -> Usage {
        let World { output, written, .. } = &self.world;
        let (descriptors, descriptors_refused) = self.table.usage();
        Usage {
            descriptors,
            descriptors_refused,
            output: output.as_ref().map(|quota| quota.used()),
            written: written.as_ref().map(|quota| quota.used()),
            file_size_refused: self.world.file_size_refused.load(Ordering::Relaxed),
            written_refused: written.as_ref().is_some_and(|quota| quota.has_struck()),
        }
    }

    /// Whether paths from a directory that the program has lead to where a masked one is.
    pub(crate) fn has_masked(&self) -> bool {
        self.table.all().iter().any(|d| d.rights().0 & rights::PATH_OPEN != 0 && d.host.may_have_masked())
    }

    /// The descriptor of this number, if it has the rights `needed`.
    #[inline]
    pub(crate) fn fd(&self, fd: u32, needed: u64) -> Outcome<Arc<Handle>> {
        self.table.get(fd, needed)
    }

    /// The socket of this number, if it has the rights `needed`; `ENOTSOCK` for everything else.
    #[inline]
    pub(crate) fn socket(&self, fd: u32, needed: u64) -> Outcome<Arc<Handle>> {
        let d = self.table.get(fd, 0)?;
        if !d.is_socket() {
            return Err(Errno::NotSock.into());
        }
        d.check(needed)?;
        Ok(d)
    }

    /// The directory of this number, if it has the rights `needed`; `ENOTDIR` for everything else.
    #[inline]
    pub(crate) fn dir(&self, fd: u32, needed: u64) -> Outcome<Arc<Handle>> {
        let d = self.table.get(fd, 0)?;
        if d.filetype != filetype::DIRECTORY {
            return Err(Errno::NotDir.into());
        }
        d.check(needed)?;
        Ok(d)
    }

    /// Lets go of what was taken out of the table.
    pub(crate) fn closed(&self, d: Arc<Handle>) {
        let standard = d.host.standard;
        drop(d);
        self.world.closed(standard);
    }
}
