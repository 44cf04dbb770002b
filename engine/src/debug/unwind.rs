//! Frame descriptions (`.eh_frame`), read off the machine code.
//!
//! Whoever walks frames at any instruction asks where the return address is, and where the registers are that the caller wants to
//! find unchanged. Compiled functions and trampolines alike make a frame with a frame pointer first and take it down last, in straight lines; so
//! following rsp, rbp and what is kept of the caller's through those lines says it exactly: in prologues, at each instruction of an
//! epilogue, and where a tail call moves the frame. It costs nothing until someone asks, and needs nothing from the compilers, so it serves
//! what comes from the cache as well. What follows a jump or a return is the body again: its frame is whole.
//!
//! That the rows are right is tested by walking at every single instruction (`tests/faults`, `unwind`).

use gimli::write::{
    Address, CallFrameInstruction, CommonInformationEntry, EhFrame, EndianVec, FrameDescriptionEntry, FrameTable,
};
use gimli::{Encoding, Format, LittleEndian, Register, X86_64};
use iced_x86::{Decoder, DecoderOptions, FlowControl, Instruction, Mnemonic, OpKind};
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

/// Registers that a caller finds unchanged, and by iced's numbers those that are looked at.
const KEPT: [(iced_x86::Register, Register); 6] = [
    (iced_x86::Register::RBP, X86_64::RBP),
    (iced_x86::Register::RBX, X86_64::RBX),
    (iced_x86::Register::R12, X86_64::R12),
    (iced_x86::Register::R13, X86_64::R13),
    (iced_x86::Register::R14, X86_64::R14),
    (iced_x86::Register::R15, X86_64::R15),
];

const RBP: usize = 5;
const RSP: usize = 4;

/// DWARF's numbers of general-purpose registers, by the machine's.
const DWARF: [Register; 16] = [
    X86_64::RAX,
    X86_64::RCX,
    X86_64::RDX,
    X86_64::RBX,
    X86_64::RSP,
    X86_64::RBP,
    X86_64::RSI,
    X86_64::RDI,
    X86_64::R8,
    X86_64::R9,
    X86_64::R10,
    X86_64::R11,
    X86_64::R12,
    X86_64::R13,
    X86_64::R14,
    X86_64::R15,
];

/// What a register holds.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Value {
    Unknown,
    /// The caller's value of this register, or the return address.
    Callers(Register),
    /// An address, counted from where the return address was at the start.
    Address(i64),
}

/// Where the caller's value of a register is.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Place {
    /// Where it was.
    Same,
    In(Register),
    /// So far from the row's CFA.
    Slot(i64),
    Nowhere,
}

/// How to walk from one instruction on.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
struct Row {
    /// The CFA is a register and a distance.
    cfa: (Register, i64),
    return_address: Place,
    kept: [Place; KEPT.len()],
}

/// The start of everything that is called.
const ENTRY: Row = Row { cfa: (X86_64::RSP, 8), return_address: Place::Slot(-8), kept: [Place::Same; KEPT.len()] };
/// Where walks end.
const END: Row = Row { cfa: (X86_64::RSP, 8), return_address: Place::Nowhere, kept: [Place::Same; KEPT.len()] };

/// What is known between two instructions.
#[derive(Clone, Debug)]
struct State {
    registers: [Value; 16],
    /// 8-byte slots of the stack that hold the caller's values.
    slots: Vec<(i64, Register)>,
}

impl State {
    fn start(called: bool) -> State {
        let mut state = State { registers: [Value::Unknown; 16], slots: Vec::new() };
        if called {
            for (register, dwarf) in KEPT {
                state.registers[register.number()] = Value::Callers(dwarf);
            }
            state.registers[RSP] = Value::Address(0);
            state.slots.push((0, X86_64::RA));
        }
        state
    }

    fn slot(&self, at: i64) -> Value {
        self.slots.iter().find(|slot| slot.0 == at).map_or(Value::Unknown, |slot| Value::Callers(slot.1))
    }

    /// Bytes at this address are written.
    fn overwrite(&mut self, at: Option<i64>, len: i64) {
        if let Some(at) = at {
            self.slots.retain(|slot| slot.0 + 8 <= at || at + len <= slot.0);
        }
    }

    fn store(&mut self, at: Option<i64>, value: Value) {
        self.overwrite(at, 8);
        if let (Some(at), Value::Callers(register)) = (at, value) {
            self.slots.push((at, register));
        }
    }

    fn address(&self, register: usize) -> Option<i64> {
        if let Value::Address(at) = self.registers[register] { Some(at) } else { None }
    }

