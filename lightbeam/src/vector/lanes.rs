//! Lanes of integers: operands, and the sequences that stand for what the processor has no instruction for.

use super::{equal, greater, maximum, minimum, subtract};
use crate::codegen::Codegen;
use crate::scratch::Scratch;
use crate::value::{Ty, Value};
use sconce_environ::ops::*;
use sconce_x64::encode::Rm;
use sconce_x64::register::Xmm;
use sconce_x64::sse::{self, LaneShift, Sse};

impl Codegen<'_> {
    /// An instruction of two operands.
    pub(super) fn lanes(&mut self, op: Sse, commutes: bool) {
        let mut b = self.pop();
        let mut a = self.pop();
        if commutes && !matches!(a, Value::Xmm(..)) && matches!(b, Value::Xmm(..)) {
            (a, b) = (b, a);
        }
        self.lanes_of(op, a, b);
    }

    /// The same with operands exchanged.
    pub(super) fn lanes_exchanged(&mut self, op: Sse) {
        let b = self.pop();
        let a = self.pop();
        self.lanes_of(op, b, a);
    }

    pub(super) fn lanes_of(&mut self, op: Sse, a: Value, b: Value) {
        let (x, dst) = match self.wanted_xmm() {
            Some(dst) if self.e.has_avx() => (self.xmm(a), dst),
            _ => {
                let x = self.own_xmm(a);
                (x, x)
            }
        };
        let (s, operand) = self.vector_rm(b);
        s.e.sse(op, dst, x, operand);
        drop(s);
        self.release_xmm_unless(x, dst);
        self.release(b);
        self.push_xmm(Ty::V128, dst);
    }

    /// A sequence on the first operand's own register and the second operand's.
    pub(super) fn lanes_by(&mut self, f: impl FnOnce(&mut Scratch<'_>, Xmm, Xmm)) {
        let b = self.pop();
        let a = self.pop();
        let x = self.own_xmm(a);
        let y = self.xmm(b);
        f(&mut self.scratch(), x, y);
        self.free(y);
        self.push_xmm(Ty::V128, x);
    }

    /// A sequence that needs another register besides.
    pub(super) fn lanes_by_three(&mut self, f: impl FnOnce(&mut Scratch<'_>, Xmm, Xmm, Xmm)) {
        let b = self.pop();
        let a = self.pop();
        let x = self.own_xmm(a);
        let y = self.xmm(b);
        self.with_another(|s, t| f(s, x, y, t));
        self.free(y);
        self.push_xmm(Ty::V128, x);
    }

    /// A sequence with a register more.
    pub(super) fn with_another(&mut self, f: impl FnOnce(&mut Scratch<'_>, Xmm)) {
        let t = self.alloc_xmm();
        f(&mut self.scratch(), t);
        self.free(t);
    }

    pub(super) fn compare_lanes(&mut self, shape: IntShape, op: IntCompare) {
        if shape == IntShape::I64x2 && !matches!(op, IntCompare::Eq | IntCompare::Ne) {
            // Of 64-bit lanes there are only signed comparisons.
            let exchanged = !matches!(op, IntCompare::GtS | IntCompare::LeS);
            let inverted = matches!(op, IntCompare::LeS | IntCompare::GeS);
            let order = |x: Xmm, y: Xmm| if exchanged { (y, x) } else { (x, y) };
            if self.features.sse42 {
                self.lanes_by(|s, x, y| {
                    let (a, b) = order(x, y);
                    s.greater_64(x, a, b);
                    s.invert_if(inverted, x);
                });
            } else {
                self.lanes_by_three(|s, x, y, t| {
                    let (a, b) = order(x, y);
                    s.greater_64_by_hand(x, a, b, t);
                    s.invert_if(inverted, x);
                });
            }
            return;
        }
        match op {
            IntCompare::Eq => self.lanes(equal(shape), true),
            IntCompare::GtS => self.lanes(greater(shape), false),
            IntCompare::LtS => self.lanes_exchanged(greater(shape)),
            _ => self.lanes_by(|s, x, y| {
                // One is not greater than the other if it is the lesser of both.
                let lesser = match op {
                    IntCompare::Ne => None,
                    IntCompare::GeS => Some(maximum(shape, Sign::S)),
                    IntCompare::LeS => Some(minimum(shape, Sign::S)),
                    IntCompare::GeU | IntCompare::LtU => Some(maximum(shape, Sign::U)),
                    _ => Some(minimum(shape, Sign::U)),
                };
                match lesser {
                    None => s.e.sse(equal(shape), x, x, y.into()),
                    Some(op) => {
                        s.e.move_xmm(s.x, y);
                        s.e.sse(op, s.x, s.x, x.into());
                        s.e.sse(equal(shape), x, x, s.x.into());
                    }
                }
                s.invert_if(matches!(op, IntCompare::Ne | IntCompare::LtU | IntCompare::GtU), x);
            }),
        }
    }
}

impl Scratch<'_> {
    /// A constant with this value in every lane of so many bits.
    pub(super) fn every(&mut self, bits: u32, value: u64) -> Rm {
        let lanes = (0..128 / bits).fold(0u128, |all, n| all | u128::from(value) << (n * bits));
        self.e.wide_constant(lanes).into()
    }

    pub(super) fn load_constant(&mut self, x: Xmm, constant: Rm) {
        self.e.sse_two(sse::MOVAPS, x, constant);
    }

    pub(super) fn invert(&mut self, x: Xmm) {
        self.e.sse(sse::PCMPEQD, self.x, self.x, self.x.into());
        self.e.sse(sse::PXOR, x, x, self.x.into());
    }

    /// `dst = a > b`, signed lanes of 64 bits; `dst` is one of them.
    pub(super) fn greater_64(&mut self, dst: Xmm, a: Xmm, b: Xmm) {
        self.e.move_xmm(self.x, a);
        self.e.sse(sse::PCMPGTQ, self.x, self.x, b.into());
        self.e.move_xmm(dst, self.x);
    }

    /// The same where the processor has no instruction for it; `t` is another register.
    pub(super) fn greater_64_by_hand(&mut self, dst: Xmm, a: Xmm, b: Xmm, t: Xmm) {
        // By the upper halves; where they are equal, by the sign of the difference.
        self.e.move_xmm(self.x, b);
        self.e.sse(sse::PSUBQ, self.x, self.x, a.into());
        self.e.move_xmm(t, a);
        self.e.sse(sse::PCMPEQD, t, t, b.into());
        self.e.sse(sse::PAND, self.x, self.x, t.into());
        self.e.move_xmm(t, a);
        self.e.sse(sse::PCMPGTD, t, t, b.into());
        self.e.sse(sse::POR, self.x, self.x, t.into());
        self.e.sse_two_imm(sse::PSHUFD, dst, self.x.into(), 0xf5);
        self.e.shift_lanes(LaneShift::Psrad, dst, dst, 31);
    }

    pub(super) fn invert_if(&mut self, condition: bool, x: Xmm) {
        if condition {
            self.invert(x);
        }
    }

    pub(super) fn widen(&mut self, lane: NarrowLane, half: Half, sign: Sign, dst: Xmm, src: Xmm) {
        let op = match (lane, sign) {
            (NarrowLane::B1, Sign::S) => sse::PMOVSXBW,
            (NarrowLane::B1, Sign::U) => sse::PMOVZXBW,
            (NarrowLane::B2, Sign::S) => sse::PMOVSXWD,
            (NarrowLane::B2, Sign::U) => sse::PMOVZXWD,
            (NarrowLane::B4, Sign::S) => sse::PMOVSXDQ,
            (NarrowLane::B4, Sign::U) => sse::PMOVZXDQ,
        };
        let mut src = src;
        if half == Half::High {
            self.e.sse_two_imm(sse::PSHUFD, dst, src.into(), 0xee);
            src = dst;
        }
        self.e.sse_two(op, dst, src.into());
    }

    pub(super) fn widening_product(&mut self, lane: NarrowLane, half: Half, sign: Sign, x: Xmm, y: Xmm) {
        match lane {
            NarrowLane::B1 => {
                self.widen(lane, half, sign, self.x, y);
                self.widen(lane, half, sign, x, x);
                self.e.sse(sse::PMULLW, x, x, self.x.into());
            }
            NarrowLane::B2 => {
                let high = if sign == Sign::S { sse::PMULHW } else { sse::PMULHUW };
                self.e.move_xmm(self.x, x);
                self.e.sse(high, self.x, self.x, y.into());
                self.e.sse(sse::PMULLW, x, x, y.into());
                let interleave = if half == Half::Low { sse::PUNPCKLWD } else { sse::PUNPCKHWD };
                self.e.sse(interleave, x, x, self.x.into());
            }
            NarrowLane::B4 => {
                let order = if half == Half::Low { 0x50 } else { 0xfa };
                self.e.sse_two_imm(sse::PSHUFD, self.x, y.into(), order);
                self.e.sse_two_imm(sse::PSHUFD, x, x.into(), order);
                let op = if sign == Sign::S { sse::PMULDQ } else { sse::PMULUDQ };
                self.e.sse(op, x, x, self.x.into());
            }
        }
    }

    /// Products of signed lanes, and saturated sums of neighbours.
    pub(super) fn dot_i8(&mut self, x: Xmm, y: Xmm, t: Xmm) {
        self.widen(NarrowLane::B1, Half::Low, Sign::S, self.x, y);
        self.widen(NarrowLane::B1, Half::Low, Sign::S, t, x);
        self.e.sse(sse::PMADDWD, t, t, self.x.into());
        self.widen(NarrowLane::B1, Half::High, Sign::S, self.x, y);
        self.widen(NarrowLane::B1, Half::High, Sign::S, x, x);
        self.e.sse(sse::PMADDWD, x, x, self.x.into());
        self.e.sse(sse::PACKSSDW, t, t, x.into());
        self.e.move_xmm(x, t);
    }

    /// Each byte's number of ones, by halves from a table.
    pub(super) fn byte_popcnt(&mut self, x: Xmm, t: Xmm) {
        let nibbles = self.every(8, 0x0f);
        let table = self.e.wide_constant(0x0403_0302_0302_0201_0302_0201_0201_0100).into();
        self.e.shift_lanes(LaneShift::Psrlw, t, x, 4);
        self.e.sse(sse::PAND, t, t, nibbles);
        self.e.sse(sse::PAND, x, x, nibbles);
        self.load_constant(self.x, table);
        self.e.sse(sse::PSHUFB, self.x, self.x, x.into());
        self.e.move_xmm(x, self.x);
        self.load_constant(self.x, table);
        self.e.sse(sse::PSHUFB, self.x, self.x, t.into());
        self.e.sse(sse::PADDB, x, x, self.x.into());
    }

    pub(super) fn absolute_64(&mut self, x: Xmm) {
        // The sign of each, in all its bits: inverting and adding one negates.
        self.e.sse_two_imm(sse::PSHUFD, self.x, x.into(), 0xf5);
        self.e.shift_lanes(LaneShift::Psrad, self.x, self.x, 31);
        self.e.sse(sse::PXOR, x, x, self.x.into());
        self.e.sse(sse::PSUBQ, x, x, self.x.into());
    }

    pub(super) fn negate_lanes(&mut self, shape: IntShape, x: Xmm) {
        self.e.zero_xmm(self.x);
        self.e.sse(subtract(shape), self.x, self.x, x.into());
        self.e.move_xmm(x, self.x);
    }

    /// The low halves of the products of 64-bit lanes.
    pub(super) fn multiply_64(&mut self, x: Xmm, y: Xmm, t: Xmm) {
        // The upper halves of the products of lower halves, and the lower halves of the mixed ones.
        self.e.shift_lanes(LaneShift::Psrlq, t, x, 32);
        self.e.sse(sse::PMULUDQ, t, t, y.into());
        self.e.shift_lanes(LaneShift::Psrlq, self.x, y, 32);
        self.e.sse(sse::PMULUDQ, self.x, self.x, x.into());
        self.e.sse(sse::PADDQ, t, t, self.x.into());
        self.e.shift_lanes(LaneShift::Psllq, t, t, 32);
        self.e.sse(sse::PMULUDQ, x, x, y.into());
        self.e.sse(sse::PADDQ, x, x, t.into());
    }

    pub(super) fn swizzle(&mut self, x: Xmm, y: Xmm) {
        // Indices from 16 on get their highest bit set: such bytes become zero.
        let bias = self.every(8, 0x70);
        self.load_constant(self.x, bias);
        self.e.sse(sse::PADDUSB, self.x, self.x, y.into());
        self.e.sse(sse::PSHUFB, x, x, self.x.into());
    }

    /// Of fractions of 15 bits, rounded and saturated.
    pub(super) fn rounded_products(&mut self, x: Xmm, y: Xmm) {
        // Only the square of -1 overflows, to 0x8000.
        let overflow = self.every(16, 0x8000);
        self.e.sse(sse::PMULHRSW, x, x, y.into());
        self.load_constant(self.x, overflow);
        self.e.sse(sse::PCMPEQW, self.x, self.x, x.into());
        self.e.sse(sse::PXOR, x, x, self.x.into());
    }

    /// Sums of neighbours, in lanes of twice the width.
    pub(super) fn pairwise_sums(&mut self, lane: NarrowLane, sign: Sign, x: Xmm) {
        match (lane, sign) {
            (NarrowLane::B1, Sign::S) => {
                // Of the two factors, the first is unsigned.
                let ones = self.every(8, 1);
                self.load_constant(self.x, ones);
                self.e.sse(sse::PMADDUBSW, self.x, self.x, x.into());
                self.e.move_xmm(x, self.x);
            }
            (NarrowLane::B1, Sign::U) => {
                let ones = self.every(8, 1);
                self.e.sse(sse::PMADDUBSW, x, x, ones);
            }
            _ => {
                let (ones, offset, correction) = (self.every(16, 1), self.every(16, 0x8000), self.every(32, 0x1_0000));
                // Factors are signed: unsigned ones are moved down by 2^15, and the sum of two up again.
                if sign == Sign::U {
                    self.e.sse(sse::PXOR, x, x, offset);
                }
                self.e.sse(sse::PMADDWD, x, x, ones);
                if sign == Sign::U {
                    self.e.sse(sse::PADDD, x, x, correction);
                }
            }
        }
    }
}
