//! On-stack replacement: how the head of a loop in one compiler's code is described, for another one's code to go on there.
//!
//! The frame's owner says where everything is that the loop can still use. Whoever replaces the frame copies that into
//! cells of [`CELL_BYTES`] bytes each ([`LoopHead::cells`]), takes the frame down as its epilogue would have, and begins code that
//! was compiled for this entry as a call of the function begins; that code reads the cells before it does anything else.

use std::ops::Range;

/// Bytes of a cell.
pub const CELL_BYTES: usize = 16;
/// Cells that there can be: who has more to carry along stays.
pub const MAX_CELLS: usize = 512;

/// What a cell holds.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// In the lower half.
    I32,
    /// Pointers to function records as well.
    I64,
    /// Its bits.
    F32,
    /// Its bits.
    F64,
    /// All 16 bytes.
    V128,
    /// A counted reference: 32 bits.
    Handle,
}

/// Where a value is.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the general-purpose register with this number.
    Gpr(u8),
    /// In the vector register with this number.
    Xmm(u8),
    /// In the frame, so many bytes above the frame pointer.
    Frame(i32),
    /// Nowhere: it is these bits.
    Bits(u128),
}

/// A value at a loop's head.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Live {
    /// What it is.
    pub kind: Kind,
    /// Where it is.
    pub place: Place,
}

/// A loop in compiled code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoopCode {
    /// Where the loop begins in the function's body, in bytes: in its final form, if it has exceptions in their old one.
    pub position: u32,
    /// Its code, as offsets in the function's; it begins with the head.
    pub code: Range<u32>,
}

/// The head of a loop in compiled code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoopHead {
    /// Where the loop begins: [`LoopCode::position`].
    pub position: u32,
    /// Where the blocks around it begin, the outermost first, but for the function itself.
    pub around: Vec<u32>,
    /// Offset of the head in the function's code.
    pub offset: u32,
    /// Preserved registers, by number, and where the frame keeps what the caller had in them: so many bytes above the frame pointer.
    pub saved: Vec<(u8, i32)>,
    /// Where the VM context is.
    pub context: Place,
    /// Where the address of the result buffer is, if there is one.
    pub buffer: Option<Place>,
    /// Locals by their indices, in increasing order: at least those that operators name which can be reached.
    pub locals: Vec<(u32, Live)>,
    /// The whole stack of operands, the loop's parameters last.
    pub operands: Vec<Live>,
}

impl LoopHead {
    /// What is to be copied, cell by cell: locals, then operands.
    pub fn cells(&self) -> impl Iterator<Item = Live> {
        self.locals.iter().map(|&(_, live)| live).chain(self.operands.iter().copied())
    }

    /// About how many bytes of memory this takes.
    pub fn bytes(&self) -> usize {
        let lists =
            size_of_val(&*self.around) + size_of_val(&*self.saved) + size_of_val(&*self.locals) + size_of_val(&*self.operands);
        size_of::<LoopHead>() + lists
    }
}
