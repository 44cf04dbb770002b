//! The second walk's state: the abstract stack, registers, the frame, and what will become the function's tables.
//!
//! Invariants:
//! - A register that can be allocated is free, or belongs to one stack entry (`owners` says to which), or is in the hands of the
//!   operator that is being compiled. Registers of pinned locals are none of these.
//! - An i32 or a handle in a register is zero-extended to 64 bits. Addresses rely on it.
//! - Entries below `settled` are in slots or constants: no search ever goes below it. At most [`WINDOW`] entries are above.
//! - `Flags` is on top, and the next operator consumes it: nothing else happens in between but moves, which leave flags alone.
//! - A value in slot `n` is that of stack position `n`.
//! - A free register with a `cached` local holds that local's value.

use crate::exception::HandlerCode;
use crate::frame::Saved;
use crate::value::{Flag, Ty, Value};
use sconce_environ::block::Types;
use sconce_environ::compile::{Reloc, Settings, StackMap};
use sconce_environ::layout::VmLayout;
use sconce_environ::module::Module;
use sconce_environ::trap::TrapCode;
use sconce_x64::asm::{Gpr, Xmm};
use sconce_x64::encode::{Addr, Encoder, Label, Rm, Size};
use sconce_x64::sse;

/// Holds the callee's, and every callee's, VM context.
pub(crate) const VMCTX: Gpr = Gpr::R14;
/// Never allocated: for a few instructions at a time.
pub(crate) const SCRATCH: Gpr = Gpr::R11;
/// The same of vectors.
pub(crate) const XSCRATCH: Xmm = sse::SCRATCH;

/// Registers that operators may use, by number. Locals may be pinned in others.
pub(crate) const GPRS: u32 = 0b0000_0111_1100_0111;
/// The same of vectors: all but the scratch register.
pub(crate) const XMMS: u32 = 0x7fff;

/// Entries of the stack that may be elsewhere than in slots.
const WINDOW: usize = 32;

/// No stack entry, no local, no register.
pub(crate) const NONE: u32 = u32::MAX;

/// Instructions that the processor may or may not have.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Features {
    pub(crate) avx: bool,
    pub(crate) popcnt: bool,
    pub(crate) lzcnt: bool,
    pub(crate) bmi1: bool,
    pub(crate) bmi2: bool,
    pub(crate) sse42: bool,
}

/// A local.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Local {
    pub(crate) ty: Ty,
    /// Its place in the frame, relative to rbp.
    pub(crate) home: i32,
    /// Number of the register that it is pinned in, or [`UNPINNED`].
    pub(crate) pin: u8,
    /// Number of the register that may have its value besides, or [`UNPINNED`].
    pub(crate) cache: u8,
}

pub(crate) const UNPINNED: u8 = 0xff;

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
    /// How many handlers were active outside.
    pub(crate) handlers: usize,
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
    pub(crate) handlers: Vec<ActiveHandler>,
}

/// What a function leaves behind for the next one: allocations.
#[derive(Debug)]
pub(crate) struct Buffers {
    pub(crate) encoder: Encoder,
    pub(crate) stack: Vec<Value>,
    pub(crate) locals: Vec<Local>,
    pub(crate) pool: Vec<u128>,
    pub(crate) traps: Vec<(u32, TrapCode)>,
    pub(crate) wasm_offsets: Vec<(u32, u32)>,
    pub(crate) stubs: Vec<Stub>,
    pub(crate) moves: Vec<(u8, u8)>,
}

impl Buffers {
    pub(crate) fn new(features: Features) -> Buffers {
        Buffers {
            encoder: Encoder::new(features.avx),
            stack: Vec::new(),
            locals: Vec::new(),
            pool: Vec::new(),
            traps: Vec::new(),
            wasm_offsets: Vec::new(),
            stubs: Vec::new(),
            moves: Vec::new(),
        }
    }

    pub(crate) fn clear(&mut self) {
        self.encoder.clear();
        self.stack.clear();
        self.locals.clear();
        self.pool.clear();
        self.traps.clear();
        self.wasm_offsets.clear();
        self.stubs.clear();
        self.moves.clear();
    }

