//! The ways into wasm and out of it, by signature, as the host holds them: each keeps the code that
//! it names.

use crate::code::CodeSpace;
use crate::error::ResourceError;
use crate::stubs::{HostCallKind, Kind};
use sconce_x64::Signature;
use sconce_x64::stubs::Afterwards;
use std::sync::Arc;

/// The way into wasm functions of one signature.
#[derive(Clone, Debug)]
pub struct EntryTrampoline {
    pub(crate) code: usize,
    pub(crate) places: usize,
    /// Keeps the code alive.
    _space: Arc<CodeSpace>,
}

/// The way from wasm to host functions of one signature.
#[derive(Clone, Debug)]
pub struct HostTrampoline {
    pub(crate) code: usize,
    pub(crate) kind: HostCallKind,
    pub(crate) space: Arc<CodeSpace>,
}

impl CodeSpace {
    /// The way into wasm functions of this signature; cached.
    ///
    /// # Errors
    /// If there is no room.
    pub fn entry_trampoline(self: &Arc<Self>, sig: &Signature) -> Result<EntryTrampoline, ResourceError> {
        let code = self.stub(Kind::Entry, sig)?;
        Ok(EntryTrampoline { code, places: sig.places(), _space: self.clone() })
    }

    /// The way to host functions of this signature, whose results may have references among them;
    /// cached.
    ///
    /// # Errors
    /// If there is no room.
    ///
    /// # Panics
    /// If `Registers` is asked for where results need a buffer.
    pub fn host_trampoline(
        self: &Arc<Self>,
        sig: &Signature,
        kind: HostCallKind,
        returns_reference: bool,
    ) -> Result<HostTrampoline, ResourceError> {
        let code = self.stub(Kind::Host(kind, Afterwards::of(returns_reference)), sig)?;
        Ok(HostTrampoline { code, kind, space: self.clone() })
    }

    fn stub(&self, kind: Kind, sig: &Signature) -> Result<usize, ResourceError> {
        self.stubs().get(self.reservation(), self.listener(), kind, sig)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sconce_x64::Class;

    #[test]
    fn a_trampoline_that_is_too_large_leaves_no_trace() {
        let space = CodeSpace::new(None).unwrap();
        let made = |n| space.entry_trampoline(&Signature::new(vec![Class::I64; n], [])).map(|t| t.code);
        let (first, refused, second) = (made(1).unwrap(), made(10_000), made(2).unwrap());
        assert!(matches!(refused, Err(ResourceError::CodeSpaceFull { .. })), "{refused:?}");
        // In the unit where the first one is: nothing was given out between them.
        assert!(second > first && second - first < 1024, "{first:#x} {second:#x}");
    }
}
