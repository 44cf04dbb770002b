//! The state of standard descriptors that outlives the process. Flags such as `O_APPEND` belong to the open file, which the
//! shell and other programs share: what a guest changes is put back. (It has no way to a terminal's own settings.)

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use std::os::fd::{AsFd, BorrowedFd};

/// Flags of descriptors 0 to 2, as they were.
#[derive(Copy, Clone, Debug)]
pub struct Flags([Option<OFlags>; 3]);

fn with<R>(f: impl Fn(usize, BorrowedFd<'_>) -> R) -> [R; 3] {
    let (stdin, stdout, stderr) = (std::io::stdin(), std::io::stdout(), std::io::stderr());
    [f(0, stdin.as_fd()), f(1, stdout.as_fd()), f(2, stderr.as_fd())]
}

impl Flags {
    /// What they are now.
    pub fn save() -> Flags {
        Flags(with(|_, fd| fcntl_getfl(fd).ok()))
    }

    /// Puts back what was changed.
    pub fn restore(self) {
        with(|i, fd| {
            if let Some(flags) = self.0[i]
                && fcntl_getfl(fd).is_ok_and(|now| now != flags)
            {
                // A descriptor that refuses has nothing else that could be done about it.
                let _ = fcntl_setfl(fd, flags);
            }
        });
    }
}
