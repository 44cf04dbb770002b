//! What a guest of preview 1 has: strings in its layout, and descriptors by number.

use super::abi::filetype;
use super::errno::{Errno, Outcome};
use super::handle::Handle;
use super::positions::{MOST, Room};
use super::rights;
use super::strings::Strings;
use super::table::{MAX_DESCRIPTORS, Table};
use crate::host::descriptor::Access;
use crate::host::grants::{BuildError, Grants, WasiCtxBuilder, World};
use rustix::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

/// The world of one guest. It is shared by the guest's threads, each with a store of its own.
#[derive(Debug)]
pub struct WasiCtx {
    pub(crate) args: Strings,
    pub(crate) env: Strings,
    pub(crate) table: Table,
    pub(crate) world: World,
    /// What its directories may remember.
    pub(crate) room: Arc<Room>,
}

impl WasiCtxBuilder {
    /// The context.
    ///
    /// # Errors
    ///
    /// See [`BuildError`].
    pub fn build(self) -> Result<WasiCtx, BuildError> {
        let Grants { args: given_args, env: given_env, streams, directories, others, world } = self.grants()?;
        let (mut args, mut env) = (Strings::default(), Strings::default());
        for arg in &given_args {
            args.push(&[arg])?;
        }
        for (name, value) in &given_env {
            env.push(&[name, b"=", value])?;
        }
        let table = Table::new(MAX_DESCRIPTORS);
        let streams = streams.into_iter().map(|d| d.map(Handle::stream));
        let directories = directories.into_iter().map(|d| Some(Handle::preopened(d.directory, d.name)));
        let others = others.into_iter().map(|d| Some(Handle::new(d)));
        for d in streams.chain(directories).chain(others) {
            table.push(d).map_err(|_| BuildError::TooMany)?;
        }
        Ok(WasiCtx { args, env, table, world, room: Room::new(MOST) })
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
