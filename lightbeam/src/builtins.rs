//! Calls of the runtime's builtins.

use crate::codegen::{Codegen, VMCTX};
use crate::value::{Ty, Value};
use sconce_environ::builtin::Builtin;
use sconce_environ::index::{DataIndex, MemoryIndex};
use sconce_environ::layout::{Place, VmLayout};
use sconce_x64::abi::ARG_GPRS;
use sconce_x64::encode::{Addr, Size};
use sconce_x64::register::Gpr;

/// What a builtin is told without a value on the stack.
#[derive(Copy, Clone, Debug)]
pub(crate) enum Constant {
    /// A number of an item, say.
    Number(u32),
    /// The address of a memory's description.
    Memory(MemoryIndex),
    /// The same of a data segment's.
    Data(DataIndex),
}

impl Codegen<'_> {
    /// Calls a builtin: after the context it takes numbers, then the topmost `count` values, which are popped; all are integers,
    /// and what is narrower than the parameter is zero-extended. Pushes the result as a value of the type given.
    pub(crate) fn builtin(&mut self, builtin: Builtin, numbers: &[u32], count: usize, result: Option<Ty>) {
        let constants: [Constant; 2] = std::array::from_fn(|n| Constant::Number(numbers.get(n).copied().unwrap_or_default()));
        self.builtin_with(builtin, &constants[..numbers.len()], count, result);
    }

    /// The same with constants of any kind.
    pub(crate) fn builtin_with(&mut self, builtin: Builtin, constants: &[Constant], count: usize, result: Option<Ty>) {
        debug_assert_eq!(builtin.params().len(), constants.len() + count);
        self.check_summary(self.summary.calls, "call");
        let start = self.stack.len() - count;
        self.settle_registers_below(start);
        let places = &ARG_GPRS[1 + constants.len()..];
        self.moves.add(Gpr::Rdi, VMCTX);
        for (n, &to) in places.iter().enumerate().take(count) {
            let value = self.stack[start + n];
            if let Some(from) = self.register_of(value) {
                self.moves.add(to, from);
            }
        }
        self.parallel_gprs();
        for (n, &to) in places.iter().enumerate().take(count) {
            let value = self.stack[start + n];
            if self.register_of(value).is_none() {
                self.load_gpr(to, value);
            }
        }
        for (n, &constant) in constants.iter().enumerate() {
            self.load_constant(ARG_GPRS[1 + n], constant);
        }
        self.call_builtin(builtin);
        if builtin == Builtin::ThrowRef {
            self.call_site();
        }
        self.after_call(start);
        if let Some(ty) = result {
            self.take_result(ty, Gpr::Rax);
        }
    }

    fn load_constant(&mut self, to: Gpr, constant: Constant) {
        let at = match constant {
            Constant::Number(number) => return self.load_gpr(to, Value::Const(Ty::I32, number)),
            Constant::Memory(memory) => self.layout.memory(memory),
            Constant::Data(data) => Place::Inline(self.layout.data(data)),
        };
        match at {
            Place::Inline(at) => self.e.lea(Size::S64, to, Addr::new(VMCTX, at as i32)),
            Place::Pointer(at) => self.e.load(Size::S64, to, Addr::new(VMCTX, at as i32)),
        }
    }

    /// The call itself; arguments are in their registers.
    pub(crate) fn call_builtin(&mut self, builtin: Builtin) {
        let s = self.scratch();
        s.e.load(Size::S64, s.r, Addr::new(VMCTX, VmLayout::BUILTINS as i32));
        s.e.call(Addr::new(s.r, builtin as i32 * size_of::<usize>() as i32).into());
        s.give_up();
    }
}
