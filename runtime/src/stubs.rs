//! The trampolines of an engine: landing pad, builtins, and one for each signature and direction,
//! made when first asked for.
//!
//! They live in the code reservation, beside the code that calls them, which makes calls measurably
//! faster than trampolines in the executable's own text.

use crate::code::reservation::{CodeReservation, UNIT};
use crate::error::ResourceError;
use crate::listener::{Stub, StubListener};
use crate::sys::PAGE;
use crate::sys::mmap::Access;
use sconce_environ as environ;
use sconce_environ::builtin::Builtin;
use sconce_environ::text_layout::FUNCTION_ALIGN;
use sconce_environ::vm::{VmContext, VmHostContext, VmMemory, VmStoreContext, pending};
use sconce_x64 as x64;
use sconce_x64::Signature;
use sconce_x64::stubs::{self, Afterwards, Offsets, Vectors};
use sconce_x64::text::FILLER;
use std::collections::HashMap;
use std::ffi::c_void;
use std::mem::offset_of;
use std::sync::{Mutex, PoisonError};

/// Trampolines begin with lines of the processor's cache, and loops in them at half of one.
const LINE: usize = environ::placement::LINE as usize;

/// Of the structures in `environ`, for the stubs of code that does not count what it executes.
pub const STUB_OFFSETS: Offsets = Offsets {
    store: offset_of!(VmContext, store) as i32,
    host_code: offset_of!(VmHostContext, host_code) as i32,
    host_sp: offset_of!(VmStoreContext, host_sp) as i32,
    exit_fp: offset_of!(VmStoreContext, exit_fp) as i32,
    pending: offset_of!(VmStoreContext, pending) as i32,
    handler_bit: pending::HANDLER as i8,
    handler: offset_of!(VmStoreContext, handler) as i32,
    leave_bits: pending::LEAVE as u8,
    leave: offset_of!(VmStoreContext, leave) as i32,
    boundary: offset_of!(VmStoreContext, boundary) as i32,
    range_base: offset_of!(VmMemory, base) as i32,
    range_length: offset_of!(VmMemory, length) as i32,
    fuel: None,
};

/// The same, for code that counts if `fuel` says so.
pub const fn stub_offsets(fuel: bool) -> Offsets {
    let count = offset_of!(VmStoreContext, fuel) as i32;
    Offsets { fuel: if fuel { Some(count) } else { None }, ..STUB_OFFSETS }
}

// The stub takes them as one after the other.
const _: () = {
    assert!(offset_of!(VmStoreContext, handler_sp) == offset_of!(VmStoreContext, handler) + 8);
    assert!(offset_of!(VmStoreContext, handler_fp) == offset_of!(VmStoreContext, handler) + 16);
    assert!(offset_of!(VmStoreContext, handler_payload) == offset_of!(VmStoreContext, handler) + 24);
    assert!(offset_of!(VmStoreContext, handler_exception) == offset_of!(VmStoreContext, handler) + 32);
};

// Who calls does not know which kind of context a callee has.
const _: () = {
    assert!(offset_of!(VmContext, store) == offset_of!(VmHostContext, store));
    assert!(offset_of!(VmContext, in_registers) == offset_of!(VmHostContext, in_registers));
};

// Environ says it of types, and x64 of registers.
const _: () = {
    assert!(environ::abi::INTEGER_ARGUMENTS + 1 == x64::abi::ARG_GPRS.len(), "the first one is the context's");
    assert!(environ::abi::FLOAT_ARGUMENTS == x64::abi::ARG_XMMS);
    assert!(environ::abi::RESULT_REGISTERS == x64::abi::RESULT_GPRS.len());
    assert!(environ::abi::RESULT_REGISTERS == x64::abi::RESULT_XMMS);
    assert!(environ::abi::VALUE_SIZE == x64::abi::PLACE_BYTES as usize);
    assert!(FUNCTION_ALIGN.is_multiple_of(stubs::THUNK_SIZE as u32));
};

/// How a host function takes its arguments; see the crate's documentation.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum HostCallKind {
    /// As an `extern "C"` function of the wasm function's signature.
    Registers,
    /// In an array of 16-byte places.
    Array,
}

/// What a trampoline of a signature does.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// Leads into wasm.
    Entry,
    /// Leads to a host function.
    Host(HostCallKind, Afterwards),
}

/// Where trampolines go that do not go to wasm or to a host function: addresses of functions.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Targets {
    /// What the boundary calls.
    pub after_host: usize,
    /// What finds the code of a function that is called for the first time.
    pub resolve: usize,
    /// By number.
    pub builtins: [usize; Builtin::COUNT],
}

/// An engine's trampolines.
#[derive(Debug)]
pub(crate) struct Stubs {
    landing_pad: usize,
    /// Where host calls go that do not return.
    leave: usize,
    /// What they call if they may.
    boundary: usize,
    /// Where lazy stubs go.
    resolve: usize,
    builtins: Box<[usize]>,
    offsets: Offsets,
    made: Mutex<Made>,
}

#[derive(Debug, Default)]
struct Made {
    by_signature: HashMap<(Kind, Signature), usize>,
    /// Where the next one goes, and the end of the unit.
    next: usize,
    end: usize,
}

