//! Interrupts from another thread: in tight loops, in long builtins, in blocking host calls, before and between runs.

use sconce_engine::{Caller, Engine, Error, InterruptHandle, Linker, Module, TrapCode, Val};
use sconce_faults::{Guest, for_each_style};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// A guest whose function `started` of the host tells the channel.
fn guest(engine: &Engine, text: &str) -> (Guest, Receiver<()>) {
    let (send, receive) = channel();
    let guest = Guest::with(engine, text, |_, linker| {
        linker
            .func_wrap("", "started", move || {
                // Nobody listens any more once the interrupt is under way.
                let _ = send.send(());
            })
            .unwrap();
    });
    (guest, receive)
}

/// Runs `run`, which must not end by itself, and interrupts it after it has called `started`.
fn interrupt_run(guest: &mut Guest, started: &mut Receiver<()>) {
    let handle = guest.store.interrupt_handle();
    interrupt_when(&handle, started, || assert_eq!(guest.trap("run", &[]), TrapCode::Interrupt));
    while started.try_recv().is_ok() {}
    assert!(!handle.is_set());
}

/// Does `run`, and interrupts when the channel says so.
fn interrupt_when(handle: &InterruptHandle, started: &mut Receiver<()>, run: impl FnOnce()) {
    std::thread::scope(|scope| {
        scope.spawn(move || {
            // Without a limit a guest that fails before it starts would be waited for for ever.
            if started.recv_timeout(Duration::from_secs(60)).is_ok() {
                handle.interrupt();
            }
        });
        run();
    });
}

#[test]
fn loops() {
    let bodies = [
        "(loop (br 0))",
        "(loop (br_if 0 (i32.const 1)))",
        "(loop (i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (i32.const 1))) (br 0))",
        "(loop (call $empty) (br 0))",
        "(loop (call_indirect (type $t) (i32.const 0)) (br 0))",
        "(loop (call $started) (br 0))",
        "(loop (memory.fill (i32.const 0) (i32.const 1) (i32.const 10)) (br 0))",
        "(loop (memory.fill (i32.const 0) (i32.const 1) (i32.mul (memory.size) (i32.const 10))) (br 0))",
        "(loop (memory.copy (i32.const 0) (i32.const 1) (i32.mul (memory.size) (i32.const 10000))) (br 0))",
        "(loop (drop (memory.grow (i32.const 0))) (br 0))",
        "(loop (call $deep (i32.const 100)) (br 0))",
    ];
    for_each_style(|engine| {
        for body in bodies {
            let text = format!(
                r#"(module
                    (import "" "started" (func $started))
                    (type $t (func)) (memory 1) (table 1 1 funcref) (elem (i32.const 0) $empty)
                    (func $empty (type $t))
                    (func $deep (param i32) (if (local.get 0) (then (call $deep (i32.sub (local.get 0) (i32.const 1))))))
                    (func (export "run") (call $started) {body}))"#
            );
            let (mut guest, mut started) = guest(engine, &text);
            for _ in 0..5 {
                interrupt_run(&mut guest, &mut started);
            }
        }
    });
}

#[test]
fn a_start_function() {
    for_each_style(|engine| {
        let (mut guest, _) = guest(engine, "(module)");
        let handle = guest.store.interrupt_handle();
        let (send, mut started) = channel();
        let mut linker = Linker::new(engine);
        linker.func_wrap("", "started", move || send.send(()).unwrap()).unwrap();
        let text = r#"(module (import "" "started" (func $started)) (start $s) (func $s (call $started) (loop (br 0))))"#;
        let module = Module::new(engine, text.as_bytes()).unwrap();
        interrupt_when(&handle, &mut started, || {
            let error = linker.instantiate(&mut guest.store, &module).unwrap_err();
            assert_eq!(error.trap_code(), Some(TrapCode::Interrupt));
        });
        guest.assert_alive();
    });
}