    /// Where the frame pointer points, if the frame is as it is in bodies: the caller's frame pointer there and the return address above.
    fn frame(&self) -> Option<i64> {
        let at = self.address(RBP)?;
        let whole = self.slot(at) == Value::Callers(X86_64::RBP) && self.slot(at + 8) == Value::Callers(X86_64::RA);
        whole.then_some(at)
    }

    fn row(&self) -> Row {
        let mut end = END;
        let Some((base, known)) = [RBP, RSP].into_iter().find_map(|r| Some((r, self.address(r)?))) else { return end };
        let holder = |wanted| self.registers.iter().position(|v| *v == Value::Callers(wanted));
        let in_frame = self.frame().map(|at| at + 8);
        let in_slot = in_frame.or_else(|| self.slots.iter().find(|slot| slot.1 == X86_64::RA).map(|slot| slot.0));
        let (cfa, return_address) = match (in_slot, holder(X86_64::RA)) {
            (Some(slot), _) => (slot + 8, Place::Slot(-8)),
            (None, Some(register)) => (known + 16, Place::In(DWARF[register])),
            (None, None) => return end,
        };
        end.cfa = (DWARF[base], cfa - known);
        end.return_address = return_address;
        let top = self.address(RSP).unwrap_or(i64::MIN);
        for ((machine, wanted), place) in KEPT.into_iter().zip(&mut end.kept) {
            // What is below the stack pointer has been read back.
            let slot = self.slots.iter().find(|slot| slot.1 == wanted && slot.0 >= top).map(|slot| Place::Slot(slot.0 - cfa));
            *place = slot.unwrap_or_else(|| match holder(wanted) {
                Some(register) if self.registers[machine.number()] != Value::Callers(wanted) => Place::In(DWARF[register]),
                _ => Place::Same,
            });
        }
        end
    }

    /// The address of a memory operand, if it is a place in the frame.
    fn memory(&self, i: &Instruction) -> Option<i64> {
        let base = i.memory_base();
        let plain =
            base.is_gpr64() && i.memory_index() == iced_x86::Register::None && i.segment_prefix() == iced_x86::Register::None;
        let at = if plain { self.address(base.number())? } else { return None };
        at.checked_add(i.memory_displacement64().cast_signed())
    }

    fn pop(&mut self) -> Value {
        // With an rsp that is not known this is the end of a frame: where the frame pointer points.
        let Some(at) = self.address(RSP) else { return Value::Unknown };
        self.registers[RSP] = Value::Address(at + 8);
        self.slot(at)
    }

    fn push(&mut self, value: Value) {
        if let Some(at) = self.address(RSP) {
            self.registers[RSP] = Value::Address(at - 8);
            self.store(Some(at - 8), value);
        }
    }

    /// The effect of an instruction.
    fn step(&mut self, i: &Instruction) {
        let gpr = |n: u32| -> Option<usize> {
            let register = i.op_register(n);
            (i.op_kind(n) == OpKind::Register && register.is_gpr64()).then(|| register.number())
        };
        let immediate =
            || matches!(i.op1_kind(), OpKind::Immediate8to64 | OpKind::Immediate32to64).then(|| i.immediate(1).cast_signed());
        let memory = (0..i.op_count()).any(|n| i.op_kind(n) == OpKind::Memory);
        match (i.mnemonic(), gpr(0), gpr(1)) {
            (Mnemonic::Push, Some(from), _) => self.push(self.registers[from]),
            (Mnemonic::Push, None, _) => self.push(Value::Unknown),
            (Mnemonic::Pop, Some(to), _) => {
                if to == RBP && self.address(RSP).is_none() {
                    self.registers[RSP] = self.registers[RBP];
                }
                self.registers[to] = self.pop();
            }
            (Mnemonic::Pop, None, _) => drop(self.pop()),
            (Mnemonic::Leave, ..) => {
                self.registers[RSP] = self.registers[RBP];
                self.registers[RBP] = self.pop();
            }
            (Mnemonic::Mov, Some(to), Some(from)) => self.registers[to] = self.registers[from],
            (Mnemonic::Mov, Some(to), None) if memory => {
                self.registers[to] = self.memory(i).map_or(Value::Unknown, |at| self.slot(at));
            }
            (Mnemonic::Mov, None, Some(from)) if memory => self.store(self.memory(i), self.registers[from]),
            (Mnemonic::Lea, Some(to), _) => self.registers[to] = self.memory(i).map_or(Value::Unknown, Value::Address),
            (Mnemonic::Sub | Mnemonic::Add, Some(to), None) if !memory => {
                let by = immediate().map(|n| if i.mnemonic() == Mnemonic::Sub { -n } else { n });
                self.registers[to] = match (self.registers[to], by) {
                    (Value::Address(at), Some(by)) => at.checked_add(by).map_or(Value::Unknown, Value::Address),
                    _ => Value::Unknown,
                };
            }
            (Mnemonic::Call, ..) => {
                // The callee has taken its arguments off.
                self.registers[RSP] = Value::Unknown;
            }
            (Mnemonic::Cmp | Mnemonic::Test, ..) => {}
            (Mnemonic::Xchg | Mnemonic::Xadd, _, Some(other)) => {
                self.registers[other] = Value::Unknown;
                if let Some(to) = gpr(0) {
                    self.registers[to] = Value::Unknown;
                }
            }
            // Narrow results too. What is written without being named are never registers that callers find unchanged.
            _ if i.op_count() > 0 && i.op0_kind() == OpKind::Register && i.op0_register().is_gpr() => {
                self.registers[i.op0_register().full_register().number()] = Value::Unknown;
            }
            (_, None, _) if i.op_count() > 0 && i.op0_kind() == OpKind::Memory => {
                self.overwrite(self.memory(i), i.memory_size().size() as i64);
            }
            _ => {}
        }
    }
}

