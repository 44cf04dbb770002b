//! A function as text: operators on the left, instructions on the right.
//!
//! Rows follow the machine code. An operator stands beside its first instruction, those before it that have
//! none stand above; where the code of an operator that was shown already goes on (out of line, or moved by
//! the optimizer), its offset stands in parentheses. Operators of another function, whose body stands in place of a call, are
//! shown each time, and say whose they are.

use super::decode::{self, Meaning, Piece};
use super::fields::Field;
use super::operators::Line;
use iced_x86::{Formatter, Instruction, IntelFormatter, MemorySizeOptions, Mnemonic, Register};
use sconce_environ::compile::{CompiledFunction, RelocTarget};
use sconce_environ::index::{DefinedFuncIndex, FuncIndex};
use sconce_environ::inlined::operators;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Operators get no more columns than this; what is longer has a row of its own.
const MAX_LEFT: usize = 48;

/// What a listing is made of.
pub struct Listing<'a> {
    /// The function.
    pub function: &'a CompiledFunction,
    /// Its operators; `None` where they are not at hand.
    pub operators: Option<&'a [Line]>,
    /// The same of another function.
    pub operators_of: &'a dyn Fn(DefinedFuncIndex) -> Vec<Line>,
    /// What is where in the VM context.
    pub fields: &'a BTreeMap<u32, Field>,
    /// The register that holds the VM context in all of the function, if there is one.
    pub context: Option<Register>,
    /// How a defined function is called for people.
    pub defined: &'a dyn Fn(DefinedFuncIndex) -> String,
    /// The same for any function.
    pub any: &'a dyn Fn(FuncIndex) -> String,
    /// What is at an address outside the function, counted from its start.
    pub target: &'a dyn Fn(i64) -> Option<RelocTarget>,
}

impl Listing<'_> {
    /// The text.
    pub fn text(&self) -> String {
        let pieces = decode::pieces(self.function);
        let meanings = decode::meanings(&self.function.code, &pieces, self.fields, self.context);
        let mut formatter = formatter();
        let mut rows = Rows::new(self.operators.unwrap_or_default());
        let callees: BTreeMap<DefinedFuncIndex, Vec<Line>> =
            self.function.inlined.iter().map(|body| (body.func, (self.operators_of)(body.func))).collect();
        let mut runs = self.function.wasm_offsets.iter().peekable();
        let mut operator = None;
        let relocs: BTreeMap<u32, RelocTarget> = self.function.relocs.iter().map(|r| (r.offset, r.target)).collect();
        for piece in &pieces.pieces {
            let at = piece.start();
            let mut begins = false;
            while let Some(&(_, wasm)) = runs.next_if(|run| run.0 <= at) {
                (operator, begins) = (Some(wasm), true);
            }
            if begins {
                match operator.and_then(|number| operators(&self.function.inlined, number).next()) {
                    Some((None, wasm)) => rows.operator(wasm, self.operators.is_some()),
                    Some((Some(func), wasm)) => rows.callee(&callees[&func], wasm, &(self.defined)(func)),
                    None => rows.no_operator(at),
                }
            }
            let mark = if pieces.targets.contains(&at) { '>' } else { ' ' };
            match piece {
                Piece::Instruction(instruction) => {
                    let mut text = String::new();
                    formatter.format(instruction, &mut text);
                    let remarks = self.remarks(instruction, meanings.get(&at).copied(), &relocs);
                    let text = if remarks.is_empty() { text } else { format!("{text:<40} ; {}", remarks.join("; ")) };
                    rows.code(&format!("{mark}{at:5x}  {text}"));
                }
                Piece::Table(range) => {
                    let entries: Vec<u32> = decode::entries(&self.function.code, range.clone()).collect();
                    for (n, some) in entries.chunks(6).enumerate() {
                        let list: Vec<String> = some.iter().map(|target| format!("{target:#x}")).collect();
                        rows.code(&format!("{:6x}  jump table: {}", at as usize + 24 * n, list.join(" ")));
                    }
                }
                Piece::Data(range) => {
                    let bytes = self.function.code.get(range.start as usize..range.end as usize).unwrap_or_default();
                    for (n, some) in bytes.chunks(16).enumerate() {
                        let list: Vec<String> = some.iter().map(|byte| format!("{byte:02x}")).collect();
                        rows.code(&format!("{:6x}  data: {}", at as usize + 16 * n, list.join(" ")));
                    }
                }
            }
        }
        rows.finish()
    }

    /// What is to be said about an instruction, from the function's tables and about where it leads.
    fn remarks(&self, instruction: &Instruction, meaning: Option<Meaning>, relocs: &BTreeMap<u32, RelocTarget>) -> Vec<String> {
        let (start, end) = (instruction.ip32(), instruction.next_ip32());
        let mut remarks = Vec::new();
        let f = self.function;
        let relocated = relocs.range(start..end).next().map(|(_, target)| *target);
        match relocated.or_else(|| self.elsewhere(instruction)) {
            Some(RelocTarget::Function(func)) => remarks.push((self.defined)(func)),
            Some(RelocTarget::Slot(func)) => remarks.push(format!("slot of {}", (self.defined)(func))),
            // Fixed by now.
            Some(RelocTarget::HostCall { .. }) | None => {}
        }
        match meaning {
            Some(Meaning::Field(field)) => remarks.push(field.to_string()),
            Some(Meaning::Store(what)) => remarks.push(what.to_owned()),
            Some(Meaning::Builtin(builtin)) => remarks.push(format!("builtin {}", builtin.name())),
            Some(Meaning::Import(func)) => remarks.push((self.any)(func)),
            None => {}
        }
        if let Ok(n) = f.traps.binary_search_by_key(&start, |trap| trap.0) {
            remarks.push(format!("trap: {}", f.traps[n].1));
        }
        if instruction.mnemonic() == Mnemonic::Call
            && let Some(map) = f.stack_maps.at(end)
        {
            let slots: Vec<String> = map.slots.iter().map(|&slot| frame_place(slot)).collect();
            remarks.push(format!("references in {}", slots.join(" ")));
        }
        if let Ok(n) = f.call_sites.binary_search_by_key(&end, |site| site.return_offset)
            && instruction.mnemonic() == Mnemonic::Call
        {
            let handlers = f.handlers.list(f.call_sites[n].handlers).map(|h| match h.tag {
                Some(tag) => {
                    format!("{} at {:#x}", self.fields.get(&tag).map_or("a tag".into(), Field::to_string), h.code_offset)
                }
                None => format!("all at {:#x}", h.code_offset),
            });
            remarks.push(format!("catches {}", handlers.collect::<Vec<_>>().join(", ")));
        }
        if f.uninterruptible.iter().any(|run| run.0 <= start && start < run.1) {
            remarks.push("uninterruptible".to_owned());
        }
        remarks
    }

    /// The function or slot that a linked instruction names.
    fn elsewhere(&self, instruction: &Instruction) -> Option<RelocTarget> {
        let near = instruction.op_count() > 0 && instruction.op0_kind() == iced_x86::OpKind::NearBranch64;
        let address = match near {
            true => instruction.near_branch_target(),
            false if instruction.is_ip_rel_memory_operand() => instruction.ip_rel_memory_address(),
            false => return None,
        };
        // Addresses count from the function's start, and what is before it wraps.
        (self.target)(address.cast_signed())
    }
}

