//! Modules compiled for the cache, and which of a module's entries a run takes.

use sconce_engine::*;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};

const WAT: &[u8] = br#"(module (func (export "f") (result i32) (i32.const 7)))"#;

fn engine(dir: &Path, tier: Tier) -> Engine {
    Engine::new(&crate::cached(&dir.join("cache")).tier(tier)).unwrap()
}

/// Compiles or finds a module as a process of its own would.
fn module(dir: &Path, tier: Tier) -> Module {
    let engine = engine(dir, tier);
    let module = Module::new(&engine, WAT).unwrap();
    engine.finish_background_work();
    module
}

#[test]
fn a_warm_module_is_what_the_tier_prefers() {
    for (tier, awaits) in [(Tier::Auto, true), (Tier::Cranelift, false), (Tier::Lightbeam, false)] {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(module(dir.path(), tier).awaits_better_code(), awaits, "{tier:?}");
        let engine = engine(dir.path(), tier);
        let expected = if awaits { Warmed::Now } else { Warmed::Before };
        assert_eq!(Module::warm(&engine, WAT.to_vec(), None, Others::GoFirst, None).unwrap(), expected);
        assert_eq!(Module::warm(&engine, WAT.to_vec(), None, Others::GoFirst, None).unwrap(), Warmed::Before);
        assert!(!module(dir.path(), tier).awaits_better_code());
    }
}

#[test]
fn without_a_cache_nothing_is_warm() {
    let engine = Engine::new(&Config::new()).unwrap();
    assert!(!Module::new(&engine, WAT).unwrap().awaits_better_code());
    assert_eq!(Module::warm(&engine, WAT.to_vec(), None, Others::GoFirst, None).unwrap(), Warmed::NoCache);
    let dir = tempfile::tempdir().unwrap();
    let warmed = Module::warm(
        &self::engine(dir.path(), Tier::Auto),
        b"(module (func (result i32)))".to_vec(),
        None,
        Others::GoFirst,
        None,
    );
    assert!(warmed.unwrap_err().to_string().contains("type mismatch"));
}

/// Compilation that waits in the middle.
struct Held {
    begun: Mutex<Sender<()>>,
    go_on: Mutex<Receiver<()>>,
    once: AtomicBool,
}

impl Progress for Held {
    fn started(&self, _: u64) {}

    fn advanced(&self, _: u64) {}

    fn cancelled(&self) -> bool {
        if !self.once.swap(true, Ordering::SeqCst) {
            self.begun.lock().unwrap_or_else(PoisonError::into_inner).send(()).unwrap();
            self.go_on.lock().unwrap_or_else(PoisonError::into_inner).recv().unwrap();
        }
        false
    }
}

#[test]
fn one_process_at_a_time_compiles_a_module() {
    let dir = tempfile::tempdir().unwrap();
    let ((begun, has_begun), (go_on, waits)) = (channel(), channel());
    let held = Held { begun: Mutex::new(begun), go_on: Mutex::new(waits), once: AtomicBool::new(false) };
    std::thread::scope(|scope| {
        let first = scope
            .spawn(|| Module::warm(&engine(dir.path(), Tier::Auto), WAT.to_vec(), None, Others::GoFirst, Some(&held)).unwrap());
        has_begun.recv().unwrap();
        let other = engine(dir.path(), Tier::Auto);
        assert_eq!(Module::warm(&other, WAT.to_vec(), None, Others::GoFirst, None).unwrap(), Warmed::Elsewhere);
        assert_eq!(
            Module::warm(&other, b"(module)".to_vec(), None, Others::GoFirst, None).unwrap(),
            Warmed::Now,
            "another module"
        );
        let waits = scope
            .spawn(|| Module::warm(&engine(dir.path(), Tier::Auto), WAT.to_vec(), None, Others::AreWaitedFor, None).unwrap());
        go_on.send(()).unwrap();
        assert_eq!(first.join().unwrap(), Warmed::Now);
        assert_eq!(waits.join().unwrap(), Warmed::Before);
        assert_eq!(Module::warm(&other, WAT.to_vec(), None, Others::GoFirst, None).unwrap(), Warmed::Before);
    });
    let left = std::fs::read_dir(dir.path().join("cache")).unwrap().count();
    assert_eq!(left, 2, "entries, and no claim");
}

#[test]
fn a_damaged_entry_is_made_again() {
    let dir = tempfile::tempdir().unwrap();
    let engine = engine(dir.path(), Tier::Auto);
    let warm = || Module::warm(&engine, WAT.to_vec(), None, Others::AreWaitedFor, None).unwrap();
    assert_eq!(warm(), Warmed::Now);
    let entry = std::fs::read_dir(dir.path().join("cache")).unwrap().next().unwrap().unwrap().path();
    let whole = std::fs::read(&entry).unwrap();
    std::fs::write(&entry, &whole[..1000]).unwrap();
    assert_eq!((warm(), warm()), (Warmed::Now, Warmed::Before));
    assert_eq!(std::fs::read(&entry).unwrap(), whole);
    // What is no file at all.
    std::fs::remove_file(&entry).unwrap();
    std::fs::create_dir(&entry).unwrap();
    assert_eq!((warm(), warm()), (Warmed::Now, Warmed::Before));
    assert!(entry.is_file());
}
