//! WASI preview 1 on the kernel's own calls.
//!
//! A [`WasiCtx`] is what a guest is given; [`add_to_linker`] provides all 46 functions of
//! `wasi_snapshot_preview1`, and those of the older `wasi_unstable` with their own layouts, on it.
//! What the functions mean is in `host`, once, for whatever generation of the interface asks; `p1`
//! has the numbers and layouts of the first one, and is a table over it. `host` never names `p1`.
//!
//! # Decisions
//!
//! - What a guest may do is said by what it was given (a directory, `:ro` or not). Of a
//!   descriptor's rights only those are missing that `fd_fdstat_set_rights` took away, from it or
//!   from the directory that it was opened through, and that is `ENOTCAPABLE`; `path_open` takes
//!   none away by not asking for it. What a descriptor's kind or mode has no room for is answered
//!   as Linux does. Whether a file is opened for writing is said by `FD_WRITE` alone, since
//!   programs ask for other rights as a matter of course.
//! - What a path may reach is `host::resolve`'s to say. Escapes are `EPERM`, a NUL is `EINVAL`,
//!   changes below a read-only directory are `EROFS`.
//! - A descriptor shared with whoever gave it (standard streams) keeps its flags: `NONBLOCK` and `APPEND` are
//!   imitated. What it was opened to append to stays so.
//! - A guest can be stopped at every call that waits: the call is cut short by a signal, and the guest is asked about.
//! - No number of the guest's makes the host allocate without bound: lists are limited, buffers are the guest's own memory.
#![forbid(unsafe_code)]

mod confine;
mod host;
mod p1;

pub use confine::Confinement;
pub use host::calls::SYSTEM_CALLS;
pub use host::denial::Rule;
pub use host::descriptor::Access;
pub use host::ends::{BrokenPipe, Exit, Killed, OutputLimit};
pub use host::grants::{BuildError, Limits, Refusal, WasiCtxBuilder};
pub use p1::ctx::{Usage, WasiCtx};
pub use p1::link::{add_to_linker, add_watched_to_linker};
pub use p1::record::{Denial, MOST_DENIALS, Record, Recorded, Use};
pub use p1::table::MAX_DESCRIPTORS;
pub use p1::threads::{REFUSED as THREADS_REFUSED, SPAWN as THREAD_SPAWN, START as THREAD_START, Threads};
pub use p1::trace::{Trace, TraceFormat};
pub use p1::watch::Watch;
