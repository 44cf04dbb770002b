//! Exceptions: through frames of one module and of several, through the host and back, with values of every
//! type, caught in loops, rethrown, and not caught at all.

use sconce_engine::{
    Backtrace, Caller, Engine, Error, Exception, ExnRef, Extern, ExternRef, Func, FuncType, Instance, Linker, Module, Store, Tag,
    TrapCode, Val, ValType,
};
use sconce_faults::{Guest, for_each_style};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// The functions of a backtrace.
fn functions(backtrace: &Backtrace) -> Vec<u32> {
    backtrace.frames.iter().map(|frame| frame.func.as_u32()).collect()
}

/// The exception that a call ends with.
fn exception(result: Result<Vec<Val>, Error>) -> (Exception, Vec<u32>) {
    match result {
        Err(Error::Exception(e)) => (e.exception.clone(), functions(&e.backtrace)),
        other => panic!("{other:?}"),
    }
}

/// Throws from `n` frames below the `try_table`, with callee-saved registers and stack arguments in use all the way.
const DEPTH: &str = r#"(module
    (tag $t (export "t") (param i32 i64 f32 f64 v128 funcref externref))
    (tag $other)
    (global $dirt (mut i64) (i64.const 0))
    (elem declare func $self)
    (func $self (export "self"))
    (func $down (param i32 i64 i64 i64 i64 i64 i64 i64 f64 externref) (result i64)
        (if (i32.eqz (local.get 0)) (then
            (throw $t (i32.const -1) (i64.const -2) (f32.const 1.5) (f64.const -2.5) (v128.const i64x2 3 4) (ref.func $self) (local.get 9))))
        (i64.add
            (i64.mul (local.get 1) (i64.add (local.get 2) (i64.add (local.get 3) (local.get 7))))
            (call $down (i32.sub (local.get 0) (i32.const 1)) (i64.add (local.get 7) (i64.const 1)) (local.get 1) (local.get 2) (local.get 3)
                (local.get 4) (local.get 5) (local.get 6) (f64.add (local.get 8) (f64.const 1)) (local.get 9))))
    (func $catch (export "catch") (param $n i32) (param $x externref)
        (result i32 i64 f32 f64 v128 funcref externref)
        (local $keep i64) (local $float f64)
        (local.set $keep (i64.extend_i32_u (local.get $n)))
        (local.set $float (f64.convert_i32_u (local.get $n)))
        (block $caught (result i32 i64 f32 f64 v128 funcref externref)
            (block $no (try_table (catch $other $no) (catch $t $caught)
                (global.set $dirt (call $down (local.get $n) (i64.const 1) (i64.const 2) (i64.const 3) (i64.const 4) (i64.const 5) (i64.const 6)
                    (i64.const 7) (f64.const 8) (local.get $x)))))
            (unreachable))
        ;; What lived across the call is still what it was.
        (if (i64.ne (local.get $keep) (i64.extend_i32_u (local.get $n))) (then (unreachable)))
        (if (f64.ne (local.get $float) (f64.convert_i32_u (local.get $n))) (then (unreachable))))
    (func (export "uncaught") (param i32)
        (drop (call $down (local.get 0) (i64.const 1) (i64.const 2) (i64.const 3) (i64.const 4) (i64.const 5) (i64.const 6) (i64.const 7)
            (f64.const 8) (ref.null extern)))))"#;

#[test]
fn values_of_every_type_from_any_depth() {
    for_each_style(|engine| {
        let mut guest = Guest::new(engine, DEPTH);
        for depth in [0, 1, 2, 10, 1000] {
            let host = ExternRef::new(&mut guest.store, depth).unwrap();
            let values = guest.call("catch", &[Val::I32(depth), Val::ExternRef(Some(host))]);
            let numbers =
                [Val::I32(-1), Val::I64(-2), Val::F32(1.5f32.to_bits()), Val::F64((-2.5f64).to_bits()), Val::V128(3 | 4 << 64)];
            assert_eq!(values[..5], numbers);
            let own = guest.instance.get_func(&mut guest.store, "self").unwrap();
            assert_eq!(values[5], Val::FuncRef(Some(own)));
            let Val::ExternRef(Some(back)) = values[6].clone() else { panic!("{values:?}") };
            assert_eq!(back.data(&guest.store).downcast_ref(), Some(&depth));
        }
    });
}

