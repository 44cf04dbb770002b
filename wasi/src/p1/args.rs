//! `args_*`: the command line.

use crate::host::grants::Strings;
use crate::p1::call::Call;
use crate::p1::errno::Outcome;

/// `args_sizes_get`: how many arguments, and how many bytes with their NULs.
pub(crate) fn sizes_get(call: &Call<'_>, count: u32, size: u32) -> Outcome {
    put_sizes(call, &call.ctx.args, count, size)
}

/// `args_get`: the arguments' addresses at `argv`, their bytes at `buf`.
pub(crate) fn get(call: &Call<'_>, argv: u32, buf: u32) -> Outcome {
    put_strings(call, &call.ctx.args, argv, buf)
}

/// The number of strings and of their bytes.
pub(crate) fn put_sizes(call: &Call<'_>, strings: &Strings, count: u32, size: u32) -> Outcome {
    call.memory.check(size, 4u32)?;
    call.put_u32(count, strings.starts.len() as u32)?;
    call.put_u32(size, strings.bytes.len() as u32)
}

/// Addresses and bytes of strings. Nothing is written unless all of it fits.
pub(crate) fn put_strings(call: &Call<'_>, strings: &Strings, pointers: u32, buf: u32) -> Outcome {
    call.memory.check(pointers, strings.starts.len() as u64 * 4)?;
    call.memory.write_bytes(buf, &strings.bytes)?;
    for (i, start) in strings.starts.iter().enumerate() {
        // Inside the memory, as was checked, and so below 2^32, but for an empty list.
        call.memory.write(u64::from(pointers) + i as u64 * 4, buf.wrapping_add(*start))?;
    }
    Ok(())
}
