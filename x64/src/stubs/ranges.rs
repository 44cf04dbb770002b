//! Moving and filling ranges of bytes: builtins that stay on the wasm stack where a range is short.
//!
//! A range is named by the address of its description (base and length, [`Offsets::range_base`]), an index
//! and a length. What is outside, longer than [`MOST_AT_ONCE`], or comes while something is pending goes to
//! the builtin itself, with the same meaning. So nothing here traps: the builtin does. It is no safe point
//! either, and never interrupted, which is why it is short.
//!
//! Indices and lengths are the guest's. A branch that is predicted wrong must not read what they lead to; so
//! they are zero under the outcomes that the branches test, as in compiled code. What is left is how long a
//! length is taken to be: a class of lengths that is wrong reads less than eight vectors beyond a range, or
//! four before it; and a loop that is taken to go on reads on until the length is known, a few KiB if that
//! comes from memory. `memmove` of the system's library, which did this before, is no other.
//!
//! Ranges may overlap. Up to eight vectors everything is loaded before anything is stored. Beyond that, four
//! vectors at a time from the end that is not overwritten before it is read, and both ends are loaded first
//! of all.

use super::{Offsets, call_builtin, make_frame};
use crate::encode::{Addr, Alu, Cond, Encoder, Extend, Label, Shift, Size::S32, Size::S64};
use crate::register::{Gpr, Xmm};
use crate::sse;
use Gpr::*;

/// The longest range that is done without leaving wasm: a few microseconds at most, plus what touching its pages takes.
pub const MOST_AT_ONCE: i32 = 64 << 10;

/// The length, zero where a branch on it or on an index was predicted wrong.
const LEN: Gpr = R10;

/// Calls `target(context, to, from, to_index, from_index, len)`, which moves bytes as if through a buffer,
/// for what cannot be done here.
pub fn move_(o: &Offsets, target: u64, vectors: Vectors) -> Vec<u8> {
    let [to_range, from_range, to, from, len] = [Rsi, Rdx, Rcx, R8, R9];
    let mut a = Encoder::new(false);
    let ways = Ways::begin(&mut a, o, len);
    ways.inside(&mut a, o, to_range, to);
    ways.inside(&mut a, o, from_range, from);
    a.alu(Alu::Add, S64, to, Addr::new(to_range, o.range_base).into());
    a.alu(Alu::Add, S64, from, Addr::new(from_range, o.range_base).into());
    short_move(&mut a, to, from);
    classes(&mut a, vectors, |a, v, count| straight_move(a, v, count, to, from));
    long_move(&mut a, vectors, to, from);
    ways.end(&mut a, o, target, len);
    a.finish().to_vec()
}

/// The same of `target(context, range, index, value, len)`, which fills with the lowest byte of a value.
/// Vectors of 64 bytes would be no faster.
pub fn fill(o: &Offsets, target: u64, vectors: Vectors) -> Vec<u8> {
    let [range, to, value, len] = [Rsi, Rdx, Rcx, R8];
    let mut a = Encoder::new(false);
    let ways = Ways::begin(&mut a, o, len);
    ways.inside(&mut a, o, range, to);
    a.alu(Alu::Add, S64, to, Addr::new(range, o.range_base).into());
    a.extend(Extend::Zero8, S32, Rax, value.into());
    a.mov_imm(S64, value, 0x0101_0101_0101_0101);
    a.imul(S64, value, Rax.into());
    short_fill(&mut a, to, value);
    a.int_to_xmm(S64, Xmm(0), value.into());
    a.sse(sse::PUNPCKLQDQ, Xmm(0), Xmm(0), Xmm(0).into());
    let vectors = vectors.min(Vectors::Ymm);
    classes(&mut a, vectors, |a, v, count| straight_fill(a, v, count, to));
    long_fill(&mut a, vectors, to);
    ways.end(&mut a, o, target, len);
    a.finish().to_vec()
}

/// Where what cannot be done here goes.
struct Ways {
    /// Something is outside.
    outside: Label,
    /// To the builtin itself; the argument registers are as they were.
    builtin: Label,
}

