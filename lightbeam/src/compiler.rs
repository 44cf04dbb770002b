//! The compiler as everyone else sees it.

use crate::buffers::Buffers;
use crate::features::Features;
use crate::heads::Wanted;
use crate::translate::{Failure, translate};
use sconce_environ::compile::{CompileError, CompiledFunction, Compiler, FunctionError, FunctionInput, Settings};
use sconce_environ::decode::BodyValidator;
use sconce_environ::old_exceptions::FinalForm;
use sconce_environ::osr::{LoopCode, LoopHead};
use std::sync::{Mutex, PoisonError};

/// Compiles functions in one pass, on any number of threads at once.
pub struct LightbeamCompiler {
    settings: Settings,
    features: Features,
    /// What no thread is using: as much as has ever been in use at the same time.
    buffers: Mutex<Vec<Buffers>>,
}

/// Buffers larger than this, in bytes, are not kept.
const MAX_KEPT: usize = 8 << 20;

/// Why there is no compiler for this host.
#[derive(Debug, thiserror::Error)]
pub enum NewError {
    /// Vector operators need these instructions.
    #[error("the processor lacks {0}, which compiled code needs")]
    MissingFeature(&'static str),
}

impl LightbeamCompiler {
    /// A compiler for the host.
    ///
    /// # Errors
    /// If the host is not one that it generates code for.
    pub fn new(settings: &Settings) -> Result<LightbeamCompiler, NewError> {
        if !std::is_x86_feature_detected!("sse4.1") {
            return Err(NewError::MissingFeature("sse4.1"));
        }
        macro_rules! has {
            ($feature:tt) => {
                !settings.baseline && std::is_x86_feature_detected!($feature)
            };
        }
        let features = Features {
            avx: has!("avx"),
            popcnt: has!("popcnt"),
            lzcnt: has!("lzcnt"),
            bmi1: has!("bmi1"),
            bmi2: has!("bmi2"),
            sse42: has!("sse4.2"),
        };
        Ok(LightbeamCompiler { settings: settings.clone(), features, buffers: Mutex::default() })
    }
}

impl Compiler for LightbeamCompiler {
    fn name(&self) -> &'static str {
        "lightbeam"
    }

    fn fingerprint(&self) -> String {
        format!("lightbeam {} {:?} {:?}", env!("CARGO_PKG_VERSION"), self.features, self.settings)
    }

    fn compile_into(&self, input: &FunctionInput<'_>, out: &mut CompiledFunction) -> Result<(), CompileError> {
        match self.run(None, input, out, None) {
            Ok(()) => Ok(()),
            Err(FunctionError::Compile(error)) => Err(error),
            Err(FunctionError::Invalid(error)) => unreachable!("nothing was validated: {error}"),
        }
    }

    fn validates(&self) -> bool {
        true
    }

    fn validate_and_compile_into(
        &self,
        validator: &mut BodyValidator<'_>,
        input: &FunctionInput<'_>,
        out: &mut CompiledFunction,
    ) -> Result<(), FunctionError> {
        self.run(Some(validator), input, out, None)
    }

    fn loops(&self, input: &FunctionInput<'_>) -> Result<(CompiledFunction, Vec<LoopCode>), CompileError> {
        let (out, wanted) = self.run_for(input, Wanted::Loops(Vec::new()))?;
        let Wanted::Loops(mut loops) = wanted else { return Ok((out, Vec::new())) };
        // Where a loop has no code, what comes after it may be led to from elsewhere.
        loops.retain(|found| !found.code.is_empty());
        Ok((out, loops))
    }

    fn loop_head(&self, input: &FunctionInput<'_>, at: &LoopCode) -> Result<Option<LoopHead>, CompileError> {
        match self.run_for(input, Wanted::Head(at.position, None))? {
            (_, Wanted::Head(_, head)) => Ok(head.filter(|head| head.offset == at.code.start)),
            (_, Wanted::Loops(_)) => Ok(None),
        }
    }
}

impl LightbeamCompiler {
    /// Compiles a valid function, and finds out something else.
    fn run_for(&self, input: &FunctionInput<'_>, mut wanted: Wanted) -> Result<(CompiledFunction, Wanted), CompileError> {
        let mut out = CompiledFunction::default();
        match self.run(None, input, &mut out, Some(&mut wanted)) {
            Ok(()) => Ok((out, wanted)),
            Err(FunctionError::Compile(error)) => Err(error),
            Err(FunctionError::Invalid(error)) => unreachable!("nothing was validated: {error}"),
        }
    }

    fn run(
        &self,
        validator: Option<&mut BodyValidator<'_>>,
        input: &FunctionInput<'_>,
        out: &mut CompiledFunction,
        mut wanted: Option<&mut Wanted>,
    ) -> Result<(), FunctionError> {
        let kept = self.buffers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut buffers = kept.unwrap_or_else(|| Buffers::new(self.features));
        let result = translate(input, validator, &self.settings, self.features, &mut buffers, out, wanted.as_deref_mut());
        if buffers.capacity() <= MAX_KEPT {
            self.buffers.lock().unwrap_or_else(PoisonError::into_inner).push(buffers);
        }
        let func = input.module.func_index(input.func);
        match result {
            Ok(()) => Ok(()),
            Err(Failure::Invalid(error)) => Err(error.into()),
            Err(Failure::Limit(reason)) => Err(CompileError::new(func, reason).into()),
            // Whoever had to validate it has done so before.
            Err(Failure::OldExceptions) => {
                let final_form = FinalForm::of(input).map_err(|e| CompileError::new(func, e))?;
                self.run(None, &final_form.input(input), out, wanted)?;
                final_form.restore(input, out);
                Ok(())
            }
        }
    }
}

impl std::fmt::Debug for LightbeamCompiler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LightbeamCompiler")
            .field("settings", &self.settings)
            .field("features", &self.features)
            .finish_non_exhaustive()
    }
}
