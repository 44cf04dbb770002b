//! Signal handlers: installed once for the process, each chaining to the one that was there before.
//!
//! Handlers run on the alternate stack, call nothing that is not async-signal-safe, and change nothing but the interrupted
//! context and the record of the fault.

use super::timer;
use crate::large;
use libc::{c_int, c_void, sigaction, siginfo_t, ucontext_t};
use std::cell::UnsafeCell;
use std::mem::{MaybeUninit, zeroed};
use std::ptr::{null, null_mut};
use std::sync::{Once, OnceLock};

/// The signal that interrupts wasm. By default it is ignored, debuggers pass it on, and programs rarely use it; a stray one
/// does no harm. Requests are not queued: the flag says what is asked for, the signal only makes the thread look.
pub(crate) const INTERRUPT: c_int = libc::SIGURG;

const FAULTS: [c_int; 4] = [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL];

/// What the processor raises after an instruction that began with the trap flag set, and for a breakpoint.
const STEP: c_int = libc::SIGTRAP;
const TRAP_FLAG: usize = 1 << 8;

/// General-purpose registers in the order of their numbers in instructions.
const GPRS: [c_int; 16] = [
    libc::REG_RAX,
    libc::REG_RCX,
    libc::REG_RDX,
    libc::REG_RBX,
    libc::REG_RSP,
    libc::REG_RBP,
    libc::REG_RSI,
    libc::REG_RDI,
    libc::REG_R8,
    libc::REG_R9,
    libc::REG_R10,
    libc::REG_R11,
    libc::REG_R12,
    libc::REG_R13,
    libc::REG_R14,
    libc::REG_R15,
];

/// Kinds of synchronous faults.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// An access to this address; `refused_read` if it was a read or a jump, to a page that did not allow it then.
    Memory { address: usize, refused_read: bool },
    /// Division.
    Arithmetic,
    /// An undefined instruction.
    Illegal,
}

/// The interrupted state of a thread.
pub(crate) struct Context(*mut ucontext_t);

impl Context {
    /// What a handler of a test got.
    #[cfg(test)]
    pub(crate) fn for_tests(context: *mut c_void) -> Context {
        Context(context.cast())
    }

    /// Whether the thread stops after each instruction, with [`Callbacks::step`].
    pub(crate) fn single_step(&mut self, on: bool) {
        let flags = self.get(libc::REG_EFL);
        self.set(libc::REG_EFL, if on { flags | TRAP_FLAG } else { flags & !TRAP_FLAG });
    }

    /// Whether the thread takes the signal of a step: the kernel ends a process where it is blocked.
    pub(crate) fn takes_steps(&self) -> bool {
        // SAFETY: as in `get`; the kernel fills what there are signals for, this one among them.
        unsafe { libc::sigismember(&raw const (*self.0).uc_sigmask, STEP) == 0 }
    }

    fn get(&self, register: c_int) -> usize {
        // SAFETY: the kernel's context is valid while the handler runs.
        unsafe { (*self.0).uc_mcontext.gregs[register as usize] as usize }
    }

    fn set(&mut self, register: c_int, value: usize) {
        // SAFETY: as in `get`.
        unsafe { (*self.0).uc_mcontext.gregs[register as usize] = value as i64 }
    }

    /// Program counter.
    pub(crate) fn pc(&self) -> usize {
        self.get(libc::REG_RIP)
    }

    /// Whether the access that faulted was a write: bit 1 of a page fault's error code.
    fn wrote(&self) -> bool {
        self.get(libc::REG_ERR) & 2 != 0
    }

    /// Frame pointer.
    pub(crate) fn fp(&self) -> usize {
        self.get(libc::REG_RBP)
    }

    /// Stack pointer.
    pub(crate) fn sp(&self) -> usize {
        self.get(libc::REG_RSP)
    }

    /// What code that counts has counted so far: `x64`'s `abi::FUEL`.
    pub(crate) fn fuel(&self) -> u64 {
        self.get(libc::REG_R15) as u64
    }

    /// A general-purpose register, by its number in instructions.
    pub(crate) fn gpr(&self, number: u8) -> usize {
        self.get(GPRS[usize::from(number) % GPRS.len()])
    }

    /// The same.
    pub(crate) fn set_gpr(&mut self, number: u8, value: usize) {
        self.set(GPRS[usize::from(number) % GPRS.len()], value);
    }

    /// A vector register, its lower 128 bits; zero for one that does not exist.
    pub(crate) fn xmm(&self, number: u8) -> u128 {
        // SAFETY: as in `get`; the kernel saves these registers behind a pointer, which is null where they have never been used.
        let registers = unsafe { (*self.0).uc_mcontext.fpregs.as_ref() };
        let words = registers.and_then(|r| r._xmm.get(usize::from(number))).map_or([0; 4], |r| r.element);
        words.iter().rev().fold(0, |bits, &word| bits << 32 | u128::from(word))
    }

