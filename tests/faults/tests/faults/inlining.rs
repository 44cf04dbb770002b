//! Calls that give way to the callee's body: programs do what they do without, and fail at the same places.

use sconce_engine::{BoundsStyle, CallStyle, Caller, Config, Engine, Error, Inlining, Linker, Store, Tier, Val};
use sconce_faults::{Guest, config};

/// Programs; each has `run`, which takes a number.
const PROGRAMS: &[(&str, &str)] = &[
    (
        "every way out of a body",
        r#"(func $way (param $n i32) (param $other i64) (result i64 i32)
            (if (i32.eqz (local.get $n)) (then (return (i64.const 1) (i32.const 10))))
            (block $out (result i64 i32)
                (block $table (block $b (br_table $b $table (i32.sub (local.get $n) (i32.const 1)))) (br 2 (i64.const 2) (i32.const 20)))
                (br_if 1 (i64.const 3) (i32.const 30) (i32.eq (local.get $n) (i32.const 2))) (drop) (drop)
                (i64.add (local.get $other) (i64.extend_i32_s (local.get $n))) (i32.const 40)))
          (func (export "run") (param $n i32) (result i64) (local $i i32)
            (call $way (local.get $n) (i64.const 5)) (local.set $i)
            (i64.extend_i32_u (local.get $i)) (i64.add))"#,
    ),
    (
        "locals are zero each time",
        r#"(func $count (param $n i32) (result i32) (local $sum i32) (local $v v128) (local $f f64)
            (local.set $v (i32x4.add (local.get $v) (i32x4.splat (local.get $n))))
            (local.set $f (f64.add (local.get $f) (f64.convert_i32_s (i32x4.extract_lane 2 (local.get $v)))))
            (local.tee $sum (i32.add (local.get $sum) (i32.trunc_f64_s (local.get $f)))))
          (func (export "run") (param $n i32) (result i32) (local $total i32)
            (loop $l
                (local.set $total (i32.add (local.get $total) (call $count (local.get $n))))
                (br_if $l (i32.gt_s (local.tee $n (i32.sub (local.get $n) (i32.const 1))) (i32.const 0))))
            (local.get $total))"#,
    ),
    (
        "the argument is the body's own",
        r#"(func $change (param $n i32) (result i32)
            (local.set $n (i32.mul (local.get $n) (i32.const 3))) (i32.add (local.get $n) (i32.const 1)))
          (func (export "run") (param $n i32) (result i32)
            (i32.add (call $change (call $change (local.get $n))) (local.get $n)))"#,
    ),
    (
        "vectors of every type cross the border",
        r#"(func $mix (param $a v128) (param $b v128) (result v128) (f32x4.max (i8x16.add (local.get $a) (local.get $b)) (local.get $b)))
          (func (export "run") (param $n i32) (result i32)
            (i64x2.extract_lane 1 (call $mix (f64x2.splat (f64.convert_i32_s (local.get $n))) (i32x4.splat (local.get $n))))
            (i32.wrap_i64))"#,
    ),
    (
        "a body that never returns",
        r#"(func $never (param $n i32) (result i32) (if (i32.gt_s (local.get $n) (i32.const 2)) (then (unreachable))) (unreachable))
          (func (export "run") (param $n i32) (result i32)
            (if (result i32) (i32.gt_s (local.get $n) (i32.const 1))
                (then (call $never (local.get $n)) (drop) (i64.const 1) (call $never (i32.const 1)) (drop) (drop) (i32.const 3))
                (else (i32.const 7))))"#,
    ),
    (
        "traps of every kind, three bodies deep",
        r#"(memory 1) (table 4 funcref) (type $f (func (result i32))) (elem (i32.const 1) $wrong)
          (func $wrong)
          (func $trap (param $n i32) (result i32)
            (block $5 (block $4 (block $3 (block $2 (block $1 (block $0 (br_table $0 $1 $2 $3 $4 $5 (local.get $n)))
                (return (i32.div_s (i32.const 7) (i32.load (i32.const 8)))))
                (return (i32.load (i32.const 65533))))
                (return (i32.trunc_f32_s (f32.const nan))))
                (return (call_indirect (type $f) (i32.const 0))))
                (return (call_indirect (type $f) (local.get $n))))
            (unreachable))
          (func $middle (param $n i32) (result i32) (i32.add (call $trap (local.get $n)) (i32.const 1)))
          (func $outer (param $n i32) (result i32) (nop) (i32.add (i32.const 1) (call $middle (local.get $n))))
          (func (export "run") (param $n i32) (result i32) (call $outer (local.get $n)) (call $outer (i32.const 2)) (i32.add))"#,
    ),
    (
        "loads on either side of a border",
        r#"(memory 1)
          (func $load (param $at i32) (result i32) (i32.load (local.get $at)))
          (func $add (param $a i32) (param $b i32) (result i32) (i32.add (local.get $a) (local.get $b)))
          (func $count (param $at i32) (i32.store (local.get $at) (i32.add (call $load (local.get $at)) (i32.const 1))))
          (func (export "run") (param $n i32) (result i32) (local $at i32)
            (call $count (i32.const 8))
            (local.set $at (i32.mul (local.get $n) (i32.const 21843)))
            (if (i32.and (local.get $n) (i32.const 1))
                (then (return (i32.add (local.get $n) (call $load (local.get $at)))))
                (else (if (i32.and (local.get $n) (i32.const 2)) (then (call $count (i32.const 65533))))))
            (call $add (local.get $n) (i32.load offset=3 (local.get $at))))"#,
    ),
    (
        "functions that call themselves and each other",
        r#"(func $even (param $n i32) (result i32)
            (if (result i32) (local.get $n) (then (call $odd (i32.sub (local.get $n) (i32.const 1)))) (else (i32.const 1))))
          (func $odd (param $n i32) (result i32)
            (if (result i32) (local.get $n) (then (call $even (i32.sub (local.get $n) (i32.const 1)))) (else (unreachable))))
          (func $fib (param $n i32) (result i32)
            (if (result i32) (i32.lt_s (local.get $n) (i32.const 2)) (then (local.get $n))
                (else (i32.add (call $fib (i32.sub (local.get $n) (i32.const 1))) (call $fib (i32.sub (local.get $n) (i32.const 2)))))))
          (func (export "run") (param $n i32) (result i32) (i32.add (call $even (local.get $n)) (call $fib (i32.const 12))))"#,
    ),
    (
        "exceptions go through",
        r#"(tag $t (param i32))
          (func $throw (param $n i32) (throw $t (local.get $n)))
          (func $maybe (param $n i32) (result i32)
            (if (i32.and (local.get $n) (i32.const 1)) (then (call $throw (i32.mul (local.get $n) (i32.const 100))))) (i32.const 2))
          (func $caught (param $n i32) (result i32)
            (block $c (result i32) (try_table (result i32) (catch $t $c) (call $maybe (local.get $n)))))
          (func (export "run") (param $n i32) (result i32)
            (block $c (result i32)
                (try_table (catch $t $c) (br_if 1 (call $maybe (local.get $n)) (i32.eq (local.get $n) (i32.const 2))) (drop))
                (i32.add (call $caught (local.get $n)) (i32.const 1)))
            (call $maybe (i32.and (local.get $n) (i32.const 4))) (i32.add)
            (call $maybe (i32.shr_u (local.get $n) (i32.const 2))) (i32.add))"#,
    ),
    (
        "globals, memories and tables are the same",
        r#"(memory 1 3) (table 2 8 funcref) (global $g (mut i64) (i64.const 5)) (elem declare func $grow)
          (func $grow (param $n i32) (result i32)
            (global.set $g (i64.add (global.get $g) (i64.extend_i32_s (local.get $n))))
            (drop (table.grow (ref.func $grow) (local.get $n)))
            (i32.store (i32.const 65532) (local.get $n)) (memory.grow (i32.const 1)))
          (func (export "run") (param $n i32) (result i32)
            (i32.store (i32.const 100) (call $grow (local.get $n))) (i32.store (i32.const 104) (call $grow (i32.const 1)))
            (i32.wrap_i64 (global.get $g)) (i32.add (memory.size)) (i32.mul (table.size))
            (i32.add (i32.load (i32.const 65532))) (i32.sub (i32.load (i32.const 104))))"#,
    ),
    (
        "references pass by",
        r#"(import "" "object" (func $object (param i32) (result externref))) (table $t 3 externref) (global $e (mut externref) (ref.null extern))
          (func $keep (param $n i32) (table.set $t (local.get $n) (global.get $e)) (global.set $e (call $object (local.get $n))))
          (func $null (param $n i32) (result i32) (ref.is_null (table.get $t (local.get $n))))
          (func (export "run") (param $n i32) (result i32) (local $r externref)
            (local.set $r (call $object (i32.const 9)))
            (call $keep (i32.const 0)) (call $keep (i32.rem_u (local.get $n) (i32.const 3))) (call $keep (local.get $n))
            (i32.add (i32.mul (call $null (i32.const 1)) (i32.const 2)) (ref.is_null (local.get $r))))"#,
    ),
    (
        "numbers where the caller has references",
        r#"(import "" "object" (func $object (param i32) (result externref)))
          (func $use (param $a i32) (param $b i32) (result i32)
            (local.get $b) (drop (call $object (local.get $a))) (i32.xor (local.get $b)) (i32.add (local.get $a)))
          (func (export "run") (param $n i32) (result i32) (local $r externref) (local $sum i32)
            (local.set $r (call $object (i32.const 1)))
            (loop $l
                (local.set $sum (i32.add (local.get $sum) (call $use (local.get $n) (i32.const 0x7eadbee5))))
                (drop (call $object (ref.is_null (local.get $r))))
                (br_if $l (i32.gt_s (local.tee $n (i32.sub (local.get $n) (i32.const 1))) (i32.const -30))))
            (i32.add (local.get $sum) (ref.is_null (local.get $r))))"#,
    ),
    (
        "hints in a body count from its beginning",
        r#"(func $hinted (param $n i32) (result i32)
            (if (result i32) (@metadata.code.branch_hint "\00") (i32.eq (local.get $n) (i32.const 3)) (then (i32.const 1)) (else (i32.const 2))))
          (func (export "run") (param $n i32) (result i32)
            (if (result i32) (@metadata.code.branch_hint "\01") (i32.lt_s (local.get $n) (i32.const 3))
                (then (call $hinted (local.get $n)))
                (else (@metadata.code.branch_hint "\00") (if (result i32) (i32.eq (local.get $n) (i32.const 5))
                    (then (call $hinted (i32.const 3))) (else (call $hinted (local.get $n)))))))"#,
    ),
    (
        "calls at the top of code that is left",
        r#"(func $id (param $n i32) (result i32) (local.get $n))
          (func (export "run") (param $n i32) (result i32)
            (block $out (result i32)
                (br $out (call $id (local.get $n))) (call $id) (call $id (unreachable)) (i32.add)))"#,
    ),
    (
        "what a host function sees",
        r#"(import "" "where" (func $where (result i32)))
          (func $deep (param $n i32) (result i32) (i32.add (call $where) (local.get $n)))
          (func $deeper (param $n i32) (result i32) (i32.mul (call $deep (local.get $n)) (i32.const 3)))
          (func (export "run") (param $n i32) (result i32) (i32.add (call $deeper (local.get $n)) (call $where)))"#,
    ),
];

