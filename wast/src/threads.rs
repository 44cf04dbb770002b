//! `(thread $name (shared (module $m)) directive*)` and `(wait $name)`, of the threads proposal: a thread runs its directives in
//! a store of its own, which has of the script's store no more than the shared memories that `$m` exports.

use crate::forms::{self, Form};
use crate::script::Script;
use crate::{Options, Report};
use sconce_engine::{Engine, SharedMemory};
use std::thread::JoinHandle;

/// A module's exports that another store can have, by name.
pub(crate) type Exports = Vec<(String, SharedMemory)>;

/// The threads that a script has started and not waited for.
#[derive(Default)]
pub(crate) struct Threads(Vec<(String, JoinHandle<Report>)>);

/// What a thread begins with.
pub(crate) struct Start {
    /// Its name in the script.
    pub name: String,
    /// The shared module's name there, and what of it is shared.
    pub shared: Option<(String, Exports)>,
}

impl Threads {
    /// Starts a thread on what is inside of `form`, which stands in the script `text` of this file name.
    pub(crate) fn start(
        &mut self,
        start: Start,
        engine: &Engine,
        options: &Options,
        file: &str,
        text: &str,
        form: &Form<'_>,
    ) -> std::io::Result<()> {
        let (engine, options, file) = (engine.clone(), options.clone(), file.to_owned());
        let text = text[..form.offset + form.text.len() - 1].to_owned();
        let inside = form.offset + forms::first_inside(form.text);
        let shared = start.shared;
        let builder = std::thread::Builder::new().name(format!("script {}", start.name));
        let handle = builder.spawn(move || {
            let mut report = Report { name: file.clone(), passed: 0, failures: Vec::new() };
            match Script::new(&engine, &options) {
                Ok(mut script) => {
                    let skip = usize::from(shared.is_some());
                    script.share(shared);
                    for form in forms::split(&text[inside..]).0.iter().skip(skip) {
                        let form = Form { offset: inside + form.offset, ..*form };
                        script.run_form(&form, &file, &text, &mut report);
                    }
                    script.join_all(&mut report);
                }
                Err(e) => report.failures.push(crate::script::no_store(&e, &file, &text, inside)),
            }
            report
        })?;
        self.0.push((start.name, handle));
        Ok(())
    }

    /// Waits for a thread's end and gives what became of its directives. `None` if no thread has the name.
    pub(crate) fn wait(&mut self, name: &str) -> Option<Report> {
        let position = self.0.iter().position(|(n, _)| n == name)?;
        Some(join(self.0.remove(position).1))
    }

    /// Waits for all that are left.
    pub(crate) fn wait_for_all(&mut self) -> impl Iterator<Item = Report> {
        self.0.drain(..).map(|(_, handle)| join(handle))
    }
}

fn join(handle: JoinHandle<Report>) -> Report {
    handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