impl Ways {
    /// Makes the frame, and [`LEN`] from the length. From here on rax is zero, until all ranges are known to be inside.
    fn begin(a: &mut Encoder, o: &Offsets, len: Gpr) -> Ways {
        let ways = Ways { outside: a.label(), builtin: a.label() };
        make_frame(a);
        a.load(S64, Rax, Addr::new(Rdi, o.store));
        a.test_imm8(Addr::new(Rax, o.pending), !0);
        a.jcc(Cond::Ne, ways.builtin);
        a.zero(Rax);
        a.mov(S64, LEN, len);
        a.alu_imm(Alu::Cmp, S64, len.into(), MOST_AT_ONCE);
        a.cmov(Cond::A, S64, LEN, Rax.into());
        a.jcc(Cond::A, ways.builtin);
        ways
    }

    /// Goes on if `LEN` bytes from the index on are inside. Neither the sum nor the difference is relied on:
    /// indices have 64 bits.
    fn inside(&self, a: &mut Encoder, o: &Offsets, range: Gpr, index: Gpr) {
        a.load(S64, R11, Addr::new(range, o.range_length));
        a.alu(Alu::Sub, S64, R11, LEN.into());
        a.cmov(Cond::B, S64, R11, Rax.into());
        a.cmov(Cond::B, S64, LEN, Rax.into());
        a.jcc(Cond::B, self.outside);
        a.alu(Alu::Cmp, S64, index, R11.into());
        a.cmov(Cond::A, S64, index, Rax.into());
        a.jcc(Cond::A, self.outside);
    }

    /// The ways end here. All ones as a length are outside of any range, whatever the index is.
    fn end(self, a: &mut Encoder, o: &Offsets, target: u64, len: Gpr) {
        a.bind(self.outside);
        a.mov_imm(S64, len, -1);
        a.bind(self.builtin);
        call_builtin(a, o, target);
    }
}

/// What moves many bytes at once, by what the processor has.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Vectors {
    /// 16 bytes: SSE.
    Xmm,
    /// 32 bytes: AVX.
    Ymm,
    /// 64 bytes: AVX-512F.
    Zmm,
}

impl Vectors {
    fn bytes(self) -> i32 {
        match self {
            Vectors::Xmm => 16,
            Vectors::Ymm => 32,
            Vectors::Zmm => 64,
        }
    }

    fn load(self, a: &mut Encoder, x: u8, from: Addr) {
        match self {
            Vectors::Xmm => a.load_xmm(Xmm(x), from),
            Vectors::Ymm => a.load_ymm(Xmm(x), from),
            Vectors::Zmm => a.load_zmm(Xmm(x), from),
        }
    }

    fn store(self, a: &mut Encoder, to: Addr, x: u8) {
        match self {
            Vectors::Xmm => a.store_xmm(to, Xmm(x)),
            Vectors::Ymm => a.store_ymm(to, Xmm(x)),
            Vectors::Zmm => a.store_zmm(to, Xmm(x)),
        }
    }

    /// Back to wasm.
    fn done(self, a: &mut Encoder) {
        if self > Vectors::Xmm {
            a.zero_upper();
        }
        a.pop(Rbp);
        a.ret(0);
    }
}

/// So many bytes before the end of what begins at a register's address.
fn before_end(start: Gpr, bytes: i32) -> Addr {
    Addr::indexed(start, LEN, -bytes)
}

/// Lengths of at least 16 bytes that take no loop, one class after the other: up to twice what half of the vectors cover.
fn classes(a: &mut Encoder, vectors: Vectors, mut straight: impl FnMut(&mut Encoder, Vectors, u8)) {
    // Where few bytes are moved, narrow vectors cross lines less often.
    let narrow = [(Vectors::Xmm, 2), (Vectors::Xmm, 4)].into_iter();
    let wide = [2, 4, 8].into_iter().map(|count| (vectors, count)).filter(|&(v, count)| v.bytes() * i32::from(count) > 64);
    for (v, count) in narrow.chain(wide) {
        let longer = a.label();
        a.alu_imm(Alu::Cmp, S64, LEN.into(), v.bytes() * i32::from(count));
        a.jcc(Cond::A, longer);
        straight(a, v, count);
        v.done(a);
        a.bind(longer);
    }
}

