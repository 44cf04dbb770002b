//! The programs against seccompiler's, which are made from the same rows in another way: what comes of a call is the same.

mod machine;
mod oracle;
mod rows;

use super::programs;
use crate::call::{Call, Check, MOST_CODE_AT_ONCE};
use crate::plan::{Plan, Refusal};
use machine::{Made, run};
use rows::{Dice, Shape};
use seccompiler::BpfProgram;
use std::ops::Range;

const X86_64: u32 = 0xc000_003e;
const I386: u32 = 0x4000_0003;
const AARCH64: u32 = 0xc000_00b7;
const X32: u32 = 0x4000_0000;

/// Both sides' programs of a plan.
struct Sides<'a> {
    plan: &'a Plan<'a>,
    ours: Vec<BpfProgram>,
    oracles: Vec<BpfProgram>,
}

impl<'a> Sides<'a> {
    fn new(plan: &'a Plan<'a>) -> Sides<'a> {
        let (ours, oracles) = (programs(plan), oracle::programs(plan).expect("the oracle's programs"));
        assert_eq!(ours.len(), oracles.len());
        Sides { plan, ours, oracles }
    }

    fn same(&self, made: Made) {
        for (ours, oracle) in self.ours.iter().zip(&self.oracles) {
            let (our, its) = (run(ours, &made), run(oracle, &made));
            assert_eq!(our.action, its.action, "{made:x?} of {:x?}: {ours:x?}", self.plan);
            // What the kernel could remember it still can.
            assert!(our.arguments_were_read <= its.arguments_were_read, "{made:x?} of {:x?}: {ours:x?}", self.plan);
        }
    }

    /// Calls of all numbers, of listed ones with arguments at edges, and as many random ones.
    fn all_same(&self, dice: &mut Dice, random: usize) {
        let rows: Vec<&Call> = self.plan.calls.iter().copied().flatten().collect();
        let listed = rows.iter().map(|call| call.number as u32);
        let around = listed.flat_map(|number| [number.wrapping_sub(1), number, number.wrapping_add(1), number | X32]);
        let high = [X32 - 1, X32 + 600, i32::MAX as u32, 1 << 31, u32::MAX - 1, u32::MAX];
        let numbers: Vec<u32> = (0..600).flat_map(|number| [number, number | X32]).chain(around).chain(high).collect();
        let others = (0..32).map(|bit| X86_64 ^ 1 << bit).chain([I386, AARCH64, 0, u32::MAX]);
        let architectures: Vec<u32> = others.chain([X86_64; 40]).collect();
        for &number in &numbers {
            for architecture in [X86_64, I386, dice.one_of(&architectures)] {
                self.same(Made { number, architecture, arguments: [dice.one_of(&[0, u64::MAX]); 6] });
            }
        }
        for call in rows.iter().filter(|call| !call.only.is_empty()) {
            let of_call: Vec<&Call> = rows.iter().copied().filter(|other| other.number == call.number).collect();
            let edges = Edges::of(&of_call, &self.plan.code);
            // Among arguments that no check is of there are some with which no other list holds.
            for (list, rest) in call.only.iter().flat_map(|list| [(list, 0), (list, u64::MAX)]) {
                let mut arguments = [rest; 6];
                for &check in *list {
                    arguments[argument(check)] = holds(check, &self.plan.code);
                }
                let made = Made { number: call.number as u32, architecture: X86_64, arguments };
                self.same(made);
                for (n, edges) in edges.0.iter().enumerate() {
                    for &edge in edges {
                        let mut arguments = arguments;
                        arguments[n] = edge;
                        self.same(Made { arguments, ..made });
                    }
                }
            }
        }
        let edges = Edges::of(&rows, &self.plan.code);
        for _ in 0..random {
            let architecture = dice.one_of(&architectures);
            let number =
                if rows.is_empty() || dice.below(4) == 0 { dice.one_of(&numbers) } else { dice.one_of(&rows).number as u32 };
            let arguments = std::array::from_fn(|n| if dice.below(4) == 0 { dice.value() } else { dice.one_of(&edges.0[n]) });
            self.same(Made { number, architecture, arguments });
        }
    }
}

/// Values of each argument at which something changes.
struct Edges([Vec<u64>; 6]);