#[test]
fn an_uncaught_one_comes_out_with_values_and_backtrace() {
    for_each_style(|engine| {
        let mut guest = Guest::new(engine, DEPTH);
        for depth in [0, 3] {
            let (exception, frames) = exception(guest.try_call("uncaught", &[Val::I32(depth)]));
            assert_eq!(frames, [vec![1; depth as usize + 1], vec![3]].concat());
            let tag = guest.instance.get_tag(&mut guest.store, "t").unwrap();
            assert_eq!(exception.tag(), tag);
            let values = exception.values(&guest.store).unwrap();
            assert_eq!(
                (values[0].clone(), values[4].clone(), values[6].clone()),
                (Val::I32(-1), Val::V128(3 | 4 << 64), Val::ExternRef(None))
            );
            guest.assert_alive();
        }
        // The stack is whole: deep recursion works, and overflows where it did.
        assert_eq!(guest.trap("uncaught", &[Val::I32(1_000_000)]), TrapCode::StackOverflow);
    });
}

/// Clauses are asked in order, inner regions first; a region does not cover its own clauses.
const ORDER: &str = r#"(module
    (tag $a (param i32)) (tag $b (param i32)) (tag $c)
    (func $throw (param i32)
        (if (i32.eq (local.get 0) (i32.const 0)) (then (throw $a (i32.const 10))))
        (if (i32.eq (local.get 0) (i32.const 1)) (then (throw $b (i32.const 20))))
        (if (i32.eq (local.get 0) (i32.const 2)) (then (throw $c)))
        (unreachable))
    (func (export "nested") (param i32) (result i32)
        (block $outer_a (result i32)
            (block $inner_b (result i32)
                (block $all
                    (try_table (catch $a $outer_a) (catch_all $all)
                        (try_table (catch $b $inner_b)
                            (call $throw (local.get 0))))
                    (return (i32.const 0)))
                (return (i32.const 3)))
            (return (i32.add (i32.const 1))))
        (i32.add (i32.const 2)))
    ;; The first clause that fits, though a later one fits too.
    (func (export "first") (param i32) (result i32)
        (block $h (result i32)
            (block $all
                (try_table (catch_all $all) (catch $a $h) (call $throw (local.get 0))))
            (return (i32.const 7))))
    ;; Throws in the region of a handler that has already run.
    (func (export "again") (param i32) (result i32)
        (block $second (result i32)
            (try_table (catch $b $second)
                (block $first (result i32)
                    (try_table (catch $a $first) (call $throw (i32.const 0)))
                    (unreachable))
                (drop)
                (call $throw (local.get 0)))
            (i32.const -1)))
    ;; In a loop, with values that live on.
    (func (export "loop") (param $n i32) (result i64) (local $sum i64)
        (loop $again
            (block $next
                (block $h (result i32)
                    (try_table (catch $a $h) (catch $b $h)
                        (call $throw (i32.and (local.get $n) (i32.const 1))))
                    (br $next))
                (local.set $sum (i64.add (i64.extend_i32_u) (local.get $sum))))
            (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
        (local.get $sum))
    ;; Rethrown through a reference, as destructors do.
    (func $cleanup (param i32) (result i32)
        (block $h (result exnref)
            (try_table (catch_all_ref $h) (call $throw (local.get 0)))
            (unreachable))
        (global.set $cleanups (i32.add (global.get $cleanups) (i32.const 1)))
        (throw_ref))
    (global $cleanups (export "cleanups") (mut i32) (i32.const 0))
    (func $deep_cleanup (param i32 i32) (result i32)
        (if (i32.eqz (local.get 1)) (then (return (call $cleanup (local.get 0)))))
        (block $h (result exnref)
            (try_table (catch_all_ref $h) (return (call $deep_cleanup (local.get 0) (i32.sub (local.get 1) (i32.const 1)))))
            (unreachable))
        (global.set $cleanups (i32.add (global.get $cleanups) (i32.const 1)))
        (throw_ref))
    (func (export "rethrow") (param i32 i32) (result i32)
        (block $a (result i32)
            (block $b (result i32 exnref)
                (try_table (catch $a $a) (catch_ref $b $b)
                    (return (call $deep_cleanup (local.get 0) (local.get 1))))
                (unreachable))
            (drop)
            (return (i32.add (i32.const 5)))))
    (func (export "null") (block (try_table (catch_all 0) (throw_ref (ref.null exn)))))
    ;; A trap is no exception.
    (func (export "trap") (block (try_table (catch_all 0) (unreachable))))
    (func $forever (call $forever))
    (func (export "overflow") (block (try_table (catch_all 0) (call $forever)))))"#;

#[test]
fn clauses_are_asked_in_order() {
    for_each_style(|engine| {
        let mut guest = Guest::new(engine, ORDER);
        let mut call = |name: &str, args: &[i32]| {
            let args: Vec<Val> = args.iter().map(|&n| Val::I32(n)).collect();
            guest.call(name, &args)[0].clone()
        };
        for (n, result) in [(0, 12), (1, 21), (2, 3)] {
            assert_eq!(call("nested", &[n]), Val::I32(result), "nested {n}");
        }
        assert_eq!(call("first", &[0]), Val::I32(7));
        assert_eq!(call("again", &[1]), Val::I32(20));
        assert_eq!(call("loop", &[100_000]), Val::I64(50_000 * 30));
        assert_eq!(call("rethrow", &[0, 0]), Val::I32(10));
        assert_eq!(call("rethrow", &[1, 20]), Val::I32(25));
        let Some(Extern::Global(cleanups)) = guest.instance.get_export(&mut guest.store, "cleanups") else { panic!() };
        assert_eq!(cleanups.get(&guest.store), Val::I32(1 + 21));
        let again = exception(guest.try_call("again", &[Val::I32(0)])).1;
        assert_eq!(again, [0, 3]);
        // From where it was thrown again: nobody holds the frames below any more.
        let rethrown = exception(guest.try_call("rethrow", &[Val::I32(2), Val::I32(1)])).1;
        assert_eq!(rethrown, [6, 7]);
    });
}

#[test]
fn traps_are_not_caught() {
    for_each_style(|engine| {
        let mut guest = Guest::new(engine, ORDER);
        assert_eq!(guest.trap("null", &[]), TrapCode::NullExceptionReference);
        assert_eq!(guest.trap("trap", &[]), TrapCode::Unreachable);
        assert_eq!(guest.trap("overflow", &[]), TrapCode::StackOverflow);
    });
}

/// Two instances of one module that share one tag and have another each of the same type.
const SHARING: &str = r#"(module
    (import "" "shared" (tag $shared (param i32)))
    (import "" "next" (func $next (param i32)))
    (tag $own (export "own") (param i32))
    (func (export "throw shared") (param i32) (throw $shared (local.get 0)))
    (func (export "throw own") (param i32) (throw $own (local.get 0)))
    (func (export "call") (param i32) (result i32)
        (block $shared (result i32)
            (block $own (result i32)
                (try_table (catch $own $own) (catch $shared $shared) (call $next (local.get 0)))
                (return (i32.const 0)))
            (return (i32.add (i32.const 1000))))
        (i32.add (i32.const 2000))))"#;

