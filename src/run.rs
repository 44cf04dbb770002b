//! `sconce run`: everything that can be found wrong is found before the guest's first instruction.

use crate::adopt::{adopt, check_deterministic};
use crate::cli::{Profile, RunArgs, UnknownImports, Validate};
use crate::deadline::Deadline;
use crate::imports::{self, Provided};
use crate::later::{Helper, Slow};
use crate::load::{self, Precompiled};
use crate::outcome::{Stopped, backtrace, finish, print};
use crate::record::{Finish, Recording};
use crate::report::{self, End, Failure};
use crate::stats::{Loading, Stats};
use crate::supervise::{self, Control, Epilogue, Reason};
use crate::values::{Preload, nearest};
use crate::{confine, invoke, later, limits, trace, unknown, world};
use sconce_engine::{
    CallStyle, Config, Engine, Error, ExternType, FuncType, ImportType, Linker, Memory, MemoryLimit, Module, Store, Val, ValType,
};
use sconce_environ::shown::{Shown, quoted};
use sconce_wasi::{Record, THREAD_SPAWN, THREAD_START, THREADS_REFUSED, Threads, WasiCtx, Watch};
use signal_hook::consts::SIGQUIT;
use std::cell::RefCell;
use std::collections::HashSet;
use std::convert::Infallible;
use std::ffi::OsString;
use std::fmt::Write;
use std::io::IsTerminal;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::{Arc, Once};
use std::time::Instant;

/// Runs a program, and ends the process as the program does.
///
/// # Errors
/// Why it could not be started.
pub fn run(mut args: RunArgs) -> Result<Infallible, Failure> {
    args.compiler.count_fuel |= args.fuel.is_some();
    // Which bits a NaN has is up to the code, and so to the compiler that made it.
    args.compiler.canonical_nans |= args.deterministic;
    let deadline = Deadline::begin(args.timeout, args.cpu_time);
    deadline.insist();
    if args.seed.is_some() && !args.deterministic {
        return Err(Failure::usage("--seed: it is of use with --deterministic alone, which is not given"));
    }
    // Before anything is opened: the numbers of `--fd` are the parent's.
    let inherited = world::Inherited::take(&args.fd)?;
    let precompiled = if args.allow_precompiled { Precompiled::Allowed } else { Precompiled::Refused };
    let config = config(&args)?;
    let compiled = |name: &str| format!("{name} was compiled");
    let open = |path: &Path| deadline.prepare(&compiled(&load::name(path)), || load::open(path));
    let mut main = open(Path::new(&args.command[0]))?;
    if let Some(hash) = args.module_hash {
        main = deadline.prepare(&compiled(&main.name.clone()), || main.verified(hash))?;
    }
    if args.deterministic && precompiled == Precompiled::Allowed {
        check_deterministic(&main)?;
    }
    let engine = load::engine(&adopt(config, &args.compiler, &main, precompiled))?;
    let (slow, loadings) = (RefCell::new(Vec::new()), RefCell::new(Vec::new()));
    let load = |input: load::Input| -> Result<Loaded, Failure> {
        let name = input.name.clone();
        let begin = Instant::now();
        let module = deadline.prepare(&compiled(&name), || load::compile(&engine, &input, precompiled))?;
        loadings.borrow_mut().push(Loading::new(&name, &module, begin.elapsed()));
        if module.awaits_better_code() {
            let known = input.into_module_file().zip(module.content());
            slow.borrow_mut().extend(known.map(|(file, content)| Slow { module: module.clone(), file, content }));
        }
        Ok(Loaded { name, module })
    };
    let main = load(main)?;
    let preload = |p: &Preload| Ok((p.name.clone(), load(open(&p.file)?)?));
    let preloads = args.preload.iter().map(preload).collect::<Result<Vec<_>, Failure>>()?;
    warn_of_cache(&engine, &args);

    let recording = Recording::begin(&args)?;
    let record = recording.as_ref().map(Recording::record);
    let watch = Watch {
        trace: deadline.prepare("the trace was opened", || trace::open(&args, starts_threads(&main.module)))?,
        record: record.clone(),
    };
    let mut linker = world::linker(&engine, watch)?;
    let no_threads = args.deterministic && starts_threads(&main.module);
    if no_threads {
        refuse_threads(&mut linker, &main.name)?;
    }
    check_imports(&mut linker, &main, &preloads, args.unknown_imports)?;
    if args.fuel.is_some() && !no_threads && starts_threads(&main.module) {
        return Err(Failure::not_run(format!("{}: {NO_THREADS}", main.name)));
    }
    let words = &args.command[1..];
    let entry = entry(&main, args.invoke.as_deref(), words)?;
    // A reactor whose export takes no parameters reads its command line.
    let words = if matches!(&entry, Entry::Invoke { arguments, .. } if !arguments.is_empty()) { &[] } else { words };
    let memory = engine.memory_limit();
    let context = || world::context(&args, words, inherited, limits::wasi(&args, &memory));
    let context = Arc::new(deadline.prepare("what the program is given was opened", context)?);
    let stats = Stats::wanted(&args, deadline, loadings.into_inner(), &memory, &context).map(Arc::new);
    let said_last = limits::Said::of(&args, &memory, &context);
    let program = (main.name.as_str(), main.module.content());
    let recorded = recording.map(|recording| recording.prepare(&args, &context, &memory, program)).transpose()?;
    let helpers = Arc::new(later::begin(slow.into_inner(), &args, &engine));
    let (max_threads, fuel) = (args.max_threads, args.fuel);
    let grace = if args.write_policy.is_some() { Epilogue::WRITTEN } else { Epilogue::SAID };
    let confine = {
        let (engine, context) = (engine.clone(), context.clone());
        move || {
            // What this process makes from now on gets into no later run.
            engine.close_cache();
            limits::limit_files(&args)?;
            confine::confine(&args, &engine, &context)?;
            engine.begin_background_work();
            Ok(())
        }
    };
    let mut own = recorded.as_ref().map(Finish::descriptors).unwrap_or_default();
    own.extend(helpers.iter().map(Helper::descriptor));
    let say = {
        let (stats, helpers) = (stats.clone(), helpers.clone());
        move |end| {
            helpers.iter().for_each(Helper::tell);
            // What is written is not held up by who does not read.
            recorded.iter().for_each(|recorded| recorded.write(end));
            said_last.say(end);
            if let Some(stats) = &stats {
                stats.write();
            }
            recorded.iter().for_each(|recorded| recorded.explain(end));
        }
    };
    let epilogue = Epilogue { own, grace, say: Box::new(say) };
    let program =
        Program { engine, main, preloads, entry, memory, stats, no_threads, max_threads, fuel, record, _helpers: helpers };
    supervise::supervise(deadline, confine, epilogue, move |control| program.run(linker, context, control))
}

