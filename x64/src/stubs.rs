//! The code between the host and wasm.
//!
//! Two stacks are in play. Entering wasm leaves a frame on the host's stack, records its address in the store context
//! (`host_sp`) and changes to the wasm stack; a host call changes back to just below that frame, and so on, nested. Whatever
//! abandons wasm goes through the landing pad, which returns from the innermost entry trampoline.
//!
//! The frame of an entry trampoline, from `host_sp` upwards: the store context's address (which a host call finds there when it
//! comes back, without having used the wasm stack for it), the `exit_fp` and the `host_sp` from before
//! ([`FRAME_OLD_EXIT_FP`], [`FRAME_OLD_HOST_SP`]), r15, r14, r13, r12, rbx, rbp, the return address. `host_sp` is a
//! multiple of 16. While wasm runs rbp's value from there is the address of rbp in this frame.
//!
//! The frame of a host call, from its rbp (which becomes `exit_fp`) upwards: the wasm caller's rbp, the return address into
//! wasm, stack arguments. Below: [`EXIT_FRAME_BYTES`] that are in use; wasm that is entered again continues under them.

use crate::abi::{ARG_GPRS, Arguments, CALLEE_SAVED, Class, FRAME_LINK_BYTES, FUEL, Location, PLACE_BYTES, Signature, results};
use crate::encode::{Addr, Alu, Cond, Encoder, Label, Size::S64};
use crate::register::{Gpr, Xmm};
use crate::sse;
use Gpr::*;

mod ranges;

pub use ranges::{MOST_AT_ONCE, Vectors, fill, move_};

/// A vector register that neither convention uses for arguments or preserves.
const SCRATCH_XMM: Xmm = sse::SCRATCH;

/// How many vector registers there are.
const XMMS: i32 = 16;

/// General-purpose registers that a System V function may change, but for rax.
const CALLER_SAVED: [Gpr; 8] = [Rcx, Rdx, Rsi, Rdi, R8, R9, R10, R11];

/// Where the fields are that stubs use: offsets in bytes.
#[derive(Copy, Clone, Debug)]
pub struct Offsets {
    /// The store context's address, in a callee's context.
    pub store: i32,
    /// The host function's address, in a host function's context.
    pub host_code: i32,
    /// `host_sp` in the store context.
    pub host_sp: i32,
    /// `exit_fp` in the store context.
    pub exit_fp: i32,
    /// `pending` in the store context.
    pub pending: i32,
    /// The bit of `pending` that says that an exception continues at a handler; at most 64.
    pub handler_bit: i8,
    /// `handler` in the store context, and behind it, 8 bytes each, its stack pointer, frame pointer, payload and exception.
    pub handler: i32,
    /// The bits of `pending` that forbid the return to wasm. All its bits are in its lowest byte.
    pub leave_bits: u8,
    /// `leave` in the store context.
    pub leave: i32,
    /// `boundary` in the store context.
    pub boundary: i32,
    /// Where the store context has the count of fuel while the host runs, if the code counts.
    pub fuel: Option<i32>,
    /// The address of the first byte, in what describes a range of bytes.
    pub range_base: i32,
    /// How many bytes there are, in the same.
    pub range_length: i32,
}

/// What is to be done when something is pending after the host did its work.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Afterwards {
    /// All of it: the store may do its own work before wasm goes on.
    Boundary,
    /// Only what forbids the return: a reference is on its way, and no frame has it yet.
    Leave,
}

impl Afterwards {
    /// Of a host function, by whether a reference is among its results.
    pub fn of(returns_reference: bool) -> Afterwards {
        if returns_reference { Afterwards::Leave } else { Afterwards::Boundary }
    }
}

/// Offset from `host_sp` of the `exit_fp` from before the entry.
pub const FRAME_OLD_EXIT_FP: usize = 8;
/// Offset from `host_sp` of the `host_sp` from before the entry.
pub const FRAME_OLD_HOST_SP: usize = 16;
/// Bytes below `exit_fp` that a host call's frame uses.
pub const EXIT_FRAME_BYTES: usize = 16;
/// Bytes of a thunk.
pub const THUNK_SIZE: usize = 16;

