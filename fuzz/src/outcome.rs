//! What an engine saw, and what differs between two of them.

use crate::value::Value;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Why a call did not return.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs, reason = "named as in the specification")]
pub enum Stop {
    Unreachable,
    /// Outside a memory, or an atomic access that is not aligned: an access that is both is the one or the other, as engines
    /// look at bounds or at alignment first.
    Memory,
    /// A table access or a segment outside its bounds, or an indirect call past the end.
    Table,
    UninitializedElement,
    IndirectType,
    Overflow,
    DivideByZero,
    InvalidConversion,
    NullReference,
    /// A wait on a memory that is not shared.
    WaitUnshared,
    /// A host function's error.
    Host,
    /// An exception that nothing caught.
    Exception,
    /// Stack, fuel or memory of the engine: nothing after it is compared.
    Exhausted,
    /// Sconce's limit on what is executed.
    FuelExhausted,
    /// It did not end in time, or was interrupted on purpose.
    Interrupted,
    /// Sconce's own checks found a mistake.
    BrokenInvariant,
}

/// One step of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The export that was called; `None` is instantiation.
    pub call: Option<String>,
    /// What came of it.
    pub result: Result<Vec<Value>, Stop>,
    /// What the exported globals hold.
    pub globals: Vec<Value>,
    /// Length and digest of each exported memory.
    pub memories: Vec<(u64, u64)>,
    /// Digest of what host functions were told since the start.
    pub told: u64,
    /// What was spent since the start, where that is counted.
    pub fuel: Option<u64>,
}

/// All steps.
pub type Outcome = Vec<Step>;

/// Bytes up to which all of a memory is looked at.
const WHOLE: u64 = 1 << 20;
/// Of a larger one, the bytes from these on, and the last: where cases write.
const WINDOWS: &[u64] = &[0, (1 << 16) - 4096, (1 << 31) - 4096, u64::MAX];
/// Bytes of a window.
const WINDOW: u64 = 8192;

/// Length and digest of a memory, which `read` reads from an offset on: by a hash that is fast for many bytes.
pub fn digest_memory(len: u64, mut read: impl FnMut(u64, &mut [u8])) -> (u64, u64) {
    let mut hasher = blake3::Hasher::new();
    let mut look = |at: u64, count: u64| {
        let mut bytes = vec![0; count as usize];
        read(at, &mut bytes);
        hasher.update(&bytes);
    };
    if len <= WHOLE {
        look(0, len);
    } else {
        WINDOWS.iter().for_each(|&at| look(at.min(len - WINDOW), WINDOW));
    }
    (len, hasher.finalize().as_bytes().iter().take(8).fold(0, |d, &b| d << 8 | u64::from(b)))
}

/// The same, of bytes that can be had at once.
pub fn digest_bytes(bytes: &[u8]) -> (u64, u64) {
    digest_memory(bytes.len() as u64, |at, out| out.copy_from_slice(&bytes[at as usize..][..out.len()]))
}

/// A digest of values; the same in each run.
pub fn digest(value: &(impl Hash + ?Sized)) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// How two engines disagree.
#[derive(Debug, PartialEq, Eq)]
pub struct Difference {
    /// Which step.
    pub step: usize,
    /// What one saw.
    pub left: String,
    /// What the other saw.
    pub right: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "step {}:\n  {}\n  {}", self.step, self.left, self.right)
    }
}

/// What two engines saw of a case, as far as it can be compared.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The same, in so many steps; whether the rest was dropped.
    Same {
        /// Steps compared.
        steps: usize,
        /// Whether something was exhausted.
        cut: bool,
    },
    /// Not the same.
    Different(Difference),
}

