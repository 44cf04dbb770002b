//! The flags of everything that compiles.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};
use sconce_environ::compile::{BoundsStyle, CallStyle};

/// How modules are compiled: shared by all subcommands that compile.
#[derive(Debug, Default, Args)]
pub struct CompilerArgs {
    /// Which compiler makes the code.
    #[arg(long, value_enum, default_value_t, help_heading = "Compilation")]
    pub tier: Tier,

    /// How memory accesses are kept inside memory: by guard pages, or by a check before each one.
    /// [default: guard where the system has address space for it, else explicit]
    #[arg(long, value_name = "STYLE", help_heading = "Compilation", value_parser = bounds_parser())]
    pub bounds: Option<BoundsStyle>,

    /// How functions of a module call each other: directly, or through slots by which they can be
    /// replaced.
    #[arg(long, value_name = "STYLE", help_heading = "Compilation", hide = true, value_parser = calls_parser())]
    pub calls: Option<CallStyle>,

    /// Make every NaN that an operation produces the canonical one, so that results are the same on
    /// every machine.
    #[arg(long, help_heading = "Compilation")]
    pub canonical_nans: bool,

    /// Keep to instructions that every supported processor has (SSE4.1), so that what `sconce
    /// compile` writes runs on all of them.
    #[arg(long, help_heading = "Compilation")]
    pub baseline: bool,

    /// Have compiled code count what it executes, as `--fuel N` of `sconce run` needs it.
    #[arg(long, help_heading = "Compilation")]
    pub count_fuel: bool,

    /// Leave out what keeps the program from reading past a check that the processor predicted wrong
    /// (Spectre): for programs that you trust.
    #[arg(long, help_heading = "Compilation")]
    pub no_spectre: bool,

    /// Sweep references at every safe point and verify all counts afterwards: finds mistakes in
    /// Sconce, and is slow.
    #[arg(long, help_heading = "Compilation", hide = true)]
    pub gc_stress: bool,

    /// Have compiled code check what it otherwise relies on: finds mistakes in Sconce, and is slow.
    #[arg(long, help_heading = "Compilation", hide = true)]
    pub paranoid: bool,
}

/// `--tier`.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Tier {
    /// Cranelift.
    #[default]
    Auto,
    /// Compiles many times faster; the code is slower.
    Lightbeam,
    /// Compiles slowly; the code is faster.
    Cranelift,
}

/// A parser of `--tier` for a subcommand where `auto` is not simply Cranelift, with what it is there.
pub(super) fn tier_parser(auto: &'static str) -> impl TypedValueParser<Value = Tier> {
    let values = Tier::value_variants().iter().filter_map(|tier| {
        let value = tier.to_possible_value()?;
        Some(if *tier == Tier::Auto { value.help(auto) } else { value })
    });
    PossibleValuesParser::new(values).map(|text| Tier::from_str(&text, false).unwrap_or_default())
}

fn bounds_parser() -> impl TypedValueParser<Value = BoundsStyle> {
    choice(["guard", "explicit"]).map(|s| if s == "guard" { BoundsStyle::Guard } else { BoundsStyle::Explicit })
}

fn calls_parser() -> impl TypedValueParser<Value = CallStyle> {
    choice(["direct", "slots"]).map(|s| if s == "direct" { CallStyle::Direct } else { CallStyle::Slots })
}

fn choice(names: [&'static str; 2]) -> PossibleValuesParser {
    PossibleValuesParser::new(names.map(PossibleValue::new))
}