/// What a call came to: values, or why not, and where.
fn outcome(guest: &mut Guest, n: i32) -> String {
    match guest.try_call("run", &[Val::I32(n)]) {
        Ok(values) => format!("{values:?}"),
        Err(error) => {
            guest.assert_alive();
            let frames: Vec<_> = frames(&error);
            assert!(frames.iter().all(|(_, offset)| offset.is_some()), "{frames:?}");
            format!("{:?} {frames:?}", error.trap_code())
        }
    }
}

fn frames(error: &Error) -> Vec<(u32, Option<u32>)> {
    let frames = &error.backtrace().expect("a backtrace").frames;
    frames.iter().map(|frame| (frame.func.as_u32(), frame.wasm_offset)).collect()
}

fn define(store: &mut Store<()>, linker: &mut Linker<()>) {
    let _ = store;
    let object = |mut caller: Caller<'_, ()>, n: i32| sconce_engine::ExternRef::new(&mut caller, n).map(Some);
    linker.func_wrap("", "object", object).expect("a function");
    // The same number for the same activations, at the same places.
    let place = |caller: Caller<'_, ()>| {
        let frames = caller.backtrace().frames;
        frames
            .iter()
            .fold(0, |all: i32, f| all.wrapping_mul(31) + f.func.as_u32() as i32 + f.wasm_offset.expect("an offset") as i32)
    };
    linker.func_wrap("", "where", place).expect("a function");
}

