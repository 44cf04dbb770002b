//! `sock_*`: sockets that the guest was given, and connections that it accepts on them.

use super::abi::fdflags;
use super::call::{Call, retry};
use super::errno::{Errno, Fail, Outcome};
use super::fd::unwritten;
use super::handle::Handle;
use super::rights;
use crate::host::flags::Flags;
use rustix::net::{RecvFlags, Shutdown};

/// `sock_accept`: waits for a connection; the new descriptor's `$fdflags` may be `NONBLOCK`.
pub(crate) fn accept(call: &Call<'_>, fd: u32, flags: u32, out: u32) -> Outcome {
    call.memory.check(out, 4u32)?;
    let d = call.ctx.socket(fd, rights::SOCK_ACCEPT)?;
    let flags = match u16::try_from(flags) {
        Ok(0) => Flags::default(),
        Ok(fdflags::NONBLOCK) => Flags::NONBLOCK,
        _ => return Err(Errno::Inval.into()),
    };
    let socket = call.retry(|| d.host.accept(flags))?;
    let fd = call.ctx.table.insert(Handle::new(socket).of(d.grant))?;
    call.put_u32(out, fd)
}

/// `sock_recv`: bytes and `$roflags` go to `out_len` and `out_flags`.
pub(crate) fn recv(call: &Call<'_>, fd: u32, iovs: u32, count: u32, flags: u32, out_len: u32, out_flags: u32) -> Outcome {
    const PEEK: u32 = 1;
    const WAITALL: u32 = 2;
    const DATA_TRUNCATED: u16 = 1;
    call.memory.check(out_len, 4u32)?;
    call.memory.check(out_flags, 2u32)?;
    let d = call.ctx.socket(fd, rights::FD_READ)?;
    if flags & !(PEEK | WAITALL) != 0 {
        return Err(Errno::Inval.into());
    }
    let mut host = RecvFlags::empty();
    host.set(RecvFlags::PEEK, flags & PEEK != 0);
    host.set(RecvFlags::WAITALL, flags & WAITALL != 0);
    let (mut n, cut) = call.retry(|| d.host.receive(call.iovs(iovs, count), host))?;
    if host == RecvFlags::WAITALL && n > 0 {
        // A signal may have come that nobody means to stop the program with.
        n = retry!(call, d.host.receive_rest(call.iovs(iovs, count), &mut n))?;
    }
    call.put_u32(out_len, n as u32)?;
    Ok(call.memory.write(out_flags, if cut { DATA_TRUNCATED } else { 0 })?)
}

/// `sock_send`: a peer that is gone is `EPIPE`.
pub(crate) fn send(call: &Call<'_>, fd: u32, iovs: u32, count: u32, flags: u32, out: u32) -> Outcome {
    call.memory.check(out, 4u32)?;
    let d = call.ctx.socket(fd, rights::FD_WRITE)?;
    if flags != 0 {
        return Err(Errno::Inval.into());
    }
    let mut n = call.retry(|| d.host.send(call.iovs(iovs, count))).map_err(|e| unwritten(call, &d, e))?;
    // As above.
    n = retry!(call, d.host.send_rest(call.iovs(iovs, count), &mut n)).map_err(|e| unwritten(call, &d, e))?;
    call.put_u32(out, n as u32)
}

/// `sock_shutdown`.
pub(crate) fn shutdown(call: &Call<'_>, fd: u32, how: u32) -> Outcome {
    let d = call.ctx.socket(fd, rights::SOCK_SHUTDOWN)?;
    let how = match how {
        1 => Shutdown::Read,
        2 => Shutdown::Write,
        3 => Shutdown::Both,
        _ => return Err(Errno::Inval.into()),
    };
    Ok(d.host.shutdown(how)?)
}
