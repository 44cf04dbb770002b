//! What an artifact's bytes mean: constants, metadata, hashes.

use super::seal::Seal;
use sconce_environ::code_tables::{CodeTable, FunctionRecord};
use sconce_environ::space::HOST_PAGE;
use sconce_runtime as rt;
use serde::{Deserialize, Serialize};

pub(super) const MAGIC: [u8; 8] = *b"\x7fsconce\n";
/// Changes whenever the meaning of any byte does. Versions of the crate do not read each other's artifacts anyway, so this
/// matters between builds of one version.
pub(super) const FORMAT: u32 = 10;
pub(super) const HEAD: usize = 96;
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Where in the head the version is, zero-padded.
pub(super) const VERSION_AT: std::ops::Range<usize> = 16..48;
pub(super) const EAGER_LEN_AT: std::ops::Range<usize> = 48..56;
pub(super) const HASH_AT: std::ops::Range<usize> = 64..96;
pub(super) const PAGE: u64 = HOST_PAGE as u64;
/// Bytes that one hash covers.
pub(super) const CHUNK: usize = rt::CHUNK;
/// A part of a file that is longer than this is brought in as it is used. What is shorter is read and
/// compared at once, which costs little, and lets a damaged cache entry be replaced before anything depends
/// on it.
pub(crate) const LAZY: u64 = 1 << 20;
/// The same for tables, which few runs look at.
pub(super) const LAZY_TABLE: u64 = 64 << 10;
/// More text than this is read at once all the same: each chunk may take one of the mappings that a process can have.
pub(super) const MAX_LAZY: u64 = 256 << 20;

/// What the parts mean, and how long the lazy ones are.
#[derive(Serialize, Deserialize)]
pub(super) struct Meta<M> {
    pub(super) module: M,
    pub(super) thunks: u32,
    pub(super) text_len: u64,
    pub(super) data_len: u64,
    /// Of the tables, in the order of [`CodeTable`].
    pub(super) tables_len: [u64; CodeTable::COUNT],
    pub(super) offsets: (u64, rt::Digest),
    pub(super) code_offset: u32,
    /// Functions that the better compiler has compiled, of a module that both have: increasing numbers.
    pub(super) hot: Vec<u32>,
    pub(super) custom: Vec<(String, u64, rt::Digest)>,
}

/// Whether these bytes begin as an artifact does.
pub(crate) fn is_artifact(bytes: &[u8]) -> bool {
    bytes.starts_with(&MAGIC)
}

/// What the head says of the eager part.
pub(super) fn eager_hash(eager: &[u8], seal: Option<&Seal>) -> rt::Digest {
    match seal {
        Some(seal) => *seal.hash(eager).as_bytes(),
        None => digest(eager),
    }
}

/// A chunk's hash. Called in a signal handler: takes no lock and allocates nothing.
pub(super) fn digest(chunk: &[u8]) -> rt::Digest {
    *blake3::hash(chunk).as_bytes()
}

pub(super) const RECORD: usize = size_of::<FunctionRecord>();
