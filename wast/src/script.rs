//! Execution of directives.

use crate::forms::{self, Form};
use crate::phases::{self, Phase};
use crate::threads::{Exports, Start, Threads};
use crate::values::{self, HostValues};
use crate::{Failure, Options, Report, spectest};
use sconce_engine::environ::trap::TrapCode;
use sconce_engine::{Engine, Error, Extern, Instance, Linker, Module, Store, Val};
use std::collections::HashMap;
use wast::parser::{self, Parse, ParseBuffer, Parser};
use wast::token::{Id, Span};
use wast::{QuoteWat, Wast, WastDirective, WastExecute, WastInvoke, WastRet, Wat};

/// Runs a script: see [`crate::run_script`].
pub(crate) fn run(engine: &Engine, name: &str, text: &str, options: &Options) -> Report {
    let mut report = Report { name: name.into(), passed: 0, failures: Vec::new() };
    let mut script = match Script::new(engine, options) {
        Ok(script) => script,
        Err(e) => {
            report.failures.push(no_store(&e, name, text, 0));
            return report;
        }
    };
    let (forms, broken) = forms::split(text);
    if forms.first().is_some_and(|f| !is_directive(f.keyword)) && broken.is_none() {
        // A file of module fields is one module.
        let whole = Form { offset: 0, text, keyword: "module" };
        script.run_form(&whole, name, text, &mut report);
        return report;
    }
    for form in &forms {
        script.run_form(form, name, text, &mut report);
    }
    script.join_all(&mut report);
    if let Some(broken) = broken {
        let mismatch = Mismatch::new("a sequence of directives", format!("{}; the rest was not run", broken.message));
        report.failures.push(mismatch.at(name, text, broken.offset, &text[broken.offset..]));
    }
    report
}

/// The failure of a script, or of a thread of one, that could not even begin.
pub(crate) fn no_store(e: &Error, file: &str, text: &str, offset: usize) -> Failure {
    Mismatch::new("a store with the module spectest", e.to_string()).at(file, text, offset, &text[offset..])
}

/// Whether a word begins a directive, supported or not.
fn is_directive(word: &str) -> bool {
    word.starts_with("assert_") || matches!(word, "module" | "component" | "register" | "invoke" | "get" | "thread" | "wait")
}

/// What should have happened and what did.
struct Mismatch {
    expected: String,
    got: String,
}

impl Mismatch {
    fn new(expected: impl Into<String>, got: impl Into<String>) -> Mismatch {
        Mismatch { expected: expected.into(), got: got.into() }
    }

    /// A directive that this engine has no use for.
    fn unsupported(what: &str) -> Mismatch {
        Mismatch::new("to be executed", format!("{what} are not there yet"))
    }

    fn at(self, file: &str, text: &str, offset: usize, directive: &str) -> Failure {
        let (line, column) = Span::from_offset(offset).linecol_in(text);
        Failure {
            file: file.into(),
            line: line + 1,
            column: column + 1,
            directive: forms::clip(directive),
            expected: forms::one_line(&self.expected),
            got: forms::one_line(&self.got),
        }
    }
}

/// What one script has built up.
pub(crate) struct Script<'e> {
    engine: &'e Engine,
    options: &'e Options,
    store: Store<()>,
    /// The module `spectest` alone.
    base: Linker<()>,
    /// That, and the registered instances.
    linker: Linker<()>,
    registered: Vec<(String, Instance)>,
    /// What directives without a name mean: the instance of the last module; none if that failed.
    current: Option<Instance>,
    instances: HashMap<String, Instance>,
    /// The last module, instantiated or not.
    definition: Option<Module>,
    definitions: HashMap<String, Module>,
    hosts: HostValues,
    /// What a thread has of the script that started it.
    shared: HashMap<String, Exports>,
    threads: Threads,
}

