//! Serialized modules.

use crate::engine;
use rustix::fs::{Mode, OFlags};
use sconce_engine::{
    Artifact, ArtifactError, AsContextMut, BoundsStyle, CallStyle, Caller, Config, Engine, Error, ExternRef, Linker, Module,
    Store, Tier, TrapCode,
};
use std::fs::File;
use std::io::{Read, Seek};

/// A bit of everything that metadata describes.
const WAT: &str = r#"(module $everything
    (type $t (func (param i32) (result i32)))
    (import "h" "f" (func $f (type $t)))
    (memory (export "memory") 1 4)
    (table (export "table") 8 funcref)
    (table 3 externref)
    (global $g (export "g") (mut i64) (i64.const -3))
    (global $r funcref (ref.func $double))
    (global $v v128 (v128.const i64x2 1 2))
    (data (i32.const 8) "hello artifact")
    (data $passive "passive")
    (elem (i32.const 1) func $double $f)
    (elem $e externref (ref.null extern))
    (func $double (type $t) (i32.mul (local.get 0) (i32.const 2)))
    (func $div (export "div") (param i32 i32) (result i32) (i32.div_s (local.get 0) (local.get 1)))
    (func (export "run") (param i32) (result i32)
        (memory.init $passive (i32.const 100) (i32.const 0) (i32.const 7))
        (i32.add (call_indirect (type $t) (local.get 0) (i32.const 1)) (call_indirect (type $t) (local.get 0) (i32.const 2))))
    (func $start (global.set $g (i64.add (global.get $g) (i64.const 1)))) (start $start))"#;

fn run(engine: &Engine, module: &Module) {
    let mut store = Store::new(engine, ()).unwrap();
    let mut linker = Linker::new(engine);
    linker.func_wrap("h", "f", |x: i32| x + 1000).unwrap();
    let instance = linker.instantiate(&mut store, module).unwrap();
    let f = instance.get_typed_func::<i32, i32>(&mut store, "run").unwrap();
    assert_eq!(f.call(&mut store, 5).unwrap(), 1015);
    let memory = instance.get_memory(&mut store, "memory").unwrap();
    let mut bytes = [0; 14];
    memory.read(&store, 8, &mut bytes).unwrap();
    assert_eq!(&bytes, b"hello artifact");
    memory.read(&store, 100, &mut bytes[..7]).unwrap();
    assert_eq!(&bytes[..7], b"passive");
    assert_eq!(instance.get_global(&mut store, "g").unwrap().get(&store).i64(), Some(-2));
    let div = instance.get_typed_func::<(i32, i32), i32>(&mut store, "div").unwrap();
    let error = div.call(&mut store, (1, 0)).unwrap_err();
    let frame = &error.backtrace().unwrap().frames[0];
    assert!(frame.wasm_offset.is_some());
    assert_eq!(frame.module.function_name(frame.func).as_deref(), Some("div"));
}

#[test]
fn a_serialized_module_is_the_same_module() {
    let engine = engine();
    let module = Module::new(&engine, WAT.as_bytes()).unwrap();
    run(&engine, &module);
    let bytes = module.serialize().unwrap();
    assert!(Module::is_artifact(&bytes) && !Module::is_artifact(WAT.as_bytes()));
    let again = Module::deserialize(&engine, &bytes).unwrap();
    assert_eq!(again.name(), Some("everything"));
    run(&engine, &again);
    assert_eq!(again.serialize().unwrap(), bytes);
    let other = Engine::new(&Config::new()).unwrap();
    run(&other, &Module::deserialize(&other, &bytes).unwrap());
}

