//! Strings as `args_get` and `environ_get` hand them out: each ends with a NUL, one behind the
//! other.

use super::errno::Outcome;
use crate::BuildError;
use sconce_engine::GuestMemory;

/// A list of them.
#[derive(Debug, Default)]
pub(crate) struct Strings {
    bytes: Vec<u8>,
    /// Where each begins.
    starts: Vec<u32>,
}

impl Strings {
    /// Adds one, in parts without a NUL. [`BuildError::TooMany`] if they do not fit a guest's
    /// memory any more.
    pub(crate) fn push(&mut self, parts: &[&[u8]]) -> Result<(), BuildError> {
        self.starts.push(u32::try_from(self.bytes.len()).map_err(|_| BuildError::TooMany)?);
        self.bytes.extend(parts.concat());
        self.bytes.push(0);
        u32::try_from(self.bytes.len()).map(drop).map_err(|_| BuildError::TooMany)
    }

    /// How many, and how many bytes with their NULs.
    pub(crate) fn sizes(&self) -> (u32, u32) {
        (self.starts.len() as u32, self.bytes.len() as u32)
    }

    /// Writes their addresses and their bytes. Nothing is written unless all of it fits.
    pub(crate) fn put(&self, memory: GuestMemory<'_>, pointers: u32, buf: u32) -> Outcome {
        memory.check(pointers, self.starts.len() as u64 * 4)?;
        memory.write_bytes(buf, &self.bytes)?;
        for (i, start) in self.starts.iter().enumerate() {
            // Inside the memory, as was checked, and so below 2^32, but for an empty list.
            memory.write(u64::from(pointers) + i as u64 * 4, buf.wrapping_add(*start))?;
        }
        Ok(())
    }
}