/// A row of thunks, each `jmp [slot]`, for slots at these distances from the row's start.
pub fn thunks(slots: impl IntoIterator<Item = i32>) -> Vec<u8> {
    let mut a = Encoder::new(false);
    for slot in slots {
        a.jmp_through(slot);
        a.pad(THUNK_SIZE as u32);
    }
    a.finish().to_vec()
}

/// Bytes of a lazy stub.
pub const LAZY_STUB_SIZE: usize = 16;

/// A row of so many lazy stubs, for functions from 0 on: what stands in for a function that has not been compiled. Each puts its
/// number into r11, which is no argument's, and goes to [`resolve`], which is at this distance from the row's start.
pub fn lazy_stubs(count: u32, resolve: i32) -> Vec<u8> {
    let mut a = Encoder::new(false);
    a.mov_imm(S64, R11, 0);
    let number = a.offset() as usize - 4;
    a.jmp_to(resolve);
    let distance = a.offset() as usize - 4;
    a.pad(LAZY_STUB_SIZE as u32);
    // There may be a hundred thousand: but for two fields they are copies of one.
    let stub = a.finish().to_vec();
    let mut row = stub.repeat(count as usize);
    for (n, stub) in (0..).zip(row.chunks_exact_mut(LAZY_STUB_SIZE)) {
        let behind = (n * LAZY_STUB_SIZE + distance + 4) as i32;
        stub[number..number + 4].copy_from_slice(&(n as u32).to_le_bytes());
        stub[distance..distance + 4].copy_from_slice(&(resolve - behind).to_le_bytes());
    }
    row
}

/// Where lazy stubs go: calls the function at `target`, `fn(context, number) -> address`, with the context of the function
/// that was called, and goes on at that address, all registers (of vectors, the lower 128 bits) but r11 as they were. This is no safe
/// point: references may be in registers.
pub fn resolve(o: &Offsets, target: u64) -> Vec<u8> {
    let mut a = Encoder::new(false);
    let used = leave_keeping_registers(&mut a, o);
    a.mov(S64, Rsi, R11);
    a.mov_imm(S64, Rax, target.cast_signed());
    a.call(Rax.into());
    // In the other word below the frame that is in use by agreement.
    a.store(S64, Addr::new(Rbp, -16), Rax);
    let detour = Detour::begin(&mut a, o, used, Afterwards::Leave);
    restore_registers(&mut a);
    a.load(S64, R11, Addr::new(Rbp, -16));
    a.mov(S64, Rsp, Rbp);
    a.pop(Rbp);
    a.jmp_reg(R11);
    detour.end(&mut a, o);
    a.finish().to_vec()
}

/// Where traps continue, with the store context's address in rdi: puts the processor's modes in order, drops wasm's frames
/// and returns from the innermost entry trampoline with a nonzero value: the `exit_fp` at that time, with bit 0 set.
pub fn landing_pad(o: &Offsets) -> Vec<u8> {
    let mut a = Encoder::new(false);
    let (mxcsr, fcw) = (a.constant(0x1f80), a.constant(0x037f));
    a.load(S64, Rax, Addr::new(Rdi, o.exit_fp));
    a.alu_imm(Alu::Or, S64, Rax.into(), 1);
    a.load(S64, Rsp, Addr::new(Rdi, o.host_sp));
    a.ldmxcsr(mxcsr.into());
    a.fldcw(fcw.into());
    a.cld();
    leave_entry(&mut a, Rdi, o);
    a.finish().to_vec()
}

