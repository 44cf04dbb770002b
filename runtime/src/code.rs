//! Code memory: one reservation for each engine, in which everything that wasm runs lives within reach of a 32-bit
//! displacement.
//!
//! The reservation maps a memory file. Text is written to the file and only ever mapped readable and executable; so pages that
//! never run are never mapped, and none is writable and executable. A module's entry slots stand right behind its text, in
//! pages that are readable and writable. Where such a file cannot be had, private memory takes its place, which is writable
//! first and executable afterwards.
//!
//! Space is given out in units of 64 KiB. For each unit there is one atomic word, through which a signal handler finds out
//! what a PC belongs to: no lock, no allocation. A region unpublishes itself when its last owner goes; stores own every region
//! that their wasm stacks can name, so a handler or a walk of a store's stack never meets one that is gone.

use crate::error::ResourceError;
use crate::lazy_pages::{LazyPages, LazySource, TableBytes, Use, marks};
use crate::listener::StubListener;
use crate::stubs::{Stubs, Targets};
use crate::sys::memfile::MemFile;
use crate::sys::mmap::{Access, Mapping};
use crate::sys::{PAGE, page_ceil, space};
use sconce_environ::code_tables::CodeTables;
use sconce_environ::index::DefinedFuncIndex;
use std::collections::BTreeMap;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes of a unit of allocation.
const UNIT: usize = 64 << 10;
/// Bytes of a reservation, where nothing stands against it: what a signed 32-bit displacement spans.
const DEFAULT_SIZE: usize = 2 << 30;
/// Bytes of the smallest reservation worth having.
const MINIMUM_SIZE: usize = 1 << 20;

/// Tables of code, as a region keeps them.
pub type Tables = CodeTables<TableBytes>;

/// An engine's code memory. Always behind an `Arc`: regions and stores keep it alive.
#[derive(Debug)]
pub struct CodeSpace {
    mapping: Mapping,
    /// `None` where code is in private memory.
    file: Option<Arc<MemFile>>,
    /// What each unit belongs to: null (nothing that a module owns), or the address of a [`CodeRegion`].
    units: Box<[AtomicPtr<CodeRegion>]>,
    /// Free ranges of units: first to count. No two touch.
    free: Mutex<BTreeMap<usize, usize>>,
    stubs: Stubs,
    /// Who wants to know of trampolines.
    listener: Option<Arc<dyn StubListener>>,
}

/// What a [`CodeSpace`] is made with.
#[derive(Clone, Debug, Default)]
pub struct CodeSpaceOptions {
    /// Bytes to reserve; `None` takes 2 GiB, or less where address space is short.
    pub size: Option<usize>,
    /// Whether code is in private memory, as where no file can be had: debuggers cannot set breakpoints in pages that are shared with a
    /// file, and profilers look for that file's symbols.
    pub private: bool,
    /// Who is told of each trampoline that is made.
    pub listener: Option<Arc<dyn StubListener>>,
}

impl CodeSpace {
    /// Reserves address space, and makes the trampolines that are always there.
    pub(crate) fn make(options: CodeSpaceOptions, targets: &Targets) -> Result<Arc<CodeSpace>, ResourceError> {
        let CodeSpaceOptions { size, private, listener } = options;
        let os = ResourceError::os("cannot reserve address space for code");
        let wanted = size.unwrap_or(DEFAULT_SIZE).clamp(MINIMUM_SIZE, DEFAULT_SIZE).next_multiple_of(UNIT);
        // Finds out what is possible; given back at once, so that the file can be mapped.
        let len = space::reserve_up_to(wanted, MINIMUM_SIZE, 8).map_err(os)?.len() & !(UNIT - 1);
        let (mapping, file) = if private { (reserve_private(len)?, None) } else { reserve(len)? };
        let units = no_regions(len / UNIT);
        let free = Mutex::new(BTreeMap::from([(0, units.len())]));
        let mut space = CodeSpace { mapping, file, units, free, stubs: Stubs::default(), listener };
        space.stubs = Stubs::new(&space, targets)?;
        Ok(Arc::new(space))
    }

