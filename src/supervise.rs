//! Signals and time: the guest runs on a thread of its own, and the process's first thread waits for what could end it.
//!
//! The kernel gives a process's signals to the first thread when that does not block them. So handlers run on the first
//! thread's stack, never on a wasm stack that may have no room left, and no signal mask is touched.
//!
//! A signal that was ignored at the start (`nohup`, a shell's background job) stays ignored. Of the others the first one
//! interrupts the guest; its thread then ends the process by that same signal, so that a shell that runs it in a loop stops
//! too. The second one has its default action at once, by its handler. A guest that does not stop within [`GRACE`], because
//! a system call of its cannot be interrupted, is not waited for; hardly at all ([`LAST_WORDS`]) when its time is over. Nothing of this needs a further thread: there may be none left
//! to be had.

use crate::deadline::{Deadline, Over};
use crate::progress;
use crate::report::{self, End, Failure, LIMITED, reason};
use crate::stdio;
use rustix::event::{PollFd, PollFlags};
use rustix::pipe::{PipeFlags, pipe_with};
use sconce_engine::InterruptHandle;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGVTALRM};
use signal_hook::flag;
use signal_hook::low_level::pipe;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, RawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

/// How long the guest has to acknowledge a signal, and to end by itself.
const GRACE: Duration = Duration::from_secs(1);
/// The same when its time is over: nothing is lost by ending it at once, but what it may be about to say.
const LAST_WORDS: Duration = Duration::from_millis(10);
/// How often it is reminded: a reminder that finds it in the middle of a trampoline, say, is lost.
const REMINDERS: Duration = Duration::from_millis(1);
/// The guest thread's stack: host functions run here, wasm does not. As large as a first thread's usually is.
const STACK: usize = 8 << 20;
/// The stack of a thread that says what comes last.
const LAST_STACK: usize = 1 << 20;
/// Signals that interrupt the guest.
const SIGNALS: [i32; 4] = [SIGINT, SIGTERM, SIGHUP, SIGQUIT];
/// In place of a signal's number: what is over says the deadline.
const OVER: usize = usize::MAX;

/// Why the guest was interrupted.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// By nobody here.
    None,
    /// Its time is over.
    Over(Over),
    /// A signal.
    Signal(i32),
}

/// What the two threads share.
pub struct Control {
    over: OnceLock<Over>,
    handle: OnceLock<InterruptHandle>,
    reason: AtomicUsize,
    ending: AtomicBool,
    /// Whether a thread of the guest's has said how the process ends.
    claimed: AtomicBool,
    epilogue: Epilogue,
    /// Whether somebody says it.
    last: AtomicBool,
}

/// What is said, and written, at the end of a run, when it is known how the process ends: once, whoever comes first.
pub struct Epilogue {
    /// The descriptors that it uses, beside standard error: nothing can be opened then.
    pub own: Vec<RawFd>,
    /// How long it has when time is over, or when the guest does not stop.
    pub grace: Duration,
    /// All of it, by how the process will end.
    pub say: Box<dyn Fn(End) + Send + Sync>,
}

impl Epilogue {
    /// What is only said has no longer than a guest that is about to say something.
    pub const SAID: Duration = LAST_WORDS;
    /// What is written for later is worth waiting for.
    pub const WRITTEN: Duration = GRACE;
}

impl Control {
    /// The guest's first instruction is next: from here on it is interrupted, where it would have been ended.
    pub fn begin(&self, handle: InterruptHandle) {
        // There is one guest.
        let _ = self.handle.set(handle);
    }

    /// The guest has stopped; what remains is to report and to end. No grace period applies any more.
    pub fn ending(&self) -> Reason {
        self.ending.store(true, SeqCst);
        self.reason()
    }

    /// Whether this thread of the guest's is the first one that says how the process ends. What others would say is not heard.
    pub fn claim(&self) -> bool {
        !self.claimed.swap(true, SeqCst)
    }

    /// Ends the process from a thread of the guest's that has the claim.
    pub fn end(&self, end: End) -> ! {
        self.ending.store(true, SeqCst);
        self.conclude(end)
    }

    /// Says what is to be said last, unless somebody does, and ends the process.
    fn conclude(&self, end: End) -> ! {
        self.say_last(end);
        end.now()
    }

    /// The same from the waiting thread, which nobody waits for: another one says it, and has a while for that. Where there is none
    /// to be had, nobody does.
    fn conclude_soon(self: &Arc<Control>, end: End) -> ! {
        let (control, (done, is_done)) = (self.clone(), channel());
        let say = move || {
            control.say_last(end);
            // It may be too late.
            let _ = done.send(());
        };
        if thread::Builder::new().name("last".into()).stack_size(LAST_STACK).spawn(say).is_ok() {
            let _ = is_done.recv_timeout(self.epilogue.grace);
        }
        end.now()
    }

    fn say_last(&self, end: End) {
        if !self.last.swap(true, SeqCst) {
            (self.epilogue.say)(end);
        }
    }

