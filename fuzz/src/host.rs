//! The functions that generated modules may import: of several shapes, so that each kind of host call is made. They are pure,
//! but for remembering what they were told.

use crate::outcome::{Stop, digest};
use crate::value::{Type, Value};
use Type::*;

/// The module name that they are imported from.
pub const MODULE: &str = "host";

/// A host function.
#[derive(Debug)]
pub struct HostFunction {
    /// Its name.
    pub name: &'static str,
    /// Its parameters.
    pub params: &'static [Type],
    /// Its results.
    pub results: &'static [Type],
}

/// All of them.
pub const FUNCTIONS: &[HostFunction] = &[
    HostFunction { name: "note", params: &[I32], results: &[] },
    HostFunction { name: "mix", params: &[I32, I64, F32, F64], results: &[I64] },
    HostFunction { name: "pair", params: &[I64], results: &[I32, I64] },
    HostFunction { name: "many", params: &[I32, I64, I32, I64, I32, I64, I32, I64, I32, F64], results: &[I32] },
    HostFunction { name: "wide", params: &[I32], results: &[I32, I64, I32, I64, I32, I64, I32, I64, I32, F64] },
    HostFunction { name: "keep", params: &[Extern, I32], results: &[Extern] },
    HostFunction { name: "fail", params: &[I32], results: &[] },
];

/// As a module whose imports the generator may use.
pub fn available() -> Vec<u8> {
    let text = |t: &Type| match t {
        I32 => "i32",
        I64 => "i64",
        F32 => "f32",
        F64 => "f64",
        V128 => "v128",
        Func => "funcref",
        Extern => "externref",
        Exn => "exnref",
    };
    let list = |types: &[Type]| types.iter().map(text).collect::<Vec<_>>().join(" ");
    let import = |f: &HostFunction| {
        format!("(import \"{MODULE}\" \"{}\" (func (param {}) (result {})))", f.name, list(f.params), list(f.results))
    };
    let module = format!("(module {})", FUNCTIONS.iter().map(import).collect::<String>());
    wat::parse_str(module).expect("the text is well formed")
}

/// What the functions of one instance were told.
#[derive(Clone, Debug, Default)]
pub struct Told(Vec<u64>);

impl Told {
    /// A digest of it.
    pub fn digest(&self) -> u64 {
        digest(&self.0)
    }

    /// Calls a function: notes the arguments, and gives results that depend on each of them.
    ///
    /// # Errors
    /// [`Stop::Host`] from `fail` with a negative argument.
    pub fn call(&mut self, f: &HostFunction, args: &[Value]) -> Result<Vec<Value>, Stop> {
        let seen = digest(&(f.name, args));
        self.0.push(seen);
        if f.name == "fail" && matches!(args, [Value::I32(..0)]) {
            return Err(Stop::Host);
        }
        let mut kept = args.iter().find(|a| matches!(a, Value::Extern(_))).copied();
        let result = |(i, ty): (usize, &Type)| {
            let bits = digest(&(seen, i));
            match ty {
                I32 => Value::I32(bits as i32),
                I64 => Value::I64(bits as i64),
                // Numbers, never NaNs.
                F32 => Value::F32((bits as i16 as f32).to_bits()),
                F64 => Value::F64((bits as i32 as f64).to_bits()),
                V128 => Value::V128(u128::from(bits) << 64 | u128::from(seen)),
                Extern => kept.take().unwrap_or(Value::Extern(None)),
                Func | Exn => Value::default_for(*ty),
            }
        };
        Ok(f.results.iter().enumerate().map(result).collect())
    }
}