/// Where host calls go that do not return to their caller, with the store context's address in rdi: to an exception's handler if
/// there is one, else to the landing pad.
pub fn leave(o: &Offsets, landing_pad: u64) -> Vec<u8> {
    let mut a = Encoder::new(false);
    let to_handler = a.label();
    a.load(S64, Rcx, Addr::new(Rdi, o.handler));
    a.zero(Rdx);
    a.alu(Alu::Cmp, S64, Rcx, Rdx.into());
    a.jcc(Cond::Ne, to_handler);
    a.mov_imm(S64, Rax, landing_pad.cast_signed());
    a.jmp_reg(Rax);
    a.bind(to_handler);
    a.store(S64, Addr::new(Rdi, o.handler), Rdx);
    // An interrupt may be asked for at the same time: its signal comes again.
    a.locked_and(Addr::new(Rdi, o.pending), !o.handler_bit);
    a.load(S64, Rsp, Addr::new(Rdi, o.handler + 8));
    a.load(S64, Rbp, Addr::new(Rdi, o.handler + 16));
    // The count is where it belongs: who comes here was on the way back to wasm.
    a.load(S64, Rax, Addr::new(Rdi, o.handler + 24));
    a.load(S64, Rdx, Addr::new(Rdi, o.handler + 32));
    a.jmp_reg(Rcx);
    a.finish().to_vec()
}

/// What host calls call when something is pending and no reference is on its way, with the store context's
/// address in rdi: calls `target` with it, unless the return to wasm is forbidden already, and returns, with
/// the result in rax or xmm0 as it was; or goes to `leave`.
pub fn boundary(o: &Offsets, target: u64, leave: u64) -> Vec<u8> {
    let mut a = Encoder::new(false);
    let leaves = a.label();
    let forbidden = |a: &mut Encoder| {
        a.test_imm8(Addr::new(Rdi, o.pending), o.leave_bits);
        a.jcc(Cond::Ne, leaves);
    };
    a.push(Rbp);
    a.mov(S64, Rbp, Rsp);
    forbidden(&mut a);
    lower_stack(&mut a, 32);
    a.store(S64, Addr::new(Rsp, 0), Rdi);
    a.store(S64, Addr::new(Rsp, 8), Rax);
    a.store_xmm(Addr::new(Rsp, 16), Xmm(0));
    a.mov_imm(S64, Rax, target.cast_signed());
    a.call(Rax.into());
    a.load(S64, Rdi, Addr::new(Rsp, 0));
    // The store may have been entered again.
    resume_count(&mut a, o, Rdi);
    forbidden(&mut a);
    a.load(S64, Rax, Addr::new(Rsp, 8));
    a.load_xmm(Xmm(0), Addr::new(Rsp, 16));
    a.mov(S64, Rsp, Rbp);
    a.pop(Rbp);
    a.ret(0);
    a.bind(leaves);
    a.mov_imm(S64, Rax, leave.cast_signed());
    a.jmp_reg(Rax);
    a.finish().to_vec()
}

/// Makes room on the stack; nothing for 0.
fn lower_stack(a: &mut Encoder, bytes: i32) {
    if bytes != 0 {
        a.alu_imm(Alu::Sub, S64, Rsp.into(), bytes);
    }
}

/// Wasm stops counting: the count goes to the store context, whose address is in `store`.
fn keep_count(a: &mut Encoder, o: &Offsets, store: Gpr) {
    if let Some(at) = o.fuel {
        a.store(S64, Addr::new(store, at), FUEL);
    }
}

/// Wasm goes on counting.
fn resume_count(a: &mut Encoder, o: &Offsets, store: Gpr) {
    if let Some(at) = o.fuel {
        a.load(S64, FUEL, Addr::new(store, at));
    }
}

impl Encoder {
    /// Loads 16 bytes, of any alignment.
    fn load_xmm(&mut self, dst: Xmm, from: Addr) {
        self.sse_two(sse::MOVUPS, dst, from.into());
    }

    /// Stores 16 bytes, of any alignment.
    fn store_xmm(&mut self, to: Addr, src: Xmm) {
        self.sse_store(sse::MOVUPS_STORE, to, src);
    }
}

/// The end of an entry trampoline: rsp is `host_sp`, `store` holds the store context's address, rax the value to return.
fn leave_entry(a: &mut Encoder, store: Gpr, o: &Offsets) {
    a.alu_imm(Alu::Add, S64, Rsp.into(), 8);
    a.pop_mem(Addr::new(store, o.exit_fp));
    a.pop_mem(Addr::new(store, o.host_sp));
    for r in CALLEE_SAVED.iter().rev() {
        a.pop(*r);
    }
    a.pop(Rbp);
    a.ret(0);
}

