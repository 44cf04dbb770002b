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

use crate::abi::{ARG_GPRS, Arguments, CALLEE_SAVED, Class, Location, Signature, results};
use crate::asm::{Assembler, Condition, Gpr, Label, Xmm, mem};
use Gpr::*;

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

/// A vector register that neither convention uses for arguments or preserves.
const SCRATCH_XMM: Xmm = Xmm(15);

/// `jmp [slot]`, where `displacement` counts from the end of the instruction's six bytes to the slot.
pub fn thunk(displacement: i32) -> [u8; THUNK_SIZE] {
    let mut a = Assembler::new();
    a.jmp_rip(displacement);
    a.align(THUNK_SIZE);
    let mut bytes = [0; THUNK_SIZE];
    bytes.copy_from_slice(&a.finish());
    bytes
}

/// Where traps continue, with the store context's address in rdi: puts the processor's modes in order, drops wasm's frames
/// and returns from the innermost entry trampoline with a nonzero value: the `exit_fp` at that time, with bit 0 set.
pub fn landing_pad(o: &Offsets) -> Vec<u8> {
    let mut a = Assembler::new();
    let (mxcsr, fcw) = (a.label(), a.label());
    a.load(Rax, mem(Rdi, o.exit_fp));
    a.or_imm(Rax, 1);
    a.load(Rsp, mem(Rdi, o.host_sp));
    a.ldmxcsr(mxcsr);
    a.fldcw(fcw);
    a.cld();
    leave_entry(&mut a, Rdi, o);
    a.align(4);
    a.bind(mxcsr);
    a.data(&0x1f80u32.to_le_bytes());
    a.bind(fcw);
    a.data(&0x037fu16.to_le_bytes());
    a.finish()
}

/// Where host calls go that do not return to their caller, with the store context's address in rdi: to an exception's handler if
/// there is one, else to the landing pad.
pub fn leave(o: &Offsets, landing_pad: u64) -> Vec<u8> {
    let mut a = Assembler::new();
    let to_handler = a.label();
    a.load(Rcx, mem(Rdi, o.handler));
    a.zero(Rdx);
    a.cmp(Rcx, Rdx);
    a.jcc(Condition::NotEqual, to_handler);
    a.mov_imm64(Rax, landing_pad);
    a.jmp(Rax);
    a.bind(to_handler);
    a.store(mem(Rdi, o.handler), Rdx);
    // An interrupt may be asked for at the same time: its signal comes again.
    a.lock_and_mem32_imm8(mem(Rdi, o.pending), !o.handler_bit);
    a.load(Rsp, mem(Rdi, o.handler + 8));
    a.load(Rbp, mem(Rdi, o.handler + 16));
    a.load(Rax, mem(Rdi, o.handler + 24));
    a.load(Rdx, mem(Rdi, o.handler + 32));
    a.jmp(Rcx);
    a.finish()
}

/// What host calls call when something is pending and no reference is on its way, with the store context's address in rdi: calls `target`
/// with it, unless the return to wasm is forbidden already, and returns, with the result in rax or xmm0 as it was; or goes to `leave`.
pub fn boundary(o: &Offsets, target: u64, leave: u64) -> Vec<u8> {
    let mut a = Assembler::new();
    let leaves = a.label();
    let forbidden = |a: &mut Assembler| {
        a.test_mem8_imm8(mem(Rdi, o.pending), o.leave_bits);
        a.jcc(Condition::NotEqual, leaves);
    };
    a.push(Rbp);
    a.mov(Rbp, Rsp);
    forbidden(&mut a);
    a.sub_imm(Rsp, 32);
    a.store(mem(Rsp, 0), Rdi);
    a.store(mem(Rsp, 8), Rax);
    a.store_xmm(mem(Rsp, 16), Xmm(0));
    a.mov_imm64(Rax, target);
    a.call(Rax);
    a.load(Rdi, mem(Rsp, 0));
    forbidden(&mut a);
    a.load(Rax, mem(Rsp, 8));
    a.load_xmm(Xmm(0), mem(Rsp, 16));
    a.mov(Rsp, Rbp);
    a.pop(Rbp);
    a.ret(0);
    a.bind(leaves);
    a.mov_imm64(Rax, leave);
    a.jmp(Rax);
    a.finish()
}

