//! One function body to Cranelift IR: parameters, locals, then operator by operator.

use crate::alias::{self, Region};
use crate::bodies::Inlines;
use crate::env::{Caches, Env};
use crate::estimate::{self, Estimator, HEAVY};
use crate::location;
use crate::osr::Entry;
use crate::rare::RareCalls;
use crate::state::State;
use crate::types::{clif_type, signature};

use cranelift_codegen::ir::types::{F32, F64, I8X16};
use cranelift_codegen::ir::{BlockArg, Endianness, Function, InstBuilder, MemFlagsData, SourceLoc, TrapCode, Type, Value};
use cranelift_codegen::isa::TargetFrontendConfig;
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext, Variable};
use sconce_environ::abi::results_in_buffer;
use sconce_environ::block::Types;
use sconce_environ::builtin::Builtin;
use sconce_environ::compile::{FunctionInput, Settings};
use sconce_environ::fuel::Plan;
use sconce_environ::index::MemoryIndex;
use sconce_environ::inlined::InlinedCall;
use sconce_environ::locals::{DeclaredLocals, LocalNumbers};
use sconce_environ::osr::LoopHead;
use sconce_environ::trap;
use sconce_environ::types::ValType;
use sconce_environ::unreachable::Unreachable;
use sconce_environ::visit::Visitor;
use sconce_environ::walk::{Walk, WalkError};
use smallvec::SmallVec;
use std::error::Error;
use std::time::Duration;

/// Allocations that serve one function after another. After an error they are not fit for another.
#[derive(Default)]
pub(crate) struct Allocations {
    frontend: FunctionBuilderContext,
    caches: Caches,
    values: Vec<Value>,
    declared: DeclaredLocals,
    estimate: estimate::Allocations,
}

/// Everything that the families work on.
pub(crate) struct Translator<'a> {
    pub(crate) builder: FunctionBuilder<'a>,
    pub(crate) state: State<'a>,
    pub(crate) env: Env<'a>,
    /// Which locals are named, and the numbers of their variables.
    pub(crate) locals: &'a LocalNumbers,
    /// The address computed last, to be used again by an access to the same structure.
    pub(crate) last_address: Option<LastAddress>,
    /// Hints for branches that have not been reached yet: offset in the body, and whether they are taken.
    pub(crate) hints: &'a [(u32, bool)],
    /// Bodies in place of calls.
    pub(crate) inlines: Inlines<'a>,
    /// What is to be paid before which operator.
    fuel: Plan,
    /// Where the operator under translation is: in the function's body, or behind it if it is another one's in place of a call.
    pub(crate) position: u32,
    /// Calls that are inserted in the end.
    pub(crate) rare: RareCalls,
    /// Where the code begins, if it is not the function's beginning.
    pub(crate) entry: Option<Entry<'a>>,
    /// An implementation limit that was exceeded.
    pub(crate) failure: Option<String>,
}

/// `base + extended index`, as computed in a block.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct LastAddress {
    pub(crate) block: cranelift_codegen::ir::Block,
    pub(crate) memory: MemoryIndex,
    pub(crate) index: Value,
    pub(crate) address: Value,
}

/// Block arguments, mostly few.
pub(crate) type Args = SmallVec<[BlockArg; 8]>;

/// Why a body is not translated as it is.
pub(crate) enum Refusal {
    /// It is to be rewritten before.
    OldExceptions,
    /// It exceeds a limit, or is malformed.
    Limit(Box<dyn Error + Send + Sync>),
}

impl From<WalkError> for Refusal {
    fn from(error: WalkError) -> Refusal {
        match error {
            WalkError::OldExceptions => Refusal::OldExceptions,
            WalkError::Malformed(_) => Refusal::Limit(error.into()),
        }
    }
}

/// A function that is about to be compiled.
pub(crate) struct Prepared<'a> {
    /// Over its operators.
    pub(crate) walk: Walk<'a>,
    /// Whether it takes so much memory that no other one should be compiled at the same time which does.
    pub(crate) is_heavy: bool,
}

/// Looks at a body: finds which locals it names, and whether it is too dear.
///
/// # Errors
/// If it is, or is malformed, or has exceptions in their old form. The allocations are fit for another function.
pub(crate) fn prepare<'a>(input: &FunctionInput<'a>, allocations: &mut Allocations) -> Result<Prepared<'a>, Refusal> {
    let ty = input.module.type_of(input.module.func_index(input.func));
    let first = allocations.declared.read(ty, input.body, input.body_offset).map_err(|e| Refusal::Limit(e.into()))?;
    let (all, kept) = (allocations.declared.len(), std::mem::take(&mut allocations.estimate));
    let walk = Walk::new(input.body, first, input.body_offset);
    let (counts, kept) = Estimator::new(input, ty, all, kept).walk(walk.clone())?;
    allocations.estimate = kept;
    if counts.too_dear(input.body.len()) {
        let time = Duration::from_millis(counts.cost() / 1_000_000);
        return Err(Refusal::Limit(format!("Cranelift would need {time:?} or so, too long for its size").into()));
    }
    if counts.too_large(input.body.len()) {
        let mebibytes = counts.memory() >> 20;
        return Err(Refusal::Limit(format!("Cranelift would need {mebibytes} MiB or so, too much for its size").into()));
    }
    Ok(Prepared { walk, is_heavy: counts.memory() > HEAVY })
}

