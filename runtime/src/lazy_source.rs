//! Where the bytes of lazy pages come from: parts of a file, chunk by chunk, each with a digest
//! from an authenticated place.

use rustix::io::{Errno, pread};
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// Bytes of a chunk; the last one of a part may be shorter. As many as the digest computes at once;
/// measured, half as many cost 6 % more of a whole start, since there are more faults, and twice as
/// many about the same.
pub const CHUNK: usize = 16 << 10;

/// A chunk's digest.
pub type Digest = [u8; 32];

/// Who can make a file again that turns out to be damaged, or gone, while it is used.
pub trait Remake: std::fmt::Debug + Send + Sync {
    /// All that the file should hold; `None` if that cannot be known any more. The first call takes
    /// as long as it takes.
    ///
    /// Called in a signal handler too, but only for a fault of guest code, or of host code that
    /// copies from or to a guest's memory: neither is inside the allocator. So this may do what
    /// other code does, except wait for a lock that such host code holds. Little stack is left.
    fn bytes(&self) -> Option<&[u8]>;
}

/// Where a part's bytes come from.
#[derive(Clone, Debug)]
pub struct LazySource {
    /// The file, which nobody need keep from changing.
    pub file: Arc<OwnedFd>,
    /// What helps if it is damaged.
    pub remake: Option<Arc<dyn Remake>>,
    /// Where the part begins in it.
    pub offset: u64,
    /// Bytes of the part.
    pub len: usize,
    /// One for each chunk, from an authenticated place.
    pub digests: Box<[Digest]>,
    /// Computes a chunk's digest. Called in a signal handler: it takes no lock and allocates
    /// nothing.
    pub digest: fn(&[u8]) -> Digest,
}

impl LazySource {
    /// The piece of `len` bytes at `start`, which is the beginning of a chunk; `None` if there is
    /// no such piece, or if it ends inside of a chunk.
    pub(crate) fn piece(&self, start: usize, len: usize) -> Option<LazySource> {
        let end = start.checked_add(len).filter(|&end| end <= self.len)?;
        if !start.is_multiple_of(CHUNK) || !(len.is_multiple_of(CHUNK) || end == self.len) {
            return None;
        }
        let digests = self.digests.get(start / CHUNK..end.div_ceil(CHUNK))?.into();
        Some(LazySource { offset: self.offset + start as u64, len, digests, ..self.clone() })
    }

    /// All of it; `None` if it cannot be read or does not match.
    pub(crate) fn whole(&self) -> Option<Vec<u8>> {
        let mut bytes = vec![0; self.len];
        (self.digests.len() == self.len.div_ceil(CHUNK) && self.fetch(&mut bytes, 0)).then_some(bytes)
    }

    /// Reads what stands at `start`, the beginning of a chunk; false if it cannot be read or does
    /// not match, and cannot be made again either.
    pub(crate) fn fetch(&self, bytes: &mut [u8], start: usize) -> bool {
        (self.read(bytes, start) && self.matches(bytes, start))
            || (self.make(bytes, start).is_some() && self.matches(bytes, start))
    }

    fn matches(&self, bytes: &[u8], start: usize) -> bool {
        bytes.chunks(CHUNK).zip(&self.digests[start / CHUNK..]).all(|(bytes, digest)| (self.digest)(bytes) == *digest)
    }

    #[cold]
    fn make(&self, bytes: &mut [u8], start: usize) -> Option<()> {
        let all = self.remake.as_deref()?.bytes()?;
        let at = usize::try_from(self.offset).ok()?.checked_add(start)?;
        bytes.copy_from_slice(all.get(at..at.checked_add(bytes.len())?)?);
        Some(())
    }

    fn read(&self, mut bytes: &mut [u8], start: usize) -> bool {
        let mut at = self.offset + start as u64;
        while !bytes.is_empty() {
            match pread(&*self.file, &mut *bytes, at) {
                Ok(0) => return false,
                Ok(n) => {
                    at += n as u64;
                    bytes = &mut bytes[n..];
                }
                Err(Errno::INTR) => {}
                Err(_) => return false,
            }
        }
        true
    }
}
