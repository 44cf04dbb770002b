//! The frame's layout: where everything is, relative to rbp.
//!
//! From rbp downwards: the registers that the prologue saved, homes, the slots of the stack. The
//! prologue chooses homes; how many slots there are is known when the last operator has been
//! compiled.

use sconce_x64::encode::Addr;
use sconce_x64::register::Gpr;

/// Bytes of a register, and of a slot where no value is a vector.
pub(crate) const WORD: i32 = 8;
/// Frames beyond this are refused: offsets in them would not fit displacements.
const MAX_FRAME: i64 = 1 << 30;

/// Places in the frame, and what is in use.
#[derive(Debug)]
pub(crate) struct FrameLayout {
    saved: Vec<Gpr>,
    argument_bytes: u32,
    /// Offset of the lowest home: slots go downwards from there.
    lowest_home: i32,
    /// Bytes of each slot.
    stride: i32,
    slots: u32,
    buffer: Option<i32>,
    vmctx: Option<i32>,
    stack_pointer: Option<i32>,
}

impl FrameLayout {
    /// An empty one, with slots for vectors or without.
    pub(crate) fn new(vectors: bool) -> FrameLayout {
        FrameLayout {
            saved: Vec::new(),
            argument_bytes: 0,
            lowest_home: 0,
            stride: if vectors { 2 * WORD } else { WORD },
            slots: 0,
            buffer: None,
            vmctx: None,
            stack_pointer: None,
        }
    }

    // ---- What the prologue decides.

    /// The prologue pushes these, in this order, and so many bytes of arguments are above the frame.
    pub(crate) fn save(&mut self, registers: Vec<Gpr>, argument_bytes: u32) {
        self.saved = registers;
        self.argument_bytes = argument_bytes;
        self.lowest_home = -self.saved_bytes();
    }

    /// A home of so many bytes, below all others.
    pub(crate) fn add_home(&mut self, bytes: i32) -> i32 {
        self.lowest_home -= bytes;
        self.lowest_home
    }

    /// A home for the result buffer's address.
    pub(crate) fn add_buffer(&mut self) {
        self.buffer = Some(self.add_home(WORD));
    }

    /// A home for the VM context, which handlers take it from.
    pub(crate) fn add_vmctx(&mut self) {
        self.vmctx = Some(self.add_home(WORD));
    }

    /// A home for what rsp is between calls, for paranoid style.
    pub(crate) fn add_stack_pointer(&mut self) {
        self.stack_pointer = Some(self.add_home(WORD));
    }

    // ---- Where everything is.

    /// Registers that the prologue saved, and where each is.
    pub(crate) fn saved(&self) -> impl Iterator<Item = (Gpr, Addr)> {
        self.saved.iter().zip(1..).map(|(&r, n)| (r, home(-WORD * n)))
    }

    fn saved_bytes(&self) -> i32 {
        WORD * self.saved.len() as i32
    }

    /// Bytes of stack arguments, which the function pops.
    pub(crate) fn argument_bytes(&self) -> u32 {
        self.argument_bytes
    }

    pub(crate) fn buffer(&self) -> Option<Addr> {
        self.buffer.map(home)
    }

    pub(crate) fn vmctx(&self) -> Option<Addr> {
        self.vmctx.map(home)
    }

    pub(crate) fn stack_pointer(&self) -> Option<Addr> {
        self.stack_pointer.map(home)
    }

    /// Bytes from each slot to the next one.
    pub(crate) fn stride(&self) -> i32 {
        self.stride
    }

    /// Whether a slot has room for a vector.
    #[inline(always)]
    pub(crate) fn is_wide(&self) -> bool {
        self.stride > WORD
    }

    /// The slot of a stack position.
    #[inline(always)]
    pub(crate) fn slot(&self, position: u32) -> Addr {
        // Frames are far smaller than 2 GiB: a body has at most 7,654,321 bytes.
        home(self.lowest_home - self.stride * (position as i32 + 1))
    }

    /// It is in use from now on.
    #[inline(always)]
    pub(crate) fn use_slot(&mut self, position: u32) -> Addr {
        self.slots = self.slots.max(position + 1);
        self.slot(position)
    }

    // ---- How large it is.

    /// Bytes below the saved registers, and below rbp.
    ///
    /// # Errors
    /// If the frame is too large.
    pub(crate) fn bytes(&self) -> Result<(i32, u32), String> {
        let saved = i64::from(self.saved_bytes());
        let used = i64::from(self.stride) * i64::from(self.slots) - i64::from(self.lowest_home) - saved;
        if used > MAX_FRAME {
            return Err(format!("the frame would have {used} bytes, at most {MAX_FRAME} are possible"));
        }
        // rsp is a multiple of 16 behind the frame; behind rbp it is one.
        let below = ((used + saved + 15) & !15) as i32;
        Ok((below - saved as i32, below.cast_unsigned()))
    }
}

#[inline(always)]
fn home(offset: i32) -> Addr {
    Addr::new(Gpr::Rbp, offset)
}
