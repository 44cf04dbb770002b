//! The second walk's state: the abstract stack, registers, the frame, and what will become the function's tables.
//!
//! Invariants:
//! - An i32 or a handle in a register is zero-extended to 64 bits. Addresses rely on it.
//! - Entries below `settled` are in slots or constants: no search ever goes below it. At most `WINDOW` entries (`stack`) are above.
//! - `Flags` is on top, and the next operator consumes it: nothing else happens in between but moves, which leave flags alone.
//! - A value in slot `n` is that of stack position `n`.

use crate::body::Body;
use crate::exception::HandlerCode;
use crate::features::Features;
use crate::frame_layout::FrameLayout;
use crate::local::{Local, UNPINNED};
use crate::moves::Moves;
use crate::register_file::RegisterFile;
use crate::stack::Stack;
use crate::tables::Tables;
use crate::value::{Flag, Ty, Value};
use sconce_environ::block::Types;
use sconce_environ::compile::Settings;
use sconce_environ::layout::VmLayout;
use sconce_environ::locals::DeclaredLocals;
use sconce_environ::module::Module;
use sconce_environ::trap::TrapCode;
use sconce_x64::asm::{Gpr, Xmm};
use sconce_x64::encode::{Encoder, Label};

/// Holds the callee's, and every callee's, VM context.
pub(crate) const VMCTX: Gpr = Gpr::R14;

/// What kind of block a frame stands for.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A `block`, the function itself, or an `if` after its `else`.
    Block,
    Loop,
    /// An `if` before its `else`: where the condition does not hold.
    If(Label),
}

/// A block that has not ended.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Frame<'a> {
    pub(crate) kind: Kind,
    /// Where branches go.
    pub(crate) label: Label,
    /// Whether anything goes to the label of a block.
    pub(crate) branched: bool,
    /// Length of the stack below the parameters.
    pub(crate) height: u32,
    pub(crate) params: Types<'a>,
    pub(crate) results: Types<'a>,
    /// The handlers outside, as in [`Codegen::handlers`].
    pub(crate) handlers: Option<u32>,
    /// For a `br_table`: the last one that named this frame, and its label there.
    pub(crate) stub: (u32, Label),
}

/// A local that is pinned for a loop.
#[derive(Copy, Clone, Debug)]
pub(crate) struct LoopPin {
    pub(crate) local: u32,
    pub(crate) pin: u8,
    /// Whether the loop writes it: then it goes home where the loop is left.
    pub(crate) written: bool,
}

/// A loop for which locals are pinned.
#[derive(Copy, Clone, Debug)]
pub(crate) struct PinnedLoop {
    /// Its frame's position in `control`.
    pub(crate) frame: usize,
    /// Its run in `loop_pins`.
    pub(crate) from: u32,
    pub(crate) to: u32,
}

/// Code that is emitted behind the function.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Stub {
    pub(crate) label: Label,
    pub(crate) wasm_offset: u32,
    pub(crate) kind: StubKind,
}

#[derive(Copy, Clone, Debug)]
pub(crate) enum StubKind {
    Trap(TrapCode),
    /// A float that does not fit: which trap depends on whether it is a number.
    BadConversion {
        float: Xmm,
        ty: Ty,
    },
    /// A table entry (its address) of another type: which trap depends on whether it is null.
    BadSignature {
        entry: Gpr,
    },
    /// A conditional branch out of a loop with pinned locals: they go home first.
    Leave {
        target: Label,
        from: u32,
        to: u32,
    },
    /// The rest of a barrier; which one, in `slow_paths`.
    SlowPath(u32),
    /// A clause of a try region; which one, in `handler_codes`.
    Handler {
        target: Label,
        code: u32,
    },
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
pub(crate) struct PendingCallSite {
    pub(crate) return_offset: u32,
    /// The first of those around it.
    pub(crate) handlers: u32,
}

/// What a function leaves behind for the next one: allocations.
#[derive(Debug)]
pub(crate) struct Buffers {
    pub(crate) encoder: Encoder,
    pub(crate) stack: Stack,
    pub(crate) declared: DeclaredLocals,
    pub(crate) locals: Vec<Local>,
    pub(crate) control: Vec<Frame<'static>>,
    pub(crate) stubs: Vec<Stub>,
    pub(crate) moves: Moves,
}

impl Buffers {
    pub(crate) fn new(features: Features) -> Buffers {
        Buffers {
            encoder: Encoder::new(features.avx),
            stack: Stack::default(),
            declared: DeclaredLocals::default(),
            locals: Vec::new(),
            control: Vec::new(),
            stubs: Vec::new(),
            moves: Moves::default(),
        }
    }

    pub(crate) fn clear(&mut self) {
        self.encoder.clear();
        self.stack.clear();
        self.locals.clear();
        self.stubs.clear();
    }

