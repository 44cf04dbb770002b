//! The environment of a function under translation: what it can reach through its VM context, and what was already asked
//! for.

use crate::alias::{self, Region};
use crate::translate::Translator;
use crate::types::{builtin_signature, signature};
use cranelift_codegen::cursor::{Cursor, FuncCursor};
use cranelift_codegen::ir::types::I64;
use cranelift_codegen::ir::{
    Block, ExtFuncData, ExternalName, FuncRef, InstBuilder, MemFlags, Opcode, SigRef, StackSlot, StackSlotData, StackSlotKind,
    Type, UserExternalName, Value,
};
use sconce_environ::abi::VALUE_SIZE;
use sconce_environ::block::BlockTypes;
use sconce_environ::builtin::Builtin;
use sconce_environ::compile::{CallStyle, FunctionInput, Settings};
use sconce_environ::index::*;
use sconce_environ::layout::{Place, VmLayout};
use sconce_environ::module::Module;
use sconce_environ::vm::{VmMemory, VmTable};
use std::collections::HashMap;
use std::mem::offset_of;

/// What is asked for more than once; kept from function to function for its allocations.
#[derive(Debug, Default)]
pub(crate) struct Caches {
    signatures: HashMap<TypeIndex, SigRef>,
    callees: HashMap<FuncIndex, FuncRef>,
    builtins: HashMap<Builtin, SigRef>,
    /// Constant loads, by base, offset and type.
    constants: HashMap<(Value, u32, Type), Value>,
}

impl Caches {
    pub(crate) fn clear(&mut self) {
        self.signatures.clear();
        self.callees.clear();
        self.builtins.clear();
        self.constants.clear();
    }
}

/// The environment.
#[derive(Debug)]
pub(crate) struct Env<'a> {
    pub(crate) module: &'a Module,
    pub(crate) blocks: BlockTypes<'a>,
    pub(crate) layout: &'a VmLayout,
    pub(crate) settings: &'a Settings,
    caches: &'a mut Caches,
    /// The block that every other is dominated by.
    entry: Block,
    /// The function's first argument.
    pub(crate) vmctx: Value,
    /// The result buffer's address, where results go through one.
    pub(crate) result_buffer: Option<Value>,
    /// Where callees that return through a buffer leave their results: one for all, since they are read at once.
    results_slot: Option<StackSlot>,
    /// Calls of imports that are made without a trampoline.
    pub(crate) in_place: u32,
    constant_flags: MemFlags,
}

impl<'a> Env<'a> {
    pub(crate) fn new(
        input: &FunctionInput<'a>,
        settings: &'a Settings,
        caches: &'a mut Caches,
        entry: Block,
        vmctx: Value,
        result_buffer: Option<Value>,
        constant_flags: MemFlags,
    ) -> Env<'a> {
        let &FunctionInput { module, blocks, layout, .. } = input;
        let (results_slot, in_place) = (None, 0);
        Env { module, blocks, layout, settings, caches, entry, vmctx, result_buffer, results_slot, in_place, constant_flags }
    }
}

/// Vm structures are small: their offsets fit a displacement.
pub(crate) fn displacement(offset: u32) -> i32 {
    i32::try_from(offset).expect("a VM context is smaller than 2 GiB")
}

