//! Random bytes that a seed determines: the output of BLAKE3 as a function of extendable length, which its specification fixes.

use blake3::{Hasher, OutputReader};

/// Keeps the stream apart from every other use of the function; changing it changes what programs compute.
const CONTEXT: &str = "sconce 2026-11-30 random_get of a deterministic run";

/// The bytes of one seed, in order.
pub(super) struct Stream(OutputReader);

impl Stream {
    pub(super) fn new(seed: u64) -> Stream {
        Stream(Hasher::new_derive_key(CONTEXT).update(&seed.to_le_bytes()).finalize_xof())
    }

    pub(super) fn fill(&mut self, out: &mut [u8]) {
        self.0.fill(out);
    }
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stream").field("position", &self.0.position()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_has_one_stream_however_it_is_cut() {
        let bytes = |seed, sizes: &[usize]| {
            let mut stream = Stream::new(seed);
            let mut piece = |n: &usize| {
                let mut out = vec![0; *n];
                stream.fill(&mut out);
                out
            };
            sizes.iter().flat_map(&mut piece).collect::<Vec<u8>>()
        };
        assert_eq!(bytes(1, &[1, 0, 62, 1, 64, 1]), bytes(1, &[129]));
        assert_ne!(bytes(0, &[16]), bytes(1, &[16]));
        // Programs' results depend on it: it never changes.
        assert_eq!(bytes(0, &[8]), [236, 226, 133, 222, 18, 113, 60, 30]);
    }
}
