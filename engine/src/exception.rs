//! An exception in the host's hands. It knows no store: what is done with one in a store stands in `throw.rs`.

use crate::handles::Tag;
use sconce_runtime as rt;
use std::fmt;

/// An exception in the hands of the host. A host function throws one by returning
/// [`crate::Error::exception`]; one that no wasm code catches comes out of the call as
/// [`crate::Error::Exception`].
#[derive(Clone)]
pub struct Exception {
    pub(crate) inner: rt::Exception,
}

impl Exception {
    /// Its tag.
    pub fn tag(&self) -> Tag {
        Tag { handle: self.inner.tag() }
    }
}

impl fmt::Debug for Exception {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exception").field("tag", &self.tag()).finish_non_exhaustive()
    }
}
