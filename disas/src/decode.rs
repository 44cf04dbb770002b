//! A function's instructions, told apart from the data amid and behind them, and what pointers their operands go through.

use super::fields::{Field, of_store};
use iced_x86::{Code, Decoder, DecoderOptions, Instruction, Mnemonic, OpKind, Register};
use sconce_environ::builtin::Builtin;
use sconce_environ::compile::CompiledFunction;
use sconce_environ::index::FuncIndex;
use sconce_x64::abi;
use sconce_x64::register::Gpr;
use sconce_x64::text::FILLER;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// Where code that keeps its VM context in a register has it.
pub const KEPT_CONTEXT: Register = gpr64(abi::KEPT_CONTEXT);

/// A register as the decoder calls it.
const fn gpr64(register: Gpr) -> Register {
    const BY_NUMBER: [Register; 16] = [
        Register::RAX,
        Register::RCX,
        Register::RDX,
        Register::RBX,
        Register::RSP,
        Register::RBP,
        Register::RSI,
        Register::RDI,
        Register::R8,
        Register::R9,
        Register::R10,
        Register::R11,
        Register::R12,
        Register::R13,
        Register::R14,
        Register::R15,
    ];
    BY_NUMBER[register as usize]
}

/// A piece of a function's code.
#[derive(Clone, Debug)]
pub enum Piece {
    /// An instruction; its addresses count from the function's start.
    Instruction(Instruction),
    /// A jump table.
    Table(Range<u32>),
    /// Constants, or what fills the space before them.
    Data(Range<u32>),
}

impl Piece {
    /// Where it begins.
    pub fn start(&self) -> u32 {
        match self {
            Piece::Instruction(i) => i.ip32(),
            Piece::Table(range) | Piece::Data(range) => range.start,
        }
    }
}

/// A function's code in pieces.
#[derive(Debug)]
pub struct Pieces {
    /// In order.
    pub pieces: Vec<Piece>,
    /// Where branches, jump tables and handlers lead.
    pub targets: BTreeSet<u32>,
}

/// The targets in a jump table.
pub fn entries(code: &[u8], table: Range<u32>) -> impl Iterator<Item = u32> {
    let bytes = code.get(table.start as usize..table.end as usize).unwrap_or_default();
    let start = table.start;
    bytes.as_chunks::<4>().0.iter().map(move |entry| start.wrapping_add_signed(i32::from_le_bytes(*entry)))
}

/// Takes code apart.
pub fn pieces(function: &CompiledFunction) -> Pieces {
    let code = function.code.as_slice();
    let len = code.len() as u32;
    let tables: BTreeMap<u32, u32> = function.jump_tables.iter().copied().collect();
    let mut targets: BTreeSet<u32> = tables.iter().flat_map(|(&from, &to)| entries(code, from..to)).collect();
    targets.extend(function.handlers.nodes().iter().map(|node| node.0.code_offset));
    // What linking fills in leads out of the function.
    let linked: BTreeSet<u32> = function.relocs.iter().map(|reloc| reloc.offset).collect();
    // Constants stand behind the instructions that use them, so that one walk finds both.
    let mut data: BTreeMap<u32, u32> = BTreeMap::new();
    let mut found = Vec::new();
    let mut decoder = Decoder::with_ip(64, code, 0, DecoderOptions::NONE);
    let mut at = 0;
    while at < len {
        if let Some(&end) = tables.get(&at).or_else(|| data.get(&at)).filter(|&&end| end > at) {
            let range = at..end.min(len);
            found.push(if tables.contains_key(&at) { Piece::Table(range) } else { Piece::Data(range) });
            at = end;
            continue;
        }
        // What follows an instruction that goes elsewhere, and nothing leads to, only fills space.
        let next_data = data.range(at..).next().into_iter().chain(tables.range(at..).next()).map(|(&start, _)| start).min();
        if let Some(next) = next_data
            && next - at < 64
            && leaves(found.last())
            && !targets.contains(&at)
            && !function.wasm_offsets.iter().any(|run| run.0 == at)
        {
            found.push(Piece::Data(at..next));
            at = next;
            continue;
        }
        let fill = code.iter().skip(at as usize).take_while(|&&byte| byte == FILLER).count() as u32;
        if fill > 1 && leaves(found.last()) && !targets.contains(&at) {
            found.push(Piece::Data(at..at + fill));
            at += fill;
            continue;
        }
        if decoder.set_position(at as usize).is_err() {
            break;
        }
        decoder.set_ip(at.into());
        let instruction = decoder.decode();
        if let Some(target) = branch_target(&instruction) {
            targets.insert(target);
        }
        let next = at + (instruction.len() as u32).max(1);
        if let Some((start, size)) = constant(&instruction, len)
            && linked.range(at..next).next().is_none()
        {
            data.insert(start, start + size);
        }
        at = next;
        found.push(Piece::Instruction(instruction));
    }
    Pieces { pieces: found, targets }
}

