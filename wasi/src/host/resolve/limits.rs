//! Limits of resolution, and the flags of its steps.

use rustix::fs::OFlags;

/// Longest path, without the NUL (`PATH_MAX`).
pub(crate) const PATH_MAX: usize = 4095;

/// Links followed in one path: the kernel's `MAXSYMLINKS`.
pub(super) const MAX_LINKS: usize = 40;

/// How often a resolution that the kernel gave up because of concurrent renames is tried again before it is done by steps.
pub(super) const ATTEMPTS: usize = 16;

/// A directory to stand in, with search permission enough.
pub(super) const STEP: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
