//! Lanes of integers: operands, and the sequences that stand for what the processor has no instruction for.

use super::{equal, greater, maximum, minimum, subtract};
use crate::codegen::{Codegen, XSCRATCH};
use crate::value::{Ty, Value};
use sconce_environ::ops::*;
use sconce_x64::asm::Xmm;
use sconce_x64::encode::Rm;
use sconce_x64::sse::{self, LaneShift, Sse};

impl Codegen<'_> {
    /// A constant with this value in every lane of so many bits.
    pub(super) fn every(&mut self, bits: u32, value: u64) -> Rm {
        let lanes = (0..128 / bits).fold(0u128, |all, n| all | u128::from(value) << (n * bits));
        self.e.wide_constant(lanes).into()
    }

    pub(super) fn load_constant(&mut self, x: Xmm, constant: Rm) {
        self.e.sse_two(sse::MOVAPS, x, constant);
    }

    pub(super) fn invert(&mut self, x: Xmm) {
        self.e.sse(sse::PCMPEQD, XSCRATCH, XSCRATCH, XSCRATCH.into());
        self.e.sse(sse::PXOR, x, x, XSCRATCH.into());
    }

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
        let operand = self.vector_rm(b);
        self.e.sse(op, dst, x, operand);
        self.release_xmm_unless(x, dst);
        self.release(b);
        self.push_xmm(Ty::V128, dst);
    }

    /// A sequence on the first operand's own register and the second operand's.
    pub(super) fn lanes_by(&mut self, f: impl FnOnce(&mut Self, Xmm, Xmm)) {
        let b = self.pop();
        let a = self.pop();
        let x = self.own_xmm(a);
        let y = self.xmm(b);
        f(self, x, y);
        self.free_xmm(y);
        self.push_xmm(Ty::V128, x);
    }

    pub(super) fn compare_lanes(&mut self, shape: IntShape, op: IntCompare) {
        if shape == IntShape::I64x2 && !matches!(op, IntCompare::Eq | IntCompare::Ne) {
            return self.lanes_by(|c, x, y| {
                match op {
                    IntCompare::GtS | IntCompare::LeS => c.greater_64(x, x, y),
                    // Of 64-bit lanes there are only signed comparisons.
                    _ => c.greater_64(x, y, x),
                }
                if matches!(op, IntCompare::LeS | IntCompare::GeS) {
                    c.invert(x);
                }
            });
        }
        match op {
            IntCompare::Eq => self.lanes(equal(shape), true),
            IntCompare::GtS => self.lanes(greater(shape), false),
            IntCompare::LtS => self.lanes_exchanged(greater(shape)),
            _ => self.lanes_by(|c, x, y| {
                // One is not greater than the other if it is the lesser of both.
                let lesser = match op {
                    IntCompare::Ne => None,
                    IntCompare::GeS => Some(maximum(shape, Sign::S)),
                    IntCompare::LeS => Some(minimum(shape, Sign::S)),
                    IntCompare::GeU | IntCompare::LtU => Some(maximum(shape, Sign::U)),
                    _ => Some(minimum(shape, Sign::U)),
                };
                match lesser {
                    None => c.e.sse(equal(shape), x, x, y.into()),
                    Some(op) => {
                        c.e.move_xmm(XSCRATCH, y);
                        c.e.sse(op, XSCRATCH, XSCRATCH, x.into());
                        c.e.sse(equal(shape), x, x, XSCRATCH.into());
                    }
                }
                if matches!(op, IntCompare::Ne | IntCompare::LtU | IntCompare::GtU) {
                    c.invert(x);
                }
            }),
        }
    }

    /// `dst = a > b`, signed lanes of 64 bits; `dst` is one of them.
    pub(super) fn greater_64(&mut self, dst: Xmm, a: Xmm, b: Xmm) {
        if self.features.sse42 {
            self.e.move_xmm(XSCRATCH, a);
            self.e.sse(sse::PCMPGTQ, XSCRATCH, XSCRATCH, b.into());
            return self.e.move_xmm(dst, XSCRATCH);
        }
        // By the upper halves; where they are equal, by the sign of the difference.
        let t = self.alloc_xmm();
        self.e.move_xmm(XSCRATCH, b);
        self.e.sse(sse::PSUBQ, XSCRATCH, XSCRATCH, a.into());
        self.e.move_xmm(t, a);
        self.e.sse(sse::PCMPEQD, t, t, b.into());
        self.e.sse(sse::PAND, XSCRATCH, XSCRATCH, t.into());
        self.e.move_xmm(t, a);
        self.e.sse(sse::PCMPGTD, t, t, b.into());
        self.e.sse(sse::POR, XSCRATCH, XSCRATCH, t.into());
        self.e.sse_two_imm(sse::PSHUFD, dst, XSCRATCH.into(), 0xf5);
        self.e.shift_lanes(LaneShift::Psrad, dst, dst, 31);
        self.free_xmm(t);
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
                self.widen(lane, half, sign, XSCRATCH, y);
                self.widen(lane, half, sign, x, x);
                self.e.sse(sse::PMULLW, x, x, XSCRATCH.into());
            }
            NarrowLane::B2 => {
                let high = if sign == Sign::S { sse::PMULHW } else { sse::PMULHUW };
                self.e.move_xmm(XSCRATCH, x);
                self.e.sse(high, XSCRATCH, XSCRATCH, y.into());
                self.e.sse(sse::PMULLW, x, x, y.into());
                let interleave = if half == Half::Low { sse::PUNPCKLWD } else { sse::PUNPCKHWD };
                self.e.sse(interleave, x, x, XSCRATCH.into());
            }
            NarrowLane::B4 => {
                let order = if half == Half::Low { 0x50 } else { 0xfa };
                self.e.sse_two_imm(sse::PSHUFD, XSCRATCH, y.into(), order);
                self.e.sse_two_imm(sse::PSHUFD, x, x.into(), order);
                let op = if sign == Sign::S { sse::PMULDQ } else { sse::PMULUDQ };
                self.e.sse(op, x, x, XSCRATCH.into());
            }
        }
    }

    /// Products of signed lanes, and saturated sums of neighbours.
    pub(super) fn dot_i8(&mut self, x: Xmm, y: Xmm) {
        let t = self.alloc_xmm();
        self.widen(NarrowLane::B1, Half::Low, Sign::S, XSCRATCH, y);
        self.widen(NarrowLane::B1, Half::Low, Sign::S, t, x);
        self.e.sse(sse::PMADDWD, t, t, XSCRATCH.into());
        self.widen(NarrowLane::B1, Half::High, Sign::S, XSCRATCH, y);
        self.widen(NarrowLane::B1, Half::High, Sign::S, x, x);
        self.e.sse(sse::PMADDWD, x, x, XSCRATCH.into());
        self.e.sse(sse::PACKSSDW, t, t, x.into());
        self.e.move_xmm(x, t);
        self.free_xmm(t);
    }

    /// Each byte's number of ones, by halves from a table.
    pub(super) fn byte_popcnt(&mut self, x: Xmm) {
        let t = self.alloc_xmm();
        let nibbles = self.every(8, 0x0f);
        let table = self.e.wide_constant(0x0403_0302_0302_0201_0302_0201_0201_0100).into();
        self.e.shift_lanes(LaneShift::Psrlw, t, x, 4);
        self.e.sse(sse::PAND, t, t, nibbles);
        self.e.sse(sse::PAND, x, x, nibbles);
        self.load_constant(XSCRATCH, table);
        self.e.sse(sse::PSHUFB, XSCRATCH, XSCRATCH, x.into());
        self.e.move_xmm(x, XSCRATCH);
        self.load_constant(XSCRATCH, table);
        self.e.sse(sse::PSHUFB, XSCRATCH, XSCRATCH, t.into());
        self.e.sse(sse::PADDB, x, x, XSCRATCH.into());
        self.free_xmm(t);
    }

    pub(super) fn absolute_64(&mut self, x: Xmm) {
        // The sign of each, in all its bits: inverting and adding one negates.
        self.e.sse_two_imm(sse::PSHUFD, XSCRATCH, x.into(), 0xf5);
        self.e.shift_lanes(LaneShift::Psrad, XSCRATCH, XSCRATCH, 31);
        self.e.sse(sse::PXOR, x, x, XSCRATCH.into());
        self.e.sse(sse::PSUBQ, x, x, XSCRATCH.into());
    }

    pub(super) fn negate_lanes(&mut self, shape: IntShape, x: Xmm) {
        self.e.zero_xmm(XSCRATCH);
        self.e.sse(subtract(shape), XSCRATCH, XSCRATCH, x.into());
        self.e.move_xmm(x, XSCRATCH);
    }

    /// The low halves of the products of 64-bit lanes.
    pub(super) fn multiply_64(&mut self, x: Xmm, y: Xmm) {
        // The upper halves of the products of lower halves, and the lower halves of the mixed ones.
        let t = self.alloc_xmm();
        self.e.shift_lanes(LaneShift::Psrlq, t, x, 32);
        self.e.sse(sse::PMULUDQ, t, t, y.into());
        self.e.shift_lanes(LaneShift::Psrlq, XSCRATCH, y, 32);
        self.e.sse(sse::PMULUDQ, XSCRATCH, XSCRATCH, x.into());
        self.e.sse(sse::PADDQ, t, t, XSCRATCH.into());
        self.e.shift_lanes(LaneShift::Psllq, t, t, 32);
        self.e.sse(sse::PMULUDQ, x, x, y.into());
        self.e.sse(sse::PADDQ, x, x, t.into());
        self.free_xmm(t);
    }

    pub(super) fn swizzle(&mut self, x: Xmm, y: Xmm) {
        // Indices from 16 on get their highest bit set: such bytes become zero.
        let bias = self.every(8, 0x70);
        self.load_constant(XSCRATCH, bias);
        self.e.sse(sse::PADDUSB, XSCRATCH, XSCRATCH, y.into());
        self.e.sse(sse::PSHUFB, x, x, XSCRATCH.into());
    }

    /// Of fractions of 15 bits, rounded and saturated.
    pub(super) fn rounded_products(&mut self, x: Xmm, y: Xmm) {
        // Only the square of -1 overflows, to 0x8000.
        let overflow = self.every(16, 0x8000);
        self.e.sse(sse::PMULHRSW, x, x, y.into());
        self.load_constant(XSCRATCH, overflow);
        self.e.sse(sse::PCMPEQW, XSCRATCH, XSCRATCH, x.into());
        self.e.sse(sse::PXOR, x, x, XSCRATCH.into());
    }

    /// Sums of neighbours, in lanes of twice the width.
    pub(super) fn pairwise_sums(&mut self, lane: NarrowLane, sign: Sign, x: Xmm) {
        match (lane, sign) {
            (NarrowLane::B1, Sign::S) => {
                // Of the two factors, the first is unsigned.
                let ones = self.every(8, 1);
                self.load_constant(XSCRATCH, ones);
                self.e.sse(sse::PMADDUBSW, XSCRATCH, XSCRATCH, x.into());
                self.e.move_xmm(x, XSCRATCH);
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
