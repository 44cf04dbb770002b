//! `environ_*`: environment variables, as `NAME=value`.

use crate::p1::args::{put_sizes, put_strings};
use crate::p1::call::Call;
use crate::p1::errno::Outcome;

/// `environ_sizes_get`: how many variables, and how many bytes with their NULs.
pub(crate) fn sizes_get(call: &Call<'_>, count: u32, size: u32) -> Outcome {
    put_sizes(call, &call.ctx.env, count, size)
}

/// `environ_get`: the variables' addresses at `environ`, their bytes at `buf`.
pub(crate) fn get(call: &Call<'_>, environ: u32, buf: u32) -> Outcome {
    put_strings(call, &call.ctx.env, environ, buf)
}
