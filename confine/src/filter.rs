//! Rows of system calls as a seccomp filter. Whatever is in no row is refused.

use crate::call::{Check, MOST_CODE_AT_ONCE, When};
use crate::plan::{Plan, Refusal};
use crate::wall::Wall;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch,
};
use std::collections::BTreeMap;
use std::ops::Range;

/// What is answered for calls that are in no row. The C library falls back on older calls when it hears this.
const UNKNOWN: u32 = libc::ENOSYS.cast_unsigned();

/// Has all threads of the process make no other system calls from now on.
///
/// # Errors
/// Why that cannot be had.
pub(crate) fn install(plan: &Plan<'_>) -> Result<(), Wall> {
    let cannot = |why: String| Wall::Missing(why);
    if plan.refusal == Refusal::Report {
        // What is known to be refused is not reported.
        let in_vain = in_vain(plan).map(|number| (number, Vec::new())).collect();
        let filter = SeccompFilter::new(in_vain, SeccompAction::Allow, SeccompAction::Errno(UNKNOWN), TargetArch::x86_64);
        let program: BpfProgram = filter.and_then(TryInto::try_into).map_err(|e: BackendError| cannot(e.to_string()))?;
        seccompiler::apply_filter_all_threads(&program).map_err(|e| cannot(said(&e)))?;
    }
    let program = compile(plan).map_err(|e| cannot(e.to_string()))?;
    seccompiler::apply_filter_all_threads(&program).map_err(|e| cannot(said(&e)))
}

fn said(error: &seccompiler::Error) -> String {
    match error {
        seccompiler::Error::Prctl(e) | seccompiler::Error::Seccomp(e) => e.to_string(),
        other => other.to_string(),
    }
}

fn compile(plan: &Plan<'_>) -> Result<BpfProgram, BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
    let mut unconditional = Vec::new();
    for call in plan.calls.iter().copied().flatten().filter(|call| is_made(call.when, plan)) {
        let rules = rules.entry(call.number).or_default();
        if call.only.is_empty() {
            unconditional.push(call.number);
        }
        for list in call.only {
            let mut conditions = Vec::new();
            for &check in *list {
                conditions.extend(conditions_of(check, &plan.code)?);
            }
            rules.push(SeccompRule::new(conditions)?);
        }
    }
    // Without rules a call is allowed with any arguments.
    for number in unconditional {
        rules.insert(number, Vec::new());
    }
    let refused = match plan.refusal {
        Refusal::Error => SeccompAction::Errno(UNKNOWN),
        Refusal::Report => {
            rules.extend(in_vain(plan).map(|number| (number, Vec::new())));
            SeccompAction::Trap
        }
    };
    SeccompFilter::new(rules, refused, SeccompAction::Allow, TargetArch::x86_64)?.try_into()
}

/// Calls that are refused, and made all the same.
fn in_vain(plan: &Plan<'_>) -> impl Iterator<Item = i64> {
    let calls = || plan.calls.iter().copied().flatten();
    let allowed = move |number| calls().any(|call| call.number == number && is_made(call.when, plan));
    calls().filter(|call| call.when == When::InVain).map(|call| call.number).filter(move |&number| !allowed(number))
}

fn is_made(when: When, plan: &Plan<'_>) -> bool {
    match when {
        When::InVain => false,
        When::Run | When::Finish => true,
        When::WithDirectories => !plan.directories.is_empty(),
        When::WithSockets => plan.sockets,
    }
}

fn conditions_of(check: Check, code: &Range<usize>) -> Result<Vec<SeccompCondition>, BackendError> {
    use SeccompCmpArgLen::{Dword, Qword};
    use SeccompCmpOp::{Eq, Ge, Le, MaskedEq};
    let all = |conditions: &[(u8, SeccompCmpArgLen, SeccompCmpOp, u64)]| {
        conditions.iter().map(|(n, len, op, value)| SeccompCondition::new(*n, len.clone(), op.clone(), *value)).collect()
    };
    match check {
        Check::Is(n, value) => all(&[(n, Dword, Eq, value.into())]),
        Check::IsNull(n) => all(&[(n, Qword, Eq, 0)]),
        Check::Bits(n, mask, value) => all(&[(n, Qword, MaskedEq(mask), value)]),
        Check::AtMost(n, value) => all(&[(n, Qword, Le, value)]),
        Check::InCode(n) => {
            let last = code.end.saturating_sub(MOST_CODE_AT_ONCE);
            all(&[(n, Qword, Ge, code.start as u64), (n, Qword, Le, last as u64)])
        }
        Check::ThisProcess(n) => all(&[(n, Dword, Eq, std::process::id().into())]),
    }
}