    /// The frame is gone: the caller's frame pointer is back, and the stack pointer at the return address.
    pub(crate) fn take_down_frame(&mut self, fp: usize, sp: usize) {
        self.set(libc::REG_RBP, fp);
        self.set(libc::REG_RSP, sp);
    }

    /// Makes the thread continue elsewhere in wasm code.
    pub(crate) fn go_on_at(&mut self, pc: usize) {
        self.set(libc::REG_RIP, pc);
    }

    /// Makes the thread continue at `pc` with `argument` in the first argument register. Direction, trap and alignment-check
    /// flags are cleared: the host's code does not expect them.
    pub(crate) fn redirect(&mut self, pc: usize, argument: usize) {
        const DF_TF_AC: usize = 1 << 10 | TRAP_FLAG | 1 << 18;
        self.set(libc::REG_RIP, pc);
        self.set(libc::REG_RDI, argument);
        let flags = self.get(libc::REG_EFL);
        self.set(libc::REG_EFL, flags & !DF_TF_AC);
    }
}

/// What was installed before us, by signal number.
struct Previous(UnsafeCell<[MaybeUninit<sigaction>; 32]>);

// SAFETY: written once, before the handler that reads it is installed.
unsafe impl Sync for Previous {}

static PREVIOUS: Previous = Previous(UnsafeCell::new([const { MaybeUninit::uninit() }; 32]));

/// Whom handlers ask. All are async-signal-safe.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Callbacks {
    /// Whether a fault was one of wasm's: the context then says where to go on.
    pub fault: fn(Fault, &mut Context) -> bool,
    /// A thread was asked to look at what somebody wants of it.
    pub interrupt: fn(&mut Context),
    /// An instruction has been executed with the trap flag set: whether that was asked for here.
    pub step: fn(&mut Context) -> bool,
    /// A breakpoint's instruction has been executed, and is behind the thread: whether it is one of ours.
    pub breakpoint: fn(&mut Context) -> bool,
}

/// Set before the handlers that read it are installed, so that reading it is one load.
static CALLBACKS: OnceLock<Callbacks> = OnceLock::new();

/// Installs the handlers, the first time.
pub(crate) fn install(callbacks: Callbacks) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let _ = CALLBACKS.set(callbacks);
        for signal in FAULTS {
            // SA_ONSTACK: the handler must run when the stack is what faulted. Without SA_NODEFER: a fault inside the handler
            // is a bug, and kills.
            install_one(signal, on_fault as *const (), libc::SA_ONSTACK);
        }
        // Without SA_RESTART: a system call that blocks ends with EINTR, so that the host function can see the request.
        install_one(INTERRUPT, on_interrupt as *const (), libc::SA_ONSTACK);
        install_one(STEP, on_step as *const (), libc::SA_ONSTACK);
    });
}

fn install_one(signal: c_int, handler: *const (), flags: c_int) {
    // SAFETY: the previous action is stored before a handler that would read it can run; a sigaction is plain data.
    unsafe {
        let slot = &raw mut (*PREVIOUS.0.get())[signal as usize];
        sigaction(signal, null(), (*slot).as_mut_ptr());
        let mut new: sigaction = zeroed();
        new.sa_sigaction = handler as usize;
        new.sa_flags = libc::SA_SIGINFO | flags;
        libc::sigemptyset(&mut new.sa_mask);
        // Fails only for signals that cannot be caught, and these can.
        sigaction(signal, &new, null_mut());
    }
}

/// `si_code` of what has no other.
const SI_KERNEL: c_int = 0x80;

extern "C" fn on_fault(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel passes valid pointers.
    let (code, address) = unsafe { ((*info).si_code, (*info).si_addr() as usize) };
    // Only what the processor raised, not what somebody sent; nor what the kernel makes of a signal for which
    // it has found no room on the stack: that says no address.
    if code > 0 && code != SI_KERNEL {
        const SEGV_ACCERR: c_int = 2;
        let mut context = Context(context.cast());
        let refused_read = signal == libc::SIGSEGV && code == SEGV_ACCERR && !context.wrote();
        let fault = match signal {
            libc::SIGFPE => Fault::Arithmetic,
            libc::SIGILL => Fault::Illegal,
            _ => Fault::Memory { address, refused_read },
        };
        if CALLBACKS.get().is_some_and(|callbacks| (callbacks.fault)(fault, &mut context)) {
            return;
        }
    }
    chain(signal, info, context);
    // Who sets the default action and returns (as Rust's runtime does unless its own stack is exhausted)
    // wants the process to end by it: a fault will happen again, but what was sent will not, nor what the
    // kernel gave up.
    if (code <= 0 || code == SI_KERNEL) && is_default(signal) {
        end_by_signal(signal);
    }
}

