//! Lines as `strace` has them: `path_open(3</d>, 0, "a", creat, fd_write, 0, 0) = 0 fd=4</d/a>`.

use super::line::{Line, ending};
use super::value::{Buffers, Date, Fields, Text, Value};
use crate::p1::errno::Errno;
use sconce_engine::environ::shown::quoted;
use std::fmt::{self, Display, Formatter, Write};

/// The line of a call, with its end.
pub(super) fn line(line: &Line<'_>) -> String {
    let mut out = String::new();
    if let Some(number) = line.thread {
        add(&mut out, format_args!("[{number}] "));
    }
    add(&mut out, format_args!("{}({}) = ", line.function, Joined(line.arguments.iter().map(|(_, value)| value))));
    match ending(line.outcome) {
        Ok(Errno::Success) => out.push('0'),
        Ok(errno) => out.push_str(&errno.name()),
        Err(how) if how == "exit" => out.push('?'),
        Err(how) => add(&mut out, format_args!("? ({how})")),
    }
    for (name, value) in &line.results {
        add(&mut out, format_args!(" {name}={value}"));
    }
    out.push('\n');
    out
}

/// To a string, which does not fail.
fn add(out: &mut String, what: fmt::Arguments<'_>) {
    let _ = out.write_fmt(what);
}

/// Separated by commas.
struct Joined<I>(I);

impl<I: Iterator<Item: Display> + Clone> Display for Joined<I> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (n, item) in self.0.clone().enumerate() {
            write!(f, "{}{item}", if n == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

impl Display for Value {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Value::Number(n) => write!(f, "{n}"),
            Value::Signed(n) => write!(f, "{n}"),
            Value::Hex(n) => write!(f, "{n:#x}"),
            Value::Name(name) => f.write_str(name),
            Value::Text(text) => write!(f, "{text}"),
            Value::Time(time) => write!(f, "{}", Date(*time)),
            Value::Duration(n) => write!(f, "{}.{:09}s", n / 1_000_000_000, n % 1_000_000_000),
            Value::Descriptor(fd, None) => write!(f, "{fd}"),
            // What ends the name is not in it.
            Value::Descriptor(fd, Some(name)) => write!(f, "{fd}<{}>", escaped(name).replace('>', "\\x3e")),
            Value::Buffers(buffers) => write!(f, "{buffers}"),
            Value::Fault(address) => write!(f, "{address:#x} (fault)"),
            Value::List(values, 0) => write!(f, "[{}]", Joined(values.iter())),
            Value::List(values, more) => write!(f, "[{}, ... {more} more]", Joined(values.iter())),
            Value::Record(fields) => write!(f, "{{{}}}", Joined(fields.iter().map(Field))),
        }
    }
}

struct Field<'a>(&'a <Fields as IntoIterator>::Item);

impl Display for Field<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.0.0, self.0.1)
    }
}

impl Display for Buffers {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{{{} {}", self.count, if self.count == 1 { "iov" } else { "iovs" })?;
        if let Some(bytes) = self.bytes {
            write!(f, ", {bytes} {}", if bytes == 1 { "byte" } else { "bytes" })?;
        }
        if let Some(data) = &self.data {
            write!(f, ", {data}")?;
        }
        f.write_char('}')
    }
}

impl Display for Text {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"{}", escaped(&self.bytes), if self.is_cut() { "..." } else { "" })
    }
}

/// On one line, everything escaped that is not plainly visible; what is no text, byte by byte. Backslashes and quotes are escaped.
fn escaped(bytes: &[u8]) -> String {
    let mut out = String::new();
    for chunk in bytes.utf8_chunks() {
        if !chunk.valid().is_empty() {
            let shown = quoted(chunk.valid()).at_most(usize::MAX).to_string();
            out.push_str(&shown[1..shown.len() - 1]);
        }
        for byte in chunk.invalid() {
            add(&mut out, format_args!("\\x{byte:02x}"));
        }
    }
    out
}