fn config(args: &RunArgs) -> Result<Config, Failure> {
    let config = load::config(&args.compiler).cache(load::cache(args.cache.as_deref())).max_memory(limits::memory(args));
    // How much memory code takes, and how deep calls may go, follows from the input alone.
    let lazy = args.validate == Validate::Lazy && args.compiler.calls != Some(CallStyle::Direct) && !args.deterministic;
    let config = config
        .max_table(args.max_table)
        .private_code(args.max_file_size.is_some())
        .lazy(lazy.then_some(args.lazy_from))
        .hold_background(true)
        .sampling(!args.deterministic)
        .debugger(args.debugger)
        .perf_map(args.profile == Some(Profile::PerfMap));
    let size = args.stack_size;
    if !(MIN_STACK..=MAX_STACK).contains(&size) {
        let message = format!("--stack-size: {size} bytes are out of range: {MIN_STACK} (64K) to {MAX_STACK} (4G)");
        return Err(Failure::usage(message));
    }
    Ok(config.stack_size(size as usize))
}

/// Says why there is no use of the cache: always where the user chose its directory, else to a person who may
/// wonder why every start takes long, and not into the logs of a machine.
fn warn_of_cache(engine: &Engine, args: &RunArgs) {
    if let Some(problem) = engine.cache_problem() {
        if args.cache.is_some() {
            report::warn(problem);
        } else if std::io::stderr().is_terminal() {
            report::warn(&format!("{problem}; {}--cache off disables it", load::another_cache(problem)));
        }
    }
}

/// Room for a few frames, so that even a small program starts.
const MIN_STACK: u64 = 64 << 10;
/// Beyond it is a slip.
const MAX_STACK: u64 = 4 << 30;

/// A module and what messages call it.
struct Loaded {
    name: String,
    module: Module,
}

/// What is called when everything is instantiated.
enum Entry {
    /// `_start`.
    Start,
    /// An export with its arguments, after `_initialize`.
    Invoke { name: String, arguments: Vec<Val>, results: usize },
}

fn functions(module: &Module) -> Vec<(String, FuncType)> {
    let func = |e: sconce_engine::ExportType| if let ExternType::Func(ty) = e.ty { Some((e.name, ty)) } else { None };
    module.exports().filter_map(func).collect()
}

