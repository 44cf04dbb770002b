//! `path_*`: what is done by name below a directory. [`crate::host::resolve`] says what a name means.
//!
//! A change below a read-only directory is refused as [`read_only`] says.

use crate::host::descriptor::{Access, Descriptor};
use crate::host::read_only;
use crate::host::resolve::{Follow, PATH_MAX};
use crate::p1::abi::{Generation, fdflags, filetype_of, oflags, rights};
use crate::p1::call::{Call, Text};
use crate::p1::errno::{Errno, Outcome};
use crate::p1::fd::{put_filestat, timestamps};
use rustix::fs::{Mode, OFlags};

/// `$lookupflags`.
fn follow(flags: u32) -> Outcome<Follow> {
    match flags {
        0 => Ok(Follow::No),
        1 => Ok(Follow::Yes),
        _ => Err(Errno::Inval.into()),
    }
}

/// What a guest asks `path_open` for.
pub(crate) struct Open {
    pub lookup: u32,
    pub oflags: u32,
    pub base: u64,
    pub inheriting: u64,
    pub fdflags: u32,
}

/// `path_open`: the new descriptor goes to `out`.
#[inline(always)]
pub(crate) fn open(call: &Call<'_>, fd: u32, path: (u32, u32), ask: &Open, out: u32) -> Outcome {
    call.memory.check(out, 4u32)?;
    let follow = follow(ask.lookup)?;
    let flags = u16::try_from(ask.fdflags).map_err(|_| Errno::Inval)?;
    if ask.oflags & !oflags::ALL != 0 || flags & !fdflags::ALL != 0 {
        return Err(Errno::Inval.into());
    }
    let (base, inheriting) = (ask.base & rights::OPENED, ask.inheriting & rights::OPENED);
    let mut needed = rights::PATH_OPEN;
    if ask.oflags & oflags::CREAT != 0 {
        needed |= rights::PATH_CREATE_FILE;
    }
    if ask.oflags & oflags::TRUNC != 0 {
        needed |= rights::PATH_FILESTAT_SET_SIZE;
    }
    let dir = call.ctx.dir(fd, needed)?;
    let passed = dir.rights().1;
    if (base | inheriting) & !passed != 0 {
        return Err(Errno::NotCapable.into());
    }
    let host = host_flags(ask.oflags, flags, base)?;
    let mut text = Text::new();
    let path = text.path(call, path)?;
    let found = match dir.access {
        Access::ReadWrite => call.retry(|| call.ctx.resolver.open(dir.base(), path, follow, host, Mode::from_raw_mode(0o666))),
        Access::ReadOnly => call.retry(|| read_only::open(call.ctx.resolver, dir.base(), path, follow, host)),
    }?;
    let opened = Descriptor::opened(found, dir.access, passed, flags, host)?;
    call.put_u32(out, call.ctx.table.insert(opened)?)
}

/// The kernel's flags. Whether a file is opened for reading or writing is said by the rights alone.
fn host_flags(oflags: u32, flags: u16, base: u64) -> Outcome<OFlags> {
    let mut host = match (base & rights::FD_READ != 0, base & rights::FD_WRITE != 0) {
        (true, true) => OFlags::RDWR,
        (false, true) => OFlags::WRONLY,
        (_, false) => OFlags::RDONLY,
    };
    // A FIFO is waited for as ever, unless the guest says otherwise: an interrupt ends that, too. Never get a controlling terminal.
    host |= OFlags::NOCTTY;
    host.set(OFlags::NONBLOCK, flags & fdflags::NONBLOCK != 0);
    if oflags & (oflags::CREAT | oflags::DIRECTORY) == oflags::CREAT | oflags::DIRECTORY {
        return Err(Errno::Inval.into());
    }
    host.set(OFlags::CREATE, oflags & oflags::CREAT != 0);
    host.set(OFlags::EXCL, oflags & oflags::EXCL != 0);
    host.set(OFlags::TRUNC, oflags & oflags::TRUNC != 0);
    host.set(OFlags::DIRECTORY, oflags & oflags::DIRECTORY != 0);
    host.set(OFlags::APPEND, flags & fdflags::APPEND != 0);
    if flags & (fdflags::SYNC | fdflags::RSYNC) != 0 {
        host |= OFlags::SYNC;
    } else if flags & fdflags::DSYNC != 0 {
        host |= OFlags::DSYNC;
    }
    Ok(host)
}

/// `path_filestat_get`.
#[inline(always)]
pub(crate) fn filestat_get(call: &Call<'_>, generation: Generation, fd: u32, lookup: u32, path: (u32, u32), out: u32) -> Outcome {
    let follow = follow(lookup)?;
    let dir = call.ctx.dir(fd, rights::PATH_FILESTAT_GET)?;
    let mut text = Text::new();
    let path = text.path(call, path)?;
    // As `Call::retry`, whose closure would not be inlined into both generations.
    let status = loop {
        match call.ctx.resolver.stat(dir.base(), path, follow) {
            Err(rustix::io::Errno::INTR) => call.go_on()?,
            done => break done?,
        }
    };
    put_filestat(call, &status, filetype_of(status.kind), generation, out)
}

