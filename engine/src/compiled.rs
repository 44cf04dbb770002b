//! A compiled module as code and metadata: what instances run, what artifacts are written from, and what backtraces ask. It knows
//! no engine, so that whoever holds one keeps none alive.

use crate::config::CompilerKind;
use crate::section::Section;
use sconce_environ::compile::CompiledFunction;
use sconce_environ::decode::Decoded;
use sconce_environ::index::{DefinedFuncIndex, FuncIndex};
use sconce_environ::inlined::{InlinedCall, Operator, operators};
use sconce_environ::module::{EntityIndex, EntityType, Module};
use sconce_environ::names::{self, Names};
use sconce_environ::registry::ExternType;
use sconce_runtime as rt;
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

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
    pub(crate) lazy: Option<Arc<dyn OnDemand>>,
    /// Functions that the better compiler has compiled, if both have: increasing.
    pub(crate) hot: Vec<DefinedFuncIndex>,
    /// Who has seen where its instances spend their time.
    pub(crate) learned: Option<Arc<dyn Learned>>,
    /// Bytes of its data segments' contents.
    pub(crate) data_len: u64,
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

/// What of a module has been compiled.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct LazyStats {
    /// Functions of the module.
    pub functions: u64,
    /// Those that were compiled when they were called.
    pub called: u64,
    /// Those that were compiled before that, by another thread.
    pub ahead: u64,
    /// Those that have better code by now, by Cranelift.
    pub improved: u64,
    /// Loops of functions on the stack that went on in better code (OSR entries).
    pub entries: u64,
    /// Bytes of their code.
    pub code: u64,
    /// What that took, threads together.
    pub time: Duration,
}

/// Where a function's operators are in the binary.
#[derive(Clone, Debug, Default)]
pub(crate) struct Offsets {
    /// By offset from its code's start: [`sconce_environ::compile::CompiledFunction::wasm_offsets`].
    runs: Vec<(u32, u32)>,
    /// What stands in place of calls.
    inlined: Vec<InlinedCall>,
}

impl Offsets {
    /// Takes them from a compiled function, which keeps none.
    pub(crate) fn take(compiled: &mut CompiledFunction) -> Offsets {
        Offsets { runs: std::mem::take(&mut compiled.wasm_offsets), inlined: std::mem::take(&mut compiled.inlined) }
    }

    fn operators_at(&self, offset: u32) -> Vec<Operator> {
        let n = self.runs.partition_point(|&(at, _)| at <= offset).checked_sub(1);
        operators(&self.inlined, n.map_or(u32::MAX, |n| self.runs[n].1)).collect()
    }
}

/// What was seen of a program.
pub(crate) trait Learned: rt::Watch {
    /// Functions in which it spends its time, the hottest first, but for those that have the best code.
    fn hot(&self) -> Vec<DefinedFuncIndex>;
}

/// Functions that are compiled when they are called.
pub(crate) trait OnDemand: Send + Sync {
    /// The module in binary form.
    fn binary(&self) -> &[u8];

    /// What was decoded of it.
    fn decoded(&self) -> &Decoded;

    /// Whether nobody looks at functions before they are called.
    fn is_deferred(&self) -> bool;

    /// Bytes of memory that it takes without any code: the binary, and what was decoded.
    fn bytes(&self) -> u64;

    /// Code, what there is and what is to come, counts against this limit from now on. Of several the first one is meant.
    ///
    /// # Errors
    /// If there is more than is left.
    fn count(&self, limit: &rt::MemoryLimit) -> Result<(), rt::ResourceError>;

    /// What has been compiled.
    fn stats(&self) -> LazyStats;

    /// The wasm offsets of operators of a function whose code begins here. Lightbeam compiles it once more for that, which gives the
    /// same code: nothing is kept for backtraces that never come.
    fn wasm_offsets(&self, func: DefinedFuncIndex, start: usize) -> Option<Offsets>;

    /// Bytes of a function's body.
    fn body_len(&self, func: DefinedFuncIndex) -> usize;
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

    /// The activations of functions that one of code is, innermost first: more than one where bodies stand in place of calls. With
    /// the wasm offset of each one's operator, where that is known.
    pub(crate) fn activations(&self, frame: &rt::RawFrame, known: &mut LazyOffsets) -> Vec<(FuncIndex, Option<u32>)> {
        let func_index = |func| self.environ().func_index(func);
        let found = self.operators(frame, known).unwrap_or_default();
        let is_whole = found.last().is_some_and(|&(func, _)| func.is_none());
        let mut all: Vec<_> =
            found.into_iter().map(|(func, offset)| (func_index(func.unwrap_or(frame.func)), Some(offset))).collect();
        // Whatever is known, there is the function with the code.
        if !is_whole {
            all.push((func_index(frame.func), None));
        }
        all
    }

    fn operators(&self, frame: &rt::RawFrame, known: &mut LazyOffsets) -> Option<Vec<Operator>> {
        let rt::RawFrame { func, start, offset, .. } = *frame;
        if let Some(lazy) = &self.lazy {
            return known.find(&**lazy, frame);
        }
        let code = self.loaded.code();
        let start = u32::try_from(start.checked_sub(code.text_base())?).ok()?;
        debug_assert!(code.tables().function_at(start) == Some(func));
        Some(code.tables().operators_at(self.debug.offsets.bytes()?, start.checked_add(offset)?))
    }

    /// Bytes of memory that it may take with its code, its data and what is known of it, whoever runs it: the same however it came to be,
    /// though what comes from the cache is read when it is used. What is compiled when it is called is not there yet; in its stead
    /// there is the binary.
    pub(crate) fn bytes(&self) -> u64 {
        let sections = self.debug.custom.iter().map(|(_, section)| section.len()).sum::<u64>();
        let lazy = self.lazy.as_ref().map_or(0, |lazy| lazy.bytes());
        self.loaded.code().bytes() + self.environ().size() + self.data_len + sections + self.debug.offsets.len() + lazy
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

/// What is known of the offsets of operators in functions that were compiled when they were called: those of a backtrace, which are
/// compiled once more, each once, as far as that is soon done.
pub(crate) struct LazyOffsets {
    /// By where functions begin.
    known: HashMap<usize, Option<Offsets>>,
    /// Bytes of bodies that may still be compiled.
    left: usize,
}

impl LazyOffsets {
    /// For a backtrace that people will look at. The largest function is one that may be compiled: a tenth of a second.
    pub(crate) fn of_failure() -> LazyOffsets {
        LazyOffsets { known: HashMap::new(), left: 8 << 20 }
    }

    /// For one that hardly anybody will: the program's exit has one, too.
    pub(crate) fn of_host_error() -> LazyOffsets {
        LazyOffsets { known: HashMap::new(), left: 128 << 10 }
    }

    fn find(&mut self, lazy: &dyn OnDemand, frame: &rt::RawFrame) -> Option<Vec<Operator>> {
        let left = &mut self.left;
        let compile = || {
            *left = left.checked_sub(lazy.body_len(frame.func))?;
            lazy.wasm_offsets(frame.func, frame.start)
        };
        let offsets = self.known.entry(frame.start).or_insert_with(compile).as_ref()?;
        Some(offsets.operators_at(frame.offset))
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
