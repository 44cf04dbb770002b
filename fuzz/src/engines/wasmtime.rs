//! The peer for proposals that wasmi does not know. Its translation to Cranelift's language is its own, Cranelift is the same.

use super::{Callee, Engine, Refused, drive};
use crate::case::Case;
use crate::host::{self, FUNCTIONS, HostFunction, Told};
use crate::outcome::{Outcome, Step, Stop, digest_bytes};
use crate::value::{Type, Value, canonical32, canonical64};
use wasmtime::{
    AsContext, AsContextMut, Caller, Config, Extern, ExternRef, Func, Global, HeapType, Linker, Memory, Module, SharedMemory,
    Store, Trap, V128, Val, ValType,
};

/// Wasmtime's library.
pub struct Wasmtime {
    engine: wasmtime::Engine,
    linker: Linker<Told>,
}

/// What `fail` returns.
#[derive(Debug, thiserror::Error)]
#[error("the host function failed")]
struct Failed;

impl Wasmtime {
    /// With every proposal that cases may use.
    ///
    /// # Errors
    /// When it cannot be set up on this machine.
    pub fn new() -> wasmtime::Result<Wasmtime> {
        let mut config = Config::new();
        config
            .wasm_function_references(true)
            .wasm_gc(true)
            .wasm_exceptions(true)
            .wasm_multi_memory(true)
            .wasm_memory64(true)
            .wasm_threads(true)
            .shared_memory(true)
            .wasm_wide_arithmetic(true)
            .wasm_custom_page_sizes(true)
            .wasm_relaxed_simd(true)
            .relaxed_simd_deterministic(true)
            .max_wasm_stack(1 << 20)
            .cranelift_opt_level(wasmtime::OptLevel::None);
        let engine = wasmtime::Engine::new(&config)?;
        let mut linker = Linker::new(&engine);
        for f in FUNCTIONS {
            let list = |types: &'static [Type]| types.iter().map(|&t| val_type(t));
            let ty = wasmtime::FuncType::new(&engine, list(f.params), list(f.results));
            linker.func_new(host::MODULE, f.name, ty, move |caller, args, results| answer(f, caller, args, results))?;
        }
        Ok(Wasmtime { engine, linker })
    }
}

fn answer(f: &HostFunction, mut caller: Caller<'_, Told>, args: &[Val], results: &mut [Val]) -> wasmtime::Result<()> {
    let args: Vec<Value> = args.iter().map(|v| from_val(v, &caller)).collect();
    let values = caller.data_mut().call(f, &args).map_err(|_| wasmtime::Error::from(Failed))?;
    for (result, value) in results.iter_mut().zip(values) {
        *result = to_val(value, &mut caller)?;
    }
    Ok(())
}

fn val_type(ty: Type) -> ValType {
    match ty {
        Type::I32 => ValType::I32,
        Type::I64 => ValType::I64,
        Type::F32 => ValType::F32,
        Type::F64 => ValType::F64,
        Type::V128 => ValType::V128,
        Type::Func => ValType::FUNCREF,
        Type::Extern => ValType::EXTERNREF,
        Type::Exn => unreachable!("no host function has exceptions"),
    }
}

/// `None`: no value of it can be made up.
fn param_type(ty: &ValType) -> Option<Type> {
    Some(match ty {
        ValType::I32 => Type::I32,
        ValType::I64 => Type::I64,
        ValType::F32 => Type::F32,
        ValType::F64 => Type::F64,
        ValType::V128 => Type::V128,
        ValType::Ref(r) if !r.is_nullable() => return None,
        ValType::Ref(r) => match r.heap_type() {
            HeapType::Func | HeapType::ConcreteFunc(_) | HeapType::NoFunc => Type::Func,
            HeapType::Extern => Type::Extern,
            _ => return None,
        },
    })
}

fn from_val(val: &Val, store: &impl AsContext<Data = Told>) -> Value {
    match val {
        Val::I32(v) => Value::I32(*v),
        Val::I64(v) => Value::I64(*v),
        Val::F32(v) => Value::F32(canonical32(*v)),
        Val::F64(v) => Value::F64(canonical64(*v)),
        Val::V128(v) => Value::V128(v.as_u128()),
        Val::FuncRef(f) => Value::Func(f.is_some()),
        Val::ExternRef(r) => Value::Extern(r.as_ref().map(|r| {
            let data = r.data(store).ok().flatten().expect("the reference is rooted");
            *data.downcast_ref().expect("all host values are numbers")
        })),
        Val::ExnRef(r) => Value::Exn(r.is_some()),
        Val::AnyRef(_) | Val::ContRef(_) => unreachable!("cases have no such values"),
    }
}