impl<'e> Script<'e> {
    pub(crate) fn new(engine: &'e Engine, options: &'e Options) -> Result<Script<'e>, Error> {
        let mut store = Store::new(engine, ())?;
        let mut linker = Linker::new(engine);
        spectest::define(&mut store, &mut linker, options.print.clone())?;
        Ok(Script {
            engine,
            options,
            store,
            base: linker.clone(),
            linker,
            registered: Vec::new(),
            current: None,
            instances: HashMap::new(),
            definition: None,
            definitions: HashMap::new(),
            hosts: HostValues::new(),
            shared: HashMap::new(),
            threads: Threads::default(),
        })
    }

    /// Makes a module of another store known, as far as it can be shared.
    pub(crate) fn share(&mut self, module: Option<(String, Exports)>) {
        self.shared.extend(module);
    }

    /// Waits for the threads that nothing has waited for.
    pub(crate) fn join_all(&mut self, report: &mut Report) {
        self.threads.wait_for_all().for_each(|part| report.add(part));
    }

    pub(crate) fn run_form(&mut self, form: &Form<'_>, name: &str, text: &str, report: &mut Report) {
        let result = match form.keyword {
            "thread" => self.start_thread(form, name, text),
            "wait" => self.wait(form).map(|part| report.add(part)),
            "component" => Err(Mismatch::unsupported("components")),
            _ => self.parse_and_execute(form),
        };
        match result {
            Ok(()) => report.passed += 1,
            Err(mismatch) => report.failures.push(mismatch.at(name, text, form.offset, form.text)),
        }
    }

    fn parse_and_execute(&mut self, form: &Form<'_>) -> Result<(), Mismatch> {
        with_directives(form, |directive| self.execute(directive))
    }

    fn start_thread(&mut self, form: &Form<'_>, file: &str, text: &str) -> Result<(), Mismatch> {
        with_directives(form, |directive| {
            let WastDirective::Thread(thread) = directive else { return Err(Mismatch::new("a thread", "another directive")) };
            let shared = match thread.shared_module {
                None => None,
                Some(id) => Some((id.name().to_owned(), self.exports_to_share(id)?)),
            };
            let start = Start { name: thread.name.name().into(), shared };
            self.threads
                .start(start, self.engine, self.options, file, text, form)
                .map_err(|e| Mismatch::new("a thread of the host", e.to_string()))
        })
    }

    fn wait(&mut self, form: &Form<'_>) -> Result<Report, Mismatch> {
        let mut report = None;
        with_directives(form, |directive| {
            let WastDirective::Wait { thread, .. } = directive else { return Err(Mismatch::new("a wait", "another directive")) };
            let none = || Mismatch::new(format!("a thread named ${}", thread.name()), "none, or it was waited for");
            report = Some(self.threads.wait(thread.name()).ok_or_else(none)?);
            Ok(())
        })?;
        report.ok_or_else(|| Mismatch::new("a wait", "nothing"))
    }

    /// What another store can have of an instance, or of what this store has itself of another one's.
    fn exports_to_share(&mut self, id: Id<'_>) -> Result<Exports, Mismatch> {
        if let Some(exports) = self.shared.get(id.name()) {
            return Ok(exports.clone());
        }
        let instance = self.instance(Some(id))?;
        let exports = instance.exports(&mut self.store);
        let shared = |value: Extern| value.memory()?.shared(&self.store);
        Ok(exports.into_iter().filter_map(|(name, value)| Some((name, shared(value)?))).collect())
    }

    fn execute(&mut self, directive: WastDirective<'_>) -> Result<(), Mismatch> {
        match directive {
            WastDirective::Module(mut module) => {
                self.current = None;
                let id = module.name();
                let module = self.define(&mut module, id)?;
                self.instantiate_as(&module, id)
            }
            WastDirective::ModuleDefinition(mut module) => {
                let id = module.name();
                self.define(&mut module, id).map(drop)
            }
            WastDirective::ModuleInstance { instance, module, .. } => {
                self.current = None;
                let module = match module {
                    None => self.definition.clone(),
                    Some(id) => self.definitions.get(id.name()).cloned(),
                };
                let module = module.ok_or_else(|| Mismatch::new("a module to instantiate", "no such module"))?;
                self.instantiate_as(&module, instance)
            }
            WastDirective::Register { name, module: Some(id), .. } if self.shared.contains_key(id.name()) => self
                .register_shared(name, id.name())
                .map_err(|e| Mismatch::new("shared memories under a new name", e.to_string())),
            WastDirective::Register { name, module, .. } => {
                let instance = self.instance(module)?;
                self.register(name, instance).map_err(|e| Mismatch::new("the instance under a new name", e.to_string()))
            }
            WastDirective::Invoke(call) => match self.invoke(&call)? {
                Ok(_) => Ok(()),
                Err(e) => Err(Mismatch::new("a return", describe(&e))),
            },
            WastDirective::AssertReturn { exec, results, .. } => self.assert_return(exec, &results),
            WastDirective::AssertTrap { exec, message, .. } => {
                let outcome = self.perform(exec)?;
                self.check_end(outcome, End::Trap, message)
            }
            WastDirective::AssertExhaustion { call, message, .. } => {
                let outcome = self.invoke(&call)?;
                self.check_end(outcome, End::Exhaustion, message)
            }
            WastDirective::AssertException { exec, .. } => match self.perform(exec)? {
                Ok(values) => Err(Mismatch::new("an exception", values::show_values(&self.store, &values, &[]))),
                Err(Error::Exception(_)) => Ok(()),
                Err(e) => Err(Mismatch::new("an exception", describe(&e))),
            },
            WastDirective::AssertMalformed { mut module, message, .. }
            | WastDirective::AssertMalformedCustom { mut module, message, .. } => match phases::phase(self.engine, &mut module) {
                Phase::Malformed(why) => self.check_message(message, &why),
                other => Err(Mismatch::new(format!("a malformed module: {message}"), other.to_string())),
            },
            WastDirective::AssertInvalid { mut module, message, .. }
            | WastDirective::AssertInvalidCustom { mut module, message, .. } => match phases::phase(self.engine, &mut module) {
                Phase::Invalid(why) => self.check_message(message, &why),
                other => Err(Mismatch::new(format!("an invalid module: {message}"), other.to_string())),
            },
            WastDirective::AssertUnlinkable { module, message, .. } => self.assert_unlinkable(module, message),
            WastDirective::AssertSuspension { .. } => Err(Mismatch::unsupported("suspensions")),
            // `run_form` has taken those that stand where they may.
            WastDirective::Thread(_) | WastDirective::Wait { .. } => Err(Mismatch::new("a directive", "one about threads")),
        }
    }

    /// Compiles a module and remembers it.
    fn define(&mut self, module: &mut QuoteWat<'_>, id: Option<Id<'_>>) -> Result<Module, Mismatch> {
        self.definition = None;
        let compiled = self.compile(module)?;
        self.definition = Some(compiled.clone());
        if let Some(id) = id {
            self.definitions.insert(id.name().into(), compiled.clone());
        }
        Ok(compiled)
    }

    /// Instantiates a module, as the current instance and under its name.
    fn instantiate_as(&mut self, module: &Module, id: Option<Id<'_>>) -> Result<(), Mismatch> {
        let instance =
            self.linker.instantiate(&mut self.store, module).map_err(|e| Mismatch::new("an instance", describe(&e)))?;
        self.current = Some(instance);
        if let Some(id) = id {
            self.instances.insert(id.name().into(), instance);
        }
        Ok(())
    }

    fn compile(&self, module: &mut QuoteWat<'_>) -> Result<Module, Mismatch> {
        let invalid = |why: String| Mismatch::new("a valid module", why);
        let bytes = phases::encode(module).map_err(invalid)?;
        Module::new(self.engine, &bytes).map_err(|e| invalid(e.to_string()))
    }

    /// Makes an instance known to imports. What had the name before is forgotten, exports of other names included.
    fn register(&mut self, name: &str, instance: Instance) -> Result<(), Error> {
        if self.registered.iter().any(|(taken, _)| taken == name) {
            self.registered.retain(|(taken, _)| taken != name);
            self.linker = self.base.clone();
            for (name, instance) in &self.registered {
                self.linker.instance(&mut self.store, name, *instance)?;
            }
        }
        self.linker.instance(&mut self.store, name, instance)?;
        self.registered.push((name.into(), instance));
        Ok(())
    }

    /// Makes the shared memories of another store's module known to imports.
    fn register_shared(&mut self, name: &str, module: &str) -> Result<(), Error> {
        for (export, memory) in &self.shared[module] {
            // In both, as the linker is made anew from its base.
            self.base.define_shared(name, export, memory)?;
            self.linker.define_shared(name, export, memory)?;
        }
        Ok(())
    }

    fn instance(&self, id: Option<Id<'_>>) -> Result<Instance, Mismatch> {
        match id {
            None => {
                self.current.ok_or_else(|| Mismatch::new("a current instance", "none: the last module failed, or there is none"))
            }
            Some(id) => self.instances.get(id.name()).copied().ok_or_else(|| {
                Mismatch::new(format!("an instance named ${}", id.name()), "none: its module failed, or there is none")
            }),
        }
    }

    /// Performs what an assertion is about. The outer error is a directive that makes no sense.
    fn perform(&mut self, exec: WastExecute<'_>) -> Result<Result<Vec<Val>, Error>, Mismatch> {
        match exec {
            WastExecute::Invoke(call) => self.invoke(&call),
            WastExecute::Wat(module) => {
                let module = self.compile(&mut QuoteWat::Wat(module))?;
                Ok(self.linker.instantiate(&mut self.store, &module).map(|_| Vec::new()))
            }
            WastExecute::Get { module, global, .. } => {
                let instance = self.instance(module)?;
                match instance.get_export(&mut self.store, global) {
                    Some(Extern::Global(g)) => Ok(Ok(vec![g.get(&self.store)])),
                    Some(_) => Err(Mismatch::new(format!("an exported global {global:?}"), "another kind of export")),
                    None => Err(Mismatch::new(format!("an exported global {global:?}"), "no such export")),
                }
            }
        }
    }

    fn invoke(&mut self, call: &WastInvoke<'_>) -> Result<Result<Vec<Val>, Error>, Mismatch> {
        let instance = self.instance(call.module)?;
        let func = match instance.get_export(&mut self.store, call.name) {
            Some(Extern::Func(func)) => func,
            Some(_) => return Err(Mismatch::new(format!("an exported function {:?}", call.name), "another kind of export")),
            None => return Err(Mismatch::new(format!("an exported function {:?}", call.name), "no such export")),
        };
        let args = call
            .args
            .iter()
            .map(|arg| values::argument(&mut self.store, &mut self.hosts, arg))
            .collect::<Result<Vec<Val>, String>>()
            .map_err(|e| Mismatch::new("arguments that can be passed", e))?;
        let mut results: Vec<Val> = func.ty(&self.store).results.iter().map(|t| Val::default_for(*t)).collect();
        Ok(func.call(&mut self.store, &args, &mut results).map(|()| results))
    }

    fn assert_return(&mut self, exec: WastExecute<'_>, patterns: &[WastRet<'_>]) -> Result<(), Mismatch> {
        let expected = || values::show_patterns(patterns);
        let values = match self.perform(exec)? {
            Ok(values) => values,
            Err(e) => return Err(Mismatch::new(expected(), describe(&e))),
        };
        let same = values.len() == patterns.len() && values.iter().zip(patterns).all(|(v, p)| values::matches(&self.store, v, p));
        if same { Ok(()) } else { Err(Mismatch::new(expected(), values::show_values(&self.store, &values, patterns))) }
    }

    fn check_end(&self, outcome: Result<Vec<Val>, Error>, end: End, message: &str) -> Result<(), Mismatch> {
        let got = match outcome {
            Ok(values) => values::show_values(&self.store, &values, &[]),
            Err(Error::Trap(trap)) if End::of(trap.code) == end && says(trap.code, message) => return Ok(()),
            Err(e) => describe(&e),
        };
        Err(Mismatch::new(format!("{}: {message}", end.name()), got))
    }

    fn assert_unlinkable(&mut self, module: Wat<'_>, message: &str) -> Result<(), Mismatch> {
        let module = self.compile(&mut QuoteWat::Wat(module))?;
        match self.linker.instantiate(&mut self.store, &module) {
            Ok(_) => Err(Mismatch::new(format!("a link error: {message}"), "an instance")),
            Err(e @ Error::Link(_)) => self.check_message(message, &e.to_string()),
            Err(e) => Err(Mismatch::new(format!("a link error: {message}"), describe(&e))),
        }
    }

    /// Compares messages where options ask for it: the engine's says more around the words that are expected.
    fn check_message(&self, expected: &str, got: &str) -> Result<(), Mismatch> {
        if !self.options.strict_messages || got.contains(expected) {
            Ok(())
        } else {
            Err(Mismatch::new(format!("the message: {expected}"), got))
        }
    }
}

