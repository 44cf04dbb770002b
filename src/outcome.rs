//! The end of a run: what is said of it, and how the process ends.

use crate::report::{self, End, LIMITED, TRAPPED};
use crate::supervise::{self, Reason};
use sconce_engine::{Engine, Error, TrapCode};
use signal_hook::consts::{SIGPIPE, SIGQUIT};

/// Where running stopped.
pub struct Stopped {
    /// The module that is to blame.
    pub name: String,
    /// What stopped it.
    pub error: Error,
}

/// What is said, and how the process ends.
pub fn finish(reason: Reason, engine: &Engine, result: Result<Vec<String>, Stopped>) -> End {
    if reason != Reason::None {
        if let (Reason::Signal(SIGQUIT), Err(stopped)) = (reason, &result) {
            report::complain(&format!("quit{}", backtrace(&stopped.error)));
        }
        // A guest that ended by itself at the same moment was in time; by a signal it was asked to end all the same.
        let interrupted = matches!(&result, Err(stopped) if stopped.error.trap_code() == Some(TrapCode::Interrupt));
        if interrupted || matches!(reason, Reason::Signal(_)) {
            return supervise::end(reason);
        }
    }
    print(engine, result)
}

/// Prints results, or says what went wrong.
pub fn print(engine: &Engine, result: Result<Vec<String>, Stopped>) -> End {
    let Stopped { name, error } = match result {
        Ok(lines) if lines.is_empty() => return End::Exit(0),
        Ok(lines) => {
            return match report::print(&(lines.join("\n") + "\n")) {
                Ok(()) => End::Exit(0),
                Err(failure) => {
                    report::error(&failure.message);
                    End::Exit(failure.code)
                }
            };
        }
        Err(stopped) => stopped,
    };
    if let Some(sconce_wasi::Exit(code)) = error.downcast_ref() {
        return End::Exit((*code).cast_signed());
    }
    if error.downcast_ref::<sconce_wasi::BrokenPipe>().is_some() {
        return End::Signal(SIGPIPE);
    }
    if let Some(sconce_wasi::OutputLimit(bytes)) = error.downcast_ref() {
        report::error(&format!("the program wrote more to standard output and error than {bytes} bytes (--max-output)"));
        return End::Exit(LIMITED);
    }
    if let Some(sconce_wasi::Killed(signal)) = error.downcast_ref() {
        return End::Signal(*signal);
    }
    match &error {
        Error::Trap(trap) => {
            let advice = advice(trap.code, engine.memory_limit().bytes().is_some());
            report::error(&format!("{}{}{advice}", trap.code, backtrace(&error)));
            if trap.code == TrapCode::FuelExhausted {
                return End::Exit(LIMITED);
            }
        }
        Error::Exception(exception) => report::error(&format!("{exception}{}", backtrace(&error))),
        Error::Deferred(deferred) => report::error(&format!("{name}: {deferred}{}", backtrace(&error))),
        Error::Host(host) => report::error(&format!("{host}{}", backtrace(&error))),
        other => {
            report::error(&format!("{name}: {other}"));
            return End::Exit(report::NOT_RUN);
        }
    }
    End::Exit(TRAPPED)
}

/// What is said of traps that a limit is the reason of: where the user has limited memory, and where not.
const ADVICE: [(TrapCode, &str, &str); 4] = [
    (TrapCode::StackOverflow, MORE_STACK, MORE_STACK),
    (TrapCode::FuelExhausted, MORE_FUEL, MORE_FUEL),
    (TrapCode::StackMemory, "--max-memory SIZE gives more memory; what threads use of their stacks counts", ""),
    (
        TrapCode::ReferenceHeapFull,
        "--max-memory SIZE gives more memory; references and exceptions count",
        "references and exceptions can have 4 GiB",
    ),
];

const MORE_FUEL: &str = "the program has used all that --fuel N gave it; a larger N gives more";
const MORE_STACK: &str = "--stack-size SIZE gives a larger stack";

fn advice(code: TrapCode, limited: bool) -> String {
    match ADVICE.iter().find(|(about, ..)| *about == code) {
        Some((_, text, _)) if limited => format!("\nhelp: {text}"),
        Some((_, _, text)) if !text.is_empty() => format!("\nhelp: {text}"),
        Some(_) | None => String::new(),
    }
}

/// The frames, each on lines of its own, behind a line's end.
pub fn backtrace(error: &Error) -> String {
    match error.backtrace() {
        Some(backtrace) if !backtrace.frames.is_empty() => format!("\n{backtrace}"),
        _ => String::new(),
    }
}