/// Enters a wasm function of this signature. System V, `fn(store, code, context, values, wasm_sp) -> u64`: `values` holds the
/// arguments, 16 bytes each, and then the results; `wasm_sp` is a multiple of 16. Returns 0, or what the landing pad returns.
pub fn entry(sig: &Signature, o: &Offsets) -> Vec<u8> {
    let mut a = Encoder::new(false);
    a.push(Rbp);
    // Walks of wasm's frames end where this leaves its stack; debuggers and profilers go on from here to the host's.
    a.mov(S64, Rbp, Rsp);
    for r in CALLEE_SAVED {
        a.push(r);
    }
    a.push_mem(Addr::new(Rdi, o.host_sp));
    a.push_mem(Addr::new(Rdi, o.exit_fp));
    a.push(Rdi);
    a.store(S64, Addr::new(Rdi, o.host_sp), Rsp);
    // From here on a fault can be recovered; before the change of stacks there is none.
    a.mov(S64, R12, Rdi);
    a.mov(S64, Rbx, Rcx);
    a.mov(S64, Rax, Rsi);
    a.mov(S64, Rdi, Rdx);
    resume_count(&mut a, o, R12);
    a.mov(S64, Rsp, R8);

    let mut arguments = Arguments::new();
    arguments.next(Class::I64);
    let buffer = sig.results_in_buffer().then(|| arguments.next(Class::I64));
    let places: Vec<_> = sig.params.iter().map(|&c| (c, arguments.next(c))).collect();
    lower_stack(&mut a, arguments.stack_bytes() as i32);
    for (i, &(class, place)) in places.iter().enumerate() {
        let from = Addr::new(Rbx, PLACE_BYTES * i as i32);
        match place {
            Location::Gpr(r) => a.load(S64, r, from),
            Location::Xmm(x) if class == Class::V128 => a.load_xmm(x, from),
            Location::Xmm(x) => a.sse_two(sse::MOVSD, x, from.into()),
            Location::Stack(at) if class == Class::V128 => {
                a.load_xmm(SCRATCH_XMM, from);
                a.store_xmm(Addr::new(Rsp, at as i32), SCRATCH_XMM);
            }
            Location::Stack(at) => {
                a.load(S64, R11, from);
                a.store(S64, Addr::new(Rsp, at as i32), R11);
            }
        }
    }
    if let Some(Location::Gpr(r)) = buffer {
        // The array of values is laid out as a result buffer is, and its arguments have been read.
        a.mov(S64, r, Rbx);
    }
    a.call(Rax.into());
    keep_count(&mut a, o, R12);
    if buffer.is_none() {
        for (i, place) in results(&sig.results).into_iter().enumerate() {
            let to = Addr::new(Rbx, PLACE_BYTES * i as i32);
            match place {
                Location::Gpr(r) => a.store(S64, to, r),
                Location::Xmm(x) => a.store_xmm(to, x),
                Location::Stack(_) => {}
            }
        }
    }
    a.load(S64, Rsp, Addr::new(R12, o.host_sp));
    a.zero(Rax);
    leave_entry(&mut a, R12, o);
    a.finish().to_vec()
}

/// The beginning of each way from wasm to the host: makes the frame, publishes it, changes stacks. Uses rax.
fn leave_wasm(a: &mut Encoder, o: &Offsets, keep: Option<Gpr>) {
    make_frame(a);
    leave_from_frame(a, o, keep);
}

fn make_frame(a: &mut Encoder) {
    a.push(Rbp);
    a.mov(S64, Rbp, Rsp);
}

fn leave_from_frame(a: &mut Encoder, o: &Offsets, keep: Option<Gpr>) {
    a.load(S64, Rax, Addr::new(Rdi, o.store));
    if let Some(r) = keep {
        a.push(r);
    }
    a.store(S64, Addr::new(Rax, o.exit_fp), Rbp);
    keep_count(a, o, Rax);
    a.load(S64, Rsp, Addr::new(Rax, o.host_sp));
}