#[test]
fn a_file_is_what_any_writer_gets() {
    // Left to the engine, a module that waits for a run is another compiler's.
    let engine = Engine::new(&Config::new().tier(Tier::Cranelift)).unwrap();
    let artifact = Artifact::new(&engine, WAT.into(), None).unwrap();
    let mut bytes = Vec::new();
    artifact.write(&mut bytes).unwrap();
    assert_eq!(bytes, Module::new(&engine, WAT.as_bytes()).unwrap().serialize().unwrap());
    // An unnamed file, and a device for which no room can be reserved.
    let unnamed = rustix::fs::open(std::env::temp_dir(), OFlags::TMPFILE | OFlags::RDWR, Mode::RUSR | Mode::WUSR).unwrap();
    let mut file = File::from(unnamed);
    artifact.write_new(&mut file).unwrap();
    let mut written = Vec::new();
    file.rewind().unwrap();
    file.read_to_end(&mut written).unwrap();
    assert!(written == bytes, "{} bytes, and {} in the file", bytes.len(), written.len());
    artifact.write_new(&mut File::options().write(true).open("/dev/null").unwrap()).unwrap();
    artifact.write_new(&mut File::options().write(true).open("/dev/full").unwrap()).unwrap_err();
}

fn artifact_error(result: Result<Module, Error>) -> ArtifactError {
    match result {
        Err(Error::Artifact(e)) => e,
        other => panic!("{other:?}"),
    }
}

#[test]
fn mismatches_are_told_apart() {
    let engine = engine();
    let bytes = Module::new(&engine, WAT.as_bytes()).unwrap().serialize().unwrap();
    assert_eq!(artifact_error(Module::deserialize(&engine, b"")), ArtifactError::NotAnArtifact);
    assert_eq!(artifact_error(Module::deserialize(&engine, b"\0asm\x01\0\0\0")), ArtifactError::NotAnArtifact);

    let mut newer = bytes.clone();
    newer[16..22].copy_from_slice(b"99.9.9");
    let error = artifact_error(Module::deserialize(&engine, &newer));
    assert!(matches!(&error, ArtifactError::Version { found, .. } if found.starts_with("99.9.9")), "{error:?}");
    let mut format = bytes.clone();
    format[8] ^= 0x40;
    assert!(matches!(artifact_error(Module::deserialize(&engine, &format)), ArtifactError::Version { .. }));

    for config in [
        Config::new().bounds(Some(BoundsStyle::Explicit)),
        Config::new().calls(CallStyle::Slots),
        Config::new().canonical_nans(true),
    ] {
        let other = Engine::new(&config).unwrap();
        let error = artifact_error(Module::deserialize(&other, &bytes));
        assert!(matches!(error, ArtifactError::Settings { .. }), "{error:?}");
        assert_eq!(error.to_string().lines().count(), 1);
    }
}

#[test]
fn damage_is_found_wherever_it_is() {
    let engine = engine();
    let bytes = Module::new(&engine, WAT.as_bytes()).unwrap().serialize().unwrap();
    // Only the padding before the text is nothing to anybody.
    let padding = eager(&bytes).end..eager(&bytes).end.next_multiple_of(4096);
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x10;
        match Module::deserialize(&engine, &damaged) {
            Ok(_) => assert!(padding.contains(&at), "{at}"),
            Err(Error::Artifact(_)) => {}
            Err(e) => panic!("{at}: {e}"),
        }
    }
    for len in (0..bytes.len()).step_by(7) {
        artifact_error(Module::deserialize(&engine, &bytes[..len]));
    }
}

/// Offset and length of the hashed part.
fn eager(bytes: &[u8]) -> std::ops::Range<usize> {
    96..96 + u64::from_le_bytes(bytes[48..56].try_into().unwrap()) as usize
}

fn seal(bytes: &mut [u8]) {
    let hash = blake3::hash(&bytes[eager(bytes)]);
    bytes[64..96].copy_from_slice(hash.as_bytes());
}

