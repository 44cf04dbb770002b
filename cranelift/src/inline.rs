//! Calls of functions that are smaller than a call.
//!
//! Compilers leave functions that give back an argument, a constant or a flag, and a call of one costs more than its two jumps: the
//! caller must have put aside all that it works with. Such a function's operators are translated where it is called.
//!
//! Nothing in it may trap, be called, branch or be waited for: then nobody can tell that it has no frame. Only where calls are direct:
//! otherwise the function may be replaced.

use crate::translate::Translator;
use sconce_environ::compile::CallStyle;
use sconce_environ::index::*;
use sconce_environ::module::Module;
use sconce_environ::translate::val_type;
use sconce_environ::types::ValType;
use sconce_environ::visit::Visitor;
use sconce_environ::walk::Walk;
use smallvec::SmallVec;
use wasmparser::{BinaryReader, FunctionBody};

/// Bytes of the longest body that is looked at: about what a call takes.
const MAX_BODY: usize = 16;
/// Parameters.
const MAX_PARAMS: usize = 8;
/// Locals besides.
const MAX_LOCALS: usize = 4;

/// A body to be translated in its callers.
struct Small<'a> {
    locals: SmallVec<[ValType; MAX_LOCALS]>,
    body: &'a [u8],
    /// Where the operators are: all but the last `end`.
    operators: std::ops::Range<usize>,
}

/// Translates a call in place, with the callee's arguments on the stack, if that is a function for it.
pub(crate) fn inline(t: &mut Translator<'_>, func: DefinedFuncIndex) -> bool {
    let settings = t.env.settings;
    // Where every call is a safe point, calls stay.
    if settings.calls != CallStyle::Direct || settings.gc_stress {
        return false;
    }
    let ty = t.env.module.type_of(t.env.module.func_index(func));
    if ty.params.len() > MAX_PARAMS {
        return false;
    }
    let Some(small) = small(t.env.module, t.env.bodies.get(func)) else { return false };
    let start = t.state.values.len() - ty.params.len();
    let args: SmallVec<[_; 8]> = t.state.values[start..].into();
    t.state.pop_n(args.len());
    let mut first = None;
    for (&ty, &arg) in ty.params.iter().zip(&args) {
        let arg = t.canonical(arg);
        let var = t.declare_local(ty, Some(arg));
        first.get_or_insert(var);
    }
    for &ty in &small.locals {
        let zero = t.zero(ty);
        let var = t.declare_local(ty, zero);
        first.get_or_insert(var);
    }
    let callers = t.locals;
    t.locals = first.map_or(0, |var| var.as_u32());
    let mut walk = Walk::new(small.body, small.operators.start, 0);
    while walk.position() < small.operators.end {
        walk.step(|_| Visitor(&mut *t)).expect("a validated body");
    }
    t.locals = callers;
    true
}

/// The body, if it is one of those. It has been validated.
fn small<'a>(module: &Module, body: &'a [u8]) -> Option<Small<'a>> {
    if body.len() > MAX_BODY {
        return None;
    }
    let mut declared = FunctionBody::new(BinaryReader::new(body, 0)).get_locals_reader().ok()?;
    let mut locals = SmallVec::new();
    for _ in 0..declared.get_count() {
        let (count, ty) = declared.read().ok()?;
        let ty = val_type(ty).ok()?;
        // References have neither zeros nor names that are worth the care.
        if matches!(ty, ValType::Ref(_)) || locals.len() + count as usize > MAX_LOCALS {
            return None;
        }
        locals.extend(std::iter::repeat_n(ty, count as usize));
    }
    let start = declared.original_position() as usize;
    let mut reader = BinaryReader::new(&body[start..], 0);
    loop {
        let at = start + reader.current_position();
        if !is_plain(module, &mut reader)? {
            return reader.eof().then_some(Small { locals, body, operators: start..at });
        }
    }
}

/// Reads an operator: whether it is one that computes and cannot trap, or an `end`. `None` for all others.
fn is_plain(module: &Module, reader: &mut BinaryReader<'_>) -> Option<bool> {
    match reader.read_u8().ok()? {
        // end
        0x0b => return Some(false),
        // nop, drop, select; ref.is_null
        0x01 | 0x1a | 0x1b | 0xd1 => {}
        // local.get, local.set, local.tee
        0x20..=0x22 => drop(reader.read_var_u32().ok()?),
        // global.get, global.set: of references they are more than that.
        0x23 | 0x24 => {
            let global = GlobalIndex::from_u32(reader.read_var_u32().ok()?);
            if matches!(module.globals[global].content, ValType::Ref(_)) {
                return None;
            }
        }
        0x41 => drop(reader.read_var_i32().ok()?),
        0x42 => drop(reader.read_var_i64().ok()?),
        0x43 => drop(reader.read_bytes(4).ok()?),
        0x44 => drop(reader.read_bytes(8).ok()?),
        // Division and truncation can trap.
        0x6d..=0x70 | 0x7f..=0x82 | 0xa8..=0xab | 0xae..=0xb1 => return None,
        // Comparisons, arithmetic, conversions.
        0x45..=0xc4 => {}
        _ => return None,
    }
    Some(true)
}
