//! Attacks: inputs that nobody would write, for everything that reads what others have made.
//!
//! A [`Target`] is a function of bytes, with inputs to begin with and a way to make others of them. The same
//! function is what libFuzzer calls (`fuzz_targets/`) and what [`campaign`] calls with inputs that follow
//! from a seed, which is what CI does. Whatever the input, there is to be an error that can be shown, or a
//! clean run; everything else is a [`Finding`], and so are a panic, a signal, and an input that takes too
//! long or too much memory.

pub mod artifacts;
pub mod bombs;
pub mod campaign;
pub mod modules;
pub mod mutate;
pub mod sections;
pub mod seeds;
pub mod texts;
pub mod wasi;

use modules::Engines;
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use std::cell::RefCell;
use std::collections::HashMap;

/// What is wrong.
pub type Finding = String;
/// What came of an input, in a word that it is counted under.
pub type Seen = Result<&'static str, Finding>;
/// What is done with an input.
pub type Body = Box<dyn Fn(&[u8]) -> Seen>;

/// Something that reads what others have made.
pub struct Target {
    /// For people.
    pub name: &'static str,
    /// What inputs are made of.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Makes one.
    pub mutate: fn(&mut ChaCha8Rng, &[Vec<u8>]) -> Vec<u8>,
    /// Makes the function.
    pub body: fn() -> Body,
}

/// All of them.
pub const TARGETS: &[Target] = &[
    Target {
        name: "decoding",
        seeds: seeds::modules,
        mutate: module,
        body: || {
            let engines = engines();
            Box::new(move |bytes| Ok(if engines.decode(bytes)? { "valid" } else { "invalid" }))
        },
    },
    Target {
        name: "compilers",
        seeds: seeds::valid_modules,
        mutate: module,
        body: || {
            let engines = engines();
            Box::new(move |bytes| engines.run(bytes))
        },
    },
    Target {
        name: "backtraces",
        seeds: seeds::with_debug_sections,
        mutate: mutate::custom_sections,
        body: || {
            let engines = engines();
            Box::new(move |bytes| engines.fail(bytes))
        },
    },
    Target { name: "artifacts", seeds: artifacts::artifacts, mutate: artifacts::damaged, body: artifacts::as_they_are },
    Target { name: "forged", seeds: artifacts::artifacts, mutate: artifacts::forged, body: artifacts::sealed },
    Target { name: "cache", seeds: artifacts::entries, mutate: artifacts::damaged, body: artifacts::cache },
    Target { name: "texts", seeds: texts::modules, mutate: texts::mutant, body: texts::body },
    Target { name: "wasi", seeds: Vec::new, mutate: wasi::calls, body: wasi::body },
];

fn engines() -> Engines {
    Engines::new().expect("there is address space for an engine")
}

/// One in thirty is made to be dear.
fn module(rng: &mut ChaCha8Rng, seeds: &[Vec<u8>]) -> Vec<u8> {
    if rng.random_ratio(1, 30) { bombs::module(rng) } else { mutate::module(rng, seeds) }
}

/// The target of this name.
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}

/// What libFuzzer calls.
///
/// # Panics
/// With a finding, which is how libFuzzer is told; if there is no such target.
pub fn once(name: &'static str, bytes: &[u8]) {
    thread_local! {
        static BODIES: RefCell<HashMap<&'static str, Body>> = RefCell::default();
    }
    BODIES.with_borrow_mut(|bodies| {
        let body = bodies.entry(name).or_insert_with(|| (target(name).expect("a target of this name").body)());
        if let Err(finding) = body(bytes) {
            panic!("{finding}");
        }
    });
}

/// Whether a text may be shown to people: nothing in it is for a terminal.
///
/// # Errors
/// If it is not.
pub fn told(text: &str) -> Result<(), Finding> {
    match text.chars().find(|&c| c.is_control() && c != '\n' || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')) {
        Some(c) => Err(format!("a message has the character {c:?}: {text:?}")),
        None => Ok(()),
    }
}

/// A number for these bytes.
pub fn digest(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(blake3::hash(bytes).as_bytes()[..8].try_into().expect("eight bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn an_input_follows_from_its_number() {
        for target in TARGETS.iter().filter(|target| target.name != "cache") {
            let seeds = (target.seeds)();
            assert!(!seeds.is_empty() || target.name == "wasi", "{}", target.name);
            let make = |number| (target.mutate)(&mut ChaCha8Rng::seed_from_u64(number), &seeds);
            assert!((0..50).all(|number| make(number) == make(number)), "{}", target.name);
            assert!((1..50).any(|number| make(number) != make(0)), "{}", target.name);
        }
    }

    #[test]
    fn what_is_wrong_is_found() {
        let panics: Body = Box::new(|bytes| panic!("{} bytes", bytes.len()));
        assert_eq!(campaign::judge(&panics, b"abc"), Err("panic: 3 bytes".to_owned()));
        let fails: Body = Box::new(|_| Err("wrong".to_owned()));
        assert_eq!(campaign::judge(&fails, b""), Err("wrong".to_owned()));
        assert!(told("a\nb").is_ok());
        for text in ["\u{1b}[2J", "\r", "\u{202e}"] {
            assert!(told(text).is_err(), "{text:?}");
        }
    }
}
