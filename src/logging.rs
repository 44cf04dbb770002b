//! `--log`: what is logged, to standard error.

use crate::values::nearest;
use log::LevelFilter;
use sconce_environ::shown::Shown;
use std::io::Write;

/// The parts that log, by the names that their lines have.
const PARTS: [&str; 6] = ["sconce", "sconce_engine", "sconce_wasi", "cranelift_codegen", "cranelift_frontend", "regalloc2"];

/// Which lines are logged: levels, for everything or for a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFilter(Vec<(Option<String>, LevelFilter)>);

/// A level, a part, or `PART=LEVEL`; several are separated by commas. A part may name a module of it: `sconce_engine::cache`.
pub fn parse_log(text: &str) -> Result<LogFilter, String> {
    let level = |word: &str| word.parse::<LevelFilter>().ok();
    let rule = |rule: &str| {
        let (part, said) = match rule.split_once('=') {
            Some((part, said)) => (part, level(said).ok_or_else(|| unknown_level(said))?),
            None => match level(rule) {
                Some(level) => return Ok((None, level)),
                None => (rule, LevelFilter::Trace),
            },
        };
        let known = PARTS.contains(&part.split("::").next().unwrap_or(part));
        if known { Ok((Some(part.to_owned()), said)) } else { Err(unknown_part(part)) }
    };
    text.split(',').map(|text| rule(text.trim())).collect::<Result<_, _>>().map(LogFilter)
}

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

fn unknown_level(word: &str) -> String {
    format!("'{}' is not a level; the levels are {}", Shown::short(word), LEVELS.join(", "))
}

fn unknown_part(word: &str) -> String {
    let (shown, levels, parts) = (Shown::short(word), LEVELS.join(", "), PARTS.join(", "));
    match nearest(word, LEVELS.into_iter().chain(PARTS)) {
        Some(near) => format!("'{shown}' is neither a level nor a part that logs; did you mean '{near}'?"),
        None => format!("'{shown}' is neither a level ({levels}) nor a part that logs ({parts})"),
    }
}

impl LogFilter {
    /// Logs from here on.
    pub fn start(&self) {
        // As it is written by default, except that what is said may name what is in modules.
        let line = |out: &mut env_logger::fmt::Formatter, record: &log::Record<'_>| {
            let said = record.args().to_string();
            writeln!(out, "[{} {} {}] {}", out.timestamp(), record.level(), record.target(), Shown::new(&said))
        };
        let mut builder = env_logger::Builder::new();
        for (part, level) in &self.0 {
            builder.filter(part.as_deref(), *level);
        }
        builder.format(line).init();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_levels_and_parts() {
        let parsed = parse_log("warn,sconce_wasi=debug, sconce_engine::cache").expect("a filter");
        let part = |name: &str| Some(name.to_owned());
        assert_eq!(
            parsed.0,
            [
                (None, LevelFilter::Warn),
                (part("sconce_wasi"), LevelFilter::Debug),
                (part("sconce_engine::cache"), LevelFilter::Trace)
            ]
        );
        for (text, why) in [
            ("wran", "did you mean 'warn'?"),
            ("warn,scone_wasi=debug", "did you mean 'sconce_wasi'?"),
            ("sconce_wasi=loud", "'loud' is not a level; the levels are off, error"),
            ("nonsense", "neither a level (off, error, warn, info, debug, trace) nor a part"),
            ("", "neither a level"),
        ] {
            let error = parse_log(text).expect_err(text);
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
