//! What a program observes of time, chance and files: what the kernel says, or, in a deterministic run, what
//! [`determinism`](super::determinism) makes up in its place.

use super::clock::{self, Time};
use super::descriptor::Descriptor;
use super::determinism::clock::STEP;
use super::determinism::files::{is_known_device, of_stream};
use super::determinism::listing::Listing;
use super::grants::World;
use super::paths::Opening;
use super::resolve::{Follow, GuestPath};
use super::status::{FileId, Status};
use super::transfer::Buffers;
use super::whole::{self, Patience};
use rustix::fs::{AtFlags, FileType, SeekFrom, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT};
use rustix::io::{Errno, Result};
use rustix::time::ClockId;

impl World {
    /// What a clock shows.
    #[inline]
    pub(crate) fn now(&self, id: ClockId) -> Time {
        match &self.determinism {
            None => clock::now(id),
            Some(d) => Time::of_nanoseconds(d.clock.look(id)),
        }
    }

    /// What lies between two ticks of a clock.
    pub(crate) fn resolution(&self, id: ClockId) -> Time {
        match &self.determinism {
            None => clock::resolution(id),
            Some(_) => Time::of_nanoseconds(STEP),
        }
    }

    /// Reads, and counts in `done` what was read, which stays when a signal cuts it short.
    #[inline(always)]
    pub(crate) fn read(&self, d: &Descriptor, into: impl Buffers, done: &mut usize) -> Result<usize> {
        if self.determinism.is_some() && d.waits() {
            return whole::read(d, into, done, Patience::Waits);
        }
        d.read(into)
    }

    /// The same for writing.
    #[inline(always)]
    pub(crate) fn write(&self, d: &Descriptor, from: impl Buffers, done: &mut usize) -> Result<usize> {
        if d.waits() {
            return self.write_waiting(d, from, done);
        }
        d.write(from)
    }

    /// A write that waits for who reads ends when everything is written, but for errors: a signal by which nobody means to stop the program
    /// may come in the middle.
    #[inline(always)]
    fn write_waiting(&self, d: &Descriptor, from: impl Buffers, done: &mut usize) -> Result<usize> {
        if self.determinism.is_some() {
            return whole::write(d, from, done, Patience::Waits);
        }
        if *done == 0 {
            *done = d.write(from)?;
        }
        let all = *done as u64 >= from.len()? || !d.goes_on();
        if all { Ok(*done) } else { whole::write(d, from, done, Patience::None) }
    }

    /// Moves the position. That of a directory has no meaning but to its file system, and is not told.
    #[inline(always)]
    pub(crate) fn seek(&self, d: &Descriptor, to: SeekFrom) -> Result<u64> {
        match &self.determinism {
            Some(_) if d.kind == FileType::Directory => Ok(0),
            Some(_) | None => d.seek(to),
        }
    }

    /// Something was written to what is open, or it was cut.
    #[inline(always)]
    pub(crate) fn written(&self, d: &Descriptor) -> Result<()> {
        match &self.determinism {
            Some(determinism) if d.as_pipe().is_none() => determinism.files.written(d.id(), determinism.clock.of_day()),
            Some(_) | None => Ok(()),
        }
    }

    /// What is known of what is open.
    #[inline(always)]
    pub(crate) fn status(&self, d: &Descriptor) -> Result<Status> {
        match d.as_pipe() {
            Some(standard) => Ok(of_stream(standard)),
            None => self.shown(d.status()?),
        }
    }

    /// The same of what a path names.
    #[inline(always)]
    pub(crate) fn status_of(&self, d: &Descriptor, path: GuestPath<'_>, follow: Follow) -> Result<Status> {
        self.shown(d.status_of(&self.resolver, path, follow)?)
    }

    #[inline(always)]
    fn shown(&self, status: Status) -> Result<Status> {
        match &self.determinism {
            None => Ok(status),
            Some(d) => d.files.shown(&status),
        }
    }

    /// Opens what a path names below a directory.
    #[inline(always)]
    pub(crate) fn open(&self, dir: &Descriptor, path: GuestPath<'_>, how: &Opening) -> Result<Descriptor> {
        if self.determinism.is_some() { self.open_known(dir, path, how) } else { dir.open(&self.resolver, path, how) }
    }

    #[cold]
    fn open_known(&self, dir: &Descriptor, path: GuestPath<'_>, how: &Opening) -> Result<Descriptor> {
        let missing = how.creates() && dir.status_of(&self.resolver, path, how.follow()) == Err(Errno::NOENT);
        let opened = dir.open(&self.resolver, path, &how.waiting())?;
        if opened.kind == FileType::CharacterDevice && !is_known_device(rustix::fs::fstat(&opened)?.st_rdev) {
            return Err(Errno::PERM);
        }
        if missing {
            self.created(opened.id())?;
        } else if how.truncates() {
            self.written(&opened)?;
        }
        Ok(opened)
    }

    /// The program has made what has this name: a directory or a link.
    pub(crate) fn created_name(&self, dir: &Descriptor, path: GuestPath<'_>) -> Result<()> {
        if self.determinism.is_none() {
            return Ok(());
        }
        self.created(dir.status_of(&self.resolver, path, Follow::No)?.id())
    }

    fn created(&self, id: FileId) -> Result<()> {
        let Some(d) = &self.determinism else { return Ok(()) };
        d.files.created(id, d.clock.of_day())
    }

    /// Times of what is open.
    pub(crate) fn set_times(&self, d: &Descriptor, times: &Timestamps) -> Result<()> {
        d.set_times(times)?;
        self.times_are_set(times, || Ok(d.id()))
    }

    /// Times of what a path names.
    pub(crate) fn set_times_of(&self, d: &Descriptor, path: GuestPath<'_>, follow: Follow, times: &Timestamps) -> Result<()> {
        d.set_times_of(&self.resolver, path, follow, times)?;
        self.times_are_set(times, || Ok(d.status_of(&self.resolver, path, follow)?.id()))
    }

    fn times_are_set(&self, times: &Timestamps, id: impl FnOnce() -> Result<FileId>) -> Result<()> {
        let Some(d) = &self.determinism else { return Ok(()) };
        let now = d.clock.of_day();
        let time = |t: &Timespec| match t.tv_nsec {
            UTIME_OMIT => None,
            UTIME_NOW => Some(now),
            nanoseconds => Some(Time { seconds: t.tv_sec, nanoseconds: nanoseconds as u64 }.in_nanoseconds()),
        };
        d.files.set_times(id()?, [time(&times.last_access), time(&times.last_modification)], now)
    }

    /// Puts what was found in a directory in order.
    pub(crate) fn finish(&self, dir: &Descriptor, listing: &mut Listing) -> Result<()> {
        let Some(d) = &self.determinism else { return Ok(()) };
        listing.finish(|name| {
            let id = match name {
                // What is above is none of the program's business, and may be something else elsewhere.
                b"." | b".." => (dir.id(), FileType::Directory),
                _ => match rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
                    Ok(stat) => (Status::of(&stat).id(), FileType::from_raw_mode(stat.st_mode)),
                    Err(Errno::NOENT) => return Ok(None),
                    Err(e) => return Err(e),
                },
            };
            Ok(Some((d.files.number(id.0)?, id.1)))
        })
    }
}
