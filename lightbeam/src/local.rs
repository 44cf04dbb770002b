//! Locals: each one's type, and where its value is.

use crate::value::Ty;

/// A local that operators name.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Local {
    pub(crate) ty: Ty,
    /// Its place in the frame, relative to rbp.
    pub(crate) home: i32,
    /// Number of the register that it is pinned in, or [`UNPINNED`].
    pub(crate) pin: u8,
    /// Number of the register that may have its value besides, or [`UNPINNED`].
    pub(crate) cache: u8,
}

pub(crate) const UNPINNED: u8 = 0xff;

impl Local {
    /// One whose place nobody has chosen yet.
    pub(crate) fn new(ty: Ty) -> Local {
        Local { ty, home: 0, pin: UNPINNED, cache: UNPINNED }
    }
}
