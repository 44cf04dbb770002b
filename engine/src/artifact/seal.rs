//! Keyed hashes, of which nothing is left in memory but what was asked for.
//!
//! Keys are on the heap, at one place each, and overwritten when they are dropped. What hashing leaves of a key on the stack
//! is overwritten before it returns.

use zeroize::{Zeroize, Zeroizing};

const LEN: usize = blake3::KEY_LEN;
/// More stack than a hash takes: it halves what is longer than some chunks, each time with a buffer of its own.
const STACK: usize = 32 << 10;

/// A key for hashes. What a cache entry's head is hashed with, so that an entry is nobody's but the user's, and is not taken for
/// another one.
pub(crate) struct Seal(Box<Zeroizing<[u8; LEN]>>);

impl Seal {
    /// A key that is filled in where it stays.
    ///
    /// # Errors
    /// Those of `fill`.
    pub(crate) fn filled<E>(fill: impl FnOnce(&mut [u8; LEN]) -> Result<(), E>) -> Result<Seal, E> {
        let mut seal = Seal(Box::default());
        fill(&mut seal.0)?;
        Ok(seal)
    }

    /// Shows the key itself.
    pub(crate) fn with_key<R>(&self, f: impl FnOnce(&[u8; LEN]) -> R) -> R {
        f(&self.0)
    }

    /// The key's hash of this.
    pub(crate) fn hash(&self, bytes: &[u8]) -> blake3::Hash {
        let mut hash = [0; LEN];
        hash_into(&self.0, bytes, &mut hash);
        overwrite_stack();
        blake3::Hash::from_bytes(hash)
    }

    /// The same as a key.
    pub(crate) fn derive(&self, bytes: &[u8]) -> Seal {
        let mut derived = Seal(Box::default());
        hash_into(&self.0, bytes, &mut derived.0);
        overwrite_stack();
        derived
    }
}

/// A frame of its own, below which all is that knows the key.
#[inline(never)]
fn hash_into(key: &[u8; LEN], bytes: &[u8], out: &mut [u8; LEN]) {
    out.copy_from_slice(blake3::keyed_hash(key, bytes).as_bytes());
}

/// Where that frame was.
#[inline(never)]
fn overwrite_stack() {
    // In words: each is a store of its own.
    [0_u128; STACK / size_of::<u128>()].zeroize();
}
