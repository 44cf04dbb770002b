//! Tags, and exceptions that the host has in its hands.

use crate::error::ResourceError;
use crate::handle::{StoreId, TagHandle};
use crate::heap::HostRef;
use sconce_environ::index::TypeId;
use sconce_environ::vm::VmTag;
use std::collections::HashMap;

/// A tag of a store.
#[derive(Debug)]
pub(crate) struct Tag {
    /// Its identity; what contexts point to.
    pub vm: Box<VmTag>,
    /// The function type whose parameters are the values.
    pub type_id: TypeId,
    /// How many values there are.
    pub count: usize,
    /// Which of them are handles: the heap's number for that.
    pub shape: u32,
    /// Which of them are functions.
    pub funcs: Box<[usize]>,
}

/// The functions that exceptions in the heap carry, by number: the heap itself holds no host
/// pointers. There are at most as many as the store has records of functions, which live as long as
/// it does.
#[derive(Debug, Default)]
pub(crate) struct CarriedFuncs {
    records: Vec<u64>,
    numbers: HashMap<u64, u32>,
}

impl CarriedFuncs {
    /// A function's number; null's is 0.
    pub(crate) fn number(&mut self, raw: u64) -> Result<u32, ResourceError> {
        if raw == 0 {
            return Ok(0);
        }
        if let Some(&number) = self.numbers.get(&raw) {
            return Ok(number);
        }
        let number = u32::try_from(self.records.len() + 1).map_err(|_| ResourceError::TooManyReferences)?;
        self.records.push(raw);
        self.numbers.insert(raw, number);
        Ok(number)
    }

    /// The function with a number; `None` if there is none.
    pub(crate) fn raw(&self, number: u128) -> Option<u64> {
        match usize::try_from(number).ok()? {
            0 => Some(0),
            n => self.records.get(n - 1).copied(),
        }
    }
}

/// A thrown exception in the hands of the host.
#[derive(Clone, Debug)]
pub struct Exception {
    pub(crate) store: StoreId,
    /// The tag's number in the store.
    pub(crate) tag: u32,
    /// Raw values.
    pub(crate) values: Box<[u128]>,
    /// Keeps the references among them alive.
    pub(crate) _held: Box<[HostRef]>,
}

impl Exception {
    /// The store that it belongs to.
    pub fn store(&self) -> StoreId {
        self.store
    }

    /// Its tag.
    pub fn tag(&self) -> TagHandle {
        TagHandle { store: self.store, index: self.tag }
    }

    /// Its values as wasm holds them, of the types that its tag says.
    pub fn values(&self) -> &[u128] {
        &self.values
    }
}
