//! Loops with pinned locals: they are loaded where the loop begins, and go home where it is left.

use crate::codegen::Codegen;
use crate::local::{Local, UNPINNED};
use crate::loops::{LoopPin, Run};
use crate::operands::{load_xmm_mem, store_xmm_mem};
use crate::register_file::Register;
use crate::value::Ty;
use sconce_x64::encode::Addr;
use sconce_x64::register::{Gpr, Xmm};

/// Registers that a loop's locals may be pinned in: no operator needs all of those that are left.
const LOOP_GPRS: u32 = 1 << 8 | 1 << 9 | 1 << 10;
const LOOP_XMMS: u32 = 0x7fc0;
/// Uses in a loop from which on a register for it is worth the load and the store outside.
const LOOP_PIN_USES: u32 = 2;

impl Codegen<'_> {
    /// Pins the locals that an innermost loop uses most, if this is one. Everything on the stack is settled.
    pub(crate) fn pin_for_loop(&mut self) {
        let summary = self.summary;
        let run = summary.loops[self.loops.begin()];
        if run.count == 0 {
            return;
        }
        let from = self.loops.pins_so_far();
        let candidates = &summary.candidates[run.first as usize..][..run.count as usize];
        let mut chosen: u64 = 0;
        // The best one first, as long as there are registers: few rounds of at most 64.
        loop {
            let gpr = self.gprs.temporary_among(LOOP_GPRS);
            let xmm = self.xmms.temporary_among(LOOP_XMMS);
            let fits = |n: usize| {
                let Local { ty, pin, .. } = self.locals[candidates[n].local as usize];
                let free = match ty {
                    Ty::I32 | Ty::I64 => gpr.is_some(),
                    Ty::F32 | Ty::F64 | Ty::V128 => xmm.is_some(),
                    Ty::Handle => false,
                };
                chosen & 1 << n == 0 && pin == UNPINNED && free && candidates[n].uses >= LOOP_PIN_USES
            };
            let best = (0..candidates.len()).filter(|&n| fits(n)).max_by_key(|&n| (candidates[n].uses, std::cmp::Reverse(n)));
            let Some(n) = best else { break };
            chosen |= 1 << n;
            let candidate = candidates[n];
            let Local { ty, home, .. } = self.locals[candidate.local as usize];
            let home = Addr::new(Gpr::Rbp, home);
            let pin = if ty.is_int() {
                let r = gpr.expect("one fits");
                self.e.load(ty.size(), r, home);
                self.gprs.pin(r);
                r as u8
            } else {
                let x = xmm.expect("one fits");
                load_xmm_mem(&mut self.e, ty, x, home);
                self.xmms.pin(x);
                x.0
            };
            self.locals[candidate.local as usize].pin = pin;
            self.loops.add_pin(LoopPin { local: candidate.local, pin, written: candidate.written });
        }
        self.loops.pin_from(from, self.blocks.len());
    }

    /// The loop's end: its locals go home.
    pub(crate) fn unpin_loop(&mut self, pins: Run) {
        if self.blocks.is_reachable() {
            // What still means such a local means its home from now on.
            self.write_back(pins);
        }
        for n in pins.numbers() {
            let LoopPin { local, pin, .. } = self.loops.pin(n);
            let local = &mut self.locals[local as usize];
            local.pin = UNPINNED;
            local.cache = UNPINNED;
            if local.ty.is_int() {
                self.gprs.unpin(Gpr::numbered(pin));
            } else {
                self.xmms.unpin(Xmm(pin));
            }
        }
    }

    /// Stores the locals of a loop's pins that the loop writes.
    pub(crate) fn write_back(&mut self, pins: Run) {
        for n in pins.numbers() {
            let LoopPin { local, pin, written } = self.loops.pin(n);
            if !written {
                continue;
            }
            let Local { ty, home, .. } = self.locals[local as usize];
            let to = Addr::new(Gpr::Rbp, home);
            if ty.is_int() {
                self.e.store(ty.size(), to, Gpr::ALL[pin as usize & 15]);
            } else {
                store_xmm_mem(&mut self.e, ty, to, Xmm(pin));
            }
        }
    }

    /// The locals that go home if this branch is taken: none where the function ends.
    pub(crate) fn leaving(&mut self, depth: u32) -> Option<Run> {
        self.loops.left_by_branch(self.blocks.around(depth))
    }
}
