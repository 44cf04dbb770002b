//! Locals and globals.

use crate::alias::{self, Region};
use crate::barrier;
use crate::env::displacement;
use crate::translate::Translator;
use crate::types::clif_type;
use cranelift_codegen::ir::{Opcode, Value};
use cranelift_frontend::Variable;
use sconce_environ::index::*;

pub(crate) fn local_get(t: &mut Translator<'_>, local: LocalIndex) {
    let variable = t.variable(local);
    let value = t.builder.use_var(variable);
    t.note_handle(local, value);
    t.push(value);
}

pub(crate) fn local_set(t: &mut Translator<'_>, local: LocalIndex) {
    let value = t.pop();
    let value = t.canonical(value);
    let variable = t.variable(local);
    t.builder.def_var(variable, value);
}

pub(crate) fn local_tee(t: &mut Translator<'_>, local: LocalIndex) {
    let value = t.state.top();
    let value = t.canonical(value);
    let variable = t.variable(local);
    t.builder.def_var(variable, value);
}

pub(crate) fn global_get(t: &mut Translator<'_>, global: GlobalIndex) {
    let ty = t.env.module.globals[global];
    let (address, offset) = t.global_place(global);
    let value = if ty.mutable {
        let flags = alias::trusted(t.builder.func, t.global_region(global));
        if ty.content.is_handle() {
            barrier::read(t, flags, address, offset)
        } else {
            t.load_with(Opcode::Load, clif_type(ty.content), flags, address, displacement(offset))
        }
    } else {
        t.constant(clif_type(ty.content), address, offset)
    };
    t.push_typed(ty.content, value);
}

pub(crate) fn global_set(t: &mut Translator<'_>, global: GlobalIndex) {
    let value = t.pop();
    let value = t.canonical(value);
    let (address, offset) = t.global_place(global);
    if t.env.module.globals[global].content.is_handle() {
        let region = t.global_region(global);
        let flags = alias::trusted(t.builder.func, region);
        barrier::write(t, region, flags, value, address, offset);
    } else {
        t.store_trusted(t.global_region(global), value, address, offset);
    }
}

impl Translator<'_> {
    /// The function's own locals were declared first, in the order of their numbers.
    fn variable(&self, local: LocalIndex) -> Variable {
        self.inlines.variable(local).unwrap_or_else(|| Variable::from_u32(self.locals.number(local.as_u32())))
    }

    fn global_place(&mut self, global: GlobalIndex) -> (Value, u32) {
        self.place(self.env.layout.global(global))
    }

    fn global_region(&self, global: GlobalIndex) -> Region {
        self.env.module.defined_global(global).map_or(Region::ImportedGlobals, |d| Region::Global(d.as_u32()))
    }
}