impl Stubs {
    /// Makes the landing pad and the builtins' trampolines.
    pub(crate) fn new(
        reservation: &CodeReservation,
        listener: Option<&dyn StubListener>,
        targets: &Targets,
        fuel: bool,
    ) -> Result<Stubs, ResourceError> {
        let mut made = Made::default();
        let offsets = stub_offsets(fuel);
        let landing_pad = made.add(reservation, &stubs::landing_pad(&offsets))?;
        let leave = made.add(reservation, &stubs::leave(&offsets, landing_pad as u64))?;
        let code_of_boundary = stubs::boundary(&offsets, targets.after_host as u64, leave as u64);
        let boundary = made.add(reservation, &code_of_boundary)?;
        let code_of_resolve = stubs::resolve(&offsets, targets.resolve as u64);
        let resolve = made.add(reservation, &code_of_resolve)?;
        let vectors = vectors();
        let make = |(&builtin, &target): (&Builtin, &usize)| trampoline(&offsets, builtin, target as u64, vectors);
        let code: Vec<_> = Builtin::ALL.iter().zip(&targets.builtins).map(make).collect();
        // One write for all.
        let mut all = Vec::new();
        let mut starts = Vec::with_capacity(Builtin::COUNT);
        for bytes in &code {
            all.resize(all.len().next_multiple_of(LINE), FILLER);
            starts.push(all.len());
            all.extend_from_slice(bytes);
        }
        let base = made.add(reservation, &all)?;
        let builtins: Box<[usize]> = starts.into_iter().map(|start| base + start).collect();
        if let Some(listener) = listener {
            let pad = stubs::landing_pad(&offsets);
            listener.stub(&Stub { name: "landing pad", address: landing_pad, code: &pad, called: false });
            let code_of_leave = stubs::leave(&offsets, landing_pad as u64);
            listener.stub(&Stub { name: "leave wasm", address: leave, code: &code_of_leave, called: false });
            listener.stub(&Stub { name: "host boundary", address: boundary, code: &code_of_boundary, called: true });
            listener.stub(&Stub { name: "first call", address: resolve, code: &code_of_resolve, called: true });
            for ((builtin, &address), code) in Builtin::ALL.iter().zip(&builtins).zip(&code) {
                listener.stub(&Stub { name: &format!("builtin {}", builtin.name()), address, code, called: true });
            }
        }
        Ok(Stubs { landing_pad, leave, boundary, resolve, builtins, offsets, made: Mutex::new(made) })
    }

    /// Where traps continue.
    pub(crate) fn landing_pad(&self) -> usize {
        self.landing_pad
    }

    /// Where host calls go that do not return.
    pub(crate) fn leave(&self) -> usize {
        self.leave
    }

    /// What they call if they may: [`VmStoreContext::boundary`].
    pub(crate) fn boundary(&self) -> usize {
        self.boundary
    }

    /// Where lazy stubs go.
    pub(crate) fn resolve(&self) -> usize {
        self.resolve
    }

    /// What `VmContext::builtins` points to.
    pub(crate) fn builtins(&self) -> *const *const c_void {
        self.builtins.as_ptr().cast()
    }

    /// The address of a trampoline, which is made when it is first asked for.
    pub(crate) fn get(
        &self,
        reservation: &CodeReservation,
        listener: Option<&dyn StubListener>,
        kind: Kind,
        sig: &Signature,
    ) -> Result<usize, ResourceError> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (kind, sig.clone());
        if let Some(&code) = made.by_signature.get(&key) {
            return Ok(code);
        }
        let bytes = match kind {
            Kind::Entry => stubs::entry(sig, &self.offsets),
            Kind::Host(HostCallKind::Registers, then) => stubs::host_call_registers(sig, &self.offsets, then),
            Kind::Host(HostCallKind::Array, then) => stubs::host_call_array(sig, &self.offsets, then),
        };
        let code = made.add(reservation, &bytes)?;
        if let Some(listener) = listener {
            let name = match kind {
                Kind::Entry => "into wasm",
                Kind::Host(..) => "host call",
            };
            listener.stub(&Stub { name, address: code, code: &bytes, called: true });
        }
        made.by_signature.insert(key, code);
        Ok(code)
    }
}

/// The way from wasm to a builtin.
fn trampoline(o: &Offsets, builtin: Builtin, target: u64, vectors: Vectors) -> Vec<u8> {
    if builtin == Builtin::MemoryCopy {
        stubs::move_(o, target, vectors)
    } else if builtin == Builtin::MemoryFill {
        stubs::fill(o, target, vectors)
    } else if builtin.keeps_registers() {
        stubs::builtin_keeping_registers(o, target)
    } else {
        stubs::builtin(o, target)
    }
}

/// What to move bytes with. Of processors with vectors of 64 bytes, the first ones became slower when they
/// were used: they lack the instructions of later ones that are asked for here.
pub(crate) fn vectors() -> Vectors {
    if std::is_x86_feature_detected!("avx512f") && std::is_x86_feature_detected!("avx512vbmi2") {
        Vectors::Zmm
    } else if std::is_x86_feature_detected!("avx") {
        Vectors::Ymm
    } else {
        Vectors::Xmm
    }
}

impl Made {
    fn add(&mut self, reservation: &CodeReservation, bytes: &[u8]) -> Result<usize, ResourceError> {
        let align = if reservation.appends() { LINE } else { PAGE };
        // The largest trampoline, of as many parameters and results as there can be, takes some 35 KiB.
        if bytes.len() > UNIT {
            return Err(ResourceError::CodeSpaceFull { wanted: bytes.len(), size: reservation.len() });
        }
        let mut at = self.next.next_multiple_of(align);
        if at + bytes.len() > self.end {
            // They stay as long as the reservation.
            at = reservation.allocate(1)? * UNIT;
            self.end = at + UNIT;
        }
        self.next = at + bytes.len();
        // SAFETY: the place was given to nobody else, and without appending it is a page of its
        // own.
        unsafe { reservation.write(at, bytes, Access::ReadExecute)? };
        Ok(reservation.base() as usize + at)
    }
}
