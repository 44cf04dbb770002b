//! `args_*`: the command line.

use super::call::Call;
use super::errno::Outcome;

/// `args_sizes_get`: how many arguments, and how many bytes with their NULs.
pub(crate) fn sizes_get(call: &Call<'_>, count: u32, size: u32) -> Outcome {
    call.put_sizes(&call.ctx.args, count, size)
}

/// `args_get`: the arguments' addresses at `argv`, their bytes at `buf`.
pub(crate) fn get(call: &Call<'_>, argv: u32, buf: u32) -> Outcome {
    call.ctx.args.put(call.memory, argv, buf)
}
