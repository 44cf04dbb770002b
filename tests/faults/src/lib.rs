//! What the fault tests share: engines of every configuration, guests whose store is used again after every trap, and child
//! processes for what would end the test itself.
//!
//! The tests are in `tests/faults/`, a file a kind of fault.
#![forbid(unsafe_code)]

use sconce_engine::{
    BoundsStyle, CallStyle, Config, Engine, Error, Inlining, Instance, Linker, Module, Store, Tier, TrapCode, TypedFunc, Val,
};
use std::fmt::Debug;
use std::process::{Command, Output};

/// A compiler, a bounds style and a way to call.
pub type Style = (Tier, BoundsStyle, CallStyle);

/// Every combination that code can be compiled for.
pub const STYLES: [Style; 8] = [
    (Tier::Cranelift, BoundsStyle::Guard, CallStyle::Direct),
    (Tier::Cranelift, BoundsStyle::Guard, CallStyle::Slots),
    (Tier::Cranelift, BoundsStyle::Explicit, CallStyle::Direct),
    (Tier::Cranelift, BoundsStyle::Explicit, CallStyle::Slots),
    (Tier::Lightbeam, BoundsStyle::Guard, CallStyle::Direct),
    (Tier::Lightbeam, BoundsStyle::Guard, CallStyle::Slots),
    (Tier::Lightbeam, BoundsStyle::Explicit, CallStyle::Direct),
    (Tier::Lightbeam, BoundsStyle::Explicit, CallStyle::Slots),
];

/// One style for each compiler and bounds style.
pub fn direct_styles() -> impl Iterator<Item = Style> {
    STYLES.into_iter().filter(|style| style.2 == CallStyle::Direct)
}

/// The configuration of a style.
pub fn config((tier, bounds, calls): Style) -> Config {
    Config::new().tier(tier).bounds(Some(bounds)).calls(calls).parallel(false)
}

/// Runs a test in every style, in paranoid style with each compiler and bounds style, where functions are compiled when they are
/// called, by one compiler or by both, and where as many calls as can be give way to their callees' bodies. A failure says in which.
///
/// # Panics
/// If the test does, or if there is no engine.
pub fn for_each_style(test: impl Fn(&Engine)) {
    let plain = STYLES.into_iter().map(|style| (format!("style {style:?}"), config(style)));
    let paranoid = direct_styles().map(|style| (format!("style {style:?}, paranoid"), config(style).paranoid(true)));
    let lazy = |bounds| {
        let style = (Tier::Auto, bounds, CallStyle::Slots);
        (format!("style {style:?}, lazy"), config(style).lazy(Some(0)))
    };
    let both = [BoundsStyle::Guard, BoundsStyle::Explicit].map(lazy);
    let mixed =
        both.clone().map(|(name, config)| (format!("{name}, mixed"), config.mixed_tiers(Some(7)).inlining(Inlining::Most)));
    let inlining = [(BoundsStyle::Guard, CallStyle::Direct), (BoundsStyle::Explicit, CallStyle::Slots)].map(|(bounds, calls)| {
        let style = (Tier::Cranelift, bounds, calls);
        (format!("style {style:?}, inlining"), config(style).inlining(Inlining::Most))
    });
    for (name, config) in plain.chain(paranoid).chain(both).chain(mixed).chain(inlining) {
        let engine = Engine::new(&config).expect("an engine");
        let _context = Context(name);
        test(&engine);
    }
}

/// Names the style while a panic unwinds.
struct Context(String);

impl Drop for Context {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("in {}", self.0);
        }
    }
}

/// A small module that touches memory, calls and a table: what must still work after a trap.
const ALIVE: &str = r#"(module
    (memory 1 2)
    (table 2 funcref)
    (elem (i32.const 0) $double)
    (type $unary (func (param i32) (result i32)))
    (func $double (type $unary) (i32.mul (local.get 0) (i32.const 2)))
    (func (export "alive") (param i32) (result i32)
        (i32.store offset=65528 (i32.const 4) (local.get 0))
        (memory.fill (i32.const 0) (i32.const 7) (i32.mul (memory.size) (i32.const 100)))
        (i32.add
            (call_indirect (type $unary) (i32.load offset=65532 (i32.const 0)) (i32.const 0))
            (i32.add (i32.load8_u (i32.const 99)) (call $double (i32.const 1))))))"#;

/// An instance, its store, and a second instance in the same store that is run after every trap.
pub struct Guest {
    /// The store.
    pub store: Store<()>,
    /// The instance.
    pub instance: Instance,
    alive: TypedFunc<i32, i32>,
    runs: i32,
}

impl Guest {
    /// An instance of a module in text form, without imports.
    ///
    /// # Panics
    /// If there is none.
    pub fn new(engine: &Engine, text: &str) -> Guest {
        Guest::with(engine, text, |_, _| {})
    }

