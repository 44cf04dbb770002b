//! Little address space, many threads, several stores.

use super::build::*;
use super::calls::{calls_import, unary};
use super::in_child;
use crate::*;
use sconce_environ::compile::BoundsStyle;
use sconce_environ::index::FuncIndex;
use sconce_environ::trap::TrapCode;
use sconce_environ::vm::VmHostContext;
use std::sync::Arc;

#[test]
fn where_address_space_is_short_reservations_are_smaller_and_work() {
    if let Some(status) = in_child("limits::where_address_space_is_short_reservations_are_smaller_and_work") {
        assert_eq!(status.code(), Some(0));
        return;
    }
    assert_eq!(guards_unavailable(), None);
    let limit = libc::rlimit { rlim_cur: 2_000_000 << 10, rlim_max: 2_000_000 << 10 };
    // SAFETY: a plain call.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_AS, &limit) }, 0);
    let reason = guards_unavailable().unwrap();
    assert!(reason.contains("ulimit -v") && !reason.contains('\n'), "{reason}");
    let space = CodeSpace::new(None).unwrap();
    assert!(space.size() >= 64 << 20 && space.size() < 1 << 30, "{}", space.size());
    let mut store = Store::new(&space, StoreOptions::default()).unwrap();
    let guarded = store.new_memory(MEMORY, BoundsStyle::Guard);
    assert!(matches!(guarded, Err(ResourceError::Os { .. })), "{guarded:?}");
    let ty = sconce_environ::types::MemoryType { limits: sconce_environ::types::Limits { min: 1, max: None }, ..MEMORY };
    let memories: Vec<_> = (0..4).map(|_| store.new_memory(ty, BoundsStyle::Explicit).unwrap()).collect();
    assert_eq!(store.memory_grow(memories[0], 1000), Some(1));
    store.memory_write(memories[0], 1000 << 16, b"far").unwrap();
    assert_eq!(store.memory_grow(memories[1], 65535), None);
    // Enough is left for the host.
    assert!(std::thread::spawn(|| vec![1u8; 100 << 20].len()).join().is_ok());
}

const UD2: [u8; 2] = [0x0f, 0x0b];

#[test]
fn threads_trap_while_others_load_and_drop_code() {
    let space = CodeSpace::new(Some(64 << 20)).unwrap();
    let one = |space: Arc<CodeSpace>| {
        let entry = space.entry_trampoline(&Signature::new([], [])).unwrap();
        for _ in 0..200 {
            let mut b = Builder::new();
            b.define(func(&[], &[], framed(&UD2)).trap(FRAME, TrapCode::Unreachable));
            let mut world = World { space: space.clone(), store: Store::new(&space, StoreOptions::default()).unwrap() };
            let instance = world.instantiate(b, &[]);
            let f = world.func(instance, FuncIndex::from_u32(0));
            // SAFETY: the function takes and gives nothing.
            let failure = unsafe { world.store.call(&entry, f, &mut []) }.unwrap_err();
            assert!(matches!(failure.stop, Stop::Trap(TrapCode::Unreachable)), "{failure:?}");
            assert_eq!(functions(&failure.backtrace), [0]);
        }
    };
    let threads: Vec<_> = (0..4)
        .map(|_| {
            std::thread::spawn({
                let space = space.clone();
                move || one(space)
            })
        })
        .collect();
    for t in threads {
        t.join().unwrap();
    }
}

/// Calls a function of another store, which traps; answers whether it did.
unsafe extern "C" fn calls_other(ctx: *mut VmHostContext, n: i64) -> i64 {
    // SAFETY: the test passes the other world and its function.
    unsafe {
        host_call(ctx, 0, || {
            let (world, f) = &mut *(*ctx).data.cast::<(World, FuncHandle)>();
            let (code, trace) = trap(world.call(*f, &Signature::new([], []), &[]));
            assert_eq!((code, functions(&trace)), (TrapCode::Unreachable, vec![0]));
            Ok(n + 1)
        })
    }
}

#[test]
fn a_trap_in_one_store_leaves_the_store_that_called_it_running() {
    let mut inner = World::new();
    let mut b = Builder::new();
    b.define(func(&[], &[], framed(&UD2)).trap(FRAME, TrapCode::Unreachable));
    let instance = inner.instantiate(b, &[]);
    let f = inner.func(instance, FuncIndex::from_u32(0));
    let mut other = (inner, f);
    let mut outer = World::new();
    let host = outer.host(&unary(), HostCallKind::Registers, calls_other as *const (), (&raw mut other).cast());
    let instance = outer.instantiate(calls_import(), &[Item::Func(host)]);
    let f = outer.func(instance, FuncIndex::from_u32(1));
    for _ in 0..3 {
        assert_eq!(outer.call(f, &unary(), &[4]).unwrap()[0] as u64, 5);
    }
}
