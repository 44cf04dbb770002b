//! One function body to machine code: the summary, the prologue, then operator by operator.

use crate::buffers::Buffers;
use crate::codegen::Codegen;
use crate::control;
use crate::features::Features;
use crate::heads::{Heads, Wanted};
use crate::local::Local;
use crate::summary::Summarizer;
use crate::tables::cleared;
use crate::value::Ty;
use sconce_environ::block::Types;
use sconce_environ::builtin::Builtin;
use sconce_environ::compile::{CompiledFunction, FunctionInput, Settings, max_code};
use sconce_environ::decode::{BodyValidator, DecodeError};
use sconce_environ::fuel::Plan;
use sconce_environ::placement::{LINE, skew_for};
use sconce_environ::types::FuncType;
use sconce_environ::unreachable::Unreachable;
use sconce_environ::visit::Visitor;
use sconce_environ::walk::{Walk, WalkError};
use sconce_x64::encode::{Addr, Encoder};
use std::error::Error;

/// Why there is no code.
pub(crate) enum Failure {
    /// The body is not valid.
    Invalid(DecodeError),
    /// It exceeds an implementation limit, or is malformed.
    Limit(Box<dyn Error + Send + Sync>),
    /// It is to be rewritten before.
    OldExceptions,
}

impl From<WalkError> for Failure {
    fn from(error: WalkError) -> Failure {
        match error {
            WalkError::OldExceptions => Failure::OldExceptions,
            WalkError::Malformed(_) => Failure::Limit(error.into()),
        }
    }
}

/// Compiles a body into `out`, whose lists serve again. With a validator the body has not been validated.
///
/// # Errors
/// When it is not valid, has exceptions in their old form, or exceeds an implementation limit.
pub(crate) fn translate(
    input: &FunctionInput<'_>,
    mut validator: Option<&mut BodyValidator<'_>>,
    settings: &Settings,
    features: Features,
    allocations: &mut Buffers,
    out: &mut CompiledFunction,
    wanted: Option<&mut Wanted>,
) -> Result<(), Failure> {
    let ty = input.module.type_of(input.module.func_index(input.func));
    let mut buffers = std::mem::replace(allocations, Buffers::new(features));
    buffers.clear();
    let declared = buffers.declared.read(ty, input.body, input.body_offset);
    if let (Err(_), Some(validator)) = (&declared, &mut validator) {
        // It knows better what is wrong.
        validator.validate(input.func).map_err(Failure::Invalid)?;
    }
    let first = declared.map_err(|e| Failure::Limit(e.into()))?;
    let (all, params) = (buffers.declared.len(), ty.params.len() as u32);

    let walk = Walk::new(input.body, first, input.body_offset);
    let mut summarizer = Summarizer::new(input.module, std::mem::take(&mut buffers.summary), all, params);
    let seen = match validator {
        Some(validator) => validator.validate_beside(input.func, &mut summarizer).map_err(Failure::Invalid)?,
        None => false,
    };
    if !seen {
        // What a validator has shown of it does not count.
        let summary = summarizer.finish();
        summarizer = Summarizer::new(input.module, summary, all, params);
        if let Err(error) = summarize(&mut summarizer, &walk) {
            buffers.summary = summarizer.finish();
            *allocations = buffers;
            return Err(error.into());
        }
    }
    let mut summary = summarizer.finish();
    // A function that is swept at its beginning is no leaf.
    summary.calls |= settings.gc_stress;
    summary.context |= settings.gc_stress;
    let fuel = if settings.fuel { Plan::of(walk.clone())? } else { Plan::default() };
    let declare = |ty| Local::new(Ty::of(ty));
    buffers.locals.extend(ty.params.iter().map(|&ty| declare(ty)));
    let others = &summary.locals.named()[params as usize..];
    buffers.locals.extend(others.iter().copied().map(buffers.declared.types()).map(declare));
    summary.vectors |= buffers.locals.iter().any(|l| l.ty == Ty::V128);

    let mut c = Codegen::new(input, settings, features, &summary, fuel, &mut buffers, out);
    c.heads = wanted.as_deref().cloned().map(Heads::new);
    c.tables.no_operator(0);
    c.prologue(input.module.functions[input.module.func_index(input.func)], ty);
    control::begin_function(&mut c, Types::Many(&ty.results));
    if settings.gc_stress {
        c.builtin(Builtin::Sweep, &[], 0, None);
    }
    // What looks at everything is longer.
    let max_code = max_code(input.body.len()) * if settings.paranoid { 4 } else { 1 };
    emit(&mut c, &walk, max_code)?;
    let result = match finish(&mut c, ty, max_code) {
        Err(e) => Err(Failure::Limit(e.into())),
        Ok(frame_size) => {
            let mut code = cleared(&mut out.code);
            code.extend_from_slice(c.e.finish());
            let mut jump_tables = cleared(&mut out.jump_tables);
            jump_tables.extend(c.e.jump_tables());
            let vmctx = c.frame.vmctx().map(Addr::disp);
            let (call_sites, handlers) = c.handlers.finish(&c.e, frame_size, vmctx);
            *out = CompiledFunction {
                code,
                frame_size,
                align: if c.loops.code().is_empty() { Encoder::ALIGN } else { LINE },
                skew: skew_for(c.loops.code(), Encoder::ALIGN),
                call_sites,
                handlers,
                jump_tables,
                ..CompiledFunction::default()
            };
            c.tables.finish(out);
            Ok(())
        }
    };
    if let (Some(wanted), Some(found)) = (wanted, c.heads.take()) {
        *wanted = found.wanted;
    }
    buffers.encoder = c.e;
    buffers.stack = c.stack;
    buffers.locals = c.locals;
    buffers.blocks = c.blocks.recycled();
    buffers.stubs = c.stubs;
    buffers.moves = c.moves;
    buffers.summary = summary;
    *allocations = buffers;
    result
}