    /// Bytes reserved.
    pub fn size(&self) -> usize {
        self.mapping.len()
    }

    pub(crate) fn listener(&self) -> Option<&dyn StubListener> {
        self.listener.as_deref()
    }

    pub(crate) fn stubs(&self) -> &Stubs {
        &self.stubs
    }

    /// Loads a linked module: its text, and behind it, at the next page, one slot of 8 bytes for each function of `tables`,
    /// filled with the function's address.
    ///
    /// # Errors
    /// If there is no room, or `tables` speak of code outside `text`.
    pub fn load(self: &Arc<Self>, text: &[u8], tables: Tables) -> Result<Arc<CodeRegion>, ResourceError> {
        let region = self.place(text.len(), tables)?;
        // SAFETY: the region is new, so nobody reads or runs it; its text begins at its first page.
        unsafe { self.write(region.first * UNIT, text, Access::ReadExecute)? };
        Ok(self.publish(region))
    }

    /// As [`CodeSpace::load`], but brings text in when it is first run: see `lazy_pages.rs`.
    ///
    /// # Errors
    /// As for `load`, and if there is not one digest for each chunk.
    pub fn load_lazily(self: &Arc<Self>, text: LazySource, tables: Tables) -> Result<Arc<CodeRegion>, ResourceError> {
        let Some(file) = &self.file else {
            // Pages that are writable before they are executable could be read by code that runs beside.
            return self.load(&text.whole().ok_or(ResourceError::DamagedCode)?, tables);
        };
        let mut region = self.place(text.len, tables)?;
        let usage = Use::Text(file.clone(), (region.first * UNIT) as u64);
        // SAFETY: the region owns its pages, in which nothing has been made accessible; text begins at the first of them, and they map
        // the file from there on.
        let lazy = unsafe { LazyPages::new(text, region.base, usage) };
        region.lazy = Some(lazy.ok_or(ResourceError::DamagedCode)?);
        Ok(self.publish(region))
    }

