//! System calls that a container's filter refuses: the binary runs without them, or says what it wanted.

use crate::support::{Dir, Outcome, binary, contains, hello, outcome};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch, apply_filter};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

/// The number of the system call, the error's, and the binary's arguments, to the process that is to become the binary.
const ROLE: &str = "SCONCE_TEST_REFUSED";

/// In that process: does so.
fn become_the_binary(role: &str) -> ! {
    let mut words = role.split(' ');
    let number: i64 = words.next().expect("a call").parse().expect("a number");
    let error: u32 = words.next().expect("an error").parse().expect("a number");
    let rules = [(number, Vec::new())].into();
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, SeccompAction::Errno(error), TargetArch::x86_64);
    let program = filter.and_then(BpfProgram::try_from).expect("a filter");
    apply_filter(&program).expect("a process may restrict itself");
    panic!("{}", Command::new(binary()).args(words).exec());
}

fn run(dir: &Dir, number: i64, error: i32, args: &str) -> Outcome {
    let mut command = Command::new(std::env::current_exe().expect("this test"));
    command.args(["--exact", "refused::what_is_refused_is_done_without_or_named", "--nocapture", "--quiet"]);
    command.env(ROLE, format!("{number} {error} {args}")).current_dir(dir.path());
    command.env("XDG_CACHE_HOME", dir.path().join("cache")).env("XDG_STATE_HOME", dir.path().join("state"));
    outcome(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()))
}

#[test]
fn what_is_refused_is_done_without_or_named() {
    if let Ok(role) = std::env::var(ROLE) {
        become_the_binary(&role);
    }
    let dir = Dir::new();
    dir.file("hello.wat", hello());
    dir.file(
        "fault.wat",
        "(module (memory 1) (func $far (drop (i32.load (i32.const 100000)))) (func (export \"_start\") (call $far)))",
    );
    let errors = [libc::EPERM, libc::ENOSYS];
    for number in [
        libc::SYS_capset,
        libc::SYS_clone3,
        libc::SYS_close_range,
        libc::SYS_epoll_create1,
        libc::SYS_fallocate,
        libc::SYS_ftruncate,
        libc::SYS_getrandom,
        libc::SYS_getdents64,
        libc::SYS_landlock_add_rule,
        libc::SYS_landlock_create_ruleset,
        libc::SYS_landlock_restrict_self,
        libc::SYS_madvise,
        libc::SYS_membarrier,
        libc::SYS_memfd_create,
        libc::SYS_mremap,
        libc::SYS_openat2,
        libc::SYS_ppoll,
        libc::SYS_prctl,
        libc::SYS_prlimit64,
        libc::SYS_readlink,
        libc::SYS_rseq,
        libc::SYS_rt_sigqueueinfo,
        libc::SYS_sched_getaffinity,
        libc::SYS_sched_setaffinity,
        libc::SYS_seccomp,
        libc::SYS_socketpair,
        libc::SYS_statx,
        libc::SYS_sysinfo,
        libc::SYS_tgkill,
        libc::SYS_timer_create,
        libc::SYS_userfaultfd,
    ] {
        for error in errors {
            // The last one finds what the second leaves in the cache.
            for args in ["run --cache off --timeout 60s hello.wat", "run hello.wat", "run hello.wat"] {
                let out = run(&dir, number, error, args);
                let ran = out.code() == 0 && out.stdout.ends_with("hello\n") && out.stderr.is_empty();
                assert!(ran, "call {number}, error {error}: {out:?}");
            }
            let out = run(&dir, number, error, "run --cache off fault.wat");
            assert_eq!(out.code(), 134, "call {number}, error {error}: {out:?}");
        }
    }
    for (number, error, parts) in [
        (libc::SYS_pipe2, libc::EPERM, &["cannot make a pipe", "seccomp"][..]),
        (libc::SYS_pipe2, libc::ENOSYS, &["cannot make a pipe", "seccomp"]),
        (libc::SYS_poll, libc::EPERM, &["the system call poll is refused", "seccomp"]),
        (libc::SYS_poll, libc::ENOSYS, &["the system call poll is refused", "seccomp"]),
        (libc::SYS_sigaltstack, libc::EPERM, &["cannot install a stack for signal handlers"]),
        (libc::SYS_fcntl, libc::EPERM, &["standard streams: Operation not permitted"]),
    ] {
        let out = run(&dir, number, error, "run --cache off hello.wat");
        assert_eq!(out.code(), 1, "call {number}: {out:?}");
        contains(&out.stderr, parts);
    }
    // Whoever cannot be interrupted is not waited for.
    dir.file("spin.wat", r#"(module (func (export "_start") (loop (br 0))))"#);
    let out = run(&dir, libc::SYS_tgkill, libc::EPERM, "run --cache off --timeout 1s spin.wat");
    assert_eq!((out.code(), out.stderr.as_str()), (124, "error: timed out after 1s (--timeout)\n"));
}
