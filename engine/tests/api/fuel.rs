//! What code costs: the same in every style of both compilers, and as `environ`'s `fuel` says.

use sconce_engine::{
    AsContext, AsContextMut, BoundsStyle, CallStyle, Caller, Config, Engine, Error, Extern, Func, Linker, Module, Store, Tier,
    TrapCode, Val,
};

/// A name, and what it changes.
type Variant = (&'static str, fn(Config) -> Config);

/// Each style, with its name.
fn styles() -> Vec<(String, Config)> {
    let mut all = Vec::new();
    for tier in [Tier::Lightbeam, Tier::Cranelift] {
        let plain = || Config::new().tier(tier).fuel(true);
        for bounds in [BoundsStyle::Guard, BoundsStyle::Explicit] {
            for calls in [CallStyle::Direct, CallStyle::Slots] {
                all.push((format!("{tier:?} {bounds:?} {calls:?}"), plain().bounds(Some(bounds)).calls(calls)));
            }
        }
        let variants: [Variant; 6] = [
            ("one thread", |c| c.parallel(false)),
            ("stress", |c| c.gc_stress(true)),
            ("paranoid", |c| c.paranoid(true).gc_stress(true).calls(CallStyle::Slots)),
            ("baseline", |c| c.baseline(true)),
            ("canonical NaNs", |c| c.canonical_nans(true)),
            ("debugger", |c| c.debugger(true)),
        ];
        all.extend(variants.map(|(name, set)| (format!("{tier:?} {name}"), set(plain()))));
    }
    all
}

/// How a program ends.
#[derive(Copy, Clone, Debug, PartialEq)]
enum End {
    Returns,
    Traps(TrapCode),
    Throws,
}
use End::*;

/// A program: fields of a module that exports `f`, arguments, what `f` costs and how it ends.
type Program = (&'static str, &'static [i32], u64, End);

/// A loop of 9 operators an iteration.
const LOOP: &str = r#"(func (export "f") (param i32) (result i32) (local i32)
    (loop $l
      (local.set 1 (i32.add (local.get 1) (i32.const 3)))
      (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    (local.get 1))"#;
const IF: &str = r#"(func (export "f") (param i32) (result i32)
    (if (result i32) (local.get 0) (then (i32.const 1)) (else (i32.add (i32.const 1) (i32.const 2))))
    (i32.eqz))"#;
const IF_WITHOUT_ELSE: &str = r#"(func (export "f") (param i32)
    (if (local.get 0) (then (drop (i32.const 1)) (drop (i32.const 1)))) (drop (i32.const 1)))"#;
const EARLY: &str = r#"(func (export "f") (param i32) (result i32)
    (block $b
      (br_if $b (local.get 0))
      (if (i32.const 1) (then (return (i32.const 7))))
      (unreachable))
    (i32.const 8))"#;
const BR_TABLE: &str = r#"(func (export "f") (param i32) (result i32)
    (block $c (block $b (block $a (br_table $a $b $c (local.get 0)) (drop (i32.const 1)))
        (return (i32.add (i32.const 1) (i32.const 1))))
      (return (i32.const 1)))
    (i32.eqz (i32.const 1)))"#;
/// `fib(n)` is called 2 fib(n + 1) - 1 times; a call costs 6 where it ends at once, else 14.
const FIB: &str = r#"(func $f (export "f") (param i32) (result i32)
    (if (result i32) (i32.lt_u (local.get 0) (i32.const 2)) (then (local.get 0))
      (else (i32.add (call $f (i32.sub (local.get 0) (i32.const 1))) (call $f (i32.sub (local.get 0) (i32.const 2)))))))"#;
/// Dead code costs nothing, and blocks in it are none.
const DEAD: &str = r#"(func (export "f") (result i32)
    (block (result i32)
      (br 0 (i32.const 1))
      (loop (br 0)) (if (i32.const 1) (then (drop (i32.const 1))) (else (br 1 (i32.const 1))))
      (block (br 0)) (i32.add (i32.const 1))))"#;
