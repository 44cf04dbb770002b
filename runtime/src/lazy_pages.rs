//! Pages that are filled when they are first used.
//!
//! A large program's artifact is many megabytes, of which a run needs a few. So when one comes from a file, its text, the contents
//! of its memories and its tables are brought in chunk by chunk: each is read into pages of the process's own, compared with the
//! digest that the artifact's authenticated head has for it, and only then used. What somebody writes into the file meanwhile is
//! thereby found out, never run or believed.
//!
//! Text and data begin inaccessible, and the first fault in a chunk makes the handler bring it in ([`Use::Text`], [`Use::Data`]).
//! Host code that touches a guest's memory faults in the same way as long as its thread is inside a call of the store; the kernel
//! does not, so buffers are touched before they are handed to it, and access from outside a call asks first
//! ([`LazyPages::ensure`]). Tables are always asked for.
//!
//! A chunk that does not match, or cannot be read, ends the process with a message: there is nothing to go on with, just as
//! when the file of a running executable is damaged. If the file can be made again ([`Replaceable`]) it is removed, so that the next
//! run does.

use crate::sys::mmap::{Access, Mapping, protect};
use rustix::fs::{AtFlags, unlinkat};
use rustix::io::{Errno, pread, write};
use sconce_environ::code_tables::Stream;
use std::ffi::CString;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// Bytes of a chunk; the last one of a part may be shorter. As many as the digest computes at once; measured, half as many cost 6 %
/// more of a whole start, since there are more faults, and twice as many about the same.
pub const CHUNK: usize = 16 << 10;

/// A chunk's digest.
pub type Digest = [u8; 32];

/// A file that nobody misses when it is damaged: a cache's.
#[derive(Debug)]
pub struct Replaceable {
    /// Its directory.
    pub dir: Arc<OwnedFd>,
    /// Its name there.
    pub name: CString,
}

/// Where a part's bytes come from.
#[derive(Clone, Debug)]
pub struct LazySource {
    /// The file, which nobody need keep from changing.
    pub file: Arc<OwnedFd>,
    /// What to remove if it is damaged.
    pub replaceable: Option<Arc<Replaceable>>,
    /// Where the part begins in it.
    pub offset: u64,
    /// Bytes of the part.
    pub len: usize,
    /// One for each chunk, from an authenticated place.
    pub digests: Box<[Digest]>,
    /// Computes a chunk's digest. Called in a signal handler: it takes no lock and allocates nothing.
    pub digest: fn(&[u8]) -> Digest,
}

impl LazySource {
    /// The piece of `len` bytes at `start`, which is the beginning of a chunk; `None` if there is no such piece, or if it ends
    /// inside of a chunk.
    pub(crate) fn piece(&self, start: usize, len: usize) -> Option<LazySource> {
        let end = start.checked_add(len).filter(|&end| end <= self.len)?;
        if !start.is_multiple_of(CHUNK) || !(len.is_multiple_of(CHUNK) || end == self.len) {
            return None;
        }
        let digests = self.digests.get(start / CHUNK..end.div_ceil(CHUNK))?.into();
        Some(LazySource { offset: self.offset + start as u64, len, digests, ..self.clone() })
    }
}

/// What pages are for, and so how they are protected.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// Code: inaccessible, then readable and executable.
    Text,
    /// A guest's memory: inaccessible, then readable and writable.
    Data,
    /// Tables of the host's: always readable and writable, and meaningless before they are asked for.
    Table,
}

const ABSENT: u8 = 0;
const LOADING: u8 = 1;
const PRESENT: u8 = 2;

/// A part in memory.
#[derive(Debug)]
pub(crate) struct LazyPages {
    source: LazySource,
    base: *mut u8,
    usage: Use,
    states: Box<[AtomicU8]>,
}

// SAFETY: the pages belong to this part alone, and each chunk of them to the thread that has marked it as being loaded.
unsafe impl Send for LazyPages {}
// SAFETY: as above.
unsafe impl Sync for LazyPages {}

