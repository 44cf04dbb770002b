//! The environment that the process was started with.

use std::io::{Error, Result};
use std::os::unix::fs::MetadataExt;
use std::ptr::null_mut;
use std::time::Duration;

unsafe extern "C" {
    static mut environ: *mut *mut libc::c_char;
}

/// Forgets the process's environment: the strings that the kernel put there, which `/proc/self/environ` shows, are
/// zeros, and nobody finds a variable any more.
///
/// # Errors
/// When this is not the only thread, as far as `/proc` says: another one could be looking for a variable.
pub fn forget() -> Result<()> {
    if !is_alone()? {
        return Err(Error::other("there are other threads"));
    }
    // SAFETY: a list of pointers to strings that ends with null, of the C library's or the kernel's; both are the process's to
    // write. Nobody else reads them: there is one thread.
    unsafe {
        let mut at = environ;
        environ = null_mut();
        while !at.is_null() && !(*at).is_null() {
            let text = *at;
            for i in 0..libc::strlen(text) {
                text.add(i).write_volatile(0);
            }
            at = at.add(1);
        }
    }
    Ok(())
}

/// Whether this is the only thread. One that has been joined is counted by the kernel for a moment more.
fn is_alone() -> Result<bool> {
    const TRIES: u32 = 100;
    for _ in 0..TRIES {
        // A directory has a link for itself, one in its parent, and one for each directory in it.
        let tasks = std::fs::metadata("/proc/self/task").map_err(|e| Error::other(format!("/proc/self/task: {e}")))?;
        if tasks.nlink() == 3 {
            return Ok(true);
        }
        std::thread::sleep(Duration::from_micros(100));
    }
    Ok(false)
}
