//! The peer that shares no code with Sconce's compilers: an interpreter.

use super::{Callee, Engine, Refused, drive};
use crate::case::Case;
use crate::host::{self, FUNCTIONS, HostFunction, Told};
use crate::outcome::{Outcome, Step, Stop, digest_bytes};
use crate::value::{Type, Value, canonical32, canonical64};
use wasmi::{
    AsContext, AsContextMut, Caller, Config, Error, Extern, ExternRef, Func, Global, Linker, Memory, Module, Nullable, Store,
    TrapCode, V128, Val, ValType,
};

/// wasmi.
pub struct Wasmi {
    engine: wasmi::Engine,
    linker: Linker<Told>,
}

/// What `fail` returns.
#[derive(Debug, thiserror::Error)]
#[error("the host function failed")]
struct Failed;

impl wasmi::errors::HostError for Failed {}

impl Default for Wasmi {
    fn default() -> Self {
        let mut config = Config::default();
        config
            .wasm_wide_arithmetic(true)
            .wasm_custom_page_sizes(true)
            .set_max_recursion_depth(1_000_000)
            .set_max_stack_height(64 << 20);
        let engine = wasmi::Engine::new(&config);
        let mut linker = Linker::new(&engine);
        for f in FUNCTIONS {
            let list = |types: &'static [Type]| types.iter().map(|&t| val_type(t));
            let ty = wasmi::FuncType::new(list(f.params), list(f.results));
            linker
                .func_new(host::MODULE, f.name, ty, move |caller, args, results| answer(f, caller, args, results))
                .expect("names differ");
        }
        Wasmi { engine, linker }
    }
}

fn answer(f: &HostFunction, mut caller: Caller<'_, Told>, args: &[Val], results: &mut [Val]) -> Result<(), Error> {
    let args: Vec<Value> = args.iter().map(|v| from_val(v, &caller)).collect();
    let values = caller.data_mut().call(f, &args).map_err(|_| Error::host(Failed))?;
    for (result, value) in results.iter_mut().zip(values) {
        *result = to_val(value, &mut caller);
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
        Type::Func => ValType::FuncRef,
        Type::Extern => ValType::ExternRef,
        Type::Exn => unreachable!("it knows no exceptions"),
    }
}

fn own_type(ty: ValType) -> Type {
    match ty {
        ValType::I32 => Type::I32,
        ValType::I64 => Type::I64,
        ValType::F32 => Type::F32,
        ValType::F64 => Type::F64,
        ValType::V128 => Type::V128,
        ValType::FuncRef => Type::Func,
        ValType::ExternRef => Type::Extern,
    }
}

fn from_val(val: &Val, store: &impl AsContext<Data = Told>) -> Value {
    match val {
        Val::I32(v) => Value::I32(*v),
        Val::I64(v) => Value::I64(*v),
        Val::F32(v) => Value::F32(canonical32(v.to_bits())),
        Val::F64(v) => Value::F64(canonical64(v.to_bits())),
        Val::V128(v) => Value::V128(v.as_u128()),
        Val::FuncRef(f) => Value::Func(!f.is_null()),
        Val::ExternRef(r) => Value::Extern(r.val().map(|r| {
            // It makes up references at times, and panics when asked what they are. Its interpreter is no
            // place to unwind through from a host function: that ends the process.
            let known = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                *r.data(store.as_context()).downcast_ref().expect("all host values are numbers")
            }));
            known.unwrap_or(u32::MAX)
        })),
    }
}

fn to_val(value: Value, store: &mut impl AsContextMut) -> Val {
    match value {
        Value::I32(v) => Val::I32(v),
        Value::I64(v) => Val::I64(v),
        Value::F32(v) => Val::F32(v.into_float()),
        Value::F64(v) => Val::F64(v.into_float()),
        Value::V128(v) => Val::V128(V128::from(v)),
        Value::Func(_) | Value::Exn(_) => Val::FuncRef(Nullable::Null),
        Value::Extern(Some(v)) => Val::ExternRef(Nullable::Val(ExternRef::new(store, v))),
        Value::Extern(None) => Val::ExternRef(Nullable::Null),
    }
}

trait IntoFloat<F> {
    fn into_float(self) -> F;
}

impl IntoFloat<wasmi::F32> for u32 {
    fn into_float(self) -> wasmi::F32 {
        wasmi::F32::from_bits(self)
    }
}

impl IntoFloat<wasmi::F64> for u64 {
    fn into_float(self) -> wasmi::F64 {
        wasmi::F64::from_bits(self)
    }
}