/// Whether the next instruction is not run after this one.
fn leaves(piece: Option<&Piece>) -> bool {
    let Some(Piece::Instruction(i)) = piece else { return true };
    matches!(i.mnemonic(), Mnemonic::Jmp | Mnemonic::Ret | Mnemonic::Ud2 | Mnemonic::Int3)
}

/// Where a branch within a function goes; not calls.
pub fn branch_target(instruction: &Instruction) -> Option<u32> {
    let near = instruction.op_count() > 0 && instruction.op0_kind() == OpKind::NearBranch64;
    (near && instruction.mnemonic() != Mnemonic::Call).then(|| instruction.near_branch_target() as u32)
}

/// The constant in the function's own code that an instruction reads: where, and its bytes.
fn constant(instruction: &Instruction, len: u32) -> Option<(u32, u32)> {
    if !instruction.is_ip_rel_memory_operand() || instruction.mnemonic() == Mnemonic::Lea {
        return None;
    }
    let start = u32::try_from(instruction.ip_rel_memory_address()).ok().filter(|&start| start < len)?;
    Some((start, (instruction.memory_size().size() as u32).clamp(1, len - start)))
}

/// What a register is known to hold.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Known {
    Context,
    Store,
    Builtins,
    Builtin(Builtin),
    Import(FuncIndex),
}

type Registers = [Option<Known>; 16];

/// What an operand means.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// A place in the VM context.
    Field(Field),
    /// A place in the store's context.
    Store(&'static str),
    /// A builtin.
    Builtin(Builtin),
    /// An imported function.
    Import(FuncIndex),
}

/// What operands mean, by the place of their instruction. `fixed` is a register that holds the VM context everywhere it is used.
pub fn meanings(code: &[u8], found: &Pieces, fields: &BTreeMap<u32, Field>, fixed: Option<Register>) -> BTreeMap<u32, Meaning> {
    let mut unknown: Registers = [None; 16];
    if let Some(register) = fixed {
        unknown[register.number()] = Some(Known::Context);
    }
    let mut entry = unknown;
    entry[abi::ARG_GPRS[0] as usize] = Some(Known::Context);
    let mut at_targets: BTreeMap<u32, Registers> = BTreeMap::new();
    // Knowledge is only ever taken away, so this ends; few functions need a third round.
    for _ in 0..8 {
        let mut meanings = BTreeMap::new();
        let (mut registers, mut jumped) = (Some(entry), None);
        let mut changed = false;
        for piece in &found.pieces {
            let i = match piece {
                Piece::Instruction(i) => i,
                Piece::Table(range) => {
                    // Where the table stands behind its jump, that is where the targets are reached from.
                    for target in entries(code, range.clone()) {
                        merge(&mut at_targets, target, jumped, unknown, &mut changed);
                    }
                    registers = None;
                    continue;
                }
                Piece::Data(_) => {
                    registers = None;
                    continue;
                }
            };
            let here = i.ip32();
            if found.targets.contains(&here) {
                // What is reached by more than branches: a handler, a jump table's target.
                registers = merge(&mut at_targets, here, registers, unknown, &mut changed);
            }
            let mut state = registers.unwrap_or(unknown);
            if let Some(meaning) = step(i, &mut state, fields) {
                meanings.insert(here, meaning);
            }
            if let Some(fixed) = fixed {
                state[fixed.number()] = Some(Known::Context);
            }
            if let Some(target) = branch_target(i) {
                merge(&mut at_targets, target, Some(state), unknown, &mut changed);
            }
            (registers, jumped) = if leaves(Some(piece)) { (None, Some(state)) } else { (Some(state), None) };
        }
        if !changed {
            return meanings;
        }
    }
    BTreeMap::new()
}

/// Takes what is known on another way to a target into account.
fn merge(
    at_targets: &mut BTreeMap<u32, Registers>,
    target: u32,
    arriving: Option<Registers>,
    unknown: Registers,
    changed: &mut bool,
) -> Option<Registers> {
    let Some(arriving) = arriving else { return Some(*at_targets.get(&target).unwrap_or(&unknown)) };
    let Some(known) = at_targets.get_mut(&target) else {
        at_targets.insert(target, arriving);
        *changed = true;
        return Some(arriving);
    };
    for (known, arriving) in known.iter_mut().zip(arriving) {
        if known.is_some() && *known != arriving {
            *known = None;
            *changed = true;
        }
    }
    Some(*known)
}

