//! From the words of a call, and what they point to, to values.

use super::row::{Kind, Param, Row};
use super::value::{Buffers, Fields, Text, Value};
use super::{names, structures};
use crate::p1::call::Call;
use sconce_engine::GuestFault;

/// Bytes of a path that are shown.
const MOST_TEXT: u64 = 256;
/// Bytes that are shown of what is read and written.
const MOST_DATA: u64 = 64;
/// More buffers are in no call (`UIO_MAXIOV`): their sizes are not looked at.
const MOST_BUFFERS: u32 = 1024;
/// Bytes of the longest name that a descriptor keeps.
const MOST_NAME: usize = 256;

/// What is known of a call before it is made.
pub(super) struct Before {
    /// All but results, unless a result has nowhere to go.
    pub arguments: Fields,
    /// Address and length of each buffer that the call may fill.
    buffers: Vec<(u32, u32)>,
}

/// Each parameter with its words.
fn each<'a>(row: &'a Row, mut words: &'a [u64]) -> impl Iterator<Item = (&'a Param, &'a [u64])> {
    row.params.iter().map(move |param| {
        let of = words;
        // Rows have as many as their functions.
        words = words.get(param.kind.words()..).unwrap_or_default();
        (param, of)
    })
}

/// What the guest passes.
pub(super) fn arguments(call: &Call<'_>, row: &Row, words: &[u64]) -> Before {
    let mut before = Before { arguments: Fields::new(), buffers: Vec::new() };
    for (param, words) in each(row, words) {
        let address = words[0] as u32;
        let value = argument(call, param.kind, words, &mut before.buffers).unwrap_or(Some(Value::Fault(address)));
        before.arguments.extend(value.map(|value| (param.name, value)));
    }
    before
}

/// Nothing for a result that can be written, and a fault for what is outside the memory.
fn argument(call: &Call<'_>, kind: Kind, words: &[u64], buffers: &mut Vec<(u32, u32)>) -> Result<Option<Value>, GuestFault> {
    let (word, address) = (words[0], words[0] as u32);
    let len = words.get(1).map_or(0, |len| *len as u32);
    let result = |len: u32| call.memory.check(address, len).map(|()| None);
    Ok(Some(match kind {
        Kind::Descriptor => descriptor(call, address),
        Kind::Number => Value::Number(word),
        Kind::Signed => Value::Signed(word.cast_signed()),
        Kind::Duration => Value::Duration(word),
        Kind::Time => Value::Time(word),
        Kind::Flags(names) => Value::Name(names::flags(names, word)),
        Kind::Choice(names) => Value::Name(names::choice(names, word)),
        Kind::Pointer => {
            call.memory.check(address, 0u32)?;
            Value::Hex(word)
        }
        Kind::Text => Value::Text(text(call, address, len.into(), MOST_TEXT)?),
        Kind::Buffer | Kind::Filled | Kind::Entries => {
            call.memory.check(address, len)?;
            Value::Number(len.into())
        }
        Kind::Written => {
            let all = self::buffers(call, address, len)?;
            let bytes = total(&all);
            let known = len <= MOST_BUFFERS;
            let data = known.then(|| Box::new(data(call, &all, bytes)));
            Value::Buffers(Buffers { count: len, bytes: known.then_some(bytes), data })
        }
        Kind::Read => {
            *buffers = self::buffers(call, address, len)?;
            let bytes = (len <= MOST_BUFFERS).then(|| total(buffers));
            let wild = buffers.iter().find(|(address, len)| call.memory.check(*address, *len).is_err());
            Value::Buffers(Buffers { count: len, bytes, data: wild.map(|(address, _)| Box::new(Value::Fault(*address))) })
        }
        Kind::Subscriptions(generation) => {
            let count = words.get(2).copied().unwrap_or(0);
            let size = structures::subscription_size(generation);
            call.memory.check(address, count * size)?;
            structures::list(count, |n| {
                let at = u64::from(address) + n * size;
                structures::subscription(call.memory, generation, at, |fd| descriptor(call, fd))
            })?
        }
        Kind::Events => {
            call.memory.check(address, words.get(1).map_or(0, |count| count * structures::EVENT))?;
            return Ok(None);
        }
        Kind::ResultFlags(_) => return result(2),
        Kind::Size | Kind::Count | Kind::Accepted | Kind::Opened => return result(4),
        Kind::Position | Kind::Clock | Kind::Resolution | Kind::Prestat => return result(8),
        Kind::Fdstat => return result(24),
        Kind::Filestat(generation) => return result(structures::filestat_size(generation)),
    }))
}

/// What a call that succeeded has written.
pub(super) fn results(call: &Call<'_>, row: &Row, words: &[u64], before: &Before) -> Fields {
    let mut results = Fields::new();
    let mut filled = None;
    let first = words.first().copied();
    for (param, words) in each(row, words) {
        let address = words[0] as u32;
        if let Kind::Size = param.kind {
            filled = call.memory.read::<u32>(address).ok().map(u64::from);
        }
        let value = result(call, param.kind, address, first, before);
        results.extend(value.unwrap_or(Some(Value::Fault(address))).map(|value| (param.name, value)));
    }
    for (param, words) in each(row, words) {
        let (address, len) = (words[0] as u32, words.get(1).map_or(0, |len| *len));
        let filled = filled.unwrap_or(len);
        let value = match param.kind {
            Kind::Filled => text(call, address, filled.min(len), MOST_TEXT).map(Value::Text),
            Kind::Entries => structures::entries(call.memory, address, filled.min(len)),
            Kind::Read => Ok(data(call, &before.buffers, filled.min(total(&before.buffers)))),
            Kind::Events => structures::events(call.memory, address, filled),
            _ => continue,
        };
        results.push((param.name, value.unwrap_or(Value::Fault(address))));
    }
    results
}

