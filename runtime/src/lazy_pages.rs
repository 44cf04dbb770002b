//! Pages that are filled when they are first used.
//!
//! A large program's artifact is many megabytes, of which a run needs a few. So when one comes from a file,
//! its text, the contents of its memories and its tables are brought in chunk by chunk: each is read into
//! pages of the process's own, compared with the digest that the artifact's authenticated head has for it,
//! and only then used. What somebody writes into the file meanwhile is thereby found out, never run or
//! believed.
//!
//! Text and data begin inaccessible, and the first fault in a chunk makes the handler bring it in
//! ([`Use::Text`], [`Use::Data`]). Several threads may run a text, so its pages are filled through the memory
//! file that they map, and become accessible when they are whole and compared; a thread that needs them
//! earlier waits. A memory that others could use meanwhile never has lazy data. Host code that touches a
//! guest's memory faults in the same way as long as its thread is inside a call of the store; the kernel does
//! not, so buffers are touched before they are handed to it, and access from outside a call asks first
//! ([`LazyPages::ensure`]). Tables are always asked for.
//!
//! A chunk that does not match, or cannot be read, is taken from what the file is made from, if that is known
//! ([`crate::Remake`]): a cache entry's module. Otherwise it ends the process with a message: there is
//! nothing to go on with, just as when the file of a running executable is damaged.

use crate::lazy_source::{CHUNK, LazySource};
use crate::staged::Staged;
use crate::sys::memfile::MemFile;
use crate::sys::mmap::{Access, Mapping, move_pages, populate, protect};
use rustix::io::write;
use rustix::thread::futex;
use sconce_environ::code_tables::Stream;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// What pages are for, and so how they are protected.
#[derive(Clone, Debug)]
pub(crate) enum Use {
    /// Code: inaccessible, then readable and executable. The pages map this file from this offset on.
    Text(Arc<MemFile>, u64),
    /// A guest's memory, which one thread uses: inaccessible, then readable and writable.
    Data,
    /// Tables of the host's: always readable and writable, and meaningless before they are asked for.
    Table,
}

const ABSENT: u32 = 0;
const LOADING: u32 = 1;
/// Being loaded, and a thread waits for it.
const AWAITED: u32 = 2;
const PRESENT: u32 = 3;

/// Chunks that are given away together: as many as make system calls cheap, and waiting for them short.
const AT_ONCE: usize = 8;

/// A part in memory.
#[derive(Debug)]
pub(crate) struct LazyPages {
    source: LazySource,
    base: *mut u8,
    usage: Use,
    states: Presence,
}

/// Which chunks of a part are there; outlives the part.
pub(crate) type Presence = Arc<[AtomicU32]>;

/// A bit for each chunk of these parts together, lowest first, that says whether it is present.
pub(crate) fn marks<'a>(parts: impl Iterator<Item = &'a Presence>) -> Vec<u8> {
    let states: Vec<&AtomicU32> = parts.flat_map(|part| part.iter()).collect();
    let bit = |(i, state): (usize, &&AtomicU32)| u8::from(state.load(Ordering::Acquire) == PRESENT) << i;
    states.chunks(8).map(|states| states.iter().enumerate().map(bit).sum()).collect()
}

// SAFETY: the pages belong to this part alone, and each chunk of them to the thread that has marked it as being loaded.
unsafe impl Send for LazyPages {}
// SAFETY: as above.
unsafe impl Sync for LazyPages {}

