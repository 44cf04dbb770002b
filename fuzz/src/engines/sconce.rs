//! Sconce itself, in one configuration.

mod interrupts;
mod watchdog;

use super::{Callee, Engine, Refused, drive};
use crate::case::Case;
use crate::host::{self, FUNCTIONS, HostFunction, Told};
use crate::outcome::{Outcome, Step, Stop, digest_memory};
use crate::value::{Type, Value, canonical32, canonical64};
use sconce_engine::environ::types::RefKind;
use sconce_engine::{
    AsContext, AsContextMut, BoundsStyle, CallStyle, Caller, Config, Error, Extern, ExternRef, ExternType, Func, Global,
    Inlining, Linker, Memory, Module, Store, Tier, TrapCode, Val, ValType,
};

/// Sconce in one configuration.
pub struct Sconce {
    name: String,
    counts: bool,
    engine: sconce_engine::Engine,
    linker: Linker<Told>,
}

/// What code is made or run with besides the styles that every program may get.
pub struct Variant {
    /// For people, after a hyphen; empty for none.
    pub name: &'static str,
    /// What is set.
    pub configure: fn(Config) -> Config,
    /// Its share of the cases, beside those of the others.
    pub share: u64,
}

/// All of them. A row is enough for another.
pub const VARIANTS: &[Variant] = &[
    Variant { name: "", configure: |config| config, share: 3 },
    Variant { name: "-stress", configure: |config| config.gc_stress(true), share: 2 },
    Variant { name: "-paranoid", configure: |config| config.paranoid(true), share: 4 },
    Variant { name: "-fuel", configure: |config| config.fuel(true), share: 3 },
    Variant { name: "-unmasked", configure: |config| config.spectre_mitigations(false), share: 1 },
    Variant { name: "-baseline", configure: |config| config.baseline(true), share: 1 },
    Variant { name: "-lazy", configure: |config| config.lazy(Some(0)), share: 2 },
    Variant { name: "-inlining", configure: inlining, share: 3 },
    Variant { name: "-inlining-paranoid", configure: |config| inlining(config).paranoid(true), share: 1 },
    Variant { name: "-mixed", configure: |config| config.lazy(Some(0)).mixed_tiers(Some(1)), share: 2 },
    Variant { name: "-mixed-paranoid", configure: |config| config.lazy(Some(0)).mixed_tiers(Some(2)).paranoid(true), share: 2 },
    Variant { name: "-mixed-inlining", configure: |config| inlining(config).lazy(Some(0)).mixed_tiers(Some(3)), share: 1 },
];

fn inlining(config: Config) -> Config {
    config.inlining(Inlining::Most)
}

/// What `fail` returns.
#[derive(Debug, thiserror::Error)]
#[error("the host function failed")]
struct Failed;

impl Sconce {
    /// In this configuration.
    ///
    /// # Errors
    /// When the host does not give the address space that it asks for.
    pub fn new(tier: Tier, bounds: BoundsStyle, calls: CallStyle, variant: &Variant) -> Result<Sconce, Error> {
        // Lightbeam's code, and that alone may be made lazily.
        let chosen = if tier == Tier::Lightbeam { Tier::Auto } else { tier };
        let config = Config::new().tier(chosen).bounds(Some(bounds)).calls(calls).parallel(false).stack_size(16 << 20);
        let config = (variant.configure)(config);
        let engine = sconce_engine::Engine::new(&config)?;
        let mut linker = Linker::new(&engine);
        for f in FUNCTIONS {
            // By Rust types, so that each kind of host call is made; in one style of each compiler through values.
            match (bounds, calls) {
                (BoundsStyle::Explicit, CallStyle::Slots) => define_untyped(&mut linker, f)?,
                _ => define(&mut linker, f)?,
            }
        }
        let name = format!("sconce {tier:?}-{bounds:?}-{calls:?}{}", variant.name).to_lowercase();
        let counts = Store::new(&engine, Told::default())?.fuel().is_some();
        Ok(Sconce { name, counts, engine, linker })
    }
}

