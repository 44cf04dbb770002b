//! `fd_*`: what is done through an open descriptor.

use crate::host::descriptor::Descriptor;
use crate::p1::abi::{self, Generation, Status, fdflags, filetype, fstflags, rights};
use crate::p1::call::Call;
use crate::p1::errno::{Errno, Fail, Outcome};
use crate::p1::positions::{MOST, Positions};
use rustix::fd::AsFd;
use rustix::fs::{Advice, FallocateFlags, FileType, SeekFrom, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT};
use std::num::NonZeroU64;
use std::sync::{Mutex, PoisonError};

/// Offsets and sizes that the kernel can take: its own are signed.
fn offset(value: u64) -> Outcome<u64> {
    if value > i64::MAX as u64 { Err(Errno::Inval.into()) } else { Ok(value) }
}

/// `fd_read`: bytes read go to `out`.
#[inline(always)]
pub(crate) fn read(call: &Call<'_>, fd: u32, iovs: u32, count: u32, out: u32) -> Outcome {
    call.memory.check(out, 4u32)?;
    let d = call.ctx.fd(fd, rights::FD_READ)?;
    let n = call.retry(|| d.read(call.memory, iovs, count))?;
    call.put_u32(out, n as u32)
}

/// `fd_pread`.
#[inline(always)]
pub(crate) fn pread(call: &Call<'_>, fd: u32, iovs: u32, count: u32, at: u64, out: u32) -> Outcome {
    call.memory.check(out, 4u32)?;
    let d = call.ctx.fd(fd, rights::FD_READ | rights::FD_SEEK)?;
    let n = call.retry(|| call.memory.preadv(d.as_fd(), iovs, count, at))?;
    call.put_u32(out, n as u32)
}

/// `fd_write`: bytes written go to `out`. When nobody reads standard output or error any more, the run ends.
#[inline(always)]
pub(crate) fn write(call: &Call<'_>, fd: u32, iovs: u32, count: u32, out: u32) -> Outcome {
    call.memory.check(out, 4u32)?;
    let d = call.ctx.fd(fd, rights::FD_WRITE)?;
    let n = call.retry(|| d.write(call.memory, iovs, count)).map_err(|e| match e {
        Fail::Errno(Errno::Pipe) if d.ends_on_broken_pipe => Fail::BrokenPipe,
        e => e,
    })?;
    d.written()?;
    call.put_u32(out, n as u32)
}

/// `fd_pwrite`.
#[inline(always)]
pub(crate) fn pwrite(call: &Call<'_>, fd: u32, iovs: u32, count: u32, at: u64, out: u32) -> Outcome {
    call.memory.check(out, 4u32)?;
    let d = call.ctx.fd(fd, rights::FD_WRITE | rights::FD_SEEK)?;
    let n = call.retry(|| d.write_at(call.memory, iovs, count, at))?;
    d.written()?;
    call.put_u32(out, n as u32)
}

/// `fd_seek`: the new position goes to `out`.
#[inline(always)]
pub(crate) fn seek(call: &Call<'_>, generation: Generation, fd: u32, by: i64, whence: u32, out: u32) -> Outcome {
    let from = match (generation, whence) {
        (Generation::Preview1, 0) | (Generation::Unstable, 2) => SeekFrom::Start(offset(by as u64)?),
        (Generation::Preview1, 1) | (Generation::Unstable, 0) => SeekFrom::Current(by),
        (Generation::Preview1, 2) | (Generation::Unstable, 1) => SeekFrom::End(by),
        _ => return Err(Errno::Inval.into()),
    };
    // Looking where one is takes the right to tell alone.
    let d = match from {
        SeekFrom::Current(0) => call.ctx.fd(fd, rights::FD_TELL).or_else(|_| call.ctx.fd(fd, rights::FD_SEEK)),
        _ => call.ctx.fd(fd, rights::FD_SEEK),
    }?;
    call.memory.check(out, 8u32)?;
    let position = rustix::fs::seek(&*d, from)?;
    Ok(call.memory.write(out, position)?)
}

