//! What a line says.

use super::value::Fields;
use crate::p1::errno::{Errno, Fail, Outcome};

/// A call, decoded.
pub(super) struct Line<'a> {
    /// The thread's number, if lines have one.
    pub thread: Option<i32>,
    pub module: &'static str,
    pub function: &'static str,
    pub arguments: Fields,
    pub outcome: &'a Outcome,
    pub results: Fields,
}

/// What came of a call: its errno, or else how the run ends.
pub(super) fn ending(outcome: &Outcome) -> Result<Errno, String> {
    match outcome {
        Ok(()) => Ok(Errno::Success),
        Err(Fail::Errno(errno)) => Ok(*errno),
        Err(Fail::Exit(_)) => Err("exit".to_owned()),
        Err(Fail::Interrupted) => Err("interrupt".to_owned()),
        Err(Fail::BrokenPipe) => Err("broken pipe".to_owned()),
        Err(Fail::OutputLimit(_)) => Err("output limit".to_owned()),
        Err(Fail::Killed(signal)) => Err(format!("signal {signal}")),
    }
}
