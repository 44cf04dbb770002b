//! `proc_*`: the end of the guest, by its own hand.

use super::call::Call;
use super::errno::{Errno, Fail, Outcome};

/// What a signal does to a process that has not prepared for it.
enum Action {
    Ignore,
    /// End it; the host's signal number.
    End(i32),
}

/// `proc_exit`.
pub(crate) fn exit(_: &Call<'_>, code: u32) -> Outcome {
    Err(Fail::Exit(code))
}

/// `proc_raise`: what the default action of the signal would do to the guest, which is all there is to raise it against.
///
/// A signal that ends a process ends the run, as [`crate::Killed`], unless whoever started it has it ignored.
/// The guest cannot stop its host: signals that would are dropped, as the kernel drops them for a process
/// without a shell to continue it.
pub(crate) fn raise(call: &Call<'_>, signal: u32) -> Outcome {
    match action(signal) {
        Some(Action::Ignore) => Ok(()),
        Some(Action::End(number)) if call.ctx.world.ignored.contains(&number) => Ok(()),
        Some(Action::End(number)) => Err(Fail::Killed(number)),
        None => Err(Errno::Inval.into()),
    }
}

/// By `$signal`, in the order of the witx file.
fn action(signal: u32) -> Option<Action> {
    use rustix::process::Signal;
    let end = |s: Signal| Some(Action::End(s.as_raw()));
    match signal {
        // None, pipe, chld, cont, stop, tstp, ttin, ttou, urg, winch.
        0 | 13 | 16..=21 | 22 | 27 => Some(Action::Ignore),
        1 => end(Signal::HUP),
        2 => end(Signal::INT),
        3 => end(Signal::QUIT),
        4 => end(Signal::ILL),
        5 => end(Signal::TRAP),
        6 => end(Signal::ABORT),
        7 => end(Signal::BUS),
        8 => end(Signal::FPE),
        9 => end(Signal::KILL),
        10 => end(Signal::USR1),
        11 => end(Signal::SEGV),
        12 => end(Signal::USR2),
        14 => end(Signal::ALARM),
        15 => end(Signal::TERM),
        23 => end(Signal::XCPU),
        24 => end(Signal::XFSZ),
        25 => end(Signal::VTALARM),
        26 => end(Signal::PROF),
        28 => end(Signal::IO),
        29 => end(Signal::POWER),
        30 => end(Signal::SYS),
        _ => None,
    }
}