    /// An instance of a module whose imports `define` defines.
    ///
    /// # Panics
    /// If there is none.
    pub fn with(engine: &Engine, text: &str, define: impl FnOnce(&mut Store<()>, &mut Linker<()>)) -> Guest {
        let mut store = Store::new(engine, ()).expect("a store");
        let mut linker = Linker::new(engine);
        define(&mut store, &mut linker);
        let alive = alive(&mut store, engine);
        let module = Module::new(engine, text.as_bytes()).unwrap_or_else(|e| panic!("{e}\n{text}"));
        let instance = linker.instantiate(&mut store, &module).unwrap_or_else(|e| panic!("{e}\n{text}"));
        Guest { store, instance, alive, runs: 0 }
    }

    /// Calls an export.
    ///
    /// # Errors
    /// Whatever the call gives.
    ///
    /// # Panics
    /// If there is no such function.
    pub fn try_call(&mut self, name: &str, args: &[Val]) -> Result<Vec<Val>, Error> {
        let func = self.instance.get_func(&mut self.store, name).unwrap_or_else(|| panic!("no function {name}"));
        let mut results: Vec<Val> = func.ty(&self.store).results.iter().map(|t| Val::default_for(*t)).collect();
        func.call(&mut self.store, args, &mut results)?;
        Ok(results)
    }

    /// Calls an export that must return.
    ///
    /// # Panics
    /// If it does not.
    pub fn call(&mut self, name: &str, args: &[Val]) -> Vec<Val> {
        self.try_call(name, args).unwrap_or_else(|e| panic!("{name} {args:?}: {e}"))
    }

    /// Calls an export that must trap, and uses the store afterwards.
    ///
    /// # Panics
    /// If it returns, if it fails in another way, or if the store is unusable.
    pub fn trap(&mut self, name: &str, args: &[Val]) -> TrapCode {
        let error = match self.try_call(name, args) {
            Ok(values) => panic!("{name} {args:?} returned {values:?}"),
            Err(e) => e,
        };
        let code = error.trap_code().unwrap_or_else(|| panic!("{name} {args:?}: {error}"));
        let frames = &error.backtrace().expect("a trap has a backtrace").frames;
        assert!(!frames.is_empty(), "{name} {args:?}: the backtrace is empty");
        self.assert_alive();
        code
    }

    /// Uses the store.
    ///
    /// # Panics
    /// If that gives something wrong.
    pub fn assert_alive(&mut self) {
        self.runs += 1;
        let got = self.alive.call(&mut self.store, self.runs).unwrap_or_else(|e| panic!("the store is unusable: {e}"));
        assert_eq!(got, self.runs * 2 + 9, "the store is unusable");
    }
}

/// The function that says whether a store works: `n` gives `2n + 9`.
///
/// # Panics
/// If it cannot be had.
pub fn alive(store: &mut Store<()>, engine: &Engine) -> TypedFunc<i32, i32> {
    let module = Module::new(engine, ALIVE.as_bytes()).expect("the module is valid");
    let instance = Linker::new(engine).instantiate(&mut *store, &module).expect("an instance");
    instance.get_typed_func(&mut *store, "alive").expect("a function")
}

/// Set in child processes, to the name of the test that they are, and the style if there is one for each.
const CHILD: &str = "SCONCE_FAULTS_CHILD";

/// Runs `role` in a process of its own: the test binary again, with this test alone. `test` is the calling test's full name
/// (`host::a_fault_in_host_code_kills`). In the child this does not return; in the parent it gives what became of the child.
///
/// # Panics
/// If there is no child.
pub fn in_child(test: &str, role: impl FnOnce()) -> Output {
    in_child_under(test, "", role)
}

/// As [`in_child`], in a process for each of these cases: styles, for example.
///
/// # Panics
/// If there is no child.
pub fn in_children<T: Copy + Debug>(test: &str, cases: impl IntoIterator<Item = T>, role: impl Fn(T)) -> Vec<(T, Output)> {
    let child = std::env::var(CHILD);
    let mut outputs = Vec::new();
    for case in cases {
        let name = format!("{test} {case:?}");
        match &child {
            Ok(child) if *child == name => {
                role(case);
                std::process::exit(0);
            }
            Ok(_) => {}
            Err(_) => outputs.push((case, spawn(test, &name, ""))),
        }
    }
    outputs
}

/// As [`in_child`], after shell commands such as `ulimit -v 2000000;`.
///
/// # Panics
/// If there is no child.
pub fn in_child_under(test: &str, commands: &str, role: impl FnOnce()) -> Output {
    if std::env::var(CHILD).is_ok_and(|name| name == test) {
        role();
        std::process::exit(0);
    }
    spawn(test, test, commands)
}

/// Runs a test in a process of its own, in which `CHILD` is `name`.
fn spawn(test: &str, name: &str, commands: &str) -> Output {
    let this = std::env::current_exe().expect("the test binary has a path");
    Command::new("sh")
        .arg("-c")
        .arg(format!("{commands} exec \"$@\""))
        .args(["sh".as_ref(), this.as_os_str()])
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env(CHILD, name)
        .output()
        .expect("a child process")
}

/// Fails unless a child did what it should.
///
/// # Panics
/// With the child's output, if it ended otherwise than by exit code 0.
pub fn assert_success(output: &Output) {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}\n{out}\n{err}", output.status);
}
