//! The `sconce` binary: one file a subcommand, wiring only.
#![forbid(unsafe_code)]

mod adopt;
mod cache;
mod cached;
mod calls;
mod capabilities;
mod cli;
mod compile;
mod complete;
mod completions;
mod confine;
mod deadline;
mod denials;
mod disas;
mod imports;
mod inspect;
mod invoke;
mod later;
mod limits;
mod load;
mod logging;
mod machine;
mod man;
mod outcome;
mod policy;
mod progress;
mod record;
mod replace;
mod report;
mod run;
mod stats;
mod stdio;
mod supervise;
mod trace;
mod units;
mod unknown;
mod validate;
mod values;
mod wast;
mod world;

use cli::{CacheCommand, Command, Refused};
use report::{End, Failure};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Modules and their code are megabytes that are written once.
#[global_allocator]
static ALLOCATOR: sconce_engine::LargePages = sconce_engine::LargePages;

/// What a first thread's stack usually has.
const STACK: u64 = 8 << 20;

fn main() {
    sconce_engine::no_core();
    // What is written beyond a limit on file sizes is an error (EFBIG), to us as to the guest.
    sconce_engine::ignore(signal_hook::consts::SIGXFSZ);
    sconce_engine::name_lack_of_memory();
    if sconce_engine::stack_limit().is_some_and(|limit| limit < STACK) && !raise_stack_limit() {
        // The limit (`ulimit -s`) is on the first thread's stack alone.
        let thread = std::thread::Builder::new().name("main".into()).stack_size(STACK as usize).spawn(|| execute());
        match thread.map(std::thread::JoinHandle::join) {
            // It ends the process, unless it panics, which has been reported where it happened.
            Ok(_) => End::Exit(101).now(),
            Err(e) => fail(&Failure::not_run(format!(
                "the stack is limited (ulimit -s), and a thread with a larger one cannot be had: {}",
                report::reason(&e)
            ))),
        }
    }
    execute()
}

/// Raises the limit on this thread's stack, as far as the user may: it grows as it is used.
fn raise_stack_limit() -> bool {
    let limit = getrlimit(Resource::Stack);
    let may = limit.maximum.is_none_or(|maximum| maximum >= STACK);
    may && setrlimit(Resource::Stack, Rlimit { current: Some(STACK), ..limit }).is_ok()
}

/// Does what the command line says, and ends the process.
fn execute() -> ! {
    let args: Vec<_> = std::env::args_os().collect();
    if let Some((_, words)) = args.get(1..).and_then(|args| args.split_first()).filter(|(first, _)| *first == complete::COMMAND) {
        end(complete::complete(words))
    }
    if let Some((_, words)) = args.get(1..).and_then(|args| args.split_first()).filter(|(first, _)| *first == replace::COMMAND) {
        end(replace::replace(words))
    }
    let cli = match cli::command_line(args, std::env::var_os(cli::OPTIONS)) {
        Ok(cli) => cli,
        Err(Refused::Parser(said)) if said.use_stderr() => said.exit(),
        // Help, or the version, which somebody wants to have.
        Err(Refused::Parser(said)) => end(report::write(|_| said.print())),
        Err(Refused::Other(failure)) => fail(&failure),
    };
    let result = match cli.command {
        Command::Run(args) => {
            args.log.start();
            run::run(*args).map(|never| match never {})
        }
        Command::Compile(args) => {
            args.log.start();
            compile::compile(&args)
        }
        Command::Wast(args) => {
            args.log.start();
            wast::wast(&args)
        }
        Command::Validate(args) => validate::validate(&args),
        Command::Inspect(args) => inspect::inspect(&args),
        Command::Disas(args) => disas::disas(&args),
        Command::Cache(args) => {
            let log = match &args.command {
                CacheCommand::Ls(args) => &args.which.log,
                CacheCommand::Stats(args) => &args.which.log,
                CacheCommand::Clean(args) => &args.which.log,
                CacheCommand::Warm(args) => &args.log,
            };
            log.start();
            cache::cache(&args)
        }
        Command::Completions(args) => completions::completions(&args),
        Command::Man => man::man(),
    };
    end(result)
}

fn end(result: Result<(), Failure>) -> ! {
    match result {
        // At once: nothing is left to be flushed or joined, and unmapping is the kernel's work.
        Ok(()) => End::Exit(0).now(),
        Err(failure) => fail(&failure),
    }
}

fn fail(failure: &Failure) -> ! {
    report::error(&failure.message);
    End::Exit(failure.code).now()
}
