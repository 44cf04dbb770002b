//! The cage: address space of which a handle is an offset, and the memory of objects in it.
//!
//! ```text
//! | a page, null's head its last bytes | an inaccessible page | objects | ... | guard |
//!                                      `- the mapping's third page: handle CAGE_NULL_BYTES
//! ```
//!
//! Memory is given out from the bottom up, and again from free lists, one for each class of sizes. It becomes accessible in
//! steps as the top rises, null's page with the first module that can hold a handle. The page behind null's head and what lies
//! behind the last page stay inaccessible.
//!
//! What the free lists say is in the cage itself: compiled code could spoil it only by being wrong, and even then every link is
//! checked before it is followed, so that nothing outside is touched.

use crate::budget::{MemoryBudget, MemoryLimit, Purpose};
use crate::error::ResourceError;
use crate::sys::mmap::{Access, Mapping};
use crate::sys::{PAGE, space};
use sconce_environ::heap::{CAGE_BYTES, CAGE_GUARD_BYTES, CAGE_NULL_BYTES, ObjectKind, VmObject, state};
use sconce_environ::vm::NO_TYPE;
use std::ptr;

/// Sizes up to here have a class for each multiple of [`GRAIN`].
const MAX_SMALL: usize = 1024;
/// Sizes and handles are multiples of this.
const GRAIN: usize = 16;
/// Classes of powers of two above [`MAX_SMALL`], up to [`MAX_SIZE`].
const MAX_SIZE: usize = 64 << 10;
const SMALL_CLASSES: usize = MAX_SMALL / GRAIN + 1;
const CLASSES: usize = SMALL_CLASSES + (MAX_SIZE / MAX_SMALL).ilog2() as usize;
/// Steps in which memory becomes accessible.
const FIRST_STEP: usize = 64 << 10;
const LAST_STEP: usize = 16 << 20;
/// Bytes of the smallest cage.
const MINIMUM: usize = 1 << 20;
/// Where in the mapping the handle 0 is: its head ends with the first page.
const BASE: usize = PAGE - size_of::<VmObject>();

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Cage {
    /// Absent until something needs it.
    mapping: Option<Mapping>,
    /// What is accessible behind null counts against the store's limit, until the cage is gone.
    budget: MemoryBudget,
    /// Bytes without the guard.
    length: usize,
    /// The mapping is accessible up to here, but for the page behind null.
    committed: usize,
    /// Null has its head.
    has_null: bool,
    /// Given out up to here.
    top: usize,
    /// Bytes of live objects' blocks.
    live: usize,
    /// The first free block of each class, or 0; its `state` holds the next.
    free: [u32; CLASSES],
}

const _: () = assert!((BASE + CAGE_NULL_BYTES).is_multiple_of(PAGE) && CAGE_NULL_BYTES.is_multiple_of(GRAIN));

fn class_of(size: usize) -> Option<usize> {
    let size = size.max(size_of::<VmObject>()).checked_next_multiple_of(GRAIN)?;
    match size {
        0..=MAX_SMALL => Some(size / GRAIN),
        _ if size <= MAX_SIZE => Some(SMALL_CLASSES - 1 + (size.next_power_of_two() / MAX_SMALL).ilog2() as usize),
        _ => None,
    }
}

fn size_of_class(class: usize) -> usize {
    match class {
        0..SMALL_CLASSES => class * GRAIN,
        _ => MAX_SMALL << (class - SMALL_CLASSES + 1),
    }
}

impl Cage {
    /// A cage without address space, whose memory counts against `limit`.
    pub(crate) fn new(limit: &MemoryLimit) -> Cage {
        Cage {
            mapping: None,
            budget: MemoryBudget::new(limit),
            length: 0,
            committed: BASE + CAGE_NULL_BYTES,
            has_null: false,
            top: CAGE_NULL_BYTES,
            live: 0,
            free: [0; CLASSES],
        }
    }