/// `path_filestat_set_times`: of a link itself, or of what it leads to.
pub(crate) fn filestat_set_times(
    call: &Call<'_>,
    fd: u32,
    lookup: u32,
    path: (u32, u32),
    (atim, mtim): (u64, u64),
    flags: u32,
) -> Outcome {
    let (follow, times) = (follow(lookup)?, timestamps(atim, mtim, flags)?);
    let dir = call.ctx.dir(fd, rights::PATH_FILESTAT_SET_TIMES)?;
    let mut text = Text::new();
    let path = text.path(call, path)?;
    let resolver = call.ctx.resolver;
    call.retry(|| match dir.access {
        Access::ReadWrite => resolver.set_times(dir.base(), path, follow, &times),
        Access::ReadOnly => read_only::set_times(resolver, dir.base(), path, follow),
    })
}

/// `path_create_directory`.
pub(crate) fn create_directory(call: &Call<'_>, fd: u32, path: (u32, u32)) -> Outcome {
    let dir = call.ctx.dir(fd, rights::PATH_CREATE_DIRECTORY)?;
    let mut text = Text::new();
    let path = text.path(call, path)?;
    let resolver = call.ctx.resolver;
    call.retry(|| match dir.access {
        Access::ReadWrite => resolver.mkdir(dir.base(), path),
        Access::ReadOnly => read_only::mkdir(resolver, dir.base(), path),
    })
}

/// `path_remove_directory`.
pub(crate) fn remove_directory(call: &Call<'_>, fd: u32, path: (u32, u32)) -> Outcome {
    let dir = call.ctx.dir(fd, rights::PATH_REMOVE_DIRECTORY)?;
    let mut text = Text::new();
    let path = text.path(call, path)?;
    let resolver = call.ctx.resolver;
    call.retry(|| match dir.access {
        Access::ReadWrite => resolver.rmdir(dir.base(), path),
        Access::ReadOnly => read_only::rmdir(resolver, dir.base(), path),
    })
}

/// `path_unlink_file`.
pub(crate) fn unlink_file(call: &Call<'_>, fd: u32, path: (u32, u32)) -> Outcome {
    let dir = call.ctx.dir(fd, rights::PATH_UNLINK_FILE)?;
    let mut text = Text::new();
    let path = text.path(call, path)?;
    let resolver = call.ctx.resolver;
    call.retry(|| match dir.access {
        Access::ReadWrite => resolver.unlink(dir.base(), path),
        Access::ReadOnly => read_only::unlink(resolver, dir.base(), path),
    })
}

/// `path_rename`.
pub(crate) fn rename(call: &Call<'_>, fd: u32, old: (u32, u32), new_fd: u32, new: (u32, u32)) -> Outcome {
    let from = call.ctx.dir(fd, rights::PATH_RENAME_SOURCE)?;
    let to = call.ctx.dir(new_fd, rights::PATH_RENAME_TARGET)?;
    let (mut old_text, mut new_text) = (Text::new(), Text::new());
    let (old, new) = (old_text.path(call, old)?, new_text.path(call, new)?);
    let resolver = call.ctx.resolver;
    call.retry(|| match (from.access, to.access) {
        (Access::ReadWrite, Access::ReadWrite) => resolver.rename((from.base(), old), (to.base(), new)),
        (Access::ReadOnly, _) | (_, Access::ReadOnly) => read_only::rename(resolver, (from.base(), old), (to.base(), new)),
    })
}

/// `path_link`.
pub(crate) fn link(call: &Call<'_>, fd: u32, lookup: u32, old: (u32, u32), new_fd: u32, new: (u32, u32)) -> Outcome {
    let follow = follow(lookup)?;
    let from = call.ctx.dir(fd, rights::PATH_LINK_SOURCE)?;
    let to = call.ctx.dir(new_fd, rights::PATH_LINK_TARGET)?;
    let (mut old_text, mut new_text) = (Text::new(), Text::new());
    let (old, new) = (old_text.path(call, old)?, new_text.path(call, new)?);
    let resolver = call.ctx.resolver;
    call.retry(|| match (from.access, to.access) {
        (Access::ReadWrite, Access::ReadWrite) => resolver.link((from.base(), old), follow, (to.base(), new)),
        (Access::ReadOnly, _) | (_, Access::ReadOnly) => read_only::link(resolver, (from.base(), old), follow, (to.base(), new)),
    })
}

/// `path_symlink`: a link with the text `old`.
pub(crate) fn symlink(call: &Call<'_>, old: (u32, u32), fd: u32, new: (u32, u32)) -> Outcome {
    let dir = call.ctx.dir(fd, rights::PATH_SYMLINK)?;
    let (mut old_text, mut new_text) = (Text::new(), Text::new());
    let (old, new) = (old_text.bytes(call, old)?, new_text.path(call, new)?);
    let resolver = call.ctx.resolver;
    call.retry(|| match dir.access {
        Access::ReadWrite => resolver.symlink(old, dir.base(), new),
        Access::ReadOnly => read_only::symlink(resolver, old, dir.base(), new),
    })
}

/// `path_readlink`: as much of the link's text as fits; how much goes to `out`.
pub(crate) fn readlink(call: &Call<'_>, fd: u32, path: (u32, u32), buf: u32, len: u32, out: u32) -> Outcome {
    call.memory.check(buf, len)?;
    let dir = call.ctx.dir(fd, rights::PATH_READLINK)?;
    let mut text = Text::new();
    let path = text.path(call, path)?;
    let mut target = [0; PATH_MAX + 1];
    let target_len = call.retry(|| call.ctx.resolver.readlink(dir.base(), path, &mut target))?;
    let n = target_len.min(len as usize);
    call.memory.write_bytes(buf, &target[..n])?;
    call.put_u32(out, n as u32)
}
