//! The functions by name, a row each, and how a call ends.
//!
//! What is called often is inlined down to the system call, since each return after one is mispredicted: the kernel has
//! cleared the return stack buffer.

use super::abi::Generation::{Preview1, Unstable};
use super::call::Call;
use super::ctx::WasiCtx;
use super::errno::{Errno, Fail, Outcome};
use super::trace::names::*;
use super::trace::row::*;
use super::watch::Watch;
use super::{args, clock, environ, fd, path, poll, proc, random, readdir, sched, sock};
use crate::host::ends::{BrokenPipe, Exit, Killed, OutputLimit};
use sconce_engine::{Caller, Error, GuestMemory, Linker, TrapCode};
use std::sync::Arc;

/// What the guest, or the run, sees of an outcome.
#[inline(always)]
fn ended(outcome: Outcome) -> Result<u32, Error> {
    match outcome {
        Ok(()) => Ok(Errno::Success as u32),
        Err(Fail::Errno(e)) => Ok(e as u32),
        Err(fail) => Err(stopped(fail)),
    }
}

#[cold]
fn stopped(fail: Fail) -> Error {
    match fail {
        Fail::Errno(e) => Error::host(format!("errno {}", e as u16)),
        Fail::Interrupted => Error::trap(TrapCode::Interrupt),
        Fail::Exit(code) => Error::host(Exit(code)),
        Fail::BrokenPipe => Error::host(BrokenPipe),
        Fail::OutputLimit(bytes) => Error::host(OutputLimit(bytes)),
        Fail::Killed(signal) => Error::host(Killed(signal)),
    }
}

/// Runs a function for a caller. One that exports no memory has none: every address is a fault.
#[inline(always)]
fn enter<T: 'static>(caller: &Caller<'_, T>, get: fn(&T) -> &WasiCtx, body: impl FnOnce(&Call<'_>) -> Outcome) -> Outcome {
    body(&Call {
        ctx: get(caller.data()),
        memory: caller.memory().unwrap_or(GuestMemory::EMPTY),
        interrupted: &|| caller.interrupted(),
    })
}

/// Defines the functions of a module: `name(arguments) shows [parameters] = body`, the body with `c` as its [`Call`], and the
/// parameters as the specification has them and as traces show them. Where somebody watches, the function is another one, so that
/// those of other runs have nothing to ask.
macro_rules! functions {
    ($linker:ident, $get:ident, $watch:ident, $module:expr; $(
        $name:ident($($arg:ident: $ty:ty),*) shows [$($param:expr),*] = $body:expr;
    )*) => {$({
        const ROW: Row = row!($name($($arg),*), $($param),*);
        match $watch.cloned() {
            None => $linker.func_wrap($module, ROW.name, move |caller: Caller<'_, T>, $($arg: $ty),*| -> Result<u32, Error> {
                ended(enter(&caller, $get, |c| $body(c)))
            })?,
            Some(watch) => $linker.func_wrap($module, ROW.name, move |caller: Caller<'_, T>, $($arg: $ty),*| -> Result<u32, Error> {
                ended(enter(&caller, $get, |c| watch.call(c, ($module, &ROW), &[$($arg as u64),*], &|| $body(c))))
            })?,
        };
    })*};
}

/// A function's [`Row`].
macro_rules! row {
    ($name:ident($($arg:ident),*), $($param:expr),*) => {
        Row::new(stringify!($name), &[$($param),*], <[&str]>::len(&[$(stringify!($arg)),*]))
    };
}

/// Provides WASI: the modules `wasi_snapshot_preview1` and `wasi_unstable`, on the context that `get` finds in the store's data.
///
/// A call of the guest's may end the run with one of [`Exit`], [`BrokenPipe`], [`OutputLimit`] and [`Killed`], which come out of it as the host
/// function's error, or with the trap `Interrupt`.
///
/// # Errors
///
/// If a name is defined already.
pub fn add_to_linker<T: 'static>(linker: &mut Linker<T>, get: fn(&T) -> &WasiCtx) -> Result<(), Error> {
    define(linker, get, None)
}

