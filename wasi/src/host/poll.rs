//! Waiting for clocks and descriptors, several at once.

use super::descriptor::Descriptor;
use super::grants::World;
use rustix::event::{PollFd, PollFlags};
use rustix::fs::FileType;
use rustix::io::{Errno, Result};
use rustix::time::ClockId;
use std::time::Duration;

/// Something to wait for.
#[derive(Copy, Clone)]
pub(crate) enum Subject<'a> {
    /// Until a clock shows this, in nanoseconds.
    Clock(ClockId, u64),
    /// Until a descriptor can be read or written without waiting.
    Descriptor(&'a Descriptor, Direction),
    /// For nothing: it is there already.
    Nothing,
}

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Read,
    Write,
}

/// What there is to say of something that was waited for.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ready {
    pub error: Option<Errno>,
    /// How many can be read.
    pub bytes: u64,
    /// Nobody is at the other end.
    pub hangup: bool,
}

/// A list that is waited for, each entry of which has a subject.
pub(crate) struct Poll<'a, S> {
    world: &'a World,
    all: &'a [S],
    subject: fn(&S) -> Subject<'_>,
    /// Those that are descriptors, in order.
    polled: Vec<PollFd<'a>>,
}

impl<'a, S> Poll<'a, S> {
    pub(crate) fn new(world: &'a World, all: &'a [S], subject: fn(&S) -> Subject<'_>) -> Poll<'a, S> {
        let polled = |s: &'a S| match subject(s) {
            Subject::Descriptor(d, Direction::Read) => Some(PollFd::new(d, PollFlags::IN)),
            Subject::Descriptor(d, Direction::Write) => Some(PollFd::new(d, PollFlags::OUT)),
            Subject::Clock(..) | Subject::Nothing => None,
        };
        Poll { world, all, subject, polled: all.iter().filter_map(polled).collect() }
    }

    /// Waits. That nothing is ready afterwards is possible: a clock of the day was set back, or a
    /// timeout was a little too short.
    pub(crate) fn wait(&mut self) -> Result<()> {
        let timeout = self.timeout();
        if let Some(determinism) = &self.world.determinism {
            // Who waits for descriptors does so when reading or writing. For clocks, time passes at once.
            let nothing_else = self.polled.is_empty();
            let passing = timeout.filter(|_| nothing_else).map_or(0, |t| u64::try_from(t.as_nanos()).unwrap_or(u64::MAX));
            determinism.clock.wait(passing);
            return Ok(());
        }
        sconce_engine::poll(&mut self.polled, timeout).map(drop)
    }

    /// How long to wait at most: not at all if something is there already, for ever if there is no
    /// clock.
    fn timeout(&self) -> Option<Duration> {
        /// The time of day may be set while we sleep until then.
        const LOOK_AGAIN: u64 = 1_000_000_000;
        let left = |id, until: u64| until.saturating_sub(self.world.now(id).in_nanoseconds());
        let look_again = if self.world.determinism.is_some() { u64::MAX } else { LOOK_AGAIN };
        let wait = |s: &S| match (self.subject)(s) {
            Subject::Nothing => Some(0),
            Subject::Clock(id @ ClockId::Realtime, until) => Some(left(id, until).min(look_again)),
            Subject::Clock(id, until) => Some(left(id, until)),
            Subject::Descriptor(..) => None,
        };
        self.all.iter().filter_map(wait).min().map(Duration::from_nanos)
    }

    /// What is ready, in order.
    pub(crate) fn ready(&self) -> impl Iterator<Item = (&'a S, Ready)> {
        let mut polled = self.polled.iter();
        self.all.iter().filter_map(move |s| {
            let ready = match (self.subject)(s) {
                Subject::Nothing => Some(Ready::default()),
                Subject::Clock(id, until) => (self.world.now(id).in_nanoseconds() >= until).then(Ready::default),
                Subject::Descriptor(d, direction) if self.world.determinism.is_some() => Some(always(d, direction)),
                Subject::Descriptor(d, direction) => {
                    readiness(d, direction, polled.next().map_or(PollFlags::empty(), PollFd::revents))
                }
            };
            ready.map(|ready| (s, ready))
        })
    }
}

/// What is said of a descriptor in a deterministic run. How much is in a pipe, and whether somebody is at its other end, is not told.
fn always(d: &Descriptor, direction: Direction) -> Ready {
    let bytes = match (direction, d.kind) {
        (Direction::Write, _) | (Direction::Read, FileType::Directory) => 0,
        (Direction::Read, FileType::RegularFile) => rustix::io::ioctl_fionread(d).unwrap_or(1),
        (Direction::Read, _) => 1,
    };
    Ready { bytes, ..Ready::default() }
}

/// What `poll` said of a descriptor.
fn readiness(d: &Descriptor, direction: Direction, revents: PollFlags) -> Option<Ready> {
    if revents.is_empty() {
        return None;
    }
    if revents.contains(PollFlags::NVAL) {
        return Some(Ready { error: Some(Errno::BADF), ..Ready::default() });
    }
    let broken = revents.contains(PollFlags::ERR);
    let hangup = revents.contains(PollFlags::HUP) || broken && direction == Direction::Write;
    // Ready, though nothing can be counted: at least a byte, or a connection. Directories have nothing to read.
    let bytes = match direction {
        Direction::Read if d.kind != FileType::Directory => rustix::io::ioctl_fionread(d).unwrap_or(1),
        Direction::Read | Direction::Write => 0,
    };
    Some(Ready { error: (broken && !hangup).then_some(Errno::IO), bytes, hangup })
}