/// A look at what is pending, with `used` bytes of the host's stack still in use: "not equal" says that
/// something is. The store context's address is in r11 then.
fn look(a: &mut Encoder, o: &Offsets, used: i32, then: Afterwards) {
    let bits = match then {
        Afterwards::Boundary => !0,
        Afterwards::Leave => o.leave_bits,
    };
    a.load(S64, R11, Addr::new(Rsp, used));
    resume_count(a, o, R11);
    a.test_imm8(Addr::new(R11, o.pending), bits);
}

/// What follows a [`look`] that found something. Returns here, if at all, with nothing left to do.
fn see_to_pending(a: &mut Encoder, o: &Offsets, then: Afterwards) {
    a.mov(S64, Rdi, R11);
    match then {
        Afterwards::Boundary => a.call(Addr::new(R11, o.boundary).into()),
        Afterwards::Leave => a.jmp_mem(Addr::new(R11, o.leave)),
    }
}

/// The way to what is pending and back, of a trampoline.
struct Detour {
    pending: Label,
    back: Label,
    then: Afterwards,
}

impl Detour {
    /// After the host function; see [`look`].
    fn begin(a: &mut Encoder, o: &Offsets, used: i32, then: Afterwards) -> Detour {
        let (pending, back) = (a.label(), a.label());
        look(a, o, used, then);
        a.jcc(Cond::Ne, pending);
        a.bind(back);
        Detour { pending, back, then }
    }

    /// The cold part, behind what does not come here.
    fn end(self, a: &mut Encoder, o: &Offsets) {
        a.bind(self.pending);
        see_to_pending(a, o, self.then);
        if self.then == Afterwards::Boundary {
            a.jmp_long(self.back);
        }
    }
}

/// The end of each way back to wasm, and the cold way behind it.
fn return_to_wasm(a: &mut Encoder, o: &Offsets, popped: u32, detour: Detour) {
    a.mov(S64, Rsp, Rbp);
    a.pop(Rbp);
    // A parameter takes at most 16 bytes, and validation allows 1,000 of them.
    a.ret(u16::try_from(popped).expect("stack arguments take less than 64 KiB"));
    detour.end(a, o);
}

/// Calls a host function that takes its arguments as wasm passes them: `Tail` outside, System V inside. With more than one
/// result the host function gets a pointer to an area of 16 bytes each as an additional last argument.
///
/// # Panics
/// If the results need a buffer: [`host_call_array`] serves those.
pub fn host_call_registers(sig: &Signature, o: &Offsets, then: Afterwards) -> Vec<u8> {
    assert!(!sig.results_in_buffer(), "results in a buffer go through an array");
    let mut a = Encoder::new(false);
    leave_wasm(&mut a, o, None);

    let mut arguments = Arguments::new();
    arguments.next(Class::I64);
    let places: Vec<_> = sig.params.iter().map(|&c| (c, arguments.next(c))).collect();
    let incoming = arguments.stack_bytes();
    let area = (sig.results.len() > 1).then(|| arguments.next(Class::I64));
    let outgoing = arguments.stack_bytes();
    if area.is_some() {
        lower_stack(&mut a, PLACE_BYTES * sig.results.len() as i32);
    }
    lower_stack(&mut a, outgoing as i32);
    for &(class, place) in &places {
        if let Location::Stack(at) = place {
            copy_stack_argument(&mut a, class, FRAME_LINK_BYTES + at as i32, Addr::new(Rsp, at as i32));
        }
    }
    match area {
        Some(Location::Gpr(r)) => a.lea(S64, r, Addr::new(Rsp, outgoing as i32)),
        Some(Location::Stack(at)) => {
            a.lea(S64, Rax, Addr::new(Rsp, outgoing as i32));
            a.store(S64, Addr::new(Rsp, at as i32), Rax);
        }
        Some(Location::Xmm(_)) | None => {}
    }
    a.call(Addr::new(Rdi, o.host_code).into());
    let used = outgoing as i32 + if area.is_some() { PLACE_BYTES * sig.results.len() as i32 } else { 0 };
    let detour = Detour::begin(&mut a, o, used, then);
    if area.is_some() {
        load_results(&mut a, sig, outgoing as i32);
    }
    return_to_wasm(&mut a, o, incoming, detour);
    a.finish().to_vec()
}