impl LazyPages {
    /// Nothing is present. `None` if there is not exactly one digest for each chunk.
    ///
    /// # Safety
    /// `base` begins a page. As long as this lives, the pages of `source.len` bytes from there on are mapped, and nobody else makes
    /// them accessible or writes them before they are present. They are accessible now if, and only if, they are for a table.
    pub(crate) unsafe fn new(source: LazySource, base: *mut u8, usage: Use) -> Option<LazyPages> {
        let chunks = source.len.div_ceil(CHUNK);
        let states = (0..chunks).map(|_| AtomicU8::new(ABSENT)).collect();
        (source.digests.len() == chunks).then_some(LazyPages { source, base, usage, states })
    }

    /// The offset of an address in this part.
    pub(crate) fn offset_of(&self, address: usize) -> Option<usize> {
        address.checked_sub(self.base as usize).filter(|&offset| offset < self.source.len)
    }

    /// Whether the chunk around an offset can be used.
    pub(crate) fn is_present(&self, offset: usize) -> bool {
        self.states.get(offset / CHUNK).is_some_and(|s| s.load(Ordering::Acquire) == PRESENT)
    }

    /// Brings in the chunk around an offset. Async-signal-safe.
    ///
    /// False if it is present already.
    pub(crate) fn load(&self, offset: usize) -> bool {
        let chunk = offset / CHUNK;
        let Some(state) = self.states.get(chunk) else { return false };
        match state.compare_exchange(ABSENT, LOADING, Ordering::Acquire, Ordering::Acquire) {
            Ok(_) => self.fill(chunk..chunk + 1),
            Err(LOADING) => self.wait(chunk),
            Err(_) => return false,
        }
        true
    }

    /// Brings in all chunks of a range of offsets. Async-signal-safe.
    pub(crate) fn ensure(&self, range: Range<usize>) {
        let chunks = range.start / CHUNK..range.end.min(self.source.len).div_ceil(CHUNK);
        let mut next = chunks.start;
        while next < chunks.end {
            let first = next;
            let claim = |state: &AtomicU8| state.compare_exchange(ABSENT, LOADING, Ordering::Acquire, Ordering::Acquire);
            while next < chunks.end && claim(&self.states[next]).is_ok() {
                next += 1;
            }
            // Neighbours together: one system call for each step instead of one a chunk.
            self.fill(first..next);
            if next < chunks.end {
                self.wait(next);
                next += 1;
            }
        }
    }

    /// A bit for each chunk, lowest first, that says whether it is present.
    pub(crate) fn present(&self) -> Vec<u8> {
        let bit = |(i, state): (usize, &AtomicU8)| u8::from(state.load(Ordering::Acquire) == PRESENT) << i;
        self.states.chunks(8).map(|states| states.iter().enumerate().map(bit).sum()).collect()
    }

    /// Brings in chunks: a bit for each, lowest first.
    pub(crate) fn ensure_marked(&self, marks: &[u8]) {
        let marked = |chunk: usize| marks.get(chunk / 8).is_some_and(|byte| byte >> (chunk % 8) & 1 != 0);
        let mut next = 0;
        while next < self.states.len() {
            let first = next;
            while next < self.states.len() && marked(next) {
                next += 1;
            }
            self.ensure(first * CHUNK..next * CHUNK);
            next += 1;
        }
    }

    /// Waits until a chunk is not being loaded: by another thread, in its own handler or helper, which neither waits for us nor
    /// can be stopped by us.
    fn wait(&self, chunk: usize) {
        while self.states[chunk].load(Ordering::Acquire) == LOADING {
            std::thread::yield_now();
        }
    }

