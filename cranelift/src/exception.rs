//! Exceptions (spec section 4.6.8, "try_table", "throw").
//!
//! A call inside a try region ends its block: it returns to the next one, or continues in a handler. Each clause has one handler,
//! a block that loads the values from the payload and branches to the clause's label. What runs where no exception is thrown is
//! the same code as outside of try regions, but for what the handlers keep alive.
//!
//! What a handler catches is told by the offset of a tag in the VM context, so the frame must say where it keeps that: the
//! table's "context".

use crate::alias::Region;
use crate::call::Code;
use crate::state::{Handler, Kind};
use crate::translate::Translator;
use crate::types::clif_type;
use cranelift_codegen::ir::types::{I32, I64};
use cranelift_codegen::ir::{BlockArg, ExceptionTableData, ExceptionTableItem, ExceptionTag, InstBuilder, SigRef, Value};
use sconce_environ::abi::VALUE_SIZE;
use sconce_environ::builtin::Builtin;
use sconce_environ::handlers::clause;
use sconce_environ::index::TagIndex;
use sconce_environ::ops::{BlockType, Catch};
use sconce_environ::trap::TrapCode;
use sconce_environ::types::{RefType, ValType};
use smallvec::SmallVec;

pub(crate) fn try_table(t: &mut Translator<'_>, ty: BlockType, catches: &[Catch]) {
    let (params, results) = t.env.blocks.get(ty);
    let mut handlers: SmallVec<[Handler; 4]> = SmallVec::new();
    if !catches.is_empty() {
        // A block is left when it is complete, so the handlers come between two.
        let body = t.builder.create_block();
        t.builder.ins().jump(body, &[]);
        handlers.extend(catches.iter().map(|catch| t.handler(catch)));
        t.builder.switch_to_block(body);
        t.builder.seal_block(body);
    }
    t.keep_operands(t.state.values.len() - params.len());
    t.push_frame(Kind::Block, None, params, results);
    // A region's first clause is asked first, and the list is read from its end.
    t.state.handlers.extend(handlers.into_iter().rev());
}

pub(crate) fn throw(t: &mut Translator<'_>, tag: TagIndex) {
    let count = t.env.module.tag_values(tag).len();
    let slot = t.results_slot(count);
    let buffer = t.builder.ins().stack_addr(I64, slot, 0);
    let start = t.state.values.len() - count;
    for i in 0..count {
        let value = t.canonical(t.state.values[start + i]);
        t.store_trusted(Region::Results, value, buffer, (i * VALUE_SIZE) as u32);
    }
    t.state.pop_n(count);
    let tag = t.index_argument(tag.as_u32());
    t.leave_by(Builtin::Throw, &[tag, buffer]);
}

pub(crate) fn throw_ref(t: &mut Translator<'_>) {
    let exception = t.pop();
    t.leave_by(Builtin::ThrowRef, &[exception]);
}

impl Translator<'_> {
    /// A clause's handler, complete but for what leads to it.
    fn handler(&mut self, catch: &Catch) -> Handler {
        let block = self.builder.create_block();
        let payload = self.builder.append_block_param(block, I64);
        let exception = self.builder.append_block_param(block, I64);
        self.builder.set_cold_block(block);
        self.builder.switch_to_block(block);
        let height = self.state.values.len();
        if let Some(tag) = catch.tag {
            let module = self.env.module;
            for (i, &ty) in module.tag_values(tag).iter().enumerate() {
                let value = self.load_trusted(clif_type(ty), Region::Results, payload, (i * VALUE_SIZE) as u32);
                self.push_typed(ty, value);
            }
        }
        if catch.with_exception {
            let exception = self.builder.ins().ireduce(I32, exception);
            self.push_typed(ValType::Ref(RefType { nullable: false, ..RefType::EXNREF }), exception);
        }
        self.jump_to(catch.depth);
        self.state.values.truncate(height);
        Handler { tag: catch.tag.map(|tag| self.env.layout.tag(tag)), wants_exception: catch.with_exception, block }
    }

    /// Forgets the handlers beyond the first `count`: their region has ended, so nothing more leads to them.
    pub(crate) fn end_handlers(&mut self, count: usize) {
        for handler in self.state.handlers.drain(count..) {
            self.builder.seal_block(handler.block);
        }
    }

    /// Calls what never returns, and may continue in a handler.
    fn leave_by(&mut self, builtin: Builtin, args: &[Value]) {
        let (signature, code, args) = self.builtin_call(builtin, args);
        if self.state.handlers.is_empty() {
            self.builder.ins().call_indirect(signature, code, &args);
        } else {
            self.try_call(signature, Code::Address(code), &args);
        }
        self.trap(TrapCode::Unreachable);
    }

    /// A call in a try region; gives its results.
    pub(crate) fn try_call(&mut self, signature: SigRef, code: Code, args: &[Value]) -> SmallVec<[Value; 8]> {
        let next = self.builder.create_block();
        let results: SmallVec<[_; 8]> =
            self.builder.func.dfg.signatures[signature].returns.iter().map(|r| r.value_type).collect();
        let mut returned: SmallVec<[BlockArg; 8]> = SmallVec::new();
        for (i, &ty) in results.iter().enumerate() {
            self.builder.append_block_param(next, ty);
            returned.push(BlockArg::TryCallRet(i as u32));
        }
        let pool = &mut self.builder.func.dfg.value_lists;
        let normal = cranelift_codegen::ir::BlockCall::new(next, returned, pool);
        let mut items: SmallVec<[ExceptionTableItem; 8]> = SmallVec::new();
        items.push(ExceptionTableItem::Context(self.env.vmctx));
        for handler in self.state.handlers.iter().rev() {
            let args = [BlockArg::TryCallExn(0), BlockArg::TryCallExn(1)];
            let call = cranelift_codegen::ir::BlockCall::new(handler.block, args, pool);
            // Cranelift carries it as a tag.
            let clause = clause(handler.tag, handler.wants_exception);
            items.push(ExceptionTableItem::Tag(ExceptionTag::from_u32(clause), call));
            if handler.tag.is_none() {
                break;
            }
        }
        let table = self.builder.func.dfg.exception_tables.push(ExceptionTableData::new(signature, normal, items));
        match code {
            Code::Defined(func) => self.builder.ins().try_call(func, args, table),
            Code::Address(code) => self.builder.ins().try_call_indirect(code, args, table),
        };
        self.builder.seal_block(next);
        self.builder.switch_to_block(next);
        self.builder.block_params(next).into()
    }
}
