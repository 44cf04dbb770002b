//! A compiled module as code and metadata: what instances run, what artifacts are written from, and what backtraces ask. It knows
//! no engine, so that whoever holds one keeps none alive.

use crate::config::CompilerKind;
use crate::lazy::LazyCode;
use crate::section::Section;
use sconce_environ::index::{DefinedFuncIndex, FuncIndex};
use sconce_environ::module::{EntityIndex, EntityType, Module};
use sconce_environ::names::{self, Names};
use sconce_environ::registry::ExternType;
use sconce_runtime as rt;
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

/// A module's code in memory, with everything that is known of it.
pub struct CompiledModule {
    /// Whose code it is.
    pub(crate) compiler: CompilerKind,
    pub(crate) loaded: Arc<rt::LoadedModule>,
    /// Offset of the first thunk in text.
    pub(crate) thunks: u32,
    /// Contents of all data segments.
    pub(crate) data: Arc<Section>,
    pub(crate) debug: DebugSections,
    /// Of a module whose functions are compiled when they are called.
    pub(crate) lazy: Option<Arc<LazyCode>>,
    pub(crate) exports: OnceLock<HashMap<String, EntityIndex>>,
    /// The hash of what it was compiled from, where the cache wanted to know.
    pub(crate) content: OnceLock<blake3::Hash>,
}

/// What only backtraces need: never looked at while everything goes well.
#[derive(Default)]
pub(crate) struct DebugSections {
    /// [`sconce_environ::code_tables::WasmOffsets`] of the text.
    pub(crate) offsets: Section,
    /// The name section and DWARF.
    pub(crate) custom: Vec<(String, Section)>,
    /// Where the code section's contents begin in the binary.
    pub(crate) code_offset: u32,
}

impl CompiledModule {
    /// The decoded module.
    pub fn environ(&self) -> &Module {
        self.loaded.module()
    }

    /// Its name, from the name section.
    pub fn name(&self) -> Option<&str> {
        self.environ().name.as_deref()
    }

    /// A function's name, from the name section, as it is written there.
    pub fn function_name(&self, func: FuncIndex) -> Option<String> {
        names::find(self.custom_section("name")?, Names::Functions, &[func.as_u32()], &mut || true)[0].map(str::to_owned)
    }

    /// A custom section that is kept for backtraces: `name` and `.debug_*`. Read from the artifact when it is first asked for;
    /// `None` if there is none, or if the artifact's file is damaged there.
    pub fn custom_section(&self, name: &str) -> Option<&[u8]> {
        let (_, section) = self.debug.custom.iter().find(|(n, _)| n == name)?;
        section.bytes()
    }

    /// Where the code section's contents begin in the binary, in bytes: DWARF addresses count from there.
    pub fn code_section_offset(&self) -> u32 {
        self.debug.code_offset
    }

    /// The wasm offset of the operator that an instruction belongs to, at this offset from its function's start.
    pub(crate) fn wasm_offset(&self, func: DefinedFuncIndex, start: usize, offset: u32) -> Option<u32> {
        if let Some(lazy) = &self.lazy {
            return lazy.wasm_offset(func, offset);
        }
        let code = self.loaded.code();
        let start = u32::try_from(start.checked_sub(code.text_base())?).ok()?;
        code.tables().wasm_offset_at(self.debug.offsets.bytes()?, start.checked_add(offset)?)
    }

    /// Bytes of memory that it may take with its code, its data and what is known of it, whoever runs it: the same however it came to be,
    /// though what comes from the cache is read when it is used; and what is compiled when it is called, with the binary
    /// for that, about as much.
    pub(crate) fn bytes(&self) -> u64 {
        let sections = self.debug.custom.iter().map(|(_, section)| section.len()).sum::<u64>();
        let lazy = self.lazy.as_ref().map_or(0, |lazy| lazy.bytes());
        self.loaded.code().bytes() + self.environ().size() + self.data.len() + sections + self.debug.offsets.len() + lazy
    }

    /// An export.
    pub(crate) fn export(&self, name: &str) -> Option<EntityIndex> {
        let exports = &self.environ().exports;
        // Most have so few, or are asked so seldom, that a table does not pay.
        if exports.len() < 16 {
            return exports.iter().find(|e| e.name == name).map(|e| e.entity);
        }
        let table = || exports.iter().map(|e| (e.name.clone(), e.entity)).collect();
        self.exports.get_or_init(table).get(name).copied()
    }

    /// A type of this module with canonical ids.
    pub(crate) fn registry_type(&self, ty: &EntityType) -> ExternType {
        ExternType::new(ty, |index| self.loaded.type_id(index))
    }
}

impl std::fmt::Debug for CompiledModule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CompiledModule")
            .field("name", &self.name())
            .field("functions", &self.environ().functions.len())
            .finish_non_exhaustive()
    }
}
