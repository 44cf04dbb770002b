//! `sched_yield`.

use crate::call::Call;
use crate::errno::Outcome;

/// `sched_yield`: lets others run.
pub(crate) fn yield_(_: &Call<'_>) -> Outcome {
    rustix::thread::sched_yield();
    Ok(())
}
