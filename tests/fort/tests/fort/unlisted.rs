//! Whatever is in no list does not exist.

use sconce_confine::{Call, When};
use sconce_fort::{Given, attack, call};
use std::collections::BTreeSet;

/// Beyond the last call that the kernel has, and some that others may get.
const NUMBERS: std::ops::Range<i64> = 0..600;

/// By these the kernel's own probes return to it, past every filter; whoever else makes them ends by SIGILL.
const OF_PROBES: [i64; 2] = [335, 336];

#[test]
fn system_calls_do_not_exist() {
    attack("unlisted::system_calls_do_not_exist", Given::Nothing, |_, _| {
        let lists = [sconce_engine::SYSTEM_CALLS, sconce_wasi::SYSTEM_CALLS].concat();
        let made = |call: &&Call| matches!(call.when, When::Run | When::Finish);
        let listed: BTreeSet<i64> = lists.iter().filter(made).map(|call| call.number).collect();
        assert!(listed.len() > 50, "{}", listed.len());
        for number in NUMBERS.filter(|number| !listed.contains(number) && !OF_PROBES.contains(number)) {
            // Were it made, it would fail, in another way.
            assert_eq!(call(number, &[-1; 6]), Err(libc::ENOSYS), "{number}");
            // By the other interface of the same kernel, too.
            const X32: i64 = 0x4000_0000;
            assert_eq!(call(number | X32, &[-1; 6]), Err(libc::ENOSYS), "{number} of x32");
        }
    });
}
