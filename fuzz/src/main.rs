//! `differential run`: generated modules on every engine, until a difference is found or enough were run.

use clap::{Parser, Subcommand};
use rayon::prelude::*;
use sconce_fuzz::case::{Case, Proposals};
use sconce_fuzz::counts::Counts;
use sconce_fuzz::engines::Engine;
use sconce_fuzz::harness::Engines;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

type Fallible<T> = Result<T, Box<dyn std::error::Error>>;

/// Differential fuzzing of Sconce against independent engines.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run cases from where the last run ended.
    Run {
        /// How many to execute.
        #[arg(long, default_value_t = 1000)]
        modules: u64,
        /// Stop after so many seconds.
        #[arg(long, default_value_t = 3600)]
        seconds: u64,
        /// Threads.
        #[arg(long, default_value_t = 1)]
        jobs: usize,
        /// Begin with this seed instead.
        #[arg(long)]
        seed: Option<u64>,
        /// Where totals are kept.
        #[arg(long)]
        counts: Option<PathBuf>,
        /// Where modules that show a difference are written.
        #[arg(long, default_value = "found")]
        found: PathBuf,
        /// Proposals that modules may use, by comma; all of them if not given, none beyond 2.0 if empty.
        #[arg(long, value_parser = proposals)]
        proposals: Option<Proposals>,
    },
    /// Run one case and print what each engine saw.
    One {
        /// Its number.
        seed: u64,
        /// Proposals that modules may use, by comma; all of them if not given, none beyond 2.0 if empty.
        #[arg(long, value_parser = proposals)]
        proposals: Option<Proposals>,
        /// Write the module here.
        #[arg(long)]
        write: Option<PathBuf>,
    },
}

/// What came of one seed.
fn run(engines: &Engines, seed: u64, allowed: Proposals) -> (Counts, Option<String>) {
    let Some(case) = Case::new(seed, allowed) else {
        return (Counts { empty: 1, ..Counts::default() }, None);
    };
    engines.judge(&case)
}

/// Parses `simd,tail_call`.
fn proposals(text: &str) -> Result<Proposals, String> {
    Proposals::named(text.split(',').filter(|name| !name.is_empty()))
        .ok_or_else(|| format!("proposals are {}", Proposals::NAMES.join(", ")))
}

/// Seeds that are run between two writings of the counts.
const CHUNK: u64 = 500;

fn main() -> Fallible<ExitCode> {
    match Cli::parse().command {
        Command::Run { modules, seconds, jobs, seed, counts: file, found, proposals } => {
            let allowed = proposals.unwrap_or(Proposals::all());
            rayon::ThreadPoolBuilder::new().num_threads(jobs).build_global()?;
            let mut counts = file.as_deref().map(Counts::read).transpose()?.unwrap_or_default();
            counts.next_seed = seed.unwrap_or(counts.next_seed);
            let (started, before) = (Instant::now(), counts.executed);
            let engines = Engines::new()?;
            let mut good = true;
            while good && counts.executed - before < modules && started.elapsed() < Duration::from_secs(seconds) {
                let chunk_started = Instant::now();
                let seeds = counts.next_seed..counts.next_seed + CHUNK;
                let results: Vec<_> = seeds.clone().into_par_iter().map(|s| (s, run(&engines, s, allowed))).collect();
                for (seed, (part, difference)) in results {
                    counts.add(&part);
                    if let Some(text) = difference {
                        good = false;
                        counts.differences.push(seed);
                        std::fs::create_dir_all(&found)?;
                        let case = Case::new(seed, allowed).ok_or("the case is gone")?;
                        let path = found.join(format!("{seed}.wasm"));
                        std::fs::write(&path, &case.wasm)?;
                        println!("seed {seed} ({}): {text}\n{:?}", path.display(), case.proposals);
                    }
                }
                counts.next_seed = seeds.end;
                counts.seconds += chunk_started.elapsed().as_secs();
                if let Some(file) = &file {
                    counts.write(file)?;
                }
            }
            println!("{}", serde_json::to_string_pretty(&counts)?);
            Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Command::One { seed, proposals, write } => {
            let allowed = proposals.unwrap_or(Proposals::all());
            let case = Case::new(seed, allowed).ok_or("the generator makes nothing of this seed")?;
            if let Some(path) = write {
                std::fs::write(path, &case.wasm)?;
            }
            println!("{:?}, {} bytes", case.proposals, case.wasm.len());
            let engines = Engines::new()?;
            let peers = [&engines.wasmi as &dyn Engine, &engines.wasmtime].into_iter().filter(|peer| peer.knows(&case));
            let all = peers.chain(engines.sconce.iter().map(|s| s as &dyn Engine));
            for engine in all {
                println!("{}:", engine.name());
                match engine.run(&case) {
                    Ok(outcome) => outcome.iter().for_each(|step| println!("  {step:?}")),
                    Err(e) => println!("  {e}"),
                }
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}
