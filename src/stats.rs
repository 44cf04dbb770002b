//! `--stats`: what a run has used of each limit.

use crate::cli::{RunArgs, StatsFormat};
use crate::deadline::{self, Deadline};
use crate::report;
use crate::units;
use sconce_engine::environ::shown::quoted;
use sconce_engine::{LazyStats, MemoryLimit, Module, Purpose};
use sconce_wasi::{Threads, WasiCtx};
use serde_json::{Value, json};
use std::fmt::Write;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// A module of the run.
#[derive(Debug)]
pub struct Loading {
    name: String,
    module: Module,
    time: Duration,
}

impl Loading {
    /// It took so long to load it.
    pub fn new(name: &str, module: &Module, time: Duration) -> Loading {
        Loading { name: name.to_owned(), module: module.clone(), time }
    }
}

/// Where the numbers are.
#[derive(Debug)]
pub struct Stats {
    format: StatsFormat,
    deadline: Deadline,
    loadings: Vec<Loading>,
    memory: MemoryLimit,
    context: Arc<WasiCtx>,
    threads: OnceLock<Threads<Arc<WasiCtx>>>,
    /// What was executed, where that is counted and the program has come to its end.
    fuel: OnceLock<u64>,
    given: Given,
    /// The kernel's account of the process: a confined one opens no other file.
    status: Option<File>,
}

/// The limits that the command line gives.
#[derive(Debug)]
struct Given {
    timeout: Option<Duration>,
    cpu_time: Option<Duration>,
    fds: Option<usize>,
    threads: usize,
    fuel: Option<u64>,
    written: Option<u64>,
    output: Option<u64>,
}

/// A number, what it may be at most, and the flag that says so.
struct Row {
    name: &'static str,
    used: Amount,
    most: Option<Amount>,
    flag: &'static str,
}

#[derive(Copy, Clone)]
enum Amount {
    Time(Duration),
    Bytes(u64),
    Count(u64),
}

impl Amount {
    fn json(self) -> Value {
        match self {
            Amount::Time(time) => json!(time.as_secs_f64()),
            Amount::Bytes(n) | Amount::Count(n) => json!(n),
        }
    }

    fn text(self) -> String {
        match self {
            Amount::Time(time) => format!("{time:.3?}"),
            Amount::Count(n) => n.to_string(),
            Amount::Bytes(n) => units::bytes(n),
        }
    }
}

impl Stats {
    /// If they are wanted.
    pub fn wanted(
        args: &RunArgs,
        deadline: Deadline,
        loadings: Vec<Loading>,
        memory: &MemoryLimit,
        context: &Arc<WasiCtx>,
    ) -> Option<Stats> {
        let given = Given {
            timeout: args.timeout,
            cpu_time: args.cpu_time,
            fds: args.max_fds,
            threads: args.max_threads,
            fuel: args.fuel,
            written: args.max_written,
            output: args.max_output,
        };
        args.stats.map(|format| Stats {
            format,
            deadline,
            loadings,
            memory: memory.clone(),
            context: context.clone(),
            threads: OnceLock::new(),
            fuel: OnceLock::new(),
            given,
            status: File::open("/proc/self/status").ok(),
        })
    }

    /// The program's threads, if it starts any.
    pub fn watch(&self, threads: &Threads<Arc<WasiCtx>>) {
        // There is one program.
        let _ = self.threads.set(threads.clone());
    }

    /// The program is over, and has spent so much fuel.
    pub fn spent(&self, fuel: u64) {
        let _ = self.fuel.set(fuel);
    }