#[test]
fn metadata_with_a_right_hash_is_checked_all_the_same() {
    // Every byte of identity and metadata with several values, sealed again: what is accepted must be usable.
    let engine = engine();
    let bytes = Module::new(&engine, WAT.as_bytes()).unwrap().serialize().unwrap();
    let region = eager(&bytes);
    let (mut accepted, mut refused) = (0, 0);
    for at in region.clone() {
        for value in [0, 1, 0x7f, 0x80, 0xff, bytes[at].wrapping_add(1)] {
            let mut altered = bytes.clone();
            if altered[at] == value {
                continue;
            }
            altered[at] = value;
            seal(&mut altered);
            match Module::deserialize(&engine, &altered) {
                Ok(module) => {
                    accepted += 1;
                    // Instantiation reads all of it. Nothing is called: the code is another matter.
                    let _ = module.imports().count() + module.exports().count();
                    if module.environ().start.is_none() {
                        continue;
                    }
                }
                Err(_) => refused += 1,
            }
        }
    }
    assert!(accepted > 0 && refused > region.len(), "{accepted} {refused}");
}

/// A module with more than 1 MiB of text and of data: what is brought in lazily, and mapped rather than copied.
fn large() -> String {
    let mut wat = String::from(r#"(module (memory (export "memory") 64)"#);
    for n in 0..40 {
        // Far apart, so that they stay several segments.
        wat.push_str(&format!(r#"(data (i32.const {}) "{}")"#, n * 100_000, format!("{n:02}").repeat(20_000)));
    }
    // Functions are aligned, so many small ones make a long text fast.
    for n in 0..40_000 {
        let export = if n % 1000 == 7 { format!(r#"(export "f{n}")"#) } else { String::new() };
        wat.push_str(&format!("(func {export} (result i32) (i32.const {}))", n * 3));
    }
    wat + ")"
}

#[test]
fn large_modules_come_from_their_file_piece_by_piece() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("cache");
    let engine = || Engine::new(&crate::cached(&dir)).unwrap();
    let wat = large();
    Module::new(&engine(), wat.as_bytes()).unwrap();
    let entry = std::fs::read_dir(&dir).unwrap().next().unwrap().unwrap().path();
    assert!(std::fs::metadata(&entry).unwrap().len() > 2 << 20);

    let engine = engine();
    let path = temp.path().join("m.wat");
    std::fs::write(&path, &wat).unwrap();
    let module = Module::from_file(&engine, &File::open(path).unwrap(), None).unwrap();
    let whole = Module::new(&crate::engine(), wat.as_bytes()).unwrap().serialize().unwrap();
    let mut store = Store::new(&engine, ()).unwrap();
    for round in 0..2 {
        let instance = Linker::new(&engine).instantiate(&mut store, &module).unwrap();
        for n in [7, 39_007, 8007, 20_007, 7] {
            let f = instance.get_typed_func::<(), u32>(&mut store, &format!("f{n}")).unwrap();
            assert_eq!(f.call(&mut store, ()).unwrap(), n * 3);
        }
        let memory = instance.get_memory(&mut store, "memory").unwrap();
        let mut bytes = [0; 4];
        memory.read(&store, 39 * 100_000 + 2, &mut bytes).unwrap();
        assert_eq!(&bytes, b"3939", "round {round}");
        memory.write(&mut store, 39 * 100_000, b"changed!").unwrap();
    }
    // An entry is what it is under its own name only.
    artifact_error(Module::deserialize_file(&engine, File::open(&entry).unwrap()));
    let artifact = temp.path().join("artifact");
    std::fs::write(&artifact, &whole).unwrap();
    let from_file = Module::deserialize_file(&engine, File::open(&artifact).unwrap()).unwrap();
    let instance = Linker::new(&engine).instantiate(&mut store, &from_file).unwrap();
    let f = instance.get_typed_func::<(), u32>(&mut store, "f1007").unwrap();
    assert_eq!(f.call(&mut store, ()).unwrap(), 3021);
    // Where no call is under way nobody mends a fault.
    let memory = instance.get_memory(&mut store, "memory").unwrap();
    assert_eq!(memory.guest(&mut store).read(38u32 * 100_000 + 2), Ok(u32::from_le_bytes(*b"3838")));
    // All of it can be had again, whatever had been run.
    assert_eq!(module.serialize().unwrap(), whole);
}

#[test]
fn damage_in_large_artifacts_is_found() {
    let engine = engine();
    let bytes = Module::new(&engine, large().as_bytes()).unwrap().serialize().unwrap();
    Module::deserialize(&engine, &bytes).unwrap();
    // A bit in each stretch of 32 KiB.
    for at in (0..bytes.len()).step_by(32 << 10) {
        let mut damaged = bytes.clone();
        let at = at + 1000.min(bytes.len() - at - 1);
        if (eager(&bytes).end..eager(&bytes).end.next_multiple_of(4096)).contains(&at) {
            continue;
        }
        damaged[at] ^= 1;
        artifact_error(Module::deserialize(&engine, &damaged));
    }
}

#[test]
fn data_that_comes_in_as_it_is_used_is_there_for_guest_host_and_kernel() {
    use std::io::{Read, Write};
    use std::os::fd::AsFd;
    let mut wat = String::from(
        r#"(module (import "h" "send" (func $send (param i32 i32) (result i32))) (import "h" "receive" (func $receive (param i32 i32) (result i32)))
        (import "h" "look" (func $look (param i32) (result i32))) (memory (export "memory") 64 70)
        (func (export "load") (param i32) (result i64) (i64.load (local.get 0)))
        (func (export "store") (param i32) (result i64) (i64.store (local.get 0) (i64.const -1)) (i64.load offset=8 (local.get 0)))
        (func (export "copy") (param i32 i32 i32) (memory.copy (local.get 0) (local.get 1) (local.get 2)))
        (func (export "fill") (param i32 i32) (memory.fill (local.get 0) (i32.const 7) (local.get 1)))
        (func (export "grow") (result i32) (memory.grow (i32.const 1)))
        (func (export "send") (param i32 i32) (result i32) (call $send (local.get 0) (local.get 1)))
        (func (export "receive") (param i32 i32) (result i32) (call $receive (local.get 0) (local.get 1)))
        (func (export "look") (param i32) (result i32) (call $look (local.get 0)))"#,
    );
    // Two parts with a gap of zeros between them; neither begins nor ends with a chunk.
    const PARTS: [(usize, usize); 2] = [(100_001, 1_200_000), (2_000_003, 900_000)];
    let byte = |at: usize| ((at / 3 + at / 1000) % 26) as u8 + b'a';
    let mut expected = vec![0u8; 64 << 16];
    for (start, len) in PARTS {
        expected[start..start + len].iter_mut().enumerate().for_each(|(i, b)| *b = byte(start + i));
        let text = String::from_utf8(expected[start..start + len].to_vec()).unwrap();
        wat.push_str(&format!(r#"(data (i32.const {start}) "{text}")"#));
    }
    wat.push(')');
    let file = |bytes: &[u8]| {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file
    };
    let engine = engine();
    let artifact = Module::new(&engine, wat.as_bytes()).unwrap().serialize().unwrap();
    let (mut reader, writer) = std::io::pipe().unwrap();
    let mut linker = Linker::new(&engine);
    let to = writer.try_clone().unwrap();
    linker
        .func_wrap("h", "send", move |caller: Caller<'_, ()>, at: u32, len: u32| {
            let memory = caller.memory().unwrap();
            memory.write(0u32, at).unwrap();
            memory.write(4u32, len).unwrap();
            memory.writev(to.as_fd(), 0, 1).unwrap() as u32
        })
        .unwrap();
    let from = reader.try_clone().unwrap();
    linker
        .func_wrap("h", "receive", move |caller: Caller<'_, ()>, at: u32, len: u32| {
            let memory = caller.memory().unwrap();
            // In two buffers.
            for (i, n) in [at, len / 2, at + len / 2, len - len / 2].into_iter().enumerate() {
                memory.write(i as u32 * 4, n).unwrap();
            }
            memory.readv(from.as_fd(), 0, 2).unwrap() as u32
        })
        .unwrap();
    linker
        .func_wrap("h", "look", |caller: Caller<'_, ()>, at: u32| u32::from(caller.memory().unwrap().read::<u8>(at).unwrap()))
        .unwrap();

    let module = Module::deserialize_file(&engine, file(&artifact)).unwrap();
    // The first instance gets it piece by piece, the next ones an image; none sees another's writes.
    for round in 0..3 {
        let mut store = Store::new(&engine, ()).unwrap();
        let instance = linker.instantiate(&mut store, &module).unwrap();
        let mut expected = expected.clone();
        let load = instance.get_typed_func::<u32, u64>(&mut store, "load").unwrap();
        let word = |expected: &[u8], at: usize| u64::from_le_bytes(expected[at..at + 8].try_into().unwrap());
        // Across the boundary of two chunks, across the ends of parts, and in neither.
        for at in [0x20000 - 4, 100_001 - 4, 1_300_001 - 4, 50, 2_000_003, 2_899_999] {
            assert_eq!(load.call(&mut store, at as u32).unwrap(), word(&expected, at), "{round}: {at}");
        }
        let store_word = instance.get_typed_func::<u32, u64>(&mut store, "store").unwrap();
        for at in [0x30000 - 8, 0x34000 - 12] {
            assert_eq!(store_word.call(&mut store, at as u32).unwrap(), word(&expected, at + 8));
            expected[at..at + 8].fill(0xff);
        }
        let look = instance.get_typed_func::<u32, u32>(&mut store, "look").unwrap();
        assert_eq!(look.call(&mut store, 0x51234).unwrap(), u32::from(expected[0x51234]));
        // The kernel reads and writes where nobody has been.
        let send = instance.get_typed_func::<(u32, u32), u32>(&mut store, "send").unwrap();
        assert_eq!(send.call(&mut store, (0x60001, 40_000)).unwrap(), 40_000);
        let mut sent = vec![0; 40_000];
        reader.read_exact(&mut sent).unwrap();
        assert!(sent == expected[0x60001..0x60001 + 40_000]);
        (&writer).write_all(&[9; 20_000]).unwrap();
        let receive = instance.get_typed_func::<(u32, u32), u32>(&mut store, "receive").unwrap();
        assert_eq!(receive.call(&mut store, (0x80005, 20_000)).unwrap(), 20_000);
        expected[0x80005..0x80005 + 20_000].fill(9);
        let copy = instance.get_typed_func::<(u32, u32, u32), ()>(&mut store, "copy").unwrap();
        for (to, from, len) in [(0xa0000, 0xc0000, 70_000), (0x200000, 0x1f8000, 100_000)] {
            copy.call(&mut store, (to, from, len)).unwrap();
            expected.copy_within(from as usize..(from + len) as usize, to as usize);
        }
        let fill = instance.get_typed_func::<(u32, u32), ()>(&mut store, "fill").unwrap();
        fill.call(&mut store, (0x240003, 100)).unwrap();
        expected[0x240003..0x240003 + 100].fill(7);
        let grow = instance.get_typed_func::<(), i32>(&mut store, "grow").unwrap();
        assert_eq!(grow.call(&mut store, ()).unwrap(), 64);
        let memory = instance.get_memory(&mut store, "memory").unwrap();
        memory.write(&mut store, 0x260000, b"from outside").unwrap();
        expected[0x260000..0x260000 + 12].copy_from_slice(b"from outside");
        let mut all = vec![0; expected.len()];
        memory.read(&store, 0, &mut all).unwrap();
        // Where the host functions put their buffers' addresses.
        all[..16].fill(0);
        let different = all.iter().zip(&expected).position(|(a, b)| a != b);
        assert_eq!(different, None, "{round}");
        // What lies outside of the memory is a trap as ever.
        let error = load.call(&mut store, (65 << 16) - 7).unwrap_err();
        assert_eq!(error.trap_code(), Some(TrapCode::MemoryOutOfBounds));
    }
}

#[test]
fn threads_that_meet_missing_text_at_once_all_run_it() {
    use std::sync::Barrier;
    const THREADS: usize = 4;
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("large.cwasm");
    let engine = engine();
    std::fs::write(&path, Module::new(&engine, large().as_bytes()).unwrap().serialize().unwrap()).unwrap();
    for round in 0..8 {
        // Each round begins without text.
        let module = Module::deserialize_file(&engine, File::open(&path).unwrap()).unwrap();
        let barrier = Barrier::new(THREADS);
        std::thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    let mut store = Store::new(&engine, ()).unwrap();
                    let instance = Linker::new(&engine).instantiate(&mut store, &module).unwrap();
                    for n in (7..40_000).step_by(1000) {
                        let f = instance.get_typed_func::<(), u32>(&mut store, &format!("f{n}")).unwrap();
                        barrier.wait();
                        assert_eq!(f.call(&mut store, ()).unwrap(), n * 3, "{round}");
                    }
                });
            }
        });
    }
}