#[test]
fn tags_are_told_apart_by_identity() {
    for_each_style(|engine| {
        let module = Module::new(engine, SHARING.as_bytes()).unwrap();
        let mut store = Store::new(engine, ()).unwrap();
        let ty = FuncType { params: [ValType::I32].into(), results: [].into() };
        let shared = Tag::new(&mut store, &ty).unwrap();
        let nothing = Func::wrap(&mut store, |_: i32| {}).unwrap();
        let below = Instance::new(&mut store, &module, &[shared.into(), nothing.into()]).unwrap();
        let above = |store: &mut Store<()>, name: &str| {
            let next = below.get_func(&mut *store, name).unwrap();
            let instance = Instance::new(&mut *store, &module, &[shared.into(), next.into()]).unwrap();
            let call = instance.get_func(&mut *store, "call").unwrap();
            let mut results = [Val::I32(0)];
            call.call(&mut *store, &[Val::I32(5)], &mut results).map(|()| results[0].clone())
        };
        assert_eq!(above(&mut store, "throw shared").unwrap(), Val::I32(2005));
        // The other instance's own tag is another tag.
        let Err(Error::Exception(e)) = above(&mut store, "throw own") else { panic!("caught") };
        assert_eq!(e.exception.tag(), below.get_tag(&mut store, "own").unwrap());
        assert_ne!(e.exception.tag(), shared);
        assert_eq!(functions(&e.backtrace), [2, 3]);
        // A tag of another type, or something else, cannot be imported.
        let other = Tag::new(&mut store, &FuncType { params: [ValType::I64].into(), results: [].into() }).unwrap();
        for wrong in [Extern::from(other), nothing.into()] {
            let refused = Instance::new(&mut store, &module, &[wrong, nothing.into()]);
            assert!(matches!(refused, Err(Error::Link(_))), "{refused:?}");
        }
        assert!(Tag::new(&mut store, &FuncType { params: [].into(), results: [ValType::I32].into() }).is_err());
    });
}