    /// Fills chunks that this thread has marked as being loaded.
    fn fill(&self, chunks: Range<usize>) {
        if chunks.is_empty() {
            return;
        }
        let start = chunks.start * CHUNK;
        let len = (chunks.end * CHUNK).min(self.source.len) - start;
        let at = self.base.wrapping_add(start);
        // SAFETY: these pages are ours, by the promise to `new` and the chunks' states; nobody uses them before the states say so, and
        // a thread that tries faults and waits. The slice ends before they are given away.
        let matches = unsafe {
            if self.usage != Use::Table && protect(at, len, Access::ReadWrite).is_err() {
                give_up(b"error: cannot get memory for a program's code or data\n");
            }
            let bytes = std::slice::from_raw_parts_mut(at, len);
            self.read(bytes, start)
                && bytes.chunks(CHUNK).zip(&self.source.digests[chunks.clone()]).all(|(b, d)| (self.source.digest)(b) == *d)
        };
        if !matches {
            if let Some(Replaceable { dir, name }) = self.source.replaceable.as_deref() {
                // Should this fail, the next run ends here as well.
                let _ = unlinkat(dir, name.as_c_str(), AtFlags::empty());
                give_up(b"error: this program's compiled code in the cache is damaged, and has been removed: run it again\n");
            }
            give_up(b"error: the file that this program's compiled code comes from was changed or damaged while it ran\n");
        }
        // SAFETY: as above.
        if self.usage == Use::Text && unsafe { protect(at, len, Access::ReadExecute) }.is_err() {
            give_up(b"error: cannot make memory executable\n");
        }
        for state in &self.states[chunks] {
            state.store(PRESENT, Ordering::Release);
        }
    }

    /// Reads what stands at `start` of the part.
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

/// Ends the process: the code or data that it needs next does not exist.
fn give_up(message: &[u8]) -> ! {
    // SAFETY: descriptor 2 is borrowed for one write; if it is closed, the write fails and nothing else happens.
    let stderr = unsafe { std::os::fd::BorrowedFd::borrow_raw(2) };
    let _ = write(stderr, message);
    // SAFETY: `_exit` is async-signal-safe.
    unsafe { libc::_exit(1) }
}

/// A table's bytes: at hand, or in a file until they are asked for.
#[derive(Debug)]
pub struct TableBytes(Kept);

#[derive(Debug)]
enum Kept {
    Here(Vec<u8>),
    // The pages come first: they are dropped before their mapping.
    InFile(LazyPages, #[expect(dead_code, reason = "owns the pages")] Mapping),
}

impl From<Vec<u8>> for TableBytes {
    fn from(bytes: Vec<u8>) -> TableBytes {
        TableBytes(Kept::Here(bytes))
    }
}

impl TableBytes {
    /// A table that is read piece by piece; `None` if there is no memory for it, or not exactly one digest for each chunk.
    pub fn in_file(source: LazySource) -> Option<TableBytes> {
        let pages = Mapping::reserve(crate::sys::page_ceil(source.len.max(1))?).ok()?;
        // SAFETY: a new mapping that nobody else knows, and that is kept as long as what uses it.
        let lazy = unsafe {
            pages.protect(0, pages.len(), Access::ReadWrite).ok()?;
            LazyPages::new(source, pages.base(), Use::Table)?
        };
        Some(TableBytes(Kept::InFile(lazy, pages)))
    }
}

impl Stream for TableBytes {
    fn len(&self) -> usize {
        match &self.0 {
            Kept::Here(bytes) => bytes.len(),
            Kept::InFile(lazy, _) => lazy.source.len,
        }
    }

    fn get(&self, range: Range<usize>) -> Option<&[u8]> {
        match &self.0 {
            Kept::Here(bytes) => bytes.get(range),
            Kept::InFile(lazy, _) => {
                if range.start > range.end || range.end > lazy.source.len {
                    return None;
                }
                lazy.ensure(range.clone());
                // SAFETY: inside the table; these chunks are present, and nobody writes them any more.
                Some(unsafe { std::slice::from_raw_parts(lazy.base.add(range.start), range.len()) })
            }
        }
    }
}