fn define_untyped(linker: &mut Linker<Told>, f: &'static HostFunction) -> Result<(), Error> {
    let list = |types: &[Type]| types.iter().map(|&t| val_type(t)).collect();
    let ty = sconce_engine::FuncType { params: list(f.params), results: list(f.results) };
    linker.func_new(host::MODULE, f.name, ty, move |caller, args, results| answer(f, caller, args, results))?;
    Ok(())
}

/// What a function answers, as Rust's values.
fn typed<const N: usize>(f: &HostFunction, caller: Caller<'_, Told>, args: &[Val]) -> Result<[Val; N], Error> {
    let mut results = [const { Val::I32(0) }; N];
    answer(f, caller, args, &mut results)?;
    Ok(results)
}

/// A result as a Rust value.
trait FromVal: Sized {
    fn of(val: Val) -> Self;
}

macro_rules! results {
    ($($ty:ty = $pattern:pat => $value:expr;)*) => {$(
        impl FromVal for $ty {
            fn of(val: Val) -> $ty {
                match val {
                    $pattern => $value,
                    other => panic!("{other} is of another type"),
                }
            }
        }
    )*};
}

results! {
    i32 = Val::I32(v) => v;
    i64 = Val::I64(v) => v;
    f64 = Val::F64(v) => f64::from_bits(v);
    Option<ExternRef> = Val::ExternRef(v) => v;
}

/// Defines a function by its Rust types, which are those of [`FUNCTIONS`]: instantiation would fail with others.
fn define(linker: &mut Linker<Told>, f: &'static HostFunction) -> Result<(), Error> {
    macro_rules! define {
        (|$($param:ident: $ty:ty),*| -> ($($result:ty),*)) => {
            linker.func_wrap(host::MODULE, f.name, move |caller: Caller<'_, Told>, $($param: $ty),*| -> Result<($($result,)*), Error> {
                let mut results = typed::<{ [$(stringify!($result)),*].len() }>(f, caller, &[$($param.into()),*])?.into_iter();
                Ok(($(<$result>::of(results.next().expect("as many as there are types")),)*))
            })
        };
    }
    match f.name {
        "note" | "fail" => linker
            .func_wrap(host::MODULE, f.name, move |caller: Caller<'_, Told>, a: i32| typed(f, caller, &[a.into()]).map(|[]| ())),
        "mix" => define!(|a: i32, b: i64, c: f32, d: f64| -> (i64)),
        "pair" => define!(|a: i64| -> (i32, i64)),
        "many" => define!(|a: i32, b: i64, c: i32, d: i64, e: i32, f2: i64, g: i32, h: i64, i: i32, j: f64| -> (i32)),
        "wide" => define!(|a: i32| -> (i32, i64, i32, i64, i32, i64, i32, i64, i32, f64)),
        "keep" => define!(|a: Option<ExternRef>, b: i32| -> (Option<ExternRef>)),
        other => panic!("{other} has no Rust types"),
    }?;
    Ok(())
}

