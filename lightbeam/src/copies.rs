//! Many values from one place to another: by loops, so that code is of the order of a body's bytes.
//!
//! A call or a branch has two bytes, and may take along a thousand values. Moved one by one they are ten
//! thousand bytes of code, every time.

use crate::codegen::Codegen;
use crate::frame_layout::WORD;
use crate::value::Ty;
use sconce_environ::abi::VALUE_SIZE;
use sconce_environ::types::ValType;
use sconce_x64::abi::{Arguments, Location};
use sconce_x64::encode::{Addr, Alu, Cond, Size};
use sconce_x64::register::Gpr;

/// More values than this are moved by a loop.
pub(crate) const MOVED_SINGLY: usize = 8;

/// Values one behind the other: the first one's place, and bytes from each to the next, which may be negative: 8 or 16 of them.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Row {
    pub(crate) base: Gpr,
    pub(crate) disp: i32,
    pub(crate) step: i32,
}

impl Codegen<'_> {
    /// The slots from a stack position on.
    pub(crate) fn slot_row(&self, position: u32) -> Row {
        Row { base: Gpr::Rbp, disp: self.frame.slot(position).disp(), step: -self.frame.stride() }
    }

    /// Copies eight bytes of each value, or sixteen if they are wide, between rows that have no byte in
    /// common. Neither is relative to one of the two registers, which are lost, as flags are.
    pub(crate) fn copy_row(&mut self, from: Row, to: Row, count: usize, wide: bool, [up, down]: [Gpr; 2]) {
        let place = |Row { base, disp, step }: Row| {
            let scale = (step.unsigned_abs() / WORD as u32).trailing_zeros() as u8;
            Addr::scaled(base, if step < 0 { down } else { up }, scale, disp)
        };
        let mut s = self.scratch();
        s.e.zero(up);
        s.e.zero(down);
        let again = s.e.here();
        s.copy(if wide { Ty::V128 } else { Ty::I64 }, place(to), place(from));
        s.e.alu_imm(Alu::Sub, Size::S64, down.into(), WORD);
        s.e.alu_imm(Alu::Add, Size::S64, up.into(), WORD);
        s.e.alu_imm(Alu::Cmp, Size::S32, up.into(), WORD * count as i32);
        s.e.jcc(Cond::Ne, again);
    }

    /// Puts the entries from `start` on that a convention passes on the stack there: one by one if they are few.
    pub(crate) fn place_stack_arguments(&mut self, first: &Arguments, start: usize) {
        let mut arguments = first.clone();
        let mut places: Vec<(usize, i32)> = Vec::new();
        for at in start..self.stack.len() {
            if let Location::Stack(offset) = arguments.next(self.stack[at].ty().class()) {
                places.push((at, offset as i32));
            }
        }
        if places.len() <= MOVED_SINGLY {
            for (at, offset) in places {
                self.store_value(Addr::new(Gpr::Rsp, offset), self.stack[at]);
            }
            return;
        }
        // Then registers are free, and values are in rows.
        self.spill_top(self.stack.len() - start);
        let mut rest = &places[..];
        while let [(at, offset), ..] = *rest {
            let step = rest.get(1).map_or(0, |&(_, next)| next - offset);
            let is_narrow = |n: usize| self.stack[rest[n].0].ty() != Ty::V128;
            let is_next = |n: usize| rest[n] == (at + n, offset + n as i32 * step) && (step != WORD || is_narrow(n));
            let count = (1..rest.len()).take_while(|&n| is_next(n)).count() + 1;
            if count > MOVED_SINGLY {
                let registers = [self.alloc_gpr(), self.alloc_gpr()];
                let to = Row { base: Gpr::Rsp, disp: offset, step };
                // What a wide copy of a narrow value reaches into is no value's, or is written later.
                self.copy_row(self.slot_row(at as u32), to, count, step == 2 * WORD, registers);
                registers.into_iter().for_each(|r| self.free(r));
            } else {
                for &(at, offset) in &rest[..count] {
                    self.store_value(Addr::new(Gpr::Rsp, offset), self.stack[at]);
                }
            }
            rest = &rest[count..];
        }
    }

    /// Copies values from the stack's slots to a row of [`VALUE_SIZE`] bytes each, or back.
    pub(crate) fn copy_values(
        &mut self,
        direction: Direction,
        base: Gpr,
        disp: i32,
        position: u32,
        types: &[ValType],
        registers: [Gpr; 2],
    ) {
        let memory = Row { base, disp, step: VALUE_SIZE as i32 };
        if types.len() > MOVED_SINGLY {
            let (slots, wide) = (self.slot_row(position), self.frame.is_wide());
            return match direction {
                Direction::ToSlots => self.copy_row(memory, slots, types.len(), wide, registers),
                Direction::FromSlots => self.copy_row(slots, memory, types.len(), wide, registers),
            };
        }
        for (n, &ty) in types.iter().enumerate() {
            let (ty, memory) = (Ty::of(ty), Addr::new(base, disp + (n * VALUE_SIZE) as i32));
            let slot = self.frame.slot(position + n as u32);
            let (from, to) = match direction {
                Direction::ToSlots => (memory, slot),
                Direction::FromSlots => (slot, memory),
            };
            self.copy(ty, to, from);
        }
    }
}

/// Which way values are copied.
#[derive(Copy, Clone, Debug)]
pub(crate) enum Direction {
    ToSlots,
    FromSlots,
}