/// Blocks that nothing branches to, and loops that are not repeated, cost nothing.
const STRUCTURE: &str = r#"(func (export "f") nop (block (block nop)) (loop (loop)) (if (i32.const 0) (then)) (block (br 0)))"#;

const INDIRECT: &str = r#"(type $t (func (param i32) (result i32)))
    (table funcref (elem $same $twice))
    (func $same (type $t) (local.get 0))
    (func $twice (type $t) (i32.mul (local.get 0) (i32.const 2)))
    (func (export "f") (param i32) (result i32) (call_indirect (type $t) (i32.const 5) (local.get 0)))"#;
const CALL_REF: &str = r#"(type $t (func (param i32) (result i32)))
    (func $same (type $t) (local.get 0)) (elem declare func $same)
    (func (export "f") (result i32) (call_ref $t (i32.const 5) (ref.func $same)))"#;
const ON_NULL: &str = r#"(func (export "f") (param i32) (result i32)
    (block $b (drop (br_on_null $b (if (result funcref) (local.get 0) (then (ref.null func)) (else (ref.null func)))))
      (return (i32.const 1)))
    (i32.const 2))"#;
/// 6 an iteration; the last one 4.
const TAIL: &str = r#"(func $f (export "f") (param i32) (result i32)
    (if (i32.eqz (local.get 0)) (then (return (i32.const 9))))
    (return_call $f (i32.sub (local.get 0) (i32.const 1))))"#;
const TAIL_INDIRECT: &str = r#"(type $t (func (param i32) (result i32))) (table funcref (elem $g))
    (func $g (type $t) (local.get 0))
    (func (export "f") (param i32) (result i32) (return_call_indirect (type $t) (local.get 0) (i32.const 0)))"#;
const TAIL_REF: &str = r#"(type $t (func (param i32) (result i32))) (elem declare func $g)
    (func $g (type $t) (local.get 0))
    (func (export "f") (param i32) (result i32) (return_call_ref $t (local.get 0) (ref.func $g)))"#;

/// What follows a call is paid with the call, though the callee throws.
const CAUGHT: &str = r#"(tag $e (param i32))
    (func $throws (param i32) (throw $e (local.get 0)) (drop (i32.const 1)))
    (func (export "f") (param i32) (result i32)
      (block $h (result i32)
        (try_table (catch $e $h) (call $throws (local.get 0)) (drop (i32.const 1)) (drop (i32.const 1)))
        (i32.const 3))
      (i32.eqz))"#;
/// Through a frame of another function, and a handler that throws on.
const RETHROWN: &str = r#"(tag $e)
    (func $throws (drop (i32.const 1)) (throw $e))
    (func $between (call $throws) (drop (i32.const 1)))
    (func $on (block $h (result exnref) (try_table (catch_all_ref $h) (call $between)) (return)) (throw_ref))
    (func (export "f") (block $h (try_table (catch_all $h) (call $on))) (drop (i32.const 1)))"#;
const UNCAUGHT: &str = r#"(tag $e) (func (export "f") (drop (i32.const 1)) (throw $e))"#;
/// In its old form.
const OLD: &str = r#"(tag $e (param i32))
    (func $throws (throw $e (i32.const 4)))
    (func (export "f") (result i32)
      try (result i32)
        call $throws
        i32.const 1
      catch $e
        i32.const 1
        i32.add
      catch_all
        i32.const 0
      end)"#;
const OLD_RETHROWN: &str = r#"(tag $e)
    (func (export "f")
      try
        try
          throw $e
        catch_all
          rethrow 0
        end
      catch $e
      end)"#;

const DIVISION: &str = r#"(func (export "f") (param i32) (result i32)
    (i32.add (i32.div_u (i32.const 6) (local.get 0)) (i32.const 1)))"#;