/// Compares two outcomes of one case.
pub fn compare(left: &[Step], right: &[Step]) -> Verdict {
    let mut steps = 0;
    for (l, r) in left.iter().zip(right) {
        if l.result == Err(Stop::Exhausted) || r.result == Err(Stop::Exhausted) {
            return Verdict::Same { steps, cut: true };
        }
        // Not every engine counts.
        let spent = |step: &Step| if l.fuel.is_some() && r.fuel.is_some() { step.fuel } else { None };
        if (Step { fuel: spent(l), ..l.clone() }) != (Step { fuel: spent(r), ..r.clone() }) {
            return Verdict::Different(Difference { step: steps, left: describe(l), right: describe(r) });
        }
        steps += 1;
    }
    if left.len() != right.len() {
        let count = |o: &[Step]| format!("{} steps", o.len());
        return Verdict::Different(Difference { step: steps, left: count(left), right: count(right) });
    }
    Verdict::Same { steps, cut: false }
}

fn describe(step: &Step) -> String {
    let list = |values: &[Value]| values.iter().map(Value::to_string).collect::<Vec<_>>().join(", ");
    let result = match &step.result {
        Ok(values) => format!("[{}]", list(values)),
        Err(stop) => format!("{stop:?}"),
    };
    let call = step.call.as_deref().unwrap_or("instantiation");
    let fuel = step.fuel.map_or(String::new(), |fuel| format!("; fuel {fuel}"));
    format!("{call}: {result}; globals [{}]; memories {:x?}; told {:x}{fuel}", list(&step.globals), step.memories, step.told)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(result: Result<Vec<Value>, Stop>) -> Step {
        Step { call: Some("f".into()), result, globals: vec![], memories: vec![(65536, 1)], told: 0, fuel: Some(7) }
    }

    #[test]
    fn equal_outcomes_are_the_same() {
        let o = vec![step(Ok(vec![Value::I32(1)])), step(Err(Stop::Memory))];
        assert_eq!(compare(&o, &o), Verdict::Same { steps: 2, cut: false });
    }

    #[test]
    fn each_part_of_a_step_counts() {
        let one = step(Ok(vec![Value::I32(1)]));
        let mut others = vec![step(Ok(vec![Value::I32(2)])), step(Err(Stop::Memory))];
        others.push(Step { globals: vec![Value::I32(0)], ..one.clone() });
        others.push(Step { memories: vec![(65536, 2)], ..one.clone() });
        others.push(Step { told: 1, ..one.clone() });
        others.push(Step { fuel: Some(8), ..one.clone() });
        for other in others {
            assert!(matches!(compare(std::slice::from_ref(&one), &[other]), Verdict::Different(d) if d.step == 0));
        }
        assert!(matches!(compare(&[one.clone(), one.clone()], &[one]), Verdict::Different(d) if d.step == 1));
    }

    #[test]
    fn fuel_counts_where_both_count() {
        let one = step(Ok(vec![]));
        let other = Step { fuel: None, ..one.clone() };
        assert_eq!(compare(std::slice::from_ref(&one), &[other]), Verdict::Same { steps: 1, cut: false });
    }

    #[test]
    fn memories_are_looked_at_where_cases_write() {
        let mut bytes = vec![0; 3 << 20];
        let before = digest_bytes(&bytes);
        for at in [0, 4096, 65535, 65536, bytes.len() - 1] {
            bytes[at] = 1;
            assert_ne!(digest_bytes(&bytes), before, "{at}");
            bytes[at] = 0;
        }
        assert_ne!(digest_bytes(&bytes[1..]), before);
        // All of a small one.
        assert_ne!(digest_bytes(&[0, 0, 1, 0]), digest_bytes(&[0, 0, 0, 0]));
    }

    #[test]
    fn nothing_counts_after_exhaustion() {
        let left = vec![step(Err(Stop::Exhausted)), step(Ok(vec![]))];
        let right = vec![step(Ok(vec![Value::I32(2)])), step(Err(Stop::Memory))];
        assert_eq!(compare(&left, &right), Verdict::Same { steps: 0, cut: true });
    }
}
