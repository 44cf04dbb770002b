//! `poll_oneoff`: waits for clocks and descriptors.
//!
//! Subscriptions are read from the guest's memory once, into a list of the host's. It holds at most [`MAX_SUBSCRIPTIONS`], some
//! 3 MiB; more are `EINVAL`, as `poll(2)` has it for more descriptors than can be open.

use super::abi::{Generation, filetype};
use super::call::Call;
use super::clock::{MONOTONIC, REALTIME};
use super::errno::{Errno, Fail, Outcome};
use super::handle::Handle;
use super::rights;
use super::table::MAX_DESCRIPTORS;
use crate::host::poll::{Direction, Poll, Ready, Subject};
use rustix::time::ClockId;
use sconce_engine::{MemoryBudget, Purpose};
use std::sync::Arc;

/// Most subscriptions in one call.
pub(crate) const MAX_SUBSCRIPTIONS: u32 = MAX_DESCRIPTORS as u32;

const CLOCK: u8 = 0;
const FD_READ: u8 = 1;
const FD_WRITE: u8 = 2;

/// Bytes of the host's that a subscription takes: itself, and what the kernel is asked with.
const SUBSCRIPTION_BYTES: u64 = 64;

/// Bytes of an `$event`.
const EVENT: u64 = 32;

/// A subscription, as far as it is not an event already.
enum Waiting {
    /// Until a clock shows this.
    Clock(ClockId, u64),
    /// For a descriptor.
    Descriptor(Arc<Handle>, Direction),
    /// For nothing: it is wrong, and that is the event.
    Wrong(Errno),
}

struct Subscription {
    userdata: u64,
    kind: u8,
    waiting: Waiting,
}

impl Subscription {
    fn subject(&self) -> Subject<'_> {
        match &self.waiting {
            Waiting::Clock(id, until) => Subject::Clock(*id, *until),
            Waiting::Descriptor(d, direction) => Subject::Descriptor(&d.host, *direction),
            Waiting::Wrong(_) => Subject::Nothing,
        }
    }

    /// The `errno` of its event.
    fn error(&self, ready: &Ready) -> Errno {
        match self.waiting {
            Waiting::Wrong(error) => error,
            Waiting::Clock(..) | Waiting::Descriptor(..) => ready.error.map_or(Errno::Success, Errno::from),
        }
    }
}

/// `poll_oneoff`: events go to `output`, their number to `out`.
pub(crate) fn oneoff(call: &Call<'_>, generation: Generation, input: u32, output: u32, count: u32, out: u32) -> Outcome {
    let size = match generation {
        Generation::Unstable => 56,
        Generation::Preview1 => 48,
    };
    call.memory.check(input, u64::from(count) * size)?;
    call.memory.check(output, u64::from(count) * EVENT)?;
    call.memory.check(out, 4u32)?;
    if count == 0 || count > MAX_SUBSCRIPTIONS {
        return Err(Errno::Inval.into());
    }
    let mut budget = MemoryBudget::new(&call.ctx.memory);
    budget.take(Purpose::Host, u64::from(count) * SUBSCRIPTION_BYTES).map_err(|_| Errno::NoMem)?;
    let subscriptions = (0..u64::from(count))
        .map(|i| subscription(call, generation, u64::from(input) + i * size))
        .collect::<Outcome<Vec<_>>>()?;
    let mut poll = Poll::new(&call.ctx.world, &subscriptions, Subscription::subject);
    loop {
        call.retry(|| poll.wait())?;
        let mut written = 0;
        for (s, ready) in poll.ready() {
            put(call, u64::from(output) + u64::from(written) * EVENT, s, &ready)?;
            written += 1;
        }
        if written != 0 {
            return call.put_u32(out, written);
        }
        call.go_on()?;
    }
}

/// Reads a subscription. What is wrong with it is its event; only memory faults end the call.
fn subscription(call: &Call<'_>, generation: Generation, at: u64) -> Outcome<Subscription> {
    let userdata = call.memory.read::<u64>(at)?;
    let kind = call.memory.read::<u8>(at + 8)?;
    let waiting = match kind {
        CLOCK => {
            // The older interface has an identifier of the guest's in front.
            let at = at + if generation == Generation::Unstable { 24 } else { 16 };
            let id = call.memory.read::<u32>(at)?;
            let value = call.memory.read::<u64>(at + 8)?;
            let flags = call.memory.read::<u16>(at + 24)?;
            clock_waiting(call, id, value, flags)
        }
        FD_READ | FD_WRITE => {
            let fd = call.memory.read::<u32>(at + 16)?;
            let (right, direction) =
                if kind == FD_READ { (rights::FD_READ, Direction::Read) } else { (rights::FD_WRITE, Direction::Write) };
            match polled(call, fd, right) {
                Ok(d) => Waiting::Descriptor(d, direction),
                Err(Fail::Errno(e)) => Waiting::Wrong(e),
                Err(e) => return Err(e),
            }
        }
        _ => return Err(Errno::Inval.into()),
    };
    Ok(Subscription { userdata, kind, waiting })
}

/// A descriptor to wait for. Of a directory it can be known that there is nothing to wait for.
fn polled(call: &Call<'_>, fd: u32, right: u64) -> Outcome<Arc<Handle>> {
    let d = call.ctx.fd(fd, rights::POLL_FD_READWRITE)?;
    if d.filetype != filetype::DIRECTORY {
        d.check(right)?;
    }
    Ok(d)
}

/// `$subscription_clock`. CPU time cannot be waited for: nothing passes on it meanwhile.
fn clock_waiting(call: &Call<'_>, id: u32, value: u64, flags: u16) -> Waiting {
    const ABSTIME: u16 = 1;
    let id = match id {
        REALTIME => ClockId::Realtime,
        MONOTONIC => ClockId::Monotonic,
        _ => return Waiting::Wrong(Errno::Inval),
    };
    match flags {
        ABSTIME => Waiting::Clock(id, value),
        // Time that passes does so on the monotonic clock, whatever the time of day is set to.
        0 => {
            let now = call.ctx.world.now(ClockId::Monotonic).in_nanoseconds();
            Waiting::Clock(ClockId::Monotonic, now.saturating_add(value))
        }
        _ => Waiting::Wrong(Errno::Inval),
    }
}

/// Writes an `$event`.
fn put(call: &Call<'_>, at: u64, s: &Subscription, ready: &Ready) -> Outcome {
    let mut bytes = [0; EVENT as usize];
    bytes[0..8].copy_from_slice(&s.userdata.to_le_bytes());
    bytes[8..10].copy_from_slice(&(s.error(ready) as u16).to_le_bytes());
    bytes[10] = s.kind;
    bytes[16..24].copy_from_slice(&ready.bytes.to_le_bytes());
    bytes[24] = u8::from(ready.hangup);
    Ok(call.memory.write_bytes(at, &bytes)?)
}
