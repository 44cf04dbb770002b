//! The specification's names of numbers and bits, by number and by bit.

use super::row::Names;
use crate::p1::abi::Generation;
use std::borrow::Cow;
use std::fmt::Write;

pub(crate) const CLOCK: Names = &["realtime", "monotonic", "process_cputime_id", "thread_cputime_id"];
pub(crate) const ADVICE: Names = &["normal", "sequential", "random", "willneed", "dontneed", "noreuse"];
pub(crate) const FDFLAGS: Names = &["append", "dsync", "nonblock", "rsync", "sync"];
pub(crate) const OFLAGS: Names = &["creat", "directory", "excl", "trunc"];
pub(crate) const FSTFLAGS: Names = &["atim", "atim_now", "mtim", "mtim_now"];
pub(crate) const LOOKUPFLAGS: Names = &["symlink_follow"];
pub(crate) const RIFLAGS: Names = &["recv_peek", "recv_waitall"];
pub(crate) const ROFLAGS: Names = &["recv_data_truncated"];
/// None are defined.
pub(crate) const SIFLAGS: Names = &[];
pub(crate) const SDFLAGS: Names = &["rd", "wr"];
pub(super) const EVENTTYPE: Names = &["clock", "fd_read", "fd_write"];
pub(super) const EVENTRWFLAGS: Names = &["fd_readwrite_hangup"];
pub(super) const SUBCLOCKFLAGS: Names = &["subscription_clock_abstime"];
pub(super) const FILETYPE: Names = &[
    "unknown",
    "block_device",
    "character_device",
    "directory",
    "regular_file",
    "socket_dgram",
    "socket_stream",
    "symbolic_link",
];
pub(crate) const RIGHTS: Names = &[
    "fd_datasync",
    "fd_read",
    "fd_seek",
    "fd_fdstat_set_flags",
    "fd_sync",
    "fd_tell",
    "fd_write",
    "fd_advise",
    "fd_allocate",
    "path_create_directory",
    "path_create_file",
    "path_link_source",
    "path_link_target",
    "path_open",
    "fd_readdir",
    "path_readlink",
    "path_rename_source",
    "path_rename_target",
    "path_filestat_get",
    "path_filestat_set_size",
    "path_filestat_set_times",
    "fd_filestat_get",
    "fd_filestat_set_size",
    "fd_filestat_set_times",
    "path_symlink",
    "path_remove_directory",
    "path_unlink_file",
    "poll_fd_readwrite",
    "sock_shutdown",
    "sock_accept",
];
#[rustfmt::skip]
pub(crate) const SIGNAL: Names = &[
    "none", "hup", "int", "quit", "ill", "trap", "abrt", "bus", "fpe", "kill", "usr1", "segv", "usr2", "pipe", "alrm", "term",
    "chld", "cont", "stop", "tstp", "ttin", "ttou", "urg", "xcpu", "xfsz", "vtalrm", "prof", "winch", "poll", "pwr", "sys",
];

/// Of `$whence`.
pub(crate) const fn whence(generation: Generation) -> Names {
    match generation {
        Generation::Unstable => &["cur", "end", "set"],
        Generation::Preview1 => &["set", "cur", "end"],
    }
}

/// The name of a number; one without is shown as it is.
pub(super) fn choice(names: Names, number: u64) -> Cow<'static, str> {
    match usize::try_from(number).ok().and_then(|n| names.get(n)) {
        Some(name) => Cow::Borrowed(name),
        None => Cow::Owned(number.to_string()),
    }
}

/// The names of bits; those without are the last one, in hexadecimal.
pub(super) fn flags(names: Names, bits: u64) -> Cow<'static, str> {
    let known: Vec<&str> = (0u32..).zip(names).filter(|(n, _)| bits >> n & 1 == 1).map(|(_, name)| *name).collect();
    let unknown = bits >> names.len() << names.len();
    let mut shown = known.join("|");
    if unknown != 0 {
        let bar = if known.is_empty() { "" } else { "|" };
        // To a string.
        let _ = write!(shown, "{bar}{unknown:#x}");
    }
    if shown.is_empty() { Cow::Borrowed("0") } else { Cow::Owned(shown) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::p1::abi::{fdflags, filetype, fstflags, oflags};
    use crate::p1::rights;

    macro_rules! bits {
        ($names:ident: $($module:ident::$name:ident)*) => {$(
            assert_eq!(flags($names, u64::from($module::$name)), stringify!($name).to_lowercase());
        )*};
    }

    #[test]
    fn names_are_those_of_the_numbers() {
        bits!(FDFLAGS: fdflags::APPEND fdflags::DSYNC fdflags::NONBLOCK fdflags::RSYNC fdflags::SYNC);
        bits!(OFLAGS: oflags::CREAT oflags::DIRECTORY oflags::EXCL oflags::TRUNC);
        bits!(FSTFLAGS: fstflags::ATIM fstflags::ATIM_NOW fstflags::MTIM fstflags::MTIM_NOW);
        bits!(RIGHTS: rights::FD_DATASYNC rights::FD_READ rights::FD_SEEK rights::FD_FDSTAT_SET_FLAGS rights::FD_SYNC
            rights::FD_TELL rights::FD_WRITE rights::FD_ADVISE rights::FD_ALLOCATE rights::PATH_CREATE_DIRECTORY
            rights::PATH_CREATE_FILE rights::PATH_LINK_SOURCE rights::PATH_LINK_TARGET rights::PATH_OPEN rights::FD_READDIR
            rights::PATH_READLINK rights::PATH_RENAME_SOURCE rights::PATH_RENAME_TARGET rights::PATH_FILESTAT_GET
            rights::PATH_FILESTAT_SET_SIZE rights::PATH_FILESTAT_SET_TIMES rights::FD_FILESTAT_GET
            rights::FD_FILESTAT_SET_SIZE rights::FD_FILESTAT_SET_TIMES rights::PATH_SYMLINK rights::PATH_REMOVE_DIRECTORY
            rights::PATH_UNLINK_FILE rights::POLL_FD_READWRITE rights::SOCK_SHUTDOWN rights::SOCK_ACCEPT);
        assert_eq!(RIGHTS.len(), 30);
        for (number, name) in [
            (filetype::UNKNOWN, "unknown"),
            (filetype::DIRECTORY, "directory"),
            (filetype::REGULAR_FILE, "regular_file"),
            (filetype::SOCKET_DGRAM, "socket_dgram"),
            (filetype::SYMBOLIC_LINK, "symbolic_link"),
        ] {
            assert_eq!(choice(FILETYPE, number.into()), name);
        }
        assert_eq!((choice(SIGNAL, 15), choice(SIGNAL, 30), SIGNAL.len()), ("term".into(), "sys".into(), 31));
    }

    #[test]
    fn what_has_no_name_is_a_number() {
        assert_eq!((flags(SDFLAGS, 0), flags(SDFLAGS, 3), flags(SIFLAGS, 5)), ("0".into(), "rd|wr".into(), "0x5".into()));
        assert_eq!(flags(OFLAGS, u64::MAX), "creat|directory|excl|trunc|0xfffffffffffffff0");
        assert_eq!((choice(CLOCK, 4), choice(CLOCK, u64::MAX)), ("4".into(), "18446744073709551615".into()));
    }
}
