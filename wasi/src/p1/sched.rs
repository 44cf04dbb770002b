//! `sched_yield`.

use crate::p1::call::Call;
use crate::p1::errno::Outcome;

/// `sched_yield`: lets others run.
pub(crate) fn yield_(_: &Call<'_>) -> Outcome {
    rustix::thread::sched_yield();
    Ok(())
}
