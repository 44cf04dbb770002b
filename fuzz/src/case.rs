//! Cases: a seed gives a module, which proposals it may use, and the calls that are made.

use crate::corner;
use crate::host;
use crate::old;
use crate::old::tree::Program;
use crate::typed;
use crate::value::{Type, Value};
use arbitrary::Unstructured;
use rand::{Rng, RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::sync::Arc;
use wasm_smith::{Config, MemoryOffsetChoices, Module};

/// Iterations and calls that a module's code may make in all its calls together.
const FUEL: u32 = 2_000;
/// Bytes that a memory may grow to: below what any engine refuses.
const MAX_MEMORY_BYTES: u64 = 512 << 10;
/// Calls of each exported function.
pub const CALLS_PER_EXPORT: usize = 3;
/// Calls of a case.
pub const MAX_CALLS: usize = 24;

macro_rules! proposals {
    ($($name:ident)*) => {
        /// Proposals beyond 2.0 that a case may use: what decides which peer can run it.
        #[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
        #[allow(missing_docs, reason = "named as the proposals are")]
        pub struct Proposals { $(pub $name: bool,)* }

        impl Proposals {
            /// Their names.
            pub const NAMES: &'static [&'static str] = &[$(stringify!($name),)*];

            /// Those that are in both.
            pub fn and(self, other: Proposals) -> Proposals {
                Proposals { $($name: self.$name && other.$name,)* }
            }

            /// All of them.
            pub const fn all() -> Proposals {
                Proposals { $($name: true,)* }
            }

            /// Only those with these names. `None` if one is not ours.
            pub fn named<'a>(names: impl IntoIterator<Item = &'a str>) -> Option<Proposals> {
                let mut all = Proposals::default();
                for name in names {
                    match name {
                        $(stringify!($name) => all.$name = true,)*
                        _ => return None,
                    }
                }
                Some(all)
            }
        }
    };
}

proposals! { simd relaxed_simd tail_call multi_memory memory64 extended_const wide_arithmetic custom_page_sizes threads exceptions function_references }

/// What makes modules.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Generator {
    /// wasm-smith: anything that is valid.
    #[default]
    Smith,
    /// [`corner`]: what lies around the constants of Sconce's compilers.
    Corner,
    /// [`old`]: exceptions in their old form.
    Old,
}

/// A module and what is done with it.
#[derive(Clone, Debug)]
pub struct Case {
    /// What made it.
    pub generator: Generator,
    /// It follows from this number.
    pub seed: u64,
    /// The module.
    pub wasm: Vec<u8>,
    /// What it may use.
    pub proposals: Proposals,
    /// Whether its memories may grow to gigabytes.
    pub huge: bool,
    /// Whether one of its functions calls itself until the stack is exhausted.
    pub overflows: bool,
    /// The tree that it was made of, if its generator makes trees.
    pub program: Option<Arc<Program>>,
}

impl Case {
    /// The case with this number, with these proposals at most. `None` if the generator makes nothing of it.
    pub fn new(generator: Generator, seed: u64, allowed: Proposals) -> Option<Case> {
        match generator {
            Generator::Smith => Case::generate(seed, None, allowed),
            Generator::Corner => {
                let corner::Made { wasm, proposals, huge, overflows } = corner::module(seed, allowed);
                Some(Case { generator, seed, wasm, proposals, huge, overflows, program: None })
            }
            Generator::Old => {
                let program = old::program(seed, allowed);
                let (wasm, proposals) = (old::encode(&program), program.proposals);
                let program = Some(Arc::new(program));
                Some(Case { generator, seed, wasm, proposals, huge: false, overflows: false, program })
            }
        }
    }

    /// The case that these bytes make, for who changes bytes and looks what that leads to: the first eight
    /// are a number, from which what is no part of the module follows, and the others the generator's.
    pub fn from_bytes(bytes: &[u8], allowed: Proposals) -> Option<Case> {
        let (seed, bytes) = bytes.split_first_chunk()?;
        Case::generate(u64::from_le_bytes(*seed), Some(bytes), allowed)
    }

