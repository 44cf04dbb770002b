//! Preview 1 (`wasi_snapshot_preview1`) and what was before it (`wasi_unstable`): a table over
//! [`crate::host`], with the numbers and the two layouts of the interface, descriptors by number,
//! and their rights.
//!
//! Each family of functions has its file, in which a function takes a `Call` and the numbers that
//! the guest passed: it checks rights, copies what it needs out of the guest's memory, and
//! translates what the host says of it. [`link`] has a row a function.

mod abi;
mod args;
mod call;
mod clock;
pub(crate) mod ctx;
mod environ;
mod errno;
mod fd;
mod handle;
mod iovs;
pub(crate) mod link;
mod misuse;
mod path;
mod poll;
mod positions;
mod proc;
mod random;
mod readdir;
pub(crate) mod record;
mod rights;
mod sched;
mod sock;
mod strings;
pub(crate) mod table;
#[cfg(test)]
mod tests;
pub(crate) mod threads;
pub(crate) mod trace;
pub(crate) mod watch;