impl LazyPages {
    /// Nothing is present. `None` if there is not exactly one digest for each chunk.
    ///
    /// # Safety
    /// `base` begins a page. As long as this lives, the pages of `source.len` bytes from there on are mapped,
    /// and nobody else makes them accessible or writes them before they are present. They are accessible now
    /// if, and only if, they are for a table.
    pub(crate) unsafe fn new(source: LazySource, base: *mut u8, usage: Use) -> Option<LazyPages> {
        let chunks = source.len.div_ceil(CHUNK);
        let states = (0..chunks).map(|_| AtomicU32::new(ABSENT)).collect();
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
            Err(PRESENT) => return false,
            Err(_) => self.wait(chunk),
        }
        true
    }

    /// Brings in all chunks of a range of offsets. Async-signal-safe.
    pub(crate) fn ensure(&self, range: Range<usize>) {
        let chunks = range.start / CHUNK..range.end.min(self.source.len).div_ceil(CHUNK);
        let mut next = chunks.start;
        while next < chunks.end {
            let first = next;
            let claim = |state: &AtomicU32| state.compare_exchange(ABSENT, LOADING, Ordering::Acquire, Ordering::Acquire);
            while next < chunks.end.min(first + AT_ONCE) && claim(&self.states[next]).is_ok() {
                next += 1;
            }
            // Neighbours together: one system call for each step instead of one a chunk.
            self.fill(first..next);
            if next == first {
                self.wait(next);
                next += 1;
            }
        }
    }

    /// Takes chunks over that have been read before. To be called before anybody uses the part, which is data.
    pub(crate) fn adopt(&self, mut staged: Staged) {
        debug_assert!(matches!(self.usage, Use::Data));
        for (run, pages) in staged.runs() {
            let (at, len) = (self.base.wrapping_add(run.start * CHUNK), run.len() * CHUNK);
            let states = self.states.get(run).filter(|states| states.iter().all(|s| s.load(Ordering::Relaxed) == ABSENT));
            let Some(states) = states else { continue };
            // SAFETY: these pages are ours, by the promise to `new`, and those are whoever's has them.
            match unsafe { move_pages(pages, len, at) } {
                Ok(()) => states.iter().for_each(|s| s.store(PRESENT, Ordering::Release)),
                Err(Ok(())) => return,
                Err(Err(_)) => give_up(NO_MEMORY),
            }
        }
    }

    /// Which chunks are present, now and later.
    pub(crate) fn presence(&self) -> &Presence {
        &self.states
    }

    /// Brings in chunks: `marks` has a bit for each, lowest first, from bit `first` on.
    pub(crate) fn ensure_marked(&self, marks: &[u8], first: usize) {
        let marked = |chunk: usize| marks.get((first + chunk) / 8).is_some_and(|byte| byte >> ((first + chunk) % 8) & 1 != 0);
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
        let state = &self.states[chunk];
        while let Ok(LOADING) | Err(AWAITED) = state.compare_exchange(LOADING, AWAITED, Ordering::Acquire, Ordering::Acquire) {
            // Interrupted, woken or too late: the state says.
            let _ = futex::wait(state, futex::Flags::PRIVATE, AWAITED, None);
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
        match &self.usage {
            Use::Text(file, offset) => self.fill_text(chunks.clone(), file, *offset),
            Use::Data | Use::Table => {
                // SAFETY: these pages are ours, by the promise to `new` and the chunks' states; nobody uses
                // them before the states say so. The slice ends before they are given away.
                let matches = unsafe {
                    if matches!(self.usage, Use::Data) && protect(at, len, Access::ReadWrite).is_err() {
                        give_up(NO_MEMORY);
                    }
                    if chunks.len() > 1 {
                        populate(at, len, Access::ReadWrite);
                    }
                    self.source.fetch(std::slice::from_raw_parts_mut(at, len), start)
                };
                if !matches {
                    self.damaged();
                }
            }
        }
        for state in &self.states[chunks] {
            if state.swap(PRESENT, Ordering::Release) == AWAITED {
                // All: the kernel takes the number as signed.
                let _ = futex::wake(state, futex::Flags::PRIVATE, i32::MAX as u32);
            }
        }
    }

    fn fill_text(&self, chunks: Range<usize>, file: &MemFile, offset: u64) {
        let start = chunks.start * CHUNK;
        let len = (chunks.end * CHUNK).min(self.source.len) - start;
        // Small enough for a handler's stack and the processor's first cache.
        let mut block = [0; CHUNK];
        for from in (start..start + len).step_by(CHUNK) {
            let bytes = &mut block[..CHUNK.min(start + len - from)];
            if !self.source.fetch(bytes, from) {
                self.damaged();
            }
            if file.write_at(bytes, offset + from as u64).is_err() {
                give_up(NO_MEMORY);
            }
        }
        let at = self.base.wrapping_add(start);
        // SAFETY: these pages are ours, by the promise to `new`. They hold what they should, and nobody could use them before.
        unsafe {
            if protect(at, len, Access::ReadExecute).is_err() {
                give_up(b"error: cannot make memory executable\n");
            }
            if chunks.len() > 1 {
                populate(at, len, Access::ReadExecute);
            }
        }
    }

    fn damaged(&self) -> ! {
        give_up(match self.source.remake {
            Some(_) => b"error: this program's compiled code in the cache is damaged, and its module cannot be compiled again: run it again\n",
            None => b"error: the file that this program's compiled code comes from was changed or damaged while it ran\n",
        });
    }
}

const NO_MEMORY: &[u8] = b"error: cannot get memory for a program's code or data\n";

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
    Here(Box<[u8]>),
    // The pages come first: they are dropped before their mapping. In a box, since tables in memory may be many.
    InFile(Box<(LazyPages, Mapping)>),
}

impl From<Vec<u8>> for TableBytes {
    fn from(bytes: Vec<u8>) -> TableBytes {
        TableBytes(Kept::Here(bytes.into()))
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
        Some(TableBytes(Kept::InFile(Box::new((lazy, pages)))))
    }
}

impl Stream for TableBytes {
    fn len(&self) -> usize {
        match &self.0 {
            Kept::Here(bytes) => bytes.len(),
            Kept::InFile(in_file) => in_file.0.source.len,
        }
    }

    fn get(&self, range: Range<usize>) -> Option<&[u8]> {
        match &self.0 {
            Kept::Here(bytes) => bytes.get(range),
            Kept::InFile(in_file) => {
                let (lazy, _) = &**in_file;
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
