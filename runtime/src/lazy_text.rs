//! Text that is brought in when it is first run.
//!
//! The text of a large program is many megabytes, of which a run needs a few. So when text comes from an artifact's file, its
//! pages begin inaccessible; the first fault in a chunk makes the handler read the chunk into pages of the process's own,
//! compare them with the digest that the artifact's authenticated head has for it, and only then make them executable. What
//! somebody writes into the file meanwhile is thereby found out, never run.
//!
//! A chunk that does not match, or cannot be read, ends the process with a message: there is nothing to go on with, just as
//! when the file of a running executable is damaged.

use crate::sys::mmap::{Access, Mapping};
use rustix::io::{Errno, pread, write};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// Bytes of a chunk; the last one of a text may be shorter.
pub const TEXT_CHUNK: usize = 64 << 10;

/// A chunk's digest.
pub type Digest = [u8; 32];

/// Where lazily loaded text comes from.
#[derive(Clone, Debug)]
pub struct TextSource {
    /// The file, which nobody need keep from changing.
    pub file: Arc<OwnedFd>,
    /// Where text begins in it.
    pub offset: u64,
    /// Bytes of text.
    pub len: usize,
    /// One for each chunk, from an authenticated place.
    pub digests: Box<[Digest]>,
    /// Computes a chunk's digest. Called in a signal handler: it takes no lock and allocates nothing.
    pub digest: fn(&[u8]) -> Digest,
}

const ABSENT: u8 = 0;
const LOADING: u8 = 1;
const PRESENT: u8 = 2;

/// The chunks of one region.
#[derive(Debug)]
pub(crate) struct LazyText {
    source: TextSource,
    states: Box<[AtomicU8]>,
}

impl LazyText {
    /// Nothing is present. `None` if there is not exactly one digest for each chunk.
    pub(crate) fn new(source: TextSource) -> Option<LazyText> {
        let chunks = source.len.div_ceil(TEXT_CHUNK);
        let states = (0..chunks).map(|_| AtomicU8::new(ABSENT)).collect();
        (source.digests.len() == chunks).then_some(LazyText { source, states })
    }

    /// Whether the chunk around an offset of text can be read and run.
    pub(crate) fn is_present(&self, offset: usize) -> bool {
        self.states.get(offset / TEXT_CHUNK).is_some_and(|s| s.load(Ordering::Acquire) == PRESENT)
    }

    /// Brings in the chunk around an offset of text that begins at `base` in `mapping`. Async-signal-safe.
    ///
    /// False if it is present already.
    ///
    /// # Safety
    /// The pages from `base` on, `source.len` bytes, are this text's alone, and only this makes them accessible.
    pub(crate) unsafe fn load(&self, mapping: &Mapping, base: usize, offset: usize) -> bool {
        let chunk = offset / TEXT_CHUNK;
        let Some(state) = self.states.get(chunk) else { return false };
        match state.compare_exchange(ABSENT, LOADING, Ordering::Acquire, Ordering::Acquire) {
            Ok(_) => {}
            Err(LOADING) => {
                // Another thread is at it, in its own handler: it neither waits for us nor can be stopped by us.
                while state.load(Ordering::Acquire) == LOADING {
                    std::thread::yield_now();
                }
                return true;
            }
            Err(_) => return false,
        }
        let start = chunk * TEXT_CHUNK;
        let len = TEXT_CHUNK.min(self.source.len - start);
        // SAFETY: these pages are ours, by the caller's promise; nobody reads or runs them before the state says so, and a thread
        // that tries faults and waits above. The slice ends before they become executable.
        let matches = unsafe {
            if mapping.protect(base + start, len, Access::ReadWrite).is_err() {
                give_up(b"sconce: cannot get memory for code\n");
            }
            let bytes = std::slice::from_raw_parts_mut(mapping.base().add(base + start), len);
            self.read(bytes, start) && (self.source.digest)(bytes) == self.source.digests[chunk]
        };
        if !matches {
            give_up(b"sconce: the file that this program's compiled code comes from was changed or damaged while it ran\n");
        }
        // SAFETY: as above.
        if unsafe { mapping.protect(base + start, len, Access::ReadExecute) }.is_err() {
            give_up(b"sconce: cannot make memory executable\n");
        }
        state.store(PRESENT, Ordering::Release);
        true
    }

    /// Reads what stands at `start` of text.
    fn read(&self, mut bytes: &mut [u8], start: usize) -> bool {
        let mut at = self.source.offset + start as u64;
        while !bytes.is_empty() {
            match pread(&*self.source.file, &mut *bytes, at) {
                Ok(0) => return false,
                Ok(n) => {
                    at += n as u64;
                    bytes = &mut bytes[n..];
                }
                Err(Errno::INTR) => {}
                Err(_) => return false,
            }
        }
        true
    }
}

/// Ends the process: the code that should run next does not exist.
fn give_up(message: &[u8]) -> ! {
    // SAFETY: descriptor 2 is borrowed for one write; if it is closed, the write fails and nothing else happens.
    let stderr = unsafe { std::os::fd::BorrowedFd::borrow_raw(2) };
    let _ = write(stderr, message);
    // SAFETY: `_exit` is async-signal-safe.
    unsafe { libc::_exit(1) }
}
