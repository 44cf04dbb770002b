//! Backtraces: which functions of which modules are on a wasm stack ([`crate::walk`]), the
//! innermost and the outermost ones of a deep one.

use crate::activation::{Fault, Shared};
use crate::code::lookup::{CodeAt, FunctionAt};
use crate::handle::ModuleId;
use crate::walk::RestingStack;
use sconce_environ::index::DefinedFuncIndex;
use sconce_x64::text::begins_frame;

/// Innermost frames that are kept when there are more than a backtrace holds.
const INNERMOST: usize = 200;
/// Outermost frames that are kept then.
const OUTERMOST: usize = 50;

/// Frames that are looked at when the call that failed was made by a host function of another call.
const NESTED: usize = 10_000;

/// The wasm frames of a thread, innermost first.
#[derive(Clone, Debug, Default)]
pub struct RawBacktrace {
    /// The frames.
    pub frames: Vec<RawFrame>,
    /// How many frames were left out.
    pub omitted: usize,
    /// After how many of `frames` they stood.
    pub omitted_at: usize,
}

/// A wasm frame.
#[derive(Copy, Clone, Debug)]
pub struct RawFrame {
    /// The module that defines the function.
    pub module: ModuleId,
    /// The function.
    pub func: DefinedFuncIndex,
    /// Address of the function's code.
    pub start: usize,
    /// Offset from there of an instruction: the one that faulted, or the last byte of the call.
    pub offset: u32,
}

/// After a fault: `fault`'s frames, then those of the entries around.
pub(crate) fn of_fault(shared: &Shared, fault: &Fault) -> RawBacktrace {
    let mut walk = Walk::new(shared);
    walk.fault(fault);
    walk.outer_entries();
    walk.finish()
}

/// After a host call that did not return: the frames from `exit_fp` on, then those of the entries
/// around.
pub(crate) fn of_exit(shared: &Shared, exit_fp: usize) -> RawBacktrace {
    let mut walk = Walk::new(shared);
    walk.exit(exit_fp);
    walk.outer_entries();
    walk.finish()
}

/// In a host call.
pub(crate) fn of_host_call(shared: &Shared) -> RawBacktrace {
    let mut walk = Walk::new(shared);
    walk.outer_entries();
    walk.finish()
}

struct Walk<'a> {
    shared: &'a Shared,
    stack: RestingStack<'a>,
    /// Frames that may still be looked at.
    patience: usize,
    /// PCs of the innermost frames.
    first: Vec<usize>,
    /// PCs of the last frames beyond, a ring.
    last: Vec<usize>,
    seen: usize,
}

impl<'a> Walk<'a> {
    fn new(shared: &'a Shared) -> Walk<'a> {
        // A call inside a call that fails is likely to make the outer one fail as well: the whole
        // stack once is enough.
        let patience = if shared.depth.get() == 0 { usize::MAX } else { NESTED };
        // SAFETY: the trace is taken where wasm was left, and walks before anything else happens.
        let stack = unsafe { shared.current_stack() };
        Walk { shared, stack, patience, first: Vec::new(), last: Vec::new(), seen: 0 }
    }

    fn push(&mut self, pc: usize) {
        if self.code_at(pc).is_none() {
            return;
        }
        if self.first.len() < INNERMOST {
            self.first.push(pc);
        } else if self.last.len() < OUTERMOST {
            self.last.push(pc);
        } else {
            self.last[self.seen % OUTERMOST] = pc;
        }
        self.seen += 1;
    }

    fn frame(&self, pc: usize) -> Option<RawFrame> {
        let FunctionAt { module, func, start, .. } = self.code_at(pc)?.function()?;
        Some(RawFrame { module, func, start, offset: (pc - start) as u32 })
    }

    fn code_at(&self, pc: usize) -> Option<CodeAt<'a>> {
        // SAFETY: the store's stack names only code of its own instances, which it keeps.
        unsafe { self.shared.code.at(pc) }
    }

    /// The frames that called the one with this frame pointer, as far as the entry.
    fn frames(&mut self, fp: usize) {
        let stack = self.stack.clone();
        for frame in stack.callers(fp) {
            self.push(frame.return_address.wrapping_sub(1));
            if self.patience == 0 {
                break;
            }
            self.patience -= 1;
        }
    }

    fn fault(&mut self, fault: &Fault) {
        self.push(fault.pc);
        // Where the frame is not set up yet, the return address is at or just below the top of the
        // stack.
        if let Some(depth) = self.bytes_before_frame(fault.pc)
            && let Some(return_address) = fault.sp.checked_add(depth).and_then(|a| self.stack.word(a))
        {
            self.push(return_address.wrapping_sub(1));
        }
        self.frames(fault.fp);
    }

    /// In a prologue: how far above the stack pointer the return address is.
    fn bytes_before_frame(&self, pc: usize) -> Option<usize> {
        match self.code_at(pc).and_then(CodeAt::function).map(|function| pc - function.start) {
            Some(0) => Some(0),
            Some(1) => Some(8),
            Some(_) => None,
            // A trampoline: its first instruction, or one after its frame is set up.
            // SAFETY: code that was executing is readable.
            None => (self.shared.code.contains(pc) && begins_frame(unsafe { (pc as *const u8).read() })).then_some(0),
        }
    }

    fn exit(&mut self, exit_fp: usize) {
        // The trampoline's own frame is at `exit_fp`: its return address is in wasm.
        self.frames(exit_fp);
    }

    /// The entries around the place where the store context says that wasm was left.
    fn outer_entries(&mut self) {
        for exit_fp in self.stack.exits() {
            self.exit(exit_fp);
        }
    }

    fn finish(mut self) -> RawBacktrace {
        let kept = INNERMOST + OUTERMOST;
        if self.seen > kept {
            // The ring's oldest frame is where the next would go.
            self.last.rotate_left(self.seen % OUTERMOST);
        }
        let mut frames: Vec<_> = self.first.iter().filter_map(|&pc| self.frame(pc)).collect();
        let omitted_at = frames.len();
        frames.extend(self.last.iter().filter_map(|&pc| self.frame(pc)));
        RawBacktrace { frames, omitted: self.seen.saturating_sub(kept), omitted_at }
    }
}
