//! What compiling a function will cost, found out in a walk that costs a thousandth of that.
//!
//! Cranelift's time is not of the order of a body's bytes. A local that is set in many blocks has a value of
//! its own at each place where branches meet; a value that lives across many blocks or calls is looked at in
//! each of them; a call names every handler around it; and operators with a thousand operands are as short as
//! others. So the walk counts those products, and a function that is too dear by them ([`Counts::too_dear`])
//! is left to the other compiler, whose work is of the order of the body.

use sconce_environ::block::BlockTypes;
use sconce_environ::compile::FunctionInput;
use sconce_environ::index::*;
use sconce_environ::locals::LocalNumbers;
use sconce_environ::module::Module;
use sconce_environ::ops::*;
use sconce_environ::types::{FuncType, HeapType, ValType};
use sconce_environ::unreachable::{Skip, Unreachable};
use sconce_environ::visit::Visitor;
use sconce_environ::walk::{Walk, WalkError};
use wasmparser::BrTable;

/// A block that has not ended.
#[derive(Copy, Clone, Debug)]
struct Frame {
    /// Length of the stack below its parameters.
    height: u64,
    params: u64,
    results: u64,
    is_loop: bool,
    /// Handlers outside.
    handlers: u64,
    /// Its number, among all of the function.
    number: u32,
    /// How many branches go to its label, and how long `sets` was at the first and at the last one; for a loop, where it begins.
    branches: u64,
    first: usize,
    last: usize,
    /// The `br_table` that named it last.
    table: u32,
}

/// What is known of a local.
#[derive(Copy, Clone, Debug)]
struct Local {
    /// The first and the last block that name it, or in which it may live.
    first: u64,
    last: u64,
    /// The frame in which it is set first, and where that is in `control`: as long as that is open, nothing
    /// else can have been before.
    frame: u32,
    depth: u32,
    /// The outermost loop that named it last.
    in_loop: u32,
}

/// What one function after another is estimated with.
#[derive(Debug, Default)]
pub(crate) struct Allocations {
    pub(crate) locals: LocalNumbers,
    control: Vec<Frame>,
    /// By number.
    known: Vec<Local>,
    /// The locals that the outermost loop around names.
    in_loop: Vec<u32>,
    /// Locals that are set, by number in the order of naming; what blocks that have ended set stands there once.
    sets: Vec<u32>,
    /// By number: at the end of which frame the local was met last.
    met: Vec<u32>,
}

/// What a function consists of.
#[derive(Copy, Clone, Debug, Default)]
pub(crate) struct Counts {
    /// Operators.
    operators: u64,
    /// Basic blocks.
    blocks: u64,
    /// For each block, what is on the stack where it begins.
    across_blocks: u64,
    /// Calls.
    calls: u64,
    /// For each call, what is on the stack below its arguments.
    across_calls: u64,
    /// Operands and results of calls, parameters of blocks and values that branches take along.
    operands: u64,
    /// For each call, the handlers around it, and their squares.
    handlers: u64,
    handlers_squared: u64,
    /// Calls with handlers around them.
    guarded: u64,
    /// Locals that are named.
    locals: u64,
    /// For each local that is named in more than one block, the blocks in which it may live.
    spans: u64,
    /// For each label, the locals that may have different values where branches come from, times those
    /// branches; and for each loop's, times the loops around it.
    joins: u64,
    nested_joins: u64,
    /// Reads and writes of references outside of the frame.
    barriers: u64,
    /// Nanoseconds for operators that take longer than most.
    more: u64,
}