/// A move of less than 16 bytes; goes on behind it with longer ones.
fn short_move(a: &mut Encoder, to: Gpr, from: Gpr) {
    short(a, |a, size| match size {
        Some(size) => {
            let bytes = if size == S64 { 8 } else { 4 };
            a.load(size, Rax, Addr::new(from, 0));
            a.load(size, R11, before_end(from, bytes));
            a.store(size, Addr::new(to, 0), Rax);
            a.store(size, before_end(to, bytes), R11);
        }
        None => {
            // The first, the middle and the last byte, of which some are the same.
            a.mov(S64, R11, LEN);
            a.shift_imm(Shift::Shr, S64, R11.into(), 1);
            a.extend(Extend::Zero8, S32, Rax, Addr::new(from, 0).into());
            a.extend(Extend::Zero8, S32, Rsi, Addr::indexed(from, R11, 0).into());
            a.extend(Extend::Zero8, S32, Rdx, before_end(from, 1).into());
            a.store8(Addr::new(to, 0), Rax);
            a.store8(Addr::indexed(to, R11, 0), Rsi);
            a.store8(before_end(to, 1), Rdx);
        }
    });
}

/// The same of a fill with each byte of a register.
fn short_fill(a: &mut Encoder, to: Gpr, value: Gpr) {
    short(a, |a, size| match size {
        Some(size) => {
            a.store(size, Addr::new(to, 0), value);
            a.store(size, before_end(to, if size == S64 { 8 } else { 4 }), value);
        }
        None => {
            a.mov(S64, R11, LEN);
            a.shift_imm(Shift::Shr, S64, R11.into(), 1);
            a.store8(Addr::new(to, 0), value);
            a.store8(Addr::indexed(to, R11, 0), value);
            a.store8(before_end(to, 1), value);
        }
    });
}

/// Lengths below 16: two words of 64 or 32 bits, or (`None`) one to three bytes.
fn short(a: &mut Encoder, mut straight: impl FnMut(&mut Encoder, Option<crate::encode::Size>)) {
    let [longer, below_8, below_4, nothing] = [a.label(), a.label(), a.label(), a.label()];
    a.alu_imm(Alu::Cmp, S64, LEN.into(), 16);
    a.jcc(Cond::Ae, longer);
    for (size, least, less) in [(S64, 8, below_8), (S32, 4, below_4)] {
        a.alu_imm(Alu::Cmp, S64, LEN.into(), least);
        a.jcc(Cond::B, less);
        straight(a, Some(size));
        Vectors::Xmm.done(a);
        a.bind(less);
    }
    a.test(S64, LEN, LEN);
    a.jcc(Cond::E, nothing);
    straight(a, None);
    a.bind(nothing);
    Vectors::Xmm.done(a);
    a.bind(longer);
}

/// Where each of `count` vectors goes: one half from the front on, the other up to the end.
fn halves(v: Vectors, count: u8, start: Gpr) -> impl Iterator<Item = (u8, Addr)> {
    let half = count / 2;
    let front = (0..half).map(move |i| (i, Addr::new(start, v.bytes() * i32::from(i))));
    let back = (0..half).map(move |i| (half + i, before_end(start, v.bytes() * i32::from(half - i))));
    front.chain(back)
}

fn straight_move(a: &mut Encoder, v: Vectors, count: u8, to: Gpr, from: Gpr) {
    halves(v, count, from).for_each(|(x, from)| v.load(a, x, from));
    halves(v, count, to).for_each(|(x, to)| v.store(a, to, x));
}

fn straight_fill(a: &mut Encoder, v: Vectors, count: u8, to: Gpr) {
    if v == Vectors::Ymm {
        a.double_xmm(Xmm(0));
    }
    halves(v, count, to).for_each(|(_, to)| v.store(a, to, 0));
}

/// Vectors that a loop moves in one turn.
const TURN: u8 = 4;

/// Moves what is longer than all classes.
fn long_move(a: &mut Encoder, v: Vectors, to: Gpr, from: Gpr) {
    let backwards = a.label();
    a.mov(S64, Rax, to);
    a.alu(Alu::Sub, S64, Rax, from.into());
    // As unsigned numbers: only a destination inside the source, above its start, asks for the other direction.
    a.alu(Alu::Cmp, S64, Rax, LEN.into());
    a.jcc(Cond::B, backwards);
    move_upwards(a, v, to, from);
    a.bind(backwards);
    move_downwards(a, v, to, from);
}

/// The turns of a loop use the first vectors; those for the end where the loop arrives are behind them, then that for the start.
const LAST: u8 = TURN;
const FIRST: u8 = 2 * TURN;

