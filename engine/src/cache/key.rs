//! The names of entries.

use crate::artifact::Seal;
use sconce_runtime as rt;
use std::sync::OnceLock;

/// The name of an entry: a hash of the module's contents, of what its code depends on, and of the build that compiles it.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) struct Key(blake3::Hash);

impl Key {
    /// The key of a module whose bytes have this hash, compiled for this; `conditions` are what its code depends on besides.
    pub(crate) fn new(content: blake3::Hash, conditions: &[String]) -> Key {
        let mut hasher = blake3::Hasher::new();
        hasher.update(content.as_bytes());
        for part in conditions {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        // Two builds of one version may generate different code. There is no cache without.
        if let Some(build) = build() {
            hasher.update(build.as_bytes());
        }
        Key(hasher.finalize())
    }

    pub(crate) fn name(self) -> String {
        self.0.to_hex().to_string()
    }

    /// What the entry's contents are sealed with, for whoever has this secret.
    pub(super) fn seal(self, secret: &Seal) -> Seal {
        secret.derive(&[&b"sconce cache entry\0"[..], self.0.as_bytes()].concat())
    }
}

/// What this build of the compilers has, and no other.
pub(super) fn build() -> Option<blake3::Hash> {
    static BUILD: OnceLock<Option<blake3::Hash>> = OnceLock::new();
    *BUILD.get_or_init(|| {
        let (kind, bytes) = match rt::build()? {
            rt::Build::Id(id) => (0, id),
            rt::Build::File(contents) => (1, contents),
        };
        Some(blake3::Hasher::new().update(&[kind]).update(&bytes).finalize())
    })
}