const OUTSIDE: &str = r#"(memory 1) (func (export "f") (param i32) (result i32)
    (i32.store (i32.const 0) (i32.const 1)) (i32.load (local.get 0)) (drop) (i32.load8_u offset=65535 (i32.const 0)))"#;
const UNREACHABLE: &str = r#"(func (export "f") (if (i32.const 1) (then (unreachable))) (drop (i32.const 1)))"#;

const FILL: &str = r#"(memory 2) (func (export "f") (param i32) (memory.fill (i32.const 3) (i32.const 1) (local.get 0)))"#;
const FILL_64: &str = r#"(memory 1) (func (export "f") (memory.fill (i32.const 3) (i32.const 1) (i32.const 64)))"#;
const COPY: &str = r#"(memory 2) (func (export "f") (param i32) (memory.copy (i32.const 3) (i32.const 1) (local.get 0)))"#;
const COPY_CONSTANT: &str = r#"(memory 2) (func (export "f")
    (memory.copy (i32.const 3) (i32.const 1) (i32.const 128)) (memory.copy (i32.const 3) (i32.const 1) (i32.const 63))
    (memory.copy (i32.const 3) (i32.const 1) (i32.const 0)) (memory.copy (i32.const 0) (i32.const 1) (i32.const 70000)))"#;
const COPY_64: &str = r#"(memory i64 2) (func (export "f") (param i32)
    (memory.copy (i64.const 3) (i64.const 1) (i64.extend_i32_s (local.get 0))))"#;
const INIT: &str = r#"(memory 1) (data $d "0123456789012345678901234567890123456789012345678901234567890123456789")
    (func (export "f") (param i32) (memory.init $d (i32.const 3) (i32.const 0) (local.get 0)) (data.drop $d))"#;
const INIT_64: &str = r#"(memory 1) (data $d "0123456789012345678901234567890123456789012345678901234567890123456789")
    (func (export "f") (memory.init $d (i32.const 3) (i32.const 0) (i32.const 64)) (data.drop $d))"#;
const GROW: &str = r#"(memory 1 4) (func (export "f") (param i32) (result i32) (memory.grow (local.get 0)))"#;
const TABLE_GROW: &str = r#"(table 1 4 externref) (table 1 40 funcref)
    (func (export "f") (param i32) (result i32)
      (drop (table.grow 1 (ref.null func) (i32.const 30))) (table.grow 0 (ref.null extern) (local.get 0)))"#;
const TABLE_FILL: &str = r#"(table 10 externref) (table 10 funcref)
    (func (export "f") (param i32)
      (table.fill 0 (i32.const 1) (ref.null extern) (local.get 0)) (table.fill 1 (i32.const 1) (ref.null func) (local.get 0)))"#;
const TABLE_COPY: &str = r#"(table 10 funcref) (table 10 funcref) (elem $e func $g $g $g) (func $g)
    (func (export "f") (param i32)
      (table.init 1 $e (i32.const 1) (i32.const 0) (i32.const 3)) (table.copy 0 1 (i32.const 1) (i32.const 1) (local.get 0))
      (elem.drop $e))"#;
const TABLE_ACCESS: &str = r#"(table 2 funcref) (func $g)
    (elem declare func $g)
    (func (export "f") (result i32)
      (table.set (i32.const 0) (ref.func $g)) (ref.is_null (table.get (i32.const 0))) (i32.add (table.size 0)))"#;
const REFERENCES: &str = r#"(global $x (mut externref) (ref.null extern))
    (func (export "f") (param i32) (result i32) (local externref)
      (global.set $x (local.tee 1 (select (result externref) (global.get $x) (ref.null extern) (local.get 0))))
      (ref.is_null (local.get 1)))"#;
const VECTORS: &str = r#"(memory 1) (func (export "f") (result i32)
    (v128.store (i32.const 0) (i32x4.add (v128.const i32x4 1 2 3 4) (i32x4.splat (i32.const 7))))
    (i32x4.extract_lane 2 (v128.load (i32.const 0))))"#;
