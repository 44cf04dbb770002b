//! References between frames and everything else: what compiled code does to the counts of objects (see `environ::heap` and
//! the runtime's heap, which does the same for builtins).
//!
//! - [`read`]: a handle comes from a table or a mutable global into this frame. The activations table must
//!   have it (what comes with a caught exception was inserted by the runtime). Usually the object's header
//!   says that it does: one test of a byte in memory.
//! - [`write`]: a handle takes the place of another in a table or global. Nothing happens if both are the same; else the new one
//!   is counted, then written, then the old one is released. Only what loses its last count is left to a builtin.
//!
//! Null has a header like everything else, so nobody asks for it.
//!
//! What only the slow paths need is loaded there: as a constant of the function it would take registers from the loop around.
//!
//! The order of stores is such that an interrupt between any two leaves a count too many at worst; and none is taken there, since
//! the instructions carry the bit in their source location that says so.
//!
//! Reading an immutable global needs nothing: what it holds lives as long as the store.

use crate::alias::{self, Region};
use crate::env::displacement;
use crate::location::UNINTERRUPTIBLE;
use crate::translate::Translator;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::{I8, I32, I64};
use cranelift_codegen::ir::{Block, BlockArg, InstBuilder, InstructionData, MemFlags, Opcode, Value};
use sconce_environ::builtin::Builtin;
use sconce_environ::compile::BoundsStyle;
use sconce_environ::heap::{VmObject, state};
use sconce_environ::layout::VmLayout;
use std::mem::offset_of;

/// Offset of an object's state.
const STATE: u32 = offset_of!(VmObject, state) as u32;

/// Loads a handle that comes into the frame, and gives it, inserted into the activations table. `first` are
/// the flags of the load.
pub(crate) fn read(t: &mut Translator<'_>, first: MemFlags, place: Value, offset: u32) -> Value {
    let done = t.builder.create_block();
    let inserted = t.builder.append_block_param(done, I32);
    let (fresh, room, full) = (t.builder.create_block(), t.builder.create_block(), t.builder.create_block());
    t.builder.set_cold_block(fresh);
    t.builder.set_cold_block(room);
    t.builder.set_cold_block(full);
    let wide = t.load_with(Opcode::Uload32, I64, first, place, displacement(offset));
    let handle = t.builder.ins().ireduce(I32, wide);
    let keep = [BlockArg::Value(handle)];
    let object = t.object(wide);
    // The flags are the lowest byte, and no sweep is under way.
    let flags = t.load_trusted(I8, Region::Objects, object, STATE);
    let there = t.builder.ins().icmp_imm_u(IntCC::Equal, flags, state::IN_TABLE as i64);
    t.builder.ins().brif(there, done, &keep, fresh, &[]);

    t.enter(fresh);
    let store = t.load_trusted(I64, Region::Runtime, t.env.vmctx, VmLayout::STORE);
    let next = t.load_trusted(I64, Region::Activations, store, VmLayout::ACTIVATIONS_NEXT);
    let end = t.load_trusted(I64, Region::Activations, store, VmLayout::ACTIVATIONS_END);
    let is_full = t.builder.ins().icmp(IntCC::Equal, next, end);
    t.builder.ins().brif(is_full, full, &[], room, &[]);

    t.enter(room);
    let outside = t.mark(UNINTERRUPTIBLE);
    let before = t.load_trusted(I64, Region::Objects, object, STATE);
    let after = t.builder.ins().iadd_imm_u(before, (state::ONE | state::IN_TABLE) as i64);
    t.store_trusted(Region::Objects, after, object, STATE);
    t.store_trusted(Region::ActivationEntries, handle, next, 0);
    let next = t.builder.ins().iadd_imm_u(next, i64::from(I32.bytes()));
    t.store_trusted(Region::Activations, next, store, VmLayout::ACTIVATIONS_NEXT);
    t.builder.set_srcloc(outside);
    t.builder.ins().jump(done, &keep);

    // The argument goes through memory: the handle itself would have to be in a certain register, and on the fast path be moved
    // there or away from there. (What is loaded is wider than what was stored, so nobody finds out that both are the same.)
    t.enter(full);
    t.store_trusted(Region::Activations, handle, store, VmLayout::INCOMING);
    let flags = alias::trusted(t.builder.func, Region::Activations);
    let argument = t.load_with(Opcode::Uload32, I64, flags, store, displacement(VmLayout::INCOMING));
    let argument = t.builder.ins().ireduce(I32, argument);
    t.rare_call(Builtin::ActivationsInsert, argument, done, &keep);

    t.enter(done);
    inserted
}