/// A host call without a trampoline, for one place in compiled code: that jumps here and goes on at `resume`,
/// an offset from the start of these bytes. The host function takes its arguments and gives its result, if it
/// has any, in registers, and its context says so. `pending` is where the function has [`host_call_pending`],
/// from the start of these bytes.
///
/// The frame pointer is `frame_size` bytes above the stack pointer there: so nothing waits for what the last call stored.
///
/// A pair of call and return costs a processor more than two jumps, and here is one pair less than on the way
/// through [`host_call_registers`]. Sweeps and backtraces find the same frame: the place's frame pointer, and
/// `resume` as return address. rbp stays what it is, so that to debuggers this is a part of the function.
pub fn host_call_in_place(o: &Offsets, resume: i32, frame_size: u32, pending: i32, then: Afterwards) -> Vec<u8> {
    let mut a = Encoder::new(false);
    a.lea_to(R11, resume);
    a.load(S64, Rax, Addr::new(Rdi, o.store));
    // No pushes: an rsp that was computed would have to be there first. Signal handlers have a stack of their own.
    a.lea(S64, R10, Addr::new(Rsp, -16));
    a.store(S64, Addr::new(Rsp, -8), R11);
    a.store(S64, Addr::new(Rsp, -16), Rbp);
    a.store(S64, Addr::new(Rax, o.exit_fp), R10);
    keep_count(&mut a, o, Rax);
    a.load(S64, Rsp, Addr::new(Rax, o.host_sp));
    a.call(Addr::new(Rdi, o.host_code).into());
    look(&mut a, o, 0, then);
    a.jcc_to(Cond::Ne, pending);
    a.lea(S64, Rsp, Addr::new(Rbp, -(frame_size as i32)));
    a.jmp_to(resume);
    a.finish().to_vec()
}

/// Where all a function's [`host_call_in_place`] go when something is pending. Goes on, if it may, where they
/// would: they left the address.
pub fn host_call_pending(o: &Offsets, frame_size: u32, then: Afterwards) -> Vec<u8> {
    let mut a = Encoder::new(false);
    see_to_pending(&mut a, o, then);
    if then == Afterwards::Boundary {
        a.lea(S64, Rsp, Addr::new(Rbp, -(frame_size as i32)));
        a.jmp_mem(Addr::new(Rsp, -8));
    }
    a.finish().to_vec()
}

fn copy_stack_argument(a: &mut Encoder, class: Class, from_rbp: i32, to: Addr) {
    if class == Class::V128 {
        a.load_xmm(SCRATCH_XMM, Addr::new(Rbp, from_rbp));
        a.store_xmm(to, SCRATCH_XMM);
    } else {
        a.load(S64, Rax, Addr::new(Rbp, from_rbp));
        a.store(S64, to, Rax);
    }
}

/// Loads result registers from 16-byte places at `[rsp + at]`.
fn load_results(a: &mut Encoder, sig: &Signature, at: i32) {
    for (i, place) in results(&sig.results).into_iter().enumerate() {
        let from = Addr::new(Rsp, at + PLACE_BYTES * i as i32);
        match place {
            Location::Gpr(r) => a.load(S64, r, from),
            Location::Xmm(x) => a.load_xmm(x, from),
            Location::Stack(_) => {}
        }
    }
}