fn move_upwards(a: &mut Encoder, v: Vectors, to: Gpr, from: Gpr) {
    let (vector, turn) = (v.bytes(), v.bytes() * i32::from(TURN));
    for i in 0..TURN {
        v.load(a, LAST + i, before_end(from, vector * i32::from(TURN - i)));
    }
    v.load(a, FIRST, Addr::new(from, 0));
    let [end, at, source] = [LEN, Rax, from];
    // From the first aligned place behind the start on, since stores that cross a line cost twice.
    a.lea(S64, at, Addr::new(to, vector));
    a.alu_imm(Alu::And, S64, at.into(), -vector);
    a.alu(Alu::Sub, S64, source, to.into());
    a.alu(Alu::Add, S64, source, at.into());
    a.lea(S64, end, before_end(to, turn));
    let again = loop_start(a);
    turn_of(a, v, at, source);
    a.alu_imm(Alu::Add, S64, source.into(), turn);
    a.alu_imm(Alu::Add, S64, at.into(), turn);
    a.alu(Alu::Cmp, S64, at, end.into());
    a.jcc(Cond::B, again);
    for i in 0..TURN {
        v.store(a, Addr::new(end, vector * i32::from(i)), LAST + i);
    }
    v.store(a, Addr::new(to, 0), FIRST);
    v.done(a);
}

fn move_downwards(a: &mut Encoder, v: Vectors, to: Gpr, from: Gpr) {
    let (vector, turn) = (v.bytes(), v.bytes() * i32::from(TURN));
    for i in 0..TURN {
        v.load(a, LAST + i, Addr::new(from, vector * i32::from(i)));
    }
    v.load(a, FIRST, before_end(from, vector));
    let [start, at, source] = [R11, Rax, from];
    a.lea(S64, start, Addr::new(to, turn));
    // Turns end where the last aligned vector begins, which the one that was loaded for the end covers.
    a.alu(Alu::Add, S64, LEN, to.into());
    a.lea(S64, at, Addr::new(LEN, -1));
    a.alu_imm(Alu::And, S64, at.into(), -vector);
    a.alu_imm(Alu::Sub, S64, at.into(), turn);
    a.alu(Alu::Sub, S64, source, to.into());
    a.alu(Alu::Add, S64, source, at.into());
    let again = loop_start(a);
    turn_of(a, v, at, source);
    a.alu(Alu::Cmp, S64, at, start.into());
    a.lea(S64, source, Addr::new(source, -turn));
    a.lea(S64, at, Addr::new(at, -turn));
    // Unless the vectors of the front cover all that is left.
    a.jcc(Cond::A, again);
    v.store(a, Addr::new(LEN, -vector), FIRST);
    for i in 0..TURN {
        v.store(a, Addr::new(to, vector * i32::from(i)), LAST + i);
    }
    v.done(a);
}

/// A loop's code begins with half a line: where it crosses one more than it must, it is slower.
fn loop_start(a: &mut Encoder) -> Label {
    a.pad_with_nops(32);
    a.here()
}

/// Moves four vectors, all loaded before any is stored.
fn turn_of(a: &mut Encoder, v: Vectors, to: Gpr, from: Gpr) {
    for i in 0..TURN {
        v.load(a, i, Addr::new(from, v.bytes() * i32::from(i)));
    }
    for i in 0..TURN {
        v.store(a, Addr::new(to, v.bytes() * i32::from(i)), i);
    }
}

/// Fills what is longer than all classes.
fn long_fill(a: &mut Encoder, v: Vectors, to: Gpr) {
    let (vector, turn) = (v.bytes(), v.bytes() * i32::from(TURN));
    if v == Vectors::Ymm {
        a.double_xmm(Xmm(0));
    }
    let [end, at] = [LEN, Rax];
    v.store(a, Addr::new(to, 0), 0);
    a.lea(S64, at, Addr::new(to, vector));
    a.alu_imm(Alu::And, S64, at.into(), -vector);
    a.lea(S64, end, before_end(to, turn));
    let again = loop_start(a);
    for i in 0..TURN {
        v.store(a, Addr::new(at, vector * i32::from(i)), 0);
    }
    a.alu_imm(Alu::Add, S64, at.into(), turn);
    a.alu(Alu::Cmp, S64, at, end.into());
    a.jcc(Cond::B, again);
    for i in 0..TURN {
        v.store(a, Addr::new(end, vector * i32::from(i)), 0);
    }
    v.done(a);
}