const ATOMICS: &str = r#"(memory 1 1 shared) (func (export "f") (result i32)
    (i32.atomic.store (i32.const 0) (i32.const 5)) (drop (i32.atomic.rmw.add (i32.const 0) (i32.const 2))) (atomic.fence)
    (i32.atomic.rmw.cmpxchg (i32.const 0) (i32.const 7) (i32.const 9)))"#;
/// More locals than there are registers, and calls between.
const FLOATS: &str = r#"(func $h (param f64) (result f64) (f64.sqrt (local.get 0)))
    (func (export "f") (param i32) (result f64) (local f64)
      (loop $l
        (local.set 1 (f64.add (call $h (f64.convert_i32_s (local.get 0))) (local.get 1)))
        (local.set 0 (i32.sub (local.get 0) (i32.const 1)))
        (br_if $l (local.get 0)))
      (local.get 1))"#;

const PROGRAMS: &[Program] = &[
    (r#"(func (export "f"))"#, &[], 1, Returns),
    (r#"(func (export "f") nop (drop (i32.const 1)))"#, &[], 2, Returns),
    (STRUCTURE, &[], 1 + 2 + 1, Returns),
    (DEAD, &[], 1 + 2, Returns),
    (LOOP, &[1], 1 + 9 + 1, Returns),
    (LOOP, &[1000], 1 + 9000 + 1, Returns),
    (IF, &[1], 1 + 2 + 1 + 1, Returns),
    (IF, &[0], 1 + 2 + 3 + 1, Returns),
    (IF_WITHOUT_ELSE, &[1], 1 + 2 + 2 + 1, Returns),
    (IF_WITHOUT_ELSE, &[0], 1 + 2 + 1, Returns),
    (EARLY, &[1], 1 + 2 + 1, Returns),
    (EARLY, &[0], 1 + 2 + 2 + 1, Returns),
    (BR_TABLE, &[0], 1 + 2 + 3, Returns),
    (BR_TABLE, &[1], 1 + 2 + 1, Returns),
    (BR_TABLE, &[2], 1 + 2 + 2, Returns),
    (BR_TABLE, &[-1], 1 + 2 + 2, Returns),
    (FIB, &[1], 6, Returns),
    (FIB, &[10], 89 * 6 + 88 * 14, Returns),
    (INDIRECT, &[0], 1 + 3 + 1 + 1, Returns),
    (INDIRECT, &[1], 1 + 3 + 1 + 3, Returns),
    (INDIRECT, &[2], 1 + 3, Traps(TrapCode::UndefinedElement)),
    (CALL_REF, &[], 1 + 3 + 1 + 1, Returns),
    (ON_NULL, &[0], 1 + 2 + 1 + 1 + 1, Returns),
    (TAIL, &[0], 1 + 3 + 1, Returns),
    (TAIL, &[1000], 8 * 1000 + 5, Returns),
    (TAIL_INDIRECT, &[5], 1 + 3 + 1 + 1, Returns),
    (TAIL_REF, &[5], 1 + 3 + 1 + 1, Returns),
    (CAUGHT, &[0], 1 + 5 + 1 + 2 + 1, Returns),
    (RETHROWN, &[], (1 + 1) + (1 + 1) + (1 + 2) + (1 + 2) + 1 + 1, Returns),
    (UNCAUGHT, &[], 1 + 2, Throws),
    (DIVISION, &[2], 1 + 5, Returns),
    (DIVISION, &[0], 1 + 5, Traps(TrapCode::IntegerDivideByZero)),
    (OUTSIDE, &[8], 1 + 7, Returns),
    (OUTSIDE, &[65533], 1 + 7, Traps(TrapCode::MemoryOutOfBounds)),
    (OUTSIDE, &[-1], 1 + 7, Traps(TrapCode::MemoryOutOfBounds)),
    (UNREACHABLE, &[], 1 + 2, Traps(TrapCode::Unreachable)),
    (FILL, &[0], 1 + 4, Returns),
    (FILL, &[63], 1 + 4, Returns),
    (FILL, &[64], 1 + 4 + 1, Returns),
    (FILL, &[100_000], 1 + 4 + 100_000 / 64, Returns),
    (FILL, &[-1], 1 + 4 + 0xffff_ffff / 64, Traps(TrapCode::MemoryOutOfBounds)),
    (FILL_64, &[], 1 + 4 + 1, Returns),
    (COPY, &[63], 1 + 4, Returns),
    (COPY, &[129], 1 + 4 + 2, Returns),
    (COPY, &[100_000], 1 + 4 + 100_000 / 64, Returns),
    (COPY_CONSTANT, &[], 1 + 16 + 2 + 70_000 / 64, Returns),
    (COPY_64, &[1000], 1 + 5 + 15, Returns),
    (COPY_64, &[-1], 1 + 5 + (u64::MAX >> 6), Traps(TrapCode::MemoryOutOfBounds)),
    (INIT, &[70], 1 + 5 + 1, Returns),
    (INIT, &[12], 1 + 5, Returns),
    (INIT_64, &[], 1 + 5 + 1, Returns),
    (INIT, &[200], 1 + 5 + 3, Traps(TrapCode::MemoryOutOfBounds)),
    (GROW, &[0], 1 + 2, Returns),
    (GROW, &[3], 1 + 2 + 3 * 1024, Returns),
    (GROW, &[4], 1 + 2, Returns),
    (TABLE_GROW, &[3], 1 + 6 + 30 + 3, Returns),
    (TABLE_GROW, &[4], 1 + 6 + 30, Returns),
    (TABLE_FILL, &[9], 1 + 8 + 18, Returns),
    (TABLE_FILL, &[10], 1 + 8 + 10, Traps(TrapCode::TableOutOfBounds)),
    (TABLE_COPY, &[5], 1 + 9 + 3 + 5, Returns),
    (TABLE_ACCESS, &[], 1 + 8, Returns),
    (REFERENCES, &[1], 1 + 8, Returns),
    (VECTORS, &[], 1 + 9, Returns),
    (ATOMICS, &[], 1 + 11, Returns),
    (FLOATS, &[10], 1 + 10 * (12 + 3) + 1, Returns),
];

/// What the old form of exceptions costs is what it is translated to, which is not said here but for being the same.
const TRANSLATED: &[(&str, &[i32])] = &[(OLD, &[]), (OLD_RETHROWN, &[])];

/// Runs `f` with so much fuel: how it ended, what was left and what was used.
fn run(engine: &Engine, module: &Module, args: &[i32], fuel: Option<u64>) -> (Result<Vec<u128>, Error>, u64, u64) {
    let mut store = Store::new(engine, ());
    let store = store.as_mut().unwrap();
    let instance = Linker::new(engine).instantiate(&mut *store, module).unwrap();
    if let Some(fuel) = fuel {
        store.set_fuel(fuel);
    }
    let f = instance.get_func(&mut *store, "f").unwrap();
    let args: Vec<Val> = args.iter().map(|&v| Val::I32(v)).collect();
    let mut results = vec![Val::I32(0); f.ty(&*store).results.len()];
    let ended = f.call(&mut *store, &args, &mut results);
    let bits = |v: &Val| match *v {
        Val::I32(v) => u128::from(v.cast_unsigned()),
        Val::F64(v) => v.into(),
        ref other => panic!("{other}"),
    };
    (ended.map(|()| results.iter().map(bits).collect()), store.fuel().unwrap(), store.fuel_used().unwrap())
}

fn end_of<T>(result: &Result<T, Error>) -> End {
    match result {
        Ok(_) => Returns,
        Err(Error::Exception(_)) => Throws,
        Err(error) => Traps(error.trap_code().unwrap_or_else(|| panic!("{error}"))),
    }
}

#[test]
fn each_program_costs_what_is_said_in_each_style() {
    for (style, config) in styles() {
        let engine = Engine::new(&config).unwrap();
        for &(wat, args, cost, end) in PROGRAMS {
            let module = Module::new(&engine, wat.as_bytes()).unwrap();
            let at = format!("{style}: {wat} {args:?}");
            let (result, left, used) = run(&engine, &module, args, None);
            assert_eq!((end_of(&result), used, left), (end, cost, u64::MAX - cost), "{at}");
            let expected = result.ok();
            for more in [0, 1] {
                let (result, left, used) = run(&engine, &module, args, Some(cost + more));
                assert_eq!((end_of(&result), used, left), (end, cost, more), "{at}");
                assert_eq!(result.ok(), expected, "{at}");
            }
            // One too few, as many as nothing is done for, and none at all.
            for fuel in [cost - 1, cost / 2, 0] {
                let (result, left, used) = run(&engine, &module, args, Some(fuel));
                assert_eq!((end_of(&result), used, left), (Traps(TrapCode::FuelExhausted), fuel, 0), "{at} with {fuel}");
            }
        }
    }
}

#[test]
fn old_exceptions_cost_the_same_in_each_style() {
    for &(wat, args) in TRANSLATED {
        let mut found: Option<(String, u64)> = None;
        for (style, config) in styles() {
            let engine = Engine::new(&config).unwrap();
            let module = Module::new(&engine, wat.as_bytes()).unwrap();
            let (result, _, cost) = run(&engine, &module, args, None);
            assert_eq!(end_of(&result), Returns, "{style}: {wat}");
            let (first, expected) = found.get_or_insert_with(|| (style.clone(), cost));
            assert_eq!(cost, *expected, "{style} and {first}: {wat}");
            let (result, ..) = run(&engine, &module, args, Some(cost));
            assert_eq!(end_of(&result), Returns, "{style}: {wat}");
            let (result, ..) = run(&engine, &module, args, Some(cost - 1));
            assert_eq!(end_of(&result), Traps(TrapCode::FuelExhausted), "{style}: {wat}");
        }
    }
}

/// A host function that is called in registers, one that is called with an array, and one that enters the store again.
const HOST: &str = r#"
    (import "" "fuel" (func $fuel (result i64)))
    (import "" "values" (func $values (param i32) (result i32 i32 i32 i32 i32 i32 i32 i32 i32)))
    (import "" "again" (func $again (param i32) (result i32)))
    (func $five (export "five") (result i32) (i32.add (i32.add (i32.const 1) (i32.const 2)) (i32.const 3)))
    (func (export "f") (result i64)
      (drop (call $again (i32.const 3)))
      (call $values (i32.const 1)) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop) (drop)
      (call $fuel))"#;

fn host_linker(engine: &Engine) -> Linker<()> {
    let mut linker = Linker::new(engine);
    linker.func_wrap("", "fuel", |caller: Caller<'_, ()>| caller.as_context().fuel_used().unwrap() as i64).unwrap();
    let many = sconce_engine::FuncType {
        params: [sconce_engine::ValType::I32].into(),
        results: [sconce_engine::ValType::I32; 9].into(),
    };
    linker.func_new("", "values", many, |_, _, _| Ok(())).unwrap();
    let again = |mut caller: Caller<'_, ()>, times: i32| -> Result<i32, Error> {
        let Some(Extern::Func(five)) = caller.get_export("five") else { panic!("it exports a function") };
        let mut results = [Val::I32(0)];
        for _ in 0..times {
            five.call(caller.as_context_mut(), &[], &mut results)?;
        }
        Ok(times)
    };
    linker.func_wrap("", "again", again).unwrap();
    linker
}

#[test]
fn the_host_sees_and_spends_what_there_is() {
    const COST: u64 = (1 + 5) + 3 * (1 + 5);
    for (style, config) in styles() {
        let engine = Engine::new(&config).unwrap();
        let module = Module::new(&engine, HOST.as_bytes()).unwrap();
        for (fuel, end) in [(u64::MAX, Returns), (COST, Returns), (COST - 1, Traps(TrapCode::FuelExhausted))] {
            let mut store = Store::new(&engine, ()).unwrap();
            let instance = host_linker(&engine).instantiate(&mut store, &module).unwrap();
            store.set_fuel(fuel);
            let f = instance.get_func(&mut store, "f").unwrap();
            let mut results = [Val::I64(0)];
            let result = f.call(&mut store, &[], &mut results);
            assert_eq!((end_of(&result), store.fuel_used()), (end, Some(fuel.min(COST))), "{style} with {fuel}");
            if end == Returns {
                assert!(matches!(results[0], Val::I64(seen) if seen as u64 == COST), "{style}: {}", results[0]);
            }
        }
    }
}

#[test]
fn a_host_function_can_give_more() {
    const WAT: &str = r#"(import "" "more" (func $more))
        (func (export "f") (loop $l (call $more) (br $l)))"#;
    for (style, config) in styles() {
        let engine = Engine::new(&config).unwrap();
        let module = Module::new(&engine, WAT.as_bytes()).unwrap();
        let mut store = Store::new(&engine, 0).unwrap();
        let mut linker = Linker::new(&engine);
        let more = |mut caller: Caller<'_, u32>| {
            *caller.data_mut() += 1;
            if *caller.data() < 5 {
                caller.as_context_mut().set_fuel(10);
            }
        };
        linker.func_wrap("", "more", more).unwrap();
        let instance = linker.instantiate(&mut store, &module).unwrap();
        store.set_fuel(3);
        let f = instance.get_func(&mut store, "f").unwrap();
        let result = f.call(&mut store, &[], &mut []);
        assert_eq!(end_of(&result), Traps(TrapCode::FuelExhausted), "{style}");
        // The fourth call gives enough for five more.
        assert_eq!((*store.data(), store.fuel_used()), (9, Some(10)), "{style}");
    }
}

