//! Exceptions that come out of a call.

use crate::backtrace::Backtrace;
use crate::compiled::CompiledModule;
use crate::exception::Exception;
use crate::symbolize::raw_demangle;
use sconce_environ::index::TagIndex;
use sconce_environ::module::EntityIndex;
use sconce_environ::names::{self, Names};
use sconce_environ::shown::{Shown, quoted};
use sconce_environ::types::{RefKind, ValType};
use std::fmt;
use std::sync::Arc;

/// An exception that nothing has caught, and where it was thrown. As text it names its tag and what it carries:
/// `uncaught exception: tag $e (i32: 42)`.
#[derive(Debug)]
pub struct ExceptionError {
    /// The exception.
    pub exception: Exception,
    /// Where, innermost frame first. Of one that passed host functions, the wasm frames up to the first of them.
    pub backtrace: Backtrace,
    /// The module that defines the tag; none for one of the host's.
    pub(crate) origin: Option<(Arc<CompiledModule>, TagIndex)>,
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
