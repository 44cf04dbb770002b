//! Sockets: connections that are accepted, what is sent and received on them.

use super::descriptor::{Access, Descriptor, Sharing};
use super::flags::Flags;
use super::transfer::Buffers;
use rustix::io::Result;
use rustix::net::{RecvFlags, ReturnFlags, Shutdown, SocketFlags};

impl Descriptor {
    /// Waits for a connection; whether reading it waits is said by `flags`.
    pub(crate) fn accept(&self, flags: Flags) -> Result<Descriptor> {
        let mut socket_flags = SocketFlags::CLOEXEC;
        socket_flags.set(SocketFlags::NONBLOCK, flags.has(Flags::NONBLOCK));
        let socket = self.accepting(|| rustix::net::accept_with(self, socket_flags))?;
        Descriptor::new(socket, Sharing::Own, Access::ReadWrite)
    }

    /// `recvmsg(2)`: how many bytes, and whether there were more of that message.
    pub(crate) fn receive(&self, into: impl Buffers, flags: RecvFlags) -> Result<(usize, bool)> {
        let (n, got) = self.receiving(into, flags)?;
        Ok((n, got.contains(ReturnFlags::TRUNC)))
    }

    /// `shutdown(2)`.
    pub(crate) fn shutdown(&self, how: Shutdown) -> Result<()> {
        rustix::net::shutdown(self, how)
    }
}