/// Calls a host function `fn(context, values)` that finds its arguments in an array of 16-byte places and leaves its results
/// there. For any signature.
pub fn host_call_array(sig: &Signature, o: &Offsets, then: Afterwards) -> Vec<u8> {
    let mut a = Encoder::new(false);
    let in_buffer = sig.results_in_buffer();
    leave_wasm(&mut a, o, in_buffer.then_some(ARG_GPRS[1]));

    let mut arguments = Arguments::new();
    arguments.next(Class::I64);
    if in_buffer {
        arguments.next(Class::I64);
    }
    lower_stack(&mut a, PLACE_BYTES * sig.places() as i32);
    for (i, &class) in sig.params.iter().enumerate() {
        let to = Addr::new(Rsp, PLACE_BYTES * i as i32);
        match arguments.next(class) {
            Location::Gpr(r) => a.store(S64, to, r),
            Location::Xmm(x) => a.store_xmm(to, x),
            Location::Stack(at) => copy_stack_argument(&mut a, class, FRAME_LINK_BYTES + at as i32, to),
        }
    }
    a.mov(S64, Rsi, Rsp);
    a.call(Addr::new(Rdi, o.host_code).into());
    let detour = Detour::begin(&mut a, o, PLACE_BYTES * sig.places() as i32, then);
    if in_buffer {
        a.load(S64, R10, Addr::new(Rbp, -8));
        for i in 0..sig.results.len() as i32 {
            a.load_xmm(SCRATCH_XMM, Addr::new(Rsp, PLACE_BYTES * i));
            a.store_xmm(Addr::new(R10, PLACE_BYTES * i), SCRATCH_XMM);
        }
    } else {
        load_results(&mut a, sig, 0);
    }
    return_to_wasm(&mut a, o, arguments.stack_bytes(), detour);
    a.finish().to_vec()
}

/// Calls the function at `target` with up to six integer arguments, the first being the caller's context; it returns nothing
/// or one integer.
pub fn builtin(o: &Offsets, target: u64) -> Vec<u8> {
    let mut a = Encoder::new(false);
    make_frame(&mut a);
    call_builtin(&mut a, o, target);
    a.finish().to_vec()
}

/// All that follows once the frame is made.
fn call_builtin(a: &mut Encoder, o: &Offsets, target: u64) {
    leave_from_frame(a, o, None);
    a.mov_imm(S64, Rax, target.cast_signed());
    a.call(Rax.into());
    let detour = Detour::begin(a, o, 0, Afterwards::Leave);
    return_to_wasm(a, o, 0, detour);
}

/// The same for a function that returns nothing, and all registers keep their values (of vectors, the lower
/// 128 bits). Those that System V does not preserve are saved on the host's stack.
pub fn builtin_keeping_registers(o: &Offsets, target: u64) -> Vec<u8> {
    let mut a = Encoder::new(false);
    let used = leave_keeping_registers(&mut a, o);
    a.mov_imm(S64, Rax, target.cast_signed());
    a.call(Rax.into());
    let detour = Detour::begin(&mut a, o, used, Afterwards::Leave);
    restore_registers(&mut a);
    return_to_wasm(&mut a, o, 0, detour);
    a.finish().to_vec()
}

/// Where the host's stack has a vector register's lower half.
fn saved_xmm(n: u8) -> Addr {
    Addr::new(Rsp, 16 * i32::from(n))
}

/// Where it has number `n` of [`CALLER_SAVED`].
fn saved_gpr(n: usize) -> Addr {
    Addr::new(Rsp, 16 * XMMS + 8 * n as i32)
}

/// As [`leave_wasm`]; registers that System V does not preserve are on the host's stack afterwards, in so many bytes, and rax is
/// below the frame. But for rax and rsp they are as they were.
fn leave_keeping_registers(a: &mut Encoder, o: &Offsets) -> i32 {
    make_frame(a);
    // In the bytes below the frame that are in use by agreement.
    a.push(Rax);
    leave_from_frame(a, o, None);
    let used = 16 * XMMS + (8 * CALLER_SAVED.len()).next_multiple_of(16) as i32;
    lower_stack(a, used);
    (0..XMMS as u8).for_each(|n| a.store_xmm(saved_xmm(n), Xmm(n)));
    CALLER_SAVED.iter().enumerate().for_each(|(n, &r)| a.store(S64, saved_gpr(n), r));
    used
}

/// Loads what [`leave_keeping_registers`] has saved.
fn restore_registers(a: &mut Encoder) {
    (0..XMMS as u8).for_each(|n| a.load_xmm(Xmm(n), saved_xmm(n)));
    CALLER_SAVED.iter().enumerate().for_each(|(n, &r)| a.load(S64, r, saved_gpr(n)));
    a.load(S64, Rax, Addr::new(Rbp, -8));
}

#[cfg(test)]
mod tests;
