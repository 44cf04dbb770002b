//! Exceptions (spec section 4.6.8, "try_table", "throw").
//!
//! Each clause has a handler behind the function, which puts the payload where the clause's label expects it.
//! A handler begins with nothing but the frame: so a function with clauses saves all callee-saved registers,
//! pins no locals in them, and keeps its VM context in the frame. Everything below a try region is settled
//! when it begins, as with any block; so nothing is to be done where no exception is thrown.

use crate::address::load_memory_base;
use crate::blocks::Kind;
use crate::codegen::{Codegen, VMCTX};
use crate::copies::{Direction, MOVED_SINGLY};
use crate::handlers::{ActiveHandler, HandlerCode};
use crate::operands::load_xmm_mem;
use crate::stub::StubKind;
use crate::value::Ty;
use sconce_environ::abi::VALUE_SIZE;
use sconce_environ::builtin::Builtin;
use sconce_environ::index::{MemoryIndex, TagIndex};
use sconce_environ::ops::{BlockType, Catch};
use sconce_environ::trap::TrapCode;
use sconce_x64::encode::{Addr, Size};
use sconce_x64::register::{Gpr, Xmm};

pub(crate) fn try_table(c: &mut Codegen<'_>, ty: BlockType, catches: &[Catch]) {
    let handlers: Vec<ActiveHandler> = catches.iter().map(|catch| c.handler(catch)).collect();
    // The block remembers the handlers outside.
    crate::control::block(c, ty);
    // A region's first clause is asked first.
    for handler in handlers.into_iter().rev() {
        c.handlers.enter(handler);
    }
}

pub(crate) fn throw(c: &mut Codegen<'_>, tag: TagIndex) {
    let count = c.module.tag_values(tag).len();
    let start = c.stack.len() - count;
    c.settle_registers_below(start);
    c.lower_stack((count * VALUE_SIZE) as i32);
    if count > MOVED_SINGLY {
        c.spill_top(count);
        let values = c.module.tag_values(tag);
        c.copy_values(Direction::FromSlots, Gpr::Rsp, 0, start as u32, values, [Gpr::Rcx, Gpr::Rdx]);
    } else {
        for n in 0..count {
            let value = c.stack[start + n];
            c.store_value(Addr::new(Gpr::Rsp, (n * VALUE_SIZE) as i32), value);
        }
    }
    c.e.mov(Size::S64, Gpr::Rdi, VMCTX);
    c.e.mov_imm(Size::S32, Gpr::Rsi, tag.as_u32().into());
    c.e.mov(Size::S64, Gpr::Rdx, Gpr::Rsp);
    c.call_builtin(Builtin::Throw);
    c.call_site();
    c.after_call(start);
    // It does not return.
    c.trap(TrapCode::Unreachable);
    c.end_reachable();
}

pub(crate) fn throw_ref(c: &mut Codegen<'_>) {
    c.builtin(Builtin::ThrowRef, &[], 1, None);
    c.trap(TrapCode::Unreachable);
    c.end_reachable();
}

impl Codegen<'_> {
    /// A clause's handler, to be emitted behind the function.
    fn handler(&mut self, catch: &Catch) -> ActiveHandler {
        let target = self.branch_label(catch.depth);
        let arity = catch.tag.map_or(0, |tag| self.module.tag_values(tag).len()) + usize::from(catch.with_exception);
        let frame = self.block(catch.depth);
        let (height, to_register) = (frame.height, frame.kind != Kind::Loop && arity == 1);
        if !to_register && arity != 0 {
            self.frame.use_slot(height + arity as u32 - 1);
        }
        let code = HandlerCode { tag: catch.tag, with_exception: catch.with_exception, height, to_register };
        let code = self.handlers.add_code(code);
        let label = self.stub(StubKind::Handler { target, code });
        let tag = catch.tag.map(|tag| self.layout.tag(tag));
        ActiveHandler { tag, wants_exception: catch.with_exception, label }
    }

    /// Emits a handler's code: the payload's address is in rax, the exception in rdx.
    pub(crate) fn emit_handler(&mut self, code: u32) {
        let HandlerCode { tag, with_exception, height, to_register } = self.handlers.code(code);
        let home = self.frame.vmctx().expect("the prologue put it there");
        self.e.load(Size::S64, VMCTX, home);
        if let Some(base) = self.memory_base {
            load_memory_base(&mut self.e, base, VMCTX, self.layout.memory(MemoryIndex::from_u32(0)));
        }
        let module = self.module;
        let values = tag.map_or(&[][..], |tag| module.tag_values(tag));
        if to_register {
            match values {
                [ty] if Ty::of(*ty).is_int() => self.e.load(Ty::of(*ty).size(), Gpr::Rax, Addr::new(Gpr::Rax, 0)),
                [ty] => load_xmm_mem(&mut self.e, Ty::of(*ty), Xmm(0), Addr::new(Gpr::Rax, 0)),
                _ => self.e.mov(Size::S32, Gpr::Rax, Gpr::Rdx),
            }
            return;
        }
        // The payload's address and the exception are all that is in registers.
        self.copy_values(Direction::ToSlots, Gpr::Rax, 0, height, values, [Gpr::Rcx, Gpr::Rsi]);
        if with_exception {
            let slot = self.frame.slot(height + values.len() as u32);
            self.e.store(Size::S32, slot, Gpr::Rdx);
        }
    }

    /// The call whose return address is here may continue in a handler.
    pub(crate) fn call_site(&mut self) {
        self.handlers.call_site(self.e.offset());
    }
}