impl Counts {
    /// How long compilation takes, in nanoseconds: within a factor of a few, and rather too much.
    /// RATIONALE.md says how it was measured.
    pub(crate) fn cost(&self) -> u64 {
        let parts = [
            self.operators * 1_000 + self.more,
            self.blocks * 1_000,
            self.calls * 10_000,
            self.operands * 1_500,
            // What blocks pass on unchanged is looked up through all that pass it on.
            (self.operands * self.blocks) / 2,
            self.handlers * 8_000 + self.handlers_squared * 1_000,
            // Each ends a block, and is looked at from all that lead to the same handler.
            self.guarded * self.guarded * 6,
            self.joins * A_JOIN + self.nested_joins * 400,
            self.barriers * 80_000,
            self.spans * 600,
            self.across_blocks * 40,
            (self.locals * self.calls + self.across_calls) * 20,
        ];
        parts.iter().fold(0, |sum, &part| sum.saturating_add(part))
    }

    /// Whether a function with a body of so many bytes is to be compiled by something else: if it is much
    /// dearer than others of its length, or would hold up everything.
    pub(crate) fn too_dear(&self, body: usize) -> bool {
        self.cost() > (FOR_ANY + FOR_A_BYTE * body as u64).min(AT_MOST)
    }

    /// How much memory compilation takes, in bytes, within a factor of a few; measured as the time was.
    pub(crate) fn memory(&self) -> u64 {
        let parts = [
            self.operators * 360 + self.more * 3 / 10,
            self.blocks * 600,
            self.calls * 2_500,
            self.operands * 350,
            self.handlers * 2_000,
            self.joins * 1_500,
            self.spans * 20,
        ];
        parts.iter().fold(0, |sum, &part| sum.saturating_add(part))
    }

    /// Whether that is much for a body of so many bytes, and more than what several functions may take at once.
    pub(crate) fn too_large(&self, body: usize) -> bool {
        self.memory() > MEMORY_FOR_ANY + MEMORY_FOR_A_BYTE * body as u64
    }
}

/// Bytes of memory that any function may take, and those for each byte of its body.
const MEMORY_FOR_ANY: u64 = 128 << 20;
const MEMORY_FOR_A_BYTE: u64 = 200;
/// Functions that take more than this are compiled one after another.
pub(crate) const HEAVY: u64 = 32 << 20;

/// Nanoseconds that any function may cost, and those for each byte of its body; together not more than the last.
const FOR_ANY: u64 = 200_000;
const FOR_A_BYTE: u64 = 30_000;
const AT_MOST: u64 = 2_500_000_000;
/// Nanoseconds for operators besides what any operator takes: those that become several blocks, several
/// instructions, or, as rotations of rotations do, many ways to say the same.
const SIMPLE: u64 = 0;
const CHECKED: u64 = 3_000;
const INDIRECT: u64 = 15_000;
const VECTOR: u64 = 15_000;
const ROTATION: u64 = 40_000;
/// Nanoseconds for a local at a label, for each branch.
const A_JOIN: u64 = 3_500;

/// The visitor.
#[derive(Debug)]
pub(crate) struct Estimator<'a> {
    module: &'a Module,
    blocks: BlockTypes<'a>,
    kept: Allocations,
    dead_blocks: u32,
    reachable: bool,
    height: u64,
    handlers: u64,
    /// How many `br_table`s there have been.
    tables: u32,
    /// How many frames have begun, and how many have ended.
    begun: u32,
    ended: u32,
    /// The outermost loop around: where it is in `control`, where it begins and which one it is.
    outermost: Option<(usize, u64, u32)>,
    loops: u32,
    open_loops: u64,
    counts: Counts,
}