/// The end of an entry trampoline: rsp is `host_sp`, `store` holds the store context's address, rax the value to return.
fn leave_entry(a: &mut Assembler, store: Gpr, o: &Offsets) {
    a.add_imm(Rsp, 8);
    a.pop_mem(mem(store, o.exit_fp));
    a.pop_mem(mem(store, o.host_sp));
    for r in CALLEE_SAVED.iter().rev() {
        a.pop(*r);
    }
    a.pop(Rbp);
    a.ret(0);
}

/// Enters a wasm function of this signature. System V, `fn(store, code, context, values, wasm_sp) -> u64`: `values` holds the
/// arguments, 16 bytes each, and then the results; `wasm_sp` is a multiple of 16. Returns 0, or what the landing pad returns.
pub fn entry(sig: &Signature, o: &Offsets) -> Vec<u8> {
    let mut a = Assembler::new();
    a.push(Rbp);
    // Walks of wasm's frames end where this leaves its stack; debuggers and profilers go on from here to the host's.
    a.mov(Rbp, Rsp);
    for r in CALLEE_SAVED {
        a.push(r);
    }
    a.push_mem(mem(Rdi, o.host_sp));
    a.push_mem(mem(Rdi, o.exit_fp));
    a.push(Rdi);
    a.store(mem(Rdi, o.host_sp), Rsp);
    // From here on a fault can be recovered; before the change of stacks there is none.
    a.mov(R12, Rdi);
    a.mov(Rbx, Rcx);
    a.mov(Rax, Rsi);
    a.mov(Rdi, Rdx);
    a.mov(Rsp, R8);

    let mut arguments = Arguments::new();
    arguments.next(Class::I64);
    let buffer = sig.results_in_buffer().then(|| arguments.next(Class::I64));
    let places: Vec<_> = sig.params.iter().map(|&c| (c, arguments.next(c))).collect();
    a.sub_imm(Rsp, arguments.stack_bytes() as i32);
    for (i, &(class, place)) in places.iter().enumerate() {
        let from = mem(Rbx, 16 * i as i32);
        match place {
            Location::Gpr(r) => a.load(r, from),
            Location::Xmm(x) if class == Class::V128 => a.load_xmm(x, from),
            Location::Xmm(x) => a.load_xmm8(x, from),
            Location::Stack(at) if class == Class::V128 => {
                a.load_xmm(SCRATCH_XMM, from);
                a.store_xmm(mem(Rsp, at as i32), SCRATCH_XMM);
            }
            Location::Stack(at) => {
                a.load(R11, from);
                a.store(mem(Rsp, at as i32), R11);
            }
        }
    }
    if let Some(Location::Gpr(r)) = buffer {
        // The array of values is laid out as a result buffer is, and its arguments have been read.
        a.mov(r, Rbx);
    }
    a.call(Rax);
    if buffer.is_none() {
        for (i, place) in results(&sig.results).into_iter().enumerate() {
            let to = mem(Rbx, 16 * i as i32);
            match place {
                Location::Gpr(r) => a.store(to, r),
                Location::Xmm(x) => a.store_xmm(to, x),
                Location::Stack(_) => {}
            }
        }
    }
    a.load(Rsp, mem(R12, o.host_sp));
    a.zero(Rax);
    leave_entry(&mut a, R12, o);
    a.finish()
}

/// The beginning of each way from wasm to the host: makes the frame, publishes it, changes stacks. Uses rax.
fn leave_wasm(a: &mut Assembler, o: &Offsets, keep: Option<Gpr>) {
    a.push(Rbp);
    a.mov(Rbp, Rsp);
    a.load(Rax, mem(Rdi, o.store));
    if let Some(r) = keep {
        a.push(r);
    }
    a.store(mem(Rax, o.exit_fp), Rbp);
    a.load(Rsp, mem(Rax, o.host_sp));
}

/// A look at what is pending, with `used` bytes of the host's stack still in use: "not equal" says that something is. The store context's
/// address is in r11 then.
fn look(a: &mut Assembler, o: &Offsets, used: i32, then: Afterwards) {
    let bits = match then {
        Afterwards::Boundary => !0,
        Afterwards::Leave => o.leave_bits,
    };
    a.load(R11, mem(Rsp, used));
    a.test_mem8_imm8(mem(R11, o.pending), bits);
}

