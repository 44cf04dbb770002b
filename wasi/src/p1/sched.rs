//! `sched_yield`.

use super::call::Call;
use super::errno::Outcome;

/// `sched_yield`: lets others run.
pub(crate) fn yield_(_: &Call<'_>) -> Outcome {
    rustix::thread::sched_yield();
    Ok(())
}