    /// Reserves address space, the first time: 4 GiB, or less where it is short. If less will not do, it must
    /// be shorter for that.
    pub(crate) fn reserve(&mut self, whole: bool) -> Result<(), ResourceError> {
        if self.mapping.is_none() {
            let os = ResourceError::os("cannot reserve address space for references");
            let mapping = space::reserve_cage(PAGE + CAGE_BYTES as usize + CAGE_GUARD_BYTES, MINIMUM, whole).map_err(os)?;
            // No handle is beyond 32 bits.
            self.length = (mapping.len() - CAGE_GUARD_BYTES - BASE).min(CAGE_BYTES as usize);
            self.mapping = Some(mapping);
        }
        Ok(())
    }

    /// Gives null its head, which compiled code reads and writes. To be called before code that can hold a handle runs.
    pub(crate) fn prepare_null(&mut self) -> Result<(), ResourceError> {
        if let Some(mapping) = self.mapping.as_ref().filter(|_| !self.has_null) {
            // SAFETY: a page that nobody has used yet.
            unsafe { mapping.protect(0, PAGE, Access::ReadWrite) }
                .map_err(ResourceError::os("cannot get memory for references"))?;
            self.has_null = true;
            self.reset_null();
        }
        Ok(())
    }

    /// Takes back what compiled code has counted of null.
    pub(crate) fn reset_null(&mut self) {
        if self.has_null {
            let head =
                VmObject { state: state::NULL, kind: ObjectKind::Null as u8, size_class: 0, reserved: 0, type_id: NO_TYPE };
            // SAFETY: the last bytes of the first page, which is accessible; no wasm code is running.
            unsafe { self.at(0).write(head) };
        }
    }

    /// Where the handle 0 leads; nowhere without address space.
    pub(crate) fn base(&self) -> *mut u8 {
        self.mapping.as_ref().map_or(ptr::null_mut(), |mapping| mapping.base().wrapping_add(BASE))
    }

    /// Handles are below this: 0 without address space.
    pub(crate) fn length(&self) -> usize {
        self.length
    }

    /// Whether every 32-bit number leads to somewhere inside: code in guard style needs that.
    pub(crate) fn is_whole(&self) -> bool {
        self.length as u64 >= CAGE_BYTES
    }

    /// Bytes of live objects' blocks.
    pub(crate) fn live(&self) -> usize {
        self.live
    }

    /// Bytes that have been given out so far.
    pub(crate) fn used(&self) -> usize {
        self.top - CAGE_NULL_BYTES
    }

    /// The address that a handle means, whatever is there.
    pub(crate) fn at(&self, handle: u32) -> *mut VmObject {
        self.base().wrapping_add(handle as usize).cast()
    }

    /// Memory that has been given out at some time; `None` if a handle leads elsewhere.
    fn block(&self, handle: u32) -> Option<*mut VmObject> {
        let at = handle as usize;
        (at >= CAGE_NULL_BYTES && at + size_of::<VmObject>() <= self.top && at.is_multiple_of(GRAIN)).then(|| self.at(handle))
    }

    /// A live object; `None` for null and for what is no handle.
    #[inline]
    pub(crate) fn object(&self, handle: u32) -> Option<*mut VmObject> {
        // SAFETY: inside memory that has been given out, and so accessible.
        self.block(handle).filter(|&block| unsafe { (*block).kind != ObjectKind::Free as u8 })
    }

    /// Bytes of a live object's block that lie below what has been given out; 0 for what is no handle.
    pub(crate) fn room(&self, handle: u32) -> usize {
        // SAFETY: a live object's head.
        let class = self.object(handle).map(|object| unsafe { usize::from((*object).size_class) });
        class.filter(|&class| class < CLASSES).map_or(0, |class| size_of_class(class).min(self.top - handle as usize))
    }