/// Parses a form and hands over its directives.
fn with_directives(form: &Form<'_>, mut execute: impl FnMut(WastDirective<'_>) -> Result<(), Mismatch>) -> Result<(), Mismatch> {
    let unparsed = |e: wast::Error| {
        let (line, column) = e.span().linecol_in(form.text);
        let place = if line == 0 { String::new() } else { format!(" ({line} lines below, column {})", column + 1) };
        Mismatch::new("a directive", format!("{}{place}", e.message()))
    };
    let buffer = ParseBuffer::new_with_lexer(forms::lexer(form.text)).map_err(unparsed)?;
    if matches!(form.keyword, "thread" | "wait") {
        // Words that do not make a `Wast` one of directives.
        return execute(parser::parse::<OneDirective<'_>>(&buffer).map_err(unparsed)?.0);
    }
    let wast = parser::parse::<Wast<'_>>(&buffer).map_err(unparsed)?;
    wast.directives.into_iter().try_for_each(execute)
}

/// A single directive in its parentheses.
struct OneDirective<'a>(WastDirective<'a>);

impl<'a> Parse<'a> for OneDirective<'a> {
    fn parse(parser: Parser<'a>) -> Result<Self, wast::Error> {
        let _registered = ["custom", "producers", "name"].map(|name| parser.register_annotation(name));
        parser.parens(|p| p.parse()).map(OneDirective)
    }
}

