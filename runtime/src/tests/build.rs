//! Modules made of machine code.

use crate::*;
use sconce_environ::PrimaryMap;
use sconce_environ::code_tables::{CodeTables, WasmOffsets};
use sconce_environ::compile::{BoundsStyle, CompiledFunction};
use sconce_environ::index::*;
use sconce_environ::layout::VmLayout;
use sconce_environ::module::*;
use sconce_environ::text_layout;
use sconce_environ::trap::TrapCode;
use sconce_environ::types::*;
use sconce_environ::vm::VmFuncImport;
use sconce_x64::encode::{Addr, Encoder, Size};
use sconce_x64::register::Gpr;
use sconce_x64::stubs;
use sconce_x64::text::FILLER;
use std::ffi::c_void;
use std::mem::offset_of;
use std::sync::Arc;

pub(super) use Class::*;

/// A function of a module under construction.
pub(super) struct Func {
    pub sig: (Vec<ValType>, Vec<ValType>),
    pub code: Vec<u8>,
    pub traps: Vec<(u32, TrapCode)>,
}

/// A module under construction.
pub(super) struct Builder {
    pub module: Module,
    pub funcs: Vec<Func>,
    pub data: Vec<u8>,
    pub bounds: BoundsStyle,
}

pub(super) fn func(params: &[ValType], results: &[ValType], code: Vec<u8>) -> Func {
    Func { sig: (params.to_vec(), results.to_vec()), code, traps: Vec::new() }
}

impl Func {
    pub(super) fn trap(mut self, at: u32, code: TrapCode) -> Func {
        self.traps.push((at, code));
        self
    }
}

/// `push rbp; mov rbp, rsp`, the body, `pop rbp; ret`.
pub(super) fn framed(body: &[u8]) -> Vec<u8> {
    [&[0x55, 0x48, 0x89, 0xe5], body, &[0x5d, 0xc3]].concat()
}

pub(super) const FRAME: u32 = 4;

pub(super) const MEMORY: MemoryType =
    MemoryType { limits: Limits { min: 1, max: Some(4) }, memory64: false, shared: false, page_size_log2: 16 };

impl Builder {
    pub(super) fn new() -> Builder {
        Builder { module: Module::default(), funcs: Vec::new(), data: Vec::new(), bounds: BoundsStyle::Guard }
    }

    fn ty(&mut self, params: &[ValType], results: &[ValType]) -> TypeIndex {
        let composite = CompositeType::Func(FuncType { params: params.into(), results: results.into() });
        let ty = SubType { is_final: true, supertype: None, composite };
        if let Some((i, _)) = self.module.types.iter().find(|(_, t)| **t == ty) {
            return i;
        }
        self.module.types.push(ty)
    }

    /// Imports come before everything else.
    pub(super) fn import(&mut self, params: &[ValType], results: &[ValType]) -> FuncIndex {
        let ty = self.ty(params, results);
        self.module.num_imported_functions += 1;
        self.module.imports.push(Import { module: "m".into(), name: "f".into(), kind: EntityType::Func(ty) });
        let f = self.module.functions.push(ty);
        self.module.escaping.push(f);
        f
    }

    pub(super) fn define(&mut self, func: Func) -> FuncIndex {
        let ty = self.ty(&func.sig.0, &func.sig.1);
        self.funcs.push(func);
        let f = self.module.functions.push(ty);
        self.module.escaping.push(f);
        f
    }

    pub(super) fn memory(&mut self, ty: MemoryType) -> MemoryIndex {
        self.module.memories.push(ty)
    }

    pub(super) fn data(&mut self, memory: MemoryIndex, at: i32, bytes: &[u8]) {
        let start = self.data.len() as u32;
        self.data.extend_from_slice(bytes);
        let offset = ConstExpr { ops: [ConstOp::I32(at)].into() };
        let mode = SegmentMode::Active { target: memory, offset };
        self.module.data.push(DataSegment { bytes: start..self.data.len() as u32, mode });
    }