impl Edges {
    fn of(rows: &[&Call], code: &Range<usize>) -> Edges {
        let mut edges: [Vec<u64>; 6] = std::array::from_fn(|_| vec![0, u64::MAX]);
        for &check in rows.iter().flat_map(|call| call.only).copied().flatten() {
            let last = code.end.saturating_sub(MOST_CODE_AT_ONCE) as u64;
            let value = holds(check, code);
            let bits = if let Check::Bits(..) = check { 0..64 } else { 0..0 };
            let around = if let Check::InCode(_) = check { vec![value, last, code.end as u64] } else { vec![value] };
            let around = around.iter().flat_map(|&v| {
                let low = v & u64::from(u32::MAX);
                [v, v.wrapping_sub(1), v.wrapping_add(1), v ^ 1 << 32, v ^ 1 << 63, v | u64::MAX << 32, low, v << 32, v >> 32]
            });
            edges[argument(check)].extend(around.chain(bits.map(|bit| value ^ 1 << bit)));
        }
        for edges in &mut edges {
            edges.sort_unstable();
            edges.dedup();
        }
        Edges(edges)
    }
}

fn argument(check: Check) -> usize {
    let (Check::Is(n, _)
    | Check::IsNull(n)
    | Check::Bits(n, ..)
    | Check::AtMost(n, _)
    | Check::InCode(n)
    | Check::ThisProcess(n)) = check;
    n.into()
}

/// A value for which it holds.
fn holds(check: Check, code: &Range<usize>) -> u64 {
    match check {
        Check::Is(_, value) => value.into(),
        Check::IsNull(_) => 0,
        Check::Bits(_, mask, value) => mask & value,
        Check::AtMost(_, value) => value,
        Check::InCode(_) => code.start as u64,
        Check::ThisProcess(_) => std::process::id().into(),
    }
}

fn plan<'a>(calls: &'a [&'a [Call]], code: Range<usize>, refusal: Refusal) -> Plan<'a> {
    Plan { directories: Vec::new(), sockets: true, calls, code, refusal, debuggable: false, strict: false }
}

#[test]
fn rows_like_those_of_rooms_mean_the_same() {
    let (listed, mut dice) = (rows::like_those_of_rooms(), Dice(1));
    for code in [0x7f12_3456_7000..0x7f12_5456_7000, 0x7f12_f000_0000..0x7f13_1000_0000] {
        for refusal in [Refusal::Error, Refusal::Report] {
            let (lists, code) = ([&listed[..40], &listed[40..]], code.clone());
            Sides::new(&plan(&lists, code, refusal)).all_same(&mut dice, 50_000);
        }
    }
}

#[test]
fn rows_of_all_shapes_mean_the_same() {
    let mut dice = Dice(2);
    for (times, rows, end, conditional, most) in [
        (2, 0, 1, 0, 1),
        (20, 1, 600, 0, 1),
        (200, 1, 600, 100, 4),
        (50, 2, 2, 50, 3),
        (50, 12, 12, 30, 2),
        (50, 12, 600, 100, 3),
        (20, 60, 100, 20, 3),
        (20, 60, 600, 100, 2),
        (5, 300, 450, 0, 1),
        (5, 300, 450, 20, 2),
        (5, 300, 1000, 100, 1),
        (5, 300, 1 << 32, 30, 1),
    ] {
        let shape = Shape { rows, end, conditional, most };
        for _ in 0..times {
            let (start, len) = (dice.value() as usize, dice.value() as usize);
            let refusal = dice.one_of(&[Refusal::Error, Refusal::Error, Refusal::Report]);
            let listed = shape.rows(&mut dice);
            Sides::new(&plan(&[&listed], start..start.saturating_add(len), refusal)).all_same(&mut dice, 500);
        }
    }
}

/// The fewer instructions, the sooner they are installed: a fourth of what one comparison a call takes.
#[test]
fn programs_are_short() {
    let listed = rows::like_those_of_rooms();
    let lists = [&listed[..]];
    let plan = plan(&lists, 0x7f12_3456_7000..0x7f12_5456_7000, Refusal::Error);
    let sides = Sides::new(&plan);
    let (ours, oracle) = (sides.ours[0].len(), sides.oracles[0].len());
    assert!(ours * 4 < oracle, "{ours} instructions, {oracle} the oracle's");
}
