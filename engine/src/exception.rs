//! Tags and exceptions.

use crate::backtrace::Backtrace;
use crate::error::Error;
use crate::module::Module;
use crate::store::{AsContext, AsContextMut};
use crate::symbolize::raw_demangle;
use crate::{FuncType, Val};
use sconce_environ::index::TagIndex;
use sconce_environ::module::EntityIndex;
use sconce_environ::names::{self, Names};
use sconce_environ::shown::{Shown, quoted};
use sconce_environ::types::{RefKind, ValType};
use sconce_runtime as rt;
use std::fmt;

/// A tag of a store: what exceptions are caught by. Two are equal if they are the same tag, not if their types are.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub struct Tag {
    pub(crate) handle: rt::TagHandle,
}

impl Tag {
    /// A tag of exceptions that carry values of these types: the parameters; there are no results.
    ///
    /// # Errors
    /// [`Error::Usage`] for a type with results, or with more than 1000 parameters; [`Error::Resources`] after some 2^32 tags.
    pub fn new(mut store: impl AsContextMut, ty: &FuncType) -> Result<Tag, Error> {
        if !ty.results.is_empty() || crate::check::func_type(ty).is_none() {
            return Err(Error::Usage(format!("a tag has up to 1000 parameters and no results, not the type {ty}")));
        }
        let mut store = store.as_context_mut();
        let id = store.engine().type_id(ty);
        Ok(Tag { handle: store.runtime_mut().new_tag(id)? })
    }

    /// Its type.
    ///
    /// # Panics
    /// If it belongs to another store.
    pub fn ty(&self, store: impl AsContext) -> FuncType {
        let store = store.as_context();
        let id = store.runtime().tag_type_id(self.handle);
        store.engine().types().func_type(id).clone()
    }
}

/// An exception in the hands of the host. A host function throws one by returning [`Error::exception`]; one that no wasm code
/// catches comes out of the call as [`Error::Exception`].
#[derive(Clone)]
pub struct Exception {
    pub(crate) inner: rt::Exception,
}

impl Exception {
    /// An exception.
    ///
    /// # Errors
    /// [`Error::Usage`] if the values are not of the tag's types, or something belongs to another store.
    pub fn new(mut store: impl AsContextMut, tag: Tag, values: &[Val]) -> Result<Exception, Error> {
        let store = store.as_context_mut();
        if tag.handle.store() != store.runtime().id() {
            return Err(Error::other_store("tag"));
        }
        let ty = tag.ty(&store);
        if ty.params.len() != values.len() {
            let (wanted, given) = (ty.params.len(), values.len());
            return Err(Error::Usage(format!("an exception with this tag carries {wanted} values, not {given}")));
        }
        let values: Result<Box<[u128]>, Error> = values.iter().zip(&ty.params).map(|(v, &ty)| v.to_raw(ty, &store)).collect();
        // SAFETY: the values were checked.
        Ok(Exception { inner: unsafe { store.runtime().new_exception(tag.handle, values?) } })
    }

    /// Its tag.
    pub fn tag(&self) -> Tag {
        Tag { handle: self.inner.tag() }
    }

    /// Its values.
    ///
    /// # Errors
    /// [`Error::Usage`] if it belongs to another store.
    pub fn values(&self, store: impl AsContext) -> Result<Vec<Val>, Error> {
        let store = store.as_context();
        if self.inner.store() != store.runtime().id() {
            return Err(Error::other_store("exception"));
        }
        let ty = self.tag().ty(&store);
        // SAFETY: the values are of the tag's types, and of this store.
        let value = |(raw, ty): (&u128, &crate::ValType)| unsafe { Val::from_raw(*raw, *ty, store.runtime()) };
        Ok(self.inner.values().iter().zip(&ty.params).map(value).collect())
    }
}

impl fmt::Debug for Exception {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exception").field("tag", &self.tag()).finish_non_exhaustive()
    }
}

/// A reference to an exception, as wasm holds it: owned and counted, as [`crate::ExternRef`] is. Equality is identity.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ExnRef(rt::HostRef);

