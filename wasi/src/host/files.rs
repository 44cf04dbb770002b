//! What is done with an open file beside transferring bytes.

use super::descriptor::Descriptor;
use super::status::Status;
use rustix::fs::{Advice, FallocateFlags, SeekFrom, Timestamps};
use rustix::io::{Errno, Result};
use std::num::NonZeroU64;

/// Offsets and sizes that the kernel can take: its own are signed. `EINVAL` for others.
pub(crate) fn offset(value: u64) -> Result<u64> {
    if value > i64::MAX as u64 { Err(Errno::INVAL) } else { Ok(value) }
}

impl Descriptor {
    #[inline(always)]
    pub(crate) fn seek(&self, to: SeekFrom) -> Result<u64> {
        rustix::fs::seek(self, to)
    }

    pub(crate) fn sync(&self) -> Result<()> {
        rustix::fs::fsync(self)
    }

    pub(crate) fn sync_data(&self) -> Result<()> {
        rustix::fs::fdatasync(self)
    }

    /// A length of 0 means to the end.
    pub(crate) fn advise(&self, at: u64, len: u64, advice: Advice) -> Result<()> {
        let (at, len) = (offset(at)?, NonZeroU64::new(offset(len)?));
        if self.as_pipe().is_some() {
            return Err(Errno::SPIPE);
        }
        rustix::fs::fadvise(self, at, len, advice)
    }

    /// Makes room on the disk.
    pub(crate) fn allocate(&self, at: u64, len: u64) -> Result<()> {
        self.writable()?;
        let allocate = || rustix::fs::fallocate(self, FallocateFlags::empty(), offset(at)?, offset(len)?);
        match &self.quota {
            None => allocate(),
            Some(quota) => {
                let all = |most| if most < len { Err(quota.refuse()) } else { allocate().map(|()| len as usize) };
                quota.spend(len, all).map(|_| ())
            }
        }
    }

    #[inline(always)]
    pub(crate) fn status(&self) -> Result<Status> {
        Ok(Status::of(&rustix::fs::fstat(self)?))
    }

    pub(crate) fn set_size(&self, size: u64) -> Result<()> {
        self.writable()?;
        let size = offset(size)?;
        self.may_be_cut()?;
        rustix::fs::ftruncate(self, size)
    }

    pub(crate) fn set_times(&self, times: &Timestamps) -> Result<()> {
        self.writable()?;
        self.may_have(times)?;
        rustix::fs::futimens(self, times)
    }
}