/// A fill of much memory is cut, not waited for. How fast the machine is decides when the interrupt comes, so that it may take
/// more than one try to hit.
#[test]
fn a_long_fill() {
    let text = r#"(module
        (import "" "started" (func $started))
        (memory (export "memory") 16384)
        (func (export "run")
            (call $started)
            (memory.fill (i32.const 0) (i32.const 1) (i32.const 0x40000000))
            (loop (br 0))))"#;
    for_each_style(|engine| {
        let cut = (0..10).any(|_| {
            let (mut guest, mut started) = guest(engine, text);
            interrupt_run(&mut guest, &mut started);
            let memory = guest.instance.get_memory(&mut guest.store, "memory").unwrap();
            let mut last = [0];
            memory.read(&guest.store, 0x3fff_ffff, &mut last).unwrap();
            last == [0]
        });
        assert!(cut, "no interrupt came before the end of the fill");
    });
}

/// As a fill, for a copy onto itself by one byte.
#[test]
fn a_long_copy() {
    let text = r#"(module
        (import "" "started" (func $started))
        (memory (export "memory") 16384)
        (data (i32.const 0x3ffffffe) "\07\09")
        (func (export "run")
            (call $started)
            (memory.copy (i32.const 0) (i32.const 1) (i32.const 0x3fffffff))
            (loop (br 0))))"#;
    for_each_style(|engine| {
        let cut = (0..10).any(|_| {
            let (mut guest, mut started) = guest(engine, text);
            interrupt_run(&mut guest, &mut started);
            let memory = guest.instance.get_memory(&mut guest.store, "memory").unwrap();
            let mut last = [0];
            memory.read(&guest.store, 0x3fff_fffe, &mut last).unwrap();
            last == [7]
        });
        assert!(cut, "no interrupt came before the end of the copy");
    });
}

/// A host function that reads from a pipe where nothing comes.
fn blocking_read(caller: &Caller<'_, ()>, pipe: &OwnedFd) -> Result<(), Error> {
    loop {
        match rustix::io::read(pipe, &mut [0; 1]) {
            Err(rustix::io::Errno::INTR) if caller.interrupted() => return Err(Error::trap(TrapCode::Interrupt)),
            Err(rustix::io::Errno::INTR) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_blocking_read() {
    for_each_style(|engine| {
        let (reader, _writer) = rustix::pipe::pipe().unwrap();
        let (send, mut started) = channel();
        let text = r#"(module (import "" "read" (func $read)) (func (export "run") (call $read)))"#;
        let mut guest = Guest::with(engine, text, |_, linker| {
            linker
                .func_wrap("", "read", move |caller: Caller<'_, ()>| {
                    send.send(()).unwrap();
                    blocking_read(&caller, &reader)
                })
                .unwrap();
        });
        for _ in 0..5 {
            interrupt_run(&mut guest, &mut started);
        }
    });
}

/// A host function that does not look at the interrupt returns into a trap.
#[test]
fn a_host_function_that_does_not_look() {
    for_each_style(|engine| {
        let text = r#"(module (import "" "wait" (func $wait)) (global (export "after") (mut i32) (i32.const 0))
            (func (export "run") (call $wait) (global.set 0 (i32.const 1))))"#;
        let (send, mut started) = channel();
        let mut guest = Guest::with(engine, text, |store, linker| {
            let handle = store.interrupt_handle();
            linker
                .func_wrap("", "wait", move || {
                    send.send(()).unwrap();
                    while !handle.is_set() {
                        std::thread::sleep(Duration::from_millis(1));
                    }
                })
                .unwrap();
        });
        interrupt_run(&mut guest, &mut started);
        let after = guest.instance.get_global(&mut guest.store, "after").unwrap();
        assert_eq!(after.get(&guest.store), Val::I32(0));
    });
}

/// Wasm, host, wasm: the interrupt ends the inner activation, and then, whatever the host makes of that, the outer one.
#[test]
fn an_inner_activation() {
    for_each_style(|engine| {
        let text = r#"(module (import "" "inner" (func $inner)) (import "" "started" (func $started))
            (global (export "after") (mut i32) (i32.const 0))
            (func (export "loop") (call $started) (loop (br 0)))
            (func (export "run") (call $inner) (global.set 0 (i32.const 1))))"#;
        let (send, mut started) = channel();
        let seen = Arc::new(AtomicU32::new(0));
        let inner_code = seen.clone();
        let mut guest = Guest::with(engine, text, |_, linker| {
            linker.func_wrap("", "started", move || send.send(()).unwrap()).unwrap();
            linker
                .func_wrap("", "inner", move |mut caller: Caller<'_, ()>| {
                    let inner = caller.get_export("loop").unwrap().func().unwrap();
                    let error = inner.call(&mut caller, &[], &mut []).unwrap_err();
                    inner_code.store(error.trap_code().unwrap() as u32, Ordering::Relaxed);
                })
                .unwrap();
        });
        interrupt_run(&mut guest, &mut started);
        assert_eq!(seen.load(Ordering::Relaxed), TrapCode::Interrupt as u32);
        let after = guest.instance.get_global(&mut guest.store, "after").unwrap();
        assert_eq!(after.get(&guest.store), Val::I32(0));
    });
}

