//! How many cases were run, and with what result, kept in a file so that a run goes on where the last one ended.

use crate::outcome::{Outcome, Stop};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;

/// Totals over all runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    /// The first seed that was not looked at.
    pub next_seed: u64,
    /// Modules that were generated and executed on every engine that applies.
    pub executed: u64,
    /// Of these, compared with wasmi.
    pub with_wasmi: u64,
    /// Of these, compared with Wasmtime.
    pub with_wasmtime: u64,
    /// Of these, compared with what is known to be right.
    pub with_model: u64,
    /// Calls whose results were compared.
    pub calls: u64,
    /// Cases of which a part was dropped, since something was exhausted.
    pub cut: u64,
    /// Seeds of which the generator made nothing.
    pub empty: u64,
    /// Seconds.
    pub seconds: u64,
    /// How calls ended, by name.
    pub ends: BTreeMap<String, u64>,
    /// Seeds where wasmi fails, or differs from Sconce and Wasmtime, which agree.
    pub outvoted: Vec<u64>,
    /// Seeds that showed a difference.
    pub differences: Vec<u64>,
}

impl Counts {
    /// Reads the file; nothing was counted if there is none.
    ///
    /// # Errors
    /// If it cannot be read or is not ours.
    pub fn read(path: &Path) -> io::Result<Counts> {
        match std::fs::read(path) {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes)?),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Counts::default()),
            Err(e) => Err(e),
        }
    }

    /// Replaces the file at once, so that an interrupted run does not damage it.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let next = path.with_extension("new");
        let mut file = std::fs::File::create(&next)?;
        serde_json::to_writer_pretty(&mut file, self)?;
        file.write_all(b"\n")?;
        std::fs::rename(next, path)
    }

    /// Adds what one engine saw of a case.
    pub fn note(&mut self, outcome: &Outcome) {
        self.calls += outcome.len() as u64;
        for step in outcome {
            let end = match &step.result {
                Ok(_) => "Returned".to_owned(),
                Err(stop) => format!("{stop:?}"),
            };
            *self.ends.entry(end).or_default() += 1;
            self.cut += u64::from(step.result == Err(Stop::Exhausted));
        }
    }

    /// Adds another account.
    pub fn add(&mut self, other: &Counts) {
        self.executed += other.executed;
        self.with_wasmi += other.with_wasmi;
        self.with_wasmtime += other.with_wasmtime;
        self.with_model += other.with_model;
        self.calls += other.calls;
        self.cut += other.cut;
        self.empty += other.empty;
        for (end, n) in &other.ends {
            *self.ends.entry(end.clone()).or_default() += n;
        }
        self.outvoted.extend(&other.outvoted);
        self.differences.extend(&other.differences);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_survives_its_file() -> io::Result<()> {
        let path = std::env::temp_dir().join(format!("sconce-fuzz-counts-{}", std::process::id()));
        assert_eq!(Counts::read(&path)?, Counts::default());
        let mut counts = Counts { next_seed: u64::MAX, executed: 2, ..Counts::default() };
        counts.ends.insert("Memory".into(), 3);
        counts.write(&path)?;
        let read = Counts::read(&path);
        std::fs::remove_file(&path)?;
        assert_eq!(read?, counts);
        Ok(())
    }
}