    /// Finds room for a text and fills its slots.
    fn place(self: &Arc<Self>, text_len: usize, tables: Tables) -> Result<CodeRegion, ResourceError> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let full = ResourceError::CodeSpaceFull { wanted: text_len, size: self.size() };
        let inside = |f: &sconce_environ::code_tables::FunctionRecord| {
            f.start.checked_add(f.len).is_some_and(|end| end as usize <= text_len)
        };
        // The artifact has been authenticated; this only keeps a damaged one from being confusing.
        if !tables.functions.iter().all(inside) {
            return Err(ResourceError::DamagedCode);
        }
        let slots = page_ceil(text_len).ok_or(ResourceError::DamagedCode)?;
        let size = tables.functions.len().checked_mul(8).and_then(|n| page_ceil(slots + n)).filter(|&n| n <= self.size());
        let units = size.ok_or(full)?.div_ceil(UNIT).max(1);
        let first = self.allocate(units)?;
        let base = self.mapping.base().wrapping_add(first * UNIT);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        // From here on dropping the region gives the units back.
        let region = CodeRegion { space: self.clone(), first, units, base, text_len, lazy: None, tables, id };
        let addresses: Vec<u8> =
            region.tables.functions.iter().flat_map(|f| (base as u64 + u64::from(f.start)).to_le_bytes()).collect();
        // SAFETY: the units are free, so nobody uses them; slots begin at a page of their own.
        unsafe { self.write(first * UNIT + slots, &addresses, Access::ReadWrite)? };
        Ok(region)
    }

    /// Lets handlers find a region.
    fn publish(&self, region: CodeRegion) -> Arc<CodeRegion> {
        let region = Arc::new(region);
        // Release: a handler that finds the region sees it whole.
        for unit in &self.units[region.first..region.first + region.units] {
            unit.store(Arc::as_ptr(&region).cast_mut(), Ordering::Release);
        }
        region
    }

    /// Fills pages with `bytes` and makes them accessible as `access` says.
    ///
    /// # Safety
    /// Nobody depends on what is in these pages now, except on what lies before `offset` in its page, which stays if the space
    /// has a file.
    unsafe fn write(&self, offset: usize, bytes: &[u8], access: Access) -> Result<(), ResourceError> {
        let os = || ResourceError::os("cannot get memory for code");
        let start = offset & !(PAGE - 1);
        let len = page_ceil(offset + bytes.len()).unwrap_or(self.mapping.len()) - start;
        if let Some(file) = &self.file {
            file.write_at(bytes, offset as u64).map_err(os())?;
        } else if !bytes.is_empty() {
            // SAFETY: pages of ours that nobody uses.
            unsafe {
                self.mapping.protect(start, len, Access::ReadWrite).map_err(os())?;
                ptr::copy_nonoverlapping(bytes.as_ptr(), self.mapping.base().add(offset), bytes.len());
            }
        }
        // SAFETY: as above.
        unsafe { self.mapping.protect(start, len, access).map_err(os()) }
    }

    /// Whether code can be added to a page that is executable already.
    pub(crate) fn appends(&self) -> bool {
        self.file.is_some()
    }

    /// A unit of its own for stubs; they stay as long as the space.
    pub(crate) fn allocate_for_stubs(&self) -> Result<usize, ResourceError> {
        Ok(self.allocate(1)? * UNIT)
    }

    /// Bytes of what [`CodeSpace::allocate_for_stubs`] gives.
    pub(crate) const STUB_UNIT: usize = UNIT;

    /// Writes stubs, gives their address.
    ///
    /// # Safety
    /// The place belongs to stubs and nothing has been written there; if the space does not append, nor anywhere else in its
    /// pages.
    pub(crate) unsafe fn write_stubs(&self, offset: usize, bytes: &[u8]) -> Result<usize, ResourceError> {
        // SAFETY: as the caller promises.
        unsafe { self.write(offset, bytes, Access::ReadExecute)? };
        Ok(self.mapping.base() as usize + offset)
    }

    fn allocate(&self, units: usize) -> Result<usize, ResourceError> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let fit = free.iter().find(|&(_, &count)| count >= units).map(|(&first, &count)| (first, count));
        let Some((first, count)) = fit else {
            return Err(ResourceError::CodeSpaceFull { wanted: units * UNIT, size: self.size() });
        };
        free.remove(&first);
        if count > units {
            free.insert(first + units, count - units);
        }
        Ok(first)
    }

    fn release(&self, first: usize, units: usize) {
        for unit in &self.units[first..first + units] {
            unit.store(ptr::null_mut(), Ordering::Release);
        }
        let (offset, len) = (first * UNIT, units * UNIT);
        // SAFETY: the region is gone, so nothing runs or reads its pages.
        let emptied = unsafe {
            match &self.file {
                Some(file) => {
                    let closed = self.mapping.restore_file(offset, len, file);
                    closed.and_then(|()| file.punch(offset as u64, len as u64))
                }
                None => self.mapping.discard(offset, len),
            }
        };
        if emptied.is_err() {
            // Neither kind of failure leaves the pages in a state to build on: they are lost to this engine.
            return;
        }
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut first, mut units) = (first, units);
        if let Some((&before, &count)) = free.range(..first).next_back()
            && before + count == first
        {
            free.remove(&before);
            (first, units) = (before, units + count);
        }
        if let Some(count) = free.remove(&(first + units)) {
            units += count;
        }
        free.insert(first, units);
    }

    /// Whether an address is in the reservation.
    pub(crate) fn contains(&self, pc: usize) -> bool {
        pc.wrapping_sub(self.mapping.base() as usize) < self.mapping.len()
    }

    /// The region whose text contains `pc`. Async-signal-safe.
    ///
    /// # Safety
    /// The region, if there is one, outlives `'a`: the caller runs or walks a store that owns it.
    pub(crate) unsafe fn region_at<'a>(&self, pc: usize) -> Option<&'a CodeRegion> {
        let offset = pc.checked_sub(self.mapping.base() as usize)?;
        let region = self.units.get(offset / UNIT)?.load(Ordering::Acquire);
        // SAFETY: published by `load`, and alive by the caller's promise.
        let region = unsafe { region.as_ref()? };
        (pc - (region.base as usize) < region.text_len).then_some(region)
    }

    /// Brings in the text around `address`, if that is why it could not be used. Async-signal-safe.
    ///
    /// Text that is there refuses neither reads nor jumps: after a `refused_read`, another thread has brought it in since the
    /// fault, before this one's handler began.
    ///
    /// # Safety
    /// As for [`CodeSpace::region_at`].
    pub(crate) unsafe fn load_missing(&self, address: usize, refused_read: bool) -> bool {
        // SAFETY: the caller's promise.
        let region = unsafe { self.region_at(address) };
        region.is_some_and(|region| region.lazy.is_some() && (region.load_around(address - region.text_base()) || refused_read))
    }
}

