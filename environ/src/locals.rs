//! The locals of a function that its operators name.
//!
//! A body declares up to 50,000 locals in four bytes. So compilers keep nothing for each declared local: those that are named are
//! numbered, and what a function's locals cost is of the order of its operators.

use crate::old_exceptions::MAX_HELD;
use crate::translate::{Unsupported, val_type};
use crate::types::{FuncType, ValType};
use wasmparser::{BinaryReader, FunctionBody};

/// Locals of a function, parameters included: as many as a valid one may have, and those that old exceptions get.
const MAX_LOCALS: u32 = 50_000 + MAX_HELD;

/// Why declarations cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LocalsError {
    /// They are not what the binary format asks for.
    #[error("malformed body: {0}")]
    Malformed(#[from] wasmparser::Error),
    /// A local has a type that is not supported.
    #[error(transparent)]
    Type(#[from] Unsupported),
    /// So many are too many.
    #[error("{0} locals")]
    TooMany(u32),
}

/// What a function declares, in runs of one type.
#[derive(Clone, Debug, Default)]
pub struct DeclaredLocals {
    /// Where each run ends, and its type; without parameters, and without empty runs.
    runs: Vec<(u32, ValType)>,
    params: u32,
}

impl DeclaredLocals {
    /// Reads the declarations at a body's beginning, in place of what was here before. Gives where in the
    /// body its operators begin.
    ///
    /// # Errors
    /// A validated body has none.
    pub fn read(&mut self, ty: &FuncType, body: &[u8], body_offset: u32) -> Result<usize, LocalsError> {
        self.runs.clear();
        self.params = ty.params.len() as u32;
        let body = FunctionBody::new(BinaryReader::new(body, body_offset.into()));
        let mut locals = body.get_locals_reader()?;
        let mut end = self.params;
        for _ in 0..locals.get_count() {
            let (count, ty) = locals.read()?;
            let ty = val_type(ty)?;
            end = end.saturating_add(count);
            if end > MAX_LOCALS {
                return Err(LocalsError::TooMany(end));
            }
            if count > 0 {
                self.runs.push((end, ty));
            }
        }
        Ok((locals.original_position() - u64::from(body_offset)) as usize)
    }

    /// How many locals there are, parameters included.
    pub fn len(&self) -> u32 {
        self.runs.last().map_or(self.params, |&(end, _)| end)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The types of locals that are no parameters; they are asked for in increasing order.
    pub fn types(&self) -> impl FnMut(u32) -> ValType {
        let mut runs = self.runs.iter();
        move |local| {
            while runs.as_slice().first().is_some_and(|&(end, _)| end <= local) {
                runs.next();
            }
            runs.as_slice().first().expect("a declared local").1
        }
    }
}

/// Numbers for the locals that are named. Parameters have their own; the others follow in the order of their
/// indices. Serves one function after another.
#[derive(Clone, Debug, Default)]
pub struct LocalNumbers {
    /// By index: the function that named the local last, and its number there. As long as for the function with the most locals.
    numbers: Vec<(u32, u32)>,
    /// Which function this is, of those that were numbered with this.
    stamp: u32,
    /// By number: the index.
    named: Vec<u32>,
    params: u32,
}

impl LocalNumbers {
    /// Begins with a function that has so many locals, the parameters among them.
    pub fn begin(&mut self, locals: u32, params: u32) {
        if self.stamp == u32::MAX {
            self.numbers.clear();
            self.stamp = 0;
        }
        self.stamp += 1;
        self.params = params;
        if self.numbers.len() < locals as usize {
            self.numbers.resize(locals as usize, (0, 0));
        }
        self.named.clear();
        for n in 0..params {
            self.numbers[n as usize] = (self.stamp, n);
            self.named.push(n);
        }
    }

    /// The number of a local that is named here: for now one in the order of naming. The second is whether it had none before.
    ///
    /// # Panics
    /// If there is no such local.
    #[inline(always)]
    pub fn name(&mut self, local: u32) -> (u32, bool) {
        let (stamp, number) = self.numbers[local as usize];
        if stamp == self.stamp {
            return (number, false);
        }
        let number = self.named.len() as u32;
        self.numbers[local as usize] = (self.stamp, number);
        self.named.push(local);
        (number, true)
    }

    /// Everything is named: gives numbers in the order of indices. `moved` is told which number each number
    /// had before, in that order, if any changes.
    pub fn finish(&mut self, mut moved: impl FnMut(u32)) {
        let others = &mut self.named[self.params as usize..];
        if others.is_sorted() {
            return;
        }
        others.sort_unstable();
        for (n, &local) in self.named.iter().enumerate() {
            let (_, number) = &mut self.numbers[local as usize];
            moved(*number);
            *number = n as u32;
        }
    }

    /// A named local's number.
    #[inline(always)]
    pub fn number(&self, local: u32) -> u32 {
        debug_assert_eq!(self.numbers[local as usize].0, self.stamp, "local {local} was not named");
        self.numbers[local as usize].1
    }

    /// By number: the index of the local.
    pub fn named(&self) -> &[u32] {
        &self.named
    }

    /// Bytes that are kept.
    pub fn capacity(&self) -> usize {
        8 * self.numbers.capacity() + 4 * self.named.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_follow_indices_and_what_is_not_named_has_none() {
        let mut numbers = LocalNumbers::default();
        for _ in 0..2 {
            numbers.begin(50_000, 2);
            assert_eq!([40_000, 1, 7, 40_000].map(|local| numbers.name(local)), [(2, true), (1, false), (3, true), (2, false)]);
            let mut before = Vec::new();
            numbers.finish(|number| before.push(number));
            assert_eq!(before, [0, 1, 3, 2]);
            assert_eq!(numbers.named(), [0, 1, 7, 40_000]);
            assert_eq!([0, 1, 7, 40_000].map(|local| numbers.number(local)), [0, 1, 2, 3]);
        }
    }

    #[test]
    fn declarations_are_read_in_runs() {
        let ty = FuncType { params: [ValType::F64].into(), results: [].into() };
        let mut declared = DeclaredLocals::default();
        // Three of i32, none of i64, two of f32.
        assert_eq!(declared.read(&ty, &[3, 3, 0x7f, 0, 0x7e, 2, 0x7d, 0x0b], 100).unwrap(), 7);
        assert_eq!(declared.len(), 6);
        assert_eq!([1, 3, 4, 5].map(declared.types()), [ValType::I32, ValType::I32, ValType::F32, ValType::F32]);
        let many = declared.read(&ty, &[1, 0xb8, 0x8e, 3, 0x7f, 0x0b], 100);
        assert!(matches!(many, Err(LocalsError::TooMany(51_001))), "{many:?}");
        assert_eq!(declared.read(&ty, &[0, 0x0b], 100).unwrap(), 1);
        assert_eq!(declared.len(), 1);
    }
}
