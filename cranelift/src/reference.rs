//! References and tables.

use crate::alias::{self, Region};
use crate::barrier;
use crate::range;
use crate::translate::Translator;
use crate::types::clif_type;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::{I32, I64};
use cranelift_codegen::ir::{InstBuilder, MemFlags, Opcode, Value};
use sconce_environ::builtin::Builtin;
use sconce_environ::heap::HANDLE_BYTES;
use sconce_environ::index::*;
use sconce_environ::trap::TrapCode;
use sconce_environ::types::{HeapType, RefKind, RefType, ValType};
use sconce_environ::vm::{VmFuncImport, VmTableEntry};
use std::mem::offset_of;

pub(crate) fn ref_null(t: &mut Translator<'_>, heap: HeapType) {
    let ty = clif_type(ValType::Ref(RefType { nullable: true, heap }));
    let null = t.builder.ins().iconst(ty, 0);
    t.push(null);
}

pub(crate) fn ref_is_null(t: &mut Translator<'_>) {
    let value = t.pop();
    let is_null = t.is_null(value);
    let is_null = t.builder.ins().uextend(I32, is_null);
    t.push(is_null);
}

pub(crate) fn ref_func(t: &mut Translator<'_>, func: FuncIndex) {
    let record = match (t.env.module.defined_func(func), t.env.layout.func_ref(func)) {
        (Some(_), Some(offset)) => t.builder.ins().iadd_imm_s(t.env.vmctx, i64::from(offset)),
        (Some(_), None) => unreachable!("decoding lists what ref.func names among the escaping functions"),
        // An import's record is its exporter's, so that a function has one identity.
        (None, _) => t.vmctx_constant(I64, t.env.layout.func_import(func) + offset_of!(VmFuncImport, funcref) as u32),
    };
    t.push(record);
}

pub(crate) fn ref_as_non_null(t: &mut Translator<'_>) {
    let value = t.state.top();
    let null = t.is_null(value);
    t.trap_if(null, TrapCode::NullReference);
}

pub(crate) fn table_get(t: &mut Translator<'_>, table: TableIndex) {
    let index = t.pop();
    let element = t.env.module.tables[table].element;
    let value = match element.kind() {
        RefKind::Func => {
            let (entry, flags) = t.table_element(table, index, Bounds::of(size_of::<VmTableEntry>()));
            t.load_with(Opcode::Load, I64, flags, entry, offset_of!(VmTableEntry, funcref) as i32)
        }
        RefKind::Handle => {
            let (place, first) = t.table_element(table, index, Bounds::of(HANDLE_BYTES));
            barrier::read(t, first, place, 0)
        }
    };
    t.push_typed(ValType::Ref(element), value);
}

pub(crate) fn table_set(t: &mut Translator<'_>, table: TableIndex) {
    let (index, value) = t.state.pop2();
    match t.element_kind(table) {
        RefKind::Func => {
            let (number, index) = (t.index_argument(table.as_u32()), t.extend_index(index));
            t.builtin(Builtin::TableSetFunc, &[number, index, value]);
        }
        RefKind::Handle => {
            let (place, first) = t.table_element(table, index, Bounds::of(HANDLE_BYTES));
            barrier::write(t, Region::Tables, first, value, place, 0);
        }
    }
}

pub(crate) fn table_size(t: &mut Translator<'_>, table: TableIndex) {
    let length = t.table_length(table);
    t.push_index(length, t.env.module.tables[table].table64);
}

pub(crate) fn table_grow(t: &mut Translator<'_>, table: TableIndex) {
    let (init, delta) = t.state.pop2();
    let builtin = match t.element_kind(table) {
        RefKind::Func => Builtin::TableGrowFunc,
        RefKind::Handle => Builtin::TableGrowRef,
    };
    let (number, delta) = (t.index_argument(table.as_u32()), t.extend_index(delta));
    let before = t.builtin(builtin, &[number, init, delta]).expect("it has a result");
    t.push_index(before, t.env.module.tables[table].table64);
}

pub(crate) fn table_fill(t: &mut Translator<'_>, table: TableIndex) {
    let (dst, value, len) = t.state.pop3();
    let builtin = match t.element_kind(table) {
        RefKind::Func => Builtin::TableFillFunc,
        RefKind::Handle => Builtin::TableFillRef,
    };
    let (number, dst, len) = (t.index_argument(table.as_u32()), t.extend_index(dst), t.extend_index(len));
    t.builtin(builtin, &[number, dst, value, len]);
}

pub(crate) fn table_copy(t: &mut Translator<'_>, dst_table: TableIndex, src_table: TableIndex) {
    let (dst, src, len) = t.state.pop3();
    let tables = (t.index_argument(dst_table.as_u32()), t.index_argument(src_table.as_u32()));
    let (dst, src, len) = (t.extend_index(dst), t.extend_index(src), t.extend_index(len));
    t.builtin(Builtin::TableCopy, &[tables.0, tables.1, dst, src, len]);
}

pub(crate) fn table_init(t: &mut Translator<'_>, table: TableIndex, elem: ElemIndex) {
    let (dst, src, len) = t.state.pop3();
    let (table, elem) = (t.index_argument(table.as_u32()), t.index_argument(elem.as_u32()));
    let dst = t.extend_index(dst);
    t.builtin(Builtin::TableInit, &[table, elem, dst, src, len]);
}

pub(crate) fn elem_drop(t: &mut Translator<'_>, elem: ElemIndex) {
    let elem = t.index_argument(elem.as_u32());
    t.builtin(Builtin::ElemDrop, &[elem]);
}

/// How a table is accessed.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Bounds {
    /// Bytes of an element, a power of two.
    pub(crate) size: usize,
    /// The trap for an index past the end.
    pub(crate) trap: TrapCode,
}

impl Bounds {
    fn of(size: usize) -> Bounds {
        Bounds { size, trap: TrapCode::TableOutOfBounds }
    }
}

impl Translator<'_> {
    /// Whether a reference is null, as an 8-bit condition.
    pub(crate) fn is_null(&mut self, reference: Value) -> Value {
        self.builder.ins().icmp_imm_s(IntCC::Equal, reference, 0)
    }

    fn element_kind(&self, table: TableIndex) -> RefKind {
        self.env.module.tables[table].element.kind()
    }

    /// The address of an element, and flags for the first load from it: past the end the address is null,
    /// where that load faults, which is the trap. So there is no branch to be executed, nor one that could be
    /// mispredicted. An index that is inside whatever the program does is not compared: tables never shrink.
    pub(crate) fn table_element(&mut self, table: TableIndex, index: Value, bounds: Bounds) -> (Value, MemFlags) {
        let inside = range::largest(&self.builder.func.dfg, index) < self.env.module.tables[table].limits.min;
        let index = self.extend_index(index);
        let base = self.table_base(table);
        let offset = self.builder.ins().ishl_imm_u(index, i64::from(bounds.size.trailing_zeros()));
        let mut element = self.builder.ins().iadd(base, offset);
        if !inside {
            let length = self.table_length(table);
            let outside = self.builder.ins().icmp(IntCC::UnsignedGreaterThanOrEqual, index, length);
            let null = self.builder.ins().iconst(I64, 0);
            element = self.builder.ins().select_spectre_guard(outside, null, element);
        }
        (element, alias::table_element(self.builder.func, bounds.trap))
    }
}