/// Translates a body into `func`, which is empty; from a loop's head on, if there is one. Gives what stands in place of calls, by
/// positions.
///
/// # Errors
/// When an implementation limit is exceeded.
pub(crate) fn translate(
    input: &FunctionInput<'_>,
    head: Option<&LoopHead>,
    Prepared { walk, is_heavy }: Prepared<'_>,
    settings: &Settings,
    config: TargetFrontendConfig,
    func: &mut Function,
    allocations: &mut Allocations,
) -> Result<Vec<InlinedCall>, Box<dyn Error + Send + Sync>> {
    let ty = input.module.type_of(input.module.func_index(input.func));
    func.signature = signature(ty);
    let constant_flags = alias::constant(func);

    let mut builder = FunctionBuilder::new(func, &mut allocations.frontend);
    builder.make_stack_map_alias_region(Box::new(|regions, _, _, _| Some(Region::StackMaps.intern(regions))));
    let entry = builder.create_block();
    builder.append_block_params_for_function_params(entry);
    builder.switch_to_block(entry);
    builder.seal_block(entry);
    builder.ensure_inserted_block();

    let args = builder.block_params(entry);
    let (vmctx, buffer) = (args[0], results_in_buffer(ty).then(|| args[1]));
    let params: SmallVec<[Value; 16]> = args[1 + usize::from(buffer.is_some())..].into();
    let mut values = std::mem::take(&mut allocations.values);
    values.clear();
    allocations.caches.clear();
    let env = Env::new(input, settings, &mut allocations.caches, entry, vmctx, buffer, constant_flags);
    let state = State { values, reachable: true, ..State::default() };
    let locals = &allocations.estimate.locals;
    let fuel = if settings.fuel { Plan::of(walk.clone())? } else { Plan::default() };
    let mut t = Translator {
        builder,
        state,
        env,
        locals,
        last_address: None,
        hints: input.hints,
        inlines: Inlines::new(
            input.callees.filter(|_| !settings.fuel && !is_heavy),
            input.func,
            input.body.len(),
            locals.named().len(),
        ),
        fuel,
        position: 0,
        rare: RareCalls::default(),
        entry: None,
        failure: None,
    };
    for (&param, &ty) in params.iter().zip(&ty.params) {
        t.declare_local(ty, Some(param));
    }
    t.declare_others(&allocations.declared, params.len());
    if let Some(head) = head {
        t.enter_at(head);
    } else if settings.paranoid {
        t.check_entry(input.module.functions[input.module.func_index(input.func)]);
    }
    t.body(walk, Types::Many(&ty.results))?;
    let frames = t.prepare_rare_calls();
    let Translator { builder, state: State { values, .. }, failure, inlines: Inlines { done, .. }, .. } = t;
    builder.finalize(config);
    frames.finish(func);
    allocations.values = values;
    failure.map_or(Ok(done), |reason| Err(reason.into()))
}

impl<'a> Translator<'a> {
    /// Declares the locals that are named and no parameters.
    fn declare_others(&mut self, declared: &DeclaredLocals, params: usize) {
        let mut types = declared.types();
        let mut last: Option<(ValType, Option<Value>)> = None;
        for &local in &self.locals.named()[params..] {
            let ty = types(local);
            let zero = match last {
                Some((known, zero)) if known == ty => zero,
                Some(_) | None => self.zero(ty),
            };
            last = Some((ty, zero));
            self.declare_local(ty, zero);
        }
    }

    fn body(&mut self, walk: Walk<'a>, results: Types<'a>) -> Result<(), Box<dyn Error + Send + Sync>> {
        self.begin_function(results);
        if self.env.settings.gc_stress {
            // Every call of wasm is a safe point: its callee makes use of it.
            self.builtin(Builtin::Sweep, &[]);
        }
        self.operators(walk)?;
        self.end_function();
        if self.is_entry_missing() {
            return Err("the loop that it is to begin with cannot be reached".into());
        }
        Ok(())
    }

