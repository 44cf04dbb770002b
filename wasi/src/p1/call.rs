//! One call of the guest's: what it may use while it lasts.

use super::ctx::WasiCtx;
use super::errno::{Errno, Fail, Outcome};
use super::iovs::Iovs;
use super::strings::Strings;
use crate::host::resolve::{GuestPath, PATH_MAX};
use sconce_engine::GuestMemory;

/// The caller's side of a host call.
#[derive(Copy, Clone)]
pub(crate) struct Call<'a> {
    pub ctx: &'a WasiCtx,
    pub memory: GuestMemory<'a>,
    /// Whether the store was asked to stop.
    pub interrupted: &'a dyn Fn() -> bool,
}

impl<'a> Call<'a> {
    /// Runs a system call that may wait, again whenever a signal cut it short that was not meant to stop the guest.
    #[inline(always)]
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

    /// Writes a number for the guest.
    #[inline(always)]
    pub(crate) fn put_u32(&self, pointer: u32, value: u32) -> Outcome {
        Ok(self.memory.write(pointer, value)?)
    }

    /// The number of strings and of their bytes.
    pub(crate) fn put_sizes(&self, strings: &Strings, count: u32, size: u32) -> Outcome {
        let (strings, bytes) = strings.sizes();
        self.memory.check(size, 4u32)?;
        self.put_u32(count, strings)?;
        self.put_u32(size, bytes)
    }

    /// An array of buffers, which is looked at when it is used.
    #[inline(always)]
    pub(crate) fn iovs(&self, at: u32, count: u32) -> Iovs<'a> {
        Iovs { memory: self.memory, at, count }
    }
}

/// [`Call::retry`] for what is called often: a closure that stands in several functions (of two generations, of runs with and
/// without a trace) would be inlined into none.
macro_rules! retry {
    ($call:ident, $op:expr) => {
        loop {
            match $op {
                Err(rustix::io::Errno::INTR) => {
                    if let Err(stopped) = $call.go_on() {
                        break Err(stopped);
                    }
                }
                done => break done.map_err(Fail::from),
            }
        }
    };
}
pub(crate) use retry;

/// Where a path of the guest's is copied to: short ones on the stack.
pub(crate) struct Text {
    short: [u8; SHORT],
    long: Vec<u8>,
}

const SHORT: usize = 256;

impl Text {
    #[inline(always)]
    pub(crate) fn new() -> Text {
        Text { short: [0; SHORT], long: Vec::new() }
    }

    /// A path in the guest's memory, copied out of it before it is looked at.
    #[inline(always)]
    pub(crate) fn path(&mut self, call: &Call<'_>, at: (u32, u32)) -> Outcome<GuestPath<'_>> {
        Ok(GuestPath::new(self.bytes(call, at)?)?)
    }

    /// At most `PATH_MAX` bytes of the guest's memory.
    #[inline(always)]
    pub(crate) fn bytes(&mut self, call: &Call<'_>, (pointer, len): (u32, u32)) -> Outcome<&[u8]> {
        if len as usize > SHORT {
            return self.long(call, pointer, len);
        }
        let bytes = &mut self.short[..len as usize];
        call.memory.read_bytes(pointer, bytes)?;
        Ok(bytes)
    }

    #[inline(never)]
    fn long(&mut self, call: &Call<'_>, pointer: u32, len: u32) -> Outcome<&[u8]> {
        call.memory.check(pointer, len)?;
        if len as usize > PATH_MAX {
            return Err(Errno::NameTooLong.into());
        }
        self.long = vec![0; len as usize];
        call.memory.read_bytes(pointer, &mut self.long)?;
        Ok(&self.long)
    }
}