/// Calls the host, which calls back in; both instances are of this module.
const THROUGH_HOST: &str = r#"(module
    (import "" "tag" (tag $t (param i32 externref)))
    (import "" "again" (func $again (param i32) (result i32)))
    (func $inner (export "inner") (param i32) (result i32)
        (if (i32.eqz (local.get 0)) (then (throw $t (i32.const 77) (ref.null extern))))
        (call $again (i32.sub (local.get 0) (i32.const 1))))
    (func (export "outer") (param i32) (result i32)
        (block $h (result i32 externref)
            (try_table (catch $t $h) (return (call $again (local.get 0))))
            (unreachable))
        (drop)
        (i32.add (i32.const 1)))
    ;; As `again`, but in its place.
    (func (export "tail") (param i32) (result i32)
        (block $h (result i32 externref)
            (try_table (catch $t $h) (return (call $in_place (local.get 0))))
            (unreachable))
        (drop)
        (i32.add (i32.const 2)))
    (func $in_place (param i32) (result i32) (return_call $again (local.get 0))))"#;

/// A guest whose host function calls the export `inner`, and passes on what it ends with; it counts its calls.
fn through_host(engine: &Engine) -> (Guest, Tag, Arc<AtomicU32>) {
    let calls = Arc::new(AtomicU32::new(0));
    let counter = calls.clone();
    let mut tag = None;
    let guest = Guest::with(engine, THROUGH_HOST, |store, linker: &mut Linker<()>| {
        let ty = FuncType { params: [ValType::I32, ValType::EXTERNREF].into(), results: [].into() };
        let made = Tag::new(&mut *store, &ty).unwrap();
        tag = Some(made);
        linker.define(&mut *store, "", "tag", made).unwrap();
        let again = move |mut caller: Caller<'_, ()>, n: i32| -> Result<i32, Error> {
            counter.fetch_add(1, Ordering::Relaxed);
            if n < 0 {
                let host = ExternRef::new(&mut caller, n)?;
                let exception = Exception::new(&mut caller, made, &[Val::I32(n), Val::ExternRef(Some(host))])?;
                return Err(Error::exception(exception));
            }
            let inner = caller.get_export("inner").and_then(Extern::func).unwrap().typed::<i32, i32>(&caller)?;
            inner.call(&mut caller, n)
        };
        linker.func_wrap("", "again", again).unwrap();
    });
    (guest, tag.unwrap(), calls)
}

