//! The contract between compilers and everything else: settings, what a compiler is given, what it gives back.

use crate::block::BlockTypes;
use crate::decode::{BodyValidator, DecodeError, Decoded};
use crate::handlers::HandlerLists;
use crate::index::*;
use crate::inlined::{Callees, InlinedCall};
use crate::layout::VmLayout;
use crate::module::Module;
use crate::osr::{LoopCode, LoopHead};
use crate::stack_maps::StackMaps;
use crate::trap::TrapCode;
use serde::{Deserialize, Serialize};

/// How memory accesses are kept inside a memory.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum BoundsStyle {
    /// 32-bit memories have 4 GiB and a 2 GiB guard reserved: an access with an offset below 2^31 needs no check.
    Guard,
    /// Every access compares with the length first.
    Explicit,
}

/// How functions of one module call each other.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum CallStyle {
    /// `call rel32`: only in code compiled ahead of time as one unit.
    Direct,
    /// Through the callee's entry slot, so that a function can be replaced.
    Slots,
}

/// What changes generated code. Part of every artifact's key.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Settings {
    /// Bounds checks.
    pub bounds: BoundsStyle,
    /// Calls inside the module.
    pub calls: CallStyle,
    /// Whether every NaN that an operation produces is the canonical one.
    pub canonical_nans: bool,
    /// Whether each function begins with a call of [`crate::builtin::Builtin::Sweep`]: for tests of stack maps and barriers.
    pub gc_stress: bool,
    /// Whether code checks what it may rely on, and traps with [`TrapCode::BrokenInvariant`] where that does
    /// not hold: for tests and fuzzing.
    pub paranoid: bool,
    /// Whether code counts what it executes, as [`crate::fuel`] says, and traps with [`TrapCode::FuelExhausted`] when
    /// there is not enough.
    pub fuel: bool,
    /// Whether only instructions are used that every supported processor has, up to SSE4.1: whatever the host has besides.
    pub baseline: bool,
    /// Whether what a check guards is selected again under its outcome, so that a mispredicted branch leads nowhere: addresses of
    /// memories, data segments and tables, entries of jump tables, callees of checked types.
    pub spectre_mitigations: bool,
}

/// A function to compile. The body has been validated.
#[derive(Clone, Debug)]
pub struct FunctionInput<'a> {
    /// Its module.
    pub module: &'a Module,
    /// Layout of the module's VM contexts.
    pub layout: &'a VmLayout,
    /// Which function.
    pub func: DefinedFuncIndex,
    /// Its body: locals and operators.
    pub body: &'a [u8],
    /// Where the body starts in the module, in bytes.
    pub body_offset: u32,
    /// What its block types refer to.
    pub blocks: BlockTypes<'a>,
    /// Which of its branches are likely to be taken: [`crate::module::BranchHints::of`].
    pub hints: &'a [(u32, bool)],
    /// The bodies of others, if they may be translated in place of calls.
    pub callees: Option<Callees<'a>>,
}

impl<'a> FunctionInput<'a> {
    /// A function of a decoded module, in the bytes that it was decoded from.
    ///
    /// # Panics
    /// As [`Decoded::body`].
    pub fn of(decoded: &'a Decoded, bytes: &'a [u8], layout: &'a VmLayout, func: DefinedFuncIndex) -> FunctionInput<'a> {
        let (body, body_offset) = (decoded.body(bytes, func), decoded.bodies[func].start);
        let module = &decoded.module;
        let (blocks, hints) = (BlockTypes::of(module), module.branch_hints.of(module.func_index(func)));
        FunctionInput { module, layout, func, body, body_offset, blocks, hints, callees: None }
    }
}

/// A compiler. One value serves many threads.
pub trait Compiler: Send + Sync {
    /// For people: `cranelift`, `lightbeam`.
    fn name(&self) -> &'static str;

    /// Version and target features, as text that changes whenever the same input would give other code.
    fn fingerprint(&self) -> String;

