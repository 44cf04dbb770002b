//! Compiled modules as bytes.
//!
//! | part | contents |
//! |---|---|
//! | fixed head, 96 bytes | magic, format version, crate version, length of the eager part, hash of the eager part behind this head |
//! | eager part | identity (target, settings), metadata, where functions are, a hash for each [`CHUNK`] of what follows up to the jump tables |
//! | from the next page | text |
//! | behind it | contents of data segments |
//! | behind it | tables of the code: traps, stack maps, what must not be interrupted, call sites in try regions, their handlers, jump tables |
//! | behind it | wasm offsets, name section, DWARF: read when a backtrace wants them |
//!
//! Lengths stand before their parts; numbers are little-endian. Everything is covered by a hash: the eager
//! part by the head's, which in a cache entry is keyed by the user's secret and the entry's name ([`Seal`]), so
//! that nobody else can make one, and one is not taken for another; text, data and tables by the hashes in the eager part, and what backtraces read by one for each
//! section in the metadata. Elsewhere the hashes find damage, and are no signature: whoever can write an artifact
//! can run any code. Metadata that passes the hash is checked all the same (`check`), so that no bytes make this
//! crate panic.

mod check;
mod format;
mod identity;
mod read;
mod seal;
mod write;

pub(crate) use format::{LAZY, is_artifact};
pub(crate) use identity::{Identity, describe, version};
pub(crate) use read::{Parts, Source, Text, compiler, read, settings};
pub(crate) use seal::Seal;
pub(crate) use write::Contents;
