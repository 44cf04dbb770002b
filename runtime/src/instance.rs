//! Instances: a context that compiled code reads, and what the runtime knows about it.

mod instantiate;
pub(crate) mod query;
pub(crate) mod segments;

use crate::error::ResourceError;
use crate::funcref::HostRecord;
use crate::module::LoadedModule;
use sconce_environ::index::*;
use sconce_environ::vm::*;
use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ptr::{NonNull, null};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// An instance. Boxed by its store, so that its address (`VmContext::instance`) stays.
#[derive(Debug)]
pub(crate) struct Instance {
    pub module: Arc<LoadedModule>,
    context: Context,
    /// Its number in the store.
    pub index: u32,
    /// The store's numbers of its memories, tables, globals and tags, by index.
    pub memories: Vec<u32>,
    pub tables: Vec<u32>,
    pub globals: Vec<u32>,
    pub tags: Vec<u32>,
    /// Host functions that it imports, each with a context that names this instance as the caller.
    _host: Box<[HostRecord]>,
    /// Element segments that have been dropped.
    pub dropped_elems: Box<[bool]>,
}

/// A context's memory: zero at first, aligned, at one address until dropped.
#[derive(Debug)]
pub(crate) struct Context {
    at: NonNull<u8>,
    layout: Layout,
}

impl Context {
    pub(crate) fn new(size: u32) -> Result<Context, ResourceError> {
        let size = (size as usize).max(size_of::<VmContext>());
        // The size is bounded by validation's limits, so the layout exists.
        let layout = Layout::from_size_align(size, align_of::<VmContext>()).unwrap_or(Layout::new::<VmContext>());
        // SAFETY: the size is not zero.
        let at = unsafe { alloc_zeroed(layout) };
        let at = NonNull::new(at).ok_or_else(no_memory)?;
        Ok(Context { at, layout })
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout.
        unsafe { dealloc(self.at.as_ptr(), self.layout) };
    }
}

impl Instance {
    /// An instance in which nothing is defined yet, with this number in its store.
    pub(crate) fn empty(module: &Arc<LoadedModule>, context: Context, index: usize) -> Result<Box<Instance>, ResourceError> {
        let m = module.module();
        Ok(Box::new(Instance {
            module: module.clone(),
            context,
            index: u32::try_from(index).unwrap_or(u32::MAX),
            memories: room_for(m.memories.len())?,
            tables: room_for(m.tables.len())?,
            globals: room_for(m.globals.len())?,
            tags: room_for(m.tags.len())?,
            _host: Box::new([]),
            dropped_elems: all_false(m.elements.len())?,
        }))
    }

    /// Its context.
    pub(crate) fn vmctx(&self) -> *mut VmContext {
        self.context.at.as_ptr().cast()
    }

    /// A field of the context.
    pub(crate) fn field<T>(&self, offset: u32) -> *mut T {
        debug_assert!(offset as usize + size_of::<T>() <= self.context.layout.size());
        self.context.at.as_ptr().wrapping_add(offset as usize).cast()
    }

    /// Fills in what compiled code sees of data segments, of those that instructions can name.
    pub(crate) fn define_data(&self, segments: impl Iterator<Item = DataIndex>) -> Result<(), ResourceError> {
        for data in segments.filter(|_| self.module.module().data_can_be_named) {
            let bytes = self.module.data(data).ok_or(ResourceError::DamagedCode)?;
            let seen = VmMemory { base: bytes.as_ptr().cast_mut(), length: bytes.len().into() };
            // SAFETY: an offset from the layout. The bytes are the module's, which this keeps.
            unsafe { self.field::<VmMemory>(self.module.layout().data(data)).write(seen) };
        }
        Ok(())
    }

    /// A data segment is of no length from here on.
    pub(crate) fn drop_data(&self, data: DataIndex) {
        // SAFETY: an offset from the layout, at which there are zeros or a description.
        unsafe { (*self.field::<VmMemory>(self.module.layout().data(data))).length.store(0, Ordering::Relaxed) };
    }

    /// The store's number of a global.
    pub(crate) fn global(&self, g: GlobalIndex) -> u32 {
        self.globals[g.as_u32() as usize]
    }

    /// The record of a function that escapes or is imported; null for others.
    pub(crate) fn func_ref(&self, f: FuncIndex) -> *const VmFuncRef {
        if f.as_u32() < self.module.module().num_imported_functions {
            // SAFETY: an import's fields are inside the context, and filled before anybody asks.
            return unsafe { (*self.field::<VmFuncImport>(self.module.layout().func_import(f))).funcref };
        }
        self.module.layout().func_ref(f).map_or(null(), |offset| self.field::<VmFuncRef>(offset))
    }
}

pub(crate) fn no_memory() -> ResourceError {
    ResourceError::os("cannot get memory for an instance")(rustix::io::Errno::NOMEM)
}

/// An empty vector with room for `len`: a guest says how many, and how often.
pub(crate) fn room_for<T>(len: usize) -> Result<Vec<T>, ResourceError> {
    let mut vec = Vec::new();
    vec.try_reserve_exact(len).map_err(|_| no_memory())?;
    Ok(vec)
}

fn all_false(len: usize) -> Result<Box<[bool]>, ResourceError> {
    let mut flags = room_for(len)?;
    flags.resize(len, false);
    Ok(flags.into())
}