    /// Without bytes they follow from the seed too.
    fn generate(seed: u64, bytes: Option<&[u8]>, allowed: Proposals) -> Option<Case> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let proposals = Proposals::random(&mut rng).and(allowed);
        let config = config(&proposals, &mut rng);
        // Modules of all sizes, small ones more often: they are run faster.
        let size = 1 << rng.random_range(8..14);
        let mut random = vec![0; if bytes.is_none() { size } else { 0 }];
        rng.fill_bytes(&mut random);
        let mut module = Module::new(config, &mut Unstructured::new(bytes.unwrap_or(&random))).ok()?;
        module.ensure_termination(FUEL).ok()?;
        let wasm = module.to_bytes();
        let rewritten = if proposals.function_references { typed::rewrite(&wasm, &mut rng) } else { None };
        let proposals = Proposals { function_references: rewritten.is_some(), ..proposals };
        let wasm = rewritten.unwrap_or(wasm);
        Some(Case { generator: Generator::Smith, seed, wasm, proposals, huge: false, overflows: false, program: None })
    }

    /// Arguments for one of its calls, which every engine makes alike.
    pub fn args(&self, call: usize, params: &[Type]) -> Vec<Value> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed ^ (call as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        params.iter().map(|&ty| Value::random(ty, &mut rng)).collect()
    }
}

impl Proposals {
    fn random(rng: &mut impl Rng) -> Proposals {
        // Most cases stay within what the interpreter knows, each with a few proposals, so that they meet.
        let exotic = rng.random_bool(0.3);
        Proposals {
            simd: rng.random_bool(0.4),
            relaxed_simd: exotic && rng.random_bool(0.4),
            tail_call: rng.random_bool(0.5),
            multi_memory: rng.random_bool(0.5),
            memory64: rng.random_bool(0.4),
            extended_const: rng.random_bool(0.5),
            wide_arithmetic: rng.random_bool(0.3),
            custom_page_sizes: rng.random_bool(0.1),
            threads: exotic && rng.random_bool(0.4),
            exceptions: exotic && rng.random_bool(0.6),
            function_references: exotic && rng.random_bool(0.4),
        }
    }
}

fn config(p: &Proposals, rng: &mut impl Rng) -> Config {
    let floats = rng.random_bool(0.6);
    Config {
        available_imports: Some(host::available()),
        export_everything: true,
        allow_floats: floats,
        canonicalize_nans: floats,
        bulk_memory_enabled: true,
        reference_types_enabled: true,
        sign_extension_ops_enabled: true,
        saturating_float_to_int_enabled: true,
        multi_value_enabled: true,
        simd_enabled: p.simd || p.relaxed_simd,
        relaxed_simd_enabled: p.relaxed_simd,
        tail_call_enabled: p.tail_call,
        memory64_enabled: p.memory64,
        extended_const_enabled: p.extended_const,
        wide_arithmetic_enabled: p.wide_arithmetic,
        custom_page_sizes_enabled: p.custom_page_sizes,
        threads_enabled: p.threads,
        exceptions_enabled: p.exceptions,
        gc_enabled: false,
        compact_imports_enabled: false,
        generate_custom_sections: false,
        allow_start_export: rng.random_bool(0.2),
        max_memories: if p.multi_memory { 3 } else { 1 },
        max_memory32_bytes: MAX_MEMORY_BYTES,
        max_memory64_bytes: MAX_MEMORY_BYTES.into(),
        memory_max_size_required: true,
        // Mostly inside, often near the edges, sometimes far beyond: 32 bits of offset and 64.
        memory_offset_choices: MemoryOffsetChoices(75, 20, 5),
        max_tables: 3,
        max_table_elements: 200,
        table_max_size_required: true,
        max_funcs: rng.random_range(1..24),
        max_globals: 12,
        max_types: 20,
        max_tags: 4,
        max_instructions: *[20, 100, 400, 1500].get(rng.random_range(0..4)).expect("inside"),
        max_values: 10,
        max_element_segments: 6,
        max_elements: 12,
        max_data_segments: 6,
        max_exports: 1000,
        min_funcs: 1,
        min_exports: 1,
        ..Config::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes that a fuzzer would try make modules, and what they are follows from the bytes.
    #[test]
    fn bytes_make_cases() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut made = 0;
        for _ in 0..50 {
            let mut bytes = vec![0; 2000];
            rng.fill_bytes(&mut bytes);
            let case = Case::from_bytes(&bytes, Proposals::all());
            assert_eq!(case.as_ref().map(|c| &c.wasm), Case::from_bytes(&bytes, Proposals::all()).as_ref().map(|c| &c.wasm));
            made += usize::from(case.is_some_and(|case| case.wasm.len() > 100));
        }
        assert!(made > 25, "{made}");
    }
}