    pub(super) fn load(self, space: &Arc<CodeSpace>) -> Arc<LoadedModule> {
        let (mut text, mut tables) = (Vec::new(), CodeTables::default());
        for f in &self.funcs {
            text.resize(text.len().next_multiple_of(text_layout::FUNCTION_ALIGN as usize), FILLER);
            let compiled = CompiledFunction { code: f.code.clone(), traps: f.traps.clone(), ..CompiledFunction::default() };
            tables.push(text.len() as u32, &compiled, &mut WasmOffsets::default());
            text.extend_from_slice(&f.code);
        }
        text.resize(text.len().next_multiple_of(text_layout::FUNCTION_ALIGN as usize), FILLER);
        let thunks = text.len();
        let text_len = (thunks + self.funcs.len() * stubs::THUNK_SIZE) as u64;
        let slot = |n| text_layout::slot(text_len, DefinedFuncIndex::from_u32(n)) as usize;
        text.extend_from_slice(&stubs::thunks((0..self.funcs.len() as u32).map(|n| (slot(n) - thunks) as i32)));
        let code = space.load(&text, tables.map(TableBytes::from)).unwrap();
        let type_ids = (0..self.module.types.len() as u32).map(TypeId::from_u32).collect();
        let (module, data, bounds) = (Arc::new(self.module), Arc::new(Data(self.data)), self.bounds);
        LoadedModule::new(ModuleParts {
            module,
            type_ids,
            code,
            thunks: thunks as u32,
            data,
            lazy_data: None,
            bounds,
            lazy: None,
            watch: None,
        })
    }
}

/// `mov rax, [rdi + import.code]; mov rdi, [rdi + import.vmctx]`, to be followed by a call or jump to rax.
pub(super) fn load_import(a: &mut Encoder, import: u32) {
    // Imports of functions stand first of what this module has; see `VmLayout`.
    let mut module = Module { num_imported_functions: 1, ..Module::default() };
    module.functions = PrimaryMap::new();
    let at = VmLayout::new(&module).func_import(FuncIndex::from_u32(import)) as i32;
    a.load(Size::S64, Gpr::Rax, Addr::new(Gpr::Rdi, at + offset_of!(VmFuncImport, code) as i32));
    a.load(Size::S64, Gpr::Rdi, Addr::new(Gpr::Rdi, at + offset_of!(VmFuncImport, vmctx) as i32));
}

/// A store and its engine.
pub(super) struct World {
    pub space: Arc<CodeSpace>,
    pub store: Box<Store>,
}

impl World {
    pub(super) fn new() -> World {
        World::with(StoreOptions::default())
    }

    pub(super) fn with(options: StoreOptions) -> World {
        let space = CodeSpace::new(Some(16 << 20)).unwrap();
        let store = Store::new(&space, options).unwrap();
        World { space, store }
    }

    pub(super) fn instantiate(&mut self, builder: Builder, imports: &[Item]) -> InstanceHandle {
        let module = builder.load(&self.space);
        // SAFETY: the tests' imports fit.
        unsafe { self.store.instantiate(&module, imports).unwrap() }
    }

    pub(super) fn func(&mut self, instance: InstanceHandle, index: FuncIndex) -> FuncHandle {
        match self.store.instance_item(instance, EntityIndex::Func(index)) {
            Item::Func(f) => f,
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn call(&mut self, f: FuncHandle, sig: &Signature, args: &[u128]) -> Result<Vec<u128>, Failure> {
        let entry = self.space.entry_trampoline(sig).unwrap();
        let mut values = args.to_vec();
        values.resize(sig.places(), 0);
        // SAFETY: the tests' signatures fit.
        unsafe { self.store.call(&entry, f, &mut values)? };
        values.truncate(sig.results.len());
        Ok(values)
    }

    /// A host function of an `extern "C"` shape.
    pub(super) fn host(&mut self, sig: &Signature, kind: HostCallKind, code: *const (), data: *mut c_void) -> FuncHandle {
        let trampoline = self.space.host_trampoline(sig, kind, false).unwrap();
        let f = HostFunc { trampoline, code: code.cast(), data, keep: None, type_id: TypeId::from_u32(0), in_place: true };
        // SAFETY: the tests' functions fit.
        unsafe { self.store.new_host_func(f) }
    }
}

/// The trap that a call ended with.
#[track_caller]
pub(super) fn trap(result: Result<Vec<u128>, Failure>) -> (TrapCode, RawBacktrace) {
    match result {
        Err(Failure { stop: Stop::Trap(code), backtrace }) => (code, backtrace),
        other => panic!("{other:?}"),
    }
}

/// The functions of a backtrace, innermost first.
pub(super) fn functions(trace: &RawBacktrace) -> Vec<u32> {
    trace.frames.iter().map(|f| f.func.as_u32()).collect()
}

/// Data segments' contents.
struct Data(Vec<u8>);

impl AsRef<[u8]> for Data {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Contents for Data {}