/// Words for `count` units that nobody has. Pages of them take memory when they are first written.
fn no_regions(count: usize) -> Box<[AtomicPtr<CodeRegion>]> {
    // SAFETY: all zeros is a null pointer.
    unsafe { Box::new_zeroed_slice(count).assume_init() }
}

/// Where code is best: beside the executable. Processors predict branches to far away worse (some beyond 4 GiB, some beyond 32), and
/// each host call is one there and one back: measured, 2.7 ns instead of 3.5. Wasm sees no addresses, so their being related tells it
/// nothing.
fn near_host_code(len: usize) -> usize {
    let host = near_host_code as *const () as usize;
    // Below the executable nothing of its own grows; above it the heap does, from anywhere in a GiB.
    host.saturating_sub(len + (64 << 20)) & !(UNIT - 1)
}

/// Address space for code, with a file if possible.
fn reserve(len: usize) -> Result<(Mapping, Option<Arc<MemFile>>), ResourceError> {
    let with_file = MemFile::new("sconce-code", len as u64, true)
        .and_then(|file| Ok((Mapping::reserve_file(&file, len, near_host_code(len))?, file)));
    match with_file {
        // Policies against executable memory files show when one is made executable.
        // SAFETY: nobody uses the mapping yet.
        Ok((mapping, file)) if unsafe { mapping.protect(0, PAGE, Access::ReadExecute) }.is_ok() => {
            Ok((mapping, Some(Arc::new(file))))
        }
        _ => Ok((reserve_private(len)?, None)),
    }
}

/// Address space for code without a file.
fn reserve_private(len: usize) -> Result<Mapping, ResourceError> {
    Mapping::reserve(len).map_err(ResourceError::os("cannot reserve address space for code"))
}

/// A module's code in memory.
#[derive(Debug)]
pub struct CodeRegion {
    space: Arc<CodeSpace>,
    first: usize,
    units: usize,
    base: *mut u8,
    text_len: usize,
    /// Where text comes from, if it is not all there.
    lazy: Option<LazyPages>,
    tables: Tables,
    id: u64,
}

// SAFETY: `base` names memory that the region owns and that only wasm code runs in; nothing is written through it.
unsafe impl Send for CodeRegion {}
// SAFETY: as above.
unsafe impl Sync for CodeRegion {}

impl CodeRegion {
    /// Its tables.
    pub fn tables(&self) -> &Tables {
        &self.tables
    }

    /// Address of its first byte.
    pub fn text_base(&self) -> usize {
        self.base as usize
    }

    /// Bytes of text.
    pub fn text_len(&self) -> usize {
        self.text_len
    }

    /// Its code, all of it: what is not there yet is brought in.
    pub fn text(&self) -> &[u8] {
        if let Some(lazy) = &self.lazy {
            lazy.ensure(0..self.text_len);
        }
        // SAFETY: text is readable and does not change while the region lives.
        unsafe { std::slice::from_raw_parts(self.base, self.text_len) }
    }

