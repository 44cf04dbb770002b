//! The host module `spectest`, which the official scripts import from (reference interpreter, `host/spectest.ml`).

use crate::Print;
use crate::values::number;
use sconce_engine::environ::types::Limits;
use sconce_engine::{Error, Global, GlobalType, Linker, Memory, MemoryType, RefType, Store, Table, TableType, Val};

const MODULE: &str = "spectest";

/// Defines `spectest`. What its functions print goes to `print`, a line a call.
pub(crate) fn define(store: &mut Store<()>, linker: &mut Linker<()>, print: Option<Print>) -> Result<(), Error> {
    for (name, value) in [
        ("global_i32", Val::I32(666)),
        ("global_i64", Val::I64(666)),
        ("global_f32", Val::F32(666.6f32.to_bits())),
        ("global_f64", Val::F64(666.6f64.to_bits())),
    ] {
        let global = Global::new(&mut *store, GlobalType { content: value.ty(), mutable: false }, value)?;
        linker.define(&mut *store, MODULE, name, global)?;
    }
    let table_type = TableType { element: RefType::FUNCREF, limits: Limits { min: 10, max: Some(20) }, table64: false };
    for (name, table64) in [("table", false), ("table64", true)] {
        let table = Table::new(&mut *store, TableType { table64, ..table_type }, Val::FuncRef(None))?;
        linker.define(&mut *store, MODULE, name, table)?;
    }
    let memory_type = MemoryType { limits: Limits { min: 1, max: Some(2) }, memory64: false, shared: false, page_size_log2: 16 };
    let memory = Memory::new(&mut *store, memory_type)?;
    linker.define(&mut *store, MODULE, "memory", memory)?;
    let shared = Memory::new(&mut *store, MemoryType { shared: true, ..memory_type })?;
    linker.define(&mut *store, MODULE, "shared_memory", shared)?;

    // One line a value, as the reference interpreter has it: `5 : i32`.
    let line = move |values: &[Val]| {
        if let Some(print) = &print {
            values.iter().for_each(|value| print(&format!("{} : {}", number(value), value.ty())));
        }
    };
    let p = line.clone();
    linker.func_wrap(MODULE, "print", move || p(&[]))?;
    let p = line.clone();
    linker.func_wrap(MODULE, "print_i32", move |a: i32| p(&[a.into()]))?;
    let p = line.clone();
    linker.func_wrap(MODULE, "print_i64", move |a: i64| p(&[a.into()]))?;
    let p = line.clone();
    linker.func_wrap(MODULE, "print_f32", move |a: f32| p(&[a.into()]))?;
    let p = line.clone();
    linker.func_wrap(MODULE, "print_f64", move |a: f64| p(&[a.into()]))?;
    let p = line.clone();
    linker.func_wrap(MODULE, "print_i32_f32", move |a: i32, b: f32| p(&[a.into(), b.into()]))?;
    linker.func_wrap(MODULE, "print_f64_f64", move |a: f64, b: f64| line(&[a.into(), b.into()]))?;
    Ok(())
}
