//! `clock_*`: the kernel's clocks, or those of a deterministic run.

use super::call::Call;
use super::errno::{Errno, Outcome};
use rustix::time::ClockId;

/// `$clockid` of a clock that `poll_oneoff` measures by.
pub(crate) const REALTIME: u32 = 0;
/// The same.
pub(crate) const MONOTONIC: u32 = 1;

/// The kernel's clock for a `$clockid`.
#[inline]
fn host(id: u32) -> Outcome<ClockId> {
    match id {
        REALTIME => Ok(ClockId::Realtime),
        MONOTONIC => Ok(ClockId::Monotonic),
        2 => Ok(ClockId::ProcessCPUTime),
        3 => Ok(ClockId::ThreadCPUTime),
        _ => Err(Errno::Inval.into()),
    }
}

/// `clock_res_get`: nanoseconds between ticks, never 0.
pub(crate) fn res_get(call: &Call<'_>, id: u32, out: u32) -> Outcome {
    let resolution = call.ctx.world.resolution(host(id)?).in_nanoseconds().max(1);
    Ok(call.memory.write(out, resolution)?)
}

/// `clock_time_get`. Every clock is read exactly, whatever precision would do.
#[inline]
pub(crate) fn time_get(call: &Call<'_>, id: u32, _precision: u64, out: u32) -> Outcome {
    let now = call.ctx.world.now(host(id)?).in_nanoseconds();
    Ok(call.memory.write(out, now)?)
}