    /// Bytes that are kept, about.
    pub(crate) fn capacity(&self) -> usize {
        self.encoder.capacity()
            + 8 * (self.stack.capacity() + self.traps.capacity() + self.wasm_offsets.capacity())
            + size_of::<Local>() * self.locals.capacity()
            + size_of::<Stub>() * self.stubs.capacity()
            + 16 * self.pool.capacity()
    }
}

/// Everything that the families work on.
#[derive(Debug)]
pub(crate) struct Codegen<'a> {
    pub(crate) module: &'a Module,
    pub(crate) layout: &'a VmLayout,
    pub(crate) settings: &'a Settings,
    pub(crate) features: Features,
    pub(crate) body: &'a [u8],
    /// Where the operator that is being compiled begins: in the body, in the module, in the code.
    pub(crate) position: usize,
    pub(crate) body_offset: u32,

    pub(crate) e: Encoder,
    pub(crate) stack: Vec<Value>,
    pub(crate) settled: usize,
    pub(crate) control: Vec<Frame<'a>>,
    pub(crate) dead_blocks: u32,
    pub(crate) reachable: bool,

    pub(crate) free_gprs: u32,
    pub(crate) free_xmms: u32,
    /// Which registers are for operators: those that no local is pinned in.
    pub(crate) gprs: u32,
    pub(crate) xmms: u32,
    pub(crate) gpr_owners: [u32; 16],
    pub(crate) xmm_owners: [u32; 16],
    pub(crate) cached_gprs: u32,
    pub(crate) cached_xmms: u32,
    pub(crate) gpr_caches: [u32; 16],
    pub(crate) xmm_caches: [u32; 16],

    pub(crate) locals: Vec<Local>,
    /// Constants that do not fit into a stack entry.
    pub(crate) pool: Vec<u128>,
    /// Offset from rbp of slot 0, and bytes of each; slots go downwards.
    pub(crate) slots: i32,
    pub(crate) stride: i32,
    /// How many slots are in use.
    pub(crate) slot_count: u32,
    /// Where memory 0's base is, if it has a register.
    pub(crate) memory_base: Option<Gpr>,
    /// Frame offset of the result buffer's address.
    pub(crate) buffer_home: Option<i32>,
    /// Positions of handles on the stack.
    pub(crate) handles: Vec<u32>,
    /// Homes of locals that are handles.
    pub(crate) handle_homes: Vec<i32>,

    pub(crate) traps: Vec<(u32, TrapCode)>,
    pub(crate) wasm_offsets: Vec<(u32, u32)>,
    pub(crate) stack_maps: Vec<StackMap>,
    pub(crate) relocs: Vec<Reloc>,
    pub(crate) stubs: Vec<Stub>,
    pub(crate) moves: Vec<(u8, u8)>,
    pub(crate) br_tables: u32,
    pub(crate) summary: &'a crate::summary::Summary,
    pub(crate) loop_number: usize,
    /// Locals that are, or were, pinned for a loop.
    pub(crate) loop_pins: Vec<LoopPin>,
    /// The loop for which locals are pinned now.
    pub(crate) pinned_loop: Option<PinnedLoop>,
    /// Frame offset of the VM context, if there are handlers.
    pub(crate) vmctx_home: Option<i32>,
    /// Handlers of the try regions around the operator, innermost last.
    pub(crate) handlers: Vec<ActiveHandler>,
    pub(crate) handler_codes: Vec<HandlerCode>,
    pub(crate) call_sites: Vec<PendingCallSite>,
    /// What the prologue saved.
    pub(crate) saved: Saved,
    /// Runs of instructions that no interrupt may cut.
    pub(crate) uninterruptible: Vec<(u32, u32)>,
    pub(crate) failure: Option<String>,
}

#[inline(always)]
pub(crate) fn bit(r: Gpr) -> u32 {
    1 << r as u32
}

#[inline(always)]
pub(crate) fn xbit(x: Xmm) -> u32 {
    1 << u32::from(x.0)
}

