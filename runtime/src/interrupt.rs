//! Interrupts: stopping wasm code from another thread, at no cost to the code.
//!
//! A request sets a bit in the store's `pending`, which trampolines look at when the host returns to wasm, and before they move
//! bytes by themselves, entries look at first, and long builtins look at between chunks. For code that does none of these, the
//! thread is signalled; if the signal finds it in the middle of a wasm function, it continues at the landing pad. If not, but in
//! wasm code (a tail call takes a frame down, a reference is on its way), it goes on instruction by instruction until it can be
//! left: a loop may spend next to all of its time in such places. Elsewhere (a trampoline, the host), the next signal, a
//! millisecond later, finds it, or one of the looks has. The bit is the truth and the signal only a nudge: one that comes late
//! finds no bit and does nothing.
//!
//! A request is acknowledged when the outermost call of the store ends with a failure. One that comes when nothing runs, or too
//! late, stays, and stops the next call: [`InterruptHandle::clear`] withdraws it.

use crate::activation::Shared;
use crate::code::lookup::CodeAt;
use crate::sys::signal::{self, Context};
use crate::traps;
use sconce_environ::trap::TrapCode;
use sconce_environ::vm::pending;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Stops a store's wasm code from any thread. Outlives the store.
#[derive(Clone, Debug)]
pub struct InterruptHandle(Arc<Shared>);

impl InterruptHandle {
    pub(crate) fn new(shared: Arc<Shared>) -> InterruptHandle {
        InterruptHandle(shared)
    }

    /// Asks the store to stop, and returns when it has, or when nothing runs. On the thread that runs the store (in a host
    /// function) it only asks.
    pub fn interrupt(&self) {
        self.request();
        // SAFETY: no preconditions.
        let this_thread = unsafe { libc::gettid() };
        let mut idle = false;
        while self.is_set() {
            match self.0.running.load(Ordering::SeqCst) {
                // An entry publishes its thread and then looks at the bit, without a fence between: one that we do not see
                // yet is seen the next time around.
                0 if idle => return,
                0 => idle = true,
                thread if thread == this_thread => return,
                thread => {
                    idle = false;
                    signal::send_interrupt(thread);
                }
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Asks the store to stop, and does not wait for it. Code that neither calls the host nor returns has to be told: see
    /// [`InterruptHandle::nudge`].
    pub fn request(&self) {
        self.0.pending().fetch_or(pending::INTERRUPT, Ordering::SeqCst);
    }

    /// Signals the thread that runs the store, if a request waits. For who cannot wait as
    /// [`InterruptHandle::interrupt`] does: to be called again, every millisecond or so, as long as
    /// [`InterruptHandle::is_set`].
    pub fn nudge(&self) {
        let thread = self.0.running.load(Ordering::SeqCst);
        if thread != 0 && self.is_set() {
            signal::send_interrupt(thread);
        }
    }

    /// Withdraws a request that nobody has acknowledged.
    pub fn clear(&self) {
        self.0.pending().fetch_and(!pending::INTERRUPT, Ordering::SeqCst);
    }

    /// Whether a request is waiting.
    pub fn is_set(&self) -> bool {
        self.0.interrupted()
    }
}

/// The signal has come. Async-signal-safe.
pub(crate) fn on_signal(context: &mut Context) {
    // In the host's code, which may be the handler of a step or of a fault on top of wasm code, everything stays as it is.
    if let Some(shared) = traps::current()
        && shared.code.contains(context.pc())
    {
        // Whoever looks may put a breakpoint there.
        if context.takes_steps() {
            shared.seen_at.store(context.pc(), Ordering::Relaxed);
        }
        look(shared, context);
    }
}

/// An instruction has been executed: whether it was this that wanted to know. Async-signal-safe.
pub(crate) fn on_step(context: &mut Context) -> bool {
    let Some(shared) = traps::current().filter(|shared| shared.stepping.get()) else { return false };
    look(shared, context);
    true
}

/// Leaves wasm if that is asked for and this is a place for it, or else goes on, if need be to the next instruction only.
fn look(shared: &Shared, context: &mut Context) {
    // SAFETY: the store runs this code, if it is code at all, so it owns the region.
    let at = unsafe { shared.code.at(context.pc()) }.filter(|_| shared.interrupted());
    if at.is_some_and(CodeAt::is_interruptible) {
        return traps::leave_wasm(shared, TrapCode::Interrupt, context);
    }
    let step = at.is_some() && context.takes_steps();
    if step || shared.stepping.replace(step) {
        shared.stepping.set(step);
        context.single_step(step);
    }
}
