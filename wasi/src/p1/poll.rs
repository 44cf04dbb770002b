//! `poll_oneoff`: waits for clocks and descriptors.
//!
//! Subscriptions are read from the guest's memory once, into a list of the host's. It holds at most [`MAX_SUBSCRIPTIONS`], some
//! 3 MiB; more are `EINVAL`, as `poll(2)` has it for more descriptors than can be open.

use crate::host::descriptor::{Descriptor, MAX_DESCRIPTORS};
use crate::p1::abi::{Generation, filetype, rights};
use crate::p1::call::Call;
use crate::p1::clock;
use crate::p1::errno::{Errno, Fail, Outcome};
use rustix::event::{PollFd, PollFlags};
use rustix::time::ClockId;
use std::sync::Arc;
use std::time::Duration;

/// Most subscriptions in one call.
pub(crate) const MAX_SUBSCRIPTIONS: u32 = MAX_DESCRIPTORS as u32;

const CLOCK: u8 = 0;
const FD_READ: u8 = 1;
const FD_WRITE: u8 = 2;

/// Bytes of an `$event`.
const EVENT: u64 = 32;

/// A subscription, as far as it is not an event already.
enum Waiting {
    /// Until a clock shows this.
    Clock(ClockId, u64),
    /// For a descriptor.
    Descriptor(Arc<Descriptor>, PollFlags),
    /// For nothing: it is wrong, and that is the event.
    Wrong(Errno),
}

struct Subscription {
    userdata: u64,
    kind: u8,
    waiting: Waiting,
}

/// What there is to say of a subscription.
#[derive(Copy, Clone, Default)]
struct Event {
    error: u16,
    bytes: u64,
    hangup: bool,
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
    let subscriptions = (0..u64::from(count))
        .map(|i| subscription(call, generation, u64::from(input) + i * size))
        .collect::<Outcome<Vec<_>>>()?;
    let mut polled: Vec<PollFd<'_>> = subscriptions
        .iter()
        .filter_map(|s| match &s.waiting {
            Waiting::Descriptor(d, flags) => Some(PollFd::new(&**d, *flags)),
            _ => None,
        })
        .collect();
    loop {
        let timeout = timeout(&subscriptions);
        match sconce_engine::poll(&mut polled, timeout) {
            Err(rustix::io::Errno::INTR) => {
                call.go_on()?;
                continue;
            }
            done => done?,
        };
        let mut written = 0;
        let mut ready = polled.iter();
        for s in &subscriptions {
            let event = match &s.waiting {
                Waiting::Wrong(e) => Some(Event { error: *e as u16, ..Event::default() }),
                Waiting::Clock(id, until) => (clock::now(*id) >= *until).then(Event::default),
                Waiting::Descriptor(d, _) => {
                    descriptor_event(d, s.kind, ready.next().map_or(PollFlags::empty(), |p| p.revents()))
                }
            };
            if let Some(event) = event {
                put(call, u64::from(output) + u64::from(written) * EVENT, s, event)?;
                written += 1;
            }
        }
        // Nothing: a clock of the day was set back, or a timeout was a little too short.
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
            clock_waiting(id, value, flags)
        }
        FD_READ | FD_WRITE => {
            let fd = call.memory.read::<u32>(at + 16)?;
            let (right, flags) =
                if kind == FD_READ { (rights::FD_READ, PollFlags::IN) } else { (rights::FD_WRITE, PollFlags::OUT) };
            match polled(call, fd, right) {
                Ok(d) => Waiting::Descriptor(d, flags),
                Err(Fail::Errno(e)) => Waiting::Wrong(e),
                Err(e) => return Err(e),
            }
        }
        _ => return Err(Errno::Inval.into()),
    };
    Ok(Subscription { userdata, kind, waiting })
}

/// A descriptor to wait for. Of a directory it can be known that there is nothing to wait for.
fn polled(call: &Call<'_>, fd: u32, right: u64) -> Outcome<Arc<Descriptor>> {
    let d = call.ctx.fd(fd, rights::POLL_FD_READWRITE)?;
    if d.filetype != filetype::DIRECTORY {
        d.check(right)?;
    }
    Ok(d)
}

/// `$subscription_clock`. CPU time cannot be waited for: nothing passes on it meanwhile.
fn clock_waiting(id: u32, value: u64, flags: u16) -> Waiting {
    const ABSTIME: u16 = 1;
    let id = match id {
        clock::REALTIME => ClockId::Realtime,
        clock::MONOTONIC => ClockId::Monotonic,
        _ => return Waiting::Wrong(Errno::Inval),
    };
    match flags {
        ABSTIME => Waiting::Clock(id, value),
        // Time that passes does so on the monotonic clock, whatever the time of day is set to.
        0 => Waiting::Clock(ClockId::Monotonic, clock::now(ClockId::Monotonic).saturating_add(value)),
        _ => Waiting::Wrong(Errno::Inval),
    }
}

/// How long to wait at most: not at all if there is an event already, for ever if there is no clock.
fn timeout(subscriptions: &[Subscription]) -> Option<Duration> {
    /// The time of day may be set while we sleep until then.
    const LOOK_AGAIN: u64 = 1_000_000_000;
    let wait = |s: &Subscription| match s.waiting {
        Waiting::Wrong(_) => Some(0),
        Waiting::Clock(ClockId::Realtime, until) => Some(until.saturating_sub(clock::now(ClockId::Realtime)).min(LOOK_AGAIN)),
        Waiting::Clock(id, until) => Some(until.saturating_sub(clock::now(id))),
        Waiting::Descriptor(..) => None,
    };
    subscriptions.iter().filter_map(wait).min().map(Duration::from_nanos)
}

/// What `poll` said of a descriptor.
fn descriptor_event(d: &Descriptor, kind: u8, revents: PollFlags) -> Option<Event> {
    if revents.is_empty() {
        return None;
    }
    if revents.contains(PollFlags::NVAL) {
        return Some(Event { error: Errno::BadF as u16, ..Event::default() });
    }
    let hangup = revents.contains(PollFlags::HUP) || revents.contains(PollFlags::ERR) && kind == FD_WRITE;
    let error = if revents.contains(PollFlags::ERR) && !hangup { Errno::Io as u16 } else { 0 };
    // Ready, though nothing can be counted: at least a byte, or a connection. Directories have nothing to read.
    let counted =
        if kind == FD_READ && d.filetype != filetype::DIRECTORY { rustix::io::ioctl_fionread(d).unwrap_or(1) } else { 0 };
    Some(Event { error, bytes: counted, hangup })
}

/// Writes an `$event`.
fn put(call: &Call<'_>, at: u64, s: &Subscription, event: Event) -> Outcome {
    let mut bytes = [0; EVENT as usize];
    bytes[0..8].copy_from_slice(&s.userdata.to_le_bytes());
    bytes[8..10].copy_from_slice(&event.error.to_le_bytes());
    bytes[10] = s.kind;
    bytes[16..24].copy_from_slice(&event.bytes.to_le_bytes());
    bytes[24] = u8::from(event.hangup);
    Ok(call.memory.write_bytes(at, &bytes)?)
}