fn has_function(module: &Module, name: &str) -> bool {
    functions(module).iter().any(|(n, _)| n == name)
}

fn entry(main: &Loaded, invoke: Option<&str>, texts: &[OsString]) -> Result<Entry, Failure> {
    let functions = functions(&main.module);
    let find = |name: &str| functions.iter().find(|(n, _)| n == name).map(|(_, ty)| ty);
    let Some(name) = invoke else {
        return match find("_start") {
            Some(ty) if ty.params.is_empty() && ty.results.is_empty() => Ok(Entry::Start),
            Some(ty) => Err(Failure::not_run(format!("{}: _start is {ty} where () -> () is needed", main.name))),
            None => Err(Failure::not_run(no_start(main, &functions, texts))),
        };
    };
    let Some(ty) = find(name) else {
        let names = functions.iter().map(|(n, _)| n.as_str());
        let mut message = format!("--invoke: {} exports no function {}", main.name, quoted(name));
        if let Some(near) = nearest(name, names) {
            let _ = write!(message, " (did you mean {}?)", quoted(near));
        }
        list(&mut message, &functions);
        return Err(Failure::usage(message));
    };
    let texts = if ty.params.is_empty() { &[] } else { texts };
    let arguments = invoke::parse_arguments(ty, texts)
        .map_err(|why| Failure::usage(format!("--invoke {}: {why}; its type is {ty}", Shown::short(name))))?;
    Ok(Entry::Invoke { name: name.to_owned(), arguments, results: ty.results.len() })
}

/// `words` are those after the module.
fn no_start(main: &Loaded, functions: &[(String, FuncType)], words: &[OsString]) -> String {
    let mut text = format!("{}: there is no _start function to run", main.name);
    if words.iter().any(|word| word == "--invoke" || word.as_bytes().starts_with(b"--invoke=")) {
        text.push_str(" ('--invoke' after the module went to the program; options come before it)");
    }
    if functions.is_empty() {
        text.push_str(", and no other function is exported");
    } else {
        text.push_str("; choose another export with --invoke NAME");
        list(&mut text, functions);
    }
    text
}

/// Exports that a message lists.
const MAX_LISTED: usize = 50;

fn list(text: &mut String, functions: &[(String, FuncType)]) {
    if !functions.is_empty() {
        text.push_str("; it exports:");
    }
    for (name, ty) in functions.iter().take(MAX_LISTED) {
        let ty = ty.to_string();
        let _ = write!(text, "\n  {}: func {}", quoted(name), Shown::short(&ty));
    }
    if functions.len() > MAX_LISTED {
        let _ = write!(text, "\n  and {} more, which 'sconce inspect' lists", functions.len() - MAX_LISTED);
    }
}

fn starts_threads(module: &Module) -> bool {
    module.imports().any(|i| (i.module.as_str(), i.name.as_str()) == THREAD_SPAWN)
}

/// Why `--fuel` refuses a program that starts threads.
const NO_THREADS: &str = "it starts threads, and what threads do is not the same in each run, so that --fuel cannot count it; leave out \
                          --fuel (--timeout TIME ends a program after a time)";

/// Has a program find out that there are no threads if it starts one, as it does where there can be no more.
fn refuse_threads(linker: &mut Linker<Arc<WasiCtx>>, name: &str) -> Result<(), Failure> {
    let (name, said) = (name.to_owned(), Once::new());
    let refuse = move |_: i32| -> i32 {
        said.call_once(|| {
            report::warn(&format!(
                "{name}: it cannot start a thread: the order in which threads run is no input; omit --deterministic to have them"
            ));
        });
        THREADS_REFUSED
    };
    linker.func_wrap(THREAD_SPAWN.0, THREAD_SPAWN.1, refuse).map(drop).map_err(|e| Failure::not_run(e.to_string()))
}

/// Whether a program that starts threads can: each of them has an instance of its own.
fn check_threads(main: &Loaded, preloads: &[(String, Loaded)]) -> Result<(), Failure> {
    let has_start = functions(&main.module)
        .iter()
        .any(|(name, ty)| name == THREAD_START && *ty.params == [ValType::I32, ValType::I32] && ty.results.is_empty());
    if !has_start {
        let message = format!("{}: it starts threads, but has no function {THREAD_START}: (i32, i32) -> ()", main.name);
        return Err(Failure::not_run(message));
    }
    // Every instance has what its module defines for itself: only what is imported is shared.
    let environ = main.module.environ();
    let defines_memory = environ.memories.len() > environ.num_imported_memories as usize;
    if defines_memory && !main.module.imports().any(|i| is_shared_memory(&i)) {
        return Err(Failure::not_run(format!(
            "{}: it starts threads, but defines its memory, so that they would not share it; link it with \
             --import-memory, --shared-memory and --max-memory=BYTES",
            main.name
        )));
    }
    match main.module.imports().find(|i| preloads.iter().any(|(name, _)| *name == i.module)) {
        None => Ok(()),
        Some(import) => Err(Failure::not_run(format!(
            "{}: it starts threads, so it cannot import {} {} from a module of --preload",
            main.name,
            quoted(&import.module),
            quoted(&import.name)
        ))),
    }
}

