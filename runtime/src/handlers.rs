//! The search for the handler of an exception, which only looks: see [`crate::exception`].

use crate::activation::Shared;
use crate::walk::{Frame, RestingStack};
use sconce_environ::vm::VmTag;

/// Where an exception is handled.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Handler {
    pub pc: usize,
    pub sp: usize,
    pub fp: usize,
    /// Whether it wants the exception itself, not its values alone.
    pub wants_exception: bool,
}

/// The handler of an exception that is thrown where wasm was left.
pub(crate) fn search(shared: &Shared, tag: *const VmTag) -> Option<Handler> {
    // SAFETY: wasm was left to throw, and is entered again when the handler is known.
    let stack = unsafe { shared.current_stack() };
    stack.callers(stack.exit_fp()).find_map(|frame| handler(shared, &stack, frame, tag))
}

/// The handler of a frame: the first that takes this tag.
fn handler(shared: &Shared, stack: &RestingStack<'_>, frame: Frame, tag: *const VmTag) -> Option<Handler> {
    let Frame { return_address, fp } = frame;
    // SAFETY: the store's stack names only code of its own instances, which it keeps.
    let call = unsafe { shared.code.at(return_address.wrapping_sub(1))? };
    let handlers = call.handlers()?;
    let sp = fp - handlers.frame_size as usize;
    let vmctx = stack.word(fp.wrapping_add_signed(handlers.vmctx as isize))?;
    for handler in handlers {
        let takes = handler.tag.is_none_or(|offset| {
            // SAFETY: the frame keeps its context there, in which a pointer to the tag stands at
            // this offset.
            let own = unsafe { ((vmctx + offset as usize) as *const *const VmTag).read() };
            own == tag
        });
        if takes {
            let pc = call.address(handler.code_offset);
            return Some(Handler { pc, sp, fp, wants_exception: handler.wants_exception });
        }
    }
    None
}
