//! Memories that several stores have, on several threads.

use sconce_engine::environ::types::Limits;
use sconce_engine::{
    BoundsStyle, Config, Engine, Error, Instance, Linker, Memory, MemoryType, Module, SharedMemory, Store, TrapCode, Val,
};
use std::thread;
use std::time::Duration;

fn shared(min: u64, max: u64) -> MemoryType {
    MemoryType { limits: Limits { min, max: Some(max) }, memory64: false, shared: true, page_size_log2: 16 }
}

/// An engine of each bounds style.
fn engines() -> [Engine; 2] {
    [BoundsStyle::Guard, BoundsStyle::Explicit].map(|bounds| Engine::new(&Config::new().bounds(Some(bounds))).unwrap())
}

const MODULE: &str = r#"(module
    (import "env" "memory" (memory 1 300 shared))
    (func (export "add") (param $n i32)
        (loop
            (drop (i32.atomic.rmw.add (i32.const 64) (i32.const 1)))
            (drop (i32.atomic.rmw8.add_u (i32.const 68) (i32.const 1)))
            (br_if 0 (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
    (func (export "load") (param i32) (result i32) (i32.load (local.get 0)))
    (func (export "load far") (param i32) (result i32) (i32.load offset=0xffff0000 (local.get 0)))
    (func (export "store") (param i32 i32) (i32.store (local.get 0) (local.get 1)))
    (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
    (func (export "size") (result i32) (memory.size))
    (func (export "wait32") (param i32 i32 i64) (result i32) (memory.atomic.wait32 (local.get 0) (local.get 1) (local.get 2)))
    (func (export "wait64") (param i32 i64 i64) (result i32)
        (memory.atomic.wait64 offset=8 (local.get 0) (local.get 1) (local.get 2)))
    (func (export "notify") (param i32 i32) (result i32) (memory.atomic.notify (local.get 0) (local.get 1)))
    ;; Waits until the byte count of another thread has reached the last byte of memory, which it then reads.
    (func (export "follow") (param $pages i32)
        (local $size i32)
        (loop $again
            (local.set $size (i32.atomic.load (i32.const 128)))
            (if (local.get $size) (then (drop (i32.load8_u (i32.sub (local.get $size) (i32.const 1))))))
            (br_if $again (i32.lt_u (local.get $size) (i32.mul (local.get $pages) (i32.const 65536))))))
    (func (export "lead") (param $pages i32)
        (loop $again
            (drop (memory.grow (i32.const 1)))
            (i32.atomic.store (i32.const 128) (i32.mul (memory.size) (i32.const 65536)))
            (br_if $again (i32.lt_u (memory.size) (local.get $pages))))))"#;

/// A store of its own with an instance that has the memory.
fn instance(engine: &Engine, module: &Module, memory: &SharedMemory) -> (Store<()>, Instance) {
    let mut store = Store::new(engine, ()).unwrap();
    let mut linker = Linker::new(engine);
    linker.define_shared("env", "memory", memory).unwrap();
    let instance = linker.instantiate(&mut store, module).unwrap();
    (store, instance)
}

fn call(store: &mut Store<()>, instance: Instance, name: &str, args: &[Val]) -> Result<Option<Val>, TrapCode> {
    let func = instance.get_func(&mut *store, name).unwrap();
    let mut results = vec![Val::I32(0); func.ty(&*store).results.len()];
    match func.call(&mut *store, args, &mut results) {
        Ok(()) => Ok(results.first().cloned()),
        Err(e) => Err(e.trap_code().unwrap_or_else(|| panic!("{name}: {e}"))),
    }
}

#[test]
fn stores_on_many_threads_have_one_memory() {
    for engine in engines() {
        let module = Module::new(&engine, MODULE.as_bytes()).unwrap();
        let memory = SharedMemory::new(&engine, shared(1, 300)).unwrap();
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let (mut store, instance) = instance(&engine, &module, &memory);
                    call(&mut store, instance, "add", &[Val::I32(5000)]).unwrap();
                });
            }
        });
        let mut bytes = [0; 8];
        memory.read(64, &mut bytes).unwrap();
        assert_eq!(u32::from_le_bytes(bytes[..4].try_into().unwrap()), 40_000);
        assert_eq!(u32::from_le_bytes(bytes[4..].try_into().unwrap()), 40_000 % 256, "a narrow access touches its bytes alone");
        memory.write(0, b"abcd").unwrap();
        let (mut store, instance) = instance(&engine, &module, &memory);
        assert_eq!(call(&mut store, instance, "load", &[Val::I32(0)]), Ok(Some(Val::I32(0x6463_6261))));
        assert!(memory.write(65533, b"abcd").is_err() && memory.read(u64::MAX, &mut bytes).is_err());
        // One memory has one handle in a store.
        let one = Memory::from_shared(&mut store, &memory).unwrap();
        let again = one.shared(&store).unwrap();
        assert_eq!(one, Memory::from_shared(&mut store, &again).unwrap());
        assert_eq!(one.ty(&store), memory.ty());
    }
}