/// `[rbp-0x10]`
fn frame_place(offset: i32) -> String {
    let sign = if offset < 0 { '-' } else { '+' };
    format!("[rbp{sign}{:#x}]", offset.unsigned_abs())
}

fn formatter() -> IntelFormatter {
    let mut formatter = IntelFormatter::new();
    let options = formatter.options_mut();
    options.set_hex_prefix("0x");
    options.set_hex_suffix("");
    options.set_uppercase_hex(false);
    options.set_space_after_operand_separator(true);
    options.set_branch_leading_zeros(false);
    options.set_show_branch_size(false);
    options.set_memory_size_options(MemorySizeOptions::Minimal);
    options.set_first_operand_char_index(8);
    options.set_small_hex_numbers_in_decimal(true);
    formatter
}

/// Rows of two columns.
struct Rows<'a> {
    operators: &'a [Line],
    /// How many operators have been shown.
    shown: usize,
    /// What waits for its instruction.
    left: Option<String>,
    width: usize,
    out: String,
}

impl<'a> Rows<'a> {
    fn new(operators: &'a [Line]) -> Rows<'a> {
        let width = operators.iter().map(|l| left(l).chars().count()).max().unwrap_or(8).clamp(10, MAX_LEFT);
        Rows { operators, shown: 0, left: None, width, out: String::new() }
    }

    /// The code of the operator at this offset begins, or goes on.
    fn operator(&mut self, wasm: u32, known: bool) {
        self.flush();
        let upto = self.operators.partition_point(|line| line.offset <= wasm);
        if !known {
            self.left = Some(format!("{wasm:#06x}"));
        } else if upto <= self.shown {
            self.left = Some(format!("({wasm:#06x})"));
        } else {
            for line in &self.operators[self.shown..upto - 1] {
                let _ = writeln!(self.out, "{}", left(line));
            }
            self.left = Some(left(&self.operators[upto - 1]));
            self.shown = upto;
        }
    }

    /// Code of a callee's operator begins, or goes on.
    fn callee(&mut self, lines: &[Line], wasm: u32, name: &str) {
        self.flush();
        let line = lines.binary_search_by_key(&wasm, |line| line.offset).ok().map(|n| &lines[n]);
        let text = line.map_or(String::new(), |line| format!("{} ", line.text));
        self.left = Some(format!("{wasm:#06x} {text}(in {name})"));
    }

    /// Code of no operator begins.
    fn no_operator(&mut self, at: u32) {
        self.flush();
        self.left = Some(if at == 0 { "(prologue)".into() } else { "()".into() });
    }

    fn code(&mut self, text: &str) {
        let left = self.left.take().unwrap_or_default();
        let width = self.width;
        if left.chars().count() > width {
            let _ = writeln!(self.out, "{left}\n{:width$} |{text}", "");
        } else {
            let _ = writeln!(self.out, "{left:<width$} |{text}");
        }
    }

    fn flush(&mut self) {
        if let Some(left) = self.left.take() {
            let _ = writeln!(self.out, "{left}");
        }
    }

    fn finish(mut self) -> String {
        self.flush();
        for line in &self.operators[self.shown..] {
            let _ = writeln!(self.out, "{}", left(line));
        }
        self.out
    }
}

fn left(line: &Line) -> String {
    format!("{:#06x} {}{}", line.offset, "  ".repeat(line.depth), line.text)
}
