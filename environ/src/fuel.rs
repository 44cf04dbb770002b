//! Fuel: how much executed code costs. The one definition, which both compilers and the runtime follow, so that a
//! program costs the same whoever compiled it, in whatever style, trap or not.
//!
//! - Each operator costs 1 when it is executed; `nop`, `drop`, `unreachable`, `return` and what only delimits (`block`, `loop`,
//!   `else`, `end`, `try_table`) costs nothing. Each entry into a function costs [`ENTRY`] more. That is Wasmtime's rule as well.
//! - Operators that work on ranges cost more, for what they are asked to do: `memory.fill`, `memory.copy` and `memory.init` one
//!   for each 64 bytes ([`of_bytes`]), `table.fill`, `table.copy` and `table.init` one for each element. That is paid before anything
//!   is checked or done. `memory.grow` and `table.grow` cost the same for what they have added, afterwards.
//! - All else is paid a *stretch* at a time: operators that are executed one after the other unless one of them traps, throws
//!   or does not return. A stretch is paid for as a whole before its first operator, and not executed at all if there is not
//!   that much fuel. It begins where a function does, behind `loop`, `if`, `else` and each conditional branch, and behind an
//!   `end` that something other than the operator before it leads to. Calls do not end it.
//!
//! Exceptions in their old form cost what they are translated to ([`crate::old_exceptions`]).
//!
//! The count is in a register while compiled code runs (`x64`'s `abi::FUEL`), and in [`crate::vm::VmStoreContext::fuel`] while the
//! host does. It counts up: what is spent is added, and the sum wraps around exactly when there is not enough. So it is
//! [`counter`] of what is left.

use crate::index::*;
use crate::ops::*;
use crate::types::{HeapType, ValType};
use crate::unreachable::{Skip, Unreachable};
use crate::visit::Visitor;
use crate::walk::{Walk, WalkError};
use wasmparser::BrTable;

/// What entering a function costs.
pub const ENTRY: u32 = 1;

/// log2 of the bytes that cost 1.
pub const BYTES_LOG2: u32 = 6;

/// What an operation on so many bytes costs, besides the operator.
pub const fn of_bytes(len: u64) -> u64 {
    len >> BYTES_LOG2
}

/// The count that leaves so much fuel.
pub const fn counter(left: u64) -> u64 {
    !left
}

/// What a count leaves: the inverse of [`counter`].
pub const fn left(counter: u64) -> u64 {
    !counter
}

/// A stretch of a body.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// Where in the body its first operator begins, in bytes.
    pub position: u32,
    /// What it costs.
    pub cost: u32,
}

/// A body's stretches that cost anything, in order. With none, nothing is paid for.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    stretches: Vec<Stretch>,
    next: usize,
}

impl Plan {
    /// The plan of a validated body, by a walk that begins with its first operator.
    ///
    /// # Errors
    /// As [`Walk::step`].
    pub fn of(mut walk: Walk<'_>) -> Result<Plan, WalkError> {
        let mut meter = Meter::new(walk.position() as u32);
        while !walk.is_done() {
            meter.arrive(walk.position() as u32);
            if meter.reachable {
                walk.step(|_| Visitor(&mut meter))?;
            } else {
                let mut dead = Unreachable(&mut meter);
                walk.step(|_| Visitor(&mut dead))?;
            }
        }
        meter.stretches.retain(|stretch| stretch.cost != 0);
        Ok(Plan { stretches: meter.stretches, next: 0 })
    }

    /// What is to be paid before the operator at this position of the body, or 0. Positions are asked for in order.
    #[inline(always)]
    pub fn due(&mut self, position: usize) -> u32 {
        match self.stretches.get(self.next) {
            Some(stretch) if stretch.position as usize <= position => self.take(position),
            Some(_) | None => 0,
        }
    }

    #[inline(never)]
    fn take(&mut self, position: usize) -> u32 {
        while let Some(&Stretch { position: at, cost }) = self.stretches.get(self.next)
            && at as usize <= position
        {
            self.next += 1;
            if at as usize == position {
                return cost;
            }
        }
        0
    }

    /// All of them.
    pub fn stretches(&self) -> &[Stretch] {
        &self.stretches
    }
}

/// A block that has not ended.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
struct Frame {
    kind: Kind,
    /// Whether something other than the operator before it leads to its end.
    joined: bool,
}

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Kind {
    /// A `block`, the function itself, a `try_table`, or an `if` after its `else`.
    Block,
    Loop,
    /// Before its `else`.
    If,
}

/// What makes the plan.
#[derive(Debug)]
struct Meter {
    stretches: Vec<Stretch>,
    /// Whether the next operator begins a stretch.
    fresh: bool,
    frames: Vec<Frame>,
    reachable: bool,
    dead_blocks: u32,
}

impl Meter {
    fn new(position: u32) -> Meter {
        let stretches = vec![Stretch { position, cost: ENTRY }];
        let frames = vec![Frame { kind: Kind::Block, joined: false }];
        Meter { stretches, fresh: false, frames, reachable: true, dead_blocks: 0 }
    }

    /// The next operator is at this position.
    fn arrive(&mut self, position: u32) {
        if std::mem::take(&mut self.fresh) {
            self.stretches.push(Stretch { position, cost: 0 });
        }
    }

    fn pay(&mut self, cost: u32) {
        if let Some(stretch) = self.stretches.last_mut() {
            stretch.cost += cost;
        }
    }

    fn begin(&mut self, kind: Kind) {
        self.frames.push(Frame { kind, joined: false });
    }