fn stop(error: &Error) -> Stop {
    let Some(code) = error.as_trap_code() else {
        return if error.downcast_ref::<Failed>().is_some() { Stop::Host } else { instantiation_stop(error) };
    };
    match code {
        TrapCode::UnreachableCodeReached => Stop::Unreachable,
        TrapCode::MemoryOutOfBounds => Stop::Memory,
        TrapCode::TableOutOfBounds => Stop::Table,
        TrapCode::IndirectCallToNull => Stop::UninitializedElement,
        TrapCode::IntegerDivisionByZero => Stop::DivideByZero,
        TrapCode::IntegerOverflow => Stop::Overflow,
        TrapCode::BadConversionToInteger => Stop::InvalidConversion,
        TrapCode::BadSignature => Stop::IndirectType,
        TrapCode::StackOverflow | TrapCode::OutOfFuel | TrapCode::GrowthOperationLimited | TrapCode::OutOfSystemMemory => {
            Stop::Exhausted
        }
    }
}

/// Segments that do not fit have errors of their own.
fn instantiation_stop(error: &Error) -> Stop {
    use wasmi::errors::{ErrorKind, InstantiationError};
    match error.kind() {
        ErrorKind::Instantiation(InstantiationError::ElementSegmentDoesNotFit { .. }) => Stop::Table,
        _ => Stop::Exhausted,
    }
}

struct Exports {
    callees: Vec<Callee<Func>>,
    globals: Vec<Global>,
    memories: Vec<Memory>,
}

impl Exports {
    fn step(&self, call: Option<String>, result: Result<Vec<Value>, Stop>, store: &Store<Told>) -> Step {
        let globals = self.globals.iter().map(|g| from_val(&g.get(store), store)).collect();
        let memory = |m: &Memory| digest_bytes(m.data(store));
        Step {
            call,
            result,
            globals,
            memories: self.memories.iter().map(memory).collect(),
            told: store.data().digest(),
            fuel: None,
        }
    }
}

impl Engine for Wasmi {
    fn name(&self) -> String {
        "wasmi".into()
    }

    fn knows(&self, case: &Case) -> bool {
        // Relaxed operators may differ by design; the rest it does not have, and its memories are written when they grow.
        let p = &case.proposals;
        !(p.relaxed_simd || p.threads || p.exceptions || p.function_references || case.huge)
    }

    fn run(&self, case: &Case) -> Result<Outcome, Refused> {
        // Its translator has assertions that some valid modules break.
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.run_unguarded(case)))
            .unwrap_or_else(|_| Err(Refused { engine: self.name(), reason: "it panicked".into() }))
    }
}

impl Wasmi {
    fn run_unguarded(&self, case: &Case) -> Result<Outcome, Refused> {
        let refused = |e: Error| Refused { engine: self.name(), reason: e.to_string() };
        let module = Module::new(&self.engine, &case.wasm[..]).map_err(refused)?;
        let mut store = Store::new(&self.engine, Told::default());
        let nothing = Exports { callees: vec![], globals: vec![], memories: vec![] };
        let instance = match self.linker.instantiate_and_start(&mut store, &module) {
            Ok(instance) => instance,
            Err(e) => return Ok(vec![nothing.step(None, Err(stop(&e)), &store)]),
        };
        let mut exports = nothing;
        let mut all: Vec<(String, Extern)> = instance.exports(&store).map(|e| (e.name().to_owned(), e.into_extern())).collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        for (name, item) in all {
            match item {
                Extern::Func(func) => {
                    let params = Some(func.ty(&store).params().iter().map(|&t| own_type(t)).collect());
                    exports.callees.push(Callee { name, params, func });
                }
                Extern::Global(g) => exports.globals.push(g),
                Extern::Memory(m) => exports.memories.push(m),
                Extern::Table(_) => {}
            }
        }
        let mut outcome = vec![exports.step(None, Ok(vec![]), &store)];
        outcome.extend(drive(case, &exports.callees, |callee, args| {
            let args: Vec<Val> = args.iter().map(|&v| to_val(v, &mut store)).collect();
            let mut results: Vec<Val> = callee.func.ty(&store).results().iter().map(|&t| Val::default_for_ty(t)).collect();
            let result = match callee.func.call(&mut store, &args, &mut results) {
                Ok(()) => Ok(results.iter().map(|v| from_val(v, &store)).collect()),
                Err(e) => Err(stop(&e)),
            };
            exports.step(Some(callee.name.clone()), result, &store)
        }));
        Ok(outcome)
    }
}
