//! References between frames and everything else: what compiled code does to the counts of objects (see `environ::heap` and
//! the runtime's heap, which does the same for builtins).
//!
//! - [`read`]: a handle has been read from a table or a mutable global, or came with a caught exception, into this frame. The
//!   activations table must have it. Usually the object's header says that it does: one load, one test.
//! - [`write`]: a handle takes the place of another in a table or global. Nothing happens if both are the same; else the new one
//!   is counted, then written, then the old one is released. Only what loses its last count is left to a builtin.
//!
//! Null costs one test each time.
//!
//! The order of stores is such that an interrupt between any two leaves a count too many at worst; and none is taken there, since
//! the instructions carry the bit in their source location that says so.
//!
//! Reading an immutable global needs nothing: what it holds lives as long as the store.

use crate::alias::Region;
use crate::translate::{RESERVED_SOURCE_LOCATION_BIT, Translator};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::{I8, I32, I64};
use cranelift_codegen::ir::{Block, BlockArg, InstBuilder, SourceLoc, Value};
use sconce_environ::builtin::Builtin;
use sconce_environ::compile::BoundsStyle;
use sconce_environ::heap::{VmObject, state};
use sconce_environ::layout::VmLayout;
use std::mem::offset_of;

/// Offset of an object's state.
const STATE: u32 = offset_of!(VmObject, state) as u32;

/// A handle that has come into the frame: gives it back, inserted into the activations table.
pub(crate) fn read(t: &mut Translator<'_>, handle: Value) -> Value {
    let done = t.builder.create_block();
    let inserted = t.builder.append_block_param(done, I32);
    let (some, fresh, room) = (t.builder.create_block(), t.builder.create_block(), t.builder.create_block());
    let full = t.builder.create_block();
    t.builder.set_cold_block(fresh);
    t.builder.set_cold_block(room);
    t.builder.set_cold_block(full);
    let keep = [BlockArg::Value(handle)];
    t.builder.ins().brif(handle, some, &[], done, &keep);

    t.enter(some);
    let object = t.object(handle);
    // The flags are the lowest byte.
    let flags = t.load_trusted(I8, Region::Objects, object, STATE);
    let there = t.builder.ins().band_imm_u(flags, state::IN_TABLE as i64);
    t.builder.ins().brif(there, done, &keep, fresh, &[]);

    t.enter(fresh);
    let store = t.store_context();
    let next = t.load_trusted(I64, Region::Activations, store, VmLayout::ACTIVATIONS_NEXT);
    let end = t.load_trusted(I64, Region::Activations, store, VmLayout::ACTIVATIONS_END);
    let is_full = t.builder.ins().icmp(IntCC::Equal, next, end);
    t.builder.ins().brif(is_full, full, &[], room, &[]);

    t.enter(room);
    let outside = t.begin_uninterruptible();
    let before = t.load_trusted(I64, Region::Objects, object, STATE);
    let after = t.builder.ins().iadd_imm_u(before, (state::ONE | state::IN_TABLE) as i64);
    t.store_trusted(Region::Objects, after, object, STATE);
    t.store_trusted(Region::ActivationEntries, handle, next, 0);
    let next = t.builder.ins().iadd_imm_u(next, i64::from(I32.bytes()));
    t.store_trusted(Region::Activations, next, store, VmLayout::ACTIVATIONS_NEXT);
    t.end_uninterruptible(outside);
    t.builder.ins().jump(done, &keep);

    // The builtin gives the handle back, so that this frame need not keep it meanwhile.
    t.enter(full);
    let same = t.builtin(Builtin::ActivationsInsert, &[handle]).expect("it has a result");
    t.builder.ins().jump(done, &[BlockArg::Value(same)]);

    t.enter(done);
    inserted
}

/// Writes a handle to `place + offset` in the place of the one that is there.
pub(crate) fn write(t: &mut Translator<'_>, region: Region, new: Value, place: Value, offset: u32) {
    let old = t.load_trusted(I32, region, place, offset);
    let done = t.builder.create_block();
    let blocks: [Block; 5] = std::array::from_fn(|_| t.builder.create_block());
    let [differ, count, write, release, last] = blocks;
    t.builder.set_cold_block(last);
    let same = t.builder.ins().icmp(IntCC::Equal, old, new);
    t.builder.ins().brif(same, done, &[], differ, &[]);

    t.enter(differ);
    let outside = t.begin_uninterruptible();
    t.builder.ins().brif(new, count, &[], write, &[]);

    t.enter(count);
    let object = t.object(new);
    let before = t.load_trusted(I64, Region::Objects, object, STATE);
    let after = t.builder.ins().iadd_imm_u(before, state::ONE as i64);
    t.store_trusted(Region::Objects, after, object, STATE);
    t.builder.ins().jump(write, &[]);

    t.enter(write);
    t.store_trusted(region, new, place, offset);
    t.builder.ins().brif(old, release, &[], done, &[]);

    t.enter(release);
    let object = t.object(old);
    let before = t.load_trusted(I64, Region::Objects, object, STATE);
    let after = t.builder.ins().iadd_imm_s(before, -(state::ONE as i64));
    t.store_trusted(Region::Objects, after, object, STATE);
    let dead = t.builder.ins().icmp_imm_u(IntCC::UnsignedLessThan, after, state::ONE as i64);
    t.builder.ins().brif(dead, last, &[], done, &[]);

    t.enter(last);
    t.builtin(Builtin::ReleaseLast, &[old]);
    t.end_uninterruptible(outside);
    t.builder.ins().jump(done, &[]);

    t.enter(done);
}

impl Translator<'_> {
    /// Continues in a block whose predecessors are all there.
    fn enter(&mut self, block: Block) {
        self.builder.seal_block(block);
        self.builder.switch_to_block(block);
    }

    fn store_context(&mut self) -> Value {
        self.vmctx_constant(I64, VmLayout::STORE)
    }

    /// The address of a handle's object. Where the cage may be shorter than 4 GiB, a handle beyond its end, which only a mistake
    /// of ours could make, becomes null: the page there is inaccessible.
    fn object(&mut self, handle: Value) -> Value {
        let store = self.store_context();
        let base = self.constant(I64, store, VmLayout::CAGE_BASE);
        let mut offset = self.builder.ins().uextend(I64, handle);
        if self.env.settings.bounds == BoundsStyle::Explicit {
            let length = self.constant(I64, store, VmLayout::CAGE_LENGTH);
            let inside = self.builder.ins().icmp(IntCC::UnsignedLessThan, offset, length);
            let null = self.builder.ins().iconst(I64, 0);
            offset = self.builder.ins().select_spectre_guard(inside, offset, null);
        }
        self.builder.ins().iadd(base, offset)
    }

    /// What follows must not be interrupted, up to [`Translator::end_uninterruptible`].
    pub(crate) fn begin_uninterruptible(&mut self) -> SourceLoc {
        let outside = self.builder.srcloc();
        self.builder.set_srcloc(SourceLoc::new(outside.bits() | RESERVED_SOURCE_LOCATION_BIT));
        outside
    }

    pub(crate) fn end_uninterruptible(&mut self, outside: SourceLoc) {
        self.builder.set_srcloc(outside);
    }
}
