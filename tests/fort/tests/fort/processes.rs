//! No program is executed, no process made, looked into or ended; nothing is reached over a network.

use sconce_fort::{Given, attack, call, path, refused};

#[test]
fn are_neither_made_nor_changed() {
    attack("processes::are_neither_made_nor_changed", Given::Directories, |_, _| {
        // SAFETY: no preconditions.
        let (parent, this) = unsafe { (i64::from(libc::getppid()), i64::from(libc::getpid())) };
        let sh = path("/bin/sh");
        let argv = Box::leak(Box::new([sh, 0])).as_ptr() as i64;
        let kill = i64::from(libc::SIGKILL);
        let thread = i64::from(libc::CLONE_VM | libc::CLONE_SIGHAND | libc::CLONE_THREAD);
        for (what, result) in [
            ("execute", call(libc::SYS_execve, &[sh, argv, 0])),
            ("execute at", call(libc::SYS_execveat, &[i64::from(libc::AT_FDCWD), sh, argv, 0, 0])),
            ("fork", call(libc::SYS_fork, &[])),
            ("vfork", call(libc::SYS_vfork, &[])),
            ("clone", call(libc::SYS_clone, &[i64::from(libc::SIGCHLD), 0, 0, 0, 0])),
            ("clone into a namespace", call(libc::SYS_clone, &[thread | i64::from(libc::CLONE_NEWUSER), 0, 0, 0, 0])),
            ("clone without a thread", call(libc::SYS_clone, &[i64::from(libc::CLONE_VM | libc::CLONE_SIGHAND), 0, 0, 0, 0])),
            ("clone3", call(libc::SYS_clone3, &[0, 0])),
            ("kill the parent", call(libc::SYS_kill, &[parent, kill])),
            ("kill all", call(libc::SYS_kill, &[-1, kill])),
            ("kill a thread of the parent", call(libc::SYS_tgkill, &[parent, parent, kill])),
            ("kill a thread of somebody", call(libc::SYS_tkill, &[parent, kill])),
            ("queue a signal", call(libc::SYS_rt_sigqueueinfo, &[parent, kill, 0])),
            ("signals by a descriptor's owner", call(libc::SYS_fcntl, &[0, i64::from(libc::F_SETOWN), parent])),
            ("signals for what comes", call(libc::SYS_fcntl, &[0, i64::from(libc::F_SETFL), i64::from(libc::O_ASYNC)])),
            ("a descriptor for a process", call(libc::SYS_pidfd_open, &[parent, 0])),
            ("a descriptor of a process", call(libc::SYS_pidfd_getfd, &[0, 0, 0])),
            ("attach", call(libc::SYS_ptrace, &[i64::from(libc::PTRACE_ATTACH), parent, 0, 0])),
            ("be traced", call(libc::SYS_ptrace, &[i64::from(libc::PTRACE_TRACEME), 0, 0, 0])),
            ("read memory", call(libc::SYS_process_vm_readv, &[parent, 0, 0, 0, 0, 0])),
            ("write memory", call(libc::SYS_process_vm_writev, &[this, 0, 0, 0, 0, 0])),
            ("limit the parent", call(libc::SYS_prlimit64, &[parent, 0, 0, 0])),
            ("lift a limit", call(libc::SYS_prlimit64, &[0, i64::from(libc::RLIMIT_CORE), argv, 0])),
            ("a timer of another clock", call(libc::SYS_timer_create, &[i64::from(libc::CLOCK_MONOTONIC), 0, argv])),
            ("a timer on a process", call(libc::SYS_timer_create, &[!parent << 3 | 2, 0, argv])),
            ("be dumpable", call(libc::SYS_prctl, &[i64::from(libc::PR_SET_DUMPABLE), 1])),
            ("take privileges", call(libc::SYS_capset, &[0, 0])),
            ("be root", call(libc::SYS_setuid, &[0])),
            ("leave namespaces", call(libc::SYS_unshare, &[i64::from(libc::CLONE_NEWUSER)])),
            ("mount", call(libc::SYS_mount, &[0, 0, 0, 0, 0])),
            ("a socket", call(libc::SYS_socket, &[i64::from(libc::AF_INET), i64::from(libc::SOCK_STREAM), 0])),
            ("a local socket", call(libc::SYS_socket, &[i64::from(libc::AF_UNIX), i64::from(libc::SOCK_STREAM), 0])),
            ("sockets", call(libc::SYS_socketpair, &[i64::from(libc::AF_UNIX), i64::from(libc::SOCK_STREAM), 0, 0])),
            ("connect", call(libc::SYS_connect, &[0, 0, 0])),
            ("send", call(libc::SYS_sendto, &[1, argv, 1, 0, argv, 16])),
            ("type into the terminal", call(libc::SYS_ioctl, &[0, libc::TIOCSTI as i64, argv])),
            ("keys", call(libc::SYS_keyctl, &[0, 0, 0, 0, 0])),
            ("programs in the kernel", call(libc::SYS_bpf, &[0, 0, 0])),
            ("rings", call(libc::SYS_io_uring_setup, &[1, 0])),
            ("faults of others", call(libc::SYS_userfaultfd, &[0])),
            ("counters", call(libc::SYS_perf_event_open, &[0, 0, 0, 0, 0])),
        ] {
            refused(what, result);
        }
    });
}

/// A socket that listens is one of the program's; it connects to nobody.
#[test]
fn elsewhere_are_not_reached_by_a_socket_that_was_given() {
    attack("processes::elsewhere_are_not_reached_by_a_socket_that_was_given", Given::Listener, |world, _| {
        let listener = i64::from(world.listener.expect("a listener"));
        // 127.0.0.1:9
        let address: &[u8; 16] = Box::leak(Box::new([2, 0, 0, 9, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]));
        let (at, fastopen) = (address.as_ptr() as i64, i64::from(libc::MSG_FASTOPEN));
        let message = Box::leak(Box::new([0_u64; 7]));
        for (what, result) in [
            ("send to somebody", call(libc::SYS_sendto, &[listener, at, 1, 0, at, 16])),
            ("connect by sending", call(libc::SYS_sendto, &[listener, at, 1, fastopen, at, 16])),
            ("connect by sending nobody's", call(libc::SYS_sendto, &[listener, at, 1, fastopen, 0, 0])),
            ("connect by a message", call(libc::SYS_sendmsg, &[listener, message.as_ptr() as i64, fastopen])),
            ("connect", call(libc::SYS_connect, &[listener, at, 16])),
            ("listen elsewhere", call(libc::SYS_bind, &[listener, at, 16])),
        ] {
            refused(what, result);
        }
        // What a program does with one: here nobody comes.
        assert_eq!(call(libc::SYS_accept4, &[listener, 0, 0, i64::from(libc::SOCK_NONBLOCK)]), Err(libc::EAGAIN));
    });
}
