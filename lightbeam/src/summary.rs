//! The first walk: what the second one wants to know before it emits anything.
//!
//! A local's uses count 8 times more in each loop around them. Loops that contain neither calls nor other
//! loops are listed with the locals that they use most, in the order in which they begin. Locals that no
//! operator names are nowhere: all others have numbers ([`LocalNumbers`]), which is what the second walk
//! calls them by.

use crate::value::Ty;
use sconce_environ::index::*;
use sconce_environ::locals::LocalNumbers;
use sconce_environ::module::Module;
use sconce_environ::ops::*;
use sconce_environ::space::MAX_GUARDED_OFFSET;
use sconce_environ::types::{HeapType, ValType};
use wasmparser::BrTable;

/// Loops deeper than this count as deep as this.
const MAX_DEPTH: u32 = 4;
/// Locals that are looked at when a loop's locals are chosen.
const MAX_CANDIDATES: usize = 64;

/// What is known about a function.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    /// Which locals there are, and their numbers.
    pub(crate) locals: LocalNumbers,
    /// By number of a local: weighted uses.
    pub(crate) weights: Vec<u32>,
    /// Weighted accesses to memory 0.
    pub(crate) memory_weight: u32,
    /// Whether anything is called, builtins included.
    pub(crate) calls: bool,
    /// Whether anything but memory 0's base is read from the VM context.
    pub(crate) context: bool,
    /// Whether there are try regions with clauses.
    pub(crate) handlers: bool,
    /// Whether a 128-bit value may be on the stack.
    pub(crate) vectors: bool,
    /// Every loop, in order.
    pub(crate) loops: Vec<LoopSummary>,
    /// The candidates of all loops, one after the other.
    pub(crate) candidates: Vec<Candidate>,
    scratch: Scratch,
}

/// What is only needed while a function is being summarized.
#[derive(Debug, Default)]
struct Scratch {
    /// For each open block, the loop's number, or `u32::MAX`.
    blocks: Vec<u32>,
    /// What the current loop uses.
    uses: Vec<Candidate>,
    /// By number of a local: the last loop that used it as the current one, and its position in `uses` then.
    positions: Vec<(u32, u32)>,
    /// Weights while they are put into another order, and by number of a local, the number it gets.
    weights: Vec<u32>,
    renumbered: Vec<u32>,
}

/// A loop.
#[derive(Copy, Clone, Debug, Default)]
pub(crate) struct LoopSummary {
    /// Its run in [`Summary::candidates`]; empty unless it is an innermost one without calls.
    pub(crate) first: u32,
    pub(crate) count: u32,
}

/// A local that an innermost loop uses.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Candidate {
    /// Its number.
    pub(crate) local: u32,
    pub(crate) uses: u32,
    /// Whether the loop writes it.
    pub(crate) written: bool,
}

/// The visitor.
#[derive(Debug)]
pub(crate) struct Summarizer<'a> {
    module: &'a Module,
    pub(crate) summary: Summary,
    scratch: Scratch,
    /// How many of the open blocks are loops, and what a use there weighs.
    depth: u32,
    weight: u32,
    /// The innermost open loop, if nothing disqualifies it.
    current: Option<u32>,
}

impl Summary {
    /// Bytes that are kept, about.
    pub(crate) fn capacity(&self) -> usize {
        self.locals.capacity()
            + 4 * self.weights.capacity()
            + size_of::<LoopSummary>() * self.loops.capacity()
            + size_of::<Candidate>() * self.candidates.capacity()
            + 16 * self.scratch.positions.capacity()
    }
}

