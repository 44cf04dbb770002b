//! The script runner: `.wast` files, the format of the official test suite (reference interpreter, `README.md`, "Scripts"), on
//! the engine's public API.
//!
//! A script is a sequence of directives. Each is parsed and executed by itself; one that fails becomes a [`Failure`] that says
//! where it stands, what it asked for and what came instead, and the next one follows. Nothing in a script makes the runner
//! panic.
//!
//! Directives on things that the engine does not have (components, stack switching) fail and say so by name.
#![forbid(unsafe_code)]

mod forms;
mod phases;
mod script;
mod spectest;
mod threads;
mod values;

use sconce_engine::Engine;
use sconce_engine::environ::shown::{MAX_NAME, Shown, lines};
use std::fmt;
use std::sync::Arc;

/// Takes what a script's `spectest.print*` calls print: a line without its end.
pub type Print = Arc<dyn Fn(&str) + Send + Sync>;

/// How a script is judged.
#[derive(Clone, Default)]
pub struct Options {
    /// Where output of the `spectest` module goes; `None`: nowhere.
    pub print: Option<Print>,
    /// Whether `assert_malformed`, `assert_invalid` and `assert_unlinkable` compare messages too, as traps
    /// always do. Without it a rejection of the right kind is enough: decoders word things differently.
    pub strict_messages: bool,
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options").field("print", &self.print.is_some()).field("strict_messages", &self.strict_messages).finish()
    }
}

/// What became of a script.
#[derive(Clone, Debug)]
pub struct Report {
    /// The script's name, as given.
    pub name: String,
    /// Directives that did what they should.
    pub passed: usize,
    /// The others, in the script's order.
    pub failures: Vec<Failure>,
}

impl Report {
    /// Whether every directive passed.
    pub fn is_success(&self) -> bool {
        self.failures.is_empty()
    }

    /// Adds what became of one of its threads.
    fn add(&mut self, part: Report) {
        self.passed += part.passed;
        self.failures.extend(part.failures);
    }
}

impl fmt::Display for Report {
    /// Every failure, then a line with the counts.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for failure in &self.failures {
            writeln!(f, "{failure}")?;
        }
        write!(f, "{}: {} passed, {} failed", self.name, self.passed, self.failures.len())
    }
}

/// A directive that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The script's name, as given.
    pub file: String,
    /// Line of the directive, from 1.
    pub line: usize,
    /// Column of the directive in bytes, from 1.
    pub column: usize,
    /// The directive's first line, shortened.
    pub directive: String,
    /// What should have happened.
    pub expected: String,
    /// What happened.
    pub got: String,
}

impl fmt::Display for Failure {
    /// Four lines: place, directive, expected, got.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Failure { file, line, column, .. } = self;
        let (directive, expected) = (Shown::new(&self.directive), Shown::new(&self.expected));
        // The engine's messages may have lines, and show names in them as they should be.
        let got = lines(&self.got, MAX_NAME);
        write!(f, "{file}:{line}:{column}: failed\n  {directive}\n  expected: {expected}\n  got:      {got}")
    }
}

/// Runs a script in a store of its own. `name` is what failures call the script.
pub fn run_script(engine: &Engine, name: &str, text: &str, options: &Options) -> Report {
    script::run(engine, name, text, options)
}