impl Translator<'_> {
    /// A load of something that never changes while the function runs. It is emitted once, in the entry block, from where
    /// Cranelift sinks it to its uses or leaves it in front of a loop.
    pub(crate) fn constant(&mut self, ty: Type, address: Value, offset: u32) -> Value {
        let env = &mut self.env;
        let (entry, flags) = (env.entry, env.constant_flags);
        *env.caches.constants.entry((address, offset, ty)).or_insert_with(|| {
            let mut cursor = FuncCursor::new(self.builder.func);
            // Behind the value it depends on; before everything else, so that it dominates all uses.
            match cursor.func.dfg.value_def(address).inst() {
                Some(inst) => cursor.set_position(cranelift_codegen::cursor::CursorPosition::At(inst)),
                None => cursor.goto_first_insertion_point(entry),
            }
            if cursor.func.dfg.value_def(address).inst().is_some() {
                cursor.next_inst();
            }
            let (inst, dfg) = cursor.ins().Load(Opcode::Load, ty, flags, displacement(offset).into(), address);
            dfg.first_result(inst)
        })
    }

    /// A constant of the VM context.
    pub(crate) fn vmctx_constant(&mut self, ty: Type, offset: u32) -> Value {
        self.constant(ty, self.env.vmctx, offset)
    }

    /// A place in the VM context, or behind a pointer in it, as address and offset.
    pub(crate) fn place(&mut self, place: Place) -> (Value, u32) {
        match place {
            Place::Inline(offset) => (self.env.vmctx, offset),
            Place::Pointer(offset) => (self.vmctx_constant(I64, offset), 0),
        }
    }

    /// A load through interned flags.
    pub(crate) fn load_with(&mut self, op: Opcode, ty: Type, flags: MemFlags, address: Value, offset: i32) -> Value {
        let (inst, dfg) = self.builder.ins().Load(op, ty, flags, offset.into(), address);
        dfg.first_result(inst)
    }

    /// A store through interned flags.
    pub(crate) fn store_with(&mut self, op: Opcode, flags: MemFlags, value: Value, address: Value, offset: i32) {
        let ty = self.builder.func.dfg.value_type(value);
        self.builder.ins().Store(op, ty, flags, offset.into(), value, address);
    }

    /// A load that cannot fault.
    pub(crate) fn load_trusted(&mut self, ty: Type, region: Region, address: Value, offset: u32) -> Value {
        let flags = alias::trusted(self.builder.func, region);
        self.load_with(Opcode::Load, ty, flags, address, displacement(offset))
    }

    /// A store that cannot fault.
    pub(crate) fn store_trusted(&mut self, region: Region, value: Value, address: Value, offset: u32) {
        let flags = alias::trusted(self.builder.func, region);
        self.store_with(Opcode::Store, flags, value, address, displacement(offset));
    }

    /// The memory's base address: it never changes.
    pub(crate) fn memory_base(&mut self, memory: MemoryIndex) -> Value {
        let (address, offset) = self.place(self.env.layout.memory(memory));
        self.constant(I64, address, offset + offset_of!(VmMemory, base) as u32)
    }

    /// The address of a memory's description, for builtins.
    pub(crate) fn memory_argument(&mut self, memory: MemoryIndex) -> Value {
        let (address, offset) = self.place(self.env.layout.memory(memory));
        self.builder.ins().iadd_imm_u(address, i64::from(offset))
    }

    /// The same of a data segment's.
    pub(crate) fn data_argument(&mut self, data: DataIndex) -> Value {
        self.builder.ins().iadd_imm_u(self.env.vmctx, i64::from(self.env.layout.data(data)))
    }

    /// The memory's length in bytes, read afresh unless its type fixes it.
    pub(crate) fn memory_length(&mut self, memory: MemoryIndex) -> Value {
        let ty = &self.env.module.memories[memory];
        if ty.limits.max == Some(ty.limits.min) {
            let bytes = ty.limits.min << ty.page_size_log2;
            return self.builder.ins().iconst(I64, bytes.cast_signed());
        }
        let shared = ty.shared;
        let (address, offset) = self.place(self.env.layout.memory(memory));
        let offset = offset + offset_of!(VmMemory, length) as u32;
        if shared { self.fresh_length(address, offset) } else { self.load_trusted(I64, Region::Runtime, address, offset) }
    }

    /// The address of the table's first element.
    pub(crate) fn table_base(&mut self, table: TableIndex) -> Value {
        let (address, offset) = self.place(self.env.layout.table(table));
        let offset = offset + offset_of!(VmTable, base) as u32;
        if self.env.module.table_is_fixed(table) {
            self.constant(I64, address, offset)
        } else {
            self.load_trusted(I64, Region::Runtime, address, offset)
        }
    }

    /// The table's length in elements, 64 bits.
    pub(crate) fn table_length(&mut self, table: TableIndex) -> Value {
        if self.env.module.table_is_fixed(table) {
            let elements = self.env.module.tables[table].limits.min;
            return self.builder.ins().iconst(I64, elements.cast_signed());
        }
        let (address, offset) = self.place(self.env.layout.table(table));
        self.load_trusted(I64, Region::Runtime, address, offset + offset_of!(VmTable, length) as u32)
    }

    /// The signature of a type of the module.
    pub(crate) fn signature(&mut self, ty: TypeIndex) -> SigRef {
        let env = &mut self.env;
        *env.caches.signatures.entry(ty).or_insert_with(|| self.builder.import_signature(signature(env.module.func_type(ty))))
    }

    /// The signature of a builtin.
    pub(crate) fn builtin_signature(&mut self, builtin: Builtin) -> SigRef {
        let env = &mut self.env;
        *env.caches.builtins.entry(builtin).or_insert_with(|| self.builder.import_signature(builtin_signature(builtin)))
    }

    /// A function that the module defines, to be called; or one that it imports, to be called as
    /// [`sconce_environ::compile::RelocTarget::HostCall`] says.
    pub(crate) fn callee(&mut self, func: FuncIndex) -> FuncRef {
        if let Some(&callee) = self.env.caches.callees.get(&func) {
            return callee;
        }
        let signature = self.signature(self.env.module.functions[func]);
        let name = UserExternalName { namespace: 0, index: func.as_u32() };
        let name = ExternalName::user(self.builder.func.declare_imported_user_function(name));
        // A name that is not colocated is reached through its GOT entry, and the slots are that GOT.
        let colocated = self.env.settings.calls == CallStyle::Direct || self.env.module.defined_func(func).is_none();
        let callee = self.builder.import_function(ExtFuncData { name, signature, colocated, patchable: false });
        self.env.caches.callees.insert(func, callee);
        callee
    }

    /// The stack slot for `count` results.
    pub(crate) fn results_slot(&mut self, count: usize) -> StackSlot {
        let size = u32::try_from(count * VALUE_SIZE).expect("see MAX_VALUES");
        let builder = &mut self.builder;
        let slot = *self.env.results_slot.get_or_insert_with(|| {
            let align_shift = VALUE_SIZE.trailing_zeros() as u8;
            builder.create_sized_stack_slot(StackSlotData::new(StackSlotKind::ExplicitSlot, size, align_shift))
        });
        let data = &mut self.builder.func.sized_stack_slots[slot];
        data.size = data.size.max(size);
        slot
    }
}
