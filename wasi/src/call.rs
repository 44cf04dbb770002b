//! One call of the guest's: what it may use while it lasts.

use crate::ctx::WasiCtx;
use crate::errno::{Errno, Fail, Outcome};
use crate::resolve::GuestPath;
use sconce_engine::GuestMemory;

/// The caller's side of a host call.
#[derive(Copy, Clone)]
pub(crate) struct Call<'a> {
    pub ctx: &'a WasiCtx,
    pub memory: GuestMemory<'a>,
    /// Whether the store was asked to stop.
    pub interrupted: &'a dyn Fn() -> bool,
}

impl Call<'_> {
    /// Runs a system call that may wait, again whenever a signal cut it short that was not meant to stop the guest.
    #[inline]
    pub(crate) fn retry<T>(&self, mut op: impl FnMut() -> rustix::io::Result<T>) -> Outcome<T> {
        loop {
            match op() {
                Err(rustix::io::Errno::INTR) => self.go_on()?,
                done => return done.map_err(Fail::from),
            }
        }
    }

    /// Fails if the store was asked to stop.
    pub(crate) fn go_on(&self) -> Outcome {
        if (self.interrupted)() { Err(Fail::Interrupted) } else { Ok(()) }
    }

    /// Runs `op` on a path in the guest's memory, copied out of it before it is looked at.
    #[inline]
    pub(crate) fn with_path<T>(&self, pointer: u32, len: u32, op: impl FnOnce(GuestPath<'_>) -> Outcome<T>) -> Outcome<T> {
        self.with_text(pointer, len, |bytes| op(GuestPath::new(bytes)?))
    }

    /// Runs `op` on at most `PATH_MAX` bytes of the guest's memory.
    #[inline]
    pub(crate) fn with_text<T>(&self, pointer: u32, len: u32, op: impl FnOnce(&[u8]) -> Outcome<T>) -> Outcome<T> {
        const SHORT: usize = 256;
        let len = len as usize;
        if len <= SHORT {
            let mut space = [0; SHORT];
            let bytes = &mut space[..len];
            self.memory.read_bytes(pointer, bytes)?;
            return op(bytes);
        }
        self.memory.check(pointer, len as u64)?;
        if len > crate::resolve::PATH_MAX {
            return Err(Errno::NameTooLong.into());
        }
        let mut bytes = vec![0; len];
        self.memory.read_bytes(pointer, &mut bytes)?;
        op(&bytes)
    }

    /// Writes a number for the guest.
    #[inline]
    pub(crate) fn put_u32(&self, pointer: u32, value: u32) -> Outcome {
        Ok(self.memory.write(pointer, value)?)
    }
}