impl ExnRef {
    /// A reference to an exception.
    ///
    /// # Errors
    /// [`Error::Resources`] if the store's heap is full; [`Error::Usage`] if it belongs to another store.
    pub fn new(mut store: impl AsContextMut, exception: &Exception) -> Result<ExnRef, Error> {
        let mut store = store.as_context_mut();
        if exception.inner.store() != store.runtime().id() {
            return Err(Error::other_store("exception"));
        }
        Ok(ExnRef(store.runtime_mut().new_exnref(&exception.inner)?))
    }

    /// The exception.
    ///
    /// # Errors
    /// [`Error::Usage`] if it belongs to another store.
    pub fn exception(&self, store: impl AsContext) -> Result<Exception, Error> {
        let store = store.as_context();
        let found = store.runtime().exception(self.to_raw(store.runtime())?);
        found.map(|inner| Exception { inner }).ok_or_else(|| Error::other_store("exnref"))
    }

    pub(crate) fn from_raw(handle: u32, store: &rt::Store) -> Option<ExnRef> {
        if handle == 0 { None } else { store.hold(handle).map(ExnRef) }
    }

    pub(crate) fn to_raw(&self, store: &rt::Store) -> Result<u32, Error> {
        if self.0.store() == store.id() { Ok(self.0.handle()) } else { Err(Error::other_store("exnref")) }
    }
}

/// An exception that nothing has caught, and where it was thrown. As text it names its tag and what it carries:
/// `uncaught exception: tag $e (i32: 42)`.
#[derive(Debug)]
pub struct ExceptionError {
    /// The exception.
    pub exception: Exception,
    /// Where, innermost frame first. Of one that passed host functions, the wasm frames up to the first of them.
    pub backtrace: Backtrace,
    /// The module that defines the tag; none for one of the host's.
    pub(crate) origin: Option<(Module, TagIndex)>,
}

// Written out, since the derive takes any field of a type called `Backtrace` for the standard library's.
impl std::error::Error for ExceptionError {}

/// Values that are shown of an exception.
const MAX_VALUES: usize = 8;

impl fmt::Display for ExceptionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("uncaught exception")?;
        let Some((module, tag)) = &self.origin else { return Ok(()) };
        f.write_str(": tag ")?;
        let environ = module.environ();
        let section = module.custom_section("name").unwrap_or_default();
        let mut left = MAX_NAMES_READ;
        let mut go_on = || {
            left -= 1;
            left > 0
        };
        let named = names::find(section, Names::Tags, &[tag.as_u32()], &mut go_on)[0].filter(|name| !name.is_empty());
        let exported = || environ.exports.iter().find(|e| e.entity == EntityIndex::Tag(*tag));
        match named {
            Some(name) => write!(f, "${}", Shown::short(&raw_demangle(name)))?,
            None => match exported() {
                Some(export) => write!(f, "{}", quoted(&export.name))?,
                None => write!(f, "{}", tag.as_u32())?,
            },
        }
        let types = &environ.func_type(environ.tags[*tag]).params;
        let values = self.exception.inner.values();
        f.write_str(" (")?;
        for (n, (ty, &raw)) in types.iter().zip(values).take(MAX_VALUES).enumerate() {
            write!(f, "{}{ty}: ", if n > 0 { ", " } else { "" })?;
            // What stands above a value's bytes is undefined: the casts drop it.
            match ty {
                ValType::I32 => write!(f, "{}", raw as i32)?,
                ValType::I64 => write!(f, "{}", raw as i64)?,
                ValType::F32 => write!(f, "{:?}", f32::from_bits(raw as u32))?,
                ValType::F64 => write!(f, "{:?}", f64::from_bits(raw as u64))?,
                ValType::V128 => write!(f, "{raw:#034x}")?,
                ValType::Ref(r) => {
                    let is_null = match r.kind() {
                        RefKind::Func => raw as u64 == 0,
                        RefKind::Handle => raw as u32 == 0,
                    };
                    f.write_str(if is_null { "null" } else { "not null" })?;
                }
            }
        }
        f.write_str(if types.len() > MAX_VALUES { ", …)" } else { ")" })
    }
}

/// Names of tags that are looked through for one.
const MAX_NAMES_READ: u32 = 1 << 20;
