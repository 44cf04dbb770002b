//! Verdicts by system call as a program for seccomp: a decision tree over the numbers.
//!
//! Installing a program costs by its length and by its depth. The kernel translates and compiles each instruction; and it runs
//! the program once for each number that it knows, some 450, to learn which calls are allowed whatever their arguments: for
//! those it never runs the program again (`seccomp_cache_prepare` in `kernel/seccomp.c`). A chain with a comparison a call is
//! run through to its end for each number that is not in it. A tree over neighbours with the same verdict is a fourth as
//! long, each way through it is a few instructions, and it is installed in a fifth of the time.
//!
//! What always holds:
//!
//! - A call by another architecture's convention ends the process before its number is looked at: the number means another
//!   call. (x86-64's own second convention, x32, is told by a bit of the number. No row has such a number.)
//! - Where numbers are compared the accumulator holds the number. Only conditions load something else, and they never come
//!   back: the kernel gives up learning about a call as soon as an argument is read.

mod backwards;
mod condition;

pub(crate) use condition::Test;

use backwards::{Assembler, Jump, Place};
use seccompiler::BpfProgram;
use std::collections::BTreeMap;
use std::mem::offset_of;

/// `AUDIT_ARCH_X86_64`, which the C library has no name for: `EM_X86_64`, 64 bits, little-endian.
const X86_64: u32 = 62 | 0x8000_0000 | 0x4000_0000;

/// Numbers compared one by one in a leaf, at most. The more, the shorter the program, and the longer the ways through it; from
/// 3 to 8 it takes as long to install.
const MOST_EXCEPTIONS: usize = 4;

/// What becomes of a system call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is made.
    Allow,
    /// It is not.
    Refuse,
    /// It is made if all tests of one of these lists hold.
    If(Vec<Vec<Test>>),
}

/// Numbers from this one to the next leaf's.
struct Leaf<'a> {
    first: u32,
    verdict: &'a Verdict,
    /// Numbers in between, each with its own.
    exceptions: Vec<(u32, &'a Verdict)>,
}

/// A program for these calls and all others. `refusal` is what it returns for those that are refused.
pub(crate) fn program(calls: &BTreeMap<u32, Verdict>, others: &Verdict, refusal: u32) -> BpfProgram {
    let mut assembler = Assembler::default();
    let mut tree = Tree {
        refuse: assembler.ret(refusal),
        allow: assembler.ret(libc::SECCOMP_RET_ALLOW),
        kill: assembler.ret(libc::SECCOMP_RET_KILL_PROCESS),
        assembler,
    };
    let root = tree.node(&leaves(runs(calls, others)));
    let number = tree.assembler.load(offset_of!(libc::seccomp_data, nr) as u32, root);
    let checked = tree.assembler.branch(Jump::Equal, X86_64, number, tree.kill);
    let start = tree.assembler.load(offset_of!(libc::seccomp_data, arch) as u32, checked);
    tree.assembler.finish(start)
}

/// Consecutive numbers with the same verdict: the first of each run. Together they are all numbers that there are.
fn runs<'a>(calls: &'a BTreeMap<u32, Verdict>, others: &'a Verdict) -> Vec<(u32, &'a Verdict)> {
    let mut runs: Vec<(u32, &Verdict)> = Vec::new();
    let mut add = |first, verdict| {
        if runs.last().is_none_or(|(_, last)| *last != verdict) {
            runs.push((first, verdict));
        }
    };
    // The first number about which nothing is known yet, if any is left.
    let mut next = Some(0);
    for (&number, verdict) in calls {
        if next != Some(number) {
            add(next.expect("numbers ascend"), others);
        }
        add(number, verdict);
        next = number.checked_add(1);
    }
    if let Some(next) = next {
        add(next, others);
    }
    runs
}

/// Makes runs of single numbers exceptions of what surrounds them: k such runs have k + 1 borders, and each border is a
/// comparison as each exception is.
fn leaves<'a>(runs: Vec<(u32, &'a Verdict)>) -> Vec<Leaf<'a>> {
    let mut leaves: Vec<Leaf<'a>> = Vec::new();
    let mut rest = runs.as_slice();
    while let [(first, verdict), others @ ..] = rest {
        let (mut first, mut exceptions) = (*first, Vec::new());
        rest = others;
        while let Some(count) = others_between(verdict, rest) {
            if exceptions.len() + count > MOST_EXCEPTIONS {
                // The same goes on in another leaf, from where it went on after the last exception.
                let full = std::mem::take(&mut exceptions);
                let resumed = full.last().map_or(first, |(number, _)| number + 1);
                leaves.push(Leaf { first, verdict, exceptions: full });
                first = resumed;
            }
            exceptions.extend_from_slice(&rest[..count]);
            rest = &rest[count + 1..];
        }
        leaves.push(Leaf { first, verdict, exceptions });
    }
    leaves
}

/// How many runs there are before the next one with this verdict, if each of them is a single number and they fit in a leaf.
fn others_between(verdict: &Verdict, runs: &[(u32, &Verdict)]) -> Option<usize> {
    let count = runs.iter().take(MOST_EXCEPTIONS + 1).position(|(_, other)| *other == verdict)?;
    let are_single = (runs[count].0 - runs[0].0) as usize == count;
    are_single.then_some(count)
}

struct Tree {
    assembler: Assembler,
    refuse: Place,
    allow: Place,
    kill: Place,
}

impl Tree {
    fn node(&mut self, leaves: &[Leaf<'_>]) -> Place {
        let [leaf] = leaves else {
            let (below, above) = leaves.split_at(leaves.len() / 2);
            let (yes, no) = (self.node(above), self.node(below));
            return self.assembler.branch(Jump::AtLeast, above[0].first, yes, no);
        };
        let mut otherwise = self.verdict(leaf.verdict);
        for (number, verdict) in leaf.exceptions.iter().rev() {
            let yes = self.verdict(verdict);
            otherwise = self.assembler.branch(Jump::Equal, *number, yes, otherwise);
        }
        otherwise
    }

    fn verdict(&mut self, verdict: &Verdict) -> Place {
        match verdict {
            Verdict::Allow => self.allow,
            Verdict::Refuse => self.refuse,
            Verdict::If(lists) => condition::any(&mut self.assembler, lists, self.allow, self.refuse),
        }
    }
}