fn outcomes(engine: &Engine, text: &str) -> Vec<String> {
    let mut guest = Guest::with(engine, &format!("(module {text})"), define);
    (0..7).map(|n| outcome(&mut guest, n)).collect()
}

fn engine(config: Config) -> Engine {
    Engine::new(&config).expect("an engine")
}

#[test]
fn programs_do_what_they_do_without_and_fail_where_they_do() {
    for (name, text) in PROGRAMS {
        let wanted = outcomes(&engine(Config::new().tier(Tier::Lightbeam)), text);
        for inlining in [Inlining::Off, Inlining::Small, Inlining::Most] {
            for bounds in [BoundsStyle::Guard, BoundsStyle::Explicit] {
                for calls in [CallStyle::Direct, CallStyle::Slots] {
                    for (stress, paranoid) in [(false, false), (true, true)] {
                        let config = config((Tier::Cranelift, bounds, calls)).inlining(inlining);
                        let engine = engine(config.gc_stress(stress).paranoid(paranoid));
                        assert_eq!(outcomes(&engine, text), wanted, "{name}: {inlining:?}, {bounds:?}, {calls:?}, {stress}");
                    }
                }
            }
        }
        for seed in 0..16 {
            let config = config((Tier::Auto, BoundsStyle::Guard, CallStyle::Slots)).inlining(Inlining::Most);
            let config = config.gc_stress(seed & 1 != 0).lazy(Some(0)).mixed_tiers(Some(seed));
            assert_eq!(outcomes(&engine(config), text), wanted, "{name}: {seed}");
        }
    }
}

