//! Calls both ways: signatures, stacks, nesting, failures.

use super::build::*;
use crate::*;
use sconce_environ::types::ValType;
use sconce_environ::vm::VmHostContext;
use sconce_x64::encode::Encoder;
use sconce_x64::register::Gpr;
use std::ffi::c_void;
use std::ptr::null_mut;

/// A small generator of numbers, the same each time.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        self.0 >> 16
    }

    fn classes(&mut self, max: u64) -> Vec<Class> {
        (0..self.next() % (max + 1)).map(|_| [I32, I64, F32, F64, V128][(self.next() % 5) as usize]).collect()
    }
}

fn mask(class: Class) -> u128 {
    match class {
        I32 | F32 => u128::from(u32::MAX),
        I64 | F64 => u128::from(u64::MAX),
        V128 => u128::MAX,
    }
}

struct Expect {
    sig: Signature,
    args: Vec<u128>,
    results: Vec<u128>,
    calls: usize,
}

unsafe extern "C" fn checks_and_answers(ctx: *mut VmHostContext, values: *mut u128) {
    // SAFETY: the test passes an `Expect`, and the array has the signature's places.
    unsafe {
        host_call(ctx, (), || {
            let expect = &mut *(*ctx).data.cast::<Expect>();
            for (i, (&class, &arg)) in expect.sig.params.iter().zip(&expect.args).enumerate() {
                assert_eq!(*values.add(i) & mask(class), arg & mask(class), "argument {i} of {:?}", expect.sig);
            }
            for (i, &r) in expect.results.iter().enumerate() {
                values.add(i).write(r);
            }
            expect.calls += 1;
            Ok(())
        });
    }
}

#[test]
fn values_of_any_signature_arrive_in_both_directions() {
    let mut world = World::new();
    let mut numbers = Numbers(1);
    for round in 0..400 {
        // Some beyond what registers hold, some far beyond.
        let max = if round % 8 == 0 { 60 } else { 14 };
        let sig = Signature::new(numbers.classes(max), numbers.classes(max));
        let mut some = |n: usize| (0..n).map(|_| u128::from(numbers.next()) << 64 | u128::from(numbers.next())).collect();
        let (args, results): (Vec<_>, Vec<_>) = (some(sig.params.len()), some(sig.results.len()));
        let mut expect = Expect { sig: sig.clone(), args: args.clone(), results: results.clone(), calls: 0 };
        let data = (&raw mut expect).cast::<c_void>();
        let f = world.host(&sig, HostCallKind::Array, checks_and_answers as *const (), data);
        let got = world.call(f, &sig, &args).unwrap();
        for ((&class, got), want) in sig.results.iter().zip(got).zip(results) {
            assert_eq!(got & mask(class), want & mask(class), "{sig:?}");
        }
        assert_eq!(expect.calls, 1);
    }
}

#[allow(clippy::too_many_arguments, reason = "that is the point")]
extern "C" fn many(
    _: *mut VmHostContext,
    a: i32,
    b: f64,
    c: i64,
    d: f32,
    e: i64,
    f: i32,
    g: i64,
    h: i64,
    i: i32,
    j: f64,
    k: f64,
    l: f64,
    m: f64,
    n: f64,
    o: f64,
    p: f32,
    q: i64,
    r: f64,
) -> f64 {
    let integers = [a.into(), c, e, f.into(), g, h, i.into(), q];
    let floats = [b, d.into(), j, k, l, m, n, o, p.into(), r];
    let weigh = |(i, v): (usize, f64)| v * (i + 1) as f64;
    integers.iter().map(|&v| v as f64).enumerate().map(weigh).sum::<f64>() * 1000.0
        + floats.into_iter().enumerate().map(weigh).sum::<f64>()
}