impl<'a> Summarizer<'a> {
    /// For a function with so many locals, of which these are parameters.
    pub(crate) fn new(module: &'a Module, summary: Summary, locals: u32, params: u32) -> Summarizer<'a> {
        let mut summary = summary;
        summary.locals.begin(locals, params);
        summary.weights.clear();
        summary.weights.resize(params as usize, 0);
        summary.loops.clear();
        summary.candidates.clear();
        (summary.memory_weight, summary.calls, summary.context, summary.vectors) = (0, false, false, false);
        summary.handlers = false;
        let mut scratch = std::mem::take(&mut summary.scratch);
        scratch.blocks.clear();
        scratch.uses.clear();
        scratch.positions.clear();
        Summarizer { module, summary, scratch, depth: 0, weight: 1, current: None }
    }

    /// What it has seen.
    pub(crate) fn finish(self) -> Summary {
        let Summarizer { mut summary, mut scratch, .. } = self;
        let Scratch { weights, renumbered, .. } = &mut scratch;
        weights.clear();
        renumbered.clear();
        summary.locals.finish(|before| {
            if renumbered.is_empty() {
                renumbered.resize(summary.weights.len(), 0);
            }
            renumbered[before as usize] = weights.len() as u32;
            weights.push(summary.weights[before as usize]);
        });
        if !weights.is_empty() {
            std::mem::swap(weights, &mut summary.weights);
            for candidate in &mut summary.candidates {
                candidate.local = renumbered[candidate.local as usize];
            }
        }
        Summary { scratch, ..summary }
    }

    fn set_depth(&mut self, depth: u32) {
        self.depth = depth;
        self.weight = 1 << (3 * depth.min(MAX_DEPTH));
    }

    #[inline(always)]
    fn local(&mut self, local: LocalIndex, written: bool) {
        let (local, is_new) = self.summary.locals.name(local.as_u32());
        if is_new {
            self.summary.weights.push(self.weight);
        } else {
            let slot = &mut self.summary.weights[local as usize];
            *slot = slot.saturating_add(self.weight);
        }
        let Some(current) = self.current else { return };
        if self.scratch.positions.len() <= local as usize {
            self.scratch.positions.resize(self.summary.weights.len(), (u32::MAX, 0));
        }
        let (stamp, position) = self.scratch.positions[local as usize];
        if stamp == current {
            let c = &mut self.scratch.uses[position as usize];
            c.uses += 1;
            c.written |= written;
        } else if self.scratch.uses.len() < MAX_CANDIDATES {
            self.scratch.positions[local as usize] = (current, self.scratch.uses.len() as u32);
            self.scratch.uses.push(Candidate { local, uses: 1, written });
        } else {
            // So many locals do not fit into registers: which writes were missed does not matter then.
            self.current = None;
        }
    }

    fn called(&mut self) {
        self.summary.calls = true;
        self.summary.context = true;
        self.current = None;
    }

    fn results(&mut self, ty: TypeIndex) {
        self.called();
        self.summary.vectors |= self.module.func_type(ty).results.contains(&ValType::V128);
    }

    fn begin(&mut self, is_loop: bool) {
        if !is_loop {
            self.scratch.blocks.push(u32::MAX);
            return;
        }
        let number = self.summary.loops.len() as u32;
        self.summary.loops.push(LoopSummary::default());
        self.scratch.blocks.push(number);
        self.set_depth(self.depth + 1);
        self.current = Some(number);
        self.scratch.uses.clear();
    }

    #[inline(always)]
    fn access(&mut self, arg: MemArg) {
        if arg.memory.as_u32() == 0 {
            self.summary.memory_weight = self.summary.memory_weight.saturating_add(self.weight);
        }
        if arg.memory.as_u32() != 0 || arg.offset >= MAX_GUARDED_OFFSET {
            self.summary.context = true;
        }
    }
}

macro_rules! rows {
    ($($effect:ident { $($name:ident($($ty:ty),*);)* })*) => { $($(rows!(@$effect $name($($ty),*));)*)* };
    (@nothing $name:ident($($ty:ty),*)) => { #[inline(always)] fn $name(&mut self, $(_: $ty),*) {} };
    (@context $name:ident($($ty:ty),*)) => { fn $name(&mut self, $(_: $ty),*) { self.summary.context = true; } };
    (@calls $name:ident($($ty:ty),*)) => { fn $name(&mut self, $(_: $ty),*) { self.called(); } };
    (@vectors $name:ident($($ty:ty),*)) => { fn $name(&mut self, $(_: $ty),*) { self.summary.vectors = true; } };
}

impl Operators for Summarizer<'_> {
    type Output = ();

    #[inline(always)]
    fn block(&mut self, _: BlockType) {
        self.begin(false);
    }

    #[inline(always)]
    fn loop_(&mut self, _: BlockType) {
        self.begin(true);
    }

    #[inline(always)]
    fn if_(&mut self, _: BlockType) {
        self.begin(false);
    }

    #[inline(always)]
    fn end(&mut self) {
        // The function's own end closes none.
        let Some(number) = self.scratch.blocks.pop() else { return };
        if number != u32::MAX {
            self.set_depth(self.depth - 1);
            // A loop that has ended is in none that could be an innermost one.
            if self.current.take() == Some(number) {
                let (first, count) = (self.summary.candidates.len() as u32, self.scratch.uses.len() as u32);
                self.summary.candidates.append(&mut self.scratch.uses);
                self.summary.loops[number as usize] = LoopSummary { first, count };
            }
        }
    }

    fn try_table(&mut self, _: BlockType, catches: &[Catch]) {
        self.begin(false);
        self.summary.handlers |= !catches.is_empty();
        for tag in catches.iter().filter_map(|catch| catch.tag) {
            self.summary.vectors |= self.module.tag_values(tag).contains(&ValType::V128);
        }
    }

    fn call(&mut self, func: FuncIndex) {
        self.results(self.module.functions[func]);
    }

    fn call_indirect(&mut self, ty: TypeIndex, _: TableIndex) {
        self.results(ty);
    }

    fn call_ref(&mut self, ty: TypeIndex) {
        self.results(ty);
    }

    fn return_call_indirect(&mut self, ty: TypeIndex, _: TableIndex) {
        self.summary.context = true;
        if !self.module.types[ty].is_final {
            // Subtypes are looked at by a builtin.
            self.called();
        }
    }

    #[inline(always)]
    fn local_get(&mut self, local: LocalIndex) {
        self.local(local, false);
    }

    #[inline(always)]
    fn local_set(&mut self, local: LocalIndex) {
        self.local(local, true);
    }

    #[inline(always)]
    fn local_tee(&mut self, local: LocalIndex) {
        self.local(local, true);
    }

    fn global_get(&mut self, global: GlobalIndex) {
        self.summary.context = true;
        match Ty::of(self.module.globals[global].content) {
            Ty::V128 => self.summary.vectors = true,
            // The helper that notes a reference may be called.
            Ty::Handle => self.called(),
            _ => {}
        }
    }

    fn global_set(&mut self, global: GlobalIndex) {
        self.summary.context = true;
        if Ty::of(self.module.globals[global].content) == Ty::Handle {
            self.called();
        }
    }

    #[inline(always)]
    fn load(&mut self, load: Load, arg: MemArg) {
        self.access(arg);
        if matches!(load, Load::V128 | Load::V128Extend(..) | Load::V128Splat(_) | Load::V128Zero(_)) {
            self.summary.vectors = true;
        }
    }

    #[inline(always)]
    fn store(&mut self, _: Store, arg: MemArg) {
        self.access(arg);
    }

    fn load_lane(&mut self, _: Lane, arg: MemArg, _: u8) {
        self.access(arg);
    }

    fn store_lane(&mut self, _: Lane, arg: MemArg, _: u8) {
        self.access(arg);
    }

    fn atomic_load(&mut self, _: AtomicAccess, arg: MemArg) {
        self.access(arg);
    }

    fn atomic_store(&mut self, _: AtomicAccess, arg: MemArg) {
        self.access(arg);
    }

    fn atomic_rmw(&mut self, _: AtomicAccess, _: AtomicRmw, arg: MemArg) {
        self.access(arg);
    }

    fn atomic_cmpxchg(&mut self, _: AtomicAccess, arg: MemArg) {
        self.access(arg);
    }

    rows! {
        nothing {
            unreachable(); nop(); else_(); br(u32); br_if(u32); br_table(&BrTable<'_>); return_(); drop_(); select(Option<ValType>);
            ref_null(HeapType); ref_is_null(); ref_as_non_null(); br_on_null(u32); br_on_non_null(u32); i32_const(i32); i64_const(i64); f32_const(u32); f64_const(u64);
            int_eqz(IntWidth); int_unary(IntWidth, IntUnary); int_binary(IntWidth, IntBinary); int_divide(IntWidth, IntDivide);
            int_compare(IntWidth, IntCompare); int_wide(Wide); atomic_fence(); float_unary(FloatWidth, FloatUnary); float_binary(FloatWidth, FloatBinary);
            float_compare(FloatWidth, FloatCompare); convert(Convert); extract_lane(Extract, u8);
            replace_lane(Shape, u8); vec_unary(VecUnary); vec_binary(VecBinary); vec_ternary(VecTernary);
            vec_shift(IntShape, VecShift); vec_test(VecTest);
        }
        context { return_call(FuncIndex); return_call_ref(TypeIndex); memory_size(MemoryIndex); ref_func(FuncIndex); table_size(TableIndex); }
        calls {
            throw(TagIndex); throw_ref(); memory_grow(MemoryIndex); memory_fill(MemoryIndex); memory_copy(MemoryIndex, MemoryIndex);
            memory_init(MemoryIndex, DataIndex); data_drop(DataIndex); table_get(TableIndex); table_set(TableIndex);
            table_grow(TableIndex); table_fill(TableIndex); table_copy(TableIndex, TableIndex); table_init(TableIndex, ElemIndex);
            elem_drop(ElemIndex); atomic_wait(IntWidth, MemArg); atomic_notify(MemArg);
        }
        vectors { v128_const(u128); splat(Shape); shuffle([u8; 16]); }
    }
}