#[test]
fn start_functions_and_other_instances_spend_the_same_fuel() {
    const FIRST: &str = r#"(func (export "g") (drop (i32.const 1)))"#;
    const SECOND: &str = r#"(import "first" "g" (func $g)) (func $start (call $g) (call $g)) (start $start)
        (func (export "f") (call $g))"#;
    for (style, config) in styles() {
        let engine = Engine::new(&config).unwrap();
        let [first, second] = [FIRST, SECOND].map(|wat| Module::new(&engine, wat.as_bytes()).unwrap());
        let mut store = Store::new(&engine, ()).unwrap();
        let mut linker = Linker::new(&engine);
        let instance = linker.instantiate(&mut store, &first).unwrap();
        linker.instance(&mut store, "first", instance).unwrap();
        assert_eq!(store.fuel_used(), Some(0), "{style}");
        store.set_fuel(100);
        let instance = linker.instantiate(&mut store, &second).unwrap();
        assert_eq!(store.fuel_used(), Some(3 + 2 * 2), "{style}");
        let f = instance.get_func(&mut store, "f").unwrap();
        f.call(&mut store, &[], &mut []).unwrap();
        assert_eq!((store.fuel(), store.fuel_used()), (Some(100 - 11), Some(11)), "{style}");
        store.set_fuel(6);
        let error = linker.instantiate(&mut store, &second).unwrap_err();
        assert_eq!((error.trap_code(), store.fuel()), (Some(TrapCode::FuelExhausted), Some(0)), "{style}");
    }
}

