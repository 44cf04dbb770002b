//! How operands are consumed: mixed into a hash, each in a way that depends on all of it and on its place.

use super::body::Body;
use super::numbers::pick;
use rand::Rng;
use wasm_encoder::{Encode, HeapType, Instruction as I, RefType, ValType};

impl Body<'_> {
    /// Consumes operands, until so many are left.
    pub fn fold_to(&mut self, height: usize) {
        while self.stack.len() > height {
            self.fold(height);
        }
    }

    /// Consumes the topmost operand, or makes one of the topmost two.
    fn fold(&mut self, height: usize) {
        let top = self.stack[self.stack.len() - 1];
        let two = self.stack.len() >= height + 2 && self.stack[self.stack.len() - 2] == top;
        if two && self.rng.random_bool(0.9) {
            let simd = |n: u32| {
                move |code: &mut Vec<u8>| {
                    code.push(0xfd);
                    n.encode(code);
                }
            };
            match top {
                ValType::I32 => self.code.push(pick(self.rng, &[0x6a, 0x6b, 0x73])),
                ValType::I64 => self.code.push(pick(self.rng, &[0x7c, 0x7d, 0x85])),
                ValType::V128 => simd(pick(self.rng, &[0x51, 0xae, 0xb1, 0xce]))(&mut self.code),
                ValType::F32 | ValType::F64 | ValType::Ref(_) => return self.consume(top),
            }
            self.budget -= 1;
            return self.pop(1);
        }
        self.consume(top);
    }

    /// Mixes the topmost operand into the hash, or writes it to a local: those are looked at in the end.
    fn consume(&mut self, ty: ValType) {
        if self.rng.random_bool(0.05)
            && let Some(local) = self.writable(ty)
        {
            self.emit(&I::LocalSet(local));
            return self.pop(1);
        }
        match ty {
            ValType::I32 => self.emit(&I::I64ExtendI32U),
            ValType::I64 => {}
            ValType::F32 => {
                self.emit(&I::I32ReinterpretF32);
                self.emit(&I::I64ExtendI32U);
            }
            ValType::F64 => self.emit(&I::I64ReinterpretF64),
            ValType::V128 => {
                let local = self.fresh(ty);
                self.emit(&I::LocalTee(local));
                self.emit(&I::I64x2ExtractLane(0));
                self.emit(&I::LocalGet(local));
                self.emit(&I::I64x2ExtractLane(1));
                self.emit(&I::I64Sub);
            }
            ValType::Ref(r) => return self.consume_reference(r),
        }
        self.mix();
        self.pop(1);
    }

    /// Mixes an `i64`, which the caller takes off the stack.
    fn mix(&mut self) {
        self.emit(&I::LocalGet(self.hash));
        self.emit(&I::I64Xor);
        let factor = self.rng.random::<i64>() | 1;
        let short = self.rng.random();
        self.emit(&I::I64Const(if short { i64::from(factor as i32) } else { factor }));
        self.emit(&I::I64Mul);
        self.emit(&I::LocalSet(self.hash));
    }

    /// Mixes a number.
    pub fn note(&mut self, number: i64) {
        self.emit(&I::I64Const(number));
        self.mix();
    }

    fn consume_reference(&mut self, ty: RefType) {
        if self.calls && self.rng.random_bool(0.5) {
            match ty.heap_type {
                HeapType::Concrete(named) if self.call_if_any(named) => return,
                heap if heap == HeapType::EXTERN && self.keep() => return,
                _ if ty == RefType::EXNREF && self.rethrow() => return,
                _ => {}
            }
        }
        self.emit(&I::RefIsNull);
        self.emit(&I::I64ExtendI32U);
        self.mix();
        self.pop(1);
    }
}
