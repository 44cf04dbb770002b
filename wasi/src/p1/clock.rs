//! `clock_*`: the kernel's clocks, read without a system call where the kernel offers that (vDSO).

use crate::p1::abi::timestamp;
use crate::p1::call::Call;
use crate::p1::errno::{Errno, Outcome};
use rustix::time::{ClockId, Timespec, clock_getres, clock_gettime};

/// `$clockid` of the clock that `poll_oneoff` measures by.
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

#[inline]
fn nanoseconds(t: Timespec) -> u64 {
    timestamp(t.tv_sec, t.tv_nsec as u64)
}

/// Nanoseconds on a clock, which is one of the two above.
pub(crate) fn now(id: ClockId) -> u64 {
    nanoseconds(clock_gettime(id))
}

/// `clock_res_get`: nanoseconds between ticks, never 0.
pub(crate) fn res_get(call: &Call<'_>, id: u32, out: u32) -> Outcome {
    let resolution = nanoseconds(clock_getres(host(id)?)).max(1);
    Ok(call.memory.write(out, resolution)?)
}

/// `clock_time_get`. Every clock is read exactly, whatever precision would do.
#[inline]
pub(crate) fn time_get(call: &Call<'_>, id: u32, _precision: u64, out: u32) -> Outcome {
    let now = now(host(id)?);
    Ok(call.memory.write(out, now)?)
}