extern "C" fn on_interrupt(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    if let Some(callbacks) = CALLBACKS.get() {
        (callbacks.interrupt)(&mut Context(context.cast()));
    }
    // SAFETY: the kernel passes a valid pointer, and slot and action are as in `install_one`.
    let (ours, ignored) = unsafe {
        let previous = (*PREVIOUS.0.get())[signal as usize].assume_init_ref().sa_sigaction;
        let sent = timer::sent(&*info) || (*info).si_code == libc::SI_TKILL && (*info).si_pid() == libc::getpid();
        (sent, previous == libc::SIG_DFL || previous == libc::SIG_IGN)
    };
    // The default action of this signal is to ignore it.
    if !ours && !ignored {
        chain(signal, info, context);
    }
}

extern "C" fn on_step(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    const TRAP_BRKPT: c_int = 1;
    const TRAP_TRACE: c_int = 2;
    // SAFETY: the kernel passes valid pointers.
    let code = unsafe { (*info).si_code };
    let ours = CALLBACKS.get().is_some_and(|callbacks| match code {
        TRAP_TRACE => (callbacks.step)(&mut Context(context.cast())),
        SI_KERNEL | TRAP_BRKPT => (callbacks.breakpoint)(&mut Context(context.cast())),
        _ => false,
    });
    if ours {
        return;
    }
    chain(signal, info, context);
    // Who would have ended by it does: a breakpoint's instruction is behind the thread already.
    if is_default(signal) {
        end_by_signal(signal);
    }
}

/// Lets the signals that have handlers here reach the calling thread. Masks are inherited: a parent that blocked them would turn
/// each trap into the end of the process.
pub fn unblock() {
    // SAFETY: a set on the stack, emptied before it is used.
    unsafe {
        let mut set = zeroed();
        libc::sigemptyset(&mut set);
        for signal in FAULTS.into_iter().chain([INTERRUPT, STEP]) {
            libc::sigaddset(&mut set, signal);
        }
        libc::pthread_sigmask(libc::SIG_UNBLOCK, &set, null_mut());
    }
}

/// Has a signal's handler, whoever installed it, run on the alternate stack of threads that have one: a wasm
/// stack may have no room left for it, and what the kernel writes there is no fault that could be mended.
pub fn on_alternate_stack(signal: c_int) {
    let mut now = MaybeUninit::<sigaction>::uninit();
    // SAFETY: the action is read if there was an answer, and set again as it was but for where it runs.
    unsafe {
        if sigaction(signal, null(), now.as_mut_ptr()) == 0 {
            let mut action = now.assume_init();
            action.sa_flags |= libc::SA_ONSTACK;
            sigaction(signal, &action, null_mut());
        }
    }
}

/// Has the process end with a message and exit code 1 where Rust's runtime or the C library aborts it since memory could not be
/// had: [`LargePages`](crate::LargePages) knows, or there is none. Any other SIGABRT ends it as it does without; one that is
/// ignored stays so.
pub fn name_lack_of_memory() {
    if !is_default(libc::SIGABRT) {
        return;
    }
    // SAFETY: a sigaction is plain data, and the handler is async-signal-safe.
    unsafe {
        let mut new: sigaction = zeroed();
        new.sa_sigaction = on_abort as *const () as usize;
        // It has no need of the stack that is in use, which may be a wasm stack.
        new.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        libc::sigemptyset(&mut new.sa_mask);
        sigaction(libc::SIGABRT, &new, null_mut());
    }
}

/// Whether some megabytes cannot be had, which is when the C library's own allocations fail. Async-signal-safe.
fn lacks_memory() -> bool {
    const FEW: usize = 16 << 20;
    // SAFETY: a new mapping at an address of the kernel's choice, which nobody uses.
    unsafe {
        let mapped =
            libc::mmap(null_mut(), FEW, libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0);
        mapped == libc::MAP_FAILED || libc::munmap(mapped, FEW) != 0
    }
}

extern "C" fn on_abort(_: c_int, info: *mut siginfo_t, _: *mut c_void) {
    const MESSAGE: &str =
        "error: out of memory: the process can have no more; is it limited (ulimit -v, ulimit -d, a control group)?\n";
    // SAFETY: the kernel's own; this is how the C library's `abort` sends it.
    let by_abort = unsafe { (*info).si_code == libc::SI_TKILL && (*info).si_pid() == libc::getpid() };
    if by_abort && (large::has_lacked() || lacks_memory()) {
        // SAFETY: the bytes are there.
        unsafe {
            libc::write(2, MESSAGE.as_ptr().cast(), MESSAGE.len());
            libc::_exit(1)
        }
    }
    end_by_signal(libc::SIGABRT)
}