impl Codegen<'_> {
    // ---- The stack.

    #[inline(always)]
    pub(crate) fn push(&mut self, value: Value) {
        let at = self.stack.len();
        match value {
            Value::Gpr(_, r) => self.gpr_owners[r as usize] = at as u32,
            Value::Xmm(_, x) => self.xmm_owners[x.0 as usize] = at as u32,
            _ => {}
        }
        if value.ty() == Ty::Handle {
            self.handles.push(at as u32);
        }
        self.stack.push(value);
        if at - self.settled >= WINDOW {
            self.settle_to(at - WINDOW / 2);
        }
    }

    /// The topmost value, whose register is now the caller's.
    #[inline(always)]
    pub(crate) fn pop(&mut self) -> Value {
        let value = self.stack.pop().expect("validated: the stack has an operand");
        self.settled = self.settled.min(self.stack.len());
        match value {
            Value::Gpr(ty, r) => {
                self.gpr_owners[r as usize] = NONE;
                if ty == Ty::Handle {
                    self.handles.pop();
                }
            }
            Value::Xmm(_, x) => self.xmm_owners[x.0 as usize] = NONE,
            other => {
                if other.ty() == Ty::Handle {
                    self.handles.pop();
                }
            }
        }
        value
    }

    /// Drops all entries from this position on.
    pub(crate) fn truncate(&mut self, len: usize) {
        while self.stack.len() > len {
            // Nothing below is in a register.
            if self.stack.len() <= self.settled && self.handles.is_empty() {
                self.stack.truncate(len);
                self.settled = len;
                return;
            }
            let value = self.pop();
            self.release(value);
        }
    }

    /// Puts every entry below `to` into its slot, unless it is a constant.
    pub(crate) fn settle_to(&mut self, to: usize) {
        for at in self.settled..to {
            self.settle(at);
        }
        self.settled = self.settled.max(to);
    }

    /// Puts one entry into its slot, unless it is a constant.
    pub(crate) fn settle(&mut self, at: usize) {
        match self.stack[at] {
            Value::Const(..) | Value::Pool(..) | Value::Slot(..) => {}
            _ => self.spill(at),
        }
    }

    /// Puts one entry into its slot, constants too.
    pub(crate) fn spill(&mut self, at: usize) {
        let value = self.stack[at];
        if matches!(value, Value::Slot(..)) {
            return;
        }
        let to = self.slot(at as u32);
        self.store_value(to, value);
        match value {
            Value::Gpr(_, r) => {
                self.gpr_owners[r as usize] = NONE;
                self.free_gprs |= bit(r) & self.gprs;
            }
            Value::Xmm(_, x) => {
                self.xmm_owners[x.0 as usize] = NONE;
                self.free_xmms |= xbit(x) & self.xmms;
            }
            _ => {}
        }
        self.stack[at] = Value::Slot(value.ty(), at as u32);
    }

    /// The slot of a stack position, which is in use from now on.
    #[inline]
    pub(crate) fn slot(&mut self, position: u32) -> Addr {
        self.slot_count = self.slot_count.max(position + 1);
        self.slot_addr(position)
    }

    #[inline]
    pub(crate) fn slot_addr(&self, position: u32) -> Addr {
        // Frames are far smaller than 2 GiB: a body has at most 7,654,321 bytes.
        Addr::new(Gpr::Rbp, self.slots - self.stride * (position as i32 + 1))
    }

    // ---- Registers.

    /// Evicts nothing that the current operator holds, since that is on the stack no longer.
    #[inline(always)]
    pub(crate) fn alloc_gpr(&mut self) -> Gpr {
        let free = match self.free_gprs & !self.cached_gprs {
            0 => self.free_gprs,
            empty => empty,
        };
        let r = if free == 0 { self.evict_gpr() } else { Gpr::ALL[free.trailing_zeros() as usize] };
        self.take_free_gpr(r);
        r
    }

    #[inline(always)]
    fn take_free_gpr(&mut self, r: Gpr) {
        self.free_gprs &= !bit(r);
        self.forget_gpr(r);
    }

    #[cold]
    #[inline(never)]
    fn evict_gpr(&mut self) -> Gpr {
        let mut best = (NONE, Gpr::Rax);
        for r in Gpr::ALL {
            if self.gprs & bit(r) != 0 && self.gpr_owners[r as usize] < best.0 {
                best = (self.gpr_owners[r as usize], r);
            }
        }
        assert_ne!(best.0, NONE, "an operator holds fewer registers than there are");
        self.spill(best.0 as usize);
        best.1
    }

    #[inline(always)]
    pub(crate) fn alloc_xmm(&mut self) -> Xmm {
        let free = match self.free_xmms & !self.cached_xmms {
            0 => self.free_xmms,
            empty => empty,
        };
        let x = if free == 0 { self.evict_xmm() } else { Xmm(free.trailing_zeros() as u8) };
        self.free_xmms &= !xbit(x);
        self.forget_xmm(x);
        x
    }

    #[cold]
    #[inline(never)]
    fn evict_xmm(&mut self) -> Xmm {
        let mut best = (NONE, Xmm(0));
        for n in 0..15 {
            if self.xmms & 1 << n != 0 && self.xmm_owners[n as usize] < best.0 {
                best = (self.xmm_owners[n as usize], Xmm(n));
            }
        }
        assert_ne!(best.0, NONE, "an operator holds fewer registers than there are");
        self.spill(best.0 as usize);
        best.1
    }

    /// Takes a certain register, and moves what is in it elsewhere. The caller does not hold it, and it is none of a pinned local.
    pub(crate) fn acquire_gpr(&mut self, r: Gpr) {
        if self.free_gprs & bit(r) == 0 {
            let owner = self.gpr_owners[r as usize];
            debug_assert_ne!(owner, NONE, "{r:?} is in use");
            if self.free_gprs != 0 {
                let ty = self.stack[owner as usize].ty();
                let to = self.alloc_gpr();
                self.e.mov(Size::S64, to, r);
                self.gpr_owners[r as usize] = NONE;
                self.gpr_owners[to as usize] = owner;
                self.stack[owner as usize] = Value::Gpr(ty, to);
                self.free_gprs |= bit(r);
            } else {
                self.spill(owner as usize);
            }
        }
        self.take_free_gpr(r);
    }

    /// The same of a vector register.
    pub(crate) fn acquire_xmm(&mut self, x: Xmm) {
        if self.free_xmms & xbit(x) == 0 {
            let owner = self.xmm_owners[x.0 as usize];
            debug_assert_ne!(owner, NONE, "{x:?} is in use");
            self.spill(owner as usize);
        }
        self.free_xmms &= !xbit(x);
        self.forget_xmm(x);
    }

    #[inline(always)]
    pub(crate) fn free_gpr(&mut self, r: Gpr) {
        self.free_gprs |= bit(r) & self.gprs;
    }

    #[inline(always)]
    pub(crate) fn free_xmm(&mut self, x: Xmm) {
        self.free_xmms |= xbit(x) & self.xmms;
    }

    /// Gives back the register of a value that was popped.
    #[inline(always)]
    pub(crate) fn release(&mut self, value: Value) {
        match value {
            Value::Gpr(_, r) => self.free_gpr(r),
            Value::Xmm(_, x) => self.free_xmm(x),
            _ => {}
        }
    }

    /// Whether a register is one that an operator may overwrite once it holds it.
    #[inline(always)]
    pub(crate) fn is_temporary(&self, r: Gpr) -> bool {
        self.gprs & bit(r) != 0
    }

    #[inline(always)]
    pub(crate) fn is_temporary_xmm(&self, x: Xmm) -> bool {
        self.xmms & xbit(x) != 0
    }

    /// All registers become free: at labels, and after calls and branches.
    pub(crate) fn reset_registers(&mut self) {
        self.free_gprs = self.gprs;
        self.free_xmms = self.xmms;
        self.gpr_owners = [NONE; 16];
        self.xmm_owners = [NONE; 16];
        self.forget_caches();
    }

    // ---- Registers that have a local's value besides.

    pub(crate) fn forget_caches(&mut self) {
        self.cached_gprs = 0;
        self.cached_xmms = 0;
    }

    #[inline(always)]
    pub(crate) fn forget_gpr(&mut self, r: Gpr) {
        self.cached_gprs &= !bit(r);
    }

    #[inline(always)]
    pub(crate) fn forget_xmm(&mut self, x: Xmm) {
        self.cached_xmms &= !xbit(x);
    }

    /// From now on the register has the local's value. It stays cached when it becomes free.
    #[inline(always)]
    pub(crate) fn cache_gpr(&mut self, local: u32, r: Gpr) {
        if self.is_temporary(r) {
            self.cached_gprs |= bit(r);
            self.gpr_caches[r as usize] = local;
            self.locals[local as usize].cache = r as u8;
        }
    }

    #[inline(always)]
    pub(crate) fn cache_xmm(&mut self, local: u32, x: Xmm) {
        if self.is_temporary_xmm(x) {
            self.cached_xmms |= xbit(x);
            self.xmm_caches[x.0 as usize] = local;
            self.locals[local as usize].cache = x.0;
        }
    }

    /// The local's value changes: no register has it.
    #[inline(always)]
    pub(crate) fn forget_local(&mut self, local: u32) {
        let Local { ty, cache, .. } = self.locals[local as usize];
        if cache != UNPINNED {
            if ty.is_int() {
                if self.gpr_caches[cache as usize & 15] == local {
                    self.cached_gprs &= !(1 << cache);
                }
            } else if self.xmm_caches[cache as usize & 15] == local {
                self.cached_xmms &= !(1 << cache);
            }
            self.locals[local as usize].cache = UNPINNED;
        }
    }

    /// The register that has the value of a local without a pin, whether it is free or not.
    #[inline(always)]
    pub(crate) fn cached_gpr(&self, local: u32) -> Option<Gpr> {
        let cache = self.locals[local as usize].cache;
        let valid = cache != UNPINNED && self.cached_gprs & 1 << cache != 0 && self.gpr_caches[cache as usize & 15] == local;
        valid.then(|| Gpr::ALL[cache as usize & 15])
    }

    #[inline(always)]
    pub(crate) fn cached_xmm(&self, local: u32) -> Option<Xmm> {
        let cache = self.locals[local as usize].cache;
        let valid = cache != UNPINNED && self.cached_xmms & 1 << cache != 0 && self.xmm_caches[cache as usize & 15] == local;
        valid.then_some(Xmm(cache))
    }

    // ---- Operands.

    /// Where a value can be read, if it is not a constant. It holds until a register is allocated.
    #[inline(always)]
    pub(crate) fn rm(&mut self, value: Value) -> Rm {
        match value {
            Value::Gpr(_, r) => r.into(),
            Value::Xmm(_, x) => x.into(),
            Value::Slot(_, at) => self.slot_addr(at).into(),
            Value::Local(ty, n) => self.local_rm(ty, n),
            Value::Const(..) | Value::Pool(..) | Value::Flags(_) => unreachable!("not an operand in place"),
        }
    }

    #[inline(always)]
    pub(crate) fn local_rm(&self, ty: Ty, n: u32) -> Rm {
        let local = &self.locals[n as usize];
        if local.pin != UNPINNED {
            return Rm::Reg(local.pin);
        }
        let cached = if ty.is_int() { self.cached_gpr(n).map(Rm::from) } else { self.cached_xmm(n).map(Rm::from) };
        cached.unwrap_or(Rm::Mem(Addr::new(Gpr::Rbp, local.home)))
    }

    /// An integer in a register, only to be read; to be given back with [`Codegen::free_gpr`].
    #[inline]
    pub(crate) fn gpr(&mut self, value: Value) -> Gpr {
        match value {
            Value::Gpr(_, r) => r,
            Value::Local(_, n) => {
                if let Local { pin: pin @ 0..16, .. } = self.locals[n as usize] {
                    return Gpr::ALL[pin as usize];
                }
                // One that is in use belongs to somebody who gives it back.
                if let Some(r) = self.cached_gpr(n)
                    && self.free_gprs & bit(r) != 0
                {
                    self.free_gprs &= !bit(r);
                    return r;
                }
                let r = self.alloc_gpr();
                self.load_gpr(r, value);
                self.cache_gpr(n, r);
                r
            }
            _ => {
                let r = self.alloc_gpr();
                self.load_gpr(r, value);
                r
            }
        }
    }

    /// An integer in a register that may be overwritten.
    #[inline]
    pub(crate) fn own_gpr(&mut self, value: Value) -> Gpr {
        if let Value::Gpr(_, r) = value
            && self.is_temporary(r)
        {
            self.forget_gpr(r);
            return r;
        }
        let r = self.alloc_gpr();
        self.load_gpr(r, value);
        r
    }

    /// `r = value`, flags left alone.
    pub(crate) fn load_gpr(&mut self, r: Gpr, value: Value) {
        let size = value.ty().size();
        match value {
            Value::Const(_, bits) => self.e.mov_imm(size, r, i64::from(bits.cast_signed())),
            Value::Pool(_, n) => self.e.mov_imm(Size::S64, r, self.pool[n as usize] as i64),
            Value::Flags(flag) => self.set_flag(r, flag),
            _ => match self.rm(value) {
                // The upper half of a register is zero already, and moving all is as cheap.
                Rm::Reg(s) if s == r as u8 => {}
                Rm::Reg(s) => self.e.mov(size, r, Gpr::ALL[s as usize & 15]),
                Rm::Mem(a) => self.e.load(size, r, a),
                Rm::Constant(_) => unreachable!("integers are immediates"),
            },
        }
    }

    fn set_flag(&mut self, r: Gpr, flag: Flag) {
        use sconce_x64::encode::{Cond, Extend};
        match flag {
            Flag::Is(cond) => {
                self.e.setcc(cond, r);
                self.e.extend(Extend::Zero8, Size::S32, r, r.into());
            }
            Flag::FloatEq | Flag::FloatNe => {
                let (parity, zero) = if flag == Flag::FloatEq { (0, Cond::E) } else { (1, Cond::Ne) };
                // Unordered is not equal.
                self.e.setcc(zero, r);
                self.e.extend(Extend::Zero8, Size::S32, r, r.into());
                self.e.mov_imm(Size::S32, SCRATCH, parity);
                self.e.cmov(Cond::P, Size::S32, r, SCRATCH.into());
            }
        }
    }

    /// A float or vector in a register, only to be read; to be given back with [`Codegen::free_xmm`].
    #[inline]
    pub(crate) fn xmm(&mut self, value: Value) -> Xmm {
        match value {
            Value::Xmm(_, x) => x,
            Value::Local(_, n) => {
                if let Local { pin: pin @ 0..16, .. } = self.locals[n as usize] {
                    return Xmm(pin);
                }
                if let Some(x) = self.cached_xmm(n)
                    && self.free_xmms & xbit(x) != 0
                {
                    self.free_xmms &= !xbit(x);
                    return x;
                }
                let x = self.alloc_xmm();
                self.load_xmm(x, value);
                self.cache_xmm(n, x);
                x
            }
            _ => {
                let x = self.alloc_xmm();
                self.load_xmm(x, value);
                x
            }
        }
    }

    /// A float or vector in a register that may be overwritten.
    #[inline]
    pub(crate) fn own_xmm(&mut self, value: Value) -> Xmm {
        if let Value::Xmm(_, x) = value
            && self.is_temporary_xmm(x)
        {
            self.forget_xmm(x);
            return x;
        }
        let x = self.alloc_xmm();
        self.load_xmm(x, value);
        x
    }

    /// The bits of a constant.
    pub(crate) fn bits(&self, value: Value) -> Option<u128> {
        match value {
            Value::Const(Ty::I64, bits) => Some(u128::from(i64::from(bits.cast_signed()).cast_unsigned())),
            Value::Const(_, bits) => Some(bits.into()),
            Value::Pool(_, n) => Some(self.pool[n as usize]),
            _ => None,
        }
    }

    /// `x = value`.
    pub(crate) fn load_xmm(&mut self, x: Xmm, value: Value) {
        let ty = value.ty();
        if let Some(bits) = self.bits(value) {
            if bits == 0 {
                return self.e.zero_xmm(x);
            }
            return match ty {
                Ty::V128 => {
                    let c = self.e.wide_constant(bits);
                    self.e.sse_two(sse::MOVUPS, x, c.into());
                }
                _ => {
                    let c = self.e.constant(bits as u64);
                    self.e.sse_two(if ty == Ty::F32 { sse::MOVSS } else { sse::MOVSD }, x, c.into());
                }
            };
        }
        match self.rm(value) {
            Rm::Reg(s) => self.e.move_xmm(x, Xmm(s)),
            Rm::Mem(a) => self.load_xmm_mem(ty, x, a),
            Rm::Constant(_) => unreachable!("constants were loaded"),
        }
    }

    pub(crate) fn load_xmm_mem(&mut self, ty: Ty, x: Xmm, a: Addr) {
        let op = match ty {
            Ty::F32 => sse::MOVSS,
            Ty::V128 => sse::MOVUPS,
            _ => sse::MOVSD,
        };
        self.e.sse_two(op, x, a.into());
    }

    pub(crate) fn store_xmm_mem(&mut self, ty: Ty, a: Addr, x: Xmm) {
        let op = match ty {
            Ty::F32 => sse::MOVSS_STORE,
            Ty::V128 => sse::MOVUPS_STORE,
            _ => sse::MOVSD_STORE,
        };
        self.e.sse_store(op, a, x);
    }

    /// A float operand of a scalar instruction: a register, memory, or a constant behind the code.
    #[inline]
    pub(crate) fn float_rm(&mut self, value: Value) -> Rm {
        match self.bits(value) {
            Some(bits) => self.e.constant(bits as u64).into(),
            None => self.rm(value),
        }
    }

    /// A vector operand: memory only where alignment does not matter.
    pub(crate) fn vector_rm(&mut self, value: Value) -> Rm {
        if let Some(bits) = self.bits(value) {
            return self.e.wide_constant(bits).into();
        }
        match self.rm(value) {
            Rm::Mem(a) if !self.e.has_avx() => {
                self.e.sse_two(sse::MOVUPS, XSCRATCH, a.into());
                XSCRATCH.into()
            }
            rm => rm,
        }
    }

    /// Writes a value to memory that cannot fault. Only scratch registers are used, and flags stay.
    pub(crate) fn store_value(&mut self, to: Addr, value: Value) {
        let ty = value.ty();
        match value {
            Value::Gpr(_, r) => self.e.store(ty.size(), to, r),
            Value::Xmm(_, x) => self.store_xmm_mem(ty, to, x),
            Value::Const(_, bits) => {
                self.e.store_imm(ty.size(), to, bits.cast_signed());
            }
            Value::Flags(_) => {
                self.load_gpr(SCRATCH, value);
                self.e.store(Size::S32, to, SCRATCH);
            }
            Value::Pool(Ty::V128, _) => {
                self.load_xmm(XSCRATCH, value);
                self.store_xmm_mem(ty, to, XSCRATCH);
            }
            Value::Pool(..) => {
                let bits = self.bits(value).expect("a constant");
                self.e.mov_imm(Size::S64, SCRATCH, bits as i64);
                self.e.store(Size::S64, to, SCRATCH);
            }
            Value::Slot(..) | Value::Local(..) => match (self.rm(value), ty) {
                (Rm::Reg(r), _) if ty.is_int() => self.e.store(ty.size(), to, Gpr::ALL[r as usize & 15]),
                (Rm::Reg(x), _) => self.store_xmm_mem(ty, to, Xmm(x)),
                (Rm::Mem(a), Ty::V128) => {
                    self.e.sse_two(sse::MOVUPS, XSCRATCH, a.into());
                    self.store_xmm_mem(ty, to, XSCRATCH);
                }
                (Rm::Mem(a), _) => {
                    self.e.load(ty.size(), SCRATCH, a);
                    self.e.store(ty.size(), to, SCRATCH);
                }
                (Rm::Constant(_), _) => unreachable!("not a constant"),
            },
        }
    }

    #[inline(always)]
    pub(crate) fn push_gpr(&mut self, ty: Ty, r: Gpr) {
        self.push(Value::Gpr(ty, r));
    }

    #[inline(always)]
    pub(crate) fn push_xmm(&mut self, ty: Ty, x: Xmm) {
        self.push(Value::Xmm(ty, x));
    }

    /// A constant, as small as it can be.
    pub(crate) fn push_const(&mut self, ty: Ty, bits: u128) {
        let value = match ty {
            Ty::I32 | Ty::F32 | Ty::Handle => Value::Const(ty, bits as u32),
            Ty::I64 if i64::from(bits as i32) == bits as i64 => Value::Const(ty, bits as u32),
            // As the bits of a double, only zero is short.
            Ty::F64 if bits == 0 => Value::Const(ty, 0),
            Ty::V128 if bits == 0 => {
                self.pool.push(0);
                Value::Pool(ty, self.pool.len() as u32 - 1)
            }
            _ => {
                self.pool.push(bits);
                Value::Pool(ty, self.pool.len() as u32 - 1)
            }
        };
        self.push(value);
    }

    // ---- What comes next.

    /// The opcode behind the current operator, which is one byte long.
    #[inline(always)]
    pub(crate) fn next_opcode(&self, operator_bytes: usize) -> u8 {
        self.body.get(self.position + operator_bytes).copied().unwrap_or(0)
    }

    /// Whether the next operator consumes flags.
    #[inline(always)]
    pub(crate) fn flags_wanted(&self) -> bool {
        // br_if, if, select, i32.eqz
        matches!(self.next_opcode(1), 0x0d | 0x04 | 0x1b | 0x45)
    }

    /// Pushes a condition as an i32.
    #[inline(always)]
    pub(crate) fn push_flag(&mut self, flag: Flag) {
        if self.flags_wanted() {
            self.push(Value::Flags(flag));
        } else {
            let r = self.result_gpr(1);
            self.set_flag(r, flag);
            self.push_gpr(Ty::I32, r);
        }
    }

    /// The local that the next operator sets, if the result could be made right there: in its pinned register. Only for
    /// operators of `bytes` bytes, and not if anything on the stack still means the local's present value.
    #[inline(always)]
    fn destination(&mut self, bytes: usize, is_int: bool) -> Option<u8> {
        let at = self.position + bytes;
        let &[opcode @ (0x21 | 0x22), local, ..] = self.body.get(at..)? else { return None };
        let _ = opcode;
        if local >= 0x80 {
            return None;
        }
        let Local { ty, pin, .. } = self.locals[local as usize];
        if pin == UNPINNED || ty.is_int() != is_int || self.is_aliased(local.into()) {
            return None;
        }
        Some(pin)
    }

    /// Whether anything on the stack means the local's present value.
    #[inline]
    pub(crate) fn is_aliased(&self, local: u32) -> bool {
        self.stack[self.settled..].iter().any(|v| matches!(*v, Value::Local(_, n) if n == local))
    }

    /// A register for the result of an operator of so many bytes, whose operands are popped but may still be read.
    #[inline(always)]
    pub(crate) fn result_gpr(&mut self, bytes: usize) -> Gpr {
        match self.destination(bytes, true) {
            Some(pin) => Gpr::ALL[pin as usize & 15],
            None => self.alloc_gpr(),
        }
    }

    /// The pinned register that the next operator wants the result in.
    #[inline(always)]
    pub(crate) fn wanted_gpr(&mut self, bytes: usize) -> Option<Gpr> {
        self.destination(bytes, true).map(|pin| Gpr::ALL[pin as usize & 15])
    }

    #[inline(always)]
    pub(crate) fn wanted_xmm(&mut self, bytes: usize) -> Option<Xmm> {
        self.destination(bytes, false).map(Xmm)
    }

    // ---- Tables.

    /// The instruction that comes next traps if it faults.
    #[inline(always)]
    pub(crate) fn may_trap(&mut self, code: TrapCode) {
        self.traps.push((self.e.offset(), code));
    }

    #[inline(always)]
    pub(crate) fn wasm_offset(&self) -> u32 {
        self.body_offset + self.position as u32
    }

    /// A label behind the function that traps.
    pub(crate) fn trap_label(&mut self, code: TrapCode) -> Label {
        self.stub(StubKind::Trap(code))
    }

    pub(crate) fn stub(&mut self, kind: StubKind) -> Label {
        let label = self.e.label();
        let wasm_offset = self.wasm_offset();
        self.stubs.push(Stub { label, wasm_offset, kind });
        label
    }
}
