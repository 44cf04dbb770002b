//! Exceptions: thrown, searched for a handler, carried through host code.
//!
//! The search ([`crate::handlers`]) comes first, and looks only: it follows frame pointers from
//! where wasm was left and asks, for each return address, the tables of the code that it lies in. A
//! handler names its tag by the place where its module's instances keep the tag's address, and its
//! frame keeps the instance, so a comparison of two addresses decides. If there is a handler, wasm
//! continues there when the running builtin or host function returns to its trampoline: the stub
//! restores the frame's stack pointer and frame pointer, and the handler's code needs nothing else.
//! If there is none up to the entry into wasm, nothing has been unwound, so the failure has its
//! whole backtrace; it is an error of the host function that made the entry, which passes it on or
//! does not.
//!
//! An exception that no handler wants as a reference is no object: its values are copied once, from
//! where `throw` put them to [`Store::payload`], from where the handler loads them.
//!
//! References among the values are in the activations table from before the search until the
//! handler runs: what wasm throws is there already, the rest is inserted. What fills the heap is
//! swept where it does: before a throw, and when there is no room for the exception, each time with
//! a count on what the exception carries. No sweep happens after that.

use crate::error::ResourceError;
use crate::handle::TagHandle;
use crate::handlers::search;
use crate::heap::HostRef;
use crate::module::LoadedModule;
use crate::stop::Stop;
use crate::store::Store;
use crate::thrown::{Exception, Tag};
use sconce_environ::index::{TagIndex, TypeId};
use sconce_environ::trap::TrapCode;
use sconce_environ::types::{RefKind, ValType};
use sconce_environ::vm::{VmStoreContext, VmTag, pending};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

impl Store {
    /// A tag whose values are the parameters of this function type.
    ///
    /// # Errors
    /// If there are 2^32 - 1 already.
    pub fn new_tag(&mut self, type_id: TypeId) -> Result<TagHandle, ResourceError> {
        let index = u32::try_from(self.tags.len()).map_err(|_| ResourceError::TooManyReferences)?;
        let types = self.types.read().unwrap_or_else(PoisonError::into_inner);
        let params = &types.func_type(type_id).params;
        let count = params.len();
        let is_handle = ValType::<TypeId>::is_handle;
        let is_func = |ty: &ValType<TypeId>| ty.ref_kind() == Some(RefKind::Func);
        let funcs = (0..count).filter(|&i| is_func(&params[i])).collect();
        let handles: Vec<usize> = (0..count).filter(|&i| is_handle(&params[i])).collect();
        drop(types);
        let shape = self.heap.add_shape(handles);
        self.tags.push(Tag { vm: Box::new(VmTag { type_id: type_id.as_u32(), index }), type_id, count, shape, funcs });
        Ok(TagHandle { store: self.id(), index })
    }

    /// The function type whose parameters are a tag's values.
    pub fn tag_type_id(&self, tag: TagHandle) -> TypeId {
        self.id().check(tag.store);
        self.tags[tag.index as usize].type_id
    }

    /// The module that defines a tag, and its index there; `None` for a tag of the host's.
    pub fn tag_origin(&self, tag: TagHandle) -> Option<(&Arc<LoadedModule>, TagIndex)> {
        self.id().check(tag.store);
        self.instances.iter().find_map(|instance| {
            // An instance's own tags are made one after the other.
            let imported = instance.module.module().num_imported_tags as usize;
            let first = *instance.tags.get(imported)?;
            let at = imported + tag.index.checked_sub(first)? as usize;
            (instance.tags.get(at) == Some(&tag.index)).then(|| (&instance.module, TagIndex::from_u32(at as u32)))
        })
    }

    /// An exception of the host's.
    ///
    /// # Panics
    /// If the number of values is not the tag's.
    ///
    /// # Safety
    /// The values are of the tag's types, references ones of this store.
    pub unsafe fn new_exception(&self, tag: TagHandle, values: Box<[u128]>) -> Exception {
        self.id().check(tag.store);
        assert_eq!(values.len(), self.tags[tag.index as usize].count, "a value for each of the tag's");
        self.exception_of(tag.index, values)
    }

