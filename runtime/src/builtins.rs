//! The builtins: what compiled code leaves to the runtime. Signatures come from `environ::builtin`.
//!
//! Nothing that a guest passes is trusted: indices are the compiler's, numbers are checked here, whatever compiled code has
//! checked before. Operations on guest-sized ranges work in chunks and stop when an interrupt is asked for.

use crate::activation::Shared;
use crate::enter::guarded;
use crate::heap::{Heap, Occasion};
use crate::instance::{Instance, init_table};
use crate::shared::Waited;
use crate::stop::Stop;
use crate::store::Store;
use crate::table::Table;
use sconce_environ::index::{DataIndex, ElemIndex, TypeId};
use sconce_environ::ops::IntWidth;
use sconce_environ::trap::TrapCode;
use sconce_environ::vm::{VmContext, VmFuncRef, pending};
use std::ptr;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

/// Bytes that are moved between two looks at the interrupt flag: about a millisecond where pages are touched first.
const CHUNK: usize = 1 << 20;

/// A row's types as Rust's.
macro_rules! abi {
    (I32) => { u32 };
    (I64) => { u64 };
    (Ptr) => { *const VmFuncRef };
    (Ref) => { u32 };
    (Entering) => { u32 };
    (Dead) => {
        u32
    };
    (Values) => { *const u128 };
}

/// The reference among a row's arguments that an argument is.
macro_rules! reference {
    (Ref $arg:ident) => {
        Some($arg)
    };
    (Entering $arg:ident) => {
        Some($arg)
    };
    ($ty:ident $arg:ident) => {
        None
    };
}

/// The tag and the values of an exception among a row's arguments.
macro_rules! payload {
    ($tag:ident: I32, $values:ident: Values) => {
        Some(($tag, $values))
    };
    ($($arg:ident: $ty:ident),*) => {
        None
    };
}

/// Whether a builtin with such an argument is no safe point before it begins: the object is dying, or the builtin sweeps by itself.
macro_rules! is_no_safe_point {
    (Dead) => {
        true
    };
    (Entering) => {
        true
    };
    ($ty:ident) => {
        false
    };
}

/// The reference among a row's arguments that enters the caller's frame: no stack map has it yet.
macro_rules! entering {
    (Entering $arg:ident) => {
        Some($arg)
    };
    ($ty:ident $arg:ident) => {
        None
    };
}

/// An `extern "C"` function for each row, and the table of their addresses.
macro_rules! table {
    ($($variant:ident $name:ident ($($arg:ident: $ty:ident),*) $(-> $ret:ident)?;)*) => {
        mod shims {
            use super::*;
            $(pub(super) unsafe extern "C" fn $name(vmctx: *mut VmContext, $($arg: abi!($ty)),*) $(-> abi!($ret))? {
                let references: &[Option<u32>] = &[$(reference!($ty $arg)),*];
                // SAFETY: compiled code passes the context of the instance that it belongs to, and the trampoline has left
                // wasm properly.
                unsafe {
                    let safe_point = !(false $(|| is_no_safe_point!($ty))*);
                    let (held, ready) = before(vmctx, references, payload!($($arg: $ty),*), safe_point);
                    let result = guarded((*vmctx).store, Default::default(), || {
                        if ready { super::$name(&mut Caller::new(vmctx), $($arg),*) } else { Ok(Default::default()) }
                    });
                    let entering: &[Option<u32>] = &[$(entering!($ty $arg)),*];
                    after(vmctx, held, entering.iter().flatten().copied().next());
                    result
                }
            })*
        }

        /// Addresses of the builtins, by number.
        pub(crate) fn targets() -> [usize; sconce_environ::builtin::Builtin::COUNT] {
            [$(shims::$name as *const () as usize),*]
        }
    };
}
sconce_environ::for_each_builtin!(table);

/// What precedes every builtin: it holds a count on each reference that it was passed, and is a safe point, so that whatever wasm does
/// without calling the host comes by one. Gives how many references it holds, and whether the builtin is to begin.
///
/// # Safety
/// As for [`Caller::new`]; the values of a payload are those of its tag.
#[inline]
unsafe fn before(
    vmctx: *mut VmContext,
    references: &[Option<u32>],
    payload: Option<(u32, *const u128)>,
    safe_point: bool,
) -> (usize, bool) {
    // SAFETY: the caller's promise. Not used once the safe point has begun.
    let store = unsafe { Store::from_vm((*vmctx).store) };
    let mut held = 0;
    let mut hold = |heap: &mut Heap, handle| {
        heap.hold_argument(handle);
        held += 1;
    };
    references.iter().flatten().for_each(|&handle| hold(&mut store.heap, handle));
    if !safe_point || !store.has_work() {
        return (held, true);
    }
    if let Some((tag, values)) = payload {
        // SAFETY: the caller's promise.
        let handles = unsafe {
            let tag = Caller::new(vmctx).instance.tags[tag as usize];
            store.handles_thrown(tag, values)
        };
        handles.into_iter().for_each(|handle| hold(&mut store.heap, handle));
    }
    let mut ready = false;
    // SAFETY: the caller's promise; no reference to the store is used across this. A drop may panic, or enter the store again.
    unsafe {
        guarded((*vmctx).store, (), || {
            Store::safe_point((*(*vmctx).store).runtime.cast());
            ready = true;
            Ok(())
        });
    };
    (held, ready)
}

