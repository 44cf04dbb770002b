//! The system calls of this room that a confined process makes: memory, code, threads, signals, files of code and data that
//! are read as they are used. What the C library and Rust's makes for them is included.

use When::{Finish, InVain, Run};
use libc::{
    CLONE_NEWCGROUP, CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWUSER, CLONE_NEWUTS, CLONE_PTRACE,
    CLONE_SIGHAND, CLONE_THREAD, CLONE_UNTRACED, CLONE_VM, PR_SET_DUMPABLE, PR_SET_NAME, PROT_EXEC, PROT_WRITE,
};
use sconce_confine::{Call, Check, MOST_CODE_AT_ONCE, When};

/// Neither is there a namespace for it, nor is it traced: it is a thread of this process and nothing else.
const THREAD: u64 = (CLONE_VM | CLONE_SIGHAND | CLONE_THREAD) as u64;
const NO_THREAD: u64 = (CLONE_NEWNS
    | CLONE_NEWCGROUP
    | CLONE_NEWUTS
    | CLONE_NEWIPC
    | CLONE_NEWUSER
    | CLONE_NEWPID
    | CLONE_NEWNET
    | CLONE_PTRACE
    | CLONE_UNTRACED) as u64;

/// The lowest bits of a clock's number say of what kind it is; the kernel takes such clocks of this process's threads alone.
const CLOCK_KIND: u64 = 7;
const THREAD_CLOCK: u64 = 4 | 2;
const EXEC: u64 = PROT_EXEC as u64;
const WRITE: u64 = PROT_WRITE as u64;

/// See the module's documentation.
pub const SYSTEM_CALLS: &[Call] = &[
    Call::only(libc::SYS_mmap, Run, &[&[Check::Bits(2, EXEC, 0)]], "memories, tables, stacks, images, the allocator"),
    Call::any(libc::SYS_munmap, Run, "the same, given back"),
    Call::only(
        libc::SYS_mprotect,
        Run,
        &[
            &[Check::Bits(2, EXEC, 0)],
            &[Check::InCode(0), Check::AtMost(1, MOST_CODE_AT_ONCE as u64), Check::Bits(2, WRITE | EXEC, EXEC)],
        ],
        "growth; text that is brought in, and trampolines, become executable",
    ),
    Call::any(libc::SYS_madvise, Run, "memories and stacks that are empty again; large pages"),
    Call::only(libc::SYS_mremap, Run, &[&[Check::Bits(3, libc::MREMAP_FIXED as u64, 0)]], "the allocator"),
    Call::any(libc::SYS_brk, Run, "the allocator"),
    Call::any(libc::SYS_memfd_create, Run, "images of memories"),
    Call::only(
        libc::SYS_fcntl,
        Run,
        &[
            &[Check::Is(1, libc::F_ADD_SEALS as u32)],
            &[Check::Is(1, libc::F_GETFD as u32)],
            &[Check::Is(1, libc::F_SETFD as u32)],
            &[Check::Is(1, libc::F_GETFL as u32)],
            &[Check::Is(1, libc::F_SETFL as u32), Check::Bits(2, libc::O_ASYNC as u64, 0)],
            &[Check::Is(1, libc::F_DUPFD_CLOEXEC as u32)],
        ],
        "seals of images; flags and copies of descriptors",
    ),
    Call::any(libc::SYS_ftruncate, Run, "images"),
    Call::any(libc::SYS_fallocate, Run, "images"),
    Call::any(libc::SYS_pread64, Run, "text and data that are brought in; names and lines for backtraces"),
    Call::any(libc::SYS_pwrite64, Run, "text that is brought in, trampolines; images"),
    Call::any(libc::SYS_fstat, Run, "lengths of files"),
    Call::any(libc::SYS_close, Run, "what was opened"),
    Call::any(libc::SYS_close_range, Run, "the waiting thread's own table of descriptors"),
    Call::any(libc::SYS_futex, Run, "locks, waiting on shared memories"),
    Call::any(libc::SYS_sched_getaffinity, Run, "how many processors there are, for the allocator and for compilation"),
    Call::only(libc::SYS_prlimit64, Run, &[&[Check::Is(0, 0), Check::IsNull(2)]], "limits on stacks and memory"),
    Call::any(libc::SYS_getrlimit, Run, "the same"),
    Call::any(libc::SYS_sysinfo, Run, "how much memory there is"),
    Call::any(libc::SYS_getrandom, Run, "hash tables"),
    Call::only(
        libc::SYS_clone,
        Run,
        &[&[Check::Bits(0, THREAD | NO_THREAD, THREAD)]],
        "threads: of the guest's, or of a compiler that makes damaged code again",
    ),
    Call::any(libc::SYS_set_robust_list, Run, "threads begin"),
    Call::any(libc::SYS_rseq, Run, "threads begin"),
    Call::only(libc::SYS_prctl, Run, &[&[Check::Is(0, PR_SET_NAME as u32)]], "names of threads"),
    Call::any(libc::SYS_exit, Run, "threads end"),
    Call::any(libc::SYS_gettid, Run, "who is interrupted"),
    Call::any(libc::SYS_getpid, Run, "whose thread is interrupted"),
    Call::only(libc::SYS_tgkill, Run, &[&[Check::ThisProcess(0)]], "interrupts, and the end by a signal"),
    Call::only(
        libc::SYS_timer_create,
        Run,
        &[&[Check::Bits(0, CLOCK_KIND, THREAD_CLOCK)]],
        "where a program spends its time: on what its threads use of the processor",
    ),
    Call::any(libc::SYS_timer_settime, Run, "the same"),
    Call::any(libc::SYS_timer_delete, Run, "the same"),
    Call::any(libc::SYS_rt_sigaction, Run, "handlers, and default actions"),
    Call::any(libc::SYS_rt_sigprocmask, Run, "threads begin and end"),
    Call::any(libc::SYS_rt_sigreturn, Run, "handlers return"),
    Call::any(libc::SYS_sigaltstack, Run, "stacks of handlers"),
    Call::any(libc::SYS_restart_syscall, Run, "calls that a stopped process was in"),
    Call::any(libc::SYS_clone3, InVain, "threads: it cannot be told from a new process, so that the older one is taken"),
    Call::any(libc::SYS_openat, InVain, "how many processors there are, says a file; the scheduler says so, too"),
    Call::only(libc::SYS_prctl, Finish, &[&[Check::Is(0, PR_SET_DUMPABLE as u32), Check::IsNull(1)]], "no core file"),
    Call::any(libc::SYS_exit_group, Finish, "the end"),
];