/// `fd_tell`.
pub(crate) fn tell(call: &Call<'_>, fd: u32, out: u32) -> Outcome {
    let d = call.ctx.fd(fd, rights::FD_TELL)?;
    let position = rustix::fs::tell(&*d)?;
    Ok(call.memory.write(out, position)?)
}

/// `fd_close`.
pub(crate) fn close(call: &Call<'_>, fd: u32) -> Outcome {
    let closed = call.ctx.table.remove(fd)?;
    call.ctx.closed(closed);
    Ok(())
}

/// `fd_renumber`.
pub(crate) fn renumber(call: &Call<'_>, from: u32, to: u32) -> Outcome {
    let closed = call.ctx.table.renumber(from, to)?;
    if let Some(closed) = closed {
        call.ctx.closed(closed);
    }
    Ok(())
}

/// `fd_sync`.
pub(crate) fn sync(call: &Call<'_>, fd: u32) -> Outcome {
    let d = call.ctx.fd(fd, rights::FD_SYNC)?;
    call.retry(|| rustix::fs::fsync(&*d))
}

/// `fd_datasync`.
pub(crate) fn datasync(call: &Call<'_>, fd: u32) -> Outcome {
    let d = call.ctx.fd(fd, rights::FD_DATASYNC)?;
    call.retry(|| rustix::fs::fdatasync(&*d))
}

/// `fd_advise`; a length of 0 means to the end.
pub(crate) fn advise(call: &Call<'_>, fd: u32, at: u64, len: u64, advice: u32) -> Outcome {
    let d = call.ctx.fd(fd, rights::FD_ADVISE)?;
    let advice = match advice {
        0 => Advice::Normal,
        1 => Advice::Sequential,
        2 => Advice::Random,
        3 => Advice::WillNeed,
        4 => Advice::DontNeed,
        5 => Advice::NoReuse,
        _ => return Err(Errno::Inval.into()),
    };
    Ok(rustix::fs::fadvise(&*d, offset(at)?, NonZeroU64::new(offset(len)?), advice)?)
}

/// `fd_allocate`.
pub(crate) fn allocate(call: &Call<'_>, fd: u32, at: u64, len: u64) -> Outcome {
    let d = call.ctx.fd(fd, rights::FD_ALLOCATE)?;
    d.writable()?;
    let (at, len) = (offset(at)?, offset(len)?);
    call.retry(|| rustix::fs::fallocate(&*d, FallocateFlags::empty(), at, len))
}

/// `fd_fdstat_get`.
#[inline(always)]
pub(crate) fn fdstat_get(call: &Call<'_>, fd: u32, out: u32) -> Outcome {
    let d = call.ctx.fd(fd, 0)?;
    let (base, inheriting) = d.rights();
    let mut bytes = [0; 24];
    bytes[0] = d.filetype;
    bytes[2..4].copy_from_slice(&d.flags()?.to_le_bytes());
    bytes[8..16].copy_from_slice(&base.to_le_bytes());
    bytes[16..24].copy_from_slice(&inheriting.to_le_bytes());
    Ok(call.memory.write_bytes(out, &bytes)?)
}

/// `fd_fdstat_set_flags`.
pub(crate) fn fdstat_set_flags(call: &Call<'_>, fd: u32, flags: u32) -> Outcome {
    let d = call.ctx.fd(fd, rights::FD_FDSTAT_SET_FLAGS)?;
    match u16::try_from(flags) {
        Ok(flags) if flags & !fdflags::ALL == 0 => Ok(d.set_flags(flags)?),
        _ => Err(Errno::Inval.into()),
    }
}

/// `fd_fdstat_set_rights`: they can only shrink.
pub(crate) fn fdstat_set_rights(call: &Call<'_>, fd: u32, base: u64, inheriting: u64) -> Outcome {
    call.ctx.fd(fd, 0)?.shrink_rights(base, inheriting)
}

