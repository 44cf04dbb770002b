//! The `sconce` binary: one file a subcommand, wiring only.
#![forbid(unsafe_code)]

mod capabilities;
mod cli;
mod compile;
mod completions;
mod disas;
mod imports;
mod inspect;
mod invoke;
mod load;
mod man;
mod progress;
mod report;
mod run;
mod stdio;
mod supervise;
mod values;
mod wast;
mod world;

use clap::Parser;
use cli::{Cli, Command};
use report::{End, Failure};

/// Modules and their code are megabytes that are written once.
#[global_allocator]
static ALLOCATOR: sconce_engine::LargePages = sconce_engine::LargePages;

fn main() {
    sconce_engine::no_core();
    // What is written beyond a limit on file sizes is an error (EFBIG), to us as to the guest.
    sconce_engine::ignore(signal_hook::consts::SIGXFSZ);
    let args = match cli::with_run(std::env::args_os().collect()) {
        Ok(args) => args,
        Err(unknown) => fail(&Failure::usage(unknown.to_string())),
    };
    let log = |filter: &Option<String>| {
        if let Some(filter) = filter {
            env_logger::Builder::new().parse_filters(filter).init();
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
        Command::Inspect(args) => inspect::inspect(&args),
        Command::Disas(args) => disas::disas(&args),
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