/// Has a system call that a filter refuses by SIGSYS end the process with a message that names it, by number: for tests, which
/// show so that the lists of system calls are complete.
pub fn report_refused_calls() {
    // SAFETY: a sigaction is plain data, and the handler is async-signal-safe.
    unsafe {
        let mut new: sigaction = zeroed();
        new.sa_sigaction = on_refused as *const () as usize;
        new.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        libc::sigemptyset(&mut new.sa_mask);
        sigaction(libc::SIGSYS, &new, null_mut());
    }
}

extern "C" fn on_refused(_: c_int, _: *mut siginfo_t, context: *mut c_void) {
    // A call that is refused so leaves its number where it was.
    let mut number = Context(context.cast()).get(libc::REG_RAX);
    let mut text = *b"sconce: a system call is in no list:      \n";
    for digit in text.iter_mut().rev().skip(1).take(4) {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
    // SAFETY: both are async-signal-safe, and allowed.
    unsafe {
        libc::write(2, text.as_ptr().cast(), text.len());
        libc::_exit(128 + libc::SIGSYS)
    }
}

/// Ends the process by a signal's default action, and leaves no core file. Where that does not end it (the
/// kernel spares process 1 of a container, a filter may refuse the call) with what a shell makes of the
/// signal as exit status, at once: nothing is flushed. Async-signal-safe.
pub fn end_by_signal(signal: c_int) -> ! {
    // SAFETY: the process ends, so that nobody misses its handlers; the set is emptied before it is used.
    unsafe {
        libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0);
        set_default(signal);
        let mut set = zeroed();
        libc::sigemptyset(&mut set);
        libc::sigaddset(&mut set, signal);
        libc::pthread_sigmask(libc::SIG_UNBLOCK, &set, null_mut());
        // To this thread: the signal has come when the call returns. Not every C library's `raise` makes this call, which is the
        // one that a confined process may make.
        libc::syscall(libc::SYS_tgkill, libc::getpid(), libc::gettid(), signal);
        libc::_exit(128 + signal)
    }
}

/// Ends the process with an exit code, from any thread, and does nothing besides.
///
/// Rust's `exit` gives up the stack on which the first thread's handlers run, whichever thread calls it: a signal that came then
/// would be a fault of the first thread's.
pub fn end_now(code: c_int) -> ! {
    // SAFETY: nothing runs after it.
    unsafe { libc::_exit(code) }
}

/// Makes a signal be ignored by this process.
///
/// Meant for SIGXFSZ, by which the kernel accompanies the error `EFBIG`: a runtime is not to die of it.
pub fn ignore(signal: c_int) {
    set_action(signal, libc::SIG_IGN);
}

fn set_default(signal: c_int) {
    set_action(signal, libc::SIG_DFL);
}

fn set_action(signal: c_int, action: libc::sighandler_t) {
    // SAFETY: a sigaction is plain data, and neither of the two actions runs any code.
    unsafe {
        let mut new: sigaction = zeroed();
        new.sa_sigaction = action;
        // Fails for signals that have no other action than the default one.
        sigaction(signal, &new, null_mut());
    }
}

fn is_default(signal: c_int) -> bool {
    let mut now = MaybeUninit::<sigaction>::uninit();
    // SAFETY: only asks; the action is read if there was an answer.
    unsafe { sigaction(signal, null(), now.as_mut_ptr()) == 0 && now.assume_init().sa_sigaction == libc::SIG_DFL }
}

/// Gives the signal to whoever had it before.
fn chain(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    // SAFETY: the slot was written before this handler was installed; the previous handler gets what the kernel gave us, and
    // is called in the way that its flags ask for.
    unsafe {
        let previous = (*PREVIOUS.0.get())[signal as usize].assume_init_ref();
        let sent = (*info).si_code <= 0;
        match previous.sa_sigaction {
            libc::SIG_IGN if sent => {}
            // The kernel does not let a fault be ignored, and neither do we: both become the default action,
            // and the fault happens again.
            libc::SIG_DFL | libc::SIG_IGN => set_default(signal),
            handler if previous.sa_flags & libc::SA_SIGINFO != 0 => {
                let handler: extern "C" fn(c_int, *mut siginfo_t, *mut c_void) = std::mem::transmute(handler);
                handler(signal, info, context);
            }
            handler => {
                let handler: extern "C" fn(c_int) = std::mem::transmute(handler);
                handler(signal);
            }
        }
    }
}

/// Signals a thread of this process. A thread that is gone is nobody.
pub(crate) fn send_interrupt(thread: i32) {
    // SAFETY: no memory is involved; the worst that a reused id does is to let another thread of ours look at its flag.
    unsafe {
        libc::syscall(libc::SYS_tgkill, libc::getpid(), thread, INTERRUPT);
    }
}
