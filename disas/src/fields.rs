//! What stands where in a VM context, by offset: for remarks beside instructions.

use sconce_environ::index::*;
use sconce_environ::layout::{Place, VmLayout};
use sconce_environ::module::Module;
use sconce_environ::vm::{VmFuncImport, VmMemory, VmStoreContext, VmTable};
use std::collections::BTreeMap;
use std::fmt;
use std::mem::offset_of;

/// Something in a VM context.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Field {
    /// The pointer to the store's context.
    Store,
    /// The pointer to the table of builtins.
    Builtins,
    /// The code of an imported function.
    ImportCode(FuncIndex),
    /// A part of an item, in words, and the item's number.
    Part(&'static str, u32),
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Field::Store => write!(f, "store"),
            Field::Builtins => write!(f, "builtins"),
            Field::ImportCode(func) => write!(f, "import {}", func.as_u32()),
            Field::Part(what, number) => write!(f, "{what} {number}"),
        }
    }
}

/// The fields of a module's VM contexts.
pub fn of_context(module: &Module) -> BTreeMap<u32, Field> {
    let layout = VmLayout::new(module);
    let mut fields = BTreeMap::from([(VmLayout::STORE, Field::Store), (VmLayout::BUILTINS, Field::Builtins)]);
    let mut item = |place: Place, number: u32, pointer: &'static str, parts: &[(usize, &'static str)]| match place {
        Place::Pointer(at) => drop(fields.insert(at, Field::Part(pointer, number))),
        Place::Inline(at) => {
            fields.extend(parts.iter().map(|&(offset, what)| (at + offset as u32, Field::Part(what, number))));
        }
    };
    for i in module.memories.keys() {
        let parts = [(offset_of!(VmMemory, base), "base of memory"), (offset_of!(VmMemory, length), "length of memory")];
        item(layout.memory(i), i.as_u32(), "pointer to memory", &parts);
    }
    for i in module.data.keys().filter(|_| module.data_can_be_named) {
        let parts = [(offset_of!(VmMemory, base), "base of data"), (offset_of!(VmMemory, length), "length of data")];
        item(Place::Inline(layout.data(i)), i.as_u32(), "", &parts);
    }
    for i in module.tables.keys() {
        let parts = [(offset_of!(VmTable, base), "base of table"), (offset_of!(VmTable, length), "length of table")];
        item(layout.table(i), i.as_u32(), "pointer to table", &parts);
    }
    for i in module.globals.keys() {
        item(layout.global(i), i.as_u32(), "pointer to global", &[(0, "global")]);
    }
    fields.extend(module.tags.keys().map(|i| (layout.tag(i), Field::Part("tag", i.as_u32()))));
    fields.extend(module.types.keys().map(|i| (layout.type_id(i), Field::Part("type", i.as_u32()))));
    for i in (0..module.num_imported_functions).map(FuncIndex::from_u32) {
        let at = layout.func_import(i);
        fields.insert(at + offset_of!(VmFuncImport, code) as u32, Field::ImportCode(i));
        fields.insert(at + offset_of!(VmFuncImport, vmctx) as u32, Field::Part("context of import", i.as_u32()));
        fields.insert(at + offset_of!(VmFuncImport, funcref) as u32, Field::Part("reference to import", i.as_u32()));
    }
    fields.extend(
        module.escaping.iter().filter_map(|&i| Some((layout.func_ref(i)?, Field::Part("reference to function", i.as_u32())))),
    );
    fields
}

/// What is at this offset in a store's context.
pub fn of_store(offset: u32) -> Option<&'static str> {
    Some(match offset {
        VmLayout::ACTIVATIONS_NEXT => "activations: next",
        VmLayout::ACTIVATIONS_END => "activations: end",
        VmLayout::CAGE_BASE => "base of the cage",
        VmLayout::CAGE_LENGTH => "length of the cage",
        _ if offset == offset_of!(VmStoreContext, pending) as u32 => "pending",
        _ => return None,
    })
}
