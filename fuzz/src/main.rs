//! `differential run`: generated modules on every engine, until a difference is found or enough were run.

use clap::{Args, Parser, Subcommand};
use rayon::prelude::*;
use sconce_fuzz::attack::campaign::{self, Totals};
use sconce_fuzz::attack::{self, Target};
use sconce_fuzz::case::{Case, Generator, Proposals};
use sconce_fuzz::counts::Counts;
use sconce_fuzz::engines::Engine;
use sconce_fuzz::export;
use sconce_fuzz::harness::Engines;
use sconce_fuzz::supervise::{self, End};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

type Fallible<T> = Result<T, Box<dyn std::error::Error>>;

/// Differential fuzzing of Sconce against independent engines.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// Which cases.
#[derive(Args, Copy, Clone)]
struct Cases {
    /// What makes the modules.
    #[arg(long, value_enum, default_value_t = Generator::Smith)]
    generator: Generator,
    /// Proposals that modules may use, by comma; all of them if not given, none beyond 2.0 if empty.
    #[arg(long, value_parser = proposals)]
    proposals: Option<Proposals>,
}

impl Cases {
    fn case(self, seed: u64) -> Option<Case> {
        Case::new(self.generator, seed, self.proposals.unwrap_or(Proposals::all()))
    }
}

#[derive(Args)]
struct Run {
    #[command(flatten)]
    cases: Cases,
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
}

#[derive(Subcommand)]
enum Command {
    /// Run cases from where the last run ended.
    Run(Run),
    /// Write modules and what the model says of their calls, for engines that this program does not know: `v8.mjs` reads them.
    Export {
        /// Where to.
        folder: PathBuf,
        /// The first one's number.
        #[arg(long, default_value_t = 0)]
        seed: u64,
        /// How many.
        #[arg(long, default_value_t = 1000)]
        modules: u64,
        /// Proposals that modules may use, by comma; all of them if not given.
        #[arg(long, value_parser = proposals)]
        proposals: Option<Proposals>,
    },
    /// Give a target inputs that nobody would write: see `attack`.
    Attack(Attack),
    /// Give a target one input.
    Input {
        /// The target.
        target: String,
        /// A file, or a number of an attack.
        input: PathBuf,
        /// Write the input here.
        #[arg(long)]
        write: Option<PathBuf>,
    },
    /// Write a target's seeds, for libFuzzer to begin with.
    Seeds {
        /// The target.
        target: String,
        /// Where to.
        folder: PathBuf,
    },
    /// Run one case and print what each engine saw.
    One {
        /// Its number.
        seed: u64,
        #[command(flatten)]
        cases: Cases,
        /// Write the module here.
        #[arg(long)]
        write: Option<PathBuf>,
        /// Only write it.
        #[arg(long, requires = "write")]
        only: bool,
    },
}

