//! Sockets: connections that are accepted, what is sent and received on them.

use super::descriptor::{Access, Descriptor, Sharing};
use super::flags::Flags;
use super::transfer::Buffers;
use super::whole::{self, Patience};
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

    /// Goes on with a reception that is to wait for everything, after so many bytes: a signal by which nobody means to stop the program may
    /// have come.
    pub(crate) fn receive_rest(&self, into: impl Buffers, done: &mut usize) -> Result<usize> {
        if self.is_cut_short(*done, into.len()?) { whole::read(self, into, done, Patience::None) } else { Ok(*done) }
    }

    /// The same of sending.
    pub(crate) fn send_rest(&self, from: impl Buffers, done: &mut usize) -> Result<usize> {
        if self.is_cut_short(*done, from.len()?) { whole::write(self, from, done, Patience::None) } else { Ok(*done) }
    }

    /// Whether there is more to do. What follows in a socket of messages would be another message.
    fn is_cut_short(&self, done: usize, all: u64) -> bool {
        (done as u64) < all && self.goes_on() && !self.datagram
    }

    /// `shutdown(2)`.
    pub(crate) fn shutdown(&self, how: Shutdown) -> Result<()> {
        rustix::net::shutdown(self, how)
    }
}
