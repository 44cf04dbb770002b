//! Modules that one compiler cannot compile all of.

use sconce_engine::environ::decode::{Features, decode};
use sconce_engine::environ::index::DefinedFuncIndex;
use sconce_engine::{
    AsContextMut, BoundsStyle, CallStyle, Caller, Config, Engine, Error, ExternRef, Func, Linker, MachineCode, Module, Store,
    Tier, TrapCode, Val,
};

/// More targets than Cranelift takes, in a function that others call and that calls others, with references in its frame.
fn many_targets() -> String {
    let targets: String = (0..100_000).map(|n| format!("{} ", n % 3)).collect();
    format!(
        r#"(module
            (import "" "gc" (func $gc))
            (table $t 2 externref)
            (func $third (param $n i32) (param $kept externref) (result i32)
                (if (i32.eq (local.get $n) (i32.const 5)) (then (call $gc)))
                (i32.div_u (local.get $n) (i32.sub (local.get $n) (i32.const 8))))
            (func $wide (param $n i32) (param $kept externref) (result i32)
                (block $c (block $b (block $a
                    (br_table {targets} 2 (local.get $n)))
                    (return (i32.const 100)))
                    (return (i32.const 200)))
                (table.set $t (i32.const 0) (local.get $kept))
                (call $third (local.get $n) (local.get $kept)))
            (func (export "f") (param $n i32) (param $kept externref) (result i32)
                (i32.add (call $wide (local.get $n) (local.get $kept)) (i32.const 1))))"#
    )
}