/// `fd_filestat_get`.
#[inline(always)]
pub(crate) fn filestat_get(call: &Call<'_>, generation: Generation, fd: u32, out: u32) -> Outcome {
    let d = call.ctx.fd(fd, rights::FD_FILESTAT_GET)?;
    let status = Status::of(&rustix::fs::fstat(&*d)?);
    put_filestat(call, &status, d.filetype, generation, out)
}

/// Writes a `$filestat`.
pub(crate) fn put_filestat(call: &Call<'_>, status: &Status, filetype: u8, generation: Generation, out: u32) -> Outcome {
    let (bytes, len) = abi::filestat(status, filetype, generation);
    Ok(call.memory.write_bytes(out, &bytes[..len])?)
}

/// `fd_filestat_set_size`.
pub(crate) fn filestat_set_size(call: &Call<'_>, fd: u32, size: u64) -> Outcome {
    let d = call.ctx.fd(fd, rights::FD_FILESTAT_SET_SIZE)?;
    d.writable()?;
    let size = offset(size)?;
    d.may_be_cut()?;
    call.retry(|| rustix::fs::ftruncate(&*d, size))
}

/// `fd_filestat_set_times`.
pub(crate) fn filestat_set_times(call: &Call<'_>, fd: u32, atim: u64, mtim: u64, flags: u32) -> Outcome {
    let d = call.ctx.fd(fd, rights::FD_FILESTAT_SET_TIMES)?;
    let times = timestamps(atim, mtim, flags)?;
    d.writable()?;
    d.may_have(&times)?;
    Ok(rustix::fs::futimens(&*d, &times)?)
}

/// Times to set, as `$fstflags` choose them: a value, now, or as they are.
pub(crate) fn timestamps(atim: u64, mtim: u64, flags: u32) -> Outcome<Timestamps> {
    if flags & !fstflags::ALL != 0 {
        return Err(Errno::Inval.into());
    }
    let choose = |value: u64, set: u32, now: u32| match (flags & set != 0, flags & now != 0) {
        (true, true) => Err(Errno::Inval),
        // At most 2^64 / 10^9 seconds.
        (true, false) => Ok(Timespec { tv_sec: (value / 1_000_000_000) as i64, tv_nsec: (value % 1_000_000_000) as i64 }),
        (false, true) => Ok(Timespec { tv_sec: 0, tv_nsec: UTIME_NOW }),
        (false, false) => Ok(Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT }),
    };
    Ok(Timestamps {
        last_access: choose(atim, fstflags::ATIM, fstflags::ATIM_NOW)?,
        last_modification: choose(mtim, fstflags::MTIM, fstflags::MTIM_NOW)?,
    })
}

/// `fd_prestat_get`: `EBADF` ends the search that programs begin at 3.
pub(crate) fn prestat_get(call: &Call<'_>, fd: u32, out: u32) -> Outcome {
    let d = call.ctx.fd(fd, 0)?;
    let name = preopen_name(&d)?;
    let mut bytes = [0; 8];
    bytes[4..8].copy_from_slice(&(name.len() as u32).to_le_bytes());
    Ok(call.memory.write_bytes(out, &bytes)?)
}

/// `fd_prestat_dir_name`.
pub(crate) fn prestat_dir_name(call: &Call<'_>, fd: u32, path: u32, len: u32) -> Outcome {
    let d = call.ctx.fd(fd, 0)?;
    let name = preopen_name(&d)?;
    if name.len() > len as usize {
        return Err(Errno::NameTooLong.into());
    }
    Ok(call.memory.write_bytes(path, name)?)
}

fn preopen_name(d: &Descriptor) -> Outcome<&[u8]> {
    Ok(d.preopen.as_deref().ok_or(Errno::BadF)?)
}

/// Bytes of kernel entries read at once. One holds at most 19 bytes, a name of 255, and its NUL.
const ENTRIES: usize = 8192;

