//! A loaded module: what all its instances share, in every store.

use crate::code::CodeRegion;
use crate::debugger::DebugObject;
use crate::handle::ModuleId;
use crate::image::{LazyData, MemoryImages};
use crate::lazy_pages::{Presence, marks};
use crate::lazy_source::LazySource;
use crate::sources::{Contents, Resolve, Watch};
use crate::staged::Staged;
use sconce_environ::compile::BoundsStyle;
use sconce_environ::index::*;
use sconce_environ::layout::VmLayout;
use sconce_environ::module::{EntityIndex, Module};
use sconce_environ::types::{GlobalType, TableType};
use sconce_x64::stubs::{LAZY_STUB_SIZE, THUNK_SIZE};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Data below this many bytes is copied in: measured, mapping an image and taking its faults costs as much.
const IMAGE_MINIMUM: usize = 64 << 10;

/// What a loaded module is made of.
pub struct ModuleParts {
    /// The decoded module.
    pub module: Arc<Module>,
    /// Canonical ids of `module.types`.
    pub type_ids: Box<[TypeId]>,
    /// Its code, loaded.
    pub code: Arc<CodeRegion>,
    /// Offset in text of the first thunk. There is one, of 16 bytes, for each escaping function that the module defines, in
    /// index order.
    pub thunks: u32,
    /// The contents of all data segments. Not looked at by an instance that gets lazy data.
    pub data: Arc<dyn Contents>,
    /// Where the first instance's data comes from as it is used.
    pub lazy_data: Option<LazyData>,
    /// What the code was compiled for.
    pub bounds: BoundsStyle,
    /// Who compiles functions when they are called, if they have not been; `code` is [`crate::GrowingCode::start`] then.
    pub lazy: Option<Arc<dyn Resolve>>,
    /// Who is told of instances.
    pub watch: Option<Arc<dyn Watch>>,
}

/// A module that can be instantiated.
pub struct LoadedModule {
    parts: ModuleParts,
    layout: VmLayout,
    /// Escaping functions that are imported: they come first in `escaping`, and have no thunks.
    escaping_imports: usize,
    lazy_data: Mutex<Option<LazyData>>,
    /// How many chunks lazy data has.
    data_chunks: usize,
    /// Which of them to bring in at once.
    wanted_data: OnceLock<Box<[u8]>>,
    /// Them, by part, when they have been read.
    staged: Mutex<Option<Receiver<Vec<Option<Staged>>>>>,
    /// Which of them are there, by part; known when there is an instance.
    data_presence: OnceLock<Vec<Presence>>,
    instantiated: AtomicBool,
    images: OnceLock<MemoryImages>,
    /// By which debuggers know its code.
    debug_object: OnceLock<DebugObject>,
}

impl std::fmt::Debug for LoadedModule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LoadedModule").field("name", &self.parts.module.name).field("code", &self.id()).finish()
    }
}

impl LoadedModule {
    /// From its parts.
    pub fn new(mut parts: ModuleParts) -> Arc<LoadedModule> {
        let layout = VmLayout::new(&parts.module);
        let imported = FuncIndex::from_u32(parts.module.num_imported_functions);
        let escaping_imports = parts.module.escaping.partition_point(|&f| f < imported);
        let lazy_data = parts.lazy_data.take();
        Arc::new(LoadedModule {
            parts,
            layout,
            escaping_imports,
            data_chunks: lazy_data.as_ref().map_or(0, LazyData::chunks),
            lazy_data: Mutex::new(lazy_data),
            wanted_data: OnceLock::new(),
            staged: Mutex::new(None),
            data_presence: OnceLock::new(),
            instantiated: AtomicBool::new(false),
            images: OnceLock::new(),
            debug_object: OnceLock::new(),
        })
    }

    /// Its number, by which frames name it.
    pub fn id(&self) -> ModuleId {
        self.parts.code.module()
    }

    /// The decoded module.
    pub fn module(&self) -> &Arc<Module> {
        &self.parts.module
    }

    /// Debuggers know this object as long as the module, and so its code, is there. Counts once.
    pub fn keep_debug_object(&self, object: DebugObject) {
        let _ = self.debug_object.set(object);
    }

    /// Who compiles its functions when they are called.
    pub(crate) fn lazy(&self) -> Option<&dyn Resolve> {
        self.parts.lazy.as_deref()
    }

    /// Who is told of its instances.
    pub(crate) fn watch(&self) -> Option<&dyn Watch> {
        self.parts.watch.as_deref()
    }

    /// Its code.
    pub fn code(&self) -> &Arc<CodeRegion> {
        &self.parts.code
    }

    /// Layout of its instances' contexts.
    pub fn layout(&self) -> &VmLayout {
        &self.layout
    }

    /// Canonical ids of its types.
    pub fn type_ids(&self) -> &[TypeId] {
        &self.parts.type_ids
    }

    /// What its code was compiled for.
    pub fn bounds(&self) -> BoundsStyle {
        self.parts.bounds
    }

    /// The canonical id of a type.
    pub fn type_id(&self, ty: TypeIndex) -> TypeId {
        self.parts.type_ids[ty.as_u32() as usize]
    }

