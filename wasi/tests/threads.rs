//! Threads of a guest through the library: they end when they are told to, and what they held is free again.

use sconce_engine::environ::types::Limits;
use sconce_engine::{Config, Engine, Error, Linker, MemoryType, Module, SharedMemory, Store, TrapCode};
use sconce_wasi::Threads;
use std::sync::{Arc, Mutex};

const MODULE: &str = r#"(module
    (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
    (import "env" "memory" (memory 1 1 shared))
    (func $begun (drop (i32.atomic.rmw.add (i32.const 0) (i32.const 1))))
    (func (export "wasi_thread_start") (param $id i32) (param $task i32)
        (call $begun)
        (if (local.get $task)
            (then (loop (br 0)))
            (else (drop (memory.atomic.wait32 (i32.const 4) (i32.const 0) (i64.const -1))))))
    (func (export "spawn") (param i32) (result i32) (call $spawn (local.get 0))))"#;

#[test]
fn all_threads_are_stopped_and_none_begins_afterwards() {
    let engine = Engine::new(&Config::new()).unwrap();
    let module = Module::new(&engine, MODULE.as_bytes()).unwrap();
    let ty = MemoryType { limits: Limits { min: 1, max: Some(1) }, memory64: false, shared: true, page_size_log2: 16 };
    let memory = SharedMemory::new(&engine, ty).unwrap();
    let ends: Arc<Mutex<Vec<Option<TrapCode>>>> = Arc::default();
    let seen = ends.clone();
    let threads: Threads<()> = Threads::new(&module, 6, move |_, error: Error| seen.lock().unwrap().push(error.trap_code()));
    let mut linker = Linker::new(&engine);
    linker.define_shared("env", "memory", &memory).unwrap();
    threads.add_to_linker(&mut linker).unwrap();
    let mut store = Store::new(&engine, ()).unwrap();
    let instance = linker.instantiate(&mut store, &module).unwrap();
    let spawn = instance.get_typed_func::<i32, i32>(&mut store, "spawn").unwrap();
    // Numbers are in order, and as many threads as are allowed begin.
    for n in 0..6 {
        assert_eq!(spawn.call(&mut store, n % 2).unwrap(), n + 1);
    }
    assert!(spawn.call(&mut store, 0).unwrap() < 0);
    let begun = || {
        let mut bytes = [0; 4];
        memory.read(0, &mut bytes).unwrap();
        u32::from_le_bytes(bytes)
    };
    while begun() < 6 {
        std::thread::yield_now();
    }
    assert_eq!(threads.running(), 6);
    threads.stop();
    assert_eq!(threads.running(), 0);
    assert_eq!(*ends.lock().unwrap(), [Some(TrapCode::Interrupt); 6]);
    assert!(spawn.call(&mut store, 0).unwrap() < 0, "it has been stopped");
    drop(threads);
    assert!(spawn.call(&mut store, 0).unwrap() < 0, "nobody keeps threads");
    assert_eq!(begun(), 6);
}