#[test]
fn what_was_exhausted_goes_on_with_new_fuel() {
    for (style, config) in styles() {
        let engine = Engine::new(&config).unwrap();
        let module = Module::new(&engine, LOOP.as_bytes()).unwrap();
        let mut store = Store::new(&engine, ()).unwrap();
        let instance = Linker::new(&engine).instantiate(&mut store, &module).unwrap();
        let f: Func = instance.get_func(&mut store, "f").unwrap();
        for fuel in [20, 0, u64::MAX, 10, 1] {
            store.set_fuel(fuel);
            let result = f.call(&mut store, &[Val::I32(10)], &mut [Val::I32(0)]);
            let end = if fuel >= 92 { Returns } else { Traps(TrapCode::FuelExhausted) };
            assert_eq!((end_of(&result), store.fuel_used()), (end, Some(fuel.min(92))), "{style}");
            // Nothing is left, whatever is called.
            if end != Returns {
                let result = f.call(&mut store, &[Val::I32(1)], &mut [Val::I32(0)]);
                assert_eq!((end_of(&result), store.fuel_used()), (end, Some(fuel)), "{style}");
            }
        }
    }
}

#[test]
fn an_interrupt_leaves_the_count_as_it_is() {
    const ENDLESS: &str = r#"(func (export "f") (loop $l (br $l))) (func (export "g"))"#;
    for (style, config) in styles().into_iter().filter(|(style, _)| !style.contains("debugger")) {
        let engine = Engine::new(&config).unwrap();
        let module = Module::new(&engine, ENDLESS.as_bytes()).unwrap();
        let mut store = Store::new(&engine, ()).unwrap();
        let instance = Linker::new(&engine).instantiate(&mut store, &module).unwrap();
        let f = instance.get_func(&mut store, "f").unwrap();
        let handle = store.interrupt_handle();
        let result = std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(std::time::Duration::from_millis(5));
                handle.interrupt();
            });
            f.call(&mut store, &[], &mut [])
        });
        assert_eq!(end_of(&result), Traps(TrapCode::Interrupt), "{style}");
        let used = store.fuel_used().unwrap();
        // It may have come before the first instruction.
        assert!(used < u64::MAX / 2, "{style}: {used}");
        let g = instance.get_func(&mut store, "g").unwrap();
        g.call(&mut store, &[], &mut []).unwrap();
        assert_eq!(store.fuel_used(), Some(used + 1), "{style}");
    }
}