/// Frames of a deep stack are left out between those of code, not between a body and who called it.
#[test]
fn deep_stacks_are_cut_between_frames_of_code() {
    const TEXT: &str = r#"(module
        (func $leaf (param $n i32) (if (i32.eqz (local.get $n)) (then (unreachable))))
        (func $deep (export "run") (param $n i32)
            (call $leaf (local.get $n)) (call $deep (i32.sub (local.get $n) (i32.const 1)))))"#;
    // 200 frames of code are kept on the inner side, and 50 on the outer one.
    for (inlining, wanted) in [(Inlining::Off, (250, 1_752, 200)), (Inlining::Small, (251, 1_751, 201))] {
        let config = config((Tier::Cranelift, BoundsStyle::Guard, CallStyle::Direct)).inlining(inlining);
        let mut guest = Guest::new(&engine(config), TEXT);
        let error = guest.try_call("run", &[Val::I32(2_000)]).expect_err("it traps");
        let backtrace = error.backtrace().expect("a backtrace");
        assert_eq!((backtrace.frames.len(), backtrace.omitted, backtrace.omitted_at), wanted, "{inlining:?}");
        let funcs: Vec<u32> = backtrace.frames.iter().map(|frame| frame.func.as_u32()).collect();
        assert!(funcs[0] == 0 && funcs[1..].iter().all(|&func| func == 1), "{inlining:?}: {funcs:?}");
    }
}

/// What code says of itself is in artifacts, too.
#[test]
fn code_that_was_kept_fails_at_the_same_places() {
    for (name, text) in PROGRAMS {
        let engine = engine(config((Tier::Cranelift, BoundsStyle::Guard, CallStyle::Direct)).inlining(Inlining::Most));
        let module = sconce_engine::Module::new(&engine, format!("(module {text})").as_bytes()).expect("a module");
        let bytes = module.serialize().expect("an artifact");
        let again = sconce_engine::Module::deserialize(&engine, &bytes).expect("a module");
        let run = |module: &sconce_engine::Module| {
            let mut store = Store::new(&engine, ()).expect("a store");
            let mut linker = Linker::new(&engine);
            define(&mut store, &mut linker);
            let instance = linker.instantiate(&mut store, module).expect("an instance");
            let func = instance.get_func(&mut store, "run").expect("a function");
            let mut all = Vec::new();
            for n in 0..7 {
                let mut results: Vec<Val> = func.ty(&store).results.iter().map(|t| Val::default_for(*t)).collect();
                let called = func.call(&mut store, &[Val::I32(n)], &mut results);
                all.push(format!("{results:?} {:?}", called.err().map(|error| frames(&error))));
            }
            all
        };
        assert_eq!(run(&again), run(&module), "{name}");
    }
}