#[test]
fn a_memory_belongs_to_one_engine_and_has_a_maximum() {
    let [engine, other] = engines();
    let memory = SharedMemory::new(&engine, shared(1, 2)).unwrap();
    let mut store = Store::new(&other, ()).unwrap();
    assert!(matches!(Memory::from_shared(&mut store, &memory), Err(Error::Usage(_))));
    for ty in [
        MemoryType { shared: false, ..shared(1, 2) },
        shared(2, 1),
        MemoryType { limits: Limits { min: 1, max: None }, ..shared(1, 1) },
    ] {
        assert!(matches!(SharedMemory::new(&engine, ty), Err(Error::Usage(_))), "{ty}");
    }
    let store = Store::new(&engine, ()).unwrap();
    assert!(Memory::new(store, shared(1, 2)).is_ok());
}

#[test]
fn two_threads_grow_one_memory() {
    for engine in engines() {
        let module = Module::new(&engine, MODULE.as_bytes()).unwrap();
        let memory = SharedMemory::new(&engine, shared(1, 300)).unwrap();
        let grow = || {
            let (mut store, instance) = instance(&engine, &module, &memory);
            let mut grow = || call(&mut store, instance, "grow", &[Val::I32(1)]).unwrap().unwrap().i32().unwrap();
            (0..100).map(|_| grow()).collect::<Vec<_>>()
        };
        let mut sizes = thread::scope(|scope| {
            let other = scope.spawn(grow);
            let mut sizes = grow();
            sizes.extend(other.join().unwrap());
            sizes
        });
        sizes.sort_unstable();
        assert_eq!(sizes, (1..=200).collect::<Vec<_>>(), "each size was seen once");
        assert_eq!((memory.size(), memory.data_size(), memory.grow(0).unwrap()), (201, 201 << 16, 201));
        assert!(memory.grow(100).is_err() && memory.grow(u64::MAX).is_err());
        let (mut store, instance) = instance(&engine, &module, &memory);
        assert_eq!(call(&mut store, instance, "grow", &[Val::I32(100)]), Ok(Some(Val::I32(-1))));
        let last = (201 << 16) - 4;
        assert_eq!(call(&mut store, instance, "load", &[Val::I32(last)]), Ok(Some(Val::I32(0))));
        assert_eq!(call(&mut store, instance, "load", &[Val::I32(last + 1)]), Err(TrapCode::MemoryOutOfBounds));
        assert_eq!(call(&mut store, instance, "load", &[Val::I32(-4)]), Err(TrapCode::MemoryOutOfBounds));
        assert_eq!(call(&mut store, instance, "load far", &[Val::I32(-4)]), Err(TrapCode::MemoryOutOfBounds));
    }
}

#[test]
fn a_size_that_was_published_can_be_used_at_once() {
    for engine in engines() {
        let module = Module::new(&engine, MODULE.as_bytes()).unwrap();
        let memory = SharedMemory::new(&engine, shared(1, 300)).unwrap();
        thread::scope(|scope| {
            for name in ["follow", "follow", "lead"] {
                let (module, memory, engine) = (&module, &memory, &engine);
                scope.spawn(move || {
                    let (mut store, instance) = instance(engine, module, memory);
                    call(&mut store, instance, name, &[Val::I32(300)]).unwrap();
                });
            }
        });
        assert_eq!(memory.size(), 300);
    }
}