/// What follows a [`look`] that found something. Returns here, if at all, with nothing left to do.
fn see_to_pending(a: &mut Assembler, o: &Offsets, then: Afterwards) {
    a.mov(Rdi, R11);
    match then {
        Afterwards::Boundary => a.call_mem(mem(R11, o.boundary)),
        Afterwards::Leave => a.jmp_mem(mem(R11, o.leave)),
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
    fn begin(a: &mut Assembler, o: &Offsets, used: i32, then: Afterwards) -> Detour {
        let (pending, back) = (a.label(), a.label());
        look(a, o, used, then);
        a.jcc(Condition::NotEqual, pending);
        a.bind(back);
        Detour { pending, back, then }
    }

    /// The cold part, behind what does not come here.
    fn end(self, a: &mut Assembler, o: &Offsets) {
        a.bind(self.pending);
        see_to_pending(a, o, self.then);
        if self.then == Afterwards::Boundary {
            a.jmp_label(self.back);
        }
    }
}

/// The end of each way back to wasm, and the cold way behind it.
fn return_to_wasm(a: &mut Assembler, o: &Offsets, popped: u32, detour: Detour) {
    a.mov(Rsp, Rbp);
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
    let mut a = Assembler::new();
    leave_wasm(&mut a, o, None);

    let mut arguments = Arguments::new();
    arguments.next(Class::I64);
    let places: Vec<_> = sig.params.iter().map(|&c| (c, arguments.next(c))).collect();
    let incoming = arguments.stack_bytes();
    let area = (sig.results.len() > 1).then(|| arguments.next(Class::I64));
    let outgoing = arguments.stack_bytes();
    if area.is_some() {
        a.sub_imm(Rsp, 16 * sig.results.len() as i32);
    }
    a.sub_imm(Rsp, outgoing as i32);
    for &(class, place) in &places {
        if let Location::Stack(at) = place {
            copy_stack_argument(&mut a, class, 16 + at as i32, mem(Rsp, at as i32));
        }
    }
    match area {
        Some(Location::Gpr(r)) => a.lea(r, mem(Rsp, outgoing as i32)),
        Some(Location::Stack(at)) => {
            a.lea(Rax, mem(Rsp, outgoing as i32));
            a.store(mem(Rsp, at as i32), Rax);
        }
        Some(Location::Xmm(_)) | None => {}
    }
    a.call_mem(mem(Rdi, o.host_code));
    let used = outgoing as i32 + if area.is_some() { 16 * sig.results.len() as i32 } else { 0 };
    let detour = Detour::begin(&mut a, o, used, then);
    if area.is_some() {
        load_results(&mut a, sig, outgoing as i32);
    }
    return_to_wasm(&mut a, o, incoming, detour);
    a.finish()
}

/// A host call without a trampoline, for one place in compiled code: that jumps here and goes on at `resume`, an offset from the start of
/// these bytes. The host function takes its arguments and gives its result, if it has any, in registers, and its context says so.
/// `pending` is where the function has [`host_call_pending`], from the start of these bytes.
///
/// The frame pointer is `frame_size` bytes above the stack pointer there: so nothing waits for what the last call stored.
///
/// A pair of call and return costs a processor more than two jumps, and here is one pair less than on the way through
/// [`host_call_registers`]. Sweeps and backtraces find the same frame: the place's frame pointer, and `resume` as return address. rbp
/// stays what it is, so that to debuggers this is a part of the function.
pub fn host_call_in_place(o: &Offsets, resume: i32, frame_size: u32, pending: i32, then: Afterwards) -> Vec<u8> {
    let mut a = Assembler::new();
    a.lea_to(R11, resume);
    a.load(Rax, mem(Rdi, o.store));
    // No pushes: an rsp that was computed would have to be there first. Signal handlers have a stack of their own.
    a.lea(R10, mem(Rsp, -16));
    a.store(mem(Rsp, -8), R11);
    a.store(mem(Rsp, -16), Rbp);
    a.store(mem(Rax, o.exit_fp), R10);
    a.load(Rsp, mem(Rax, o.host_sp));
    a.call_mem(mem(Rdi, o.host_code));
    look(&mut a, o, 0, then);
    a.jcc_to(Condition::NotEqual, pending);
    a.lea(Rsp, mem(Rbp, -(frame_size as i32)));
    a.jmp_to(resume);
    a.finish()
}

/// Where all a function's [`host_call_in_place`] go when something is pending. Goes on, if it may, where they would: they left the address.
pub fn host_call_pending(o: &Offsets, frame_size: u32, then: Afterwards) -> Vec<u8> {
    let mut a = Assembler::new();
    see_to_pending(&mut a, o, then);
    if then == Afterwards::Boundary {
        a.lea(Rsp, mem(Rbp, -(frame_size as i32)));
        a.jmp_mem(mem(Rsp, -8));
    }
    a.finish()
}

fn copy_stack_argument(a: &mut Assembler, class: Class, from_rbp: i32, to: crate::asm::Mem) {
    if class == Class::V128 {
        a.load_xmm(SCRATCH_XMM, mem(Rbp, from_rbp));
        a.store_xmm(to, SCRATCH_XMM);
    } else {
        a.load(Rax, mem(Rbp, from_rbp));
        a.store(to, Rax);
    }
}

/// Loads result registers from 16-byte places at `[rsp + at]`.
fn load_results(a: &mut Assembler, sig: &Signature, at: i32) {
    for (i, place) in results(&sig.results).into_iter().enumerate() {
        let from = mem(Rsp, at + 16 * i as i32);
        match place {
            Location::Gpr(r) => a.load(r, from),
            Location::Xmm(x) => a.load_xmm(x, from),
            Location::Stack(_) => {}
        }
    }
}

/// Calls a host function `fn(context, values)` that finds its arguments in an array of 16-byte places and leaves its results
/// there. For any signature.
pub fn host_call_array(sig: &Signature, o: &Offsets, then: Afterwards) -> Vec<u8> {
    let mut a = Assembler::new();
    let in_buffer = sig.results_in_buffer();
    leave_wasm(&mut a, o, in_buffer.then_some(ARG_GPRS[1]));

    let mut arguments = Arguments::new();
    arguments.next(Class::I64);
    if in_buffer {
        arguments.next(Class::I64);
    }
    a.sub_imm(Rsp, 16 * sig.places() as i32);
    for (i, &class) in sig.params.iter().enumerate() {
        let to = mem(Rsp, 16 * i as i32);
        match arguments.next(class) {
            Location::Gpr(r) => a.store(to, r),
            Location::Xmm(x) => a.store_xmm(to, x),
            Location::Stack(at) => copy_stack_argument(&mut a, class, 16 + at as i32, to),
        }
    }
    a.mov(Rsi, Rsp);
    a.call_mem(mem(Rdi, o.host_code));
    let detour = Detour::begin(&mut a, o, 16 * sig.places() as i32, then);
    if in_buffer {
        a.load(R10, mem(Rbp, -8));
        for i in 0..sig.results.len() as i32 {
            a.load_xmm(SCRATCH_XMM, mem(Rsp, 16 * i));
            a.store_xmm(mem(R10, 16 * i), SCRATCH_XMM);
        }
    } else {
        load_results(&mut a, sig, 0);
    }
    return_to_wasm(&mut a, o, arguments.stack_bytes(), detour);
    a.finish()
}

/// Calls the function at `target` with up to six integer arguments, the first being the caller's context; it returns nothing
/// or one integer.
pub fn builtin(o: &Offsets, target: u64) -> Vec<u8> {
    let mut a = Assembler::new();
    leave_wasm(&mut a, o, None);
    a.mov_imm64(Rax, target);
    a.call(Rax);
    let detour = Detour::begin(&mut a, o, 0, Afterwards::Leave);
    return_to_wasm(&mut a, o, 0, detour);
    a.finish()
}

/// The same for a function that returns nothing, and all registers keep their values (of vectors, the lower 128 bits). Those that System V
/// does not preserve are saved on the host's stack.
pub fn builtin_keeping_registers(o: &Offsets, target: u64) -> Vec<u8> {
    let mut a = Assembler::new();
    a.push(Rbp);
    a.mov(Rbp, Rsp);
    // In the bytes below the frame that are in use by agreement.
    a.push(Rax);
    a.load(Rax, mem(Rdi, o.store));
    a.store(mem(Rax, o.exit_fp), Rbp);
    a.load(Rsp, mem(Rax, o.host_sp));
    let xmm = |n: u8| mem(Rsp, 16 * i32::from(n));
    let gpr = |n: usize| mem(Rsp, 16 * XMMS + 8 * n as i32);
    let used = 16 * XMMS + (8 * CALLER_SAVED.len()).next_multiple_of(16) as i32;
    a.sub_imm(Rsp, used);
    (0..XMMS as u8).for_each(|n| a.store_xmm(xmm(n), Xmm(n)));
    CALLER_SAVED.iter().enumerate().for_each(|(n, &r)| a.store(gpr(n), r));
    a.mov_imm64(Rax, target);
    a.call(Rax);
    let detour = Detour::begin(&mut a, o, used, Afterwards::Leave);
    (0..XMMS as u8).for_each(|n| a.load_xmm(Xmm(n), xmm(n)));
    CALLER_SAVED.iter().enumerate().for_each(|(n, &r)| a.load(r, gpr(n)));
    a.load(Rax, mem(Rbp, -8));
    return_to_wasm(&mut a, o, 0, detour);
    a.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use Class::*;
    use iced_x86::{Decoder, DecoderOptions, FlowControl, Mnemonic, Register};

    const OFFSETS: Offsets = Offsets {
        store: 8,
        host_code: 16,
        host_sp: 0,
        exit_fp: 8,
        pending: 16,
        handler_bit: 4,
        handler: 24,
        leave_bits: 7,
        leave: 64,
        boundary: 72,
    };

    fn decode(code: &[u8]) -> Vec<iced_x86::Instruction> {
        Decoder::with_ip(64, code, 0, DecoderOptions::NONE).iter().collect()
    }

    /// Pushes, pops and adjustments of rsp up to the first transfer, as a change in bytes.
    fn depth_until(code: &[iced_x86::Instruction], stop: impl Fn(&iced_x86::Instruction) -> bool) -> i64 {
        let mut depth = 0;
        for i in code.iter().take_while(|i| !stop(i)) {
            match i.mnemonic() {
                Mnemonic::Push => depth += 8,
                Mnemonic::Pop => depth -= 8,
                Mnemonic::Sub if i.op0_register() == Register::RSP => depth += i.immediate(1) as i64,
                Mnemonic::Add if i.op0_register() == Register::RSP => depth -= i.immediate(1) as i64,
                _ => {}
            }
        }
        depth
    }

    #[test]
    fn a_thunk_jumps_through_its_slot() {
        let code = thunk(0x1234);
        let i = decode(&code)[0];
        assert_eq!(i.mnemonic(), Mnemonic::Jmp);
        assert_eq!(i.ip_rel_memory_address(), 0x1234 + 6);
        assert!(code[6..].iter().all(|&b| b == 0xcc));
    }

    #[test]
    fn the_landing_pad_undoes_what_an_entry_does() {
        let enter = decode(&entry(&Signature::new([], []), &OFFSETS));
        let pushed = depth_until(&enter, |i| i.mnemonic() == Mnemonic::Mov && i.op0_register() == Register::RSP);
        // With the return address the frame keeps rsp aligned.
        assert_eq!((pushed + 8) % 16, 0);
        let pad = decode(&landing_pad(&OFFSETS));
        let popped = -depth_until(&pad, |i| i.mnemonic() == Mnemonic::Ret);
        assert_eq!(pushed, popped);
        let order = |code: &[iced_x86::Instruction], m| {
            let is_callee_saved =
                |i: &&iced_x86::Instruction| i.mnemonic() == m && ![Register::None, Register::RDI].contains(&i.op0_register());
            code.iter().filter(is_callee_saved).map(|i| i.op0_register()).collect::<Vec<_>>()
        };
        let mut popped_registers = order(&pad, Mnemonic::Pop);
        popped_registers.reverse();
        assert_eq!(order(&enter, Mnemonic::Push), popped_registers);
    }

    #[test]
    fn host_calls_pop_what_wasm_pushed() {
        for n in 0..40 {
            let sig = Signature::new([I64, V128, F32].into_iter().cycle().take(n), [I32]);
            let mut arguments = Arguments::new();
            arguments.next(I64);
            sig.params.iter().for_each(|&c| {
                arguments.next(c);
            });
            for code in
                [host_call_registers(&sig, &OFFSETS, Afterwards::Boundary), host_call_array(&sig, &OFFSETS, Afterwards::Leave)]
            {
                let ret = decode(&code).into_iter().find(|i| i.flow_control() == FlowControl::Return).unwrap();
                let popped = if ret.op_count() == 1 { ret.immediate(0) as u32 } else { 0 };
                assert_eq!(popped, arguments.stack_bytes(), "{n} parameters");
            }
        }
    }

    #[test]
    fn a_host_call_in_place_leaves_a_frame_and_takes_it_off() {
        let code = decode(&host_call_in_place(&OFFSETS, -100, 32, 1000, Afterwards::Boundary));
        // As if it had been called and had pushed the frame pointer.
        assert_eq!((code[0].op0_register(), code[0].ip_rel_memory_address() as i64), (Register::R11, -100));
        let stored = code.iter().filter(|i| i.mnemonic() == Mnemonic::Mov && i.memory_base() == Register::RSP);
        let stored: Vec<_> = stored.map(|i| (i.memory_displacement64() as i64, i.op1_register())).take(2).collect();
        assert_eq!(stored, [(-8, Register::R11), (-16, Register::RBP)]);
        assert!(code.iter().all(|i| i.op0_register() != Register::RBP), "the frame pointer is the place's");
        // It goes back with the stack pointer as it was.
        let [.., look, pending, restored, back] = &code[..] else { unreachable!() };
        assert_eq!((restored.op0_register(), restored.memory_base()), (Register::RSP, Register::RBP));
        assert_eq!((restored.memory_displacement64() as i64, back.near_branch_target() as i64), (-32, -100));
        assert_eq!((look.immediate8(), pending.near_branch_target()), (0xff, 1000));
        // So does the way by what is pending, to the address that was left.
        let code = decode(&host_call_pending(&OFFSETS, 32, Afterwards::Boundary));
        let [.., call, restored, back] = &code[..] else { unreachable!() };
        assert_eq!((call.mnemonic(), call.memory_displacement64()), (Mnemonic::Call, 72));
        assert_eq!((restored.memory_base(), restored.memory_displacement64() as i64), (Register::RBP, -32));
        assert_eq!((back.memory_base(), back.memory_displacement64() as i64), (Register::RSP, -8));
    }

    #[test]
    fn with_a_reference_on_its_way_the_store_does_nothing() {
        let sig = Signature::new([], [I32]);
        let then = Afterwards::of(true);
        let in_place = [host_call_in_place(&OFFSETS, -100, 32, 0, then), host_call_pending(&OFFSETS, 32, then)].concat();
        let all =
            [in_place, host_call_registers(&sig, &OFFSETS, then), host_call_array(&sig, &OFFSETS, then), builtin(&OFFSETS, 0)];
        for code in all.map(|code| decode(&code)) {
            let look = code.iter().position(|i| i.mnemonic() == Mnemonic::Jne).unwrap();
            assert_eq!(code[look - 1].immediate8(), OFFSETS.leave_bits);
            let last = code.last().unwrap();
            assert_eq!((last.mnemonic(), last.memory_displacement64()), (Mnemonic::Jmp, 64));
        }
    }

    #[test]
    fn the_boundary_keeps_the_result_and_looks_before_and_after() {
        let code = decode(&boundary(&OFFSETS, 0x1111_2222_3333_4444, 0x5555_6666_7777_8888));
        let at = |m| code.iter().position(|i| i.mnemonic() == m).unwrap();
        let (call, ret) = (at(Mnemonic::Call), at(Mnemonic::Ret));
        let on_stack = |i: &&iced_x86::Instruction| i.memory_base() == Register::RSP;
        let stored: Vec<_> =
            code[..call].iter().filter(on_stack).map(|i| (i.op1_register(), i.memory_displacement64())).collect();
        let loaded: Vec<_> =
            code[call..ret].iter().filter(on_stack).map(|i| (i.op0_register(), i.memory_displacement64())).collect();
        assert_eq!(stored, loaded);
        assert_eq!(stored.iter().map(|s| s.0).collect::<Vec<_>>(), [Register::RDI, Register::RAX, Register::XMM0]);
        // Aligned where it calls: it was called itself.
        assert_eq!((depth_until(&code, |i| i.mnemonic() == Mnemonic::Call) + 8) % 16, 0);
        let looks: Vec<_> = code.iter().enumerate().filter(|(_, i)| i.mnemonic() == Mnemonic::Jne).map(|(n, _)| n).collect();
        assert!(looks.len() == 2 && looks[0] < call && looks[1] > call);
        assert!(looks.iter().all(|&n| code[n].near_branch_target() == code[ret + 1].ip()));
        assert_eq!(code[ret + 1].immediate(1), 0x5555_6666_7777_8888);
    }

    #[test]
    fn a_handler_gets_its_frame_and_its_exception() {
        let code = decode(&leave(&OFFSETS, 0x1111_2222_3333_4444));
        let loaded: Vec<_> = code
            .iter()
            .filter(|i| i.mnemonic() == Mnemonic::Mov && i.op1_kind() == iced_x86::OpKind::Memory)
            .map(|i| (i.op0_register(), i.memory_displacement64()))
            .collect();
        let (rcx, rsp, rbp) = (Register::RCX, Register::RSP, Register::RBP);
        assert_eq!(loaded, [(rcx, 24), (rsp, 32), (rbp, 40), (Register::RAX, 48), (Register::RDX, 56)]);
        let clears = code.iter().find(|i| i.mnemonic() == Mnemonic::And).unwrap();
        assert!(clears.has_lock_prefix());
        assert_eq!((clears.memory_displacement64(), clears.immediate(1) as i32), (16, !4));
        let jumps: Vec<_> = code.iter().filter(|i| i.mnemonic() == Mnemonic::Jmp).map(|i| i.op0_register()).collect();
        assert_eq!(jumps, [Register::RAX, rcx]);
    }

    #[test]
    fn a_builtin_calls_its_target() {
        let code = decode(&builtin(&OFFSETS, 0x1111_2222_3333_4444));
        let immediates: Vec<_> =
            code.iter().filter(|i| i.op1_kind() == iced_x86::OpKind::Immediate64).map(|i| i.immediate(1)).collect();
        assert_eq!(immediates, [0x1111_2222_3333_4444]);
    }

    #[test]
    fn a_builtin_can_keep_all_registers() {
        let code = decode(&builtin_keeping_registers(&OFFSETS, 0));
        let call = code.iter().position(|i| i.mnemonic() == Mnemonic::Call).unwrap();
        let ret = code.iter().position(|i| i.mnemonic() == Mnemonic::Ret).unwrap();
        let is_stack = |r| matches!(r, Register::RSP | Register::RBP);
        let saved: Vec<_> = code[..call]
            .iter()
            .filter(|i| i.op0_kind() == iced_x86::OpKind::Memory && i.memory_base() == Register::RSP)
            .map(|i| (i.op1_register(), i.memory_displacement64()))
            .collect();
        let loaded: Vec<_> = code[call..ret]
            .iter()
            .filter(|i| i.op1_kind() == iced_x86::OpKind::Memory && i.memory_base() == Register::RSP)
            .map(|i| (i.op0_register(), i.memory_displacement64()))
            .collect();
        // The first one is the store context's address, for a look at what is pending.
        assert_eq!(saved, loaded[1..]);
        // Places are apart from each other and below the address on top.
        let used = depth_until(&code, |i| i.mnemonic() == Mnemonic::Call) - 16;
        assert_eq!(used % 16, 0);
        let mut bytes: Vec<u64> = saved.iter().flat_map(|&(r, at)| at..at + r.size() as u64).collect();
        bytes.sort_unstable();
        assert!(bytes.windows(2).all(|w| w[0] < w[1]) && *bytes.last().unwrap() < used as u64);
        // With what System V preserves, and rax, which is below the frame pointer, that is all.
        let kept = CALLEE_SAVED.len() + 1;
        assert_eq!(saved.len() + kept + 2, 32);
        assert!(!saved.iter().any(|&(r, _)| is_stack(r)));
        let rax = code[..ret].iter().rfind(|i| i.op0_register() == Register::RAX).unwrap();
        assert_eq!((rax.memory_base(), rax.memory_displacement64() as i64), (Register::RBP, -8));
    }
}