#[test]
fn calls_across_styles_of_one_module_keep_the_count() {
    // More than Cranelift takes: Lightbeam compiles that function, and both call each other.
    let targets = "0 ".repeat(70_000);
    let wat = format!(
        r#"(func $dear (param i32) (result i32) (block (br_table {targets} (local.get 0))) (call $back))
           (func $back (result i32) (i32.const 1))
           (func (export "f") (param i32) (result i32) (i32.add (call $dear (local.get 0)) (i32.const 1)))"#
    );
    for (style, config) in styles() {
        let engine = Engine::new(&config).unwrap();
        let module = Module::new(&engine, wat.as_bytes()).unwrap();
        let (result, _, used) = run(&engine, &module, &[3], None);
        assert_eq!((end_of(&result), used), (Returns, (1 + 4) + (1 + 2 + 1) + (1 + 1)), "{style}");
    }
}

#[test]
fn code_that_does_not_count_has_no_fuel() {
    let engine = Engine::new(&Config::new()).unwrap();
    let mut store = Store::new(&engine, ()).unwrap();
    assert_eq!((store.fuel(), store.fuel_used()), (None, None));
    let set = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| store.set_fuel(5)));
    assert!(set.is_err());
}

#[test]
fn code_that_counts_and_code_that_does_not_are_told_apart() {
    let [counts, plain] = [true, false].map(|fuel| Engine::new(&Config::new().fuel(fuel)).unwrap());
    let bytes = Module::new(&plain, LOOP.as_bytes()).unwrap().serialize().unwrap();
    let error = Module::deserialize(&counts, &bytes).unwrap_err().to_string();
    assert!(error.contains("compiled without --count-fuel, and this run is with --fuel: leave out --fuel"), "{error}");
    let bytes = Module::new(&counts, LOOP.as_bytes()).unwrap().serialize().unwrap();
    Module::deserialize(&counts, &bytes).unwrap();
    assert!(Module::deserialize(&plain, &bytes).is_err());
}
