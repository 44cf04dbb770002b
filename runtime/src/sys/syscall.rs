//! System calls made in place.
//!
//! After a system call the processor has forgotten where its callers return to (kernels clear the return
//! stack buffer against attacks), so that every return from a function which was entered before costs a
//! misprediction: 75 ns each where it was measured, as much as half of a small `write`. libc's wrappers add
//! one, and are points of thread cancellation besides.

use rustix::io::Errno;
use std::arch::asm;

/// Makes a system call. Arguments that it does not take are ignored.
///
/// # Safety
///
/// The kernel does what it is asked to, with the memory and descriptors that the arguments name.
#[inline(always)]
pub(crate) unsafe fn syscall(number: i64, args: [usize; 6]) -> Result<usize, Errno> {
    let mut returned = number;
    // SAFETY: the kernel's convention on x86-64: it changes rax, rcx, r11, and memory as the caller answers for.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") returned,
            in("rdi") args[0],
            in("rsi") args[1],
            in("rdx") args[2],
            in("r10") args[3],
            in("r8") args[4],
            in("r9") args[5],
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    // Errors are -4095 to -1; a length or count never comes near.
    if returned < 0 { Err(Errno::from_raw_os_error(-returned as i32)) } else { Ok(returned as usize) }
}
