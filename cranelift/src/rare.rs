//! Calls of builtins that hardly ever happen: a barrier's slow paths.
//!
//! Around them, nothing is to be noticed of them. So they clobber no registers (`CallConv::PreserveAll`; the
//! trampoline saves all, [`Builtin::keeps_registers`]), and what a sweep is to find is written to the frame
//! right before such a call, where any other call has each handle written there when it is defined, and
//! loaded at each use: objects do not move, so that what is in registers stays right. That needs to know
//! which handles are live at the call: a backward analysis, once the body is translated.
//!
//! The sets are bounded. Where more than [`MAX_LIVE`] handles are live, the call is treated as any other: so
//! neither this analysis nor the code in front of such calls can become the square of a function.

use crate::alias::{self, Region};
use crate::env::displacement;
use crate::translate::Translator;
use cranelift_codegen::cursor::{Cursor, FuncCursor};
use cranelift_codegen::entity::{EntitySet, SecondaryMap};
use cranelift_codegen::ir::types::{I32, I64};
use cranelift_codegen::ir::{
    Block, BlockArg, Function, Inst, InstBuilder, SigRef, StackSlot, StackSlotData, StackSlotKind, UserStackMapEntry, Value,
};
use cranelift_codegen::traversals::Dfs;
use sconce_environ::abi::VALUE_SIZE;
use sconce_environ::builtin::Builtin;
use sconce_environ::layout::VmLayout;
use smallvec::SmallVec;
use std::collections::HashMap;

/// Handles that are written to the frame in front of a call, at most.
const MAX_LIVE: usize = 16;

/// A call that is still to be inserted.
#[derive(Copy, Clone, Debug)]
struct RareCall {
    /// What ends the call's block, in front of which it goes.
    jump: Inst,
    builtin: Builtin,
    signature: SigRef,
    argument: Value,
}

/// A function's rare calls, and what is known about its handles.
#[derive(Debug, Default)]
pub(crate) struct RareCalls {
    calls: Vec<RareCall>,
    /// Those that operators make. What joins them is missing.
    handles: EntitySet<Value>,
}

/// Handles that are live somewhere; `None` stands for too many.
type Live = Option<SmallVec<[Value; 4]>>;

impl RareCalls {
    /// Whether it is known that a value is a handle.
    pub(crate) fn is_handle(&self, value: Value) -> bool {
        self.handles.contains(value)
    }
}

impl Translator<'_> {
    /// Says that a value is a handle.
    pub(crate) fn declare_handle(&mut self, value: Value) {
        self.builder.declare_value_needs_stack_map(value);
        self.rare.handles.insert(value);
    }

    /// Ends a block with a call and a jump.
    pub(crate) fn rare_call(&mut self, builtin: Builtin, argument: Value, next: Block, args: &[BlockArg]) {
        debug_assert!(builtin.keeps_registers() && builtin.result().is_none());
        let signature = self.builtin_signature(builtin);
        let jump = self.builder.ins().jump(next, args);
        self.rare.calls.push(RareCall { jump, builtin, signature, argument });
    }

    /// Writes handles to the frame, and inserts the calls that have too many of them. The others follow in [`Frames::finish`],
    /// when Cranelift has seen to the handles at all other calls.
    pub(crate) fn prepare_rare_calls(&mut self) -> Frames {
        let vmctx = self.env.vmctx;
        let RareCalls { calls, handles } = std::mem::take(&mut self.rare);
        let mut frames = Frames { vmctx, slot: None, calls: Vec::new() };
        if calls.is_empty() {
            return frames;
        }
        let func = &mut *self.builder.func;
        let live = live_ins(func, &with_joins(func, handles));
        for call in calls {
            let block = func.layout.inst_block(call.jump).expect("a jump stands in a block");
            match live_out(func, block, &live) {
                Some(handles) => {
                    frames.write(func, &call, &handles);
                    frames.calls.push((call, handles.len()));
                }
                None => {
                    insert(func, &call, vmctx);
                }
            }
        }
        frames
    }
}

/// Calls whose handles are in the frame already.
#[derive(Debug)]
pub(crate) struct Frames {
    vmctx: Value,
    /// Where handles are, each in [`VALUE_SIZE`] bytes: one place for all calls.
    slot: Option<StackSlot>,
    /// And how many handles there are.
    calls: Vec<(RareCall, usize)>,
}

impl Frames {
    fn write(&mut self, func: &mut Function, call: &RareCall, handles: &[Value]) {
        if handles.is_empty() {
            return;
        }
        let slot = *self.slot.get_or_insert_with(|| {
            let align_shift = VALUE_SIZE.trailing_zeros() as u8;
            func.create_sized_stack_slot(StackSlotData::new(StackSlotKind::ExplicitSlot, 0, align_shift))
        });
        let size = &mut func.sized_stack_slots[slot].size;
        *size = (*size).max((handles.len() * VALUE_SIZE) as u32);
        let flags = alias::trusted(func, Region::StackMaps);
        let mut pos = before(func, call);
        for (i, &handle) in handles.iter().enumerate() {
            let place = pos.ins().stack_addr(I64, slot, (i * VALUE_SIZE) as i32);
            pos.ins().Store(cranelift_codegen::ir::Opcode::Store, I32, flags, 0.into(), handle, place);
        }
    }

