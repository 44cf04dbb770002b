//! The same programs, made by seccompiler: a chain of comparisons, long and plain.

use crate::call::{Check, MOST_CODE_AT_ONCE};
use crate::filter::{in_vain, is_made};
use crate::plan::{Plan, Refusal};
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch,
};
use std::collections::BTreeMap;
use std::ops::Range;

const UNKNOWN: SeccompAction = SeccompAction::Errno(libc::ENOSYS.cast_unsigned());

pub fn programs(plan: &Plan<'_>) -> Result<Vec<BpfProgram>, BackendError> {
    if plan.refusal == Refusal::Error {
        return Ok(vec![of_rows(plan, UNKNOWN)?]);
    }
    let in_vain = in_vain(plan).map(|number| (number.into(), Vec::new())).collect();
    let errors = SeccompFilter::new(in_vain, SeccompAction::Allow, UNKNOWN, TargetArch::x86_64)?.try_into()?;
    Ok(vec![errors, of_rows(plan, SeccompAction::Trap)?])
}

fn of_rows(plan: &Plan<'_>, refused: SeccompAction) -> Result<BpfProgram, BackendError> {
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
    if plan.refusal == Refusal::Report {
        rules.extend(in_vain(plan).map(|number| (number.into(), Vec::new())));
    }
    SeccompFilter::new(rules, refused, SeccompAction::Allow, TargetArch::x86_64)?.try_into()
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
