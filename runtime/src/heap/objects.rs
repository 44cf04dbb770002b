//! Objects: how they are made, and what they hold.

use super::Heap;
use crate::error::ResourceError;
use sconce_environ::abi::VALUE_SIZE;
use sconce_environ::heap::{ObjectKind, VmException, VmExtern, VmObject, state};
use sconce_environ::vm::NO_TYPE;
use std::any::Any;
use std::mem::offset_of;
use std::sync::Arc;

impl Heap {
    /// A live object; `None` for null and for whatever is no handle.
    #[inline]
    pub(crate) fn object(&self, handle: u32) -> Option<*mut VmObject> {
        if handle == 0 {
            return None;
        }
        let object = self.cage.object(handle);
        debug_assert!(object.is_some(), "{handle:#x} is no handle");
        object
    }

    /// An object's references; `None` if there is no such object.
    pub(super) fn count(&self, handle: u32) -> Option<u64> {
        // SAFETY: a live object.
        self.cage.object(handle).map(|object| unsafe { (*object).state / state::ONE })
    }

    /// The handles in an object, null ones included.
    ///
    /// # Safety
    /// A live object.
    pub(super) unsafe fn children(&self, object: *mut VmObject) -> Vec<u32> {
        // SAFETY: as the caller promises; the shape is the one that the exception was made with.
        unsafe {
            if (*object).kind != ObjectKind::Exception as u8 {
                return Vec::new();
            }
            let shape = (*object.cast::<VmException>()).shape as usize;
            let offsets = self.shapes.get(shape).map_or(&[][..], |s| s);
            offsets.iter().map(|&at| object.cast::<u8>().add(at as usize).cast::<u32>().read()).collect()
        }
    }

    fn allocate(&mut self, kind: ObjectKind, type_id: u32, size: usize) -> Result<u32, ResourceError> {
        self.prepare(false)?;
        let handle = self.cage.allocate(kind, type_id, size)?;
        self.objects += 1;
        self.allocations_left = self.allocations_left.saturating_sub(1);
        self.bytes_left = self.bytes_left.saturating_sub(self.cage.room(handle));
        if (self.allocations_left == 0 || self.bytes_left == 0) && !self.activations.is_asked() {
            self.ask();
        }
        Ok(handle)
    }

    /// An object for a host value, which [`Heap::set_extern_value`] gives it next; nobody holds it
    /// yet.
    pub(crate) fn new_extern(&mut self) -> Result<u32, ResourceError> {
        self.allocate(ObjectKind::Extern, NO_TYPE, size_of::<VmExtern>())
    }

    /// Gives a new object its host value.
    pub(crate) fn set_extern_value(&mut self, handle: u32, value: Box<dyn Any + Send + Sync>) {
        let index = self.values.add(value);
        // SAFETY: the object was just made, and is as large.
        unsafe { (*self.cage.at(handle).cast::<VmExtern>()).index = index };
    }

    /// The host value of a handle; `None` for null and for what names none.
    pub(crate) fn extern_value(&self, handle: u32) -> Option<&(dyn Any + Send + Sync)> {
        let object = self.cage.object(handle)?;
        // SAFETY: a live object, read as what its kind says.
        let index = unsafe {
            if (*object).kind != ObjectKind::Extern as u8 {
                return None;
            }
            (*object.cast::<VmExtern>()).index
        };
        self.values.get(index)
    }

    /// Notes which of an exception's values are handles; gives the shape's number.
    pub(crate) fn add_shape(&mut self, handles: impl IntoIterator<Item = usize>) -> u32 {
        let offsets: Arc<[u32]> = handles.into_iter().map(|n| (size_of::<VmException>() + n * VALUE_SIZE) as u32).collect();
        // A module may define as many as it has tags.
        *self.shape_numbers.entry(offsets).or_insert_with_key(|offsets| {
            self.shapes.push(offsets.clone());
            (self.shapes.len() - 1) as u32
        })
    }

    /// An exception, which holds a count on each handle among its values; nobody holds it yet.
    pub(crate) fn new_exception(&mut self, tag: u32, type_id: u32, shape: u32, values: &[u128]) -> Result<u32, ResourceError> {
        let size = size_of::<VmException>() + values.len() * VALUE_SIZE;
        let handle = self.allocate(ObjectKind::Exception, type_id, size)?;
        // SAFETY: the object was just made, and is as large.
        unsafe {
            let exception = self.cage.at(handle).cast::<VmException>();
            (*exception).tag = tag;
            (*exception).values = values.len() as u32;
            (*exception).shape = shape;
            let to = exception.add(1).cast::<u128>();
            std::ptr::copy_nonoverlapping(values.as_ptr(), to, values.len());
            for child in self.children(exception.cast()) {
                self.retain(child, 1);
            }
        }
        Ok(handle)
    }

    /// The tag's number and the values of an exception as they are here, functions as numbers;
    /// `None` for what is none, or has more values than room. Nothing else is checked.
    pub(crate) fn exception(&self, handle: u32) -> Option<(u32, &[u128])> {
        let object = self.cage.object(handle)?;
        // SAFETY: a live object, read as what its kind says; its values do not change.
        unsafe {
            if (*object).kind != ObjectKind::Exception as u8 {
                return None;
            }
            let exception = object.cast::<VmException>();
            let count = (*exception).values as usize;
            if size_of::<VmException>() + count * VALUE_SIZE > self.cage.room(handle) {
                return None;
            }
            let values = std::slice::from_raw_parts(exception.add(1).cast::<u128>(), count);
            Some(((*exception).tag, values))
        }
    }

    /// The handles among values of this shape, null ones included.
    pub(crate) fn handles_in(&self, shape: u32, values: &[u128]) -> Vec<u32> {
        let place = |&at: &u32| (at as usize - size_of::<VmException>()) / VALUE_SIZE;
        let offsets = self.shapes.get(shape as usize).map_or(&[][..], |s| s);
        offsets.iter().filter_map(|at| values.get(place(at)).map(|&v| v as u32)).collect()
    }
}

const _: () = assert!(offset_of!(VmExtern, object) == 0 && offset_of!(VmException, object) == 0);
const _: () = assert!(size_of::<VmException>().is_multiple_of(VALUE_SIZE));
