//! When threads get their turn.

/// The kernel's `struct sched_attr`, as its first version has it (sched_setattr(2)).
#[repr(C)]
#[derive(Default)]
struct Attributes {
    size: u32,
    policy: u32,
    flags: u64,
    nice: i32,
    priority: u32,
    /// Nanoseconds: of a thread without privileges, how long a turn of it is (Linux 6.12).
    runtime: u64,
    deadline: u64,
    period: u64,
}

/// Has this thread run for short turns, which come sooner: one that mostly waits is awake in time then, where hundreds of others
/// would go first. It gets no more of the processor than others do, and threads that it starts are as usual. Where the kernel knows nothing of that, nothing happens.
pub fn wake_soon() {
    let mut own = Attributes::default();
    let size = size_of::<Attributes>();
    // SAFETY: the kernel writes at most `size` bytes of what it knows of this thread, and reads as many.
    unsafe {
        let read = libc::syscall(libc::SYS_sched_getattr, 0, &raw mut own, size, 0) == 0;
        // Of a niceness below zero threads that it starts would lose what the user has given them; it goes first as it is.
        if read && own.policy == libc::SCHED_OTHER as u32 && own.nice >= 0 {
            own.size = size as u32;
            own.flags = RESET_ON_FORK;
            own.runtime = SHORT;
            libc::syscall(libc::SYS_sched_setattr, 0, &raw const own, 0);
        }
    }
}

/// `SCHED_FLAG_RESET_ON_FORK`.
const RESET_ON_FORK: u64 = 1;
/// Nanoseconds of the shortest turn that the kernel gives.
const SHORT: u64 = 100_000;
