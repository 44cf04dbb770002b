//! How much memory a decoded module takes: what limits count.

use crate::module::{ConstExpr, ConstOp, ElementItems, Module};
use crate::types::{SubType, ValType};
use std::mem::size_of;

/// Bytes that an allocation takes besides its own.
const ALLOCATION: usize = 16;

impl Module {
    /// About how many bytes it takes, its types in an engine's registry included: what grows with a module, and no more.
    pub fn size(&self) -> u64 {
        let types = self.types.values().map(|ty| ty.composite.values().count() * size_of::<ValType>() + ALLOCATION);
        // Here, and where all modules have theirs.
        let types = 2 * (types.sum::<usize>() + self.types.len() * size_of::<SubType>());
        let text = |name: &String| name.capacity() + ALLOCATION;
        let imports = self.imports.iter().map(|i| size_of_val(i) + text(&i.module) + text(&i.name)).sum::<usize>();
        let exports = self.exports.iter().map(|e| size_of_val(e) + text(&e.name)).sum::<usize>();
        let spilled = |e: &ConstExpr| if e.ops.spilled() { e.ops.len() * size_of::<ConstOp>() + ALLOCATION } else { 0 };
        let expression = |e: &ConstExpr| size_of_val(e) + spilled(e);
        let globals = self.global_inits.values().map(expression).sum::<usize>();
        let elements = self.elements.values().map(|segment| {
            let items = match &segment.items {
                ElementItems::Functions(functions) => size_of_val(&**functions),
                ElementItems::Expressions(expressions) => expressions.iter().map(expression).sum(),
            };
            size_of_val(segment) + items + ALLOCATION
        });
        let data = self.data.values().map(size_of_val).sum::<usize>();
        let words = self.functions.len() + self.escaping.len() + self.tags.len();
        let all = types + imports + exports + globals + elements.sum::<usize>() + data + words * size_of::<u32>();
        all as u64
    }
}