/// An interrupt while nothing runs waits for the next call, once, and can be taken back.
#[test]
fn before_a_call() {
    for_each_style(|engine| {
        let mut guest = Guest::new(engine, r#"(module (func (export "run") (result i32) (i32.const 5)))"#);
        let handle = guest.store.interrupt_handle();
        for _ in 0..3 {
            handle.interrupt();
            assert!(handle.is_set());
            let error = guest.try_call("run", &[]).unwrap_err();
            assert_eq!(error.trap_code(), Some(TrapCode::Interrupt));
            assert!(!handle.is_set());
            assert_eq!(guest.call("run", &[]), [Val::I32(5)]);
            handle.interrupt();
            handle.clear();
            assert!(!handle.is_set());
            assert_eq!(guest.call("run", &[]), [Val::I32(5)]);
        }
    });
}

/// A handle outlives its store.
#[test]
fn after_the_store() {
    for_each_style(|engine| {
        let guest = Guest::new(engine, "(module)");
        let handle: InterruptHandle = guest.store.interrupt_handle();
        drop(guest);
        handle.interrupt();
        handle.clear();
    });
}

/// Short runs, host calls, faults and builtins under a storm of interrupts: each run gives its result or its own trap, or is
/// interrupted, and when the storm is over nothing is left of it.
#[test]
fn a_storm() {
    let text = r#"(module
        (import "" "host" (func $host (param i32) (result i32)))
        (memory 1)
        (func (export "run") (param i32) (result i32) (local $n i32) (local $sum i32)
            (local.set $n (i32.const 50))
            (loop
                (local.set $sum (i32.add (local.get $sum) (call $host (local.get $n))))
                (memory.fill (i32.const 0) (local.get $n) (i32.const 300))
                (local.set $sum (i32.add (local.get $sum) (i32.load8_u (i32.const 299))))
                (br_if 0 (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
            (drop (i32.load (local.get 0)))
            (local.get $sum)))"#;
    for_each_style(|engine| {
        let mut guest = Guest::with(engine, text, |_, linker| {
            linker.func_wrap("", "host", |x: i32| x + 1).unwrap();
        });
        let handle = guest.store.interrupt_handle();
        let (over, sent) = (AtomicBool::new(false), AtomicU32::new(0));
        let (mut interrupted, mut returned, mut trapped) = (0, 0, 0);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut pause = 1u32;
                while !over.load(Ordering::Relaxed) {
                    handle.interrupt();
                    sent.fetch_add(1, Ordering::Relaxed);
                    pause = pause.wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
                    std::thread::sleep(Duration::from_nanos(u64::from(pause >> 14)));
                }
            });
            // Until each outcome was seen, whatever the machine's speed.
            let mut i = 0;
            while i < 1000 || interrupted < 100 || returned < 10 || trapped < 10 {
                i += 1;
                let address = if i % 2 == 0 { 65533 } else { 0 };
                match guest.try_call("run", &[Val::I32(address)]) {
                    Ok(values) => {
                        assert_eq!((values, address), (vec![Val::I32(50 * 51 / 2 * 2 + 50)], 0));
                        returned += 1;
                    }
                    Err(e) => match e.trap_code() {
                        Some(TrapCode::Interrupt) => interrupted += 1,
                        Some(TrapCode::MemoryOutOfBounds) if address != 0 => trapped += 1,
                        other => panic!("{other:?}: {e}"),
                    },
                }
            }
            over.store(true, Ordering::Relaxed);
            // The storm's thread may wait for an acknowledgement; a call gives it.
            handle.clear();
        });
        assert!(sent.load(Ordering::Relaxed) >= interrupted);
        handle.clear();
        guest.assert_alive();
        assert_eq!(guest.call("run", &[Val::I32(0)]), [Val::I32(2600)]);
    });
}
