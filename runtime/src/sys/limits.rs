//! The process's limits.

use libc::{RLIM_INFINITY, rlimit};
use std::mem::MaybeUninit;

/// A resource's number (`libc::RLIMIT_*`), whose type is each C library's own.
#[cfg(target_env = "gnu")]
pub(crate) type Resource = libc::__rlimit_resource_t;
#[cfg(not(target_env = "gnu"))]
pub(crate) type Resource = libc::c_int;

/// The soft limit of a resource; `None` if there is none, or if the question is refused,
/// as filters of containers may have it.
pub(crate) fn soft(resource: Resource) -> Option<u64> {
    get(resource).map(|limit| limit.rlim_cur).filter(|&current| current != RLIM_INFINITY)
}

/// The same for the hard limit, which the soft one cannot be raised beyond.
pub(crate) fn hard(resource: Resource) -> Option<u64> {
    get(resource).map(|limit| limit.rlim_max).filter(|&maximum| maximum != RLIM_INFINITY)
}

/// The limit on the stack of the process's first thread (`ulimit -s`), if there is one.
pub fn stack_limit() -> Option<u64> {
    soft(libc::RLIMIT_STACK)
}

/// Bytes of the machine's memory; `None` if the question is refused.
pub fn physical_memory() -> Option<u64> {
    let mut info = MaybeUninit::uninit();
    // SAFETY: the answer is read if there is one. (rustix takes it for granted that there is one.)
    let info: libc::sysinfo = unsafe { (libc::sysinfo(info.as_mut_ptr()) == 0).then(|| info.assume_init())? };
    Some(info.totalram.saturating_mul(info.mem_unit.into()))
}

fn get(resource: Resource) -> Option<rlimit> {
    let mut limit = MaybeUninit::uninit();
    // SAFETY: the limit is read if there was an answer. (rustix takes it for granted that there is one.)
    unsafe { (libc::getrlimit(resource, limit.as_mut_ptr()) == 0).then(|| limit.assume_init()) }
}

/// From here on the process leaves no core file, however it ends: a guest's end must not write its memory to
/// disk, and a guest that finds a fault of ours must not either.
pub fn no_core() {
    let Some(mut limit) = get(libc::RLIMIT_CORE) else { return };
    // One byte, where that is allowed: it is less than any core, and the value at which the kernel does not start a program
    // that takes cores either (`/proc/sys/kernel/core_pattern`), which it does at 0.
    limit.rlim_cur = limit.rlim_max.min(1);
    // SAFETY: a limit of this process's own is lowered.
    unsafe { libc::setrlimit(libc::RLIMIT_CORE, &limit) };
}