#[test]
fn a_c_function_with_arguments_on_the_stack() {
    let mut world = World::new();
    let params = [I32, F64, I64, F32, I64, I32, I64, I64, I32, F64, F64, F64, F64, F64, F64, F32, I64, F64];
    let sig = Signature::new(params, [F64]);
    let f = world.host(&sig, HostCallKind::Registers, many as *const (), null_mut());
    let value = |(i, class): (usize, &Class)| match class {
        F64 => u128::from((i as f64).to_bits()),
        F32 => u128::from((i as f32).to_bits()),
        // The upper half of an i32's register is undefined.
        I32 => u128::from(0xdead_0000_0000_0000 | i as u64),
        _ => i as u128,
    };
    let args: Vec<_> = params.iter().enumerate().map(value).collect();
    let got = f64::from_bits(world.call(f, &sig, &args).unwrap()[0] as u64);
    let want = many(null_mut(), 0, 1., 2, 3., 4, 5, 6, 7, 8, 9., 10., 11., 12., 13., 14., 15., 16, 17.);
    assert_eq!(got, want);
}

extern "C" fn three(_: *mut VmHostContext, a: i64, b: f64, results: *mut u128) {
    let all = [u128::from(a as u64 + 1), u128::from((b * 2.0).to_bits()), 7];
    // SAFETY: the trampoline makes room for three results.
    unsafe { results.cast::<[u128; 3]>().write(all) };
}

extern "C" fn two_after_six(_: *mut VmHostContext, a: i64, b: i64, c: i64, d: i64, e: i64, f: i64, results: *mut u128) {
    // SAFETY: as above.
    unsafe { results.cast::<[u128; 2]>().write([(a + b + c) as u128, (d + e + f) as u128]) };
}

#[test]
fn several_results_come_from_an_area_behind_the_arguments() {
    let mut world = World::new();
    let sig = Signature::new([I64, F64], [I64, F64, I32]);
    let f = world.host(&sig, HostCallKind::Registers, three as *const (), null_mut());
    let got = world.call(f, &sig, &[41, u128::from(1.5f64.to_bits())]).unwrap();
    assert_eq!((got[0] as u64, f64::from_bits(got[1] as u64), got[2] as u32), (42, 3.0, 7));

    let sig = Signature::new([I64; 6], [I64; 2]);
    let f = world.host(&sig, HostCallKind::Registers, two_after_six as *const (), null_mut());
    let got = world.call(f, &sig, &[1, 2, 3, 4, 5, 6]).unwrap();
    assert_eq!((got[0] as u64, got[1] as u64), (6, 15));
}

/// A module with one import `(i64) -> i64` and one function of that type that calls it in a frame of its own.
pub(super) fn calls_import() -> Builder {
    let mut b = Builder::new();
    b.import(&[ValType::I64], &[ValType::I64]);
    let mut a = Encoder::new(false);
    load_import(&mut a, 0);
    a.call(Gpr::Rax.into());
    b.define(func(&[ValType::I64], &[ValType::I64], framed(a.finish())));
    b
}

pub(super) fn unary() -> Signature {
    Signature::new([I64], [I64])
}

/// What a host function of these tests works with.
#[derive(Default)]
struct Recursion {
    callee: Option<FuncHandle>,
    backtrace: Vec<u32>,
    callers: usize,
}

/// Calls the callee again with one less, until 0; then looks at the stack.
unsafe extern "C" fn recurse(ctx: *mut VmHostContext, n: i64) -> i64 {
    // SAFETY: the test passes a `Recursion`; the store is the one that runs.
    unsafe {
        host_call(ctx, 0, || {
            let store = Store::from_vm((*ctx).store);
            let state = (*ctx).data.cast::<Recursion>();
            (*state).callers += usize::from(store.caller(ctx).is_some());
            if n == 0 {
                (*state).backtrace = functions(&store.backtrace());
                return Ok(100);
            }
            let entry = store.space().clone().entry_trampoline(&unary()).unwrap();
            let mut values = [n as u128 - 1];
            store.call(&entry, (*state).callee.unwrap(), &mut values).map_err(|f| f.stop)?;
            Ok(values[0] as i64 + 1)
        })
    }
}