#[test]
fn what_cranelift_cannot_compile_is_lightbeams() {
    let wat = many_targets();
    for tier in [Tier::Auto, Tier::Cranelift, Tier::Lightbeam] {
        for (bounds, calls) in [(BoundsStyle::Guard, CallStyle::Direct), (BoundsStyle::Explicit, CallStyle::Slots)] {
            let engine = Engine::new(&Config::new().tier(tier).bounds(Some(bounds)).calls(calls)).unwrap();
            let module = Module::new(&engine, wat.as_bytes()).unwrap();
            // The same from an artifact.
            let loaded = Module::deserialize(&engine, &module.serialize().unwrap()).unwrap();
            for module in [module, loaded] {
                let mut store = Store::new(&engine, ()).unwrap();
                let mut linker = Linker::new(&engine);
                linker.func_wrap("", "gc", |mut caller: Caller<'_, ()>| caller.as_context_mut().gc()).unwrap();
                let instance = linker.instantiate(&mut store, &module).unwrap();
                let f: Func = instance.get_func(&mut store, "f").unwrap();
                let mut run = |n: u32| {
                    let kept = ExternRef::new(&mut store, n).unwrap();
                    let mut results = [Val::I32(0)];
                    f.call(&mut store, &[Val::I32(n.cast_signed()), Val::ExternRef(Some(kept))], &mut results)?;
                    Ok::<_, Error>(results[0].clone())
                };
                assert_eq!(run(0).unwrap(), Val::I32(101));
                assert_eq!(run(1).unwrap(), Val::I32(201));
                assert_eq!(run(99_999).unwrap(), Val::I32(101));
                assert_eq!(run(100_000).unwrap(), Val::I32(2));
                assert_eq!(run(5).unwrap(), Val::I32(1));
                assert_eq!(run(u32::MAX).unwrap(), Val::I32(2));
                let Err(Error::Trap(trap)) = run(8) else { panic!("no trap") };
                assert_eq!(trap.code, TrapCode::IntegerDivideByZero);
                assert_eq!(trap.backtrace.frames.iter().map(|f| f.func.as_u32()).collect::<Vec<_>>(), [1, 2, 3]);
            }
        }
    }
}

#[test]
fn the_first_invalid_function_is_to_blame_in_every_tier() {
    // The last one is the largest, and so met first where there are threads.
    let nops = "nop ".repeat(20_000);
    let good = "(func (result i32) (i32.const 1) (i32.popcnt))".repeat(700);
    let wat = format!("(module {good} (func (result i32)) {good} (func (result i64) {nops} (i32.const 1)))");
    let bytes = wat::parse_str(&wat).unwrap();
    let mut messages = Vec::new();
    for tier in [Tier::Cranelift, Tier::Lightbeam] {
        for parallel in [true, false] {
            let engine = Engine::new(&Config::new().tier(tier).parallel(parallel)).unwrap();
            let Err(Error::Decode(error)) = Module::new(&engine, &bytes) else { panic!("it is invalid") };
            assert_eq!(error.function().map(|f| f.index.as_u32()), Some(700));
            messages.push(error.to_string());
        }
    }
    assert!(messages.iter().all(|m| *m == messages[0]), "{messages:?}");
}

#[test]
fn validation_on_threads_blames_the_first_function_too() {
    // So much that threads share the work; chunks of functions begin and end near the wrong ones.
    let nops = "nop ".repeat(300);
    let function = |wrong: bool| if wrong { format!("(func (result i32) {nops})") } else { format!("(func {nops})") };
    for wrong in [vec![0], vec![15, 16, 1999], vec![16, 17], vec![700, 701, 1400], vec![1999]] {
        let all: String = (0..2000).map(|n| function(wrong.contains(&n))).collect();
        let bytes = wat::parse_str(format!("(module {all})")).unwrap();
        let engine = Engine::new(&Config::new().tier(Tier::Cranelift)).unwrap();
        let Err(Error::Decode(error)) = Module::validate(&engine, &bytes) else { panic!("it is invalid") };
        assert_eq!(error.function().map(|f| f.index.as_u32()), Some(wrong[0]));
    }
}

#[test]
fn locals_are_counted_before_there_is_room_for_them() {
    // 4,294,967,295 of them in five bytes, and twice that.
    for groups in [1, 2] {
        let mut body = vec![groups];
        for _ in 0..groups {
            body.extend([0xff, 0xff, 0xff, 0xff, 0x0f, 0x7f]);
        }
        body.push(0x0b);
        let mut bytes = b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x03\x02\x01\0\x0a".to_vec();
        bytes.extend([body.len() as u8 + 2, 1, body.len() as u8]);
        bytes.extend(body);
        for tier in [Tier::Cranelift, Tier::Lightbeam] {
            let engine = Engine::new(&Config::new().tier(tier)).unwrap();
            let Err(Error::Decode(error)) = Module::new(&engine, &bytes) else { panic!("it is invalid") };
            assert!(error.to_string().contains("too many locals"), "{error}");
        }
    }
}

/// Whatever tier was asked for: what Cranelift would take minutes for is Lightbeam's, and runs.
#[test]
fn what_is_too_dear_for_cranelift_is_lightbeams() {
    let n = 2_000;
    let sets: String = (0..n).map(|i| format!("(local.set {i} (i32.add (local.get {i}) (i32.const 1)))")).collect();
    let ends = "(br_if 0 (local.get 7)) end ".repeat(n);
    let text = format!(
        "(module (func (export \"run\") (result i32) (local {}) {} {sets} (local.set 7 (i32.const 0)) {ends} (local.get 1999)))",
        "i32 ".repeat(n),
        "loop ".repeat(n)
    );
    let bytes = wat::parse_str(&text).unwrap();
    for tier in [Tier::Auto, Tier::Cranelift] {
        let engine = Engine::new(&Config::new().tier(tier)).unwrap();
        let decoded = decode(&bytes, Features::default()).unwrap();
        let (_, compiler) = MachineCode::compile(&engine, &bytes, &decoded).function(DefinedFuncIndex::from_u32(0)).unwrap();
        assert_eq!(compiler, "lightbeam");
        let mut store = Store::new(&engine, ()).unwrap();
        let module = Module::new(&engine, &bytes).unwrap();
        let instance = Linker::new(&engine).instantiate(&mut store, &module).unwrap();
        let run = instance.get_typed_func::<(), i32>(&mut store, "run").unwrap();
        assert_eq!(run.call(&mut store, ()).unwrap(), 1);
    }
}

/// Functions of which each is small enough: it is all of them that fill memory.
#[test]
fn code_of_a_module_is_bounded_too() {
    let (params, gets) = ("i32 i32 v128 ".repeat(333), (0..999).map(|n| format!("local.get {n} ")).collect::<String>());
    let function = format!("(func (param {params}) (result {params}) {gets} {})", "call 0 ".repeat(400));
    let engine = Engine::new(&Config::new().tier(Tier::Lightbeam)).unwrap();
    let one = wat::parse_str(format!("(module {function})")).unwrap();
    Module::new(&engine, &one).unwrap();
    let many = wat::parse_str(format!("(module {})", function.repeat(3))).unwrap();
    let error = Module::new(&engine, &many).unwrap_err().to_string();
    assert!(error.contains("the module: its code would be longer than "), "{error}");
}
