//! Calls that give way to the callee's body: a small function costs less than the call, and what is known of its arguments is
//! known in it.
//!
//! The body is translated where the call is, as a block that gives the callee's results: its parameters and locals are variables of
//! their own, a `return` leaves the block. It is the same instance's, so that everything else means the same. Its operators have
//! positions behind those of the function, and of bodies that came before ([`sconce_environ::inlined`]).
//!
//! What is not translated so: what takes down or looks for a frame (tail calls, exceptions), and locals that are handles. Nor
//! is anything where code counts what it executes, since both compilers are to count the same.

use crate::bodies::{Body, Open};
use crate::state::Kind;
use crate::translate::Translator;
use crate::types::clif_type;
use cranelift_codegen::ir::{InstBuilder, Type, Value};
use cranelift_frontend::Variable;
use sconce_environ::block::Types;
use sconce_environ::builtin::Builtin;
use sconce_environ::index::{DefinedFuncIndex, FuncIndex};
use sconce_environ::types::ValType;
use sconce_environ::walk::Walk;
use smallvec::SmallVec;

impl<'a> Translator<'a> {
    /// Translates a function's body in place of a call, if that is to be; says whether it was.
    pub(crate) fn inline_call(&mut self, func: FuncIndex) -> bool {
        let Some(defined) = self.env.module.defined_func(func) else { return false };
        // What is unlikely is not worth it; nor what leads to a beginning in the middle of the function and is left out.
        let cold = self.builder.current_block().is_none_or(|block| self.builder.func.layout.is_cold(block));
        if cold || self.is_entry_missing() {
            return false;
        }
        let below = self.state.values.len() - self.env.module.type_of(func).params.len();
        let Some(body) = self.inlines.admit(defined, self.env.module, below, self.state.handlers.len()) else { return false };
        if let Err(error) = self.translate_body(func, defined, &body) {
            self.failure = Some(error);
        }
        true
    }

    /// Goes on in another block. Cranelift makes one instruction of a load and an operation with its result, which is the
    /// operation's: at a border they would be of two functions, and what an access that traps belongs to the wrong one.
    fn part(&mut self) {
        let next = self.builder.create_block();
        self.builder.ins().jump(next, &[]);
        self.builder.seal_block(next);
        self.builder.switch_to_block(next);
    }

    /// A variable for a local of a body. One without a value is set before it is read.
    fn variable_of_body(&mut self, ty: ValType, value: Option<Value>) -> (Type, Variable) {
        let ty = clif_type(ty);
        let variable = self.inlines.free_variable(ty).unwrap_or_else(|| self.builder.declare_var(ty));
        if let Some(value) = value {
            self.builder.def_var(variable, value);
        }
        (ty, variable)
    }

    fn translate_body(&mut self, func: FuncIndex, defined: DefinedFuncIndex, body: &Body<'a>) -> Result<(), String> {
        let ty = self.env.module.type_of(func);
        let first = self.inlines.add(defined, body, self.position);
        let below = self.state.values.len() - ty.params.len();
        let args: SmallVec<[Value; 8]> = (below..self.state.values.len()).map(|n| self.canonical(self.state.values[n])).collect();
        self.state.values.truncate(below);
        self.part();
        let mut locals = SmallVec::new();
        for (&ty, &arg) in ty.params.iter().zip(&args) {
            locals.push(self.variable_of_body(ty, Some(arg)));
        }
        for ty in (args.len() as u32..body.locals.len()).map(body.locals.types()) {
            let zero = self.zero(ty);
            locals.push(self.variable_of_body(ty, zero));
        }
        self.push_frame(Kind::Block, None, Types::NONE, Types::Many(&ty.results));
        let frame = self.state.control.len() - 1;
        self.inlines.open(Open { func: defined, first, locals, frame });
        if self.env.settings.gc_stress {
            self.builtin(Builtin::Sweep, &[]);
        }
        let hints = std::mem::replace(&mut self.hints, self.env.module.branch_hints.of(func));
        let position = self.position;
        let done = self.operators(Walk::new(body.bytes, body.operators, body.offset));
        if self.state.reachable {
            self.part();
        }
        (self.position, self.hints) = (position, hints);
        self.inlines.close();
        done.map_err(|e| e.to_string())
    }
}