    /// Bytes of the process that were in memory at once, at most.
    fn resident(&self) -> Option<u64> {
        let mut text = [0; 4096];
        let len = self.status.as_ref()?.read_at(&mut text, 0).ok()?;
        let text = str::from_utf8(&text[..len]).ok()?;
        let most = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        most.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kib| kib << 10)
    }

    fn rows(&self) -> Vec<Row> {
        let (usage, given) = (self.context.usage(), &self.given);
        let row = |name, used, most, flag| Row { name, used, most, flag };
        let bytes = Amount::Bytes;
        let threads = self.threads.get().map_or(0, |threads| threads.most_running() as u64);
        let fuel = self.fuel.get().map(|&used| row("fuel", Amount::Count(used), given.fuel.map(Amount::Count), "--fuel"));
        let mut rows = vec![
            row("time", Amount::Time(self.deadline.start().elapsed()), given.timeout.map(Amount::Time), "--timeout"),
            row("cpu-time", Amount::Time(deadline::used()), given.cpu_time.map(Amount::Time), "--cpu-time"),
            row("memory", bytes(self.memory.peak()), self.memory.bytes().map(bytes), "--max-memory"),
            row("fds", Amount::Count(usage.descriptors as u64), given.fds.map(|n| Amount::Count(n as u64)), "--max-fds"),
            row("threads", Amount::Count(threads), Some(Amount::Count(given.threads as u64)), "--max-threads"),
            row("written", bytes(usage.written.unwrap_or(0)), given.written.map(bytes), "--max-written"),
            row("output", bytes(usage.output.unwrap_or(0)), given.output.map(bytes), "--max-output"),
        ];
        rows.extend(fuel);
        rows
    }

    /// Writes them to standard error.
    pub fn write(&self) {
        report::complain(&match self.format {
            StatsFormat::Text => self.text(),
            StatsFormat::Json => self.json().to_string(),
        });
    }

    fn purposes(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        Purpose::ALL.into_iter().map(|purpose| (purpose.name(), self.memory.peak_of(purpose))).filter(|(_, bytes)| *bytes > 0)
    }

    fn text(&self) -> String {
        let mut text = String::from("used by the run:");
        for Row { name, used, most, flag } in self.rows() {
            let _ = write!(text, "\n  {name:<10} {}", used.text());
            if let Some(most) = most {
                let _ = write!(text, " of {} ({flag})", most.text());
            }
            if flag == "--max-memory" {
                for (name, bytes) in self.purposes() {
                    let _ = write!(text, "\n    {name:<10} {}", Amount::Bytes(bytes).text());
                }
            }
        }
        if let Some(peak) = self.resident() {
            let _ = write!(text, "\n  {:<10} {} of the process at most", "resident", Amount::Bytes(peak).text());
        }
        for Loading { name, module, time } in &self.loadings {
            let (compiler, code) = (module.compiler(), Amount::Bytes(module.code_bytes()).text());
            let _ = write!(text, "\n  {} by {compiler}: {code}, loaded in {time:.3?}", quoted(name));
            if let Some(LazyStats { functions, called, ahead, improved, entries, code, time }) = module.lazy_stats() {
                let code = Amount::Bytes(code).text();
                let _ = write!(
                    text,
                    "\n    compiled   {} of {functions} functions: {called} when called, {ahead} ahead, {improved} better later, {entries} in a loop; {code} of code, first made in {time:.3?}",
                    called + ahead
                );
            }
        }
        text
    }

    fn json(&self) -> Value {
        let mut all = serde_json::Map::new();
        for Row { name, used, most, .. } in self.rows() {
            all.insert(name.into(), json!({ "used": used.json(), "limit": most.map(Amount::json) }));
        }
        let purposes: serde_json::Map<_, _> = self.purposes().map(|(name, bytes)| (name.to_owned(), json!(bytes))).collect();
        all["memory"]["peaks"] = purposes.into();
        all.insert("resident".into(), json!(self.resident()));
        let module = |m: &Loading| {
            let lazy = m.module.lazy_stats().map(|LazyStats { functions, called, ahead, improved, entries, code, time }| {
                let time = time.as_secs_f64();
                json!({ "functions": functions, "called": called, "ahead": ahead, "improved": improved, "osr_entries": entries, "code": code, "time": time })
            });
            let (compiler, code) = (m.module.compiler(), m.module.code_bytes());
            json!({ "name": m.name, "compiler": compiler, "code": code, "loading": m.time.as_secs_f64(), "compiled": lazy })
        };
        all.insert("modules".into(), self.loadings.iter().map(module).collect());
        all.into()
    }
}
