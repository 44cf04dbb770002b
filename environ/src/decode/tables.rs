//! Which tables nobody can grow: compiled code need not ask for their size and place again and again.
//!
//! Who could is the host, with a table that it or another instance has got, and `table.grow`. Bodies have not
//! been read yet, so it is looked for as bytes: whatever could be the instruction, even as a part of others,
//! counts as one.

use crate::index::TableIndex;
use crate::module::{EntityIndex, Module};
use crate::types::RefKind;
use std::collections::HashSet;

/// The instruction's bytes: a prefix, then this number, then the table's (spec section 5.4.3), both in LEB128.
const PREFIX: u8 = 0xfc;
const TABLE_GROW: u32 = 15;

/// Tables of references that are neither imported nor exported, and that no bytes of the code section could grow. (Those of
/// functions have fixed sizes already, where compilers of C and the like made them.)
pub(super) fn private(module: &Module, code: &[u8]) -> Vec<TableIndex> {
    let is_open = |(i, table): (TableIndex, &crate::types::TableType)| {
        table.element.kind() == RefKind::Handle && module.defined_table(i).is_some() && !module.table_is_fixed(i)
    };
    let mut found: Vec<TableIndex> = module.tables.iter().filter(|&t| is_open(t)).map(|t| t.0).collect();
    if found.is_empty() {
        return found;
    }
    let mut shared: HashSet<u32> = grown(code).collect();
    shared.extend(module.exports.iter().filter_map(|export| match export.entity {
        EntityIndex::Table(table) => Some(table.as_u32()),
        EntityIndex::Func(_) | EntityIndex::Memory(_) | EntityIndex::Global(_) | EntityIndex::Tag(_) => None,
    }));
    found.retain(|table| !shared.contains(&table.as_u32()));
    found
}

/// Numbers of the tables that the code could grow, wherever instructions begin.
fn grown(code: &[u8]) -> impl Iterator<Item = u32> {
    let behind = |at: usize| &code[at + 1..];
    let prefixes = code.iter().enumerate().filter(|&(_, &byte)| byte == PREFIX).map(move |(at, _)| behind(at));
    prefixes.filter_map(|rest| {
        let (number, rest) = leb128(rest)?;
        (number == TABLE_GROW).then_some(())?;
        Some(leb128(rest)?.0)
    })
}

/// A number of at most 32 bits, and what is behind it; it may be longer than it must be.
fn leb128(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let mut number = 0;
    for (n, &byte) in bytes.iter().enumerate().take(5) {
        number |= u32::from(byte & 0x7f) << (7 * n);
        if byte & 0x80 == 0 {
            return Some((number, &bytes[n + 1..]));
        }
    }
    None
}