#[test]
fn wasm_and_host_call_each_other_deeply() {
    let mut world = World::new();
    let mut state = Recursion::default();
    let data = (&raw mut state).cast::<c_void>();
    let host = world.host(&unary(), HostCallKind::Registers, recurse as *const (), data);
    let instance = world.instantiate(calls_import(), &[Item::Func(host)]);
    let f = world.func(instance, sconce_environ::index::FuncIndex::from_u32(1));
    // SAFETY: `state` is not in use by wasm now; the pointer is the one that wasm uses.
    unsafe { (*data.cast::<Recursion>()).callee = Some(f) };
    assert_eq!(world.call(f, &unary(), &[20]).unwrap()[0] as u64, 120);
    // SAFETY: as above.
    let state = unsafe { &*data.cast::<Recursion>() };
    assert_eq!(state.backtrace, vec![0; 21]);
    assert_eq!(state.callers, 21);
    assert!(world.store.backtrace().frames.is_empty());
    // Called by the host itself, a host function has no caller.
    assert_eq!(world.call(host, &unary(), &[0]).unwrap()[0] as u64, 100);
    assert_eq!(state.callers, 21);
}

unsafe extern "C" fn fails(ctx: *mut VmHostContext, how: i64) -> i64 {
    // SAFETY: an ordinary host function.
    unsafe {
        host_call(ctx, 0, || match how {
            0 => Err(Stop::Host(Box::new("an error"))),
            1 => std::panic::panic_any("a panic"),
            2 => Err(Stop::Trap(sconce_environ::trap::TrapCode::IntegerOverflow)),
            n => Ok(n),
        })
    }
}

#[test]
fn errors_and_panics_of_host_functions_come_out_with_a_backtrace() {
    let mut world = World::new();
    let host = world.host(&unary(), HostCallKind::Registers, fails as *const (), null_mut());
    let instance = world.instantiate(calls_import(), &[Item::Func(host)]);
    let f = world.func(instance, sconce_environ::index::FuncIndex::from_u32(1));
    for how in [0u128, 1, 2] {
        let failure = world.call(f, &unary(), &[how]).unwrap_err();
        assert_eq!(functions(&failure.backtrace), [0]);
        match failure.stop {
            Stop::Host(e) => assert_eq!((how, *e.downcast_ref::<&str>().unwrap()), (0, "an error")),
            Stop::Panic(p) => assert_eq!((how, *p.downcast_ref::<&str>().unwrap()), (1, "a panic")),
            Stop::Trap(code) => assert_eq!((how, code), (2, sconce_environ::trap::TrapCode::IntegerOverflow)),
            Stop::Resource(e) => panic!("{e}"),
            Stop::Exception { .. } => panic!("nothing throws"),
        }
        // And the store is as good as before.
        assert_eq!(world.call(f, &unary(), &[9]).unwrap()[0] as u64, 9);
    }
}

#[test]
#[should_panic(expected = "does not belong to")]
fn a_function_of_another_store_is_refused() {
    let (mut a, mut b) = (World::new(), World::new());
    let f = a.host(&unary(), HostCallKind::Registers, fails as *const (), null_mut());
    let _ = b.call(f, &unary(), &[9]);
}

#[test]
#[should_panic(expected = "a place for each argument")]
fn too_few_places_are_refused() {
    let mut w = World::new();
    let f = w.host(&unary(), HostCallKind::Registers, fails as *const (), null_mut());
    let entry = w.space.entry_trampoline(&unary()).unwrap();
    // SAFETY: what is wrong here is checked.
    let _ = unsafe { w.store.call(&entry, f, &mut []) };
}

#[test]
fn stores_move_between_threads() {
    let mut world = World::new();
    let host = world.host(&unary(), HostCallKind::Registers, fails as *const (), null_mut());
    let instance = world.instantiate(calls_import(), &[Item::Func(host)]);
    let f = world.func(instance, sconce_environ::index::FuncIndex::from_u32(1));
    let World { space, mut store } = world;
    let entry = space.entry_trampoline(&unary()).unwrap();
    let there = std::thread::spawn(move || {
        let mut values = [5];
        // SAFETY: as on the first thread.
        unsafe { store.call(&entry, f, &mut values).unwrap() };
        values[0] as u64
    });
    assert_eq!(there.join().unwrap(), 5);
}
