//! Data segments' contents that stay where they are in the binary until a memory gets them.

use crate::pipeline::Pieces;
use sconce_runtime as rt;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct LazyContents {
    binary: Arc<Vec<u8>>,
    pieces: Pieces,
    /// Put together, for who wants them as one: instances after the first.
    whole: OnceLock<Box<[u8]>>,
}

impl LazyContents {
    pub(crate) fn new(binary: &Arc<Vec<u8>>, pieces: Pieces) -> LazyContents {
        LazyContents { binary: binary.clone(), pieces, whole: OnceLock::new() }
    }

    /// Bytes of the contents, which are put together for some instances.
    pub(crate) fn len(&self) -> u64 {
        self.pieces.len()
    }
}

impl AsRef<[u8]> for LazyContents {
    fn as_ref(&self) -> &[u8] {
        self.whole.get_or_init(|| self.pieces.contents(&self.binary).into())
    }
}

impl rt::Contents for LazyContents {
    fn pieces(&self, range: Range<u32>, f: &mut dyn FnMut(usize, &[u8])) -> bool {
        self.pieces.within(range, &self.binary, f);
        true
    }
}