    /// Inserts the calls, and says where their handles are.
    pub(crate) fn finish(self, func: &mut Function) {
        for (call, count) in self.calls {
            let inst = insert(func, &call, self.vmctx);
            let Some(slot) = self.slot else { continue };
            for i in 0..count {
                let entry = UserStackMapEntry { ty: I32, slot, offset: (i * VALUE_SIZE) as u32 };
                func.dfg.append_user_stack_map_entry(inst, entry);
            }
        }
    }
}

/// In front of a call's jump, as part of the same operator.
fn before<'f>(func: &'f mut Function, call: &RareCall) -> FuncCursor<'f> {
    let loc = func.srcloc(call.jump);
    FuncCursor::new(func).at_inst(call.jump).with_srcloc(loc)
}

fn insert(func: &mut Function, call: &RareCall, vmctx: Value) -> Inst {
    let flags = alias::trusted(func, Region::Runtime);
    let mut pos = before(func, call);
    let mut load = |base, offset| {
        let (inst, dfg) = pos.ins().Load(cranelift_codegen::ir::Opcode::Load, I64, flags, displacement(offset).into(), base);
        dfg.first_result(inst)
    };
    let table = load(vmctx, VmLayout::BUILTINS);
    let code = load(table, call.builtin as u32 * size_of::<usize>() as u32);
    pos.ins().call_indirect(call.signature, code, &[vmctx, call.argument])
}

/// Adds the block parameters that handles are passed to.
fn with_joins(func: &Function, mut handles: EntitySet<Value>) -> EntitySet<Value> {
    let mut joins: HashMap<Value, SmallVec<[Value; 2]>> = HashMap::new();
    let mut found = Vec::new();
    for block in func.layout.blocks() {
        let Some(last) = func.layout.last_inst(block) else { continue };
        for call in func.dfg.insts[last].branch_destination(&func.dfg.jump_tables, &func.dfg.exception_tables) {
            let params = func.dfg.block_params(call.block(&func.dfg.value_lists));
            for (arg, &param) in call.args(&func.dfg.value_lists).zip(params) {
                let Some(arg) = arg.as_value().map(|arg| func.dfg.resolve_aliases(arg)) else { continue };
                if handles.contains(param) || func.dfg.value_type(param) != I32 {
                    continue;
                }
                if handles.contains(arg) {
                    handles.insert(param);
                    found.push(param);
                } else {
                    joins.entry(arg).or_default().push(param);
                }
            }
        }
    }
    // A parameter may have been found after it was seen as an argument.
    let known: Vec<Value> = joins.keys().copied().filter(|&arg| handles.contains(arg)).collect();
    found.extend(known);
    while let Some(handle) = found.pop() {
        for param in joins.remove(&handle).unwrap_or_default() {
            if handles.insert(param) {
                found.push(param);
            }
        }
    }
    handles
}

/// The handles that are live where each block begins, its parameters not among them.
fn live_ins(func: &Function, handles: &EntitySet<Value>) -> SecondaryMap<Block, Live> {
    let mut live: SecondaryMap<Block, Live> = SecondaryMap::with_default(Some(SmallVec::new()));
    let post_order: Vec<Block> = Dfs::new().post_order_iter(func).collect();
    let mut predecessors: SecondaryMap<Block, SmallVec<[Block; 2]>> = SecondaryMap::new();
    for &block in &post_order {
        for successor in func.block_successors(block) {
            predecessors[successor].push(block);
        }
    }
    let mut waiting = EntitySet::new();
    post_order.iter().for_each(|&block| {
        waiting.insert(block);
    });
    let mut work: Vec<Block> = post_order.into_iter().rev().collect();
    while let Some(block) = work.pop() {
        waiting.remove(block);
        let now = live_in(func, block, handles, live_out(func, block, &live));
        // Sets only grow.
        if now.as_ref().map(SmallVec::len) != live[block].as_ref().map(SmallVec::len) {
            live[block] = now;
            work.extend(predecessors[block].iter().copied().filter(|&p| waiting.insert(p)));
        }
    }
    live
}

fn live_out(func: &Function, block: Block, live: &SecondaryMap<Block, Live>) -> Live {
    let mut out = Some(SmallVec::new());
    for successor in func.block_successors(block) {
        match &live[successor] {
            Some(values) => values.iter().for_each(|&value| add(&mut out, value)),
            None => return None,
        }
    }
    out
}

fn live_in(func: &Function, block: Block, handles: &EntitySet<Value>, mut live: Live) -> Live {
    let mut next = func.layout.last_inst(block);
    while let Some(inst) = next {
        live.as_mut()?.retain(|value| !func.dfg.inst_results(inst).contains(value));
        for value in func.dfg.inst_values(inst) {
            let value = func.dfg.resolve_aliases(value);
            if handles.contains(value) {
                add(&mut live, value);
            }
        }
        next = func.layout.prev_inst(inst);
    }
    live.as_mut()?.retain(|value| !func.dfg.block_params(block).contains(value));
    live
}

fn add(live: &mut Live, value: Value) {
    if let Some(values) = live
        && !values.contains(&value)
    {
        if values.len() == MAX_LIVE {
            *live = None;
        } else {
            values.push(value);
        }
    }
}
