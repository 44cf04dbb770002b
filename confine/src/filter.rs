//! Rows of system calls as a seccomp filter. Whatever is in no row is refused.

#[cfg(test)]
mod tests;

use crate::call::{Call, Check, MOST_CODE_AT_ONCE, When};
use crate::plan::{Plan, Refusal};
use crate::program::{Test, Verdict, program};
use crate::wall::Wall;
use libc::{SECCOMP_RET_ERRNO, SECCOMP_RET_TRAP};
use seccompiler::BpfProgram;
use std::collections::BTreeMap;
use std::ops::Range;

/// What is answered for calls that are in no row. The C library falls back on older calls when it hears this.
const UNKNOWN: u32 = SECCOMP_RET_ERRNO | libc::ENOSYS.cast_unsigned();

/// Has all threads of the process make no other system calls from now on.
///
/// # Errors
/// Why that cannot be had.
pub(crate) fn install(plan: &Plan<'_>) -> Result<(), Wall> {
    programs(plan)
        .iter()
        .try_for_each(|program| seccompiler::apply_filter_all_threads(program).map_err(|error| Wall::Missing(said(&error))))
}

fn said(error: &seccompiler::Error) -> String {
    match error {
        seccompiler::Error::Prctl(e) | seccompiler::Error::Seccomp(e) => e.to_string(),
        other => other.to_string(),
    }
}

/// What the kernel runs for each call: all of them, and the strictest answer counts. An error is stricter than what is allowed,
/// and a signal than both.
fn programs(plan: &Plan<'_>) -> Vec<BpfProgram> {
    let mut calls = verdicts(plan);
    match plan.refusal {
        Refusal::Error => vec![program(&calls, &Verdict::Refuse, UNKNOWN)],
        Refusal::Report => {
            // What is known to be refused is not reported.
            let in_vain: Vec<u32> = in_vain(plan).collect();
            calls.extend(in_vain.iter().map(|&number| (number, Verdict::Allow)));
            let in_vain = in_vain.into_iter().map(|number| (number, Verdict::Refuse)).collect();
            vec![program(&in_vain, &Verdict::Allow, UNKNOWN), program(&calls, &Verdict::Refuse, SECCOMP_RET_TRAP)]
        }
    }
}

/// What becomes of calls that are in rows. One row for all arguments outweighs others for certain ones.
fn verdicts(plan: &Plan<'_>) -> BTreeMap<u32, Verdict> {
    let mut verdicts = BTreeMap::new();
    for call in plan.calls.iter().copied().flatten().filter(|call| is_made(call.when, plan)) {
        let verdict = verdicts.entry(number(call)).or_insert(Verdict::If(Vec::new()));
        match verdict {
            Verdict::If(lists) if !call.only.is_empty() => lists.extend(call.only.iter().map(|list| tests(list, &plan.code))),
            _ => *verdict = Verdict::Allow,
        }
    }
    verdicts
}

fn number(call: &Call) -> u32 {
    u32::try_from(call.number).expect("numbers of calls are small")
}

/// Calls that are refused, and made all the same.
fn in_vain(plan: &Plan<'_>) -> impl Iterator<Item = u32> {
    let calls = || plan.calls.iter().copied().flatten();
    let allowed = move |of| calls().any(|call| number(call) == of && is_made(call.when, plan));
    calls().filter(|call| call.when == When::InVain).map(number).filter(move |&number| !allowed(number))
}

fn is_made(when: When, plan: &Plan<'_>) -> bool {
    match when {
        When::InVain => false,
        When::Run | When::Finish => true,
        When::WithDirectories => !plan.directories.is_empty(),
        When::WithSockets => plan.sockets,
    }
}

fn tests(list: &[Check], code: &Range<usize>) -> Vec<Test> {
    let is = |argument, value| Test::Low { argument, mask: u32::MAX, value };
    let bits = |argument, mask: u64, value: u64| {
        let high = Test::High { argument, mask: (mask >> 32) as u32, value: (value >> 32) as u32 };
        [high, Test::Low { argument, mask: mask as u32, value: value as u32 }]
    };
    // It would hold for all arguments, which a row says in another way.
    debug_assert!(!list.is_empty(), "a list without checks");
    let mut tests = Vec::new();
    for &check in list {
        match check {
            Check::Is(n, value) => tests.push(is(n, value)),
            Check::IsNull(n) => tests.extend(bits(n, u64::MAX, 0)),
            Check::Bits(n, mask, value) => tests.extend(bits(n, mask, value)),
            Check::AtMost(n, last) => tests.push(Test::Within { argument: n, first: 0, last }),
            Check::InCode(n) => {
                let last = code.end.saturating_sub(MOST_CODE_AT_ONCE);
                tests.push(Test::Within { argument: n, first: code.start as u64, last: last as u64 });
            }
            Check::ThisProcess(n) => tests.push(is(n, std::process::id())),
        }
    }
    tests
}
