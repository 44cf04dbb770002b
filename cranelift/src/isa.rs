//! The target: Cranelift's settings and the host's features.

use cranelift_codegen::CodegenError;
use cranelift_codegen::isa::{self, LookupError, OwnedTargetIsa};
use cranelift_codegen::settings::{self, Configurable, SetError};
use sconce_environ::compile::{CallStyle, Settings};
use sconce_environ::space::PROBE_BYTES;
use target_lexicon::Triple;

/// Why there is no compiler for this host.
#[derive(Debug, thiserror::Error)]
pub enum NewError {
    /// Vector operators need these instructions inline: there are no library calls in compiled code.
    #[error("the processor lacks {0}, which compiled code needs")]
    MissingFeature(&'static str),
    /// Cranelift does not know a setting.
    #[error("Cranelift cannot generate code for this host: {0}")]
    Setting(#[from] SetError),
    /// Cranelift does not know the host.
    #[error("Cranelift cannot generate code for this host: {0}")]
    Host(#[from] LookupError),
    /// Settings contradict each other, or the host.
    #[error("Cranelift cannot generate code for this host: {0}")]
    Target(#[from] CodegenError),
}

/// Settings that are the same for all code.
const SHARED: &[(&str, &str)] = &[
    ("opt_level", "speed"),
    ("regalloc_algorithm", "backtracking"),
    ("preserve_frame_pointers", "true"),
    // A frame larger than the guard page touches each of its pages in order, so that it cannot reach past the guard.
    ("enable_probestack", "true"),
    ("probestack_strategy", "inline"),
    // Backtraces follow frame pointers.
    ("unwind_info", "false"),
    ("enable_multi_ret_implicit_sret", "false"),
    // Placement looks for loops.
    ("machine_code_cfg_info", "true"),
];

/// The target for these settings on this host.
pub(crate) fn target(settings: &Settings) -> Result<OwnedTargetIsa, NewError> {
    let mut shared = settings::builder();
    for (name, value) in SHARED {
        shared.set(name, value)?;
    }
    shared.set("probestack_size_log2", &PROBE_BYTES.ilog2().to_string())?;
    shared.set("enable_verifier", bool_name(cfg!(debug_assertions)))?;
    shared.set("enable_nan_canonicalization", bool_name(settings.canonical_nans))?;
    // Where the count is: nothing else is there then.
    shared.set("enable_pinned_reg", bool_name(settings.fuel))?;
    // Jump tables' indices; the rest is the translation's.
    for name in ["enable_heap_access_spectre_mitigation", "enable_table_access_spectre_mitigation"] {
        shared.set(name, bool_name(settings.spectre_mitigations))?;
    }
    shared.set("is_pic", bool_name(settings.calls == CallStyle::Slots))?;
    let mut builder = isa::lookup(Triple::host())?;
    enable_host_features(&mut builder, settings.baseline)?;
    Ok(builder.finish(settings::Flags::new(shared))?)
}

fn bool_name(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}

/// Enables each feature that the host has, or in the baseline only the required ones, which must be there.
fn enable_host_features(builder: &mut isa::Builder, baseline: bool) -> Result<(), NewError> {
    macro_rules! features {
        ($($need:ident $name:tt $flag:literal;)*) => {$(
            let required = Need::$need == Need::Required;
            if std::is_x86_feature_detected!($name) {
                if required || !baseline {
                    builder.enable($flag)?;
                }
            } else if required {
                return Err(NewError::MissingFeature($name));
            }
        )*};
    }
    features! {
        Required "sse3" "has_sse3";
        Required "ssse3" "has_ssse3";
        Required "sse4.1" "has_sse41";
        Optional "sse4.2" "has_sse42";
        Optional "cmpxchg16b" "has_cmpxchg16b";
        Optional "popcnt" "has_popcnt";
        Optional "avx" "has_avx";
        Optional "avx2" "has_avx2";
        Optional "fma" "has_fma";
        Optional "bmi1" "has_bmi1";
        Optional "bmi2" "has_bmi2";
        Optional "lzcnt" "has_lzcnt";
        Optional "avxvnni" "has_avx_vnni";
        Optional "avx512f" "has_avx512f";
        Optional "avx512vl" "has_avx512vl";
        Optional "avx512dq" "has_avx512dq";
        Optional "avx512bitalg" "has_avx512bitalg";
        Optional "avx512vbmi" "has_avx512vbmi";
        Optional "avx512vnni" "has_avx512vnni";
    }
    Ok(())
}

#[derive(PartialEq)]
enum Need {
    Required,
    Optional,
}
