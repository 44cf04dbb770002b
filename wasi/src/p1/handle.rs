//! A guest's descriptor: what it has open, and what the interface says may be done with it.

use super::abi::{filetype, filetype_of};
use super::errno::{Errno, Outcome};
use super::misuse;
use super::positions::Positions;
use super::rights;
use crate::host::denial::{self, Rule};
use crate::host::descriptor::Descriptor;
use crate::host::determinism::listing::Listing;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock};

/// What a descriptor of the guest's stands for.
#[derive(Debug)]
pub(crate) struct Handle {
    pub host: Descriptor,
    /// `$filetype`.
    pub filetype: u8,
    /// The guest's name of a preopened directory.
    pub preopen: Option<Box<[u8]>>,
    /// Which of the things that the program was given it is, or was opened through.
    pub grant: Option<usize>,
    /// What it was opened as, where calls are watched.
    opened_as: OnceLock<Box<[u8]>>,
    /// The rights that its kind and the mode it was opened in have room for.
    possible: u64,
    /// The same, without what was taken away from it or from the directory that it was opened
    /// through.
    base: AtomicU64,
    inheriting: AtomicU64,
    /// Where each entry of a directory ended when it was last read. Locked while the position is set and entries are read.
    pub entry_ends: OnceLock<Mutex<Positions>>,
    /// What a directory had when it was last read from its beginning, in a deterministic run.
    pub listing: Mutex<Option<Listing>>,
}

impl Handle {
    /// With all the rights that there is room for.
    pub(crate) fn new(host: Descriptor) -> Handle {
        let (possible, inheriting) = rights::possible(&host);
        Handle {
            filetype: if host.datagram { filetype::SOCKET_DGRAM } else { filetype_of(host.kind) },
            host,
            preopen: None,
            grant: None,
            opened_as: OnceLock::new(),
            possible,
            base: AtomicU64::new(possible),
            inheriting: AtomicU64::new(inheriting),
            entry_ends: OnceLock::new(),
            listing: Mutex::new(None),
        }
    }

    /// What was given with a name.
    pub(crate) fn preopened(host: Descriptor, name: Box<[u8]>) -> Handle {
        Handle { preopen: Some(name), ..Handle::new(host) }
    }

    /// It, as this one of the things that were given, or as opened through that.
    pub(crate) fn of(self, grant: Option<usize>) -> Handle {
        Handle { grant, ..self }
    }

    /// What `path_open` opened in a directory that passes on the rights `passed`. Which of them
    /// were asked for makes no difference: they say how programs mean to use it, not what they may
    /// do.
    pub(crate) fn opened(host: Descriptor, passed: u64) -> Handle {
        let mut d = Handle::new(host);
        // Times may be set through a file that was opened for reading, as utimensat would by its name.
        let by_name = if d.host.waits() { 0 } else { rights::FD_FILESTAT_SET_TIMES };
        d.possible |= by_name;
        *d.base.get_mut() |= by_name;
        *d.base.get_mut() &= passed;
        *d.inheriting.get_mut() &= passed;
        d
    }

    /// A standard stream. A directory is one that nothing can be done with: what is in it was not
    /// given.
    pub(crate) fn stream(host: Descriptor) -> Handle {
        let mut d = Handle::new(host);
        if d.filetype == filetype::DIRECTORY {
            *d.base.get_mut() &= rights::FD_FILESTAT_GET | rights::POLL_FD_READWRITE;
            *d.inheriting.get_mut() = 0;
        }
        d
    }

    /// Notes the path by which the guest has opened it.
    pub(crate) fn called(&self, path: Vec<u8>) {
        // It keeps the first one.
        let _ = self.opened_as.set(path.into());
    }

    /// What the guest knows it as, if that was noted: for people.
    pub(crate) fn name(&self) -> Option<&[u8]> {
        let stream = || ["stdin", "stdout", "stderr"].get(self.host.standard?).map(|name| name.as_bytes());
        self.preopen.as_deref().or(self.opened_as.get().map(|path| &**path)).or_else(stream)
    }

    pub(crate) fn is_socket(&self) -> bool {
        matches!(self.filetype, filetype::SOCKET_DGRAM | filetype::SOCKET_STREAM)
    }

    /// Base and inheriting rights.
    pub(crate) fn rights(&self) -> (u64, u64) {
        (self.base.load(Ordering::Relaxed), self.inheriting.load(Ordering::Relaxed))
    }

    /// `ENOTCAPABLE` if one of these rights is missing, and what [`misuse`] says if it never was there.
    #[inline]
    pub(crate) fn check(&self, needed: u64) -> Outcome {
        if needed & !self.base.load(Ordering::Relaxed) == 0 { Ok(()) } else { self.refuse(needed) }
    }

    #[cold]
    fn refuse(&self, needed: u64) -> Outcome {
        if needed & !self.possible != 0 {
            return misuse::answer(self.filetype, self.possible, needed);
        }
        denial::note(Rule::GivenUp);
        Err(Errno::NotCapable.into())
    }

    /// Takes rights away; more than there are is `ENOTCAPABLE`.
    pub(crate) fn shrink_rights(&self, base: u64, inheriting: u64) -> Outcome {
        let now = self.rights();
        if base & !now.0 != 0 || inheriting & !now.1 != 0 {
            return Err(Errno::NotCapable.into());
        }
        self.base.fetch_and(base, Ordering::Relaxed);
        self.inheriting.fetch_and(inheriting, Ordering::Relaxed);
        Ok(())
    }
}