    /// Why the guest is being ended from outside, so far.
    pub fn reason(&self) -> Reason {
        match self.reason.load(SeqCst) {
            0 => Reason::None,
            OVER => self.over.get().map_or(Reason::None, |&over| Reason::Over(over)),
            signal => Reason::Signal(signal as i32),
        }
    }

    /// Reminds the guest of what it was asked for; false if that is nothing that it has not acknowledged.
    fn remind(&self) -> bool {
        let Some(handle) = self.handle.get() else { return false };
        handle.nudge();
        handle.is_set() && !self.ending.load(SeqCst)
    }
}

/// Runs the guest, after `confine`, and ends the process as it says.
///
/// # Errors
/// When a thread, a pipe or the signals cannot be had, and those of `confine`.
pub fn supervise(
    deadline: Deadline,
    confine: impl FnOnce() -> Result<(), Failure>,
    epilogue: Epilogue,
    guest: impl FnOnce(&Arc<Control>) -> End + Send + 'static,
) -> Result<std::convert::Infallible, Failure> {
    let (pipe, wake) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).map_err(|e| cannot("make a pipe", &e.into()))?;
    let (mut pipe, wake) = (File::from(pipe), File::from(wake));
    // Standard error is for saying why the program was ended.
    let mut own = vec![pipe.as_raw_fd(), 2];
    own.extend(stdio::prepare());
    own.extend(&epilogue.own);
    stdio::wake_by(wake.try_clone().map_err(|e| cannot("make a pipe", &e))?);
    let signal = Arc::new(AtomicUsize::new(0));
    let seen = Arc::new(AtomicBool::new(false));
    for number in SIGNALS.into_iter().filter(|&number| !sconce_engine::ignored_at_start(number)) {
        let fd = register(number, &seen, &signal, &wake).map_err(|e| cannot("prepare for signals", &e))?;
        own.push(fd);
    }
    // Whether the kernel will say that processor time is over, and has said it.
    let (told, tells) = (Arc::new(AtomicBool::new(false)), deadline.counts_processor_time());
    if tells {
        own.push(wake_at(SIGVTALRM, &told, &wake).map_err(|e| cannot("prepare for signals", &e))?);
    }
    let tells = tells && deadline.signal(SIGVTALRM);
    progress::leave_signals();
    if deadline.look_at().is_some() {
        sconce_engine::wake_soon();
    }
    // All threads that begin from here on are confined as well.
    confine()?;
    let control = Arc::new(Control {
        over: OnceLock::new(),
        handle: OnceLock::new(),
        reason: AtomicUsize::new(0),
        ending: AtomicBool::new(false),
        claimed: AtomicBool::new(false),
        epilogue,
        last: AtomicBool::new(false),
    });
    let shared = control.clone();
    let started = thread::Builder::new().name("guest".into()).stack_size(STACK).spawn(move || {
        // A panic has been reported where it happened.
        let end = catch_unwind(AssertUnwindSafe(|| guest(&shared))).unwrap_or(End::Exit(101));
        shared.end(end)
    });
    started.map_err(|e| cannot("start the program's thread", &e))?;
    // From here on this thread uses these alone, and ends the process rather than returning. If it must share
    // them with the guest's thread, system calls take longer, and that is all.
    let _ = sconce_engine::keep_apart(&own);
    let (mut kill_at, mut cut_at) = (None, None);
    loop {
        let reminder = control.remind().then(|| Instant::now() + REMINDERS);
        let next = || if tells && !told.load(SeqCst) { deadline.time_is_over() } else { deadline.look_at() };
        let look_at = cut_at.or(kill_at).or_else(next);
        wait(&mut pipe, look_at.into_iter().chain(reminder).min());
        stdio::close_here();
        let received = signal.swap(0, SeqCst);
        let over = deadline.over();
        let past = |at: Instant| Instant::now() >= at;
        if control.ending.load(SeqCst) {
            match received {
                // Who reads the report may be in no hurry.
                0 if over.is_some() && past(*cut_at.get_or_insert_with(|| Instant::now() + control.epilogue.grace)) => {
                    End::Exit(LIMITED).now()
                }
                0 => {
                    kill_at = None;
                    continue;
                }
                // The guest is past being interrupted: what is left is to report, and to keep what was compiled.
                signal => End::Signal(signal as i32).now(),
            }
        }
        let (reason, grace) = match (received, over) {
            (0, _) if kill_at.is_some_and(past) => control.conclude_soon(end(control.reason())),
            (0, Some(over)) if kill_at.is_none() => {
                let _ = control.over.set(over);
                (OVER, LAST_WORDS)
            }
            (0, _) => continue,
            // A signal goes before a time that is over.
            (signal, _) => (signal, GRACE),
        };
        control.reason.store(reason, SeqCst);
        let Some(handle) = control.handle.get() else { control.conclude_soon(end(control.reason())) };
        kill_at.get_or_insert(Instant::now() + grace);
        handle.request();
    }
}

/// Has a signal noted in `signal` and written to a copy of `wake`, whose number is given.
fn register(number: i32, seen: &Arc<AtomicBool>, signal: &Arc<AtomicUsize>, wake: &File) -> io::Result<RawFd> {
    // In this order: the second signal finds `seen` set by the first. Default actions spare process 1 of a container.
    if std::process::id() == 1 {
        flag::register_conditional_shutdown(number, 128 + number, seen.clone())?;
    } else {
        flag::register_conditional_default(number, seen.clone())?;
    }
    flag::register_usize(number, signal.clone(), number as usize)?;
    wake_at(number, seen, wake)
}

