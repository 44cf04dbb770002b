//! Small guests on the engine: the functions by name and type, and how a run ends.

use sconce_engine::{Config, Engine, Error, Instance, Linker, Module, Store, TrapCode};
use sconce_test_support::preview1::FUNCTIONS;
use sconce_wasi::{
    Access, BrokenPipe, Exit, Killed, Trace, TraceFormat, WasiCtx, WasiCtxBuilder, Watch, add_to_linker, add_watched_to_linker,
};
use std::io::{Read, Write};
use std::time::Duration;

fn start(wat: &str, build: impl FnOnce(WasiCtxBuilder) -> WasiCtxBuilder) -> (Store<WasiCtx>, Instance) {
    let engine = Engine::new(&Config::new()).unwrap();
    let module = Module::new(&engine, wat.as_bytes()).unwrap();
    let mut linker = Linker::new(&engine);
    add_to_linker(&mut linker, |ctx| ctx).unwrap();
    let mut store = Store::new(&engine, build(WasiCtx::builder()).build().unwrap()).unwrap();
    let instance = linker.instantiate(&mut store, &module).unwrap();
    (store, instance)
}

fn run(wat: &str, build: impl FnOnce(WasiCtxBuilder) -> WasiCtxBuilder) -> Result<i32, Error> {
    let (mut store, instance) = start(wat, build);
    instance.get_typed_func::<(), i32>(&mut store, "run")?.call(&mut store, ())
}

/// A module that imports these functions, with memory, data and a body for its export `run`.
fn guest(module: &str, imports: &[&str], body: &str) -> String {
    let import = |name: &&str| {
        let (_, params) = FUNCTIONS.iter().find(|f| f.0 == *name).unwrap();
        let params: String = params.chars().map(|c| if c == 'i' { " i32" } else { " i64" }).collect();
        let result = if *name == "proc_exit" { "" } else { "(result i32)" };
        format!("(import \"{module}\" \"{name}\" (func ${name} (param{params}) {result}))\n")
    };
    let imports: String = imports.iter().map(import).collect();
    format!("(module {imports} (memory (export \"memory\") 1) (func (export \"run\") (result i32) {body}))")
}

#[test]
fn every_function_is_there_by_name_and_type() {
    assert_eq!(FUNCTIONS.len(), 46);
    let names: Vec<_> = FUNCTIONS.iter().map(|f| f.0).collect();
    assert_eq!(run(&guest("wasi_snapshot_preview1", &names, "i32.const 7"), |b| b).unwrap(), 7);
    let older: Vec<_> = names.into_iter().filter(|n| *n != "sock_accept").collect();
    assert_eq!(run(&guest("wasi_unstable", &older, "i32.const 7"), |b| b).unwrap(), 7);
}

#[test]
fn output_arrives_in_both_generations() {
    for module in ["wasi_snapshot_preview1", "wasi_unstable"] {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let body = r#"(i32.store (i32.const 0) (i32.const 16)) (i32.store (i32.const 4) (i32.const 6))
            (i64.store (i32.const 16) (i64.const 0x0a6f6c6c6568))
            (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))
            (i32.load (i32.const 8)) (i32.add)"#;
        assert_eq!(run(&guest(module, &["fd_write"], body), |b| b.stdout(writer)).unwrap(), 6);
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "hello\n");
    }
}

#[test]
fn sockets_are_traced_with_what_goes_through_them() {
    let body = r#"(i32.store (i32.const 0) (i32.const 16)) (i32.store (i32.const 4) (i32.const 100))
        (i64.store (i32.const 16) (i64.const 0x0a6f6c6c6568))
        (drop (call $sock_accept (i32.const 3) (i32.const 4) (i32.const 8)))
        (drop (call $sock_recv (i32.const 4) (i32.const 0) (i32.const 1) (i32.const 1) (i32.const 8) (i32.const 12)))
        (i32.store (i32.const 4) (i32.const 6))
        (drop (call $sock_send (i32.const 4) (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 8)))
        (call $sock_shutdown (i32.const 4) (i32.const 2))"#;
    let wat = guest("wasi_snapshot_preview1", &["sock_accept", "sock_recv", "sock_send", "sock_shutdown"], body);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut peer = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    peer.write_all(b"answer").unwrap();
    // Not before it is there: the socket does not wait.
    std::thread::sleep(Duration::from_millis(20));
    let (mut reader, writer) = std::io::pipe().unwrap();
    let engine = Engine::new(&Config::new()).unwrap();
    let module = Module::new(&engine, wat.as_bytes()).unwrap();
    let mut linker = Linker::new(&engine);
    let trace = Trace::new(writer.into(), TraceFormat::Text, false, |error| panic!("{error}"));
    add_watched_to_linker(&mut linker, |ctx| ctx, Watch { trace: Some(trace), record: None }).unwrap();
    let mut store = Store::new(&engine, WasiCtx::builder().inherit_stdio().unwrap().listener(listener).build().unwrap()).unwrap();
    let instance = linker.instantiate(&mut store, &module).unwrap();
    let run = instance.get_typed_func::<(), i32>(&mut store, "run").unwrap();
    assert_eq!(run.call(&mut store, ()).unwrap(), 0);
    drop((store, linker));
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    let expected = r#"sock_accept(3, nonblock) = 0 fd=4
sock_recv(4, {1 iov, 100 bytes}, recv_peek) = 0 ro_datalen=6 ro_flags=0 ri_data="answer"
sock_send(4, {1 iov, 6 bytes, "answer"}, 0) = 0 so_datalen=6
sock_shutdown(4, wr) = 0
"#;
    assert_eq!(text, expected);
}