impl<'a> Estimator<'a> {
    /// For a function of this type, with so many locals, parameters among them.
    pub(crate) fn new(input: &FunctionInput<'a>, ty: &FuncType, locals: u32, mut kept: Allocations) -> Estimator<'a> {
        let &FunctionInput { module, blocks, .. } = input;
        kept.locals.begin(locals, ty.params.len() as u32);
        kept.control.clear();
        kept.sets.clear();
        kept.met.clear();
        kept.in_loop.clear();
        kept.known.clear();
        // Parameters are set where the function begins.
        kept.known.resize(ty.params.len(), Local { first: 0, last: 0, frame: 0, depth: 0, in_loop: 0 });
        let counts = Counts { blocks: 1, ..Counts::default() };
        let (reachable, dead_blocks, height, handlers) = (true, 0, 0, 0);
        let (tables, begun, ended, outermost, loops, open_loops) = (0, 0, 0, None, 0, 0);
        let mut new = Estimator {
            module,
            blocks,
            kept,
            dead_blocks,
            reachable,
            height,
            handlers,
            tables,
            begun,
            ended,
            outermost,
            loops,
            open_loops,
            counts,
        };
        new.operands(ty.params.len() + ty.results.len());
        new.push_frame(0, ty.results.len() as u64, false);
        new
    }

    /// Walks through a validated body. Locals that are named have their numbers then.
    ///
    /// # Errors
    /// When the body is malformed, or has exceptions in their old form.
    pub(crate) fn walk(mut self, mut walk: Walk<'_>) -> Result<(Counts, Allocations), WalkError> {
        while !walk.is_done() {
            self.counts.operators += 1;
            if self.reachable {
                walk.step(|_| Visitor(&mut self))?;
            } else {
                let mut dead = Unreachable(&mut self);
                walk.step(|_| Visitor(&mut dead))?;
            }
        }
        let far = self.kept.known.iter().filter(|local| local.first != local.last);
        self.counts.spans = far.map(|local| local.last - local.first).sum();
        self.kept.locals.finish(|_| {});
        self.counts.locals = self.kept.locals.named().len() as u64;
        Ok((self.counts, self.kept))
    }

    fn operands(&mut self, count: usize) {
        self.counts.operands += count as u64;
    }

    fn effect(&mut self, pops: u64, pushes: u64) {
        self.height = self.height.saturating_sub(pops) + pushes;
    }

    /// Another block begins here.
    fn cut(&mut self) {
        self.counts.blocks += 1;
        self.counts.across_blocks += self.height;
    }

    /// Something is called with, and gives, so many values.
    fn called(&mut self, takes: usize, gives: usize) {
        self.operands(takes + gives);
        self.effect(takes as u64, 0);
        self.counts.calls += 1;
        self.counts.across_calls += self.height;
        if self.handlers > 0 {
            self.counts.handlers += self.handlers;
            self.counts.handlers_squared += self.handlers * self.handlers;
            self.counts.guarded += 1;
            self.cut();
        }
        self.effect(0, gives as u64);
    }

    fn call_type(&mut self, ty: TypeIndex) {
        let ty = self.module.func_type(ty);
        self.called(ty.params.len(), ty.results.len());
    }

    fn leave(&mut self, takes: usize) {
        self.operands(takes);
        self.reachable = false;
    }

    fn push_frame(&mut self, params: u64, results: u64, is_loop: bool) {
        let (height, at) = (self.height.saturating_sub(params), self.kept.sets.len());
        let handlers = self.handlers;
        let (branches, first, last, number, table) = (0, at, at, self.begun, 0);
        self.begun += 1;
        self.kept.control.push(Frame { height, params, results, is_loop, handlers, number, branches, first, last, table });
    }

    fn begin(&mut self, ty: BlockType, is_loop: bool) {
        let (params, results) = self.blocks.get(ty);
        if is_loop {
            self.cut();
            self.operands(params.len());
            self.open_loops += 1;
            if self.outermost.is_none() {
                self.loops += 1;
                self.outermost = Some((self.kept.control.len(), self.counts.blocks, self.loops));
            }
        }
        self.push_frame(params.len() as u64, results.len() as u64, is_loop);
    }

    /// What an outermost loop names may live in all of it, if it does not live in one block alone.
    fn end_loop(&mut self) {
        let Some((depth, begin, _)) = self.outermost else { return };
        if depth != self.kept.control.len() {
            return;
        }
        self.outermost = None;
        for number in self.kept.in_loop.drain(..) {
            let local = &mut self.kept.known[number as usize];
            if local.first != local.last {
                (local.first, local.last) = (local.first.min(begin), self.counts.blocks);
            }
        }
    }

    /// A local is named. Gives its number.
    #[inline(always)]
    fn name(&mut self, local: LocalIndex, is_set: bool) -> u32 {
        let (number, is_new) = self.kept.locals.name(local.as_u32());
        let block = self.counts.blocks;
        if is_new {
            let (depth, first) = (self.kept.control.len() - 1, if is_set { block } else { 0 });
            let frame = self.kept.control[depth].number;
            self.kept.known.push(Local { first, last: block, frame, depth: depth as u32, in_loop: 0 });
        }
        let local = &mut self.kept.known[number as usize];
        if local.last != block {
            // Its first value may be the one that it begins with.
            if self.kept.control.get(local.depth as usize).is_none_or(|frame| frame.number != local.frame) {
                local.first = 0;
            }
            local.last = block;
        }
        if let Some((.., id)) = self.outermost
            && local.in_loop != id
        {
            local.in_loop = id;
            self.kept.in_loop.push(number);
        }
        number
    }

    /// Something branches to a label. Gives how many values go along.
    fn reach(&mut self, depth: u32) -> usize {
        let at = self.kept.sets.len();
        let frame = self.frame_mut(depth);
        if frame.branches == 0 && !frame.is_loop {
            frame.first = at;
        }
        frame.branches += 1;
        frame.last = at;
        if frame.is_loop { frame.params as usize } else { frame.results as usize }
    }

    fn frame_mut(&mut self, depth: u32) -> &mut Frame {
        let at = self.kept.control.len() - 1 - depth as usize;
        &mut self.kept.control[at]
    }

    /// A branch takes along what its label wants.
    fn branch(&mut self, depth: u32) {
        let count = self.reach(depth);
        self.operands(count);
    }

    /// A branch that may not be taken.
    fn branch_if(&mut self, depth: u32) {
        self.branch(depth);
        self.cut();
    }

    /// A local may have another value where a branch to the frame's label comes from, if it has been set
    /// since the first one of them, or since the loop began.
    fn join(&mut self, frame: &Frame) {
        // What is too dear by this alone is looked at no further.
        if frame.branches == 0 || self.counts.joins > AT_MOST / A_JOIN {
            return;
        }
        self.ended += 1;
        let Allocations { sets, met, locals, .. } = &mut self.kept;
        met.resize(locals.named().len(), 0);
        // Blocks that have ended in between have left fewer.
        let first = frame.first.min(sets.len());
        let end = if self.reachable { sets.len() } else { frame.last.clamp(first, sets.len()) };
        let mut to = first;
        for at in first..sets.len() {
            let local = sets[at];
            if std::mem::replace(&mut met[local as usize], self.ended) != self.ended {
                sets[to] = local;
                to += 1;
            }
            if at + 1 == end {
                let joins = (to - first) as u64 * (frame.branches + 1);
                self.counts.joins += joins;
                self.counts.nested_joins += if frame.is_loop { joins * self.open_loops } else { 0 };
            }
        }
        sets.truncate(to);
    }

    fn set(&mut self, local: LocalIndex) {
        let number = self.name(local, true);
        self.kept.sets.push(number);
    }

    fn frame(&self) -> Frame {
        *self.kept.control.last().expect("validated: a block is open")
    }
}

impl Skip for Estimator<'_> {
    fn dead_blocks(&mut self) -> &mut u32 {
        &mut self.dead_blocks
    }
}

