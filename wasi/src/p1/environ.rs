//! `environ_*`: environment variables, as `NAME=value`.

use super::call::Call;
use super::errno::Outcome;

/// `environ_sizes_get`: how many variables, and how many bytes with their NULs.
pub(crate) fn sizes_get(call: &Call<'_>, count: u32, size: u32) -> Outcome {
    call.put_sizes(&call.ctx.env, count, size)
}

/// `environ_get`: the variables' addresses at `environ`, their bytes at `buf`.
pub(crate) fn get(call: &Call<'_>, environ: u32, buf: u32) -> Outcome {
    call.ctx.env.put(call.memory, environ, buf)
}
