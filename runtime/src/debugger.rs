//! Code that debuggers are told of, through the interface that GDB has for compilers at run time: a list of
//! object files in memory, and a function in which the debugger stops to look at it.

use std::ptr;
use std::sync::{Mutex, PoisonError};

/// An entry of the list, as the debugger reads it.
#[repr(C)]
struct Entry {
    next: *mut Entry,
    previous: *mut Entry,
    object: *const u8,
    size: u64,
}

/// The head of the list, as the debugger reads it.
#[repr(C)]
struct Descriptor {
    version: u32,
    /// What has just happened: 1 an entry is there, 2 one goes.
    action: u32,
    relevant: *mut Entry,
    first: *mut Entry,
}

const NOTHING: u32 = 0;
const REGISTERED: u32 = 1;
const UNREGISTERED: u32 = 2;

#[unsafe(no_mangle)]
static mut __jit_debug_descriptor: Descriptor =
    Descriptor { version: 1, action: NOTHING, relevant: ptr::null_mut(), first: ptr::null_mut() };

/// Where debuggers set a breakpoint.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn __jit_debug_register_code() {
    // A call of a function that does nothing would be left out.
    std::hint::black_box(());
}

/// Guards the list.
static LIST: Mutex<()> = Mutex::new(());

/// An object file that debuggers know until this is dropped.
#[derive(Debug)]
pub struct DebugObject {
    entry: *mut Entry,
    /// What `entry` names.
    _object: Box<[u8]>,
}

// SAFETY: the entry is reached under the lock alone, and the object is not written.
unsafe impl Send for DebugObject {}
// SAFETY: as above; nothing is done through a shared reference.
unsafe impl Sync for DebugObject {}

impl DebugObject {
    /// Tells debuggers of an object file in ELF format.
    pub fn register(object: Box<[u8]>) -> DebugObject {
        let entry =
            Entry { next: ptr::null_mut(), previous: ptr::null_mut(), object: object.as_ptr(), size: object.len() as u64 };
        let entry = Box::into_raw(Box::new(entry));
        let _list = LIST.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: the list is ours under the lock, its entries live, and debuggers read it only while this process is stopped.
        unsafe {
            let descriptor = &raw mut __jit_debug_descriptor;
            (*entry).next = (*descriptor).first;
            if let Some(next) = (*entry).next.as_mut() {
                next.previous = entry;
            }
            (*descriptor).first = entry;
            announce(entry, REGISTERED);
        }
        DebugObject { entry, _object: object }
    }
}

impl Drop for DebugObject {
    fn drop(&mut self) {
        let _list = LIST.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: as in `register`; the entry was made there, and goes here alone.
        unsafe {
            let descriptor = &raw mut __jit_debug_descriptor;
            let Entry { next, previous, .. } = *self.entry;
            match previous.as_mut() {
                Some(previous) => previous.next = next,
                None => (*descriptor).first = next,
            }
            if let Some(next) = next.as_mut() {
                next.previous = previous;
            }
            announce(self.entry, UNREGISTERED);
            drop(Box::from_raw(self.entry));
        }
    }
}

/// Lets a debugger look.
///
/// # Safety
/// The lock is held, and the entry lives.
unsafe fn announce(entry: *mut Entry, action: u32) {
    // SAFETY: as the caller promises. Volatile, since only a debugger reads it.
    unsafe {
        let descriptor = &raw mut __jit_debug_descriptor;
        (&raw mut (*descriptor).relevant).write_volatile(entry);
        (&raw mut (*descriptor).action).write_volatile(action);
        __jit_debug_register_code();
        (&raw mut (*descriptor).action).write_volatile(NOTHING);
    }
}
