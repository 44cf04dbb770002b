//! The body that is being compiled, and how far it has been read.

/// A body, at one of its operators.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Body<'a> {
    bytes: &'a [u8],
    /// Where it begins in the module.
    offset: u32,
    /// Where the operator that is being compiled begins.
    position: usize,
    /// Where the next one begins, or beyond the end where that is not known.
    next: usize,
}

impl<'a> Body<'a> {
    pub(crate) fn new(bytes: &'a [u8], offset: u32) -> Body<'a> {
        Body { bytes, offset, position: 0, next: 0 }
    }

    /// The operator that begins here comes next.
    #[inline(always)]
    pub(crate) fn advance(&mut self, position: usize) {
        self.position = position;
    }

    /// It ends where the next one begins.
    #[inline(always)]
    pub(crate) fn until(&mut self, next: usize) {
        self.next = next;
    }

    /// Where in the module the operator is.
    #[inline(always)]
    pub(crate) fn wasm_offset(&self) -> u32 {
        self.offset + self.position as u32
    }

    /// Where in the body it is.
    pub(crate) fn position(&self) -> u32 {
        self.position as u32
    }

    /// Whether the next operator consumes flags: it only asks whether its operand is zero.
    #[inline(always)]
    pub(crate) fn flags_wanted(&self) -> bool {
        // br_if, if, select, i32.eqz, i64.eqz
        matches!(self.bytes.get(self.next), Some(0x0d | 0x04 | 0x1b | 0x45 | 0x50))
    }

    /// The local that the next operator sets, if its index is short.
    #[inline(always)]
    pub(crate) fn next_sets(&self) -> Option<u32> {
        // local.set, local.tee
        let &[0x21 | 0x22, local, ..] = self.bytes.get(self.next..)? else { return None };
        (local < 0x80).then_some(local.into())
    }
}
