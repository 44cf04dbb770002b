//! Sequences of calls with wild arguments: each is answered, and nothing is reached, kept or left behind that should not be.
//!
//! `SCONCE_CALLS` is how many there are, of one thread, and of three; 20,000 without it.

mod storm;

use sconce_test_support::preview1;
use std::sync::Once;
use storm::{FUNCTIONS, Storm, Tally, types};

/// Bytes of one sequence, and about as many calls as fit in.
const LEN: usize = 4096;

/// A generator that needs no crate (splitmix64).
struct Random(u64);

impl Random {
    fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn bytes(&mut self) -> Vec<u8> {
        (0..LEN / 8).flat_map(|_| self.word().to_le_bytes()).collect()
    }
}

fn calls() -> u64 {
    std::env::var("SCONCE_CALLS").ok().and_then(|n| n.parse().ok()).unwrap_or(20_000)
}

/// Files are short: what a guest asks to be allocated is not to fill the disk of who runs this.
fn limit_files() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        sconce_engine::ignore(libc::SIGXFSZ);
        let limit = rustix::process::Rlimit { current: Some(1 << 20), maximum: Some(1 << 20) };
        rustix::process::setrlimit(rustix::process::Resource::Fsize, limit).unwrap();
    });
}

/// Peak resident memory of the process, in KiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    status.lines().find_map(|l| l.strip_prefix("VmHWM:")).unwrap().trim().trim_end_matches(" kB").parse().unwrap()
}

fn storm(seed: u64, threads: usize) {
    limit_files();
    let storm = Storm::new().unwrap();
    let mut random = Random(seed);
    let mut all = Tally::default();
    let mut peak_before = None;
    while all.calls() < calls() {
        let inputs: Vec<Vec<u8>> = (0..threads).map(|_| random.bytes()).collect();
        let inputs: Vec<&[u8]> = inputs.iter().map(Vec::as_slice).collect();
        all.add(&storm.run(&inputs).unwrap_or_else(|e| panic!("after {} calls: {e}", all.calls())));
        // The first sequences bring in what all of them need.
        peak_before = peak_before.or((all.calls() > 5000).then(peak));
    }
    println!("{} calls of {threads} threads: {all:?}", all.calls());
    let more = peak().saturating_sub(peak_before.unwrap());
    assert!(more < 32 << 10, "{more} KiB more after {} calls", all.calls());
    // Something came of them.
    assert!(all.errnos[&0] > all.calls() / 20, "{all:?}");
    assert!(all.errnos.len() > 15, "{all:?}");
}

#[test]
fn each_call_of_any_sequence_is_answered() {
    storm(1, 1);
}

#[test]
fn so_is_each_of_three_threads_at_once() {
    storm(2, 3);
}

#[test]
fn all_functions_are_called() {
    let types: Vec<(&str, String)> = FUNCTIONS.iter().map(|(name, kinds)| (*name, types(kinds))).collect();
    let wanted: Vec<(&str, String)> = preview1::FUNCTIONS.iter().map(|(name, types)| (*name, (*types).to_owned())).collect();
    assert_eq!(types, wanted);
}
