//! Frame descriptions (`.eh_frame`), read off the machine code.
//!
//! How frames are walked at each instruction is found by following the stack's registers through the code
//! ([`sconce_x64::unwind`]). It costs nothing until someone asks, and needs nothing from the compilers, so it
//! serves what comes from the cache as well.
//!
//! That the rows are right is tested by walking at every single instruction (`tests/faults`, `unwind`).

use gimli::write::{
    Address, CallFrameInstruction, CommonInformationEntry, EhFrame, EndianVec, FrameDescriptionEntry, FrameTable,
};
use gimli::{Encoding, Format, LittleEndian, Register};
use sconce_x64::unwind::{ENTRY, KEPT, Place, RETURN_ADDRESS, Row, rows};
use std::ops::Range;

/// Code with one way in.
#[derive(Clone, Debug)]
pub(super) struct Piece<'a> {
    /// Where it runs.
    pub(super) address: u64,
    pub(super) code: &'a [u8],
    /// Parts of it that are data, as offsets, increasing.
    pub(super) data: Vec<Range<usize>>,
    /// Whether it is called. Where code is that a signal handler or a host function jumps to, walks end.
    pub(super) called: bool,
}

fn named(register: sconce_x64::unwind::Register) -> Register {
    Register(register.0)
}

/// The instructions that lead from one row to the next.
fn changes(from: &Row, to: &Row) -> Vec<CallFrameInstruction> {
    let mut out = Vec::new();
    if from.cfa != to.cfa {
        out.push(CallFrameInstruction::Cfa(named(to.cfa.0), to.cfa.1 as i32));
    }
    let registers = [RETURN_ADDRESS].into_iter().chain(KEPT).map(named);
    let places = [(from.return_address, to.return_address)].into_iter().chain(from.kept.into_iter().zip(to.kept));
    for (register, (from, to)) in registers.zip(places) {
        if from != to {
            out.push(match to {
                Place::Same => CallFrameInstruction::SameValue(register),
                Place::In(other) => CallFrameInstruction::Register(register, named(other)),
                Place::Slot(at) => CallFrameInstruction::Offset(register, at as i32),
                Place::Nowhere => CallFrameInstruction::Undefined(register),
            });
        }
    }
    out
}

/// `.eh_frame` for these pieces, with absolute addresses. Empty if it cannot be written.
pub(super) fn eh_frame<'a>(pieces: impl IntoIterator<Item = Piece<'a>>) -> Vec<u8> {
    let encoding = Encoding { format: Format::Dwarf32, version: 1, address_size: 8 };
    let mut common = CommonInformationEntry::new(encoding, 1, -8, named(RETURN_ADDRESS));
    common.add_instruction(CallFrameInstruction::Cfa(named(ENTRY.cfa.0), ENTRY.cfa.1 as i32));
    common.add_instruction(CallFrameInstruction::Offset(named(RETURN_ADDRESS), -8));
    let mut table = FrameTable::default();
    let common = table.add_cie(common);
    for piece in pieces {
        let mut entry = FrameDescriptionEntry::new(Address::Constant(piece.address), piece.code.len() as u32);
        let mut last = ENTRY;
        for (offset, row) in rows(piece.code, &piece.data, piece.called) {
            for change in changes(&last, &row) {
                entry.add_instruction(offset, change);
            }
            last = row;
        }
        table.add_fde(common, entry);
    }
    let mut section = EhFrame(EndianVec::new(LittleEndian));
    match table.write_eh_frame(&mut section) {
        Ok(()) => section.0.into_vec(),
        Err(e) => {
            log::debug!("no frame descriptions: {e}");
            Vec::new()
        }
    }
}
