//! How frames are walked at each instruction, read off the machine code.
//!
//! Whoever walks frames at any instruction asks where the return address is, and where the registers are that
//! the caller wants to find unchanged. Compiled functions and trampolines alike make a frame with a frame
//! pointer first and take it down last, in straight lines; so following rsp, rbp and what is kept of the
//! caller's through those lines says it exactly: in prologues, at each instruction of an epilogue, and where
//! a tail call moves the frame. It needs nothing from the compilers, so it serves what comes from the cache
//! as well. What follows a jump or a return is the body again: its frame is whole.

use iced_x86::{Decoder, DecoderOptions, FlowControl, Instruction, Mnemonic, OpKind};
use std::ops::Range;

/// A register, by DWARF's number (System V ABI for AMD64, figure 3.36).
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Register(pub u16);

const FRAME_POINTER: Register = Register(6);
const STACK_POINTER: Register = Register(7);
/// What stands for the return address.
pub const RETURN_ADDRESS: Register = Register(16);

/// Registers that a caller finds unchanged.
pub const KEPT: [Register; 6] = [FRAME_POINTER, Register(3), Register(12), Register(13), Register(14), Register(15)];

/// The same, by the machine's numbers.
const KEPT_NUMBERS: [usize; KEPT.len()] = [RBP, 3, 12, 13, 14, 15];
const RBP: usize = 5;
const RSP: usize = 4;

/// DWARF's numbers of general-purpose registers, by the machine's.
const DWARF: [u16; 16] = [0, 2, 1, 3, 7, 6, 4, 5, 8, 9, 10, 11, 12, 13, 14, 15];

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
pub enum Place {
    /// Where it was: in the register itself.
    Same,
    /// In another register.
    In(Register),
    /// So far from the row's CFA.
    Slot(i64),
    /// It is lost, or walks end here.
    Nowhere,
}

/// How to walk from one instruction on.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The CFA (canonical frame address): a register and a distance.
    pub cfa: (Register, i64),
    /// Where the return address is.
    pub return_address: Place,
    /// Where the caller's values of [`KEPT`] are.
    pub kept: [Place; KEPT.len()],
}

/// The start of everything that is called.
pub const ENTRY: Row = Row { cfa: (STACK_POINTER, 8), return_address: Place::Slot(-8), kept: [Place::Same; KEPT.len()] };
/// Where walks end.
const END: Row = Row { cfa: (STACK_POINTER, 8), return_address: Place::Nowhere, kept: [Place::Same; KEPT.len()] };

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
            for (register, dwarf) in KEPT_NUMBERS.into_iter().zip(KEPT) {
                state.registers[register] = Value::Callers(dwarf);
            }
            state.registers[RSP] = Value::Address(0);
            state.slots.push((0, RETURN_ADDRESS));
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

    /// Where the frame pointer points, if the frame is as it is in bodies: the caller's frame pointer there
    /// and the return address above.
    fn frame(&self) -> Option<i64> {
        let at = self.address(RBP)?;
        let whole = self.slot(at) == Value::Callers(FRAME_POINTER) && self.slot(at + 8) == Value::Callers(RETURN_ADDRESS);
        whole.then_some(at)
    }

    fn row(&self) -> Row {
        let mut end = END;
        let Some((base, known)) = [RBP, RSP].into_iter().find_map(|r| Some((r, self.address(r)?))) else { return end };
        let holder = |wanted| self.registers.iter().position(|v| *v == Value::Callers(wanted));
        let in_frame = self.frame().map(|at| at + 8);
        let in_slot = in_frame.or_else(|| self.slots.iter().find(|slot| slot.1 == RETURN_ADDRESS).map(|slot| slot.0));
        let (cfa, return_address) = match (in_slot, holder(RETURN_ADDRESS)) {
            (Some(slot), _) => (slot + 8, Place::Slot(-8)),
            (None, Some(register)) => (known + 16, Place::In(Register(DWARF[register]))),
            (None, None) => return end,
        };
        end.cfa = (Register(DWARF[base]), cfa - known);
        end.return_address = return_address;
        let top = self.address(RSP).unwrap_or(i64::MIN);
        for ((machine, wanted), place) in KEPT_NUMBERS.into_iter().zip(KEPT).zip(&mut end.kept) {
            // What is below the stack pointer has been read back.
            let slot = self.slots.iter().find(|slot| slot.1 == wanted && slot.0 >= top).map(|slot| Place::Slot(slot.0 - cfa));
            *place = slot.unwrap_or_else(|| match holder(wanted) {
                Some(register) if self.registers[machine] != Value::Callers(wanted) => Place::In(Register(DWARF[register])),
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

/// The rows of code with one way in, each with the offset from which on it holds; no two in a row are the
/// same. Parts of it are data: offsets, increasing. Code that is not called is where walks end.
pub fn rows(code: &[u8], data: &[Range<usize>], called: bool) -> Vec<(u32, Row)> {
    let mut state = State::start(called);
    // What holds behind jumps: the frame as it was when it was made.
    let mut body = state.clone();
    let mut straight = true;
    let mut rows = vec![(0, if called { ENTRY } else { END })];
    let mut decoder = Decoder::new(64, code, DecoderOptions::NONE);
    let mut data = data.iter().peekable();
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
            body.slots.retain(|slot| slot.1 != RETURN_ADDRESS || slot.0 == frame + 8);
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