    /// An object without references, zero behind its head.
    pub(crate) fn allocate(&mut self, kind: ObjectKind, type_id: u32, size: usize) -> Result<u32, ResourceError> {
        let class = class_of(size).ok_or(ResourceError::TooManyReferences)?;
        let size = size_of_class(class);
        let handle = match self.pop(class) {
            Some(handle) => handle,
            None => self.extend(size).or_else(|e| self.cut(class).ok_or(e))?,
        };
        self.live += size;
        let head = VmObject { state: 0, kind: kind as u8, size_class: class as u8, reserved: 0, type_id };
        // SAFETY: a block of `size` bytes that is nobody's.
        unsafe {
            ptr::write_bytes(self.at(handle).cast::<u8>(), 0, size);
            self.at(handle).write(head);
        }
        Ok(handle)
    }

    fn pop(&mut self, class: usize) -> Option<u32> {
        let first = self.free[class];
        let block = self.block(first)?;
        // SAFETY: inside memory that has been given out.
        let head = unsafe { *block };
        if head.kind != ObjectKind::Free as u8 || usize::from(head.size_class) != class {
            debug_assert!(false, "a free list leads to what is not free");
            self.free[class] = 0;
            return None;
        }
        self.free[class] = head.state as u32;
        Some(first)
    }

    /// The next `size` bytes at the top.
    fn extend(&mut self, size: usize) -> Result<u32, ResourceError> {
        let end = self.top + size;
        let Some(mapping) = self.mapping.as_ref().filter(|_| end <= self.length) else {
            return Err(ResourceError::TooManyReferences);
        };
        if BASE + end > self.committed {
            let most = mapping.len() - CAGE_GUARD_BYTES - self.committed;
            let step = self.committed.clamp(FIRST_STEP, LAST_STEP).max(size).next_multiple_of(PAGE).min(most);
            // Less than usual where the limit is near.
            let least = (BASE + end - self.committed).next_multiple_of(PAGE).min(step);
            let fits = [step, least].into_iter().find(|&step| self.budget.take(Purpose::References, step as u64).is_ok());
            let step = fits.ok_or(ResourceError::TooManyReferences)?;
            // SAFETY: pages that nobody has used yet.
            let made = unsafe { mapping.protect(self.committed, step, Access::ReadWrite) };
            if let Err(e) = made {
                self.budget.give_back(Purpose::References, step as u64);
                return Err(ResourceError::os("cannot get memory for references")(e));
            }
            self.committed += step;
        }
        let handle = self.top as u32;
        self.top = end;
        Ok(handle)
    }

    /// Takes an object's memory back.
    pub(crate) fn free(&mut self, handle: u32) {
        let Some(object) = self.object(handle) else { return };
        // SAFETY: a live object, which nobody names any more.
        unsafe {
            let class = usize::from((*object).size_class);
            let Some(first) = self.free.get_mut(class) else { return };
            (*object).kind = ObjectKind::Free as u8;
            (*object).state = u64::from(*first);
            *first = handle;
            self.live = self.live.saturating_sub(size_of_class(class));
        }
    }

    /// The beginning of a free block of a larger class; the rest stays free.
    fn cut(&mut self, class: usize) -> Option<u32> {
        let (handle, larger) = (class + 1..CLASSES).find_map(|larger| Some((self.pop(larger)?, larger)))?;
        let at = handle as usize;
        self.give_back(at + size_of_class(class), at + size_of_class(larger));
        Some(handle)
    }

    /// Puts free blocks together that lie beside each other, so that they serve other sizes. Walks the whole cage.
    pub(crate) fn coalesce(&mut self) {
        self.free = [0; CLASSES];
        let (mut at, mut free_from) = (CAGE_NULL_BYTES, None);
        while at < self.top {
            // SAFETY: blocks follow each other without gaps up to the top.
            let head = unsafe { *self.at(at as u32) };
            if head.kind == ObjectKind::Free as u8 {
                free_from.get_or_insert(at);
            } else if let Some(from) = free_from.take() {
                self.give_back(from, at);
            }
            at += size_of_class(head.size_class.into()).max(GRAIN);
        }
        if let Some(from) = free_from {
            self.top = from;
        }
    }