/// Marks a cookie that is a position of the kernel's, in a directory with more entries than are numbered.
const KERNEL: u64 = 1 << 63;

/// `fd_readdir`: entries from `cookie` on, until the buffer is full; the last may be cut. Fewer bytes than the buffer has
/// mean that there are no more.
///
/// A cookie is the entry's number, since programs keep no more than 32 bits of it (`telldir`), and the kernel's positions (`d_off`)
/// have 63. Each number stands for the position where the entry ended, and so stays good while entries come and go. Where there is no
/// room for more positions, cookies are the kernel's, with a mark.
pub(crate) fn readdir(call: &Call<'_>, fd: u32, buf: u32, len: u32, cookie: u64, out: u32) -> Outcome {
    call.memory.check(buf, len)?;
    call.memory.check(out, 4u32)?;
    let d = call.ctx.fd(fd, rights::FD_READDIR)?;
    let ends = d.entry_ends.get_or_init(|| Mutex::new(Positions::new(&call.ctx.room)));
    let mut ends = ends.lock().unwrap_or_else(PoisonError::into_inner);
    // Where to begin, and the number of the entry before; none if entries are not numbered there.
    let (position, mut number) = match cookie {
        0 => (0, Some(0)),
        c if c & KERNEL != 0 => (c & !KERNEL, None),
        c if c > MOST as u64 => return Err(Errno::Inval.into()),
        // One that was not given out yet is looked for from the last that was.
        c => {
            let known = ends.len().min(c as usize);
            (known.checked_sub(1).map_or(0, |last| ends.end_of(last)), Some(known))
        }
    };
    let mut space = [const { std::mem::MaybeUninit::uninit() }; ENTRIES];
    // No more than the guest has room for, roughly: an entry is about as long here as there.
    let space = &mut space[..(len as usize).clamp(1024, ENTRIES)];
    rustix::fs::seek(&*d, SeekFrom::Start(position))?;
    let mut entries = rustix::fs::RawDir::new(&*d, space);
    let mut used = 0;
    while used < len {
        if entries.is_buffer_empty() {
            call.go_on()?;
        }
        let entry = match entries.next() {
            None => break,
            Some(entry) => entry?,
        };
        let skip = number.is_some_and(|n| (n as u64) < cookie);
        number = number.and_then(|n| ends.note(n, entry.next_entry_cookie()));
        if skip {
            continue;
        }
        let next = number.map_or(entry.next_entry_cookie() | KERNEL, |n| n as u64);
        let name = entry.file_name().to_bytes();
        let mut bytes = [0; 24 + 256];
        bytes[0..8].copy_from_slice(&next.to_le_bytes());
        bytes[8..16].copy_from_slice(&entry.ino().to_le_bytes());
        bytes[16..20].copy_from_slice(&(name.len() as u32).to_le_bytes());
        bytes[20] = entry_type(&d, entry.file_type(), name);
        // A name has at most 255 bytes (NAME_MAX) in every file system of Linux.
        let kept = name.len().min(256);
        bytes[24..24 + kept].copy_from_slice(&name[..kept]);
        let take = (24 + kept).min((len - used) as usize);
        call.memory.write_bytes(u64::from(buf) + u64::from(used), &bytes[..take])?;
        used += take as u32;
    }
    call.put_u32(out, used)
}

/// Some file systems leave the type to `stat`.
fn entry_type(d: &Descriptor, t: FileType, name: &[u8]) -> u8 {
    let t = match t {
        FileType::Unknown => rustix::fs::statat(d, name, rustix::fs::AtFlags::SYMLINK_NOFOLLOW)
            .map_or(FileType::Unknown, |stat| FileType::from_raw_mode(stat.st_mode)),
        t => t,
    };
    match t {
        FileType::Unknown => filetype::UNKNOWN,
        t => abi::filetype_of(t),
    }
}