#[test]
fn waits_end_for_each_reason() {
    for engine in engines() {
        let module = Module::new(&engine, MODULE.as_bytes()).unwrap();
        let memory = SharedMemory::new(&engine, shared(1, 300)).unwrap();
        let (mut store, instance) = instance(&engine, &module, &memory);
        let mut call = |name, args: &[Val]| call(&mut store, instance, name, args);
        let done = |n| Ok(Some(Val::I32(n)));
        // Another value, and time that is over before it begins.
        assert_eq!(call("wait32", &[Val::I32(0), Val::I32(1), Val::I64(-1)]), done(1));
        assert_eq!(call("wait64", &[Val::I32(0), Val::I64(1 << 32), Val::I64(i64::MIN)]), done(1));
        assert_eq!(call("wait32", &[Val::I32(0), Val::I32(0), Val::I64(0)]), done(2));
        assert_eq!(call("wait64", &[Val::I32(0), Val::I64(0), Val::I64(1)]), done(2));
        assert_eq!(call("wait32", &[Val::I32(65532), Val::I32(0), Val::I64(1_000_000)]), done(2));
        // Nobody is left behind in a queue.
        assert_eq!(call("notify", &[Val::I32(0), Val::I32(-1)]), done(0));
        // Alignment comes first.
        for at in [2, 65534, -2] {
            assert_eq!(call("wait32", &[Val::I32(at), Val::I32(0), Val::I64(0)]), Err(TrapCode::UnalignedAtomic));
            assert_eq!(call("notify", &[Val::I32(at), Val::I32(0)]), Err(TrapCode::UnalignedAtomic));
        }
        assert_eq!(call("wait64", &[Val::I32(4), Val::I64(0), Val::I64(0)]), Err(TrapCode::UnalignedAtomic));
        assert_eq!(call("wait32", &[Val::I32(65536), Val::I32(0), Val::I64(0)]), Err(TrapCode::MemoryOutOfBounds));
        assert_eq!(call("wait64", &[Val::I32(-8), Val::I64(0), Val::I64(0)]), Err(TrapCode::MemoryOutOfBounds));
        assert_eq!(call("notify", &[Val::I32(65536), Val::I32(0)]), Err(TrapCode::MemoryOutOfBounds));
    }
}

#[test]
fn as_many_are_woken_as_are_asked_for() {
    let [engine, _] = engines();
    let module = Module::new(&engine, MODULE.as_bytes()).unwrap();
    let memory = SharedMemory::new(&engine, shared(1, 300)).unwrap();
    thread::scope(|scope| {
        let waiter = |n: u32| {
            let (module, memory, engine) = (&module, &memory, &engine);
            move || {
                let (mut store, instance) = instance(engine, module, memory);
                // Of both widths, at one address, with times that never come.
                let timeout = Val::I64(if n.is_multiple_of(2) { -1 } else { i64::MAX });
                let woken = match n % 3 {
                    0 => call(&mut store, instance, "wait64", &[Val::I32(0), Val::I64(0), timeout]),
                    _ => call(&mut store, instance, "wait32", &[Val::I32(8), Val::I32(0), timeout]),
                };
                assert_eq!(woken, Ok(Some(Val::I32(0))));
            }
        };
        let threads: Vec<_> = (0..12).map(|n| scope.spawn(waiter(n))).collect();
        let (mut store, instance) = instance(&engine, &module, &memory);
        assert_eq!(memory.notify(8, 0), 0);
        assert_eq!(memory.notify(4, u32::MAX), 0, "nobody waits there");
        let mut woken = 0;
        while woken < 12 {
            let n = call(&mut store, instance, "notify", &[Val::I32(8), Val::I32(2)]).unwrap().unwrap().i32().unwrap();
            assert!((0..=2).contains(&n));
            woken += n;
            thread::yield_now();
        }
        assert_eq!(memory.notify(8, u32::MAX), 0);
        threads.into_iter().for_each(|t| t.join().unwrap());
    });
}

