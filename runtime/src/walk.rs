//! Wasm stacks as they are walked: for backtraces, for sweeps, and in search of exception handlers.
//!
//! Wasm frames chain through their frame pointers, each at a higher address than the one that it
//! called, up to a function that the entry trampoline has called, whose frame is on the host's
//! stack. A host function may enter wasm again: the frame of each entry trampoline says where wasm
//! was left before. So a stack is one run of frames for each entry. A walk reads nothing outside
//! the stack and only ever goes up, so it ends whatever the frames hold.

use crate::stack::WasmStack;
use sconce_x64::stubs::{FRAME_OLD_EXIT_FP, FRAME_OLD_HOST_SP};
use std::marker::PhantomData;
use std::ops::Range;

/// A wasm stack on which no code is running: the one that a store's code runs on now, after wasm
/// was left ([`crate::activation::Shared::current_stack`]), or one that is suspended.
#[derive(Clone, Debug)]
pub(crate) struct RestingStack<'a> {
    usable: Range<usize>,
    /// Frame pointer of the trampoline that left wasm last; 0 if there are no frames.
    exit_fp: usize,
    /// Frame of the entry trampoline on the host's stack that entered wasm last; 0 if there are
    /// none.
    host_sp: usize,
    _stack: PhantomData<&'a WasmStack>,
}

/// A wasm frame that is in the middle of a call.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    /// Where the call returns to.
    pub return_address: usize,
    /// The frame pointer.
    pub fp: usize,
}

impl<'a> RestingStack<'a> {
    /// A stack as wasm was left there.
    ///
    /// # Safety
    /// `exit_fp` and `host_sp` are what trampolines noted when they left and entered wasm on this
    /// stack last, and none of it runs as long as this is used.
    #[inline]
    pub(crate) unsafe fn new(stack: &'a WasmStack, exit_fp: usize, host_sp: usize) -> RestingStack<'a> {
        RestingStack { usable: stack.usable(), exit_fp, host_sp, _stack: PhantomData }
    }

    /// The frame pointer of the trampoline that left wasm last; 0 if there are no frames.
    #[inline]
    pub(crate) fn exit_fp(&self) -> usize {
        self.exit_fp
    }

    /// Eight bytes of it; `None` outside.
    #[inline]
    pub(crate) fn word(&self, address: usize) -> Option<usize> {
        let inside = address.is_multiple_of(8) && address >= self.usable.start && address <= self.usable.end - 8;
        // SAFETY: what is usable of the stack is readable, and mapped as long as it lives.
        inside.then(|| unsafe { (address as *const usize).read() })
    }

    /// Four bytes of it.
    #[inline]
    pub(crate) fn half(&self, address: usize) -> Option<u32> {
        let inside = address.is_multiple_of(4) && address >= self.usable.start && address <= self.usable.end - 4;
        // SAFETY: as in `word`.
        inside.then(|| unsafe { (address as *const u32).read() })
    }

    /// The callers of the frame with this frame pointer, which may be a trampoline's, as far as the
    /// entry into wasm.
    #[inline]
    pub(crate) fn callers(&self, fp: usize) -> impl Iterator<Item = Frame> + use<'_, 'a> {
        let mut called = fp;
        std::iter::from_fn(move || {
            // The frame was called by the one whose frame pointer it has saved.
            let fp = self.word(called)?;
            let return_address = self.word(called.checked_add(8)?)?;
            if fp <= called || fp >= self.usable.end {
                return None;
            }
            called = fp;
            Some(Frame { return_address, fp })
        })
    }

    /// Where wasm was left, for each entry that has not returned, innermost first: the frame
    /// pointer of the trampoline that left it.
    pub(crate) fn exits(&self) -> impl Iterator<Item = usize> + use<'a> {
        let RestingStack { mut exit_fp, mut host_sp, .. } = *self;
        std::iter::from_fn(move || {
            if exit_fp == 0 || host_sp == 0 {
                return None;
            }
            let exit = exit_fp;
            // SAFETY: `host_sp` is the frame of an entry trampoline that has not returned.
            (exit_fp, host_sp) = unsafe {
                let word = |offset| ((host_sp + offset) as *const usize).read();
                (word(FRAME_OLD_EXIT_FP), word(FRAME_OLD_HOST_SP))
            };
            Some(exit)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resting(stack: &WasmStack) -> RestingStack<'_> {
        // SAFETY: nothing was entered on it, and none of it runs.
        unsafe { RestingStack::new(stack, 0, 0) }
    }

    /// What a walk from offset 0 gives, as (return address, offset of the frame), where frames are
    /// written at these offsets from the lowest usable word: the offset of the caller's (or an
    /// address itself), and the return address.
    fn walked(frames: &[(usize, usize, usize)]) -> Vec<(usize, usize)> {
        let stack = WasmStack::new(64 << 10, None).unwrap();
        let base = stack.usable().start;
        for &(at, caller, return_address) in frames {
            // Small numbers are offsets.
            let caller = if caller < 1 << 20 { base + caller } else { caller };
            // SAFETY: the tests' offsets are inside of the stack, which nobody else uses.
            unsafe { ((base + at) as *mut [usize; 2]).write_unaligned([caller, return_address]) };
        }
        let stack = resting(&stack);
        // More than any of them has.
        stack.callers(base).take(100).map(|frame| (frame.return_address, frame.fp - base)).collect()
    }

    #[test]
    fn frames_are_followed_upwards_and_no_further_than_the_stack() {
        let size = 64 << 10;
        let far = usize::MAX - 7;
        assert_eq!(walked(&[(0, 64, 1), (64, 128, 2), (128, far, 3)]), [(1, 64), (2, 128)]);
        // The highest frame that there can be, and ones that are not all inside.
        assert_eq!(walked(&[(0, size - 16, 1), (size - 16, far, 2)]), [(1, size - 16)]);
        assert_eq!(walked(&[(0, size - 8, 1)]), [(1, size - 8)]);
        assert_eq!(walked(&[(0, size, 1)]), []);
        // Whatever stands there, it ends: itself, downwards, between words, null, everything.
        for (caller, seen) in [(64, 1), (0, 1), (56, 1), (60, 1), (1 << 40, 1), (far, 1)] {
            assert_eq!(walked(&[(0, 64, 1), (64, caller, 2)]).len(), seen, "{caller:#x}");
        }
        assert_eq!(walked(&[(0, 68, 1), (68, 128, 2)]), [(1, 68)], "no frame is between words");
    }

    #[test]
    fn words_and_halves_are_read_inside_alone() {
        let stack = WasmStack::new(64 << 10, None).unwrap();
        let (start, end) = (stack.usable().start, stack.usable().end);
        let stack = resting(&stack);
        for (address, word, half) in [
            (start, true, true),
            (start - 8, false, false),
            (start - 4, false, false),
            (start + 4, false, true),
            (start + 2, false, false),
            (end - 8, true, true),
            (end - 4, false, true),
            (end, false, false),
            (0, false, false),
            (usize::MAX - 7, false, false),
        ] {
            assert_eq!((stack.word(address).is_some(), stack.half(address).is_some()), (word, half), "{address:#x}");
        }
    }
}