    /// An exception in the host's hands.
    fn exception_of(&self, tag: u32, values: Box<[u128]>) -> Exception {
        let handles = self.heap.handles_in(self.tags[tag as usize].shape, &values);
        let held = handles.into_iter().filter_map(|handle| self.hold(handle)).collect();
        Exception { store: self.id(), tag, values, _held: held }
    }

    /// The exception that a handle names; `None` for null, for what is no handle of one, and for
    /// one that is damaged.
    pub fn exception(&self, handle: u32) -> Option<Exception> {
        let (tag, values) = self.read_exception(handle)?;
        Some(self.exception_of(tag, values))
    }

    /// The tag and the values of an exception in the heap. What the heap says is believed only
    /// where it can be: the tag is one of the store's, there are as many values as it has, and
    /// functions are ones that were put there.
    fn read_exception(&self, handle: u32) -> Option<(u32, Box<[u128]>)> {
        let (index, values) = self.heap.exception(handle)?;
        let tag = self.tags.get(index as usize).filter(|tag| tag.count == values.len())?;
        let mut values: Box<[u128]> = values.into();
        for &at in &tag.funcs {
            values[at] = self.carried.raw(values[at])?.into();
        }
        Some((index, values))
    }

    /// A reference to an exception.
    ///
    /// # Errors
    /// If the heap is full.
    pub fn new_exnref(&mut self, exception: &Exception) -> Result<HostRef, ResourceError> {
        self.id().check(exception.store);
        self.heap.settle_host();
        let handle = self.make_object(|store| store.make_exception(exception.tag, &exception.values))?;
        Ok(self.heap.hold(handle))
    }

    fn make_exception(&mut self, tag: u32, values: &[u128]) -> Result<u32, ResourceError> {
        let Tag { type_id, shape, ref funcs, .. } = self.tags[tag as usize];
        if funcs.is_empty() {
            return self.heap.new_exception(tag, type_id.as_u32(), shape, values);
        }
        let mut values: Box<[u128]> = values.into();
        for &at in funcs {
            values[at] = self.carried.number(values[at] as u64)?.into();
        }
        self.heap.new_exception(tag, type_id.as_u32(), shape, &values)
    }

    /// Makes wasm continue at the handler of an exception with this tag and the values in
    /// `payload`, when the running builtin or host function returns; false if there is none.
    /// `exception` is its handle, if it has one already.
    fn catch(&mut self, tag: u32, exception: Option<u32>) -> Result<bool, TrapCode> {
        let vm: *mut VmStoreContext = self.vm();
        let identity: *const VmTag = &*self.tags[tag as usize].vm;
        let Some(handler) = search(&self.shared, identity) else { return Ok(false) };
        let handles = self.heap.handles_in(self.tags[tag as usize].shape, &self.payload);
        // No frame may hold them any more when there is a sweep.
        handles.iter().for_each(|&handle| self.heap.hold_argument(handle));
        let made = match exception {
            Some(exception) => Ok(exception),
            None if handler.wants_exception => {
                let values = std::mem::take(&mut self.payload);
                let made = self.make_object(|store| store.make_exception(tag, &values));
                self.payload = values;
                made
            }
            None => Ok(0),
        };
        made.iter().chain(&handles).for_each(|&handle| self.heap.enter_frame(handle));
        self.heap.release_arguments(handles.len());
        let exception = made.map_err(|_| TrapCode::ReferenceHeapFull)?;
        // SAFETY: no wasm code is running; the trampoline reads the fields next.
        unsafe {
            (*vm).handler = handler.pc as *const _;
            (*vm).handler_sp = handler.sp as *mut u8;
            (*vm).handler_fp = handler.fp as *mut u8;
            (*vm).handler_payload = self.payload.as_ptr();
            (*vm).handler_exception = exception.into();
        }
        self.shared.pending().fetch_or(pending::HANDLER, Ordering::Relaxed);
        Ok(true)
    }

    /// Throws the exception in `payload`.
    fn throw_payload(&mut self, tag: u32, exception: Option<u32>) -> Result<(), Stop> {
        match self.catch(tag, exception).map_err(Stop::Trap)? {
            true => Ok(()),
            false => {
                let exception = self.exception_of(tag, self.payload.as_slice().into());
                Err(Stop::Exception { exception, note: None })
            }
        }
    }