    /// A bit for each chunk of text, lowest first, that says whether it is there; `None` if all of it has been since the start.
    pub fn present_chunks(&self) -> Option<Vec<u8>> {
        self.lazy.as_ref().map(|lazy| marks([lazy.presence()].into_iter()))
    }

    /// Brings in chunks: a bit for each, lowest first.
    pub fn bring_in(&self, chunks: &[u8]) {
        if let Some(lazy) = &self.lazy {
            lazy.ensure_marked(chunks, 0);
        }
    }

    /// A byte of text; `None` if it is not there yet. Async-signal-safe.
    pub(crate) fn byte_at(&self, offset: usize) -> Option<u8> {
        let there = offset < self.text_len && self.lazy.as_ref().is_none_or(|lazy| lazy.is_present(offset));
        // SAFETY: inside text, which is readable where it is present.
        there.then(|| unsafe { self.base.add(offset).read() })
    }

    /// Brings in the text around `offset`; false if it was there.
    fn load_around(&self, offset: usize) -> bool {
        self.lazy.as_ref().is_some_and(|lazy| lazy.load(offset))
    }

    /// A number of its own, in this process.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Where it lives.
    pub fn space(&self) -> &Arc<CodeSpace> {
        &self.space
    }

    /// Address of a function's code; `None` if there is no such function.
    pub(crate) fn function_address(&self, func: DefinedFuncIndex) -> Option<usize> {
        self.tables.functions.get(func.as_u32() as usize).map(|f| self.text_base() + f.start as usize)
    }
}

