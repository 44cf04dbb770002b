//! Hosts with little address space: what relied on guards is checked, and everything else works.

use sconce_engine::{BoundsStyle, Config, Engine, Error, Tier, TrapCode, Val};
use sconce_faults::{Guest, STYLES, assert_success, config, in_child_under};

const GUEST: &str = r#"(module
    (memory 1 100)
    (func $f (export "recurse") (call $f))
    (func (export "load") (param i32) (result i32) (i32.load (local.get 0)))
    (func (export "far") (param i32) (result i32) (i32.load offset=4294967295 (local.get 0)))
    (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
    (func (export "sum") (param i32) (result i32) (local i32)
        (loop
            (local.set 1 (i32.add (local.get 1) (i32.load8_u (local.get 0))))
            (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
        (local.get 1))
    (data (i32.const 1) "\01\02\03"))"#;

/// The 2 GB of address space that `ulimit -v` leaves are less than one guarded memory.
#[test]
fn little_address_space() {
    let output = in_child_under("limits::little_address_space", "ulimit -v 2000000;", || {
        for (tier, _, calls) in STYLES.into_iter().filter(|style| style.1 == BoundsStyle::Explicit) {
            let engine = Engine::new(&Config::new().tier(tier).calls(calls)).unwrap();
            assert_eq!(engine.bounds(), BoundsStyle::Explicit);
            let notice = engine.fallback_notice().expect("the fallback is said");
            assert!(!notice.is_empty() && !notice.contains('\n'), "{notice:?}");
            let mut guest = Guest::new(&engine, GUEST);
            assert_eq!(guest.call("sum", &[Val::I32(65535)]), [Val::I32(6)]);
            for _ in 0..3 {
                assert_eq!(guest.trap("load", &[Val::I32(65533)]), TrapCode::MemoryOutOfBounds);
                assert_eq!(guest.trap("load", &[Val::I32(-1)]), TrapCode::MemoryOutOfBounds);
                assert_eq!(guest.trap("far", &[Val::I32(0)]), TrapCode::MemoryOutOfBounds);
                assert_eq!(guest.trap("recurse", &[]), TrapCode::StackOverflow);
            }
            assert_eq!(guest.call("grow", &[Val::I32(99)]), [Val::I32(1)]);
            assert_eq!(guest.call("load", &[Val::I32(100 * 65536 - 4)]), [Val::I32(0)]);
            assert_eq!(guest.trap("load", &[Val::I32(100 * 65536 - 3)]), TrapCode::MemoryOutOfBounds);
            assert_eq!(guest.call("grow", &[Val::I32(1)]), [Val::I32(-1)]);
        }
    });
    assert_success(&output);
}

/// A forced style that cannot be had is an error with a reason, not a fallback and not a crash.
#[test]
fn guards_that_cannot_be_had() {
    let output = in_child_under("limits::guards_that_cannot_be_had", "ulimit -v 2000000;", || {
        for style in STYLES.into_iter().filter(|style| style.1 == BoundsStyle::Guard) {
            let error = Engine::new(&config(style)).err().expect("no engine");
            assert!(matches!(error, Error::Resources(_)), "{style:?}: {error}");
        }
    });
    assert_success(&output);
}

/// Memories that a host cannot give are refused, and refused growth leaves the memory as it was.
#[test]
fn more_memory_than_there_is() {
    let output = in_child_under("limits::more_memory_than_there_is", "ulimit -v 2000000;", || {
        for tier in [Tier::Cranelift, Tier::Lightbeam] {
            let engine = Engine::new(&Config::new().tier(tier)).unwrap();
            let mut guest = Guest::new(
                &engine,
                r#"(module (memory 1)
                    (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
                    (func (export "size") (result i32) (memory.size)))"#,
            );
            assert_eq!(guest.call("grow", &[Val::I32(65535)]), [Val::I32(-1)]);
            assert_eq!(guest.call("size", &[]), [Val::I32(1)]);
            let module = sconce_engine::Module::new(&engine, b"(module (memory 65536))").unwrap();
            let error = sconce_engine::Linker::new(&engine).instantiate(&mut guest.store, &module).unwrap_err();
            assert!(matches!(error, Error::Resources(_)), "{error}");
            guest.assert_alive();
        }
    });
    assert_success(&output);
}