/// Operators by what they pop and push, and what they cost more than others.
macro_rules! rows {
    ($($pops:literal $pushes:literal $cost:ident { $($name:ident($($ty:ty),*);)* })*) => {
        $($(rows!(@$cost $pops $pushes $name($($ty),*));)*)*
    };
    (@CALL $pops:literal $pushes:literal $name:ident($($ty:ty),*)) => {
        fn $name(&mut self, $(_: $ty),*) {
            self.called($pops, $pushes);
        }
    };
    (@$cost:ident $pops:literal $pushes:literal $name:ident($($ty:ty),*)) => {
        #[inline(always)]
        fn $name(&mut self, $(_: $ty),*) {
            self.counts.more += $cost;
            self.effect($pops, $pushes);
        }
    };
}

impl Operators for Estimator<'_> {
    type Output = ();

    fn unreachable(&mut self) {
        self.reachable = false;
    }

    fn block(&mut self, ty: BlockType) {
        self.begin(ty, false);
    }

    fn loop_(&mut self, ty: BlockType) {
        self.begin(ty, true);
    }

    fn if_(&mut self, ty: BlockType) {
        self.effect(1, 0);
        self.begin(ty, false);
        // Where the condition does not hold.
        self.branch(0);
        self.cut();
        self.cut();
    }

    fn else_(&mut self) {
        let Frame { height, params, results, .. } = self.frame();
        if self.reachable {
            self.branch(0);
        }
        self.operands((params + results) as usize);
        self.height = height + params;
        self.reachable = true;
    }

    fn end(&mut self) {
        let frame @ Frame { height, params, results, is_loop, handlers, .. } = self.frame();
        self.kept.control.pop();
        if is_loop {
            self.open_loops -= 1;
            self.end_loop();
        }
        self.join(&frame);
        self.handlers = handlers;
        self.height = height + results;
        self.reachable = true;
        if !is_loop {
            self.cut();
            self.operands((params + results) as usize);
        }
    }

    fn try_table(&mut self, ty: BlockType, catches: &[Catch]) {
        for catch in catches {
            self.branch(catch.depth);
            self.cut();
            self.operands(catch.tag.map_or(0, |tag| self.module.tag_values(tag).len()));
        }
        self.begin(ty, false);
        // Behind one for all exceptions none is asked.
        self.handlers = match catches.iter().position(|catch| catch.tag.is_none()) {
            Some(all) => all as u64 + 1,
            None => self.handlers + catches.len() as u64,
        };
    }

    fn br(&mut self, depth: u32) {
        self.branch(depth);
        self.reachable = false;
    }

    fn br_if(&mut self, depth: u32) {
        self.effect(1, 0);
        self.branch_if(depth);
    }

    fn br_on_null(&mut self, depth: u32) {
        self.branch_if(depth);
    }

    fn br_on_non_null(&mut self, depth: u32) {
        self.branch_if(depth);
        self.effect(1, 0);
    }

    fn br_table(&mut self, targets: &BrTable<'_>) {
        self.tables += 1;
        let depths = targets.targets().map(|depth| depth.unwrap_or(0)).chain(std::iter::once(targets.default()));
        for depth in depths {
            let count = self.reach(depth);
            let table = self.tables;
            // The way to a label is one for all entries that name it.
            if std::mem::replace(&mut self.frame_mut(depth).table, table) != table {
                self.operands(count);
                self.cut();
            }
            self.counts.operators += 1;
        }
        self.reachable = false;
    }

    fn return_(&mut self) {
        let results = self.kept.control[0].results;
        self.leave(results as usize);
    }

    fn call(&mut self, func: FuncIndex) {
        self.call_type(self.module.functions[func]);
        if self.module.defined_func(func).is_none() {
            self.counts.blocks += 2;
        }
    }

    fn call_indirect(&mut self, ty: TypeIndex, _: TableIndex) {
        self.effect(1, 0);
        self.cut();
        self.counts.more += INDIRECT;
        self.call_type(ty);
    }

    fn call_ref(&mut self, ty: TypeIndex) {
        self.effect(1, 0);
        self.call_type(ty);
    }

    fn return_call(&mut self, func: FuncIndex) {
        self.leave(self.module.type_of(func).params.len());
    }

    fn return_call_indirect(&mut self, ty: TypeIndex, _: TableIndex) {
        self.leave(self.module.func_type(ty).params.len());
    }

    fn return_call_ref(&mut self, ty: TypeIndex) {
        self.leave(self.module.func_type(ty).params.len());
    }

    fn throw(&mut self, tag: TagIndex) {
        self.called(self.module.tag_values(tag).len(), 0);
        self.reachable = false;
    }

    fn throw_ref(&mut self) {
        self.called(1, 0);
        self.reachable = false;
    }

    fn drop_(&mut self) {
        self.effect(1, 0);
    }

    fn select(&mut self, _: Option<ValType>) {
        self.effect(3, 1);
    }

    #[inline(always)]
    fn local_get(&mut self, local: LocalIndex) {
        self.name(local, false);
        self.effect(0, 1);
    }

    #[inline(always)]
    fn local_set(&mut self, local: LocalIndex) {
        self.set(local);
        self.effect(1, 0);
    }

    #[inline(always)]
    fn local_tee(&mut self, local: LocalIndex) {
        self.set(local);
    }

    fn global_get(&mut self, global: GlobalIndex) {
        self.counts.barriers += u64::from(self.module.globals[global].content.is_handle());
        self.effect(0, 1);
    }

    fn global_set(&mut self, global: GlobalIndex) {
        self.counts.barriers += u64::from(self.module.globals[global].content.is_handle());
        self.effect(1, 0);
    }

    fn table_get(&mut self, table: TableIndex) {
        self.counts.barriers += u64::from(self.module.tables[table].element.is_handle());
        self.called(1, 1);
    }

    fn table_set(&mut self, table: TableIndex) {
        self.counts.barriers += u64::from(self.module.tables[table].element.is_handle());
        self.called(2, 0);
    }

    fn int_wide(&mut self, op: Wide) {
        match op {
            Wide::Add | Wide::Sub => self.effect(4, 2),
            Wide::Multiply(_) => self.effect(2, 2),
        }
    }

    fn int_binary(&mut self, _: IntWidth, op: IntBinary) {
        self.counts.more += if matches!(op, IntBinary::Rotl | IntBinary::Rotr) { ROTATION } else { SIMPLE };
        self.effect(2, 1);
    }

    rows! {
        0 0 SIMPLE { nop(); data_drop(DataIndex); elem_drop(ElemIndex); atomic_fence(); }
        0 1 SIMPLE {
            memory_size(MemoryIndex); ref_null(HeapType); ref_func(FuncIndex); table_size(TableIndex);
            i32_const(i32); i64_const(i64); f32_const(u32); f64_const(u64); v128_const(u128);
        }
        1 1 SIMPLE {
            load(Load, MemArg); atomic_load(AtomicAccess, MemArg); ref_is_null(); ref_as_non_null(); int_eqz(IntWidth);
            int_unary(IntWidth, IntUnary); float_unary(FloatWidth, FloatUnary); splat(Shape); extract_lane(Extract, u8);
        }
        2 1 SIMPLE {
            load_lane(Lane, MemArg, u8); atomic_rmw(AtomicAccess, AtomicRmw, MemArg); int_compare(IntWidth, IntCompare);
            float_binary(FloatWidth, FloatBinary); float_compare(FloatWidth, FloatCompare); replace_lane(Shape, u8);
        }
        3 1 SIMPLE { atomic_cmpxchg(AtomicAccess, MemArg); }
        2 0 SIMPLE { store(Store, MemArg); store_lane(Lane, MemArg, u8); atomic_store(AtomicAccess, MemArg); }
        1 1 CHECKED { convert(Convert); }
        2 1 CHECKED { int_divide(IntWidth, IntDivide); }
        1 1 VECTOR { vec_unary(VecUnary); vec_test(VecTest); }
        2 1 VECTOR { shuffle([u8; 16]); vec_binary(VecBinary); vec_shift(IntShape, VecShift); }
        3 1 VECTOR { vec_ternary(VecTernary); }
        1 1 CALL { memory_grow(MemoryIndex); }
        2 1 CALL { table_grow(TableIndex); atomic_notify(MemArg); }
        3 1 CALL { atomic_wait(IntWidth, MemArg); }
        3 0 CALL {
            memory_fill(MemoryIndex); memory_copy(MemoryIndex, MemoryIndex); memory_init(MemoryIndex, DataIndex);
            table_fill(TableIndex); table_copy(TableIndex, TableIndex); table_init(TableIndex, ElemIndex);
        }
    }
}