    /// Translates the operators of a body, its last `end` included.
    pub(crate) fn operators(&mut self, mut walk: Walk<'a>) -> Result<(), Box<dyn Error + Send + Sync>> {
        let first = self.inlines.first();
        while !walk.is_done() {
            self.position = first + walk.position() as u32;
            // Set for unreachable code as well: an `end` may emit code.
            let location = location::of(self.position)?;
            self.builder.set_srcloc(location);
            if self.state.reachable {
                let due = self.fuel.due(walk.position());
                if due != 0 {
                    self.pay(due);
                }
                walk.step(|_| Visitor(&mut *self))?;
            } else {
                let mut dead = Unreachable(self);
                walk.step(|_| Visitor(&mut dead))?;
            }
        }
        Ok(())
    }

    fn declare_local(&mut self, ty: ValType, value: Option<Value>) -> Variable {
        let var = self.builder.declare_var(clif_type(ty));
        if ty.is_handle() {
            self.builder.declare_var_needs_stack_map(var);
        }
        if let Some(value) = value {
            if ty.is_handle() {
                self.declare_handle(value);
            }
            self.builder.def_var(var, value);
        }
        var
    }

    /// The value that locals of a type begin with; those that cannot be null are set before they are read.
    pub(crate) fn zero(&mut self, ty: ValType) -> Option<Value> {
        if matches!(ty, ValType::Ref(r) if !r.nullable) {
            return None;
        }
        Some(match clif_type(ty) {
            F32 => self.builder.ins().f32const(0.0),
            F64 => self.builder.ins().f64const(0.0),
            I8X16 => self.vector_constant(0),
            int => self.builder.ins().iconst(int, 0),
        })
    }

    /// Whether the branch under translation is said to be taken, or not to be.
    pub(crate) fn branch_hint(&mut self) -> Option<bool> {
        let position = self.position - self.inlines.first();
        while let [(offset, taken), rest @ ..] = self.hints
            && *offset <= position
        {
            self.hints = rest;
            if *offset == position {
                return Some(*taken);
            }
        }
        None
    }

    pub(crate) fn push(&mut self, value: Value) {
        self.state.push(value);
    }

    pub(crate) fn pop(&mut self) -> Value {
        self.state.pop()
    }

    /// Pops a vector as one of this type.
    pub(crate) fn pop_as(&mut self, ty: Type) -> Value {
        let value = self.pop();
        self.cast(ty, value)
    }

    /// Pops two vectors as vectors of this type; the second is the one on top.
    pub(crate) fn pop2_as(&mut self, ty: Type) -> (Value, Value) {
        let top = self.pop_as(ty);
        (self.pop_as(ty), top)
    }

    /// Pushes a value that may be a handle.
    pub(crate) fn push_typed(&mut self, ty: ValType, value: Value) {
        if ty.is_handle() {
            self.check_handle(value);
            self.declare_handle(value);
        }
        self.push(value);
    }

    /// The same bits as another vector type.
    pub(crate) fn cast(&mut self, ty: Type, value: Value) -> Value {
        if self.builder.func.dfg.value_type(value) == ty {
            return value;
        }
        let flags = MemFlagsData::new().with_endianness(Endianness::Little);
        self.builder.ins().bitcast(ty, flags, value)
    }

    /// A value as it crosses blocks and calls: every vector is `i8x16`.
    pub(crate) fn canonical(&mut self, value: Value) -> Value {
        if self.builder.func.dfg.value_type(value).is_vector() { self.cast(I8X16, value) } else { value }
    }

    /// The topmost `count` values as block arguments; they stay on the stack.
    pub(crate) fn block_args(&mut self, count: usize) -> Args {
        let start = self.state.values.len() - count;
        (start..self.state.values.len())
            .map(|i| {
                let value = self.state.values[i];
                BlockArg::Value(self.canonical(value))
            })
            .collect()
    }

    /// What follows has these marks ([`location`]), too, until the location given back is set.
    pub(crate) fn mark(&mut self, marks: u32) -> SourceLoc {
        let outside = self.builder.srcloc();
        self.builder.set_srcloc(location::marked(outside, marks));
        outside
    }

    /// Ends the block with a trap.
    pub(crate) fn trap(&mut self, code: trap::TrapCode) {
        self.builder.ins().trap(alias::trap_code(code));
        self.state.reachable = false;
    }

    /// Traps if the condition is nonzero.
    pub(crate) fn trap_if(&mut self, condition: Value, code: trap::TrapCode) {
        let code: TrapCode = alias::trap_code(code);
        self.builder.ins().trapnz(condition, code);
    }

    /// Zero-extends an index of 32 bits; passes one of 64 bits.
    pub(crate) fn extend_index(&mut self, index: Value) -> Value {
        use cranelift_codegen::ir::types::I64;
        if self.builder.func.dfg.value_type(index) == I64 { index } else { self.builder.ins().uextend(I64, index) }
    }
}
