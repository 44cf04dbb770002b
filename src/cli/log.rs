//! The flag of everything that logs.

use crate::logging::{LogFilter, parse_log};
use clap::Args;

/// What is logged: shared by the subcommands that run or compile.
#[derive(Debug, Args)]
pub struct LogArgs {
    /// Write a log to standard error: `error`, `warn`, `info`, `debug` or `trace`, also for one
    /// part alone, as in `warn,sconce_wasi=debug`. [default: off]
    #[arg(long, value_name = "FILTER", help_heading = "Diagnosis", value_parser = parse_log)]
    log: Option<LogFilter>,
}

impl LogArgs {
    /// Logs from here on, if that is asked for.
    pub fn start(&self) {
        self.log.iter().for_each(LogFilter::start);
    }
}