/// How wasm code ends otherwise than by returning or an exception: the specification tells a trap from a
/// resource that is used up.
#[derive(Copy, Clone, PartialEq, Eq)]
enum End {
    Trap,
    Exhaustion,
}

impl End {
    fn of(code: TrapCode) -> End {
        if code == TrapCode::StackOverflow { End::Exhaustion } else { End::Trap }
    }

    fn name(self) -> &'static str {
        match self {
            End::Trap => "a trap",
            End::Exhaustion => "exhaustion",
        }
    }
}

/// Whether a trap's message begins as a script says. The reference interpreter adds to some the index of the element, which some
/// scripts write and our messages do not have.
fn says(code: TrapCode, expected: &str) -> bool {
    let message = code.message();
    let about_element = matches!(code, TrapCode::UndefinedElement | TrapCode::UninitializedElement);
    let index = |rest: &str| rest.strip_prefix(' ').is_some_and(|n| n.parse::<u32>().is_ok());
    message.starts_with(expected) || about_element && expected.strip_prefix(message).is_some_and(index)
}

fn describe(e: &Error) -> String {
    match e {
        Error::Trap(trap) => format!("{}: {}", End::of(trap.code).name(), trap.code.message()),
        // Of several imports it has a line each.
        e => e.to_string().lines().map(str::trim).collect::<Vec<_>>().join(" "),
    }
}
