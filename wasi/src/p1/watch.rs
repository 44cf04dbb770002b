//! Who looks on while a program calls: a trace, a record, both. Functions are linked either as they are or with this around them
//! ([`super::link`]), so that a run that nobody watches has nothing of it.

use super::call::Call;
use super::errno::Outcome;
use super::record::Record;
use super::trace::Trace;
use super::trace::row::Row;

/// What is made of a program's calls beside what they do.
#[derive(Debug, Default)]
pub struct Watch {
    /// A line for each.
    pub trace: Option<Trace>,
    /// What was used, and what was denied.
    pub record: Option<Record>,
}

impl Watch {
    /// Whether anything is.
    pub fn is_idle(&self) -> bool {
        self.trace.is_none() && self.record.is_none()
    }

    /// Makes a call of the function of this row with these parameters.
    pub(crate) fn call(
        &self,
        call: &Call<'_>,
        (module, row): (&'static str, &Row),
        words: &[u64],
        body: &dyn Fn() -> Outcome,
    ) -> Outcome {
        let traced = || match &self.trace {
            Some(trace) => trace.call(call, (module, row), words, body),
            None => body(),
        };
        match &self.record {
            Some(record) => record.call(call, row, words, &traced),
            None => traced(),
        }
    }
}