    /// Something branches there.
    fn branch(&mut self, depth: u32) {
        let frame = self.frames.iter_mut().rev().nth(depth as usize);
        frame.expect("validated: a branch leads to a block around it").joined = true;
    }

    fn conditional(&mut self, depth: u32) {
        self.pay(1);
        self.branch(depth);
        self.fresh = true;
    }

    /// What follows is not reached from here.
    fn leave(&mut self, cost: u32) {
        self.pay(cost);
        self.reachable = false;
    }
}

impl Skip for Meter {
    fn dead_blocks(&mut self) -> &mut u32 {
        &mut self.dead_blocks
    }
}

/// Operators that cost 1 and go on to the next.
macro_rules! plain {
    ($($name:ident($($ty:ty),*);)*) => {
        $(fn $name(&mut self, $(_: $ty),*) { self.pay(1); })*
    };
}

impl Operators for Meter {
    type Output = ();

    fn nop(&mut self) {}

    fn drop_(&mut self) {}

    fn block(&mut self, _: BlockType) {
        self.begin(Kind::Block);
    }

    fn loop_(&mut self, _: BlockType) {
        self.begin(Kind::Loop);
        self.fresh = true;
    }

    fn if_(&mut self, _: BlockType) {
        self.pay(1);
        self.begin(Kind::If);
        self.fresh = true;
    }

    fn try_table(&mut self, _: BlockType, catches: &[Catch]) {
        // A clause's label is counted from outside.
        catches.iter().for_each(|catch| self.branch(catch.depth));
        self.begin(Kind::Block);
    }

    /// Also called when the code before it is unreachable.
    fn else_(&mut self) {
        let joined = self.reachable;
        let frame = self.frames.last_mut().expect("validated: an else belongs to an if");
        (frame.kind, frame.joined) = (Kind::Block, frame.joined || joined);
        self.reachable = true;
        self.fresh = true;
    }

    /// Also called when the code before it is unreachable.
    fn end(&mut self) {
        let frame = self.frames.pop().expect("validated: an end belongs to a block");
        let joined = match frame.kind {
            Kind::If => true,
            Kind::Block => frame.joined,
            Kind::Loop => false,
        };
        if joined {
            self.reachable = true;
            self.fresh = true;
        }
    }

    fn unreachable(&mut self) {
        self.leave(0);
    }

    fn return_(&mut self) {
        self.leave(0);
    }

    fn br(&mut self, depth: u32) {
        self.branch(depth);
        self.leave(1);
    }

    fn br_table(&mut self, targets: &BrTable<'_>) {
        targets.targets().map(|depth| depth.unwrap_or(0)).for_each(|depth| self.branch(depth));
        self.branch(targets.default());
        self.leave(1);
    }

    fn br_if(&mut self, depth: u32) {
        self.conditional(depth);
    }

    fn br_on_null(&mut self, depth: u32) {
        self.conditional(depth);
    }

    fn br_on_non_null(&mut self, depth: u32) {
        self.conditional(depth);
    }

    fn return_call(&mut self, _: FuncIndex) {
        self.leave(1);
    }

    fn return_call_indirect(&mut self, _: TypeIndex, _: TableIndex) {
        self.leave(1);
    }

    fn return_call_ref(&mut self, _: TypeIndex) {
        self.leave(1);
    }

    fn throw(&mut self, _: TagIndex) {
        self.leave(1);
    }

    fn throw_ref(&mut self) {
        self.leave(1);
    }

    plain! {
        call(FuncIndex); call_indirect(TypeIndex, TableIndex); call_ref(TypeIndex);
        select(Option<ValType>);
        local_get(LocalIndex); local_set(LocalIndex); local_tee(LocalIndex); global_get(GlobalIndex); global_set(GlobalIndex);
        load(Load, MemArg); store(Store, MemArg); load_lane(Lane, MemArg, u8); store_lane(Lane, MemArg, u8);
        memory_size(MemoryIndex); memory_grow(MemoryIndex); memory_fill(MemoryIndex); memory_copy(MemoryIndex, MemoryIndex);
        memory_init(MemoryIndex, DataIndex); data_drop(DataIndex);
        atomic_load(AtomicAccess, MemArg); atomic_store(AtomicAccess, MemArg); atomic_rmw(AtomicAccess, AtomicRmw, MemArg);
        atomic_cmpxchg(AtomicAccess, MemArg); atomic_wait(IntWidth, MemArg); atomic_notify(MemArg); atomic_fence();
        ref_null(HeapType); ref_is_null(); ref_func(FuncIndex); ref_as_non_null();
        table_get(TableIndex); table_set(TableIndex); table_size(TableIndex); table_grow(TableIndex); table_fill(TableIndex);
        table_copy(TableIndex, TableIndex); table_init(TableIndex, ElemIndex); elem_drop(ElemIndex);
        i32_const(i32); i64_const(i64); f32_const(u32); f64_const(u64); v128_const(u128);
        int_eqz(IntWidth); int_unary(IntWidth, IntUnary); int_binary(IntWidth, IntBinary); int_divide(IntWidth, IntDivide);
        int_compare(IntWidth, IntCompare); int_wide(Wide);
        float_unary(FloatWidth, FloatUnary); float_binary(FloatWidth, FloatBinary); float_compare(FloatWidth, FloatCompare);
        convert(Convert);
        splat(Shape); extract_lane(Extract, u8); replace_lane(Shape, u8); shuffle([u8; 16]);
        vec_unary(VecUnary); vec_binary(VecBinary); vec_ternary(VecTernary); vec_shift(IntShape, VecShift); vec_test(VecTest);
    }
}