fn answer(f: &HostFunction, mut caller: Caller<'_, Told>, args: &[Val], results: &mut [Val]) -> Result<(), Error> {
    let args: Vec<Value> = args.iter().map(|v| from_val(v, &caller)).collect();
    let values = caller.data_mut().call(f, &args).map_err(|_| Error::host(Failed))?;
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
fn param_type(ty: ValType) -> Option<Type> {
    Some(match ty {
        ValType::I32 => Type::I32,
        ValType::I64 => Type::I64,
        ValType::F32 => Type::F32,
        ValType::F64 => Type::F64,
        ValType::V128 => Type::V128,
        ValType::Ref(r) if !r.nullable => return None,
        ValType::Ref(r) if r.kind() == RefKind::Func => Type::Func,
        ValType::Ref(r) if r == sconce_engine::RefType::EXTERNREF => Type::Extern,
        ValType::Ref(_) => return None,
    })
}

fn from_val(val: &Val, store: &impl AsContext) -> Value {
    match val {
        Val::I32(v) => Value::I32(*v),
        Val::I64(v) => Value::I64(*v),
        Val::F32(v) => Value::F32(canonical32(*v)),
        Val::F64(v) => Value::F64(canonical64(*v)),
        Val::V128(v) => Value::V128(*v),
        Val::FuncRef(f) => Value::Func(f.is_some()),
        Val::ExnRef(e) => Value::Exn(e.is_some()),
        Val::ExternRef(r) => {
            Value::Extern(r.as_ref().map(|r| *r.data(store).downcast_ref().expect("all host values are numbers")))
        }
    }
}

fn to_val(value: Value, store: &mut impl AsContextMut) -> Result<Val, Error> {
    Ok(match value {
        Value::I32(v) => Val::I32(v),
        Value::I64(v) => Val::I64(v),
        Value::F32(v) => Val::F32(v),
        Value::F64(v) => Val::F64(v),
        Value::V128(v) => Val::V128(v),
        Value::Func(_) => Val::FuncRef(None),
        Value::Exn(_) => Val::ExnRef(None),
        Value::Extern(v) => Val::ExternRef(match v {
            Some(v) => Some(ExternRef::new(store, v)?),
            None => None,
        }),
    })
}

fn stop(error: &Error) -> Stop {
    let Some(code) = error.trap_code() else {
        return match error {
            Error::Resources(_) => Stop::Exhausted,
            Error::Exception(_) => Stop::Exception,
            _ => Stop::Host,
        };
    };
    match code {
        TrapCode::Unreachable => Stop::Unreachable,
        TrapCode::MemoryOutOfBounds | TrapCode::UnalignedAtomic => Stop::Memory,
        TrapCode::TableOutOfBounds | TrapCode::UndefinedElement => Stop::Table,
        TrapCode::UninitializedElement => Stop::UninitializedElement,
        TrapCode::IndirectCallTypeMismatch => Stop::IndirectType,
        TrapCode::IntegerOverflow => Stop::Overflow,
        TrapCode::IntegerDivideByZero => Stop::DivideByZero,
        TrapCode::InvalidConversionToInteger => Stop::InvalidConversion,
        TrapCode::NullReference | TrapCode::NullFunctionReference | TrapCode::NullExceptionReference => Stop::NullReference,
        TrapCode::ExpectedSharedMemory => Stop::WaitUnshared,
        TrapCode::StackOverflow | TrapCode::ReferenceHeapFull | TrapCode::StackMemory => Stop::Exhausted,
        TrapCode::Interrupt => Stop::Interrupted,
        TrapCode::BrokenInvariant => Stop::BrokenInvariant,
        TrapCode::FuelExhausted => Stop::FuelExhausted,
    }
}

/// What of an instance is compared.
struct Exports {
    callees: Vec<Callee<Func>>,
    globals: Vec<Global>,
    memories: Vec<Memory>,
}

impl Exports {
    fn step(&self, call: Option<String>, result: Result<Vec<Value>, Stop>, store: &mut Store<Told>) -> Step {
        let globals = self.globals.iter().map(|g| from_val(&g.get(&*store), store)).collect();
        let memory = |m: &Memory| {
            let len = m.data_size(&*store) as u64;
            if m.ty(&*store).shared {
                return (len, 0);
            }
            digest_memory(len, |at, bytes| m.read(&*store, at, bytes).expect("its own size"))
        };
        let memories = self.memories.iter().map(memory).collect();
        Step { call, result, globals, memories, told: store.data().digest(), fuel: store.fuel_used() }
    }
}

impl Engine for Sconce {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn knows(&self, _: &Case) -> bool {
        true
    }

    fn run(&self, case: &Case) -> Result<Outcome, Refused> {
        let module = Module::new(&self.engine, &case.wasm).map_err(|e| self.refused(&e))?;
        let mut store = Store::new(&self.engine, Told::default()).map_err(|e| self.refused(&e))?;
        let _watched = watchdog::watch(store.interrupt_handle());
        self.run_in(case, &module, &mut store, |call| call())
    }
}

impl Sconce {
    fn refused(&self, error: &Error) -> Refused {
        Refused { engine: self.name.clone(), reason: error.to_string() }
    }

    /// Whether it counts what is executed.
    pub fn counts(&self) -> bool {
        self.counts
    }

    /// Runs the case with so much fuel.
    ///
    /// # Errors
    /// As [`Engine::run`].
    pub fn run_with_fuel(&self, case: &Case, fuel: u64) -> Result<Outcome, Refused> {
        let module = Module::new(&self.engine, &case.wasm).map_err(|e| self.refused(&e))?;
        let mut store = Store::new(&self.engine, Told::default()).map_err(|e| self.refused(&e))?;
        store.set_fuel(fuel);
        let _watched = watchdog::watch(store.interrupt_handle());
        self.run_in(case, &module, &mut store, |call| call())
    }

    /// Runs the case while another thread interrupts each of its calls at some instant; then, in the same
    /// store, once more without. Gives what the second run saw.
    ///
    /// # Errors
    /// As [`Engine::run`].
    pub fn run_interrupted(&self, case: &Case) -> Result<Outcome, Refused> {
        let module = Module::new(&self.engine, &case.wasm).map_err(|e| self.refused(&e))?;
        let mut store = Store::new(&self.engine, Told::default()).map_err(|e| self.refused(&e))?;
        let handle = store.interrupt_handle();
        let _watched = watchdog::watch(handle.clone());
        interrupts::with_interrupter(&handle, case.seed, |interrupter| {
            self.run_in(case, &module, &mut store, |call| interrupter.during(call))
        })?;
        *store.data_mut() = Told::default();
        if store.fuel().is_some() {
            store.set_fuel(u64::MAX);
        }
        self.run_in(case, &module, &mut store, |call| call())
    }

    /// Makes an instance and the calls of a case, each by `around`.
    fn run_in(
        &self,
        case: &Case,
        module: &Module,
        store: &mut Store<Told>,
        mut around: impl FnMut(&mut dyn FnMut()),
    ) -> Result<Outcome, Refused> {
        let nothing = Exports { callees: vec![], globals: vec![], memories: vec![] };
        let instance = match self.linker.instantiate(&mut *store, module) {
            Ok(instance) => instance,
            Err(e @ Error::Link(_)) => return Err(self.refused(&e)),
            Err(e) => return Ok(vec![nothing.step(None, Err(stop(&e)), store)]),
        };
        let mut exports = nothing;
        let mut all = instance.exports(&mut *store);
        all.sort_by(|a, b| a.0.cmp(&b.0));
        let types: Vec<_> = all.iter().map(|(_, item)| item.ty(&*store)).collect();
        for ((name, item), ty) in all.into_iter().zip(types) {
            match (item, ty) {
                (Extern::Func(func), ExternType::Func(ty)) => {
                    let params = ty.params.iter().map(|&t| param_type(t)).collect();
                    exports.callees.push(Callee { name, params, func });
                }
                (Extern::Global(g), _) => exports.globals.push(g),
                (Extern::Memory(m), _) => exports.memories.push(m),
                _ => {}
            }
        }
        let mut outcome = vec![exports.step(None, Ok(vec![]), store)];
        outcome.extend(drive(case, &exports.callees, |callee, args| {
            let args: Result<Vec<Val>, Error> = args.iter().map(|&v| to_val(v, store)).collect();
            let mut results = vec![Val::I32(0); callee.func.ty(&*store).results.len()];
            let result = args.and_then(|args| {
                let mut result = Ok(());
                around(&mut || result = callee.func.call(&mut *store, &args, &mut results));
                result
            });
            let result = match result {
                Ok(()) => Ok(results.iter().map(|v| from_val(v, store)).collect()),
                Err(e) => Err(stop(&e)),
            };
            exports.step(Some(callee.name.clone()), result, store)
        }));
        Ok(outcome)
    }
}
