//! Structures in the guest's memory: what the functions have written there, and subscriptions.

use super::names::{self, CLOCK, EVENTRWFLAGS, EVENTTYPE, FDFLAGS, FILETYPE, RIGHTS, SUBCLOCKFLAGS};
use super::value::{Text, Value};
use crate::p1::abi::Generation;
use crate::p1::errno::Errno;
use sconce_engine::{GuestFault, GuestMemory};

/// `Err` if not all of it is inside the memory.
type Read<T = Value> = Result<T, GuestFault>;

/// Elements of a list that are shown.
const MOST: u64 = 8;

/// Bytes of an `$event`.
pub(super) const EVENT: u64 = 32;

/// Bytes of a `$dirent`.
const DIRENT: u64 = 24;

/// What `value` gives for the first of so many.
pub(super) fn list(count: u64, mut value: impl FnMut(u64) -> Read) -> Read {
    let shown = (0..count.min(MOST)).map(&mut value).collect::<Read<Vec<_>>>()?;
    Ok(Value::List(shown, count.saturating_sub(MOST)))
}

/// A `$subscription`'s size in bytes.
pub(super) fn subscription_size(generation: Generation) -> u64 {
    match generation {
        Generation::Unstable => 56,
        Generation::Preview1 => 48,
    }
}

/// A `$subscription`; `descriptor` shows a descriptor.
pub(super) fn subscription(memory: GuestMemory<'_>, generation: Generation, at: u64, descriptor: impl Fn(u32) -> Value) -> Read {
    let kind = memory.read::<u8>(at + 8)?;
    let mut fields = vec![("userdata", Value::Hex(memory.read::<u64>(at)?)), ("type", name(EVENTTYPE, kind))];
    match kind {
        0 => {
            let at = at + if generation == Generation::Unstable { 24 } else { 16 };
            let (id, value) = (memory.read::<u32>(at)?, memory.read::<u64>(at + 8)?);
            let flags = memory.read::<u16>(at + 24)?;
            let timeout = if id == 0 && flags & 1 == 1 { Value::Time(value) } else { Value::Duration(value) };
            fields.extend([
                ("id", name(CLOCK, id)),
                ("timeout", timeout),
                ("precision", Value::Duration(memory.read(at + 16)?)),
                ("flags", bits(SUBCLOCKFLAGS, flags)),
            ]);
        }
        1 | 2 => fields.push(("file_descriptor", descriptor(memory.read(at + 16)?))),
        // The call refuses it.
        3.. => {}
    }
    Ok(Value::Record(fields))
}

/// So many `$event`s.
pub(super) fn events(memory: GuestMemory<'_>, at: u32, count: u64) -> Read {
    list(count, |n| {
        let at = u64::from(at) + n * EVENT;
        let (error, kind) = (memory.read::<u16>(at + 8)?, memory.read::<u8>(at + 10)?);
        let error = Errno::of(error).map_or_else(|| error.to_string().into(), Errno::name);
        let mut fields =
            vec![("userdata", Value::Hex(memory.read(at)?)), ("error", Value::Name(error)), ("type", name(EVENTTYPE, kind))];
        if kind != 0 {
            fields.push(("nbytes", Value::Number(memory.read(at + 16)?)));
            fields.push(("flags", bits(EVENTRWFLAGS, memory.read::<u16>(at + 24)?)));
        }
        Ok(Value::Record(fields))
    })
}

/// The `$dirent`s in so many bytes, of which the last may be cut.
pub(super) fn entries(memory: GuestMemory<'_>, at: u32, bytes: u64) -> Read {
    let (mut next, end) = (u64::from(at), u64::from(at) + bytes);
    let (mut shown, mut count) = (Vec::new(), 0);
    while next + DIRENT <= end {
        let len = u64::from(memory.read::<u32>(next + 16)?);
        count += 1;
        if count <= MOST {
            let name_at = next + DIRENT;
            let there = len.min(end - name_at);
            let d_name = Value::Text(Text { bytes: bytes_at(memory, name_at, there)?, len });
            shown.push(Value::Record(vec![("d_name", d_name), ("d_type", name(FILETYPE, memory.read::<u8>(next + 20)?))]));
        }
        next += DIRENT + len;
    }
    let more = count.saturating_sub(MOST);
    Ok(Value::List(shown, more))
}

/// At most as many as a name has.
fn bytes_at(memory: GuestMemory<'_>, at: u64, len: u64) -> Read<Vec<u8>> {
    let mut bytes = vec![0; len.min(256) as usize];
    memory.read_bytes(at, &mut bytes)?;
    Ok(bytes)
}

/// `$fdstat`.
pub(super) fn fdstat(memory: GuestMemory<'_>, at: u32) -> Read {
    let at = u64::from(at);
    Ok(Value::Record(vec![
        ("fs_filetype", name(FILETYPE, memory.read::<u8>(at)?)),
        ("fs_flags", bits(FDFLAGS, memory.read::<u16>(at + 2)?)),
        ("fs_rights_base", bits(RIGHTS, memory.read::<u64>(at + 8)?)),
        ("fs_rights_inheriting", bits(RIGHTS, memory.read::<u64>(at + 16)?)),
    ]))
}

/// A `$filestat`'s size in bytes.
pub(super) fn filestat_size(generation: Generation) -> u32 {
    match generation {
        Generation::Unstable => 56,
        Generation::Preview1 => 64,
    }
}

/// `$filestat`.
pub(super) fn filestat(memory: GuestMemory<'_>, generation: Generation, at: u32) -> Read {
    let at = u64::from(at);
    let (links, rest) = match generation {
        Generation::Unstable => (u64::from(memory.read::<u32>(at + 20)?), at + 24),
        Generation::Preview1 => (memory.read::<u64>(at + 24)?, at + 32),
    };
    Ok(Value::Record(vec![
        ("dev", Value::Number(memory.read(at)?)),
        ("ino", Value::Number(memory.read(at + 8)?)),
        ("filetype", name(FILETYPE, memory.read::<u8>(at + 16)?)),
        ("nlink", Value::Number(links)),
        ("size", Value::Number(memory.read(rest)?)),
        ("atim", Value::Time(memory.read(rest + 8)?)),
        ("mtim", Value::Time(memory.read(rest + 16)?)),
        ("ctim", Value::Time(memory.read(rest + 24)?)),
    ]))
}

/// `$prestat`.
pub(super) fn prestat(memory: GuestMemory<'_>, at: u32) -> Read {
    let at = u64::from(at);
    let tag = name(&["dir"], memory.read::<u8>(at)?);
    Ok(Value::Record(vec![("tag", tag), ("pr_name_len", Value::Number(memory.read::<u32>(at + 4)?.into()))]))
}

fn name(names: super::row::Names, number: impl Into<u64>) -> Value {
    Value::Name(names::choice(names, number.into()))
}

fn bits(names: super::row::Names, bits: impl Into<u64>) -> Value {
    Value::Name(names::flags(names, bits.into()))
}