/// Handlers, stack maps and private tables come through an artifact: what was loaded catches, and sweeps what it must.
#[test]
fn exceptions_and_references_of_a_loaded_module() {
    const THROWS: &str = r#"(module
        (import "" "make" (func $make (result externref)))
        (import "" "gc" (func $gc))
        (import "" "number" (func $number (param externref) (result i32)))
        (tag $e (param i32 externref))
        (tag $other)
        (table $t 4 externref)
        (func $throw (param $n i32)
            (if (local.get $n) (then (call $throw (i32.sub (local.get $n) (i32.const 1)))) (else (throw $e (i32.const 40) (call $make)))))
        (func (export "run") (param $n i32) (result i32) (local $kept externref) (local $thrown externref) (local $x exnref)
            (local.set $kept (call $make))
            (table.set $t (i32.const 3) (call $make))
            (block $out
            (block $h (result i32 externref exnref)
                (try_table (catch_ref $e $h) (catch_all $out) (call $throw (local.get $n)))
                (unreachable))
            (call $gc)
            (local.set $x)
            (local.set $thrown)
            (table.set $t (i32.const 0) (local.get $thrown))
            (drop)
            (block $again (result i32 externref)
                (try_table (catch $e $again) (throw_ref (local.get $x)))
                (unreachable))
            (call $gc)
            ;; 40 + 2 * 100 + 0 * 10 + 1
            (i32.add (i32.mul (call $number) (i32.const 100)))
            (i32.add (i32.mul (call $number (local.get $kept)) (i32.const 10)))
            (i32.add (call $number (table.get $t (i32.const 3))))
            (return))
            (i32.const -1)))"#;
    for tier in [Tier::Cranelift, Tier::Lightbeam] {
        let engine = Engine::new(&Config::new().tier(tier)).unwrap();
        let bytes = Module::new(&engine, THROWS.as_bytes()).unwrap().serialize().unwrap();
        let engine = Engine::new(&Config::new().tier(tier)).unwrap();
        let module = Module::deserialize(&engine, &bytes).unwrap();
        let mut store = Store::new(&engine, 0).unwrap();
        let mut linker = Linker::new(&engine);
        let make = |mut caller: Caller<'_, i32>| -> Result<Option<ExternRef>, Error> {
            let number = *caller.data();
            *caller.data_mut() += 1;
            Ok(Some(ExternRef::new(&mut caller, number)?))
        };
        linker.func_wrap("", "make", make).unwrap();
        linker.func_wrap("", "gc", |mut caller: Caller<'_, i32>| caller.as_context_mut().gc()).unwrap();
        let number = |caller: Caller<'_, i32>, value: Option<ExternRef>| {
            value.map_or(-1, |value| *value.data(&caller).downcast_ref::<i32>().expect("a number"))
        };
        linker.func_wrap("", "number", number).unwrap();
        let instance = linker.instantiate(&mut store, &module).unwrap();
        let run = instance.get_typed_func::<i32, i32>(&mut store, "run").unwrap();
        for depth in [0, 20] {
            *store.data_mut() = 0;
            assert_eq!(run.call(&mut store, depth).unwrap(), 241, "{tier:?} {depth}");
        }
        store.gc();
        store.verify_references();
        // What the table has.
        assert_eq!(store.reference_stats().objects, 2);
    }
}