#[test]
fn through_host_functions_and_thrown_by_them() {
    for_each_style(|engine| {
        let (mut guest, tag, calls) = through_host(engine);
        for entries in [0, 1, 20] {
            calls.store(0, Ordering::Relaxed);
            assert_eq!(guest.call("outer", &[Val::I32(entries)]), [Val::I32(78)]);
            assert_eq!(calls.load(Ordering::Relaxed), entries as u32 + 1, "every host function returned");
        }
        assert_eq!(guest.call("outer", &[Val::I32(-5)]), [Val::I32(-4)]);
        assert_eq!(guest.call("tail", &[Val::I32(-5)]), [Val::I32(-3)]);
        assert_eq!(guest.call("tail", &[Val::I32(3)]), [Val::I32(79)]);
        // Not caught: what comes out is what went in, and says where that was.
        let (exception, frames) = exception(guest.try_call("inner", &[Val::I32(3)]));
        assert_eq!((exception.tag(), exception.values(&guest.store).unwrap()[0].clone()), (tag, Val::I32(77)));
        assert_eq!(frames, [1, 1, 1, 1]);
        for _ in 0..3 {
            guest.assert_alive();
        }
    });
}

#[test]
fn references_to_exceptions_cross_the_host() {
    const TEXT: &str = r#"(module
        (import "" "tag" (tag $t (param i64)))
        (import "" "pass" (func $pass (param exnref) (result exnref)))
        (global $kept (mut exnref) (ref.null exn)) (table $kept 4 exnref)
        (func (export "catch") (param i64) (result exnref)
            (block $h (result i64 exnref)
                (try_table (catch_ref $t $h) (throw $t (local.get 0)))
                (unreachable))
            (global.set $kept)
            (drop)
            (table.set $kept (i32.const 2) (global.get $kept))
            (call $pass (table.get $kept (i32.const 2))))
        (func (export "throw") (param exnref) (result i64)
            (block $h (result i64) (try_table (catch $t $h) (throw_ref (local.get 0))) (unreachable)))
        (func (export "throw on") (param exnref) (throw_ref (local.get 0))))"#;
    for_each_style(|engine| {
        let mut tag = None;
        let mut guest = Guest::with(engine, TEXT, |store, linker| {
            let made = Tag::new(&mut *store, &FuncType { params: [ValType::I64].into(), results: [].into() }).unwrap();
            tag = Some(made);
            linker.define(&mut *store, "", "tag", made).unwrap();
            let ty = FuncType { params: [ValType::EXNREF].into(), results: [ValType::EXNREF].into() };
            linker
                .func_new("", "pass", ty, |_, args, results| {
                    results[0] = args[0].clone();
                    Ok(())
                })
                .unwrap();
        });
        let tag = tag.unwrap();
        let caught = guest.call("catch", &[Val::I64(-9)]);
        let [Val::ExnRef(Some(reference))] = &caught[..] else { panic!("no exception") };
        let inside = reference.exception(&guest.store).unwrap();
        assert_eq!((inside.tag(), inside.values(&guest.store).unwrap()), (tag, vec![Val::I64(-9)]));
        let made = Exception::new(&mut guest.store, tag, &[Val::I64(5)]).unwrap();
        let made = ExnRef::new(&mut guest.store, &made).unwrap();
        for (reference, value) in [(reference.clone(), -9), (made, 5), (reference.clone(), -9)] {
            let reference = Val::ExnRef(Some(reference));
            assert_eq!(guest.call("throw", std::slice::from_ref(&reference)), [Val::I64(value)]);
            let (out, frames) = exception(guest.try_call("throw on", &[reference]));
            assert_eq!((out.values(&guest.store).unwrap(), frames), (vec![Val::I64(value)], vec![3]));
        }
        // What is not the tag's, or another store's, is refused.
        assert!(Exception::new(&mut guest.store, tag, &[Val::I32(5)]).is_err());
        assert!(Exception::new(&mut guest.store, tag, &[]).is_err());
        let mut other = Store::new(engine, ()).unwrap();
        assert!(Exception::new(&mut other, tag, &[Val::I64(5)]).is_err());
        assert!(reference.exception(&other).is_err());
        assert!(inside.values(&other).is_err());
    });
}