#[test]
fn a_wait_is_interrupted_and_leaves_the_store_usable() {
    let [engine, _] = engines();
    let module = Module::new(&engine, MODULE.as_bytes()).unwrap();
    let memory = SharedMemory::new(&engine, shared(1, 300)).unwrap();
    let (mut store, instance) = instance(&engine, &module, &memory);
    for round in 0..20 {
        let handle = store.interrupt_handle();
        let other = thread::spawn(move || {
            thread::sleep(Duration::from_millis(round));
            handle.interrupt();
        });
        let waited = call(&mut store, instance, "wait32", &[Val::I32(0), Val::I32(0), Val::I64(-1)]);
        assert_eq!(waited, Err(TrapCode::Interrupt));
        other.join().unwrap();
        assert_eq!(memory.notify(0, u32::MAX), 0, "nobody waits any more");
    }
    assert_eq!(call(&mut store, instance, "size", &[]), Ok(Some(Val::I32(1))));
}

#[test]
fn nobody_waits_on_a_memory_of_one_store() {
    for engine in engines() {
        let text = r#"(module (memory i64 1)
            (func (export "wait") (param i64) (result i32)
                (memory.atomic.wait32 offset=4 (local.get 0) (i32.const 0) (i64.const -1)))
            (func (export "notify") (param i64) (result i32) (memory.atomic.notify offset=4 (local.get 0) (i32.const 1)))
            (func (export "add") (param i64) (result i64) (i64.atomic.rmw.add offset=8 (local.get 0) (i64.const 1))))"#;
        let module = Module::new(&engine, text.as_bytes()).unwrap();
        let mut store = Store::new(&engine, ()).unwrap();
        let instance = Linker::new(&engine).instantiate(&mut store, &module).unwrap();
        let mut call = |name, at| call(&mut store, instance, name, &[Val::I64(at)]);
        assert_eq!(call("wait", 0), Err(TrapCode::ExpectedSharedMemory));
        assert_eq!(call("notify", 0), Ok(Some(Val::I32(0))));
        assert_eq!((call("add", 0), call("add", 0)), (Ok(Some(Val::I64(0))), Ok(Some(Val::I64(1)))));
        // What wraps is outside, and unaligned comes before it.
        for name in ["wait", "notify"] {
            assert_eq!(call(name, -4), Err(TrapCode::MemoryOutOfBounds), "{name}");
            assert_eq!(call(name, 65532), Err(TrapCode::MemoryOutOfBounds), "{name}");
            assert_eq!(call(name, -3), Err(TrapCode::UnalignedAtomic), "{name}");
        }
        assert_eq!(call("add", -8), Err(TrapCode::MemoryOutOfBounds));
        assert_eq!(call("add", 65528), Err(TrapCode::MemoryOutOfBounds));
        assert_eq!(call("add", -1), Err(TrapCode::UnalignedAtomic));
    }
}

#[test]
fn pages_count_against_the_limit_of_who_made_the_memory() {
    let engine = Engine::new(&Config::new().max_memory(Some(5 << 16))).unwrap();
    let mut store = Store::new(&engine, ()).unwrap();
    let memory = Memory::new(&mut store, shared(1, 100)).unwrap();
    let limit = sconce_engine::AsContext::as_context(&store).memory_limit();
    // Its wasm stack is 64 KiB of it.
    let mut other = Store::with_memory_limit(&engine, (), &limit).unwrap();
    let same = Memory::from_shared(&mut other, &memory.shared(&store).unwrap()).unwrap();
    assert_eq!(same.grow(&mut other, 2).unwrap(), 1);
    let own = Memory::new(&mut other, shared(1, 2)).unwrap();
    assert!(same.grow(&mut other, 1).is_err() && memory.grow(&mut store, 1).is_err());
    assert_eq!(own.size(&other), 1);
    // What a store had alone is free again when it is gone; what others have too is not.
    drop(other);
    assert_eq!(memory.grow(&mut store, 2).unwrap(), 3);
    assert!(memory.grow(&mut store, 1).is_err());
}