/// What follows every builtin: its references are given up, and host values that died are dropped, now that the operation is
/// complete. No stack map has a reference that is `entering` the frame, and a drop may enter the store and sweep: so a count is
/// held on it as long as values are dropped, and it is announced again afterwards.
///
/// # Safety
/// As for [`Caller::new`].
#[inline]
unsafe fn after(vmctx: *mut VmContext, held: usize, entering: Option<u32>) {
    // SAFETY: the caller's promise. Not used once values are dropped.
    let store = unsafe { Store::from_vm((*vmctx).store) };
    if held > 0 {
        store.heap.release_arguments(held);
    }
    store.heap.bury();
    // Not between a throw and its handler, which is still to load the exception's values.
    if store.heap.has_garbage() && store.shared.pending().load(Ordering::Relaxed) & pending::HANDLER == 0 {
        if let Some(handle) = entering {
            store.heap.hold_argument(handle);
        }
        // A drop may panic, or enter the store again.
        // SAFETY: the caller's promise; no reference to the store is used across this.
        unsafe {
            guarded((*vmctx).store, (), || {
                Store::settle((*(*vmctx).store).runtime.cast());
                Ok(())
            });
        };
        if let Some(handle) = entering {
            // SAFETY: the caller's promise.
            let store = unsafe { Store::from_vm((*vmctx).store) };
            store.heap.enter_frame(handle);
            store.heap.release_arguments(1);
        }
    }
}

/// Who called.
struct Caller<'a> {
    store: &'a mut Store,
    instance: &'a mut Instance,
}

impl Caller<'_> {
    /// # Safety
    /// `vmctx` is the context of a live instance whose store this thread runs, and nobody else uses either while this lives.
    unsafe fn new<'a>(vmctx: *mut VmContext) -> Caller<'a> {
        // SAFETY: the caller's promise. The instance is in a box of its own, beside the store.
        unsafe { Caller { store: Store::from_vm((*vmctx).store), instance: &mut *(*vmctx).instance.cast() } }
    }

    fn memory(&self, index: u32) -> u32 {
        self.instance.memories[index as usize]
    }

    fn table(&mut self, index: u32) -> (&mut Table, &mut Heap) {
        let n = self.instance.tables[index as usize];
        (&mut self.store.tables[n as usize], &mut self.store.heap)
    }

    /// Address of a range of a memory.
    fn range(&self, memory: u32, at: u64, len: u64) -> Result<*mut u8, Stop> {
        self.store.memories[self.memory(memory) as usize].at(at, len).map_err(|_| Stop::Trap(TrapCode::MemoryOutOfBounds))
    }
}

/// Calls `f` with the offset and length of each chunk of `len` bytes, from the front or from the back.
fn chunks(shared: &Shared, len: u64, backwards: bool, mut f: impl FnMut(usize, usize)) -> Result<(), Stop> {
    let len = len as usize;
    let mut done = 0;
    loop {
        let n = CHUNK.min(len - done);
        f(if backwards { len - done - n } else { done }, n);
        done += n;
        if done == len {
            return Ok(());
        }
        look_for_interrupt(shared)?;
    }
}

const TABLE_TRAP: Stop = Stop::Trap(TrapCode::TableOutOfBounds);

fn memory_grow(c: &mut Caller<'_>, memory: u32, pages: u64) -> Result<u64, Stop> {
    let n = c.memory(memory) as usize;
    let Store { memories, budget, .. } = &mut *c.store;
    Ok(memories[n].grow(pages, budget).unwrap_or(u64::MAX))
}

fn memory_fill(c: &mut Caller<'_>, memory: u32, dst: u64, value: u32, len: u64) -> Result<(), Stop> {
    let to = c.range(memory, dst, len)?;
    // SAFETY: the range is inside the memory, to which the host holds no references.
    chunks(&c.store.shared, len, false, |at, n| unsafe { ptr::write_bytes(to.add(at), value as u8, n) })
}