#[derive(Args)]
struct Attack {
    /// What is attacked: `all` for each in turn.
    target: String,
    /// How many inputs.
    #[arg(long, default_value_t = 20_000)]
    inputs: u64,
    /// Stop after so many seconds for each target.
    #[arg(long, default_value_t = 3600)]
    seconds: u64,
    /// Begin with this number.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Where inputs that show something are written, and totals.
    #[arg(long, default_value = "found")]
    found: PathBuf,
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
        Command::Attack(attack) if supervise::is_child() => attack_child(&attack),
        Command::Attack(attack) => attack_all(&attack),
        Command::Input { target, input, write } => {
            let target = attack::target(&target).ok_or("there is no such target")?;
            let bytes = match input.to_str().and_then(|text| text.parse().ok()) {
                Some(number) => campaign::input(target, &(target.seeds)(), number),
                None => std::fs::read(input)?,
            };
            write.map(|path| std::fs::write(path, &bytes)).transpose()?;
            let (body, begun) = ((target.body)(), Instant::now());
            println!("{} bytes: {:?}, {:?}", bytes.len(), campaign::judge(&body, &bytes), begun.elapsed());
            Ok(ExitCode::SUCCESS)
        }
        Command::Seeds { target, folder } => {
            let target = attack::target(&target).ok_or("there is no such target")?;
            std::fs::create_dir_all(&folder)?;
            for (n, seed) in (target.seeds)().iter().enumerate() {
                std::fs::write(folder.join(n.to_string()), seed)?;
            }
            Ok(ExitCode::SUCCESS)
        }
        Command::Run(run) if supervise::is_child() => search(&run),
        Command::Run(run) => match supervise::supervise(&run.found, &[])? {
            End::Exited(status) if status.success() => Ok(ExitCode::SUCCESS),
            End::Exited(_) => Ok(ExitCode::FAILURE),
            End::Killed(signal, seeds) => {
                println!("signal {signal} ended the search, while these were under way: {seeds:?}");
                let mut counts = run.counts.as_deref().map(Counts::read).transpose()?.unwrap_or_default();
                for seed in seeds {
                    keep(&run, seed)?;
                    counts.differences.push(seed);
                }
                run.counts.as_deref().map(|file| counts.write(file)).transpose()?;
                Ok(ExitCode::FAILURE)
            }
        },
        Command::Export { folder, seed, modules, proposals } => {
            std::fs::create_dir_all(&folder)?;
            let proposals = proposals.unwrap_or(Proposals::all());
            let cases = (seed..seed + modules).filter_map(|seed| Case::new(Generator::Old, seed, proposals));
            cases.map(|case| export::write(&case, &folder)).collect::<Result<(), _>>()?;
            Ok(ExitCode::SUCCESS)
        }
        Command::One { seed, cases, write, only } => one(&cases, seed, write.as_deref(), only),
    }
}

/// Where totals of a target are.
fn totals_file(attack: &Attack, target: &Target) -> PathBuf {
    attack.found.join(format!("{}.json", target.name))
}

fn read_totals(file: &Path) -> Fallible<Totals> {
    Ok(serde_json::from_slice(&std::fs::read(file)?)?)
}

fn write_totals(file: &Path, totals: &Totals) -> Fallible<()> {
    Ok(std::fs::write(file, serde_json::to_string_pretty(totals)? + "\n")?)
}

/// The process that gives a target inputs, from where its totals say.
fn attack_child(attack: &Attack) -> Fallible<ExitCode> {
    let target = attack::target(&attack.target).ok_or("there is no such target")?;
    let file = totals_file(attack, target);
    let mut totals = read_totals(&file)?;
    let end = attack.seed.saturating_add(attack.inputs);
    campaign::run(target, &mut totals, (end, attack.seconds), &attack.found, |totals| {
        std::fs::write(&file, serde_json::to_string_pretty(totals)? + "\n")
    })?;
    println!("{}: {}", target.name, serde_json::to_string(&totals)?);
    Ok(ExitCode::SUCCESS)
}

