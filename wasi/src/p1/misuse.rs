//! What an operation gives that a descriptor does not support.
//!
//! A right can be missing for two reasons. Where the descriptor is of the wrong kind, or was opened for the other direction, the
//! answer is Linux's; where the guest gave the right up it is `ENOTCAPABLE`.

use super::abi::filetype;
use super::errno::{Errno, Outcome};
use super::rights;

/// The answer to an operation that needs the rights `needed`, by a descriptor that could at most have `possible`. Not to be asked
/// unless that is too little.
pub(crate) fn answer(kind: u8, possible: u64, needed: u64) -> Outcome {
    let missing = needed & !possible;
    let lacks = |right: u64| missing & right != 0;
    let directory = kind == filetype::DIRECTORY;
    // A position in a directory means nothing here, and advice nothing anywhere: the kernel may have both.
    let harmless = rights::FD_ADVISE | if directory { rights::FD_SEEK | rights::FD_TELL } else { 0 };
    if missing & !harmless == 0 {
        return Ok(());
    }
    let at_offset = needed & rights::FD_SEEK != 0 && needed & (rights::FD_READ | rights::FD_WRITE) != 0;
    let errno = if lacks(rights::SOCK_ACCEPT | rights::SOCK_SHUTDOWN) {
        Errno::NotSock
    } else if lacks(rights::FD_READDIR) {
        Errno::NotDir
    } else if !directory && (lacks(rights::FD_SEEK | rights::FD_TELL) || at_offset && kind == filetype::UNKNOWN) {
        Errno::SPipe
    } else if lacks(rights::FD_READ) {
        if directory { Errno::IsDir } else { Errno::BadF }
    } else if lacks(rights::FD_WRITE) {
        Errno::BadF
    } else if lacks(rights::FD_ALLOCATE) {
        let writes = possible & rights::FD_WRITE != 0;
        if writes { Errno::NoDev } else { Errno::BadF }
    } else if lacks(rights::FD_FILESTAT_SET_SIZE | rights::FD_SYNC | rights::FD_DATASYNC) {
        Errno::Inval
    } else {
        // Times of what is not the guest's, for example.
        Errno::NotCapable
    };
    Err(errno.into())
}
