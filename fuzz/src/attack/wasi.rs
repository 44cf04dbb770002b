//! Sequences of calls of the system interface: what `wasi/tests/sequences` runs, with bytes of the fuzzer's.

use super::Body;
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use storm::Storm;

#[path = "../../../wasi/tests/sequences/storm.rs"]
mod storm;

/// SIGXFSZ, which comes with the error for a file that would be too long.
const SIGXFSZ: i32 = 25;
/// What a file may have: nothing that a guest asks for is to fill the disk.
const MAX_FILE: u64 = 64 << 20;

/// Bytes for some hundred calls.
pub fn calls(rng: &mut ChaCha8Rng, _: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = vec![0; rng.random_range(1..4096)];
    rng.fill(&mut bytes[..]);
    bytes
}

/// One thread's calls, or for one input in eight, three threads' at once.
pub fn body() -> Body {
    sconce_engine::ignore(SIGXFSZ);
    let limit = rustix::process::Rlimit { current: Some(MAX_FILE), maximum: Some(MAX_FILE) };
    rustix::process::setrlimit(rustix::process::Resource::Fsize, limit).expect("a limit may be lowered");
    let storm = Storm::new().expect("there is address space for an engine");
    Box::new(move |bytes| {
        let third = bytes.len() / 3;
        let threads: Vec<&[u8]> = match bytes {
            [first, ..] if first % 8 == 0 && third > 0 => bytes.chunks(third).take(3).collect(),
            all => vec![all],
        };
        let tally = storm.run(&threads)?;
        if tally.calls() == 0 {
            return Ok("no calls");
        }
        Ok(if tally.errnos.contains_key(&0) { "something done" } else { "nothing done" })
    })
}
