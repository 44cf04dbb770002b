//! The functions by name, a row each, and how a call ends.
//!
//! What is called often is inlined down to the system call, since each return after one is mispredicted: the kernel has
//! cleared the return stack buffer.

use super::abi::Generation::{Preview1, Unstable};
use super::call::Call;
use super::ctx::WasiCtx;
use super::errno::{Errno, Fail, Outcome};
use super::{args, clock, environ, fd, path, poll, proc, random, readdir, sched, sock};
use crate::host::ends::{BrokenPipe, Exit, Killed};
use sconce_engine::{Caller, Error, GuestMemory, Linker, TrapCode};

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

/// Defines the functions of a module: `name(arguments) = body`, the body with `c` as its [`Call`].
macro_rules! functions {
    ($linker:ident, $get:ident, $module:expr; $($name:ident($($arg:ident: $ty:ty),*) = $body:expr;)*) => {$(
        $linker.func_wrap($module, stringify!($name), move |caller: Caller<'_, T>, $($arg: $ty),*| -> Result<u32, Error> {
            ended(enter(&caller, $get, |c| $body(c)))
        })?;
    )*};
}

/// Provides WASI: the modules `wasi_snapshot_preview1` and `wasi_unstable`, on the context that `get` finds in the store's data.
///
/// A call of the guest's may end the run with one of [`Exit`], [`BrokenPipe`] and [`Killed`], which come out of it as the host
/// function's error, or with the trap `Interrupt`.
///
/// # Errors
///
/// If a name is defined already.
pub fn add_to_linker<T: 'static>(linker: &mut Linker<T>, get: fn(&T) -> &WasiCtx) -> Result<(), Error> {
    for module in ["wasi_snapshot_preview1", "wasi_unstable"] {
        functions! { linker, get, module;
            args_get(argv: u32, buf: u32) = |c| args::get(c, argv, buf);
            args_sizes_get(count: u32, size: u32) = |c| args::sizes_get(c, count, size);
            environ_get(environ: u32, buf: u32) = |c| environ::get(c, environ, buf);
            environ_sizes_get(count: u32, size: u32) = |c| environ::sizes_get(c, count, size);
            clock_res_get(id: u32, out: u32) = |c| clock::res_get(c, id, out);
            clock_time_get(id: u32, precision: u64, out: u32) = |c| clock::time_get(c, id, precision, out);
            fd_advise(fd: u32, at: u64, len: u64, advice: u32) = |c| fd::advise(c, fd, at, len, advice);
            fd_allocate(fd: u32, at: u64, len: u64) = |c| fd::allocate(c, fd, at, len);
            fd_close(fd: u32) = |c| fd::close(c, fd);
            fd_datasync(fd: u32) = |c| fd::datasync(c, fd);
            fd_fdstat_get(fd: u32, out: u32) = |c| fd::fdstat_get(c, fd, out);
            fd_fdstat_set_flags(fd: u32, flags: u32) = |c| fd::fdstat_set_flags(c, fd, flags);
            fd_fdstat_set_rights(fd: u32, base: u64, inheriting: u64) = |c| fd::fdstat_set_rights(c, fd, base, inheriting);
            fd_filestat_set_size(fd: u32, size: u64) = |c| fd::filestat_set_size(c, fd, size);
            fd_filestat_set_times(fd: u32, atim: u64, mtim: u64, flags: u32) = |c| fd::filestat_set_times(c, fd, atim, mtim, flags);
            fd_pread(fd: u32, iovs: u32, count: u32, at: u64, out: u32) = |c| fd::pread(c, fd, iovs, count, at, out);
            fd_prestat_get(fd: u32, out: u32) = |c| fd::prestat_get(c, fd, out);
            fd_prestat_dir_name(fd: u32, path: u32, len: u32) = |c| fd::prestat_dir_name(c, fd, path, len);
            fd_pwrite(fd: u32, iovs: u32, count: u32, at: u64, out: u32) = |c| fd::pwrite(c, fd, iovs, count, at, out);
            fd_read(fd: u32, iovs: u32, count: u32, out: u32) = |c| fd::read(c, fd, iovs, count, out);
            fd_readdir(fd: u32, buf: u32, len: u32, cookie: u64, out: u32) = |c| readdir::readdir(c, fd, buf, len, cookie, out);
            fd_renumber(fd: u32, to: u32) = |c| fd::renumber(c, fd, to);
            fd_sync(fd: u32) = |c| fd::sync(c, fd);
            fd_tell(fd: u32, out: u32) = |c| fd::tell(c, fd, out);
            fd_write(fd: u32, iovs: u32, count: u32, out: u32) = |c| fd::write(c, fd, iovs, count, out);
            path_create_directory(fd: u32, path: u32, len: u32) = |c| path::create_directory(c, fd, (path, len));
            path_filestat_set_times(fd: u32, lookup: u32, path: u32, len: u32, atim: u64, mtim: u64, flags: u32)
                = |c| path::filestat_set_times(c, fd, lookup, (path, len), (atim, mtim), flags);
            path_link(fd: u32, lookup: u32, old: u32, old_len: u32, new_fd: u32, new: u32, new_len: u32)
                = |c| path::link(c, fd, lookup, (old, old_len), new_fd, (new, new_len));
            path_open(fd: u32, lookup: u32, path: u32, len: u32, oflags: u32, base: u64, inheriting: u64, fdflags: u32, out: u32)
                = |c| path::open(c, fd, (path, len), &path::Open { lookup, oflags, base, inheriting, fdflags }, out);
            path_readlink(fd: u32, path: u32, len: u32, buf: u32, buf_len: u32, out: u32)
                = |c| path::readlink(c, fd, (path, len), buf, buf_len, out);
            path_remove_directory(fd: u32, path: u32, len: u32) = |c| path::remove_directory(c, fd, (path, len));
            path_rename(fd: u32, old: u32, old_len: u32, new_fd: u32, new: u32, new_len: u32)
                = |c| path::rename(c, fd, (old, old_len), new_fd, (new, new_len));
            path_symlink(old: u32, old_len: u32, fd: u32, new: u32, new_len: u32)
                = |c| path::symlink(c, (old, old_len), fd, (new, new_len));
            path_unlink_file(fd: u32, path: u32, len: u32) = |c| path::unlink_file(c, fd, (path, len));
            proc_raise(signal: u32) = |c| proc::raise(c, signal);
            random_get(buf: u32, len: u32) = |c| random::get(c, buf, len);
            sched_yield() = |c| sched::yield_(c);
            sock_recv(fd: u32, iovs: u32, count: u32, flags: u32, out_len: u32, out_flags: u32)
                = |c| sock::recv(c, fd, iovs, count, flags, out_len, out_flags);
            sock_send(fd: u32, iovs: u32, count: u32, flags: u32, out: u32) = |c| sock::send(c, fd, iovs, count, flags, out);
            sock_shutdown(fd: u32, how: u32) = |c| sock::shutdown(c, fd, how);
        }
        // The one function without a result.
        linker.func_wrap(module, "proc_exit", move |caller: Caller<'_, T>, code: u32| -> Result<(), Error> {
            ended(enter(&caller, get, |c| proc::exit(c, code))).map(drop)
        })?;
    }
    functions! { linker, get, "wasi_snapshot_preview1";
        fd_filestat_get(fd: u32, out: u32) = |c| fd::filestat_get(c, Preview1, fd, out);
        fd_seek(fd: u32, by: i64, whence: u32, out: u32) = |c| fd::seek(c, Preview1, fd, by, whence, out);
        path_filestat_get(fd: u32, lookup: u32, path: u32, len: u32, out: u32)
            = |c| path::filestat_get(c, Preview1, fd, lookup, (path, len), out);
        poll_oneoff(input: u32, output: u32, count: u32, out: u32) = |c| poll::oneoff(c, Preview1, input, output, count, out);
        sock_accept(fd: u32, flags: u32, out: u32) = |c| sock::accept(c, fd, flags, out);
    }
    functions! { linker, get, "wasi_unstable";
        fd_filestat_get(fd: u32, out: u32) = |c| fd::filestat_get(c, Unstable, fd, out);
        fd_seek(fd: u32, by: i64, whence: u32, out: u32) = |c| fd::seek(c, Unstable, fd, by, whence, out);
        path_filestat_get(fd: u32, lookup: u32, path: u32, len: u32, out: u32)
            = |c| path::filestat_get(c, Unstable, fd, lookup, (path, len), out);
        poll_oneoff(input: u32, output: u32, count: u32, out: u32) = |c| poll::oneoff(c, Unstable, input, output, count, out);
    }
    Ok(())
}
