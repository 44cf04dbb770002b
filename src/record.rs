//! What is said and written of what a program used and was denied, when it ends: `--explain-denials`, `--write-policy`.

use crate::cli::{Confine, Explain, RunArgs};
use crate::denials::Given;
use crate::load;
use crate::policy::Draft;
use crate::replace::Replacement;
use crate::report::{self, End, Failure, reason};
use rustix::fd::{AsFd, AsRawFd};
use sconce_engine::MemoryLimit;
use sconce_environ::shown;
use sconce_wasi::{Access, Record, WasiCtx};
use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::RawFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

/// A record of a run that somebody wants to hear of.
pub struct Recording {
    record: Record,
    given: Given,
    explain: Option<(Explain, Arc<Stderr>)>,
}

/// Standard error, which the program may close for itself.
#[derive(Debug)]
struct Stderr(File);

impl Stderr {
    fn say(&self, line: &str) {
        // What cannot be written is lost.
        let _ = (&self.0).write_all(format!("{}\n", shown::lines(line, usize::MAX)).as_bytes());
    }
}

impl Recording {
    /// Begins one, if it is wanted.
    ///
    /// # Errors
    /// When there is no standard error to explain on.
    pub fn begin(args: &RunArgs) -> Result<Option<Recording>, Failure> {
        let given = Given::new(args);
        let explain = args.explain_denials.map(|when| Ok((when, Arc::new(stderr()?)))).transpose()?;
        if explain.is_none() && args.write_policy.is_none() {
            return Ok(None);
        }
        let at_once = explain.clone().filter(|(when, _)| *when == Explain::AtOnce).map(|(_, stderr)| {
            let given = given.clone();
            Box::new(move |denial: &_| stderr.say(&format!("denied: {}", given.line(denial)))) as Box<dyn Fn(&_) + Send + Sync>
        });
        let not_as_root = args.confine == Confine::Require && rustix::process::geteuid().is_root();
        Ok(Some(Recording { record: Record::new(at_once, not_as_root), given, explain }))
    }

    /// For the functions that the program calls.
    pub fn record(&self) -> Record {
        self.record.clone()
    }

    /// Prepares all that is done at the end, while files can be opened. `program` is its name, for people, and its hash, if that
    /// is known.
    ///
    /// # Errors
    /// When the policy's file cannot be written, or could be by the program.
    pub fn prepare(
        self,
        args: &RunArgs,
        context: &WasiCtx,
        memory: &MemoryLimit,
        program: (&str, Option<[u8; 32]>),
    ) -> Result<Finish, Failure> {
        let Recording { record, given, explain } = self;
        let policy = match &args.write_policy {
            Some(path) => Some(open(path, context).map(|file| (file, Draft::new(args, path, program), load::path_name(path)))?),
            None => None,
        };
        Ok(Finish { record, given, explain, policy, memory: memory.clone() })
    }
}

/// What is written and said of a record at the end.
pub struct Finish {
    record: Record,
    given: Given,
    explain: Option<(Explain, Arc<Stderr>)>,
    policy: Option<(Replacement, Draft, String)>,
    memory: MemoryLimit,
}

impl Finish {
    /// The descriptors that this uses.
    pub fn descriptors(&self) -> Vec<RawFd> {
        let policy = self.policy.as_ref().map(|(file, ..)| file.descriptors()).into_iter().flatten();
        policy.chain(self.explain.as_ref().map(|(_, stderr)| stderr.0.as_raw_fd())).collect()
    }

    /// Writes the policy.
    pub fn write(&self, end: End) {
        let Some((file, draft, name)) = &self.policy else { return };
        let text = draft.text(&self.given, &self.record.so_far(), self.memory.peak(), end);
        if let Err(error) = file.write(text.as_bytes()) {
            report::warn(&format!("--write-policy {name}: {}; no policy is written", reason(&error)));
        }
    }

    /// Explains what was denied.
    pub fn explain(&self, end: End) {
        let Some((when, stderr)) = &self.explain else { return };
        let (recorded, failed) = (self.record.so_far(), end != End::Exit(0));
        let memory = self.memory.bytes().filter(|_| self.memory.has_refused());
        let lines = match when {
            Explain::AtExit => self.given.summary(&recorded, memory, failed),
            Explain::AtOnce => self.given.rest(&recorded, memory, failed),
        };
        lines.iter().for_each(|line| stderr.say(line));
    }
}

fn stderr() -> Result<Stderr, Failure> {
    let failed = |why: &str| Failure::not_run(format!("--explain-denials: standard error: {why}"));
    if sconce_engine::closed_at_start()[2] {
        return Err(failed("it is closed"));
    }
    let copy = io::stderr().as_fd().try_clone_to_owned().map_err(|e| failed(&reason(&e)))?;
    Ok(Stderr(copy.into()))
}

fn open(path: &Path, context: &WasiCtx) -> Result<Replacement, Failure> {
    let failed = |why: String| Failure::not_run(format!("--write-policy {}: {why}", load::path_name(path)));
    if path.as_os_str() == "-" {
        return Err(failed("standard output is the program's; write ./- for a file of that name".to_owned()));
    }
    Replacement::prepare(path, |directory| out_of_reach(directory, context)).map_err(failed)
}

/// Fails if the program could write in a directory: it would say itself what it may have.
fn out_of_reach(directory: &Path, context: &WasiCtx) -> Result<(), String> {
    let writable: HashSet<(u64, u64)> = context.with_given(|directories, _| {
        let writable = directories.into_iter().filter(|(_, access)| *access == Access::ReadWrite);
        writable.filter_map(|(fd, _)| rustix::fs::fstat(fd).ok()).map(|stat| (stat.st_dev, stat.st_ino)).collect()
    });
    let within =
        directory.ancestors().find(|above| std::fs::metadata(above).is_ok_and(|m| writable.contains(&(m.dev(), m.ino()))));
    match within {
        None => Ok(()),
        Some(above) => Err(format!(
            "it is in {}, where the program can write; choose a place outside, or give that directory with ':ro'",
            load::path_name(above)
        )),
    }
}
