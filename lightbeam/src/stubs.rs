//! Traps, and the code behind the function that they and other rare ways lead to.

use crate::codegen::Codegen;
use crate::stub::{Stub, StubKind};
use crate::value::Ty;
use sconce_environ::trap::TrapCode;
use sconce_environ::vm::{NO_TYPE, VmTableEntry};
use sconce_x64::encode::{Addr, Alu, Cond, Label, Rm, Size};
use sconce_x64::sse;
use std::mem::offset_of;

impl Codegen<'_> {
    /// The instruction that comes next traps if it faults.
    #[inline(always)]
    pub(crate) fn may_trap(&mut self, code: TrapCode) {
        self.tables.trap(self.e.offset(), code);
    }

    /// A label behind the function that traps.
    pub(crate) fn trap_label(&mut self, code: TrapCode) -> Label {
        self.stub(StubKind::Trap(code))
    }

    pub(crate) fn stub(&mut self, kind: StubKind) -> Label {
        let label = self.e.label();
        let wasm_offset = self.body.wasm_offset();
        self.stubs.add(Stub { label, wasm_offset, kind });
        label
    }

    /// Emits them all.
    pub(crate) fn emit_stubs(&mut self) {
        for n in 0.. {
            let Some(stub) = self.stubs.get(n) else { break };
            self.tables.operator(self.e.offset(), stub.wasm_offset);
            self.e.bind(stub.label);
            match stub.kind {
                StubKind::Trap(code) => self.trap(code),
                StubKind::BadConversion { float, ty } => {
                    self.e.sse_two(if ty == Ty::F32 { sse::UCOMISS } else { sse::UCOMISD }, float, float.into());
                    let nan = self.e.skip_if(Cond::P);
                    self.trap(TrapCode::IntegerOverflow);
                    self.e.land(nan);
                    self.trap(TrapCode::InvalidConversionToInteger);
                }
                StubKind::BadSignature { entry } => {
                    let id = Addr::new(entry, offset_of!(VmTableEntry, type_id) as i32);
                    self.e.alu_imm(Alu::Cmp, Size::S32, Rm::Mem(id), NO_TYPE.cast_signed());
                    let null = self.e.skip_if(Cond::E);
                    self.trap(TrapCode::IndirectCallTypeMismatch);
                    self.e.land(null);
                    self.trap(TrapCode::UninitializedElement);
                }
                StubKind::SlowPath(number) => self.emit_slow_path(number),
                StubKind::Handler { target, code } => {
                    self.emit_handler(code);
                    self.e.jmp(target);
                }
                StubKind::Leave { target, pins } => {
                    self.write_back(pins);
                    self.e.jmp(target);
                }
            }
        }
    }

    /// Traps here.
    pub(crate) fn trap(&mut self, code: TrapCode) {
        self.may_trap(code);
        self.e.ud2();
    }
}
