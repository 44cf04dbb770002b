//! `cargo fuzz run modules --features libfuzzer`: libFuzzer's bytes are what modules are generated from, so
//! that it finds its way to code that no seed has reached. What is done with a module is what `differential`
//! does.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sconce_fuzz::case::{Case, Proposals};
use sconce_fuzz::harness::Engines;
use std::cell::LazyCell;

thread_local! {
    static ENGINES: LazyCell<Engines> = LazyCell::new(|| Engines::new().expect("every engine works here"));
}

fuzz_target!(|bytes: &[u8]| {
    let Some(case) = Case::from_bytes(bytes, Proposals::all()) else { return };
    let (_, difference) = ENGINES.with(|engines| engines.judge(&case));
    if let Some(text) = difference {
        panic!("{text}\n{:?}", case.proposals);
    }
});
