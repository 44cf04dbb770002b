//! The system calls that a confined process makes for its program: those of this room. What they are made on was given to the
//! program, or opened below what was given.

use When::{Finish, Run, WithDirectories, WithSockets};
use libc::{FIONBIO, FIONREAD, TCGETS, TIOCGWINSZ};
use sconce_confine::{Call, Check, When};

/// `TCGETS2`, which the C library has no name for.
const TCGETS2: u32 = 0x802c_542a;

/// What the kernel told this process when it was started.
const PR_GET_AUXV: u32 = 0x4155_5856;

/// Moving with it leaves a device behind.
const WHITEOUT: u64 = libc::RENAME_WHITEOUT as u64;
/// Sending with it connects, to whoever is named, where Landlock does not look.
const FASTOPEN: u64 = libc::MSG_FASTOPEN as u64;

/// See the module's documentation.
pub const SYSTEM_CALLS: &[Call] = &[
    Call::any(libc::SYS_read, Run, "reading"),
    Call::any(libc::SYS_readv, Run, "reading to several buffers"),
    Call::any(libc::SYS_preadv, Run, "reading at an offset"),
    Call::any(libc::SYS_preadv2, Run, "reading with flags"),
    Call::any(libc::SYS_write, Run, "writing"),
    Call::any(libc::SYS_writev, Run, "writing from several buffers"),
    Call::any(libc::SYS_pwritev, Run, "writing at an offset"),
    Call::any(libc::SYS_pwritev2, Run, "writing with flags, appending"),
    Call::any(libc::SYS_lseek, Run, "positions"),
    Call::any(libc::SYS_statx, Run, "what is known of a file"),
    Call::any(libc::SYS_newfstatat, Run, "the same"),
    Call::any(libc::SYS_fstatfs, Run, "which file system a directory is of"),
    Call::any(libc::SYS_fsync, Run, "data goes to the disk"),
    Call::any(libc::SYS_fdatasync, Run, "the same without times"),
    Call::any(libc::SYS_fadvise64, Run, "advice"),
    Call::only(libc::SYS_utimensat, Run, &[&[Check::IsNull(1)]], "times of open files; that an entry of the cache is damaged"),
    Call::any(libc::SYS_utimensat, WithDirectories, "times of names"),
    Call::any(libc::SYS_poll, Run, "waiting"),
    Call::any(libc::SYS_ppoll, Run, "the same"),
    Call::only(
        libc::SYS_ioctl,
        Run,
        &[
            &[Check::Is(1, FIONREAD as u32)],
            &[Check::Is(1, FIONBIO as u32)],
            &[Check::Is(1, TIOCGWINSZ as u32)],
            &[Check::Is(1, TCGETS as u32)],
            &[Check::Is(1, TCGETS2)],
        ],
        "how much can be read; whether something is a terminal, and how wide",
    ),
    Call::only(libc::SYS_prctl, Run, &[&[Check::Is(0, PR_GET_AUXV)]], "where the kernel's own code for clocks is"),
    Call::any(libc::SYS_clock_gettime, Run, "clocks that the kernel alone can read"),
    Call::any(libc::SYS_clock_getres, Run, "the same"),
    Call::any(libc::SYS_clock_nanosleep, Run, "sleeping"),
    Call::any(libc::SYS_nanosleep, Run, "the same"),
    Call::any(libc::SYS_sched_yield, Run, "sched_yield"),
    Call::any(libc::SYS_openat2, WithDirectories, "paths, resolved by the kernel"),
    Call::any(libc::SYS_openat, WithDirectories, "paths, resolved by steps"),
    Call::any(libc::SYS_getdents64, WithDirectories, "listing"),
    Call::any(libc::SYS_readlinkat, WithDirectories, "reading links"),
    Call::any(libc::SYS_mkdirat, WithDirectories, "making directories"),
    Call::any(libc::SYS_unlinkat, WithDirectories, "removing"),
    Call::any(libc::SYS_renameat, WithDirectories, "moving"),
    Call::only(libc::SYS_renameat2, WithDirectories, &[&[Check::Bits(4, WHITEOUT, 0)]], "moving to where nothing is"),
    Call::any(libc::SYS_symlinkat, WithDirectories, "making links"),
    Call::any(libc::SYS_linkat, WithDirectories, "the same"),
    Call::any(libc::SYS_accept4, WithSockets, "accepting"),
    Call::any(libc::SYS_accept, WithSockets, "the same"),
    Call::any(libc::SYS_recvfrom, WithSockets, "receiving"),
    Call::any(libc::SYS_recvmsg, WithSockets, "the same"),
    Call::only(libc::SYS_sendto, WithSockets, &[&[Check::IsNull(4), Check::Bits(3, FASTOPEN, 0)]], "sending to the other end"),
    Call::only(libc::SYS_sendmsg, WithSockets, &[&[Check::Bits(2, FASTOPEN, 0)]], "the same"),
    Call::any(libc::SYS_shutdown, WithSockets, "ends of connections"),
    Call::any(libc::SYS_getsockopt, WithSockets, "which kind of socket it is"),
    Call::any(libc::SYS_write, Finish, "the report"),
];
