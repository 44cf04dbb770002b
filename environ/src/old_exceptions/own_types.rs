//! Block types that are not the module's: of the blocks around handlers, which give what a clause catches.

use super::encode::{code, write_s33};
use crate::index::{TagIndex, TypeIndex};
use crate::module::Module;
use crate::types::{FuncType, ValType};
use std::collections::HashMap;

/// Values that block types of a body's own may name, besides one for each of its bytes.
const ANY_VALUES: usize = 65_536;

/// The type whose parameters a block has, the type of the tag whose values it gives, and whether it gives an exception.
type Key = (Option<u32>, Option<u32>, bool);

/// Block types that are not the module's.
#[derive(Debug, Default)]
pub(super) struct OwnTypes {
    list: Vec<FuncType>,
    known: HashMap<Key, u32>,
    /// How many values more all of them may name.
    values: usize,
}

impl OwnTypes {
    /// For a body of so many bytes.
    pub(super) fn of(body: usize) -> OwnTypes {
        OwnTypes { values: ANY_VALUES + body, ..OwnTypes::default() }
    }

    /// The types, in order.
    pub(super) fn finish(self) -> Vec<FuncType> {
        self.list
    }

    /// Writes the type of a block that takes this type's parameters, and gives this tag's values and perhaps an exception.
    pub(super) fn write(
        &mut self,
        out: &mut Vec<u8>,
        module: &Module,
        (params, tag, exception): (Option<u32>, Option<u32>, bool),
    ) -> Result<(), String> {
        let taken = params.map_or(&[][..], |index| &module.func_type(TypeIndex::from_u32(index)).params);
        let values = tag.map_or(&[][..], |tag| module.tag_values(TagIndex::from_u32(tag)));
        match (taken, values, exception) {
            ([], [], false) => out.push(code::EMPTY),
            ([], [], true) => out.push(code::EXNREF),
            ([], [ValType::I32], false) => out.push(code::I32),
            ([], [ValType::I64], false) => out.push(code::I64),
            ([], [ValType::F32], false) => out.push(code::F32),
            ([], [ValType::F64], false) => out.push(code::F64),
            ([], [ValType::V128], false) => out.push(code::V128),
            _ => {
                // Tags of one type are alike here.
                let given = tag.filter(|_| !values.is_empty()).map(|tag| module.tags[TagIndex::from_u32(tag)].as_u32());
                let key = (params.filter(|_| !taken.is_empty()), given, exception);
                let index = self.index(module, key, taken, values)?;
                write_s33(out, index);
            }
        }
        Ok(())
    }

    fn index(&mut self, module: &Module, key: Key, params: &[ValType], values: &[ValType]) -> Result<u32, String> {
        if let Some(&known) = self.known.get(&key) {
            return Ok(known);
        }
        let left = self.values.checked_sub(params.len() + values.len() + 1);
        self.values = left.ok_or("the types of its handlers of exceptions are too large")?;
        let index = (module.types.len() + self.list.len()) as u32;
        let exception = key.2.then_some(ValType::EXNREF);
        self.list.push(FuncType { params: params.into(), results: values.iter().copied().chain(exception).collect() });
        self.known.insert(key, index);
        Ok(index)
    }
}