    /// Bytes that are kept, about.
    pub(crate) fn capacity(&self) -> usize {
        self.encoder.capacity()
            + self.stack.capacity()
            + size_of::<Frame<'_>>() * self.control.capacity()
            + size_of::<Local>() * self.locals.capacity()
            + size_of::<Stub>() * self.stubs.capacity()
    }
}

/// Everything that the families work on.
#[derive(Debug)]
pub(crate) struct Codegen<'a> {
    pub(crate) module: &'a Module,
    pub(crate) layout: &'a VmLayout,
    pub(crate) settings: &'a Settings,
    pub(crate) features: Features,
    pub(crate) body: Body<'a>,
    pub(crate) tables: Tables,

    pub(crate) e: Encoder,
    pub(crate) stack: Stack,
    pub(crate) control: Vec<Frame<'a>>,
    pub(crate) dead_blocks: u32,
    pub(crate) reachable: bool,

    pub(crate) gprs: RegisterFile<Gpr>,
    pub(crate) xmms: RegisterFile<Xmm>,

    /// By number: [`crate::summary::Summary::locals`].
    pub(crate) locals: Vec<Local>,
    pub(crate) frame: FrameLayout,
    /// Where in the code the prologue makes room for it.
    pub(crate) frame_made: u32,
    /// Where memory 0's base is, if it has a register.
    pub(crate) memory_base: Option<Gpr>,

    pub(crate) stubs: Vec<Stub>,
    pub(crate) moves: Moves,
    pub(crate) br_tables: u32,
    pub(crate) summary: &'a crate::summary::Summary,
    pub(crate) loop_number: usize,
    /// Locals that are, or were, pinned for a loop.
    pub(crate) loop_pins: Vec<LoopPin>,
    /// Where the code of small loops is.
    pub(crate) small_loops: Vec<std::ops::Range<u32>>,
    /// The loop for which locals are pinned now.
    pub(crate) pinned_loop: Option<PinnedLoop>,
    /// All handlers, each with the number of the one that is asked next.
    pub(crate) handler_list: Vec<(ActiveHandler, Option<u32>)>,
    /// The first that an exception of the operator asks.
    pub(crate) handlers: Option<u32>,
    pub(crate) handler_codes: Vec<HandlerCode>,
    pub(crate) call_sites: Vec<PendingCallSite>,
    pub(crate) slow_paths: Vec<crate::barrier::SlowPath>,
    pub(crate) failure: Option<String>,
}

impl Codegen<'_> {
    // ---- What comes next.

    /// Pushes a condition as an i32.
    #[inline(always)]
    pub(crate) fn push_flag(&mut self, flag: Flag) {
        if self.body.flags_wanted() {
            self.push(Value::Flags(flag));
        } else {
            let r = self.result_gpr();
            self.set_flag(r, flag);
            self.push_gpr(Ty::I32, r);
        }
    }

    /// The local that the next operator sets, if the result could be made right there: in its pinned register. Not if anything
    /// on the stack still means the local's present value.
    #[inline(always)]
    fn destination(&mut self, is_int: bool) -> Option<u8> {
        let local = self.summary.locals.number(self.body.next_sets()?);
        let Local { ty, pin, .. } = self.locals[local as usize];
        if pin == UNPINNED || ty.is_int() != is_int || self.is_aliased(local) {
            return None;
        }
        Some(pin)
    }

    /// A register for the result of an operator whose operands are popped but may still be read.
    #[inline(always)]
    pub(crate) fn result_gpr(&mut self) -> Gpr {
        match self.destination(true) {
            Some(pin) => Gpr::ALL[pin as usize & 15],
            None => self.alloc_gpr(),
        }
    }

    /// The pinned register that the next operator wants the result in.
    #[inline(always)]
    pub(crate) fn wanted_gpr(&mut self) -> Option<Gpr> {
        self.destination(true).map(|pin| Gpr::ALL[pin as usize & 15])
    }

    #[inline(always)]
    pub(crate) fn wanted_xmm(&mut self) -> Option<Xmm> {
        self.destination(false).map(Xmm)
    }

    // ---- Tables.

    /// The instruction that comes next traps if it faults.
    #[inline(always)]
    pub(crate) fn may_trap(&mut self, code: TrapCode) {
        self.tables.trap(self.e.offset(), code);
    }

    /// A label behind the function that traps.
    pub(crate) fn trap_label(&mut self, code: TrapCode) -> Label {
        self.stub(StubKind::Trap(code))
    }

    pub(crate) fn stub(&mut self, kind: StubKind) -> Label {
        let label = self.e.label();
        let wasm_offset = self.body.wasm_offset();
        self.stubs.push(Stub { label, wasm_offset, kind });
        label
    }
}
