//! What fills tables and memories: initial values, element segments and data segments.

use super::Instance;
use crate::error::{InstantiateError, ResourceError};
use crate::global::Global;
use crate::store::Store;
use sconce_environ::const_expr::{self, ConstContext};
use sconce_environ::index::*;
use sconce_environ::module::{ConstExpr, ElementItems, SegmentMode};
use sconce_environ::trap::TrapCode;
use sconce_environ::types::RefKind;

pub(super) unsafe fn initialise_tables(store: &mut Store, instance: &Instance) {
    let module = instance.module.clone();
    for (d, init) in &module.module().table_inits {
        let Some(init) = init else { continue };
        let value = evaluate(init, instance, &store.globals);
        let table = &mut store.tables[instance.tables[module.module().table_index(d).as_u32() as usize] as usize];
        // SAFETY: validation has checked the value's type; the whole table is inside the table.
        let _ = unsafe { table.fill(0, value, table.len(), &mut store.heap) };
    }
}

pub(super) unsafe fn element_segments(store: &mut Store, instance: &mut Instance) -> Result<(), InstantiateError> {
    let module = instance.module.clone();
    for (e, segment) in &module.module().elements {
        match &segment.mode {
            SegmentMode::Passive => continue,
            SegmentMode::Declared => {}
            SegmentMode::Active { target, offset } => {
                let at = evaluate(offset, instance, &store.globals);
                let at = offset_value(at, module.module().tables[*target].table64);
                let (table, len) = (instance.tables[target.as_u32() as usize], segment.items.len() as u64);
                // SAFETY: validation has checked types.
                unsafe { init_table(store, instance, table, e, at, 0, len) }.map_err(InstantiateError::Trap)?;
            }
        }
        instance.dropped_elems[e.as_u32() as usize] = true;
    }
    Ok(())
}

/// What constant expressions refer to.
struct Scope<'a> {
    instance: &'a Instance,
    globals: &'a [Global],
}

impl ConstContext for Scope<'_> {
    fn global(&mut self, global: GlobalIndex) -> u128 {
        self.globals[self.instance.global(global) as usize].get()
    }

    fn func_ref(&mut self, func: FuncIndex) -> u128 {
        self.instance.func_ref(func) as u64 as u128
    }
}

/// The value of a constant expression, as a raw value. The globals that it refers to are
/// initialised already.
pub(super) fn evaluate(expr: &ConstExpr, instance: &Instance, globals: &[Global]) -> u128 {
    // Validation has accepted it, so it has a value.
    const_expr::eval(expr, &mut Scope { instance, globals }).unwrap_or(0)
}

fn offset_value(raw: u128, wide: bool) -> u64 {
    if wide { raw as u64 } else { u64::from(raw as u32) }
}

/// `table.init` of the store's table number `table`.
///
/// # Safety
/// The segment's element type matches the table's.
pub(crate) unsafe fn init_table(
    store: &mut Store,
    instance: &Instance,
    table: u32,
    elem: ElemIndex,
    dst: u64,
    src: u64,
    len: u64,
) -> Result<(), TrapCode> {
    let segment = &instance.module.module().elements[elem];
    let items = if instance.dropped_elems[elem.as_u32() as usize] { 0 } else { segment.items.len() as u64 };
    let room = store.tables[table as usize].len();
    let fits = |at: u64, size: u64| at.checked_add(len).is_some_and(|end| end <= size);
    if !fits(src, items) || !fits(dst, room) {
        return Err(TrapCode::TableOutOfBounds);
    }
    for i in 0..len {
        let n = (src + i) as usize;
        let value = match &segment.items {
            ElementItems::Functions(f) => instance.func_ref(f[n]) as u64 as u128,
            ElementItems::Expressions(e) => evaluate(&e[n], instance, &store.globals),
        };
        debug_assert!(segment.ty.is_handle() || store.tables[table as usize].kind() == RefKind::Func);
        // SAFETY: the caller's promise; records and handles are this store's.
        unsafe { store.tables[table as usize].set(dst + i, value, &mut store.heap) }.map_err(|_| TrapCode::TableOutOfBounds)?;
    }
    Ok(())
}

/// Data segments that are there to be used by instructions.
pub(super) fn define_passive_data(instance: &Instance) -> Result<(), ResourceError> {
    let module = instance.module.module();
    instance.define_data(module.data.iter().filter(|(_, d)| matches!(d.mode, SegmentMode::Passive)).map(|(d, _)| d))
}

/// Instantiation ends by a trap before these active segments, from this one on, are placed and dropped. So they
/// are there for functions that others have by now, as passive ones are.
pub(super) fn keep_active_data(instance: &Instance, first: usize) -> Result<(), ResourceError> {
    let module = instance.module.module();
    let active = module.data.iter().skip(first).filter(|(_, d)| matches!(d.mode, SegmentMode::Active { .. }));
    instance.define_data(active.map(|(d, _)| d))
}

pub(super) unsafe fn data_segments(store: &mut Store, instance: &mut Instance) -> Result<(), InstantiateError> {
    let module = instance.module.clone();
    let m = module.module();
    let imported = m.num_imported_memories as usize;
    let mut placed = vec![false; m.memories.len()];
    let cannot_map = || ResourceError::os("cannot map a memory's contents");
    if !m.data.values().any(|d| matches!(d.mode, SegmentMode::Active { .. })) {
        // Nothing to place.
    } else if let Some(data) = module.take_lazy_data() {
        let (wanted, mut presence, mut chunk) = (module.wanted_data(), Vec::new(), 0);
        let mut staged = module.take_staged().into_iter();
        for (memory, offset, source) in data.into_parts() {
            let index = memory.as_u32() as usize;
            let lazy = store.memories[instance.memories[index] as usize].place_lazily(offset, source).map_err(cannot_map())?;
            // SAFETY: host code runs, so no handler is looking.
            unsafe { (*store.shared.lazy_data.get()).push(lazy.clone()) };
            if let Some(staged) = staged.next().flatten() {
                lazy.adopt(staged);
            }
            // Those that could not be read before.
            lazy.ensure_marked(wanted, chunk);
            chunk += lazy.presence().len();
            presence.push(lazy.presence().clone());
            placed[index] = true;
        }
        module.set_data_presence(presence);
    } else if let Some(images) = module.images() {
        for (i, image) in images.iter().enumerate() {
            if let Some(image) = image {
                store.memories[instance.memories[imported + i] as usize].place_image(image).map_err(cannot_map())?;
                placed[imported + i] = true;
            }
        }
    }
    for (d, segment) in &m.data {
        let SegmentMode::Active { target, offset } = &segment.mode else { continue };
        let target = target.as_u32() as usize;
        if !placed[target] {
            let at = evaluate(offset, instance, &store.globals);
            let memory = &mut store.memories[instance.memories[target] as usize];
            let at = offset_value(at, memory.ty().memory64);
            let written = if target >= imported && memory.at(at, segment.bytes.len() as u64).is_ok() {
                // A memory of its own, so it is zero where nothing else has been placed.
                let mut written = true;
                module.data_pieces(d, &mut |from, piece| written &= memory.write(at + from as u64, piece).is_ok()) && written
            } else {
                false
            };
            if written {
                continue;
            }
            let bytes = module.data(d).ok_or(ResourceError::DamagedCode)?;
            if memory.write(at, bytes).is_err() {
                keep_active_data(instance, d.as_u32() as usize)?;
                return Err(InstantiateError::Trap(TrapCode::MemoryOutOfBounds));
            }
        }
    }
    Ok(())
}