fn memory_copy(c: &mut Caller<'_>, dst_memory: u32, src_memory: u32, dst: u64, src: u64, len: u64) -> Result<(), Stop> {
    let to = c.range(dst_memory, dst, len)?;
    let from = c.range(src_memory, src, len)?;
    // As if through a buffer: from the back where the destination lies above the source.
    let backwards = to.cast_const() > from.cast_const();
    // SAFETY: both ranges are inside; `copy` allows overlap inside a chunk.
    chunks(&c.store.shared, len, backwards, |at, n| unsafe { ptr::copy(from.add(at), to.add(at), n) })
}

fn memory_init(c: &mut Caller<'_>, memory: u32, data: u32, dst: u64, src: u32, len: u32) -> Result<(), Stop> {
    let to = c.range(memory, dst, len.into())?;
    let module = c.instance.module.clone();
    let bytes = if c.instance.dropped_data[data as usize] { &[] } else { module.data(DataIndex::from_u32(data)).unwrap_or(&[]) };
    let end = src.checked_add(len).ok_or(Stop::Trap(TrapCode::MemoryOutOfBounds))?;
    let bytes = bytes.get(src as usize..end as usize).ok_or(Stop::Trap(TrapCode::MemoryOutOfBounds))?;
    // SAFETY: the range is inside the memory, and data segments are the host's.
    chunks(&c.store.shared, len.into(), false, |at, n| unsafe { ptr::copy_nonoverlapping(bytes.as_ptr().add(at), to.add(at), n) })
}

/// The checked address of an atomic operation that the runtime does, from index and offset.
fn atomic_address(c: &Caller<'_>, memory: u32, index: u64, offset: u64, size: u64) -> Result<u64, Stop> {
    let address = index.checked_add(offset).ok_or(Stop::Trap(TrapCode::MemoryOutOfBounds));
    // As in compiled code, alignment comes first; where the sum wraps, its low bits are those of the true sum.
    if !index.wrapping_add(offset).is_multiple_of(size) {
        return Err(Stop::Trap(TrapCode::UnalignedAtomic));
    }
    let address = address?;
    c.range(memory, address, size)?;
    Ok(address)
}

fn atomic_wait(
    c: &Caller<'_>,
    memory: u32,
    (index, offset): (u64, u64),
    (width, expected): (IntWidth, u64),
    timeout: u64,
) -> Result<u32, Stop> {
    let size = if width == IntWidth::W32 { 4 } else { 8 };
    let address = atomic_address(c, memory, index, offset, size)?;
    let memory = &c.store.memories[c.memory(memory) as usize];
    let shared = memory.shared().ok_or(Stop::Trap(TrapCode::ExpectedSharedMemory))?;
    let interrupted = || c.store.shared.interrupted();
    let waited = shared.wait(address, width, expected, timeout.cast_signed(), &interrupted);
    match waited.map_err(|_| Stop::Trap(TrapCode::MemoryOutOfBounds))? {
        Waited::Notified => Ok(0),
        Waited::Different => Ok(1),
        Waited::TimedOut => Ok(2),
        Waited::Interrupted => Err(Stop::Trap(TrapCode::Interrupt)),
    }
}

fn atomic_wait32(c: &mut Caller<'_>, memory: u32, index: u64, offset: u64, expected: u32, timeout: u64) -> Result<u32, Stop> {
    atomic_wait(c, memory, (index, offset), (IntWidth::W32, expected.into()), timeout)
}

fn atomic_wait64(c: &mut Caller<'_>, memory: u32, index: u64, offset: u64, expected: u64, timeout: u64) -> Result<u32, Stop> {
    atomic_wait(c, memory, (index, offset), (IntWidth::W64, expected), timeout)
}

fn atomic_notify(c: &mut Caller<'_>, memory: u32, index: u64, offset: u64, count: u32) -> Result<u32, Stop> {
    let address = atomic_address(c, memory, index, offset, 4)?;
    // Nobody waits on a memory that no other thread has.
    Ok(c.store.memories[c.memory(memory) as usize].shared().map_or(0, |shared| shared.notify(address, count)))
}

fn data_drop(c: &mut Caller<'_>, data: u32) -> Result<(), Stop> {
    c.instance.dropped_data[data as usize] = true;
    Ok(())
}

fn raw(funcref: *const VmFuncRef) -> u128 {
    funcref as u64 as u128
}

fn table_grow_func(c: &mut Caller<'_>, table: u32, init: *const VmFuncRef, delta: u64) -> Result<u64, Stop> {
    // SAFETY: validation has checked the reference's type; compiled code holds only references of its store.
    Ok(unsafe { table_grow(c, table, raw(init), delta) })
}