fn result(call: &Call<'_>, kind: Kind, address: u32, first: Option<u64>, before: &Before) -> Result<Option<Value>, GuestFault> {
    let memory = call.memory;
    Ok(Some(match kind {
        Kind::Size | Kind::Count => Value::Number(memory.read::<u32>(address)?.into()),
        Kind::Position => Value::Number(memory.read(address)?),
        Kind::Resolution => Value::Duration(memory.read(address)?),
        Kind::Clock if first == Some(0) => Value::Time(memory.read(address)?),
        Kind::Clock => Value::Duration(memory.read(address)?),
        Kind::Accepted => descriptor(call, memory.read(address)?),
        Kind::Opened => {
            let fd = memory.read(address)?;
            remember(call, fd, &before.arguments);
            descriptor(call, fd)
        }
        Kind::ResultFlags(names) => Value::Name(names::flags(names, memory.read::<u16>(address)?.into())),
        Kind::Fdstat => structures::fdstat(memory, address)?,
        Kind::Filestat(generation) => structures::filestat(memory, generation, address)?,
        Kind::Prestat => structures::prestat(memory, address)?,
        Kind::Descriptor
        | Kind::Number
        | Kind::Signed
        | Kind::Duration
        | Kind::Time
        | Kind::Flags(_)
        | Kind::Choice(_)
        | Kind::Pointer
        | Kind::Text
        | Kind::Buffer
        | Kind::Filled
        | Kind::Entries
        | Kind::Written
        | Kind::Read
        | Kind::Subscriptions(_)
        | Kind::Events => return Ok(None),
    }))
}

/// A descriptor with its name.
fn descriptor(call: &Call<'_>, fd: u32) -> Value {
    let handle = call.ctx.table.get(fd, 0).ok();
    Value::Descriptor(fd, handle.and_then(|handle| handle.name().map(Box::from)))
}

/// Names a descriptor by the directory and the path that it was opened by, if that is not too long.
fn remember(call: &Call<'_>, fd: u32, arguments: &Fields) {
    let directory = arguments.iter().find_map(|(_, v)| if let Value::Descriptor(_, Some(name)) = v { Some(name) } else { None });
    let path = arguments.iter().find_map(|(_, v)| if let Value::Text(text) = v { Some(text) } else { None });
    let (Some(directory), Some(path), Ok(handle)) = (directory, path, call.ctx.table.get(fd, 0)) else { return };
    let slash: &[u8] = if directory.ends_with(b"/") { b"" } else { b"/" };
    let name = if path.bytes == b"." { directory.to_vec() } else { [directory, slash, &path.bytes].concat() };
    if !path.is_cut() && name.len() <= MOST_NAME {
        handle.called(name);
    }
}

/// The first `most` bytes of a text, of which no character is cut.
fn text(call: &Call<'_>, address: u32, len: u64, most: u64) -> Result<Text, GuestFault> {
    call.memory.check(address, len)?;
    let mut bytes = vec![0; len.min(most) as usize];
    call.memory.read_bytes(address, &mut bytes)?;
    Ok(whole(bytes, len))
}

/// Takes away the beginning of a character at the end of what is cut.
fn whole(mut bytes: Vec<u8>, len: u64) -> Text {
    if (bytes.len() as u64) < len
        && let Some(last) = bytes.utf8_chunks().last()
        && let cut @ 1.. = last.invalid().len()
        && str::from_utf8(&bytes).is_err_and(|error| error.error_len().is_none())
    {
        bytes.truncate(bytes.len() - cut);
    }
    Text { bytes, len }
}

/// Address and length of each, of no more than a call can have.
fn buffers(call: &Call<'_>, address: u32, count: u32) -> Result<Vec<(u32, u32)>, GuestFault> {
    call.memory.check(address, u64::from(count) * 8)?;
    let at = |n: u32| u64::from(address) + u64::from(n) * 8;
    let read = |n| Ok((call.memory.read(at(n))?, call.memory.read(at(n) + 4)?));
    if count > MOST_BUFFERS { Ok(Vec::new()) } else { (0..count).map(read).collect() }
}

fn total(buffers: &[(u32, u32)]) -> u64 {
    buffers.iter().map(|(_, len)| u64::from(*len)).sum()
}

/// The beginning of what is in them, which is so many bytes.
fn data(call: &Call<'_>, buffers: &[(u32, u32)], len: u64) -> Value {
    let mut bytes = Vec::new();
    for &(address, size) in buffers {
        if call.memory.check(address, size).is_err() {
            return Value::Fault(address);
        }
        let start = bytes.len();
        let room = len.min(MOST_DATA) - start as u64;
        bytes.resize(start + room.min(size.into()) as usize, 0);
        // It was checked, and memories do not shrink.
        let _ = call.memory.read_bytes(address, &mut bytes[start..]);
    }
    Value::Text(whole(bytes, len))
}