fn to_val(value: Value, store: &mut impl AsContextMut) -> wasmtime::Result<Val> {
    Ok(match value {
        Value::I32(v) => Val::I32(v),
        Value::I64(v) => Val::I64(v),
        Value::F32(v) => Val::F32(v),
        Value::F64(v) => Val::F64(v),
        Value::V128(v) => Val::V128(V128::from(v)),
        Value::Func(_) => Val::FuncRef(None),
        Value::Exn(_) => Val::ExnRef(None),
        Value::Extern(Some(v)) => Val::ExternRef(Some(ExternRef::new(store, v)?)),
        Value::Extern(None) => Val::ExternRef(None),
    })
}

fn stop(error: &wasmtime::Error) -> Stop {
    let Some(code) = error.downcast_ref::<Trap>() else {
        return match () {
            () if error.is::<Failed>() => Stop::Host,
            () if error.is::<wasmtime::ThrownException>() => Stop::Exception,
            () => Stop::Exhausted,
        };
    };
    match code {
        Trap::UnreachableCodeReached => Stop::Unreachable,
        Trap::MemoryOutOfBounds | Trap::HeapMisaligned => Stop::Memory,
        Trap::TableOutOfBounds => Stop::Table,
        Trap::IndirectCallToNull => Stop::UninitializedElement,
        Trap::BadSignature => Stop::IndirectType,
        Trap::IntegerOverflow => Stop::Overflow,
        Trap::IntegerDivisionByZero => Stop::DivideByZero,
        Trap::BadConversionToInteger => Stop::InvalidConversion,
        Trap::NullReference => Stop::NullReference,
        Trap::AtomicWaitNonSharedMemory => Stop::WaitUnshared,
        _ => Stop::Exhausted,
    }
}

#[derive(Default)]
struct Exports {
    callees: Vec<Callee<Func>>,
    globals: Vec<Global>,
    memories: Vec<AnyMemory>,
}

enum AnyMemory {
    Own(Memory),
    Shared(SharedMemory),
}

impl AnyMemory {
    /// Length and digest; of a shared memory the length alone, since its bytes cannot be read safely here.
    fn state(&self, store: &Store<Told>) -> (u64, u64) {
        match self {
            AnyMemory::Own(m) => digest_bytes(m.data(store)),
            AnyMemory::Shared(m) => (m.data_size() as u64, 0),
        }
    }
}

impl Exports {
    fn step(&self, call: Option<String>, result: Result<Vec<Value>, Stop>, store: &mut Store<Told>) -> Step {
        let globals = self.globals.iter().map(|g| g.get(&mut *store)).collect::<Vec<_>>();
        let globals = globals.iter().map(|v| from_val(v, store)).collect();
        let memories = self.memories.iter().map(|m| m.state(store)).collect();
        Step { call, result, globals, memories, told: store.data().digest(), fuel: None }
    }
}

impl Engine for Wasmtime {
    fn name(&self) -> String {
        "wasmtime".into()
    }

    fn knows(&self, case: &Case) -> bool {
        // Growing may fail, and does elsewhere near 4 GiB.
        !case.huge
    }

    fn run(&self, case: &Case) -> Result<Outcome, Refused> {
        let refused = |e: wasmtime::Error| Refused { engine: self.name(), reason: format!("{e:#}") };
        let module = Module::new(&self.engine, &case.wasm).map_err(refused)?;
        let mut store = Store::new(&self.engine, Told::default());
        let mut exports = Exports::default();
        let instance = match self.linker.instantiate(&mut store, &module) {
            Ok(instance) => instance,
            Err(e) => return Ok(vec![exports.step(None, Err(stop(&e)), &mut store)]),
        };
        let mut all: Vec<(String, Extern)> =
            instance.exports(&mut store).map(|e| (e.name().to_owned(), e.into_extern())).collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        for (name, item) in all {
            match item {
                Extern::Func(func) => {
                    let params = func.ty(&store).params().map(|t| param_type(&t)).collect();
                    exports.callees.push(Callee { name, params, func });
                }
                Extern::Global(g) => exports.globals.push(g),
                Extern::Memory(m) => exports.memories.push(AnyMemory::Own(m)),
                Extern::SharedMemory(m) => exports.memories.push(AnyMemory::Shared(m)),
                _ => {}
            }
        }
        let mut outcome = vec![exports.step(None, Ok(vec![]), &mut store)];
        outcome.extend(drive(case, &exports.callees, |callee, args| {
            let args: wasmtime::Result<Vec<Val>> = args.iter().map(|&v| to_val(v, &mut store)).collect();
            let mut results = vec![Val::I32(0); callee.func.ty(&store).results().len()];
            let result = match args.and_then(|args| callee.func.call(&mut store, &args, &mut results)) {
                Ok(()) => Ok(results.iter().map(|v| from_val(v, &store)).collect()),
                Err(e) => Err(stop(&e)),
            };
            exports.step(Some(callee.name.clone()), result, &mut store)
        }));
        Ok(outcome)
    }
}
