//! `path_*`: what is done by name below a directory.

use super::abi::{self, Generation, filetype_of, oflags};
use super::call::{Call, Text, retry};
use super::errno::{Errno, Fail, Outcome};
use super::fd::{put_filestat, timestamps};
use super::handle::Handle;
use super::rights;
use crate::host::denial::{self, Rule};
use crate::host::paths;
use crate::host::resolve::{Follow, PATH_MAX};

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
    let opening = opening(ask)?;
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
        denial::note(Rule::GivenUp);
        return Err(Errno::NotCapable.into());
    }
    let opening = opening.checked()?;
    let mut text = Text::new();
    let path = text.path(call, path)?;
    let opened = retry!(call, call.ctx.world.open(&dir.host, path, &opening))?;
    call.put_u32(out, call.ctx.table.insert(Handle::opened(opened, passed).of(dir.grant))?)
}

/// What is asked for, in the host's words. Whether a file is opened for reading or writing is said
/// by the rights alone.
#[inline]
fn opening(ask: &Open) -> Outcome<paths::Open> {
    let follow = follow(ask.lookup)?;
    let flags = abi::flags(ask.fdflags).ok_or(Errno::Inval)?;
    if ask.oflags & !oflags::ALL != 0 {
        return Err(Errno::Inval.into());
    }
    Ok(paths::Open {
        follow,
        read: ask.base & rights::FD_READ != 0,
        write: ask.base & rights::FD_WRITE != 0,
        create: ask.oflags & oflags::CREAT != 0,
        exclusive: ask.oflags & oflags::EXCL != 0,
        truncate: ask.oflags & oflags::TRUNC != 0,
        directory: ask.oflags & oflags::DIRECTORY != 0,
        flags,
    })
}

/// `path_filestat_get`.
#[inline(always)]
pub(crate) fn filestat_get(call: &Call<'_>, generation: Generation, fd: u32, lookup: u32, path: (u32, u32), out: u32) -> Outcome {
    let follow = follow(lookup)?;
    let dir = call.ctx.dir(fd, rights::PATH_FILESTAT_GET)?;
    let mut text = Text::new();
    let path = text.path(call, path)?;
    let status = retry!(call, call.ctx.world.status_of(&dir.host, path, follow))?;
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
    call.retry(|| call.ctx.world.set_times_of(&dir.host, path, follow, &times))
}

/// `path_create_directory`.
pub(crate) fn create_directory(call: &Call<'_>, fd: u32, path: (u32, u32)) -> Outcome {
    let dir = call.ctx.dir(fd, rights::PATH_CREATE_DIRECTORY)?;
    let mut text = Text::new();
    let path = text.path(call, path)?;
    call.retry(|| dir.host.create_directory(&call.ctx.world.resolver, path))?;
    Ok(call.ctx.world.created_name(&dir.host, path)?)
}

/// `path_remove_directory`.
pub(crate) fn remove_directory(call: &Call<'_>, fd: u32, path: (u32, u32)) -> Outcome {
    let dir = call.ctx.dir(fd, rights::PATH_REMOVE_DIRECTORY)?;
    let mut text = Text::new();
    let path = text.path(call, path)?;
    call.retry(|| dir.host.remove_directory(&call.ctx.world.resolver, path))
}

/// `path_unlink_file`.
pub(crate) fn unlink_file(call: &Call<'_>, fd: u32, path: (u32, u32)) -> Outcome {
    let dir = call.ctx.dir(fd, rights::PATH_UNLINK_FILE)?;
    let mut text = Text::new();
    let path = text.path(call, path)?;
    call.retry(|| dir.host.unlink(&call.ctx.world.resolver, path))
}

/// `path_rename`.
pub(crate) fn rename(call: &Call<'_>, fd: u32, old: (u32, u32), new_fd: u32, new: (u32, u32)) -> Outcome {
    let from = call.ctx.dir(fd, rights::PATH_RENAME_SOURCE)?;
    let to = call.ctx.dir(new_fd, rights::PATH_RENAME_TARGET)?;
    let (mut old_text, mut new_text) = (Text::new(), Text::new());
    let (old, new) = (old_text.path(call, old)?, new_text.path(call, new)?);
    call.retry(|| from.host.rename(&call.ctx.world.resolver, old, (&to.host, new)))
}

/// `path_link`.
pub(crate) fn link(call: &Call<'_>, fd: u32, lookup: u32, old: (u32, u32), new_fd: u32, new: (u32, u32)) -> Outcome {
    let follow = follow(lookup)?;
    let from = call.ctx.dir(fd, rights::PATH_LINK_SOURCE)?;
    let to = call.ctx.dir(new_fd, rights::PATH_LINK_TARGET)?;
    let (mut old_text, mut new_text) = (Text::new(), Text::new());
    let (old, new) = (old_text.path(call, old)?, new_text.path(call, new)?);
    call.retry(|| from.host.link(&call.ctx.world.resolver, old, follow, (&to.host, new)))
}

/// `path_symlink`: a link with the text `old`.
pub(crate) fn symlink(call: &Call<'_>, old: (u32, u32), fd: u32, new: (u32, u32)) -> Outcome {
    let dir = call.ctx.dir(fd, rights::PATH_SYMLINK)?;
    let (mut old_text, mut new_text) = (Text::new(), Text::new());
    let (old, new) = (old_text.bytes(call, old)?, new_text.path(call, new)?);
    call.retry(|| dir.host.symlink(&call.ctx.world.resolver, old, new))?;
    Ok(call.ctx.world.created_name(&dir.host, new)?)
}

/// `path_readlink`: as much of the link's text as fits; how much goes to `out`.
pub(crate) fn readlink(call: &Call<'_>, fd: u32, path: (u32, u32), buf: u32, len: u32, out: u32) -> Outcome {
    call.memory.check(buf, len)?;
    let dir = call.ctx.dir(fd, rights::PATH_READLINK)?;
    let mut text = Text::new();
    let path = text.path(call, path)?;
    let mut target = [0; PATH_MAX + 1];
    let target_len = call.retry(|| dir.host.readlink(&call.ctx.world.resolver, path, &mut target))?;
    let n = target_len.min(len as usize);
    call.memory.write_bytes(buf, &target[..n])?;
    call.put_u32(out, n as u32)
}
