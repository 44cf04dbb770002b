//! The frame: prologue, homes of locals, epilogue, and what is emitted behind the function.
//!
//! From rbp downwards: the callee-saved registers that the function uses, the homes of locals, the result buffer's address, the
//! slots of the stack. Parameters that arrive on the stack have their homes there, above rbp. How many slots there are is known
//! when all operators have been compiled: the `sub rsp` of the prologue is completed then, or becomes a jump to code that
//! touches each page on the way, where the frame could reach past the stack's guard page.

use crate::address::load_memory_base;
use crate::codegen::{Codegen, VMCTX};
use crate::copies::Direction;
use crate::local::{Local, UNPINNED};
use crate::operands::{load_xmm_mem, store_xmm_mem};
use crate::register_file::{Register, bit};
use crate::value::Ty;
use sconce_environ::abi::results_in_buffer;
use sconce_environ::index::{MemoryIndex, TypeIndex};
use sconce_environ::space;
use sconce_environ::stack_maps::StackMaps;
use sconce_environ::trap::TrapCode;
use sconce_environ::types::FuncType;
use sconce_x64::abi::{Arguments, Class, FRAME_LINK_BYTES, Location, RESULT_GPRS};
use sconce_x64::encode::{Addr, Alu, Cond, Size};
use sconce_x64::register::{Gpr, Xmm};

/// As displacements have it.
pub(crate) const PROBE_BYTES: i32 = space::PROBE_BYTES as i32;
/// More homes than this are cleared by a loop.
const MAX_CLEARED_SINGLY: usize = 12;