/// Follows one instruction, and says what its memory operand, or the register that it calls, means.
fn step(i: &Instruction, registers: &mut Registers, fields: &BTreeMap<u32, Field>) -> Option<Meaning> {
    let known = |register: Register| register.is_gpr64().then(|| registers[register.number()]).flatten();
    let mut operand = None;
    let memory = (0..i.op_count()).any(|n| i.op_kind(n) == OpKind::Memory) && i.memory_index() == Register::None;
    if memory && let Ok(offset) = u32::try_from(i.memory_displacement64().cast_signed()) {
        operand = match known(i.memory_base()) {
            Some(Known::Context) => fields.get(&offset).map(|&field| Meaning::Field(field)),
            Some(Known::Store) => of_store(offset).map(Meaning::Store),
            Some(Known::Builtins) => Builtin::ALL.get(offset as usize / size_of::<usize>()).map(|&b| Meaning::Builtin(b)),
            _ => None,
        };
    }
    let goes = matches!(i.mnemonic(), Mnemonic::Call | Mnemonic::Jmp);
    if goes && i.op0_kind() == OpKind::Register {
        operand = match known(i.op0_register()) {
            Some(Known::Builtin(builtin)) => Some(Meaning::Builtin(builtin)),
            Some(Known::Import(func)) => Some(Meaning::Import(func)),
            _ => None,
        };
    }
    let result = match (i.mnemonic(), operand) {
        (Mnemonic::Mov, Some(Meaning::Field(Field::Store))) => Some(Known::Store),
        (Mnemonic::Mov, Some(Meaning::Field(Field::Builtins))) => Some(Known::Builtins),
        (Mnemonic::Mov, Some(Meaning::Field(Field::ImportCode(func)))) => Some(Known::Import(func)),
        (Mnemonic::Mov, Some(Meaning::Builtin(builtin))) => Some(Known::Builtin(builtin)),
        (Mnemonic::Mov, _) if i.code() == Code::Mov_r64_rm64 || i.code() == Code::Mov_rm64_r64 => {
            if i.op1_kind() == OpKind::Register { known(i.op1_register()) } else { None }
        }
        _ => None,
    };
    forget(i, registers);
    if i.op_count() > 0 && i.op0_kind() == OpKind::Register && i.op0_register().is_gpr64() && i.mnemonic() == Mnemonic::Mov {
        registers[i.op0_register().number()] = result;
    }
    if goes && let Some(Meaning::Field(Field::ImportCode(func))) = operand {
        return Some(Meaning::Import(func));
    }
    operand
}

/// Forgets what an instruction may overwrite: rather too much than too little.
fn forget(i: &Instruction, registers: &mut Registers) {
    const RAX: usize = 0;
    const RCX: usize = 1;
    const RDX: usize = 2;
    const RSI: usize = 6;
    const RDI: usize = 7;
    match i.mnemonic() {
        Mnemonic::Cmp | Mnemonic::Test | Mnemonic::Push | Mnemonic::Jmp => return,
        Mnemonic::Call => {
            for (n, known) in registers.iter_mut().enumerate() {
                let kept = |r: &Gpr| *r as usize == n;
                if !abi::CALLEE_SAVED.iter().chain(&[Gpr::Rbp, Gpr::Rsp]).any(kept) {
                    *known = None;
                }
            }
            return;
        }
        _ => {}
    }
    for n in 0..i.op_count().min(2) {
        if i.op_kind(n) == OpKind::Register
            && i.op_register(n).is_gpr()
            && (n == 0 || matches!(i.mnemonic(), Mnemonic::Xchg | Mnemonic::Xadd))
        {
            registers[i.op_register(n).full_register().number()] = None;
        }
    }
    if matches!(
        i.mnemonic(),
        Mnemonic::Mul
            | Mnemonic::Imul
            | Mnemonic::Div
            | Mnemonic::Idiv
            | Mnemonic::Cdq
            | Mnemonic::Cqo
            | Mnemonic::Cmpxchg
            | Mnemonic::Cmpxchg16b
    ) {
        (registers[RAX], registers[RDX]) = (None, None);
    }
    if i.has_rep_prefix() {
        (registers[RCX], registers[RSI], registers[RDI]) = (None, None, None);
    }
}