/// As [`add_to_linker`], for calls that somebody looks at.
///
/// # Errors
///
/// If a name is defined already.
pub fn add_watched_to_linker<T: 'static>(linker: &mut Linker<T>, get: fn(&T) -> &WasiCtx, watch: Watch) -> Result<(), Error> {
    define(linker, get, Some(&Arc::new(watch)))
}

fn define<T: 'static>(linker: &mut Linker<T>, get: fn(&T) -> &WasiCtx, watch: Option<&Arc<Watch>>) -> Result<(), Error> {
    for module in ["wasi_snapshot_preview1", "wasi_unstable"] {
        functions! { linker, get, watch, module;
            args_get(argv: u32, buf: u32) shows [pointer("argv"), pointer("argv_buf")] = |c| args::get(c, argv, buf);
            args_sizes_get(count: u32, size: u32) shows [count("argc"), count("argv_buf_size")]
                = |c| args::sizes_get(c, count, size);
            environ_get(environ: u32, buf: u32) shows [pointer("environ"), pointer("environ_buf")]
                = |c| environ::get(c, environ, buf);
            environ_sizes_get(count: u32, size: u32) shows [count("environc"), count("environ_buf_size")]
                = |c| environ::sizes_get(c, count, size);
            clock_res_get(id: u32, out: u32) shows [choice("id", CLOCK), resolution("resolution")]
                = |c| clock::res_get(c, id, out);
            clock_time_get(id: u32, precision: u64, out: u32) shows [choice("id", CLOCK), duration("precision"), clock("time")]
                = |c| clock::time_get(c, id, precision, out);
            fd_advise(fd: u32, at: u64, len: u64, advice: u32)
                shows [FD, number("offset"), number("len"), choice("advice", ADVICE)]
                = |c| fd::advise(c, fd, at, len, advice);
            fd_allocate(fd: u32, at: u64, len: u64) shows [FD, number("offset"), number("len")]
                = |c| fd::allocate(c, fd, at, len);
            fd_close(fd: u32) shows [FD] = |c| fd::close(c, fd);
            fd_datasync(fd: u32) shows [FD] = |c| fd::datasync(c, fd);
            fd_fdstat_get(fd: u32, out: u32) shows [FD, fdstat("stat")] = |c| fd::fdstat_get(c, fd, out);
            fd_fdstat_set_flags(fd: u32, flags: u32) shows [FD, flags("flags", FDFLAGS)] = |c| fd::fdstat_set_flags(c, fd, flags);
            fd_fdstat_set_rights(fd: u32, base: u64, inheriting: u64)
                shows [FD, flags("fs_rights_base", RIGHTS), flags("fs_rights_inheriting", RIGHTS)]
                = |c| fd::fdstat_set_rights(c, fd, base, inheriting);
            fd_filestat_set_size(fd: u32, size: u64) shows [FD, number("size")] = |c| fd::filestat_set_size(c, fd, size);
            fd_filestat_set_times(fd: u32, atim: u64, mtim: u64, flags: u32)
                shows [FD, time("atim"), time("mtim"), flags("fst_flags", FSTFLAGS)]
                = |c| fd::filestat_set_times(c, fd, atim, mtim, flags);
            fd_pread(fd: u32, iovs: u32, count: u32, at: u64, out: u32) shows [FD, read("iovs"), number("offset"), size("nread")]
                = |c| fd::pread(c, fd, iovs, count, at, out);
            fd_prestat_get(fd: u32, out: u32) shows [FD, prestat("prestat")] = |c| fd::prestat_get(c, fd, out);
            fd_prestat_dir_name(fd: u32, path: u32, len: u32) shows [FD, filled("path")]
                = |c| fd::prestat_dir_name(c, fd, path, len);
            fd_pwrite(fd: u32, iovs: u32, count: u32, at: u64, out: u32)
                shows [FD, written("iovs"), number("offset"), size("nwritten")]
                = |c| fd::pwrite(c, fd, iovs, count, at, out);
            fd_read(fd: u32, iovs: u32, count: u32, out: u32) shows [FD, read("iovs"), size("nread")]
                = |c| fd::read(c, fd, iovs, count, out);
            fd_readdir(fd: u32, buf: u32, len: u32, cookie: u64, out: u32)
                shows [FD, entries("buf"), number("cookie"), size("bufused")]
                = |c| readdir::readdir(c, fd, buf, len, cookie, out);
            fd_renumber(fd: u32, to: u32) shows [FD, descriptor("to")] = |c| fd::renumber(c, fd, to);
            fd_sync(fd: u32) shows [FD] = |c| fd::sync(c, fd);
            fd_tell(fd: u32, out: u32) shows [FD, position("offset")] = |c| fd::tell(c, fd, out);
            fd_write(fd: u32, iovs: u32, count: u32, out: u32) shows [FD, written("iovs"), size("nwritten")]
                = |c| fd::write(c, fd, iovs, count, out);
            path_create_directory(fd: u32, path: u32, len: u32) shows [FD, text("path")]
                = |c| path::create_directory(c, fd, (path, len));
            path_filestat_set_times(fd: u32, lookup: u32, path: u32, len: u32, atim: u64, mtim: u64, flags: u32)
                shows [FD, flags("flags", LOOKUPFLAGS), text("path"), time("atim"), time("mtim"), flags("fst_flags", FSTFLAGS)]
                = |c| path::filestat_set_times(c, fd, lookup, (path, len), (atim, mtim), flags);
            path_link(fd: u32, lookup: u32, old: u32, old_len: u32, new_fd: u32, new: u32, new_len: u32)
                shows [descriptor("old_fd"), flags("old_flags", LOOKUPFLAGS), text("old_path"), descriptor("new_fd"), text("new_path")]
                = |c| path::link(c, fd, lookup, (old, old_len), new_fd, (new, new_len));
            path_open(fd: u32, lookup: u32, path: u32, len: u32, oflags: u32, base: u64, inheriting: u64, fdflags: u32, out: u32)
                shows [FD, flags("dirflags", LOOKUPFLAGS), text("path"), flags("oflags", OFLAGS), flags("fs_rights_base", RIGHTS),
                    flags("fs_rights_inheriting", RIGHTS), flags("fdflags", FDFLAGS), opened("fd")]
                = |c| path::open(c, fd, (path, len), &path::Open { lookup, oflags, base, inheriting, fdflags }, out);
            path_readlink(fd: u32, path: u32, len: u32, buf: u32, buf_len: u32, out: u32)
                shows [FD, text("path"), filled("buf"), size("bufused")]
                = |c| path::readlink(c, fd, (path, len), buf, buf_len, out);
            path_remove_directory(fd: u32, path: u32, len: u32) shows [FD, text("path")]
                = |c| path::remove_directory(c, fd, (path, len));
            path_rename(fd: u32, old: u32, old_len: u32, new_fd: u32, new: u32, new_len: u32)
                shows [FD, text("old_path"), descriptor("new_fd"), text("new_path")]
                = |c| path::rename(c, fd, (old, old_len), new_fd, (new, new_len));
            path_symlink(old: u32, old_len: u32, fd: u32, new: u32, new_len: u32) shows [text("old_path"), FD, text("new_path")]
                = |c| path::symlink(c, (old, old_len), fd, (new, new_len));
            path_unlink_file(fd: u32, path: u32, len: u32) shows [FD, text("path")] = |c| path::unlink_file(c, fd, (path, len));
            proc_raise(signal: u32) shows [choice("sig", SIGNAL)] = |c| proc::raise(c, signal);
            random_get(buf: u32, len: u32) shows [buffer("buf")] = |c| random::get(c, buf, len);
            sched_yield() shows [] = |c| sched::yield_(c);
            sock_recv(fd: u32, iovs: u32, count: u32, flags: u32, out_len: u32, out_flags: u32)
                shows [FD, read("ri_data"), flags("ri_flags", RIFLAGS), size("ro_datalen"), result_flags("ro_flags", ROFLAGS)]
                = |c| sock::recv(c, fd, iovs, count, flags, out_len, out_flags);
            sock_send(fd: u32, iovs: u32, count: u32, flags: u32, out: u32)
                shows [FD, written("si_data"), flags("si_flags", SIFLAGS), size("so_datalen")]
                = |c| sock::send(c, fd, iovs, count, flags, out);
            sock_shutdown(fd: u32, how: u32) shows [FD, flags("how", SDFLAGS)] = |c| sock::shutdown(c, fd, how);
        }
        // The one function without a result.
        const EXIT: Row = row!(proc_exit(code), number("rval"));
        match watch.cloned() {
            None => linker.func_wrap(module, EXIT.name, move |caller: Caller<'_, T>, code: u32| -> Result<(), Error> {
                ended(enter(&caller, get, |c| proc::exit(c, code))).map(drop)
            })?,
            Some(watch) => linker.func_wrap(module, EXIT.name, move |caller: Caller<'_, T>, code: u32| -> Result<(), Error> {
                ended(enter(&caller, get, |c| watch.call(c, (module, &EXIT), &[code.into()], &|| proc::exit(c, code)))).map(drop)
            })?,
        };
    }
    functions! { linker, get, watch, "wasi_snapshot_preview1";
        fd_filestat_get(fd: u32, out: u32) shows [FD, filestat("buf", Preview1)] = |c| fd::filestat_get(c, Preview1, fd, out);
        fd_seek(fd: u32, by: i64, whence: u32, out: u32)
            shows [FD, signed("offset"), choice("whence", whence(Preview1)), position("newoffset")]
            = |c| fd::seek(c, Preview1, fd, by, whence, out);
        path_filestat_get(fd: u32, lookup: u32, path: u32, len: u32, out: u32)
            shows [FD, flags("flags", LOOKUPFLAGS), text("path"), filestat("buf", Preview1)]
            = |c| path::filestat_get(c, Preview1, fd, lookup, (path, len), out);
        poll_oneoff(input: u32, output: u32, count: u32, out: u32)
            shows [subscriptions("in", Preview1), events("out"), number("nsubscriptions"), size("nevents")]
            = |c| poll::oneoff(c, Preview1, input, output, count, out);
        sock_accept(fd: u32, flags: u32, out: u32) shows [FD, flags("flags", FDFLAGS), accepted("fd")]
            = |c| sock::accept(c, fd, flags, out);
    }
    functions! { linker, get, watch, "wasi_unstable";
        fd_filestat_get(fd: u32, out: u32) shows [FD, filestat("buf", Unstable)] = |c| fd::filestat_get(c, Unstable, fd, out);
        fd_seek(fd: u32, by: i64, whence: u32, out: u32)
            shows [FD, signed("offset"), choice("whence", whence(Unstable)), position("newoffset")]
            = |c| fd::seek(c, Unstable, fd, by, whence, out);
        path_filestat_get(fd: u32, lookup: u32, path: u32, len: u32, out: u32)
            shows [FD, flags("flags", LOOKUPFLAGS), text("path"), filestat("buf", Unstable)]
            = |c| path::filestat_get(c, Unstable, fd, lookup, (path, len), out);
        poll_oneoff(input: u32, output: u32, count: u32, out: u32)
            shows [subscriptions("in", Unstable), events("out"), number("nsubscriptions"), size("nevents")]
            = |c| poll::oneoff(c, Unstable, input, output, count, out);
    }
    Ok(())
}
