//! The compiler as everyone else sees it.

use crate::isa;
pub use crate::isa::NewError;
use crate::output;
use crate::translate::{Allocations, Refusal, prepare, translate};
use cranelift_codegen::control::ControlPlane;
use cranelift_codegen::isa::OwnedTargetIsa;
use cranelift_codegen::{CodegenError, Context};
use sconce_environ::compile::{CompileError, CompiledFunction, Compiler, FunctionInput, Settings};
use sconce_environ::old_exceptions::FinalForm;
use sconce_environ::osr::LoopHead;
use std::sync::{Mutex, PoisonError};

/// Compiles functions with Cranelift, on any number of threads at once.
pub struct CraneliftCompiler {
    isa: OwnedTargetIsa,
    settings: Settings,
    /// Contexts that no thread is using: as many as have ever compiled at the same time.
    contexts: Mutex<Vec<Box<FunctionContext>>>,
    /// Held while a function is compiled that takes much memory.
    heavy: Mutex<()>,
}

/// What compiling one function needs and leaves behind for the next one.
struct FunctionContext {
    codegen: Context,
    allocations: Allocations,
}

/// A context that has seen a function with more instructions than this is not kept: its buffers would stay that large.
const MAX_KEPT_INSTRUCTIONS: usize = 1 << 18;

/// How a function was compiled, as text, for tests and for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// Cranelift IR as translated, before optimization.
    pub clif: String,
    /// Machine instructions, as Cranelift names them.
    pub assembly: String,
}

impl CraneliftCompiler {
    /// A compiler for the host.
    ///
    /// # Errors
    /// If the host is not one that Cranelift and Sconce generate code for.
    pub fn new(settings: &Settings) -> Result<CraneliftCompiler, NewError> {
        Ok(CraneliftCompiler {
            isa: isa::target(settings)?,
            settings: settings.clone(),
            contexts: Mutex::default(),
            heavy: Mutex::default(),
        })
    }

    /// Compiles a function and shows what came of it.
    ///
    /// # Errors
    /// As [`Compiler::compile`].
    pub fn list(&self, input: &FunctionInput<'_>) -> Result<(CompiledFunction, Listing), CompileError> {
        let mut clif = String::new();
        let mut assembly = String::new();
        let compiled = self.compile_with(input, None, &mut |context, done| {
            if done {
                assembly = context.compiled_code().and_then(|code| code.vcode.clone()).unwrap_or_default();
            } else {
                context.set_disasm(true);
                clif = context.func.display().to_string();
            }
        })?;
        Ok((compiled, Listing { clif, assembly }))
    }

    /// Compiles; `look` sees the context after translation (`false`) and after code generation (`true`).
    fn compile_with(
        &self,
        input: &FunctionInput<'_>,
        head: Option<&LoopHead>,
        look: &mut dyn FnMut(&mut Context, bool),
    ) -> Result<CompiledFunction, CompileError> {
        let func = input.module.func_index(input.func);
        let mut context = self
            .contexts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop()
            .unwrap_or_else(|| Box::new(FunctionContext { codegen: Context::new(), allocations: Allocations::default() }));
        let FunctionContext { codegen, allocations } = &mut *context;
        let prepared = match prepare(input, allocations) {
            Ok(prepared) => prepared,
            Err(Refusal::Limit(reason)) => {
                self.keep(context);
                return Err(CompileError::new(func, reason));
            }
            Err(Refusal::OldExceptions) => {
                self.keep(context);
                let final_form = FinalForm::of(input).map_err(|e| CompileError::new(func, e))?;
                let mut function = self.compile_with(&final_form.input(input), head, look)?;
                final_form.restore(input, &mut function);
                return Ok(function);
            }
        };
        let _alone = prepared.is_heavy.then(|| self.heavy.lock().unwrap_or_else(PoisonError::into_inner));
        let inlined =
            translate(input, head, prepared, &self.settings, self.isa.frontend_config(), &mut codegen.func, allocations)
                .map_err(|e| CompileError::new(func, e))?;
        look(codegen, false);
        let compiled = codegen.compile(&*self.isa, &mut ControlPlane::default());
        compiled.map_err(|e| {
            // Whoever can do without the code may say nothing of it.
            debug_assert!(!matches!(e.inner, CodegenError::Verifier(_)), "{:?}: {}", input.func, e.inner);
            CompileError::new(func, CodegenFailure(e.inner))
        })?;
        look(codegen, true);
        let code = codegen.compiled_code().expect("it was compiled");
        let function = output::convert(code, &codegen.func.params, input, &inlined).map_err(|e| CompileError::new(func, e))?;
        if codegen.func.dfg.num_insts() <= MAX_KEPT_INSTRUCTIONS {
            codegen.clear();
            self.keep(context);
        }
        Ok(function)
    }

    fn keep(&self, context: Box<FunctionContext>) {
        self.contexts.lock().unwrap_or_else(PoisonError::into_inner).push(context);
    }
}

impl Compiler for CraneliftCompiler {
    fn name(&self) -> &'static str {
        "cranelift"
    }

    fn fingerprint(&self) -> String {
        use std::fmt::Write;
        let mut text = format!("cranelift {} {} {:?}", crate::CRANELIFT_VERSION, self.isa.triple(), self.settings);
        for flag in self.isa.flags().iter().chain(self.isa.isa_flags()) {
            // Writing to a string cannot fail.
            let _ = write!(text, " {flag}");
        }
        text
    }

    fn compile_into(&self, input: &FunctionInput<'_>, out: &mut CompiledFunction) -> Result<(), CompileError> {
        *out = self.compile_with(input, None, &mut |_, _| {})?;
        Ok(())
    }

    fn compile_from(&self, input: &FunctionInput<'_>, head: &LoopHead) -> Result<CompiledFunction, CompileError> {
        /// Operands times bytes of the body, and bytes: each operand is a variable, which is passed along wherever blocks around the
        /// entry end, in a time that the estimate of the body knows nothing of. Programs have two or three.
        const MOST: usize = 1 << 17;
        const MOST_BYTES: usize = 1 << 16;
        let (operands, bytes) = (head.operands.len(), input.body.len());
        if operands > 0 && bytes > MOST_BYTES || operands.saturating_mul(bytes) > MOST {
            return Err(CompileError::new(input.module.func_index(input.func), "too much is on the stack below the loop"));
        }
        self.compile_with(input, Some(head), &mut |_, _| {})
    }
}

impl std::fmt::Debug for CraneliftCompiler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CraneliftCompiler").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// What Cranelift has to say against a function, in our words.
#[derive(Debug, thiserror::Error)]
#[error("{}", describe(.0))]
struct CodegenFailure(#[source] CodegenError);

fn describe(error: &CodegenError) -> String {
    match error {
        CodegenError::ImplLimitExceeded => "the function is too large for Cranelift".into(),
        CodegenError::CodeTooLarge => "the function's machine code is too large".into(),
        other => format!("Cranelift failed: {other}"),
    }
}