/// Writes a handle to `place + offset` in the place of the one that is there. `first` are the flags of the load of that one; what
/// follows does not fault.
pub(crate) fn write(t: &mut Translator<'_>, region: Region, first: MemFlags, new: Value, place: Value, offset: u32) {
    let wide_old = t.load_with(Opcode::Uload32, I64, first, place, displacement(offset));
    let old = t.builder.ins().ireduce(I32, wide_old);
    let done = t.builder.create_block();
    let (differ, last) = (t.builder.create_block(), t.builder.create_block());
    t.builder.set_cold_block(differ);
    t.builder.set_cold_block(last);
    let same = t.builder.ins().icmp(IntCC::Equal, new, old);
    t.builder.ins().brif(same, done, &[], differ, &[]);

    t.enter(differ);
    // Addresses may be computed elsewhere, in front of a loop: as a part of what must not be cut they would
    // join the loop's head to it.
    let counted = (!t.is_zero(new)).then(|| {
        let wide = t.builder.ins().uextend(I64, new);
        t.object(wide)
    });
    let released = t.object(wide_old);
    let outside = t.mark(UNINTERRUPTIBLE);
    if let Some(object) = counted {
        let before = t.load_trusted(I64, Region::Objects, object, STATE);
        let after = t.builder.ins().iadd_imm_u(before, state::ONE as i64);
        t.store_trusted(Region::Objects, after, object, STATE);
    }
    t.store_trusted(region, new, place, offset);
    let before = t.load_trusted(I64, Region::Objects, released, STATE);
    let after = t.builder.ins().iadd_imm_s(before, -(state::ONE as i64));
    t.store_trusted(Region::Objects, after, released, STATE);
    let dead = t.builder.ins().icmp_imm_u(IntCC::UnsignedLessThan, after, state::ONE as i64);
    t.builder.ins().brif(dead, last, &[], done, &[]);

    t.enter(last);
    t.rare_call(Builtin::ReleaseLast, old, done, &[]);
    t.builder.set_srcloc(outside);

    t.enter(done);
}

impl Translator<'_> {
    /// Continues in a block whose predecessors are all there.
    fn enter(&mut self, block: Block) {
        self.builder.seal_block(block);
        self.builder.switch_to_block(block);
    }

    /// Whether a value is known to be null.
    fn is_zero(&self, value: Value) -> bool {
        let dfg = &self.builder.func.dfg;
        let Some(inst) = dfg.value_def(value).inst() else { return false };
        matches!(dfg.insts[inst], InstructionData::UnaryImm { opcode: Opcode::Iconst, imm } if imm.bits() == 0)
    }

    /// The address of the object of a handle, which is zero-extended. Where the cage may be shorter than 4
    /// GiB, a handle beyond its end, which only a mistake of ours could make, becomes null.
    fn object(&mut self, mut offset: Value) -> Value {
        let store = self.vmctx_constant(I64, VmLayout::STORE);
        let base = self.constant(I64, store, VmLayout::CAGE_BASE);
        if self.env.settings.bounds == BoundsStyle::Explicit {
            let length = self.constant(I64, store, VmLayout::CAGE_LENGTH);
            let inside = self.builder.ins().icmp(IntCC::UnsignedLessThan, offset, length);
            let null = self.builder.ins().iconst(I64, 0);
            offset = self.builder.ins().select_spectre_guard(inside, offset, null);
        }
        self.builder.ins().iadd(base, offset)
    }
}
