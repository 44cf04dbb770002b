//! What a confined process keeps.

use crate::call::Call;
use rustix::fd::BorrowedFd;
use std::ops::Range;

/// What remains to the process.
#[derive(Debug)]
pub struct Plan<'a> {
    /// Directories of the guest's.
    pub directories: Vec<(BorrowedFd<'a>, Rights)>,
    /// Whether it has a socket.
    pub sockets: bool,
    /// The rooms' lists.
    pub calls: &'a [&'a [Call]],
    /// Where code is: nothing else becomes executable.
    pub code: Range<usize>,
    /// What happens when another call is made.
    pub refusal: Refusal,
    /// Whether a debugger may look at the process.
    pub debuggable: bool,
    /// Whether root's right to all files goes as well, though there are directories: root can have been given one with another
    /// user's files in it.
    pub strict: bool,
}

/// What is allowed in a directory and below.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Rights {
    /// Files are read, directories listed.
    ReadOnly,
    /// They are made, written, moved and removed as well.
    ReadWrite,
}

/// What becomes of a system call that is in no list.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It fails with `ENOSYS`.
    Error,
    /// The thread gets SIGSYS: a list is not complete.
    Report,
}
