//! An object a line, for programs: `{"module":..,"function":..,"arguments":{..},"errno":..,"results":{..}}`.
//!
//! Arguments and results have the specification's names. `errno` is null where the call ends the run, and then `ends` says how. What
//! is not plainly visible is escaped; bytes that are no text are U+FFFD.

use super::line::{Line, ending};
use super::value::{Date, Fields, Text, Value};
use sconce_engine::environ::shown::is_hidden;
use std::fmt::Write;

/// The line of a call, with its end.
pub(super) fn line(line: &Line<'_>) -> String {
    let mut out = String::from("{");
    if let Some(number) = line.thread {
        add(&mut out, format_args!("\"thread\":{number},"));
    }
    add(&mut out, format_args!("\"module\":\"{}\",\"function\":\"{}\",\"arguments\":", line.module, line.function));
    fields(&mut out, &line.arguments);
    match ending(line.outcome) {
        Ok(errno) => add(&mut out, format_args!(",\"errno\":\"{}\"", errno.name())),
        Err(how) => add(&mut out, format_args!(",\"errno\":null,\"ends\":\"{how}\"")),
    }
    out.push_str(",\"results\":");
    fields(&mut out, &line.results);
    out.push_str("}\n");
    out
}

/// To a string, which does not fail.
fn add(out: &mut String, what: std::fmt::Arguments<'_>) {
    let _ = out.write_fmt(what);
}

fn fields(out: &mut String, fields: &Fields) {
    out.push('{');
    for (n, (name, of)) in fields.iter().enumerate() {
        add(out, format_args!("{}\"{name}\":", if n == 0 { "" } else { "," }));
        value(out, of);
    }
    out.push('}');
}

fn value(out: &mut String, of: &Value) {
    match of {
        Value::Number(n) | Value::Duration(n) => add(out, format_args!("{n}")),
        Value::Signed(n) => add(out, format_args!("{n}")),
        Value::Hex(n) => add(out, format_args!("\"{n:#x}\"")),
        Value::Name(name) => add(out, format_args!("\"{name}\"")),
        Value::Text(it) => text(out, it),
        Value::Time(time) => add(out, format_args!("\"{}\"", Date(*time))),
        Value::Descriptor(fd, name) => {
            add(out, format_args!("{{\"number\":{fd},\"name\":"));
            match name {
                Some(name) => string(out, name),
                None => out.push_str("null"),
            }
            out.push('}');
        }
        Value::Buffers(buffers) => {
            add(out, format_args!("{{\"count\":{}", buffers.count));
            if let Some(bytes) = buffers.bytes {
                add(out, format_args!(",\"bytes\":{bytes}"));
            }
            if let Some(data) = &buffers.data {
                out.push_str(",\"data\":");
                value(out, data);
            }
            out.push('}');
        }
        Value::Fault(address) => add(out, format_args!("{{\"fault\":\"{address:#x}\"}}")),
        Value::List(values, more) => {
            out.push('[');
            for (n, item) in values.iter().enumerate() {
                out.push_str(if n == 0 { "" } else { "," });
                value(out, item);
            }
            if *more != 0 {
                add(out, format_args!(",{{\"more\":{more}}}"));
            }
            out.push(']');
        }
        Value::Record(of) => fields(out, of),
    }
}

/// With the bytes of the whole, which it is the beginning of.
fn text(out: &mut String, text: &Text) {
    out.push_str("{\"text\":");
    string(out, &text.bytes);
    add(out, format_args!(",\"bytes\":{}}}", text.len));
}

fn string(out: &mut String, bytes: &[u8]) {
    out.push('"');
    for c in String::from_utf8_lossy(bytes).chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if is_hidden(c) => {
                let mut units = [0; 2];
                for unit in c.encode_utf16(&mut units) {
                    add(out, format_args!("\\u{unit:04x}"));
                }
            }
            c => out.push(c),
        }
    }
    out.push('"');
}
