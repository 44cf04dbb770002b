//! What a module brings along that `sconce compile` wrote: the settings that it was compiled with.

use crate::cli::CompilerArgs;
use crate::load::{Input, Precompiled};
use crate::report::{self, Failure};
use sconce_engine::{BoundsStyle, CallStyle, Config, Module, Settings};

/// More than the settings' place in a file.
const HEAD: usize = 16 << 10;

/// The configuration for a module: if it was compiled before, with its settings as far as the command line does not say
/// otherwise. What differs from a run without flags is said.
pub fn adopt(config: Config, args: &CompilerArgs, input: &Input, precompiled: Precompiled) -> Config {
    if precompiled == Precompiled::Refused || !input.is_artifact() {
        return config;
    }
    let Some(settings) = Module::artifact_settings(&input.head::<HEAD>()) else { return config };
    let adopted = unsaid(args, &settings);
    // What contradicts the command line will not be loaded: that error is enough.
    if !adopted.is_empty() && !contradict(args, &settings) {
        report::complain(&format!("note: {} was compiled with {}, and runs so", input.name, adopted.join(" ")));
    }
    config
        .bounds(Some(args.bounds.unwrap_or(settings.bounds)))
        .calls(args.calls.unwrap_or(settings.calls))
        .canonical_nans(args.canonical_nans || settings.canonical_nans)
        .baseline(args.baseline || settings.baseline)
        .gc_stress(args.gc_stress || settings.gc_stress)
        .paranoid(args.paranoid || settings.paranoid)
        .fuel(args.count_fuel || settings.fuel)
        .spectre_mitigations(!args.no_spectre && settings.spectre_mitigations)
}

/// Whether a module can have a deterministic run: if it was compiled before, it was so that every NaN is canonical.
///
/// # Errors
/// That it was not.
pub fn check_deterministic(input: &Input) -> Result<(), Failure> {
    let settings = Module::artifact_settings(&input.head::<HEAD>()).filter(|_| input.is_artifact());
    if settings.is_none_or(|settings| settings.canonical_nans) {
        return Ok(());
    }
    Err(Failure::not_run(format!(
        "{}: compiled without --canonical-nans, which --deterministic needs: compile the module again with it",
        input.name
    )))
}

/// The flags that the module was compiled with, and that are neither given nor what is usual.
fn unsaid(args: &CompilerArgs, settings: &Settings) -> Vec<&'static str> {
    let flags = [
        (args.bounds.is_none() && settings.bounds == BoundsStyle::Explicit, "--bounds explicit"),
        (args.calls.is_none() && settings.calls == CallStyle::Slots, "--calls slots"),
        (settings.canonical_nans && !args.canonical_nans, "--canonical-nans"),
        (settings.baseline && !args.baseline, "--baseline"),
        (settings.gc_stress && !args.gc_stress, "--gc-stress"),
        (settings.paranoid && !args.paranoid, "--paranoid"),
        (settings.fuel && !args.count_fuel, "--count-fuel"),
        (!settings.spectre_mitigations && !args.no_spectre, "--no-spectre"),
    ];
    flags.into_iter().filter(|(unsaid, _)| *unsaid).map(|(_, flag)| flag).collect()
}

fn contradict(args: &CompilerArgs, settings: &Settings) -> bool {
    let flags = [
        (args.canonical_nans, settings.canonical_nans),
        (args.baseline, settings.baseline),
        (args.gc_stress, settings.gc_stress),
        (args.paranoid, settings.paranoid),
        (args.count_fuel, settings.fuel),
        (args.no_spectre, !settings.spectre_mitigations),
    ];
    args.bounds.is_some_and(|given| given != settings.bounds)
        || args.calls.is_some_and(|given| given != settings.calls)
        || flags.iter().any(|(given, compiled)| *given && !compiled)
}