#[test]
fn generations_have_their_own_whence() {
    for (module, set) in [("wasi_snapshot_preview1", 0), ("wasi_unstable", 2)] {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"0123456789").unwrap();
        let body = format!(
            "(drop (call $fd_seek (i32.const 0) (i64.const 3) (i32.const {set}) (i32.const 8))) (i32.load (i32.const 8))"
        );
        assert_eq!(run(&guest(module, &["fd_seek"], &body), |b| b.stdin(file)).unwrap(), 3);
    }
}

#[test]
fn ends_of_a_run_come_out_as_they_are() {
    let exit = guest("wasi_snapshot_preview1", &["proc_exit"], "(call $proc_exit (i32.const 300)) unreachable");
    assert_eq!(run(&exit, |b| b).unwrap_err().downcast_ref(), Some(&Exit(300)));
    let raise = guest("wasi_snapshot_preview1", &["proc_raise"], "(call $proc_raise (i32.const 6))");
    assert_eq!(run(&raise, |b| b).unwrap_err().downcast_ref(), Some(&Killed(6)));
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let yes = r#"(loop (i32.store (i32.const 4) (i32.const 100))
        (br_if 0 (i32.eqz (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))))) (i32.const 1)"#;
    let error = run(&guest("wasi_snapshot_preview1", &["fd_write"], yes), |b| b.stdout(writer)).unwrap_err();
    assert_eq!(error.downcast_ref(), Some(&BrokenPipe));
}

#[test]
fn a_guest_without_memory_gets_faults() {
    let wat = r#"(module (import "wasi_snapshot_preview1" "random_get" (func $f (param i32 i32) (result i32)))
        (func (export "run") (result i32) (call $f (i32.const 0) (i32.const 1))))"#;
    assert_eq!(run(wat, |b| b).unwrap(), 21);
}

/// Interrupts the run while it waits, and sees that the store still works.
fn interrupted(imports: &[&str], body: &str, build: impl FnOnce(WasiCtxBuilder) -> WasiCtxBuilder) {
    let (mut store, instance) = start(&guest("wasi_snapshot_preview1", imports, body), build);
    let handle = store.interrupt_handle();
    let run = instance.get_typed_func::<(), i32>(&mut store, "run").unwrap();
    for _ in 0..3 {
        let other = handle.clone();
        let thread = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(30));
            other.interrupt();
        });
        let error = run.call(&mut store, ()).unwrap_err();
        thread.join().unwrap();
        assert_eq!(error.trap_code(), Some(TrapCode::Interrupt), "{error}");
        handle.clear();
    }
}

#[test]
fn waiting_calls_are_interrupted() {
    let (reader, _writer) = std::io::pipe().unwrap();
    let read = "(i32.store (i32.const 4) (i32.const 1)) (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8))";
    interrupted(&["fd_read"], read, |b| b.stdin(reader));
    // A clock that shows the end of time, and nothing else.
    let sleep = r#"(i64.store (i32.const 24) (i64.const -1)) (i32.store (i32.const 16) (i32.const 1))
        (call $poll_oneoff (i32.const 0) (i32.const 100) (i32.const 1) (i32.const 200))"#;
    interrupted(&["poll_oneoff"], sleep, |b| b);
    // A pipe that nobody writes to.
    let (reader, _writer) = std::io::pipe().unwrap();
    let wait = "(i32.store8 (i32.const 8) (i32.const 1)) (call $poll_oneoff (i32.const 0) (i32.const 100) (i32.const 1) (i32.const 200))";
    interrupted(&["poll_oneoff"], wait, |b| b.stdin(reader));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    interrupted(&["sock_accept"], "(call $sock_accept (i32.const 3) (i32.const 0) (i32.const 8))", |b| b.listener(listener));
}

#[test]
fn files_below_a_directory_and_nothing_above() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("inside")).unwrap();
    std::fs::write(dir.path().join("secret"), "secret").unwrap();
    // Opens the path in memory at 100 with all rights, and returns the errno.
    let open = |path: &str, oflags: u32| {
        let body = format!(
            "(call $path_open (i32.const 3) (i32.const 1) (i32.const 100) (i32.const {}) (i32.const {oflags}) (i64.const -1) (i64.const -1)
               (i32.const 0) (i32.const 8))",
            path.len()
        );
        let wat = guest("wasi_snapshot_preview1", &["path_open"], &body)
            .replace("(memory", &format!("(data (i32.const 100) \"{path}\") (memory"));
        run(&wat, |b| b.preopen_path(&dir.path().join("inside"), "/", Access::ReadWrite).unwrap()).unwrap()
    };
    assert_eq!(open("new", 1), 0);
    assert!(dir.path().join("inside/new").exists());
    assert_eq!(open("../secret", 8), 63);
    assert_eq!(open("/secret", 8), 63);
    assert_eq!(open("missing", 0), 44);
    assert_eq!(std::fs::read(dir.path().join("secret")).unwrap(), b"secret");
}
