//! Modules as text.

use super::{Body, mutate, seeds, told};
use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;
use sconce_engine::{Config, Engine, Module};

/// Modules that are written out in scripts.
pub fn modules() -> Vec<Vec<u8>> {
    seeds::texts().iter().flat_map(|text| cut(text)).filter(|module| module.len() < 4096).collect()
}

/// From `(module` to its end, as far as parentheses say that.
fn cut(text: &[u8]) -> Vec<Vec<u8>> {
    const BEGIN: &[u8] = b"(module";
    let mut all = Vec::new();
    let mut at = 0;
    while let Some(start) = text[at..].windows(BEGIN.len()).position(|w| w == BEGIN).map(|n| at + n) {
        let mut depth = 0;
        let end = text[start..].iter().position(|&byte| {
            depth += i32::from(byte == b'(') - i32::from(byte == b')');
            depth == 0
        });
        let end = end.map_or(text.len(), |n| start + n + 1);
        all.push(text[start..end].to_vec());
        at = end;
    }
    all
}

/// One with other tokens in it, or with other bytes.
pub fn mutant(rng: &mut ChaCha8Rng, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = seeds.choose(rng).cloned().unwrap_or_default();
    for _ in 0..1 + rng.random::<u32>().trailing_zeros() {
        if rng.random_ratio(1, 4) {
            mutate::bytes(rng, &mut bytes, seeds);
            continue;
        }
        const TOKENS: &[&str] = &[
            "(",
            ")",
            "0xffffffff",
            "-1",
            "4294967296",
            "nan:0x1",
            "1e999999999",
            "\"",
            "(;",
            ";;",
            "$a",
            "\\u{110000}",
            "(rec",
            "(module",
            "(export \"\\1b[2J\"",
            "offset=18446744073709551615",
            "align=0",
            "(import \"\" \"\"",
            "(@custom \"name\"",
            "(param $\u{202e} i32)",
            "#!",
            "\u{feff}",
            "i32.const",
            "(func",
            "(elem",
            "end",
            "(type 4294967295)",
        ];
        let token = match rng.random_range(0..12) {
            0 => "(block ".repeat(rng.random_range(1..20_000)),
            1 => "(".repeat(rng.random_range(1..20_000)),
            _ => format!(" {} ", TOKENS.choose(rng).expect("not empty")),
        };
        let at = rng.random_range(0..=bytes.len());
        bytes.splice(at..at, token.bytes());
    }
    bytes
}

/// Parses, decodes and validates.
pub fn body() -> Body {
    let engine = Engine::new(&Config::new().parallel(false)).expect("there is address space for an engine");
    Box::new(move |bytes| match Module::validate(&engine, bytes) {
        Ok(()) => Ok("valid"),
        // It has lines.
        Err(e) => told(&e.to_string()).map(|()| "invalid"),
    })
}
