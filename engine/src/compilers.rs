//! The compilers, each made when something is compiled by it, or when its fingerprint is wanted.

use crate::causes::CompileFailure;
use crate::config::{CompilerKind, Config, Tier};
use crate::error::Error;
use sconce_cranelift::CraneliftCompiler;
use sconce_environ::compile::{BoundsStyle, Compiler, FunctionInput, Settings};
use sconce_environ::decode::Decoded;
use sconce_environ::index::DefinedFuncIndex;
use sconce_environ::inlined::{Callees, Inlining};
use sconce_environ::layout::VmLayout;
use sconce_lightbeam::LightbeamCompiler;
use std::error::Error as StdError;
use std::sync::{Arc, OnceLock};

/// A compiler, or why there is none.
type Made = Result<Box<dyn Compiler>, Arc<dyn StdError + Send + Sync>>;

/// The first word of the fingerprint of both.
pub(crate) const BOTH: &str = "lightbeam+cranelift";

/// Both compilers, with the settings that they compile for, and which of them is asked.
pub(crate) struct Compilers {
    settings: Settings,
    tier: Tier,
    inlining: Inlining,
    lightbeam: OnceLock<Made>,
    cranelift: OnceLock<Made>,
}

impl Compilers {
    /// The compilers of an engine whose memories are kept in bounds like this.
    pub(crate) fn new(config: &Config, bounds: BoundsStyle) -> Compilers {
        let settings = Settings {
            bounds,
            calls: config.calls,
            canonical_nans: config.canonical_nans,
            gc_stress: config.gc_stress,
            paranoid: config.paranoid,
            fuel: config.fuel,
            baseline: config.baseline,
            spectre_mitigations: config.spectre_mitigations,
        };
        // People who look at functions in a debugger want to find them.
        let inlining = if config.debugger { Inlining::Off } else { config.inlining };
        Compilers { settings, tier: config.tier, inlining, lightbeam: OnceLock::new(), cranelift: OnceLock::new() }
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What is compiled as a function of a module.
    pub(crate) fn input<'a>(
        &self,
        decoded: &'a Decoded,
        bytes: &'a [u8],
        layout: &'a VmLayout,
        func: DefinedFuncIndex,
    ) -> FunctionInput<'a> {
        FunctionInput { callees: Callees::of(decoded, bytes, self.inlining), ..FunctionInput::of(decoded, bytes, layout, func) }
    }

    /// One of them: of both the one that compiles most functions.
    ///
    /// # Errors
    /// [`Error::Compile`] if it does not know this machine.
    pub(crate) fn get(&self, which: CompilerKind) -> Result<&dyn Compiler, Error> {
        let made = match which {
            CompilerKind::Lightbeam | CompilerKind::Both => &self.lightbeam,
            CompilerKind::Cranelift => &self.cranelift,
        };
        match made.get_or_init(|| new(which, &self.settings)) {
            Ok(compiler) => Ok(&**compiler),
            Err(error) => Err(CompileFailure::Machine(error.clone()).into()),
        }
    }

    /// Text that changes whenever the same input would give other code.
    ///
    /// # Errors
    /// As [`Compilers::get`].
    pub(crate) fn fingerprint(&self, which: CompilerKind) -> Result<String, Error> {
        let one = |which| Ok::<_, Error>(self.get(which)?.fingerprint());
        match which {
            CompilerKind::Lightbeam | CompilerKind::Cranelift => one(which),
            CompilerKind::Both => Ok(format!("{BOTH} {} {}", one(CompilerKind::Lightbeam)?, one(CompilerKind::Cranelift)?)),
        }
    }

    /// Whose code is taken: what comes first is preferred.
    pub(crate) fn accepted(&self) -> &'static [CompilerKind] {
        match self.tier {
            Tier::Auto => &[CompilerKind::Cranelift, CompilerKind::Both, CompilerKind::Lightbeam],
            Tier::Lightbeam => &[CompilerKind::Lightbeam],
            Tier::Cranelift => &[CompilerKind::Cranelift],
        }
    }

    /// Whether both may be used as suits.
    pub(crate) fn is_auto(&self) -> bool {
        self.tier == Tier::Auto
    }

    /// Who compiles a module that somebody waits for.
    pub(crate) fn choice(&self) -> CompilerKind {
        match self.tier {
            Tier::Auto | Tier::Lightbeam => CompilerKind::Lightbeam,
            Tier::Cranelift => CompilerKind::Cranelift,
        }
    }

    /// Whose code is the best that is taken.
    pub(crate) fn preferred(&self) -> CompilerKind {
        self.accepted()[0]
    }
}

fn new(which: CompilerKind, settings: &Settings) -> Made {
    Ok(match which {
        CompilerKind::Lightbeam | CompilerKind::Both => Box::new(LightbeamCompiler::new(settings).map_err(shared)?),
        CompilerKind::Cranelift => Box::new(CraneliftCompiler::new(settings).map_err(shared)?),
    })
}

/// It is asked for again and again.
fn shared(error: impl StdError + Send + Sync + 'static) -> Arc<dyn StdError + Send + Sync> {
    Arc::new(error)
}