    /// A table's type, in canonical terms.
    pub fn table_type(&self, table: TableIndex) -> TableType<TypeId> {
        let ty = self.module().tables[table];
        TableType { element: ty.element.map(&mut |t| self.type_id(t)), limits: ty.limits, table64: ty.table64 }
    }

    /// A global's type, in canonical terms.
    pub fn global_type(&self, global: GlobalIndex) -> GlobalType<TypeId> {
        let ty = self.module().globals[global];
        GlobalType { content: ty.content.map(&mut |t| self.type_id(t)), mutable: ty.mutable }
    }

    /// Bytes of a data segment; `None` if they are gone.
    pub(crate) fn data(&self, data: DataIndex) -> Option<&[u8]> {
        let range = &self.module().data[data].bytes;
        (*self.parts.data).as_ref().get(range.start as usize..range.end as usize)
    }

    /// Passes on the pieces of a data segment that are to be written to memory that is zero; false if it is not known in pieces.
    pub(crate) fn data_pieces(&self, data: DataIndex, f: &mut dyn FnMut(usize, &[u8])) -> bool {
        self.parts.data.pieces(self.module().data[data].bytes.clone(), f)
    }

    /// Where data comes from as it is used, for the first instance that asks. Others share an image instead.
    pub(crate) fn take_lazy_data(&self) -> Option<LazyData> {
        let lazy = self.lazy_data.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.instantiated.fetch_or(lazy.is_some(), Ordering::Relaxed);
        lazy
    }

    /// How many chunks of data the first instance brings in as they are used.
    pub fn lazy_data_chunks(&self) -> usize {
        self.data_chunks
    }

    /// Says which of those chunks the first instance is to have at once: a bit for each, lowest first. Gives
    /// the work of reading them, which another thread can do meanwhile: the instance waits for it. Counts
    /// once, before there is an instance.
    pub fn want_data(&self, chunks: &[u8]) -> impl FnOnce() + Send + 'static {
        let chunks: Box<[u8]> = chunks.into();
        let _ = self.wanted_data.set(chunks.clone());
        let lazy = self.lazy_data.lock().unwrap_or_else(PoisonError::into_inner);
        let sources: Vec<LazySource> = lazy.iter().flat_map(LazyData::sources).cloned().collect();
        let (send, receive) = channel();
        *self.staged.lock().unwrap_or_else(PoisonError::into_inner) = Some(receive);
        move || {
            let mut first = 0;
            let stage = |source: &LazySource| {
                let part = first;
                first += source.digests.len();
                Staged::read(source, |chunk| chunks.get((part + chunk) / 8).is_some_and(|b| b >> ((part + chunk) % 8) & 1 != 0))
            };
            // Nobody may want it any more.
            let _ = send.send(sources.iter().map(stage).collect());
        }
    }

    /// Chunks that have been read, by part; waits for them. Nothing if nobody reads any.
    pub(crate) fn take_staged(&self) -> Vec<Option<Staged>> {
        let receive = self.staged.lock().unwrap_or_else(PoisonError::into_inner).take();
        receive.and_then(|receive| receive.recv().ok()).unwrap_or_default()
    }

    pub(crate) fn wanted_data(&self) -> &[u8] {
        self.wanted_data.get().map_or(&[], |chunks| chunks)
    }

    pub(crate) fn set_data_presence(&self, parts: Vec<Presence>) {
        let _ = self.data_presence.set(parts);
    }

    /// A bit for each of those chunks, lowest first, that says whether it has been brought in; `None` as long
    /// as there is no instance.
    pub fn present_data(&self) -> Option<Vec<u8>> {
        self.data_presence.get().map(|parts| marks(parts.iter()))
    }

    /// Address by which the function is named outside: its thunk if it escapes, its code or its stub otherwise.
    pub(crate) fn function_address(&self, func: FuncIndex) -> Option<usize> {
        let code = &self.parts.code;
        let thunk = |n: usize| {
            let at = self.parts.thunks as usize + (n - self.escaping_imports) * THUNK_SIZE;
            (at + THUNK_SIZE <= code.text_len()).then(|| code.text_base() + at)
        };
        let defined = self.module().defined_func(func)?;
        match self.module().escaping.binary_search(&func) {
            Ok(n) => thunk(n),
            Err(_) if self.parts.lazy.is_some() => Some(code.text_base() + defined.as_u32() as usize * LAZY_STUB_SIZE),
            Err(_) => code.function_address(defined),
        }
    }

    /// Images of memories, where they pay. The first instance copies its data: making an image costs as much as one copy.
    pub(crate) fn images(&self) -> Option<&MemoryImages> {
        if !self.instantiated.swap(true, Ordering::Relaxed) {
            return None;
        }
        let make = || {
            let data = (*self.parts.data).as_ref();
            MemoryImages::new(self.module(), IMAGE_MINIMUM, &mut |at, out| match data.get(at..at + out.len()) {
                Some(bytes) => {
                    out.copy_from_slice(bytes);
                    true
                }
                None => false,
            })
        };
        Some(self.images.get_or_init(make))
    }

    /// Where the module's export of this name leads.
    pub(crate) fn export(&self, name: &str) -> Option<EntityIndex> {
        self.module().exports.iter().find(|e| e.name == name).map(|e| e.entity)
    }
}
