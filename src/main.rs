//! The `sconce` binary: one file a subcommand, wiring only.
#![forbid(unsafe_code)]

mod cache;
mod capabilities;
mod cli;
mod compile;
mod completions;
mod deadline;
mod disas;
mod imports;
mod inspect;
mod invoke;
mod later;
mod load;
mod man;
mod progress;
mod report;
mod run;
mod stdio;
mod supervise;
mod unknown;
mod validate;
mod values;
mod wast;
mod world;

use clap::Parser;
use cli::{CacheCommand, Cli, Command};
use report::{End, Failure};
use sconce_environ::shown::Shown;
use std::io::Write as _;

/// Modules and their code are megabytes that are written once.
#[global_allocator]
static ALLOCATOR: sconce_engine::LargePages = sconce_engine::LargePages;

/// What a first thread's stack usually has.
const STACK: u64 = 8 << 20;

fn main() {
    sconce_engine::no_core();
    // What is written beyond a limit on file sizes is an error (EFBIG), to us as to the guest.
    sconce_engine::ignore(signal_hook::consts::SIGXFSZ);
    if sconce_engine::stack_limit().is_some_and(|limit| limit < STACK) {
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

/// Does what the command line says, and ends the process.
fn execute() -> ! {
    let args = match cli::with_run(std::env::args_os().collect()) {
        Ok(args) => args,
        Err(unknown) => fail(&Failure::usage(unknown.to_string())),
    };
    let log = |filter: &Option<String>| {
        if let Some(filter) = filter {
            // As it writes by itself, but that what is said may name what is in modules.
            let line = |out: &mut env_logger::fmt::Formatter, record: &log::Record<'_>| {
                let said = record.args().to_string();
                writeln!(out, "[{} {} {}] {}", out.timestamp(), record.level(), record.target(), Shown::new(&said))
            };
            env_logger::Builder::new().format(line).parse_filters(filter).init();
        }
    };
    let result = match Cli::parse_from(args).command {
        Command::Run(args) => {
            log(&args.log);
            run::run(*args).map(|never| match never {})
        }
        Command::Compile(args) => {
            log(&args.log);
            compile::compile(&args)
        }
        Command::Wast(args) => {
            log(&args.log);
            wast::wast(&args)
        }
        Command::Validate(args) => validate::validate(&args),
        Command::Inspect(args) => inspect::inspect(&args),
        Command::Disas(args) => disas::disas(&args),
        Command::Cache(args) => {
            let CacheCommand::Warm(warm) = &args.command;
            log(&warm.log);
            cache::cache(&args)
        }
        Command::Completions(args) => completions::completions(&args),
        Command::Man => man::man(),
    };
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
