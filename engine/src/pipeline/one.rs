//! One function of a module, validated and compiled when it is called: for code that grows.

use super::host_sites;
use super::link::{Unit, place};
use crate::compilers::Compilers;
use crate::config::CompilerKind;
use crate::error::Error;
use sconce_environ::code_tables::CodeTables;
use sconce_environ::compile::CompiledFunction;
use sconce_environ::decode::Decoded;
use sconce_environ::index::DefinedFuncIndex;
use sconce_environ::layout::VmLayout;
use sconce_runtime::stub_offsets;

/// What functions are compiled from.
pub(crate) struct Sources<'a> {
    pub(crate) compilers: &'a Compilers,
    pub(crate) bytes: &'a [u8],
    pub(crate) decoded: &'a Decoded,
    pub(crate) layout: &'a VmLayout,
}

/// A function that waits for its place.
pub(crate) struct One {
    unit: Unit,
}

impl Sources<'_> {
    /// Validates a function, and compiles it by Lightbeam. `out` is whatever it was before.
    pub(crate) fn validate_and_compile(&self, func: DefinedFuncIndex, out: &mut CompiledFunction) -> Result<(), Error> {
        let input = self.compilers.input(self.decoded, self.bytes, self.layout, func);
        let mut validator = self.decoded.body_validator(self.bytes);
        self.compilers.get(CompilerKind::Lightbeam)?.validate_and_compile_into(&mut validator, &input, out)?;
        host_sites::append(out, &stub_offsets(self.compilers.settings().fuel));
        Ok(())
    }
}

impl One {
    pub(crate) fn new(func: DefinedFuncIndex, compiled: &CompiledFunction) -> Result<One, Error> {
        let mut unit = Unit::default();
        unit.push(func, compiled)?;
        Ok(One { unit })
    }

    /// Bytes of its code.
    pub(crate) fn len(&self) -> usize {
        self.unit.len()
    }

    /// About how many bytes of memory it takes with its tables.
    pub(crate) fn bytes(&self) -> u64 {
        // Records of it, and what its lists take by themselves.
        const AROUND: usize = 512;
        (self.unit.len() + self.unit.table_bytes() + AROUND) as u64
    }

    /// The functions that it calls, one after the other.
    pub(crate) fn callees(&self) -> impl Iterator<Item = DefinedFuncIndex> {
        self.unit.callees()
    }

    /// Its code and tables, for code that begins at `address`; `slot` gives addresses of slots.
    pub(crate) fn place(self, address: usize, slot: impl Fn(DefinedFuncIndex) -> usize) -> (Vec<u8>, CodeTables) {
        place(self.unit, address, slot)
    }
}
