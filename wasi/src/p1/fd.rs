//! `fd_*`: what is done through an open descriptor.

use super::abi::{self, Generation, fstflags};
use super::call::{Call, retry};
use super::errno::{Errno, Fail, Outcome};
use super::handle::Handle;
use super::rights;
use crate::host::files::offset;
use crate::host::status::Status;
use rustix::fs::{Advice, SeekFrom, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT};
use std::sync::atomic::Ordering;

/// `fd_read`: bytes read go to `out`.
#[inline(always)]
pub(crate) fn read(call: &Call<'_>, fd: u32, iovs: u32, count: u32, out: u32) -> Outcome {
    call.memory.check(out, 4u32)?;
    let d = call.ctx.fd(fd, rights::FD_READ)?;
    let mut done = 0;
    let n = retry!(call, call.ctx.world.read(&d.host, call.iovs(iovs, count), &mut done))?;
    call.put_u32(out, n as u32)
}

/// `fd_pread`.
#[inline(always)]
pub(crate) fn pread(call: &Call<'_>, fd: u32, iovs: u32, count: u32, at: u64, out: u32) -> Outcome {
    call.memory.check(out, 4u32)?;
    let d = call.ctx.fd(fd, rights::FD_READ | rights::FD_SEEK)?;
    let n = retry!(call, d.host.read_at(call.iovs(iovs, count), at))?;
    call.put_u32(out, n as u32)
}

/// `fd_write`: bytes written go to `out`. When nobody reads standard output or error any more, the run ends.
#[inline(always)]
pub(crate) fn write(call: &Call<'_>, fd: u32, iovs: u32, count: u32, out: u32) -> Outcome {
    call.memory.check(out, 4u32)?;
    let d = call.ctx.fd(fd, rights::FD_WRITE)?;
    let mut done = 0;
    let n = retry!(call, call.ctx.world.write(&d.host, call.iovs(iovs, count), &mut done)).map_err(|e| unwritten(call, &d, e))?;
    d.host.written()?;
    call.ctx.world.written(&d.host)?;
    call.put_u32(out, n as u32)
}

/// What a write that failed means for the run.
#[cold]
pub(super) fn unwritten(call: &Call<'_>, d: &Handle, fail: Fail) -> Fail {
    if fail == Fail::Errno(Errno::FBig) {
        call.ctx.world.file_size_refused.store(true, Ordering::Relaxed);
    }
    match (fail, d.host.exhausted()) {
        (Fail::Errno(Errno::Pipe), _) if d.host.ends_on_broken_pipe => Fail::BrokenPipe,
        (Fail::Errno(Errno::DQuot), Some(bytes)) => Fail::OutputLimit(bytes),
        (fail, _) => fail,
    }
}

/// `fd_pwrite`.
#[inline(always)]
pub(crate) fn pwrite(call: &Call<'_>, fd: u32, iovs: u32, count: u32, at: u64, out: u32) -> Outcome {
    call.memory.check(out, 4u32)?;
    let d = call.ctx.fd(fd, rights::FD_WRITE | rights::FD_SEEK)?;
    let n = retry!(call, d.host.write_at(call.iovs(iovs, count), at)).map_err(|e| unwritten(call, &d, e))?;
    d.host.written()?;
    call.ctx.world.written(&d.host)?;
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
    let position = call.ctx.world.seek(&d.host, from)?;
    Ok(call.memory.write(out, position)?)
}

/// `fd_tell`.
pub(crate) fn tell(call: &Call<'_>, fd: u32, out: u32) -> Outcome {
    let d = call.ctx.fd(fd, rights::FD_TELL)?;
    let position = call.ctx.world.seek(&d.host, SeekFrom::Current(0))?;
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
    call.retry(|| d.host.sync())
}

/// `fd_datasync`.
pub(crate) fn datasync(call: &Call<'_>, fd: u32) -> Outcome {
    let d = call.ctx.fd(fd, rights::FD_DATASYNC)?;
    call.retry(|| d.host.sync_data())
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
    Ok(d.host.advise(at, len, advice)?)
}

/// `fd_allocate`.
pub(crate) fn allocate(call: &Call<'_>, fd: u32, at: u64, len: u64) -> Outcome {
    let d = call.ctx.fd(fd, rights::FD_ALLOCATE)?;
    call.retry(|| d.host.allocate(at, len)).map_err(|e| unwritten(call, &d, e))?;
    Ok(call.ctx.world.written(&d.host)?)
}

/// `fd_fdstat_get`.
#[inline(always)]
pub(crate) fn fdstat_get(call: &Call<'_>, fd: u32, out: u32) -> Outcome {
    let d = call.ctx.fd(fd, 0)?;
    let (base, inheriting) = d.rights();
    let mut bytes = [0; 24];
    bytes[0] = d.filetype;
    bytes[2..4].copy_from_slice(&abi::fdflags_of(d.host.flags()?).to_le_bytes());
    bytes[8..16].copy_from_slice(&base.to_le_bytes());
    bytes[16..24].copy_from_slice(&inheriting.to_le_bytes());
    Ok(call.memory.write_bytes(out, &bytes)?)
}

/// `fd_fdstat_set_flags`.
pub(crate) fn fdstat_set_flags(call: &Call<'_>, fd: u32, flags: u32) -> Outcome {
    let d = call.ctx.fd(fd, rights::FD_FDSTAT_SET_FLAGS)?;
    Ok(d.host.set_flags(abi::flags(flags).ok_or(Errno::Inval)?)?)
}

/// `fd_fdstat_set_rights`: they can only shrink.
pub(crate) fn fdstat_set_rights(call: &Call<'_>, fd: u32, base: u64, inheriting: u64) -> Outcome {
    call.ctx.fd(fd, 0)?.shrink_rights(base, inheriting)
}

/// `fd_filestat_get`.
#[inline(always)]
pub(crate) fn filestat_get(call: &Call<'_>, generation: Generation, fd: u32, out: u32) -> Outcome {
    let d = call.ctx.fd(fd, rights::FD_FILESTAT_GET)?;
    let status = call.ctx.world.status(&d.host)?;
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
    call.retry(|| d.host.set_size(size)).map_err(|e| unwritten(call, &d, e))?;
    Ok(call.ctx.world.written(&d.host)?)
}

/// `fd_filestat_set_times`.
pub(crate) fn filestat_set_times(call: &Call<'_>, fd: u32, atim: u64, mtim: u64, flags: u32) -> Outcome {
    let d = call.ctx.fd(fd, rights::FD_FILESTAT_SET_TIMES)?;
    let times = timestamps(atim, mtim, flags)?;
    Ok(call.ctx.world.set_times(&d.host, &times)?)
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

fn preopen_name(d: &Handle) -> Outcome<&[u8]> {
    Ok(d.preopen.as_deref().ok_or(Errno::BadF)?)
}