    /// The handles among the values of the store's tag number `tag`, null ones included.
    ///
    /// # Safety
    /// `values` leads to a 16-byte place for each of the tag's values.
    pub(crate) unsafe fn handles_thrown(&self, tag: u32, values: *const u128) -> Vec<u32> {
        let Tag { count, shape, .. } = self.tags[tag as usize];
        // SAFETY: the caller's promise.
        self.heap.handles_in(shape, unsafe { std::slice::from_raw_parts(values, count) })
    }

    /// `throw` of the store's tag number `tag`.
    ///
    /// # Safety
    /// `values` leads to a 16-byte place for each of the tag's values.
    pub(crate) unsafe fn throw(&mut self, tag: u32, values: *const u128) -> Result<(), Stop> {
        let count = self.tags[tag as usize].count;
        // SAFETY: the caller's promise.
        let values = unsafe { std::slice::from_raw_parts(values, count) };
        self.payload.clear();
        self.payload.extend_from_slice(values);
        self.throw_payload(tag, None)
    }

    /// `throw_ref` of a handle that is not null.
    pub(crate) fn throw_ref(&mut self, handle: u32) -> Result<(), Stop> {
        // Validation has seen to it that it is one.
        let Some((tag, values)) = self.read_exception(handle) else {
            return Err(Stop::Trap(TrapCode::NullExceptionReference));
        };
        self.payload.clear();
        self.payload.extend_from_slice(&values);
        self.throw_payload(tag, Some(handle))
    }

    /// Throws an exception out of a host function: whether it is handled.
    pub(crate) fn throw_from_host(&mut self, exception: &Exception) -> Result<bool, TrapCode> {
        // Another store's means nothing to this one's code.
        if exception.store != self.id() {
            return Ok(false);
        }
        self.payload.clear();
        self.payload.extend_from_slice(&exception.values);
        self.catch(exception.tag, None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code::CodeSpace;
    use crate::store::StoreOptions;
    use crate::thrown::CarriedFuncs;
    use sconce_environ::heap::VmException;
    use sconce_environ::vm::NO_TYPE;

    #[test]
    fn carried_functions_have_numbers_and_nothing_else_does() {
        let mut carried = CarriedFuncs::default();
        assert_eq!((carried.number(0).unwrap(), carried.raw(0)), (0, Some(0)));
        assert_eq!(
            (carried.number(0x1000).unwrap(), carried.number(0x2000).unwrap(), carried.number(0x1000).unwrap()),
            (1, 2, 1)
        );
        assert_eq!((carried.raw(1), carried.raw(2)), (Some(0x1000), Some(0x2000)));
        for wrong in [3, 0x1000, u128::from(u64::MAX), 1 << 64 | 1, u128::MAX] {
            assert_eq!(carried.raw(wrong), None, "{wrong:#x}");
        }
    }

    #[test]
    fn a_damaged_exception_is_none() {
        let space = CodeSpace::new(None).unwrap();
        let mut store = Store::new(&space, StoreOptions::default()).unwrap();
        let shape = store.heap.add_shape([]);
        let handle = store.heap.new_exception(0, NO_TYPE, shape, &[5, 6]).unwrap();
        assert_eq!(store.heap.exception(handle), Some((0, &[5, 6][..])));
        // The store has no such tag.
        assert!(store.exception(handle).is_none());
        let funcs = Box::from([1]);
        let vm = Box::new(VmTag { type_id: NO_TYPE, index: 0 });
        store.tags.push(Tag { vm, type_id: TypeId::from_u32(0), count: 2, shape, funcs });
        // There is no function of this number; then there is.
        assert!(store.exception(handle).is_none());
        for n in 1..=6 {
            assert_eq!(store.carried.number(n << 12).unwrap(), n as u32);
        }
        assert_eq!(store.exception(handle).unwrap().values(), [5, 6 << 12]);
        for count in [0, 1, 3, 1 << 20, u32::MAX] {
            // SAFETY: a live exception.
            unsafe { (*store.heap.cage.at(handle).cast::<VmException>()).values = count };
            assert!(store.exception(handle).is_none(), "{count}");
        }
        // More than the block has room for is not even looked at.
        assert_eq!(store.heap.exception(handle), None);
    }
}