/// The rows of a piece, each with the offset from which on it holds; no two in a row are the same.
fn rows(piece: &Piece<'_>) -> Vec<(u32, Row)> {
    let mut state = State::start(piece.called);
    // What holds behind jumps: the frame as it was when it was made.
    let mut body = state.clone();
    let mut straight = true;
    let mut rows = vec![(0, if piece.called { ENTRY } else { END })];
    let mut decoder = Decoder::new(64, piece.code, DecoderOptions::NONE);
    let mut data = piece.data.iter().peekable();
    let mut i = Instruction::default();
    let mut compared = None;
    while decoder.can_decode() {
        let at = decoder.position();
        while data.next_if(|range| range.end <= at).is_some() {}
        if let Some(range) = data.peek().filter(|range| range.start <= at)
            && decoder.set_position(range.end).is_ok()
        {
            continue;
        }
        let row = state.row();
        if rows.last().is_none_or(|last| last.1 != row) {
            rows.push((at as u32, row));
        }
        decoder.decode_out(&mut i);
        state.step(&i);
        // A large frame's pages are probed in a loop, before anything is in the frame, until rsp is what another register is.
        match compared.take().filter(|_| i.mnemonic() == Mnemonic::Jne && i.near_branch_target() < at as u64) {
            Some(end) if straight => state.registers[RSP] = state.registers[end],
            _ => straight &= i.flow_control() == FlowControl::Next,
        }
        if i.mnemonic() == Mnemonic::Cmp && i.op1_register() == iced_x86::Register::RSP && i.op0_register().is_gpr64() {
            compared = Some(i.op0_register().number());
        }
        if straight && let Some(frame) = state.frame() {
            body = state.clone();
            // Tail calls write the return address elsewhere; and how far the stack goes down differs.
            body.slots.retain(|slot| slot.1 != X86_64::RA || slot.0 == frame + 8);
            body.registers = [Value::Unknown; 16];
            body.registers[RBP] = Value::Address(frame);
        }
        let ends = matches!(
            i.flow_control(),
            FlowControl::UnconditionalBranch | FlowControl::IndirectBranch | FlowControl::Return | FlowControl::Exception
        ) || matches!(i.mnemonic(), Mnemonic::Ud2 | Mnemonic::Int3);
        if ends || i.is_invalid() {
            state = body.clone();
        }
    }
    rows
}

/// The instructions that lead from one row to the next.
fn changes(from: &Row, to: &Row) -> Vec<CallFrameInstruction> {
    let mut out = Vec::new();
    if from.cfa != to.cfa {
        out.push(CallFrameInstruction::Cfa(to.cfa.0, to.cfa.1 as i32));
    }
    let registers = [X86_64::RA].into_iter().chain(KEPT.map(|kept| kept.1));
    let places = [(from.return_address, to.return_address)].into_iter().chain(from.kept.into_iter().zip(to.kept));
    for (register, (from, to)) in registers.zip(places) {
        if from != to {
            out.push(match to {
                Place::Same => CallFrameInstruction::SameValue(register),
                Place::In(other) => CallFrameInstruction::Register(register, other),
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
    let mut common = CommonInformationEntry::new(encoding, 1, -8, X86_64::RA);
    common.add_instruction(CallFrameInstruction::Cfa(ENTRY.cfa.0, ENTRY.cfa.1 as i32));
    common.add_instruction(CallFrameInstruction::Offset(X86_64::RA, -8));
    let mut table = FrameTable::default();
    let common = table.add_cie(common);
    for piece in pieces {
        let mut entry = FrameDescriptionEntry::new(Address::Constant(piece.address), piece.code.len() as u32);
        let mut last = ENTRY;
        for (offset, row) in rows(&piece) {
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
