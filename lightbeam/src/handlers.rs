//! Handlers of exceptions: which ones a call reaches, and what each does.
//!
//! A handler knows the one that is asked next: the chain from the `current` one is what an exception of
//! the operator that is being compiled asks.

use sconce_environ::compile::CallSite;
use sconce_environ::handlers::{Handler, HandlerLists};
use sconce_environ::index::TagIndex;
use sconce_x64::encode::{Encoder, Label};

/// What a handler does.
#[derive(Copy, Clone, Debug)]
pub(crate) struct HandlerCode {
    pub(crate) tag: Option<TagIndex>,
    pub(crate) with_exception: bool,
    /// The slot position of the label's first value.
    pub(crate) height: u32,
    /// Whether the label takes one value, in a register.
    pub(crate) to_register: bool,
}

/// A handler that exceptions reach from where code is being generated.
#[derive(Copy, Clone, Debug)]
pub(crate) struct ActiveHandler {
    /// Offset of the tag in the VM context; `None` is every exception.
    pub(crate) tag: Option<u32>,
    pub(crate) wants_exception: bool,
    pub(crate) label: Label,
}

/// A call in a try region.
#[derive(Debug)]
struct PendingCallSite {
    return_offset: u32,
    /// The first of the handlers around it.
    handlers: u32,
}

/// All handlers of a function so far, and the calls that reach them.
#[derive(Debug, Default)]
pub(crate) struct Handlers {
    /// Each with the number of the one that is asked next.
    list: Vec<(ActiveHandler, Option<u32>)>,
    current: Option<u32>,
    codes: Vec<HandlerCode>,
    call_sites: Vec<PendingCallSite>,
}

impl Handlers {
    /// Adds what a handler does, and gives its number.
    pub(crate) fn add_code(&mut self, code: HandlerCode) -> u32 {
        self.codes.push(code);
        self.codes.len() as u32 - 1
    }

    pub(crate) fn code(&self, number: u32) -> HandlerCode {
        self.codes[number as usize]
    }

    /// The handler is asked first from now on.
    pub(crate) fn enter(&mut self, handler: ActiveHandler) {
        self.list.push((handler, self.current));
        self.current = Some(self.list.len() as u32 - 1);
    }

    /// The one that is asked first.
    pub(crate) fn current(&self) -> Option<u32> {
        self.current
    }

    /// From now on it is this one, as it was outside of a block that ends.
    pub(crate) fn restore(&mut self, outside: Option<u32>) {
        self.current = outside;
    }

    /// The call that returns to this offset may continue in a handler.
    pub(crate) fn call_site(&mut self, return_offset: u32) {
        if let Some(handlers) = self.current {
            self.call_sites.push(PendingCallSite { return_offset, handlers });
        }
    }

    /// The call sites, now that everything has its place. `frame_size` is what is below rbp, `vmctx` where the context is.
    pub(crate) fn finish(self, e: &Encoder, frame_size: u32, vmctx: Option<i32>) -> (Vec<CallSite>, HandlerLists) {
        let mut lists = HandlerLists::default();
        for (handler, next) in self.list {
            let ActiveHandler { tag, wants_exception, label } = handler;
            let code_offset = e.position(label).expect("stubs were emitted");
            lists.push(Handler { tag, wants_exception, code_offset }, next);
        }
        let finish = |PendingCallSite { return_offset, handlers }| {
            let vmctx = vmctx.expect("the prologue put it there");
            CallSite { return_offset, frame_size, vmctx, handlers }
        };
        (self.call_sites.into_iter().map(finish).collect(), lists)
    }
}
