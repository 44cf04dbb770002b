//! The machine code of single functions, for who reads it: compiled for that alone, or taken from a compiled module.

use crate::config::CompilerKind;
use crate::engine::Engine;
use crate::error::{ArtifactError, Error};
use crate::module::Module;
use crate::pipeline::compile_function;
use sconce_environ::compile::{CompiledFunction, RelocTarget};
use sconce_environ::decode::Decoded;
use sconce_environ::index::DefinedFuncIndex;
use sconce_environ::layout::VmLayout;
use sconce_environ::text_layout::function_of_slot;

/// Where machine code comes from.
pub struct MachineCode<'a> {
    compiler: CompilerKind,
    source: Source<'a>,
}

enum Source<'a> {
    /// Compiled function by function, and not linked.
    Compiled {
        engine: &'a Engine,
        bytes: &'a [u8],
        decoded: &'a Decoded,
        layout: VmLayout,
    },
    Linked {
        module: &'a Module,
        text: &'a [u8],
    },
}

impl std::fmt::Debug for MachineCode<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MachineCode").field("compiler", &self.compiler).finish_non_exhaustive()
    }
}

impl<'a> MachineCode<'a> {
    /// Functions are compiled when they are asked for, by the best compiler that the engine takes code from.
    /// `bytes` are those that it was decoded from, and have been validated.
    pub fn compile(engine: &'a Engine, bytes: &'a [u8], decoded: &'a Decoded) -> MachineCode<'a> {
        let layout = VmLayout::new(&decoded.module);
        MachineCode { compiler: engine.inner.compilers.preferred(), source: Source::Compiled { engine, bytes, decoded, layout } }
    }

    /// Functions are those of a compiled module; of one whose functions are compiled when they are called, as
    /// [`MachineCode::compile`] has them.
    pub fn of(module: &'a Module) -> MachineCode<'a> {
        if let Some(lazy) = &module.compiled().lazy {
            return MachineCode::compile(module.engine(), lazy.binary(), lazy.decoded());
        }
        MachineCode {
            compiler: module.compiled().compiler,
            source: Source::Linked { module, text: module.compiled().loaded.code().text() },
        }
    }

    /// A function's code and tables, and whose it is: `cranelift`, `lightbeam`. What is linked has no
    /// relocations left: [`MachineCode::target`] takes their place.
    ///
    /// # Errors
    /// [`Error::Compile`]; [`Error::Artifact`] if the module came from a file that has been damaged since.
    ///
    /// # Panics
    /// If there is no such function.
    pub fn function(&self, func: DefinedFuncIndex) -> Result<(CompiledFunction, &'static str), Error> {
        match &self.source {
            Source::Compiled { engine, bytes, decoded, layout } => {
                let mut out = CompiledFunction::default();
                let compiler = compile_function(&engine.inner.compilers, self.compiler, bytes, decoded, layout, func, &mut out)?;
                Ok((out, compiler.name()))
            }
            Source::Linked { module, text } => {
                let offsets = module.compiled().debug.offsets.bytes().unwrap_or_default();
                let found = module.compiled().loaded.code().tables().function(func, text, offsets);
                let found = found.ok_or(ArtifactError::Corrupt("a table of its code does not fit"))?;
                Ok((found, self.compiler.name()))
            }
        }
    }

    /// What is `distance` bytes from the start of a linked function's code, if it is a function or a slot.
    pub fn target(&self, func: DefinedFuncIndex, distance: i64) -> Option<RelocTarget> {
        let Source::Linked { module, text } = &self.source else { return None };
        let functions = &module.compiled().loaded.code().tables().functions;
        let start = functions.get(func.as_u32() as usize)?.start;
        let at = u32::try_from(i64::from(start) + distance).ok()?;
        if let Ok(n) = functions.binary_search_by_key(&at, |f| f.start) {
            return Some(RelocTarget::Function(DefinedFuncIndex::from_u32(n as u32)));
        }
        function_of_slot(text.len() as u64, functions.len(), at.into()).map(RelocTarget::Slot)
    }
}