    /// Makes free blocks of a range below the top, as large ones as there are classes for.
    fn give_back(&mut self, mut from: usize, to: usize) {
        while from < to {
            let rest = (to - from).min(MAX_SIZE);
            let size = if rest <= MAX_SMALL { rest } else { 1 << rest.ilog2() };
            let Some(class) = class_of(size) else { return };
            let (kind, state) = (ObjectKind::Free as u8, u64::from(self.free[class]));
            let head = VmObject { state, kind, size_class: class as u8, reserved: 0, type_id: NO_TYPE };
            // SAFETY: a range inside memory that has been given out, which is nobody's.
            unsafe { self.at(from as u32).write(head) };
            self.free[class] = from as u32;
            from += size;
        }
    }

    /// Every live object.
    pub(crate) fn objects(&self) -> impl Iterator<Item = u32> {
        let mut at = CAGE_NULL_BYTES;
        std::iter::from_fn(move || {
            while let Some(block) = self.block(at as u32).filter(|_| at < self.top) {
                let handle = at as u32;
                // SAFETY: blocks follow each other without gaps up to the top.
                let head = unsafe { *block };
                at += size_of_class(head.size_class.into()).max(GRAIN);
                if head.kind != ObjectKind::Free as u8 {
                    return Some(handle);
                }
            }
            None
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn reserved(limit: &MemoryLimit) -> Cage {
        let mut cage = Cage::new(limit);
        cage.reserve(true).unwrap();
        cage
    }

    #[test]
    fn free_blocks_are_put_together_and_cut_for_other_sizes() {
        const LIMIT: usize = 256 << 10;
        let mut cage = reserved(&MemoryLimit::new(Some(LIMIT as u64)));
        let mut random = 12345u32;
        let mut next = |below: usize| {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (random >> 8) as usize % below
        };
        let fill = |cage: &mut Cage, size: &mut dyn FnMut() -> usize| {
            let mut all = Vec::new();
            loop {
                // As stores do: what was cut off is put together again.
                let size = size();
                let made = cage.allocate(ObjectKind::Extern, 7, size).or_else(|_| {
                    cage.coalesce();
                    cage.allocate(ObjectKind::Extern, 7, size)
                });
                match made {
                    Ok(handle) => all.push(handle),
                    Err(_) => return all,
                }
            }
        };
        let room = |cage: &Cage, all: &[u32]| all.iter().map(|&h| cage.room(h)).sum::<usize>();
        // One that stays, in the middle of everything.
        let all = fill(&mut cage, &mut || 48);
        let kept = all[all.len() / 2];
        for sizes in [16usize, 40, 1000, 3000, 16_016, 60_000, 0] {
            cage.objects().filter(|&h| h != kept).collect::<Vec<_>>().into_iter().for_each(|h| cage.free(h));
            assert_eq!(cage.live(), 48);
            cage.coalesce();
            let all = fill(&mut cage, &mut || if sizes == 0 { 1 + next(2000) } else { sizes });
            // Large blocks are powers of two: a little is lost at their ends.
            let largest = if sizes == 0 { 2048 } else { size_of_class(class_of(sizes).unwrap()) };
            assert!(
                room(&cage, &all) + 48 == cage.live() && cage.live() + 3 * largest > LIMIT / 16 * 15,
                "{sizes}: {}",
                cage.live()
            );
            let mut places: Vec<_> = all.iter().chain([&kept]).map(|&h| (h as usize, cage.room(h))).collect();
            places.sort_unstable();
            assert!(places.windows(2).all(|pair| pair[0].0 + pair[0].1 <= pair[1].0), "{sizes}");
            assert_eq!(cage.objects().count(), places.len());
        }
    }

    #[test]
    fn a_class_holds_its_sizes_and_no_much_larger_ones() {
        for size in 1..=MAX_SIZE {
            let class = class_of(size).unwrap();
            let held = size_of_class(class);
            assert!(class < CLASSES && held >= size && held <= (2 * size).max(GRAIN + size), "{size} in {held}");
            assert!(held.is_multiple_of(GRAIN));
        }
        assert_eq!(class_of(MAX_SIZE + 1), None);
        assert_eq!(class_of(usize::MAX), None);
    }

    #[test]
    fn memory_is_given_out_once_and_again_after_it_came_back() {
        let mut cage = reserved(&MemoryLimit::default());
        let sizes = [32, 48, 16_000, 32, 1024, 1040];
        let mut all = Vec::new();
        for _ in 0..300 {
            for size in sizes {
                let handle = cage.allocate(ObjectKind::Extern, 7, size).unwrap();
                assert!(handle != 0 && handle.is_multiple_of(2));
                // SAFETY: as large as was asked for.
                unsafe {
                    cage.at(handle).cast::<u8>().add(size_of::<VmObject>()).write_bytes(0xaa, size - size_of::<VmObject>());
                };
                all.push((handle, size));
            }
        }
        let listed: Vec<u32> = cage.objects().collect();
        assert_eq!(listed, all.iter().map(|a| a.0).collect::<Vec<_>>());
        for pair in all.windows(2) {
            assert!(pair[0].0 as usize + pair[0].1 <= pair[1].0 as usize);
        }
        let used = cage.used();
        all.iter().for_each(|a| cage.free(a.0));
        assert_eq!(cage.objects().count(), 0);
        let again: HashSet<u32> = all.iter().map(|a| cage.allocate(ObjectKind::Extern, 7, a.1).unwrap()).collect();
        assert_eq!(again, all.iter().map(|a| a.0).collect());
        assert_eq!(cage.used(), used);
        // Nothing of what was there before is left.
        // SAFETY: a live object of 16,000 bytes.
        assert_eq!(unsafe { cage.at(all[2].0).cast::<u8>().add(100).read() }, 0);
    }

    #[test]
    fn memory_counts_against_the_limit_to_the_last_page() {
        let limit = MemoryLimit::new(Some(200 << 10));
        let mut cage = reserved(&limit);
        assert_eq!(limit.used(), 0);
        let mut count = 0;
        let refused = loop {
            match cage.allocate(ObjectKind::Extern, 7, 1024) {
                Ok(_) => count += 1,
                Err(e) => break e,
            }
        };
        assert!(matches!(refused, ResourceError::TooManyReferences), "{refused}");
        assert_eq!((count, limit.used()), (200, 200 << 10));
        // Others get nothing before it is gone.
        let mut other = reserved(&limit);
        assert!(other.allocate(ObjectKind::Extern, 7, 32).is_err());
        drop(cage);
        assert_eq!(limit.used(), 0);
        assert!(other.allocate(ObjectKind::Extern, 7, 32).is_ok());
    }

    #[test]
    fn what_is_no_handle_names_nothing() {
        let mut cage = reserved(&MemoryLimit::default());
        let handle = cage.allocate(ObjectKind::Extern, 7, 32).unwrap();
        assert!(cage.object(handle).is_some());
        assert_eq!(cage.room(handle), 32);
        for wrong in [0, 1, 2, handle + 1, handle + 2, handle + 8, handle + 32, u32::MAX, u32::MAX - 15, 4080] {
            assert!(cage.object(wrong).is_none(), "{wrong}");
            assert_eq!(cage.room(wrong), 0, "{wrong}");
        }
        cage.free(handle);
        assert!(cage.object(handle).is_none());
        // Freeing twice does no harm.
        cage.free(handle);
        assert_eq!(cage.allocate(ObjectKind::Extern, 7, 32).unwrap(), handle);
        assert_ne!(cage.allocate(ObjectKind::Extern, 7, 32).unwrap(), handle);
    }
}