/// A shared memory that a program imports is one that its threads have in common: it is made for it.
fn is_shared_memory(import: &ImportType) -> bool {
    matches!(import.ty, ExternType::Memory(ty) if ty.shared)
}

/// Looks for imports that neither the host nor an earlier preload gives. Where the user wants that, something stands in for them.
fn check_imports(
    linker: &mut Linker<Arc<WasiCtx>>,
    main: &Loaded,
    preloads: &[(String, Loaded)],
    how: UnknownImports,
) -> Result<(), Failure> {
    let mut provided = Provided::default();
    // What stands in for an import is nothing that another one can be a slip of.
    let mut stood_in = HashSet::new();
    let mut check = |loaded: &Loaded, provided: &Provided| {
        let mut missing = linker.unresolved(&loaded.module);
        missing.retain(|i| !is_shared_memory(i));
        if !missing.is_empty() {
            let known: HashSet<(&str, &str)> = provided.names.iter().map(|(m, n)| (m.as_str(), n.as_str())).collect();
            missing.retain(|i| !known.contains(&(i.module.as_str(), i.name.as_str())));
        }
        if std::ptr::eq(loaded, main) {
            missing.retain(|i| (i.module.as_str(), i.name.as_str()) != THREAD_SPAWN);
        }
        let stands_in = |i: &ImportType| unknown::can_stand_in(how, i) && !preloads.iter().any(|(name, _)| *name == i.module);
        for import in missing.extract_if(.., |i| stands_in(i)) {
            // A module may import one function twice.
            let is_there = linker.names().any(|name| name == (import.module.as_str(), import.name.as_str()));
            if !is_there {
                unknown::stand_in(linker, how, &import).map_err(|e| load::wrong(&loaded.name, &e))?;
                stood_in.insert((import.module, import.name));
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        let mut names: Vec<_> = linker.names().map(|(m, n)| (m.to_owned(), n.to_owned())).collect();
        names.retain(|name| !stood_in.contains(name));
        names.extend(provided.names.iter().cloned());
        let known = Provided { names, preloads: provided.preloads.clone() };
        Err(Failure::not_run(imports::message(&loaded.name, &missing, &known)))
    };
    for (name, preload) in preloads {
        if provided.preloads.contains(name) {
            return Err(Failure::usage(format!("--preload: the name '{}' is given twice", Shown::short(name))));
        }
        check(preload, &provided)?;
        provided.names.extend(preload.module.exports().map(|e| (name.clone(), e.name)));
        provided.preloads.push(name.clone());
    }
    check(main, &provided)?;
    if starts_threads(&main.module) { check_threads(main, preloads) } else { Ok(()) }
}

/// Everything that the guest's thread needs.
struct Program {
    engine: Engine,
    main: Loaded,
    preloads: Vec<(String, Loaded)>,
    entry: Entry,
    /// It starts threads, and cannot.
    no_threads: bool,
    memory: MemoryLimit,
    stats: Option<Arc<Stats>>,
    max_threads: usize,
    record: Option<Record>,
    fuel: Option<u64>,
    /// They end soon after this process, which keeps their pipes open.
    _helpers: Arc<Vec<Helper>>,
}

impl Program {
    fn run(self, mut linker: Linker<Arc<WasiCtx>>, context: Arc<WasiCtx>, control: &Arc<Control>) -> End {
        let mut store = match Store::with_memory_limit(&self.engine, context, &self.memory) {
            Ok(store) => store,
            Err(error) => return print(&self.engine, Err(Stopped { name: self.main.name.clone(), error })),
        };
        if let Some(fuel) = self.fuel {
            store.set_fuel(fuel);
        }
        let threads = (!self.no_threads && starts_threads(&self.main.module)).then(|| self.threads(control));
        if let (Some(threads), Some(stats)) = (&threads, &self.stats) {
            stats.watch(threads);
        }
        if let (Some(threads), Some(record)) = (&threads, &self.record) {
            threads.record(record.clone());
        }
        let result = self.execute(&mut linker, &mut store, control, threads.as_ref());
        if let (Some(stats), Some(fuel)) = (&self.stats, store.fuel_used()) {
            stats.spent(fuel);
        }
        if !control.claim() {
            // Another thread of the guest's ends the process.
            loop {
                std::thread::park();
            }
        }
        let end = conclude(control, &self.main.module, result);
        if let (Reason::Signal(SIGQUIT), Some(threads)) = (control.ending(), &threads) {
            // Each of them says where it is.
            threads.stop();
        }
        // The process ends: unmapping and closing one by one is work that the kernel does better.
        std::mem::forget((store, linker, threads, self));
        end
    }

    /// Gives the results as they are printed.
    fn execute(
        &self,
        linker: &mut Linker<Arc<WasiCtx>>,
        store: &mut Store<Arc<WasiCtx>>,
        control: &Arc<Control>,
        threads: Option<&Threads<Arc<WasiCtx>>>,
    ) -> Result<Vec<String>, Stopped> {
        let blame = |loaded: &Loaded| {
            let name = loaded.name.clone();
            move |error| Stopped { name, error }
        };
        let main = &self.main;
        self.define_shared_memories(linker, store).map_err(blame(main))?;
        if let Some(threads) = threads {
            threads.add_to_linker(linker).map_err(blame(main))?;
        }
        control.begin(store.interrupt_handle());
        for (name, preload) in &self.preloads {
            let instance = linker.instantiate(&mut *store, &preload.module).map_err(blame(preload))?;
            if let Some(initialize) = instance.get_func(&mut *store, "_initialize") {
                initialize.call(&mut *store, &[], &mut []).map_err(blame(preload))?;
            }
            linker.instance(&mut *store, name, instance).map_err(blame(preload))?;
        }
        let instance = linker.instantiate(&mut *store, &main.module).map_err(blame(main))?;
        let (name, arguments, results) = match &self.entry {
            Entry::Start => ("_start", &[][..], 0),
            Entry::Invoke { name, arguments, results } => {
                if name != "_initialize" && has_function(&main.module, "_initialize") {
                    let initialize = instance.get_func(&mut *store, "_initialize");
                    initialize.map_or(Ok(()), |f| f.call(&mut *store, &[], &mut [])).map_err(blame(main))?;
                }
                (name.as_str(), arguments.as_slice(), *results)
            }
        };
        let mut values = vec![Val::I32(0); results];
        // The export was found before anything ran.
        if let Some(function) = instance.get_func(&mut *store, name) {
            function.call(&mut *store, arguments, &mut values).map_err(blame(main))?;
        }
        Ok(values.iter().map(|v| invoke::Shown::new(v, store).to_string()).collect())
    }

    /// Makes the shared memories that are imported and come from nowhere else.
    fn define_shared_memories(&self, linker: &mut Linker<Arc<WasiCtx>>, store: &mut Store<Arc<WasiCtx>>) -> Result<(), Error> {
        for loaded in self.preloads.iter().map(|(_, loaded)| loaded).chain([&self.main]) {
            for import in linker.unresolved(&loaded.module).into_iter().filter(is_shared_memory) {
                let ExternType::Memory(ty) = import.ty else { continue };
                let here = linker.names().any(|name| name == (import.module.as_str(), import.name.as_str()));
                if here || self.preloads.iter().any(|(name, _)| *name == import.module) {
                    continue;
                }
                let memory = Memory::new(&mut *store, ty)?;
                if let Some(memory) = memory.shared(&*store) {
                    linker.define_shared(&import.module, &import.name, &memory)?;
                }
            }
        }
        Ok(())
    }

    /// The program's other threads. One that does not return ends the process, as the first one would, unless
    /// it was interrupted to say where it is.
    fn threads(&self, control: &Arc<Control>) -> Threads<Arc<WasiCtx>> {
        let (control, module, name) = (control.clone(), self.main.module.clone(), self.main.name.clone());
        Threads::new(&self.main.module, self.max_threads, move |id, error| {
            if control.reason() == Reason::Signal(SIGQUIT) {
                report::complain(&format!("thread {id}{}", backtrace(&error)));
            } else if control.claim() {
                let end = conclude(&control, &module, Err(Stopped { name: name.clone(), error }));
                control.end(end)
            }
        })
    }
}

/// Says what there is to say at the end, and how the process ends.
fn conclude(control: &Control, main: &Module, result: Result<Vec<String>, Stopped>) -> End {
    let reason = control.ending();
    let end = finish(reason, main.engine(), result);
    if reason == Reason::None {
        main.note_use();
        main.engine().finish_background_work();
    }
    end
}