fn table_grow_ref(c: &mut Caller<'_>, table: u32, init: u32, delta: u64) -> Result<u64, Stop> {
    // SAFETY: as above.
    Ok(unsafe { table_grow(c, table, init.into(), delta) })
}

/// # Safety
/// `init` is a reference of the store and of the element type.
unsafe fn table_grow(c: &mut Caller<'_>, table: u32, init: u128, delta: u64) -> u64 {
    let n = c.instance.tables[table as usize] as usize;
    let Store { tables, budget, heap, .. } = &mut *c.store;
    // SAFETY: the caller's promise.
    unsafe { tables[n].grow(delta, init, budget, heap) }.unwrap_or(u64::MAX)
}

fn table_fill_func(c: &mut Caller<'_>, table: u32, dst: u64, value: *const VmFuncRef, len: u64) -> Result<(), Stop> {
    let (table, heap) = c.table(table);
    // SAFETY: as above.
    unsafe { table.fill(dst, raw(value), len, heap) }.map_err(|_| TABLE_TRAP)
}

fn table_fill_ref(c: &mut Caller<'_>, table: u32, dst: u64, value: u32, len: u64) -> Result<(), Stop> {
    let (table, heap) = c.table(table);
    // SAFETY: as above.
    unsafe { table.fill(dst, value.into(), len, heap) }.map_err(|_| TABLE_TRAP)
}

fn table_set_func(c: &mut Caller<'_>, table: u32, index: u64, value: *const VmFuncRef) -> Result<(), Stop> {
    let (table, heap) = c.table(table);
    // SAFETY: as above.
    unsafe { table.set(index, raw(value), heap) }.map_err(|_| TABLE_TRAP)
}

fn table_copy(c: &mut Caller<'_>, dst_table: u32, src_table: u32, dst: u64, src: u64, len: u64) -> Result<(), Stop> {
    let (to, from): (*mut Table, *const Table) = (c.table(dst_table).0, c.table(src_table).0);
    // SAFETY: tables of this store; validation has checked that the element types match.
    unsafe { Table::copy(to, from, dst, src, len, &mut c.store.heap) }.map_err(|_| TABLE_TRAP)
}

fn table_init(c: &mut Caller<'_>, table: u32, elem: u32, dst: u64, src: u32, len: u32) -> Result<(), Stop> {
    let n = c.instance.tables[table as usize];
    let elem = ElemIndex::from_u32(elem);
    // SAFETY: validation has checked that the segment's type matches the table's.
    unsafe { init_table(c.store, c.instance, n, elem, dst, src.into(), len.into()) }.map_err(Stop::Trap)
}

fn elem_drop(c: &mut Caller<'_>, elem: u32) -> Result<(), Stop> {
    c.instance.dropped_elems[elem as usize] = true;
    Ok(())
}

fn throw(c: &mut Caller<'_>, tag: u32, values: *const u128) -> Result<(), Stop> {
    look_for_interrupt(&c.store.shared)?;
    let tag = c.instance.tags[tag as usize];
    // SAFETY: compiled code has written the tag's values there.
    unsafe { c.store.throw(tag, values) }
}

fn throw_ref(c: &mut Caller<'_>, exception: u32) -> Result<(), Stop> {
    look_for_interrupt(&c.store.shared)?;
    if exception == 0 { Err(Stop::Trap(TrapCode::NullExceptionReference)) } else { c.store.throw_ref(exception) }
}

/// For builtins in which a program may spend its time. One that throws and catches in a loop goes on in a handler, from where no trampoline
/// looks: the signals of an interrupt would hardly ever find it in compiled code.
fn look_for_interrupt(shared: &Shared) -> Result<(), Stop> {
    if shared.interrupted() { Err(Stop::Trap(TrapCode::Interrupt)) } else { Ok(()) }
}

fn is_subtype(c: &mut Caller<'_>, sub: u32, sup: u32) -> Result<u32, Stop> {
    // A panic while types were added leaves whole ones behind.
    let types = c.store.types.read().unwrap_or_else(PoisonError::into_inner);
    Ok(types.is_subtype(TypeId::from_u32(sub), TypeId::from_u32(sup)).into())
}

fn activations_insert(c: &mut Caller<'_>, handle: u32) -> Result<(), Stop> {
    c.store.sweep(Occasion::Full);
    c.store.heap.enter_frame(handle);
    Ok(())
}

fn release_last(c: &mut Caller<'_>, handle: u32) -> Result<(), Stop> {
    c.store.heap.released_last(handle);
    Ok(())
}

fn sweep(c: &mut Caller<'_>) -> Result<(), Stop> {
    c.store.sweep(Occasion::Asked);
    Ok(())
}
