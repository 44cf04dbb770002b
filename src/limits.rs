//! What a program may use, beside time: flags to limits, and what is said of those that it has met.

use crate::cli::RunArgs;
use crate::machine;
use crate::report::{self, End, Failure, reason};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use sconce_engine::MemoryLimit;
use sconce_wasi::{Limits, WasiCtx};
use std::sync::Arc;

/// Bytes of memory for the program, if there is a limit.
pub fn memory(args: &RunArgs) -> Option<u64> {
    args.max_memory.or_else(machine::memory)
}

/// What WASI is told of them.
pub fn wasi(args: &RunArgs, memory: &MemoryLimit) -> Limits {
    // What has no limit is counted for who wants to know.
    let counted = args.stats.map(|_| u64::MAX);
    Limits {
        descriptors: args.max_fds,
        output: args.max_output.or(counted),
        written: args.max_written.or(counted),
        memory: memory.clone(),
    }
}

/// Has the kernel hold the limit on sizes of files from now on: nothing that this process is made to do goes beyond it.
///
/// # Errors
/// What the kernel says.
pub fn limit_files(args: &RunArgs) -> Result<(), Failure> {
    let Some(most) = args.max_file_size else { return Ok(()) };
    let least = |limit: Option<u64>| Some(limit.map_or(most, |limit| limit.min(most)));
    let Rlimit { current, maximum } = getrlimit(Resource::Fsize);
    setrlimit(Resource::Fsize, Rlimit { current: least(current), maximum: least(maximum) })
        .map_err(|e| Failure::not_run(format!("--max-file-size: {}", reason(&e.into()))))
}

/// What is said of limits at the end of a run that did not go well.
#[derive(Debug)]
pub struct Said {
    memory: MemoryLimit,
    context: Arc<WasiCtx>,
    fds: Option<usize>,
    written: Option<u64>,
    file_size: Option<u64>,
}

impl Said {
    /// Of these limits.
    pub fn of(args: &RunArgs, memory: &MemoryLimit, context: &Arc<WasiCtx>) -> Said {
        Said {
            memory: memory.clone(),
            context: context.clone(),
            fds: args.max_fds,
            written: args.max_written,
            file_size: args.max_file_size,
        }
    }

    /// A line for each limit that refused the program something, unless it could do without.
    pub fn say(&self, end: End) {
        if end == End::Exit(0) {
            return;
        }
        let (memory, usage) = (&self.memory, self.context.usage());
        let bytes = |n: u64| format!("{n} bytes");
        let rows = [
            (memory.has_refused(), "memory", "--max-memory", memory.bytes().map(bytes)),
            (memory.has_refused_elements(), "elements of a table", "--max-table", Some(memory.table_elements().to_string())),
            (usage.descriptors_refused, "open files", "--max-fds", self.fds.map(|n| n.to_string())),
            (usage.written_refused, "bytes in files", "--max-written", self.written.map(bytes)),
            (
                usage.file_size_refused && self.file_size.is_some(),
                "bytes in a file",
                "--max-file-size",
                self.file_size.map(bytes),
            ),
        ];
        for (_, what, flag, most) in rows.into_iter().filter(|(met, ..)| *met) {
            let most = most.map(|most| format!(", {most}")).unwrap_or_default();
            report::note(&format!("the program was refused more {what} ({flag}{most})"));
        }
    }
}
