//! What the system interface means, whatever the interface's generation: paths below directories
//! that were given, open files, streams, clocks, waiting, sockets. A generation's tables are beside
//! it ([`crate::p1`]) and translate: its numbers and layouts, how it keeps descriptors and what it
//! says may be done with them.
//!
//! # Invariants
//!
//! - Nothing here knows a generation's numbers, nor an address of the program's. Types are Rust's
//!   or rustix's, errors are the kernel's, and bytes that are transferred are
//!   [`transfer::Buffers`], which a generation implements.
//! - What was given is enforced here: the directory that a path begins in, whether it is read-only,
//!   whether flags of what is open are the program's to change.
//! - What waits returns `EINTR` when a signal cuts it short. Whether that is the end is for the
//!   caller to know.

pub(crate) mod calls;
pub(crate) mod clock;
pub(crate) mod denial;
pub(crate) mod descriptor;
pub(crate) mod determinism;
pub(crate) mod ends;
pub(crate) mod entries;
pub(crate) mod files;
pub(crate) mod flags;
pub(crate) mod grants;
mod observed;
pub(crate) mod paths;
pub(crate) mod poll;
pub(crate) mod quota;
mod read_only;
pub(crate) mod resolve;
pub(crate) mod sockets;
pub(crate) mod status;
pub(crate) mod transfer;
mod whole;