/// Runs a process for each target, and another one when a signal has ended it.
fn attack_all(attack: &Attack) -> Fallible<ExitCode> {
    let mut good = true;
    let all: Vec<&Target> = attack::TARGETS.iter().filter(|t| attack.target == "all" || t.name == attack.target).collect();
    if all.is_empty() {
        let names: Vec<_> = attack::TARGETS.iter().map(|target| target.name).collect();
        return Err(format!("targets are all, {}", names.join(", ")).into());
    }
    std::fs::create_dir_all(&attack.found)?;
    for target in all {
        let file = totals_file(attack, target);
        write_totals(&file, &Totals { next: attack.seed, ..Totals::default() })?;
        let arguments = ["attack", target.name, "--found"].map(OsString::from);
        let numbers = [("--inputs", attack.inputs), ("--seconds", attack.seconds), ("--seed", attack.seed)];
        let numbers = numbers.into_iter().flat_map(|(flag, n)| [flag.into(), n.to_string().into()]);
        let arguments: Vec<OsString> = arguments.into_iter().chain([attack.found.clone().into()]).chain(numbers).collect();
        loop {
            match supervise::supervise(&attack.found, &arguments)? {
                End::Exited(status) => {
                    good &= status.success();
                    break;
                }
                End::Killed(signal, under_way) => {
                    let mut totals = read_totals(&file)?;
                    let Some(&number) = under_way.iter().max() else { return Err(format!("signal {signal} ended it").into()) };
                    let bytes = campaign::input(target, &(target.seeds)(), number);
                    let path = attack.found.join(format!("{}-{number}", target.name));
                    std::fs::write(&path, bytes)?;
                    println!("{} {number} ({}): signal {signal}", target.name, path.display());
                    totals.inputs += number + 1 - totals.next;
                    totals.next = number + 1;
                    totals.findings.push((number, format!("signal {signal}")));
                    write_totals(&file, &totals)?;
                }
            }
        }
        good &= read_totals(&file)?.findings.is_empty();
    }
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Writes a case's module to where those are that showed a difference.
fn keep(run: &Run, seed: u64) -> Fallible<PathBuf> {
    std::fs::create_dir_all(&run.found)?;
    let path = run.found.join(format!("{seed}.wasm"));
    std::fs::write(&path, run.cases.case(seed).ok_or("the case is gone")?.wasm)?;
    Ok(path)
}

/// What came of one seed.
fn judge(engines: &Engines, run: &Run, seed: u64) -> (Counts, Option<String>) {
    let Some(case) = run.cases.case(seed) else {
        return (Counts { empty: 1, ..Counts::default() }, None);
    };
    if let Err(e) = supervise::note(&run.found, Some(seed)) {
        return (Counts::default(), Some(format!("cannot note in {} what is under way: {e}", run.found.display())));
    }
    let judged = engines.judge(&case);
    // What it says of seeds that have ended is never read but after a signal.
    drop(supervise::note(&run.found, None));
    judged
}

fn search(run: &Run) -> Fallible<ExitCode> {
    rayon::ThreadPoolBuilder::new().num_threads(run.jobs).build_global()?;
    let mut counts = run.counts.as_deref().map(Counts::read).transpose()?.unwrap_or_default();
    counts.next_seed = run.seed.unwrap_or(counts.next_seed);
    let (started, before) = (Instant::now(), counts.executed);
    let engines = Engines::new()?;
    let mut good = true;
    while good && counts.executed - before < run.modules && started.elapsed() < Duration::from_secs(run.seconds) {
        let chunk_started = Instant::now();
        let seeds = counts.next_seed..counts.next_seed + CHUNK;
        let results: Vec<_> = seeds.clone().into_par_iter().map(|s| (s, judge(&engines, run, s))).collect();
        for (seed, (part, difference)) in results {
            counts.add(&part);
            if let Some(text) = difference {
                good = false;
                counts.differences.push(seed);
                println!("seed {seed} ({}): {text}", keep(run, seed)?.display());
            }
        }
        counts.next_seed = seeds.end;
        counts.seconds += chunk_started.elapsed().as_secs();
        if let Some(file) = &run.counts {
            counts.write(file)?;
        }
    }
    println!("{}", serde_json::to_string_pretty(&counts)?);
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn one(cases: &Cases, seed: u64, write: Option<&Path>, only: bool) -> Fallible<ExitCode> {
    let case = cases.case(seed).ok_or("the generator makes nothing of this seed")?;
    if let Some(path) = write {
        std::fs::write(path, &case.wasm)?;
    }
    println!("{:?}, {} bytes", case.proposals, case.wasm.len());
    if only {
        return Ok(ExitCode::SUCCESS);
    }
    let engines = Engines::new()?;
    let peers: &[&dyn Engine] = if engines.model.knows(&case) { &[&engines.model] } else { &[&engines.wasmi, &engines.wasmtime] };
    let peers = peers.iter().copied().filter(|peer| peer.knows(&case));
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