impl Codegen<'_> {
    /// Emits everything up to the first operator.
    pub(crate) fn prologue(&mut self, index: TypeIndex, ty: &FuncType) {
        let mut saved = self.choose_pins();
        let guarded = self.module.memories.values().all(|m| self.settings.bounds.guards(m));
        let base_alone = self.memory_base.is_some() && guarded;
        let context = self.summary.handlers || self.summary.context || self.summary.memory_weight > 0 && !base_alone;
        if context || self.settings.paranoid {
            saved.insert(0, VMCTX);
        }
        self.e.push(Gpr::Rbp);
        self.e.mov(Size::S64, Gpr::Rbp, Gpr::Rsp);
        for &r in &saved {
            self.e.push(r);
        }
        self.frame_made = self.e.sub_rsp();

        // Where everything is.
        let mut arguments = Arguments::new();
        arguments.next(Class::I64);
        let buffer = results_in_buffer(ty).then(|| arguments.next(Class::I64));
        let places: Vec<Location> = ty.params.iter().map(|&t| arguments.next(Ty::of(t).class())).collect();
        self.frame.save(saved, arguments.stack_bytes());
        let mut handles = Vec::new();
        for (n, local) in self.locals.iter_mut().enumerate() {
            if let Some(&Location::Stack(offset)) = places.get(n) {
                local.home = FRAME_LINK_BYTES + offset as i32;
            } else if local.pin == UNPINNED {
                local.home = self.frame.add_home(if local.ty == Ty::V128 { 16 } else { 8 });
            }
            if local.ty == Ty::Handle {
                handles.push(local.home);
            }
        }
        self.tables.stack_maps = StackMaps::new(handles);
        if buffer.is_some() {
            self.frame.add_buffer();
        }
        // Where a loop's code is replaced, the context is needed.
        if self.summary.handlers || !context && !self.summary.loops.is_empty() {
            self.frame.add_vmctx();
        }
        if self.settings.paranoid {
            self.frame.add_stack_pointer();
        }
        if self.settings.paranoid {
            self.check_entry(index, context);
        }

        if context {
            self.e.mov(Size::S64, VMCTX, Gpr::Rdi);
        }
        if let Some(home) = self.frame.vmctx() {
            self.e.store(Size::S64, home, Gpr::Rdi);
        }
        if let Some(base) = self.memory_base {
            load_memory_base(&mut self.e, base, Gpr::Rdi, self.layout.memory(MemoryIndex::from_u32(0)));
        }
        if let (Some(Location::Gpr(r)), Some(home)) = (buffer, self.frame.buffer()) {
            self.e.store(Size::S64, home, r);
        }
        self.place_parameters(&places);
        let clobbered = self.clear_locals(places.len());
        self.reset_registers();
        self.cache_parameters(&places, clobbered);
    }

    /// Moves parameters from where they arrive to their homes and registers.
    fn place_parameters(&mut self, places: &[Location]) {
        // What only reads argument registers comes first.
        for (n, &place) in places.iter().enumerate() {
            let Local { ty, home, pin, .. } = self.locals[n];
            if pin != UNPINNED {
                continue;
            }
            match place {
                Location::Gpr(r) => self.e.store(ty.size(), Addr::new(Gpr::Rbp, home), r),
                Location::Xmm(x) => store_xmm_mem(&mut self.e, ty, Addr::new(Gpr::Rbp, home), x),
                Location::Stack(_) => {}
            }
        }
        let mut moves = std::mem::take(&mut self.moves);
        // Registers of which only the lower half is an argument.
        let mut halves = 0;
        for (n, &place) in places.iter().enumerate() {
            if let (Location::Gpr(r), Local { pin: pin @ 0..16, ty, .. }) = (place, self.locals[n]) {
                moves.add(Gpr::numbered(pin), r);
                halves |= u32::from(ty.size() == Size::S32) << pin;
                // A move would extend it.
                if pin == r as u8 && ty.size() == Size::S32 {
                    self.e.mov(Size::S32, r, r);
                }
            }
        }
        let size = |to: Gpr| if halves & bit(to) != 0 { Size::S32 } else { Size::S64 };
        let s = self.scratch();
        moves.in_order(s.r, |to, from| s.e.mov(size(to), to, from));
        drop(s);
        self.moves = moves;
        for (n, &place) in places.iter().enumerate() {
            if let (Location::Xmm(x), pin @ 0..16) = (place, self.locals[n].pin) {
                self.moves.add(Xmm(pin), x);
            }
        }
        self.parallel_xmms();
        for (n, &place) in places.iter().enumerate() {
            if let (Location::Stack(_), Local { pin: pin @ 0..16, ty, home, .. }) = (place, self.locals[n]) {
                let from = Addr::new(Gpr::Rbp, home);
                if ty.is_int() {
                    self.e.load(ty.size(), Gpr::ALL[pin as usize], from);
                } else {
                    load_xmm_mem(&mut self.e, ty, Xmm(pin), from);
                }
            }
        }
    }

    /// Parameters are still where they arrived, besides their homes, but for those in clobbered registers: until the first label
    /// or call, they are read there. Functions of a few operators need nothing else.
    fn cache_parameters(&mut self, places: &[Location], clobbered: u32) {
        for (n, &place) in places.iter().enumerate() {
            let Local { ty, pin, .. } = self.locals[n];
            if pin != UNPINNED || self.summary.weights[n] == 0 {
                continue;
            }
            match place {
                Location::Gpr(r) if clobbered & bit(r) == 0 && self.is_temporary(r) => {
                    if ty.size() == Size::S32 {
                        // The upper half of an argument is undefined.
                        self.e.mov(Size::S32, r, r);
                    }
                    self.cache(n as u32, r);
                }
                Location::Xmm(x) => self.cache(n as u32, x),
                Location::Gpr(_) | Location::Stack(_) => {}
            }
        }
    }

    /// Locals that are not parameters begin as zero. Gives the registers that could not keep what they had.
    fn clear_locals(&mut self, params: usize) -> u32 {
        for n in params..self.locals.len() {
            let Local { ty, pin, .. } = self.locals[n];
            match pin {
                UNPINNED => {}
                _ if ty.is_int() => self.e.zero(Gpr::ALL[pin as usize & 15]),
                _ => self.e.zero_xmm(Xmm(pin)),
            }
        }
        let homes = self.locals[params..].iter().filter(|l| l.pin == UNPINNED);
        let bytes: i32 = homes.clone().map(|l| if l.ty == Ty::V128 { 16 } else { 8 }).sum();
        let Some(lowest) = homes.map(|l| l.home).min() else { return 0 };
        // They lie one below the other.
        if bytes as usize <= 8 * MAX_CLEARED_SINGLY {
            let mut at = 0;
            let s = self.scratch();
            if bytes >= 16 {
                s.e.zero_xmm(s.x);
            }
            while at < bytes {
                if bytes - at >= 16 {
                    store_xmm_mem(s.e, Ty::V128, Addr::new(Gpr::Rbp, lowest + at), s.x);
                    at += 16;
                } else {
                    s.e.store_imm(Size::S64, Addr::new(Gpr::Rbp, lowest + at), 0);
                    at += 8;
                }
            }
            return 0;
        }
        // Pinned locals may be in none of these.
        self.e.lea(Size::S64, Gpr::Rdi, Addr::new(Gpr::Rbp, lowest));
        self.e.mov_imm(Size::S32, Gpr::Rcx, (bytes / 8).into());
        self.e.zero(Gpr::Rax);
        self.e.rep_stosq();
        bit(Gpr::Rdi) | bit(Gpr::Rcx) | bit(Gpr::Rax)
    }

    /// Emits the return: results are in their canonical places.
    pub(crate) fn epilogue(&mut self, ty: &FuncType) {
        if ty.results.len() > 1 {
            let (mut gprs, mut xmms) = (RESULT_GPRS.iter(), 0..);
            if let Some(home) = self.frame.buffer() {
                self.e.load(Size::S64, Gpr::Rax, home);
                // Those are nobody's any more, and no result's.
                self.copy_values(Direction::FromSlots, Gpr::Rax, 0, 0, &ty.results, [Gpr::Rcx, Gpr::Rdx]);
            } else {
                for (n, &t) in ty.results.iter().enumerate() {
                    let (ty, from) = (Ty::of(t), self.frame.slot(n as u32));
                    if ty.is_int() {
                        let to = *gprs.next().expect("they fit, since there is no buffer");
                        self.e.load(ty.size(), to, from);
                    } else {
                        let to = Xmm(xmms.next().expect("endless"));
                        load_xmm_mem(&mut self.e, ty, to, from);
                    }
                }
            }
        }
        self.check_frame();
        self.restore_registers();
        self.e.leave();
        self.e.ret(u16::try_from(self.frame.argument_bytes()).expect("see MAX_VALUES"));
    }

    /// Restores what the prologue saved.
    pub(crate) fn restore_registers(&mut self) {
        for (r, home) in self.frame.saved() {
            self.e.load(Size::S64, r, home);
        }
    }

    /// Emits stubs, and completes the prologue. Gives the bytes of the frame below rbp.
    ///
    /// # Errors
    /// If the frame is too large.
    pub(crate) fn finish_frame(&mut self) -> Result<u32, String> {
        self.emit_stubs();
        let (bytes, frame_size) = self.frame.bytes()?;
        if bytes < PROBE_BYTES {
            self.e.set_frame(self.frame_made, bytes);
            return Ok(frame_size);
        }
        let back = self.e.divert_frame(self.frame_made);
        self.tables.no_operator(self.e.offset());
        if bytes <= 8 * PROBE_BYTES {
            for page in 1..=bytes / PROBE_BYTES {
                self.may_trap(TrapCode::StackOverflow);
                self.e.alu_imm(Alu::Or, Size::S32, Addr::new(Gpr::Rsp, -page * PROBE_BYTES).into(), 0);
            }
        } else {
            let last = bytes / PROBE_BYTES * PROBE_BYTES;
            let mut s = self.scratch();
            s.e.mov(Size::S64, s.r, Gpr::Rsp);
            let again = s.e.here();
            s.e.alu_imm(Alu::Sub, Size::S64, s.r.into(), PROBE_BYTES);
            s.may_trap(TrapCode::StackOverflow);
            s.e.alu_imm(Alu::Or, Size::S32, Addr::new(s.r, 0).into(), 0);
            s.e.lea(Size::S64, Gpr::Rax, Addr::new(s.r, last));
            s.e.alu(Alu::Cmp, Size::S64, Gpr::Rax, Gpr::Rsp.into());
            s.e.jcc(Cond::Ne, again);
        }
        self.e.alu_imm(Alu::Sub, Size::S64, Gpr::Rsp.into(), bytes);
        self.e.jmp(back);
        Ok(frame_size)
    }
}