/// The first walk. (It and the second are functions of their own, so that what they walk with stays in registers.)
#[inline(never)]
fn summarize(summarizer: &mut Summarizer<'_>, walk: &Walk<'_>) -> Result<(), WalkError> {
    let mut walk = walk.clone();
    while !walk.is_done() {
        walk.step(|_| Visitor(summarizer))?;
    }
    Ok(())
}

/// The epilogue and what stands behind the function; gives the frame's bytes.
fn finish(c: &mut Codegen<'_>, ty: &FuncType, max_code: u64) -> Result<u32, String> {
    if let Some(failure) = c.failure.take() {
        return Err(failure);
    }
    let seen = c.loops.begun() == c.summary.loops.len() || *c.blocks.dead() != 0;
    c.check_summary(seen, "loop");
    c.mark();
    c.epilogue(ty);
    let frame_size = c.finish_frame()?;
    if u64::from(c.e.offset()) > max_code {
        return Err(too_large(max_code));
    }
    c.failure.take().map_or(Ok(frame_size), Err)
}

fn too_large(max_code: u64) -> String {
    format!("its machine code would be longer than {max_code} bytes, the limit for a body of its size")
}

/// The second walk, which ends early if there is a failure.
#[inline(never)]
fn emit(c: &mut Codegen<'_>, walk: &Walk<'_>, max_code: u64) -> Result<(), WalkError> {
    let mut walk = walk.clone();
    while !walk.is_done() {
        c.body.advance(walk.position());
        let at = c.e.offset();
        if c.blocks.is_reachable() {
            let due = c.fuel.due(walk.position());
            if due != 0 {
                c.pay(due);
            }
            walk.step(|next| {
                c.body.until(next);
                Visitor(c)
            })?;
            #[cfg(debug_assertions)]
            c.check();
        } else {
            let mut dead = Unreachable(c);
            walk.step(|_| Visitor(&mut dead))?;
        }
        // Most operators make no code of their own. The end of what cannot be reached may: an `if` without an `else` passes its
        // parameters on there.
        if c.e.offset() != at {
            c.tables.operator(at, c.body.wasm_offset());
            if u64::from(at) > max_code {
                c.failure = Some(too_large(max_code));
                break;
            }
        }
    }
    Ok(())
}

impl Codegen<'_> {
    /// What follows belongs to the operator at `position`.
    fn mark(&mut self) {
        self.tables.operator(self.e.offset(), self.body.wasm_offset());
    }

    /// Whether the abstract state is one: see the invariants of `register_file` and `stack`.
    #[cfg(debug_assertions)]
    fn check(&self) {
        use crate::registers::Bank;
        use crate::value::Value;
        use sconce_x64::register::{Gpr, Xmm};
        let entries = || self.stack.iter().enumerate().skip(self.stack.settled());
        self.gprs.check(entries().filter_map(|(n, &value)| Gpr::of(value).map(|r| (r, n as u32))));
        self.xmms.check(entries().filter_map(|(n, &value)| Xmm::of(value).map(|x| (x, n as u32))));
        for (n, value) in self.stack.iter().enumerate().skip(self.stack.settled()) {
            match *value {
                Value::Gpr(_, r) if self.is_temporary(r) => {}
                Value::Xmm(_, x) if self.is_temporary(x) => {}
                Value::Gpr(..) | Value::Xmm(..) => {
                    assert_eq!(n + 1, self.stack.len(), "a pinned register as a value lives for one operator");
                }
                Value::Slot(_, at) => assert_eq!(at, n as u32, "a slot of another position"),
                Value::Local(ty, l) => assert_eq!(self.locals[l as usize].ty, ty),
                Value::Flags(_) => assert!(n + 1 == self.stack.len() && self.body.flags_wanted(), "flags that nobody consumes"),
                Value::Const(..) | Value::Pool(..) => {}
            }
        }
        self.stack.check();
    }
}