    /// Compiles one function into `out`, whatever that was before: its allocations serve again. After an error it is of no use.
    ///
    /// # Errors
    /// When an implementation limit is exceeded (code or frame too large).
    fn compile_into(&self, input: &FunctionInput<'_>, out: &mut CompiledFunction) -> Result<(), CompileError>;

    /// Whether [`Compiler::validate_and_compile_into`] costs less than the two one after the other, and
    /// compiling so little that an invalid module may have cost it.
    fn validates(&self) -> bool {
        false
    }

    /// Validates a function whose body has not been validated, and compiles it into `out`.
    ///
    /// # Errors
    /// [`FunctionError::Invalid`]; as [`Compiler::compile_into`].
    fn validate_and_compile_into(
        &self,
        validator: &mut BodyValidator<'_>,
        input: &FunctionInput<'_>,
        out: &mut CompiledFunction,
    ) -> Result<(), FunctionError> {
        validator.validate(input.func)?;
        Ok(self.compile_into(input, out)?)
    }

    /// A function's loops, and the code that they are in: what [`Compiler::compile_into`] makes. No loop with code, if this compiler's
    /// code cannot be left there.
    ///
    /// # Errors
    /// As [`Compiler::compile_into`].
    fn loops(&self, input: &FunctionInput<'_>) -> Result<(CompiledFunction, Vec<LoopCode>), CompileError> {
        Ok((self.compile(input)?, Vec::new()))
    }

    /// What is where at the head of a loop; `None` if there is more than [`crate::osr::MAX_CELLS`] can hold.
    ///
    /// # Errors
    /// As [`Compiler::compile_into`].
    fn loop_head(&self, input: &FunctionInput<'_>, at: &LoopCode) -> Result<Option<LoopHead>, CompileError> {
        let _ = (input, at);
        Ok(None)
    }

    /// Compiles one function from a loop's head on: called as the function is, it begins there, with what
    /// [`crate::vm::VmStoreContext::loop_state`] has.
    ///
    /// # Errors
    /// As [`Compiler::compile_into`]; if this compiler cannot do that.
    fn compile_from(&self, input: &FunctionInput<'_>, head: &LoopHead) -> Result<CompiledFunction, CompileError> {
        let _ = head;
        Err(CompileError::new(input.module.func_index(input.func), "its code cannot begin with a loop"))
    }

    /// Compiles one function.
    ///
    /// # Errors
    /// As [`Compiler::compile_into`].
    fn compile(&self, input: &FunctionInput<'_>) -> Result<CompiledFunction, CompileError> {
        let mut out = CompiledFunction::default();
        self.compile_into(input, &mut out)?;
        Ok(out)
    }
}

/// Bytes of machine code that a body of so many bytes may become. No operator needs anything like it: code
/// that is longer for its body would be the work of somebody who wants to fill memory.
pub const fn max_code(body: usize) -> u64 {
    const ANY: u64 = 8 << 20;
    const A_BYTE: u64 = 256;
    ANY + A_BYTE * body as u64
}

/// A compilation failure: an implementation limit, never a fault of a valid module.
#[derive(Debug, thiserror::Error)]
#[error("function {func}: {reason}", func = func.as_u32())]
pub struct CompileError {
    /// Which function.
    pub func: FuncIndex,
    /// Why.
    #[source]
    pub reason: Box<dyn std::error::Error + Send + Sync>,
}

impl CompileError {
    /// That this function could not be compiled, and why.
    pub fn new(func: FuncIndex, reason: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> CompileError {
        CompileError { func, reason: reason.into() }
    }
}

/// Why there is no code for a function that had not been validated.
#[derive(Debug, thiserror::Error)]
pub enum FunctionError {
    /// It is not valid.
    #[error(transparent)]
    Invalid(#[from] DecodeError),
    /// It is not known to be invalid, but cannot be compiled.
    #[error(transparent)]
    Compile(#[from] CompileError),
}

/// A compiled function: flat, position-independent data. Offsets are bytes from the code's start.
#[derive(Clone, Debug, Default)]
pub struct CompiledFunction {
    /// Machine code, constants included.
    pub code: Vec<u8>,
    /// Required alignment, a power of two.
    pub align: u32,
    /// Bytes from the stack pointer up to the frame pointer, once the frame is made and but for stack arguments of calls.
    pub frame_size: u32,
    /// The code begins this many bytes past a multiple of `align`, and less than it: for speed, so that loops lie well.
    pub skew: u32,
    /// Places to fix when its address is known.
    pub relocs: Vec<Reloc>,
    /// By offset of the faulting instruction, increasing.
    pub traps: Vec<(u32, TrapCode)>,
    /// Start of each run of instructions that belong to one wasm operator, increasing, with that operator's offset in the
    /// module; `u32::MAX` where no operator is known (prologue). With bodies in place of calls see [`crate::inlined::operators`].
    pub wasm_offsets: Vec<(u32, u32)>,
    /// Bodies that stand in place of calls, by their first numbers.
    pub inlined: Vec<InlinedCall>,
    /// Where handles are while calls are under way. A call without a map has none in its frame.
    pub stack_maps: StackMaps,
    /// Runs of instructions that an interrupt must not cut, besides `ret`: start and end, increasing, none empty. Where the
    /// frame is partly gone (tail calls), or counts and references do not agree (barriers).
    pub uninterruptible: Vec<(u32, u32)>,
    /// Calls inside try regions, by return address, increasing.
    pub call_sites: Vec<CallSite>,
    /// Their handlers.
    pub handlers: HandlerLists,
    /// Jump tables in the code: start and end, increasing, none empty. Entries are 4 bytes, signed: a target's distance from the
    /// table's start.
    pub jump_tables: Vec<(u32, u32)>,
}

/// A call inside a try region: what the runtime needs to continue in one of its handlers.
///
/// A frame with handlers saves all callee-saved registers, since a handler begins with nothing but the frame
/// pointer and the stack pointer restored, and restores them when it returns. A handler finds the address of
/// the payload in rax (16 bytes a value, as in [`crate::vm::VmGlobal`]; valid until anything is called) and
/// the exception as a handle in the low half of rdx: 0 unless it asks for that, since an exception that
/// nobody holds needs no object.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct CallSite {
    /// The call's return address.
    pub return_offset: u32,
    /// Bytes from the stack pointer, as it is where the handlers begin, up to the frame pointer.
    pub frame_size: u32,
    /// Where the frame keeps its VM context, relative to the frame pointer.
    pub vmctx: i32,
    /// The list in [`CompiledFunction::handlers`], in the order in which they are asked: inner try regions first.
    pub handlers: u32,
}

/// A place in code that refers to another function of the module by a 32-bit PC-relative field.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Reloc {
    /// Of the 4-byte field.
    pub offset: u32,
    /// To what.
    pub target: RelocTarget,
    /// Added to `target - address of field`.
    pub addend: i32,
}

/// What a relocation refers to.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum RelocTarget {
    /// The function's code.
    Function(DefinedFuncIndex),
    /// The function's entry slot: 8 bytes that hold the address of its code.
    Slot(DefinedFuncIndex),
    /// The way to a host function, whose context is in rdi and says
    /// [`crate::vm::VmHostContext::in_registers`], and back to the code so many bytes behind the field, as if
    /// a call had returned there. The field is that of a `jmp rel32` or a `call rel32`, which becomes one:
    /// linking makes a way for each place.
    HostCall {
        /// From the field's end.
        behind: u32,
        /// Whether the result is a reference.
        returns_reference: bool,
    },
}
