//! References and tables.

use crate::codegen::{Codegen, VMCTX};
use crate::value::{Ty, Value};
use sconce_environ::builtin::Builtin;
use sconce_environ::heap::HANDLE_BYTES;
use sconce_environ::index::*;
use sconce_environ::trap::TrapCode;
use sconce_environ::types::{HeapType, RefKind, RefType, ValType};
use sconce_environ::vm::{VmFuncImport, VmTable, VmTableEntry};
use sconce_x64::encode::{Addr, Alu, Cond, Shift, Size};
use sconce_x64::register::Gpr;
use std::mem::offset_of;

pub(crate) fn ref_null(c: &mut Codegen<'_>, heap: HeapType) {
    c.push(Value::Const(Ty::of(ValType::Ref(RefType { nullable: true, heap })), 0));
}

pub(crate) fn ref_is_null(c: &mut Codegen<'_>) {
    let value = c.pop();
    if c.bits(value).is_some() {
        // The only constant reference is null.
        return c.push(Value::Const(Ty::I32, 1));
    }
    let null = c.null_flag(value);
    c.release(value);
    c.push_flag(null);
}

pub(crate) fn ref_as_non_null(c: &mut Codegen<'_>) {
    let value = c.pop();
    let null = c.null_flag(value);
    let trap = c.trap_label(TrapCode::NullReference);
    c.jump_if(null, trap);
    c.push(value);
}

pub(crate) fn ref_func(c: &mut Codegen<'_>, func: FuncIndex) {
    let r = c.alloc_gpr();
    match (c.module.defined_func(func), c.layout.func_ref(func)) {
        (Some(_), Some(offset)) => c.e.lea(Size::S64, r, Addr::new(VMCTX, offset as i32)),
        (Some(_), None) => unreachable!("decoding lists what ref.func names among the escaping functions"),
        // An import's record is its exporter's, so that a function has one identity.
        (None, _) => {
            let record = c.layout.func_import(func) + offset_of!(VmFuncImport, funcref) as u32;
            c.e.load(Size::S64, r, Addr::new(VMCTX, record as i32));
        }
    }
    c.push_gpr(Ty::I64, r);
}

pub(crate) fn table_get(c: &mut Codegen<'_>, table: TableIndex) {
    match c.element_kind(table) {
        RefKind::Func => {
            let index = c.pop();
            let r = c.table_element(table, index, size_of::<VmTableEntry>(), TrapCode::TableOutOfBounds);
            c.e.load(Size::S64, r, Addr::new(r, offset_of!(VmTableEntry, funcref) as i32));
            c.push_gpr(Ty::I64, r);
        }
        RefKind::Handle => {
            let index = c.pop();
            let r = c.table_element(table, index, HANDLE_BYTES, TrapCode::TableOutOfBounds);
            c.e.load(Size::S32, r, Addr::new(r, 0));
            c.read_barrier(r);
            c.push_gpr(Ty::Handle, r);
        }
    }
}

pub(crate) fn table_set(c: &mut Codegen<'_>, table: TableIndex) {
    match c.element_kind(table) {
        RefKind::Func => c.builtin(Builtin::TableSetFunc, &[table.as_u32()], 2, None),
        RefKind::Handle => {
            let value = c.pop();
            let index = c.pop();
            let r = c.table_element(table, index, HANDLE_BYTES, TrapCode::TableOutOfBounds);
            c.write_barrier(Addr::new(r, 0), value);
            c.free(r);
        }
    }
}

pub(crate) fn table_size(c: &mut Codegen<'_>, table: TableIndex) {
    let ty = Codegen::index_ty(c.module.tables[table].table64);
    let r = c.alloc_gpr();
    let (s, place) = c.place(c.layout.table(table));
    s.e.load(ty.size(), r, place.plus(offset_of!(VmTable, length) as i32));
    drop(s);
    c.push_gpr(ty, r);
}

pub(crate) fn table_grow(c: &mut Codegen<'_>, table: TableIndex) {
    let builtin = match c.element_kind(table) {
        RefKind::Func => Builtin::TableGrowFunc,
        RefKind::Handle => Builtin::TableGrowRef,
    };
    let result = Codegen::index_ty(c.module.tables[table].table64);
    c.builtin(builtin, &[table.as_u32()], 2, Some(result));
}

pub(crate) fn table_fill(c: &mut Codegen<'_>, table: TableIndex) {
    let builtin = match c.element_kind(table) {
        RefKind::Func => Builtin::TableFillFunc,
        RefKind::Handle => Builtin::TableFillRef,
    };
    c.builtin(builtin, &[table.as_u32()], 3, None);
}

pub(crate) fn table_copy(c: &mut Codegen<'_>, dst: TableIndex, src: TableIndex) {
    c.builtin(Builtin::TableCopy, &[dst.as_u32(), src.as_u32()], 3, None);
}

pub(crate) fn table_init(c: &mut Codegen<'_>, table: TableIndex, elem: ElemIndex) {
    c.builtin(Builtin::TableInit, &[table.as_u32(), elem.as_u32()], 3, None);
}

pub(crate) fn elem_drop(c: &mut Codegen<'_>, elem: ElemIndex) {
    c.builtin(Builtin::ElemDrop, &[elem.as_u32()], 0, None);
}

impl Codegen<'_> {
    fn element_kind(&self, table: TableIndex) -> RefKind {
        self.module.tables[table].element.kind()
    }

    /// The address of an element in a register to be given back, after a check; a misspeculated access past the end reads the
    /// first one. `size` is a power of two.
    pub(crate) fn table_element(&mut self, table: TableIndex, index: Value, size: usize, trap: TrapCode) -> Gpr {
        let outside = self.trap_label(trap);
        let r = self.own_gpr(index);
        let zero = self.alloc_gpr();
        let masks = self.settings.spectre_mitigations;
        let fixed = self.module.table_is_fixed(table).then(|| i32::try_from(self.module.tables[table].limits.min));
        let (s, place) = self.place(self.layout.table(table));
        let field = |offset: usize| place.plus(offset as i32);
        match fixed {
            Some(Ok(length)) => s.e.alu_imm(Alu::Cmp, Size::S64, r.into(), length),
            _ => s.e.alu(Alu::Cmp, Size::S64, r, field(offset_of!(VmTable, length)).into()),
        }
        s.e.jcc(Cond::Ae, outside);
        if masks {
            // (A move leaves flags alone.)
            s.e.mov_imm(Size::S32, zero, 0);
            s.e.cmov(Cond::Ae, Size::S64, r, zero.into());
        }
        s.e.shift_imm(Shift::Shl, Size::S64, r.into(), size.trailing_zeros() as u8);
        s.e.alu(Alu::Add, Size::S64, r, field(offset_of!(VmTable, base)).into());
        drop(s);
        self.free(zero);
        r
    }
}
