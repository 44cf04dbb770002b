//! How much address space there is.

use super::mmap::{Access, Mapping};
use super::{PAGE, limits};
use crate::error::ResourceError;
use sconce_environ::space::GUARDED_MEMORY_BYTES;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::OnceLock;

/// Bytes of address space that this process may still map under its limit (`ulimit -v`); `None` without a limit.
pub(crate) fn remaining() -> Option<u64> {
    // Asked by every engine, and so before a process is confined.
    if limits::soft(libc::RLIMIT_DATA).is_some() {
        let _ = used(0);
    }
    left_of(libc::RLIMIT_AS, 0)
}

/// What is left of a limit on what the field of this number in `/proc/self/statm` says; `None` without a limit.
fn left_of(limit: limits::Resource, field: usize) -> Option<u64> {
    let limit = limits::soft(limit)?;
    Some(limit.saturating_sub(used(field).unwrap_or(0).saturating_mul(PAGE as u64)))
}

/// What the field of this number in `/proc/self/statm` says. The file stays open: a confined process opens no other.
fn used(field: usize) -> Option<u64> {
    static STATM: OnceLock<Option<File>> = OnceLock::new();
    let mut text = [0; 256];
    let len = STATM.get_or_init(|| File::open("/proc/self/statm").ok()).as_ref()?.read_at(&mut text, 0).ok()?;
    str::from_utf8(&text[..len]).ok()?.split(' ').nth(field)?.parse().ok()
}

/// Bytes of address space that must be left for guards to be used: two memories', since code, stacks and references (4 GiB for
/// each store) want their share as well.
const GUARDS_WORTH: u64 = 2 * GUARDED_MEMORY_BYTES;

/// Whether memories with guards can be had: `None`, or the reason why not, in one line without a full stop.
pub fn guards_unavailable() -> Option<String> {
    let wanted = GUARDED_MEMORY_BYTES;
    if let Some(left) = remaining()
        && left < GUARDS_WORTH
    {
        return Some(format!("address space is limited to {left} more bytes (ulimit -v)"));
    }
    match Mapping::reserve(wanted as usize) {
        Ok(_) => None,
        Err(e) => Some(format!("{wanted} bytes of address space cannot be reserved: {}", std::io::Error::from(e))),
    }
}

/// Bytes of address space that a thread of a guest must leave for what the host does next: the thread's own
/// stacks, and allocations that cannot fail.
const ROOM: u64 = 32 << 20;
/// Mappings that it must leave.
const MAPPINGS: usize = 32;

/// Whether [`ROOM`] is left under the limits on address space and on data, and [`MAPPINGS`] under the kernel's on their number.
pub(crate) fn leave_room() -> Result<(), ResourceError> {
    let short = |what| ResourceError::os(what)(rustix::io::Errno::NOMEM);
    // The sixth field is data and stacks.
    for (limit, field, what) in
        [(libc::RLIMIT_AS, 0, "address space is short (ulimit -v)"), (libc::RLIMIT_DATA, 5, "data is limited (ulimit -d)")]
    {
        if left_of(limit, field).is_some_and(|left| left < ROOM) {
            return Err(short(what));
        }
    }
    let os = || ResourceError::os("mappings are short (vm.max_map_count)");
    let probe = Mapping::reserve(MAPPINGS * PAGE).map_err(os())?;
    // Neighbours that differ are mappings of their own.
    (0..MAPPINGS).step_by(2).try_for_each(|page| {
        // SAFETY: a mapping that nobody uses.
        unsafe { probe.protect(page * PAGE, PAGE, Access::ReadWrite) }.map_err(os())
    })
}

/// Reserves `wanted` bytes, or, where address space is limited to little more than memories with guards take, a sixteenth of what
/// is left, but at least `least`. If only the `whole` is good for anything, all but [`ROOM`] is little enough to be taken.
pub(crate) fn reserve_cage(wanted: usize, least: usize, whole: bool) -> rustix::io::Result<Mapping> {
    let enough = if whole { wanted as u64 + ROOM } else { GUARDS_WORTH };
    match remaining() {
        Some(left) if left < enough => reserve_up_to(wanted, least, 16),
        _ => reserve_up_to(wanted, least, 1),
    }
}

/// Reserves `wanted` bytes (whole pages, as `least` is), or, where that much is not there, half and half
/// again, down to `least`. Under a limit on address space it takes no more than `share` (a divisor) of what
/// is left, so that something is left for others.
pub(crate) fn reserve_up_to(wanted: usize, least: usize, share: u64) -> rustix::io::Result<Mapping> {
    let mut len = wanted;
    if let Some(left) = remaining() {
        len = len.min(usize::try_from(left / share).unwrap_or(usize::MAX));
    }
    loop {
        len = (len & !(PAGE - 1)).max(least);
        match Mapping::reserve(len) {
            Err(_) if len > least => len /= 2,
            result => return result,
        }
    }
}