/// Has a signal noted in `seen`, too, and written to a copy of `wake`, whose number is given.
fn wake_at(number: i32, seen: &Arc<AtomicBool>, wake: &File) -> io::Result<RawFd> {
    flag::register(number, seen.clone())?;
    let wake = wake.try_clone()?;
    let fd = wake.as_raw_fd();
    pipe::register(number, wake)?;
    // The kernel may give a signal to a thread of the guest's, after all.
    sconce_engine::on_alternate_stack(number);
    Ok(fd)
}

fn cannot(what: &str, error: &io::Error) -> Failure {
    let remedy = match error.kind() {
        io::ErrorKind::WouldBlock => "; is there a limit on processes or memory (ulimit -u, -v, -d, or the container's)?",
        io::ErrorKind::PermissionDenied => "; does a filter of system calls (seccomp) refuse it?",
        io::ErrorKind::Unsupported => "; does a filter of system calls (seccomp) hide it?",
        _ => "",
    };
    Failure::not_run(format!("cannot {what}: {}{remedy}", reason(error)))
}

/// Says so once: in the guest's thread, or in the one that waits for it no longer, whichever comes first. Neither waits for who does
/// not read: there is room for so short a message, or there is none.
fn say_that_it_is_over(over: Over) {
    static SAID: Mutex<bool> = Mutex::new(false);
    let begin = Instant::now();
    while begin.elapsed() <= LAST_WORDS {
        let Ok(mut said) = SAID.try_lock() else {
            let _ = sconce_engine::poll(&mut [], Some(REMINDERS));
            continue;
        };
        let errors = rustix::stdio::stderr();
        let room = || sconce_engine::poll(&mut [PollFd::new(&errors, PollFlags::OUT)], Some(LAST_WORDS)).is_ok_and(|n| n > 0);
        if !*said && room() {
            report::error(&over.to_string());
            *said = true;
        }
        return;
    }
}

/// How the process ends for this reason; a timeout is said.
pub fn end(reason: Reason) -> End {
    match reason {
        Reason::Over(over) => {
            say_that_it_is_over(over);
            End::Exit(LIMITED)
        }
        Reason::Signal(signal) => End::Signal(signal),
        // Nothing was asked for, so nothing can be late.
        Reason::None => End::Exit(report::NOT_RUN),
    }
}

/// Waits for a byte or the deadline, or less.
fn wait(pipe: &mut File, deadline: Option<Instant>) {
    let rest = deadline.map(|d| d.saturating_duration_since(Instant::now()));
    // An interruption is a signal, which the caller looks for.
    let _ = sconce_engine::poll(&mut [PollFd::new(&*pipe, PollFlags::IN)], rest);
    let mut bytes = [0; 64];
    while matches!(pipe.read(&mut bytes), Ok(n) if n > 0) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::process::{Pid, Signal, kill_process};
    use sconce_engine::{Config, Engine, Store};
    use std::io::{BufRead, BufReader};
    use std::os::unix::process::ExitStatusExt;
    use std::process::{Command, ExitStatus, Stdio};

    /// What a child of these tests is to do.
    const ROLE: &str = "SCONCE_TEST_GUEST";

    /// Runs the test of this name in a process of its own, where [`ROLE`] is set, and sends it SIGTERM when it is ready.
    fn terminated(test: &str, role: &str) -> ExitStatus {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", test, "--nocapture"]).env(ROLE, role).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().contains("ready")));
        kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
        child.wait().unwrap()
    }

    /// A guest that no signal gets out of its system call; if it is `willing`, it looks at the reason by itself.
    fn deaf_guest(willing: bool) -> Result<std::convert::Infallible, Failure> {
        supervise(
            Deadline::begin(None, None),
            || Ok(()),
            Epilogue { own: Vec::new(), grace: Epilogue::SAID, say: Box::new(|_| ()) },
            move |control| {
                let store = Store::new(&Engine::new(&Config::new()).expect("an engine"), ()).expect("a store");
                control.begin(store.interrupt_handle());
                println!("ready");
                while !willing || control.reason() == Reason::None {
                    thread::sleep(Duration::from_millis(10));
                }
                End::Exit(if control.ending() == Reason::Signal(SIGTERM) { 77 } else { 1 })
            },
        )
    }

    #[test]
    fn a_guest_has_a_while_to_stop_and_is_not_waited_for_longer() {
        if let Ok(role) = std::env::var(ROLE) {
            deaf_guest(role == "willing").map(|never| match never {}).unwrap();
        }
        let name = "supervise::tests::a_guest_has_a_while_to_stop_and_is_not_waited_for_longer";
        // It ends as it wants to, although the signal came first; and by the signal, although it never stops.
        assert_eq!(terminated(name, "willing").code(), Some(77));
        assert_eq!(terminated(name, "deaf").signal(), Some(SIGTERM));
    }
}