impl Drop for CodeRegion {
    fn drop(&mut self) {
        self.space.release(self.first, self.units);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lazy_pages::{CHUNK, Digest};
    use sconce_environ::code_tables::FunctionRecord;
    use std::os::fd::AsFd;

    fn no_tables() -> Tables {
        CodeTables::<Vec<u8>>::default().map(TableBytes::from)
    }

    fn tables(starts: &[u32], len: u32) -> Tables {
        let record = |&start| FunctionRecord { start, len, traps: 0, wasm_offsets: 0, stack_maps: 0 };
        Tables { functions: starts.iter().map(record).collect(), ..no_tables() }
    }

    fn run(region: &CodeRegion, func: usize) -> u64 {
        let address = region.function_address(DefinedFuncIndex::from_u32(func as u32)).unwrap();
        // SAFETY: the tests' functions are `mov eax, imm; ret`.
        let f: extern "C" fn() -> u64 = unsafe { std::mem::transmute(address) };
        f()
    }

    fn returns(n: u8) -> Vec<u8> {
        vec![0xb8, n, 0, 0, 0, 0xc3]
    }

    #[test]
    fn text_runs_and_slots_hold_addresses() {
        let space = CodeSpace::new(None).unwrap();
        let mut text = returns(7);
        text.resize(32, 0xcc);
        text.extend(returns(9));
        let region = space.load(&text, tables(&[0, 32], 6)).unwrap();
        assert_eq!((run(&region, 0), run(&region, 1)), (7, 9));
        assert_eq!(region.text(), text);
        let slots = (region.text_base() + PAGE) as *const u64;
        // SAFETY: two slots stand at the next page after the text.
        let slots = unsafe { [slots.read(), slots.add(1).read()] };
        assert_eq!(slots, [region.text_base() as u64, region.text_base() as u64 + 32]);
    }

    #[test]
    fn a_pc_finds_its_region_until_the_region_goes() {
        let space = CodeSpace::new(None).unwrap();
        let a = space.load(&returns(1), tables(&[0], 6)).unwrap();
        let b = space.load(&returns(2), tables(&[0], 6)).unwrap();
        // SAFETY: the regions live here.
        let find = |pc| unsafe { space.region_at(pc) }.map(CodeRegion::id);
        assert_eq!(find(a.text_base() + 5), Some(a.id()));
        assert_eq!(find(a.text_base() + 6), None);
        assert_eq!(find(b.text_base()), Some(b.id()));
        assert_eq!(find(0), None);
        assert_eq!(find(usize::MAX), None);
        let at = a.text_base();
        drop(a);
        assert_eq!(find(at), None);
    }

    #[test]
    fn space_is_used_again_and_runs_out_with_an_error() {
        let space = CodeSpace::new(Some(1 << 20)).unwrap();
        let text = [returns(3), vec![0xcc; 400 << 10]].concat();
        let first = space.load(&text, tables(&[0], 6)).unwrap();
        let second = space.load(&text, tables(&[0], 6)).unwrap();
        let (at, third) = (first.text_base(), space.load(&text, tables(&[0], 6)));
        assert!(matches!(third, Err(ResourceError::CodeSpaceFull { .. })), "{third:?}");
        drop(first);
        let again = space.load(&[returns(4), vec![0xcc; 400 << 10]].concat(), tables(&[0], 6)).unwrap();
        assert_eq!(again.text_base(), at);
        assert_eq!((run(&again, 0), run(&second, 0)), (4, 3));
        // What was freed in pieces is found in one.
        drop(again);
        drop(second);
        let whole = space.load(&vec![0xcc; 800 << 10], no_tables());
        assert!(whole.is_ok(), "{whole:?}");
    }

    /// A stand-in for a cryptographic digest, good enough to see one changed byte.
    fn digest(bytes: &[u8]) -> Digest {
        let mut digest: Digest = [0; 32];
        for (i, b) in bytes.iter().enumerate() {
            digest[i % 32] = digest[i % 32].rotate_left(3) ^ b.wrapping_add(i as u8);
        }
        digest
    }

    fn source(text: &[u8]) -> LazySource {
        let file = MemFile::new("text", 100 + text.len() as u64, false).unwrap();
        file.write_at(text, 100).unwrap();
        let digests = text.chunks(CHUNK).map(digest).collect();
        LazySource {
            file: Arc::new(file.as_fd().try_clone_to_owned().unwrap()),
            remake: None,
            offset: 100,
            len: text.len(),
            digests,
            digest,
        }
    }

    #[test]
    fn lazy_text_comes_in_chunk_by_chunk() {
        let space = CodeSpace::new(None).unwrap();
        let mut text = returns(7);
        text.resize(2 * CHUNK, 0xcc);
        text.extend(returns(9));
        let region = space.load_lazily(source(&text), tables(&[0, 2 * CHUNK as u32], 6)).unwrap();
        let at = |offset| region.text_base() + offset;
        assert_eq!(region.byte_at(0), None);
        // SAFETY: the region lives here.
        unsafe {
            assert!(space.load_missing(at(2 * CHUNK + 5), true));
            assert!(!space.load_missing(at(2 * CHUNK), false), "it is there now");
            assert!(space.load_missing(at(2 * CHUNK), true), "another thread was faster");
            assert!(!space.load_missing(at(text.len()), true), "behind the text");
        }
        assert_eq!((region.byte_at(0), region.byte_at(2 * CHUNK), region.byte_at(text.len())), (None, Some(0xb8), None));
        assert_eq!(run(&region, 1), 9);
        assert_eq!(region.text(), text);
        assert_eq!(run(&region, 0), 7);
    }

    #[test]
    fn lazy_text_wants_a_digest_for_each_chunk() {
        let space = CodeSpace::new(None).unwrap();
        for digests in [vec![], vec![[0; 32]; 2]] {
            let text = LazySource { digests: digests.into(), ..source(&returns(1)) };
            let r = space.load_lazily(text, tables(&[0], 6));
            assert!(matches!(r, Err(ResourceError::DamagedCode)), "{r:?}");
        }
    }

    /// Runs `f` in a child process; gives its exit code.
    fn exit_code_of(f: impl FnOnce()) -> i32 {
        // SAFETY: the child makes system calls and runs `f`, which takes no lock that another thread could hold.
        unsafe {
            match libc::fork() {
                0 => {
                    f();
                    libc::_exit(0)
                }
                child => {
                    let mut status = 0;
                    assert_eq!(libc::waitpid(child, &raw mut status, 0), child);
                    assert!(libc::WIFEXITED(status), "{status:#x}");
                    libc::WEXITSTATUS(status)
                }
            }
        }
    }

    #[test]
    fn lazy_text_that_was_changed_is_never_run() {
        let space = CodeSpace::new(None).unwrap();
        let mut text = returns(7);
        text.resize(CHUNK + 10, 0xcc);
        let load = |source| space.load_lazily(source, tables(&[0], 6)).unwrap();
        // SAFETY: the regions live here.
        let first = |region: &CodeRegion| unsafe { space.load_missing(region.text_base(), true) };
        let good = load(source(&text));
        assert_eq!(exit_code_of(|| assert!(first(&good))), 0);
        let changed = source(&text);
        rustix::io::pwrite(&*changed.file, &[8], 101).unwrap();
        let changed = load(changed);
        assert_eq!(exit_code_of(|| assert!(first(&changed))), 1);
        let cut = source(&text);
        rustix::fs::ftruncate(&*cut.file, 100 + CHUNK as u64 - 1).unwrap();
        let cut = load(cut);
        assert_eq!(exit_code_of(|| assert!(first(&cut))), 1);
    }

    #[derive(Debug)]
    struct Whole(Option<Vec<u8>>);

    impl crate::lazy_pages::Remake for Whole {
        fn bytes(&self) -> Option<&[u8]> {
            self.0.as_deref()
        }
    }

    #[test]
    fn lazy_text_that_was_changed_is_taken_from_what_it_is_made_from() {
        let space = CodeSpace::new(None).unwrap();
        let mut text = returns(7);
        text.resize(CHUNK + 10, 0xcc);
        let file = [vec![0; 100], text.clone()].concat();
        let load = |len: usize, remade: Option<Vec<u8>>| {
            let source = LazySource { remake: Some(Arc::new(Whole(remade))), ..source(&text) };
            rustix::io::pwrite(&*source.file, &[8], 101).unwrap();
            rustix::fs::ftruncate(&*source.file, len as u64).unwrap();
            space.load_lazily(source, tables(&[0], 6)).unwrap()
        };
        // SAFETY: the regions live here.
        let first = |region: &CodeRegion| unsafe { space.load_missing(region.text_base(), true) };
        for len in [file.len(), 150, 0] {
            let region = load(len, Some(file.clone()));
            assert!(first(&region));
            assert_eq!(run(&region, 0), 7);
            assert_eq!(region.text(), text);
        }
        // What is made is compared as well.
        let wrong = [&file[..101], &[9], &file[102..]].concat();
        for remade in [None, Some(wrong), Some(file[..150].to_vec()), Some(Vec::new())] {
            let region = load(file.len(), remade);
            assert_eq!(exit_code_of(|| assert!(first(&region))), 1);
        }
    }

    #[test]
    fn tables_that_lie_are_refused() {
        let space = CodeSpace::new(Some(1 << 20)).unwrap();
        for (start, len) in [(0, 7), (6, 1), (u32::MAX, 2)] {
            let r = space.load(&returns(1), tables(&[start], len));
            assert!(matches!(r, Err(ResourceError::DamagedCode)), "{r:?}");
        }
    }

    #[test]
    fn without_a_file_code_is_never_writable_and_executable() {
        let (mapping, file) = (Mapping::reserve(1 << 20).unwrap(), None);
        let units = no_regions(16);
        let free = Mutex::new(BTreeMap::from([(0, 16)]));
        let mut space = CodeSpace { mapping, file, units, free, stubs: Stubs::default(), listener: None };
        space.stubs = Stubs::new(&space, &crate::setup::targets()).unwrap();
        let space = Arc::new(space);
        let region = space.load(&returns(5), tables(&[0], 6)).unwrap();
        assert_eq!(run(&region, 0), 5);
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        assert!(!maps.lines().any(|l| l.split(' ').nth(1).is_some_and(|p| p.starts_with("rwx"))), "{maps}");
    }
}
