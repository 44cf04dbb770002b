//! Which locals are pinned in registers for the whole function.

use crate::codegen::Codegen;
use crate::register_file::{Register, bit};
use crate::value::Ty;
use sconce_x64::abi::FUEL;
use sconce_x64::register::{Gpr, Xmm};

/// Weighted uses from which on a register is worth its saving and restoring.
const PIN_WEIGHT: u32 = 4;
/// Weighted accesses from which on the memory's base is.
const BASE_WEIGHT: u32 = 3;

/// Registers that callees preserve, besides the context's: the first one is the count's in code that counts. The first that is left
/// is the memory's base's, if it gets one.
const PRESERVED: [Gpr; 4] = [FUEL, Gpr::R13, Gpr::R12, Gpr::Rbx];

/// Registers for pinned locals, in order of preference.
#[derive(Debug, Default)]
struct Pins {
    gprs: Vec<Gpr>,
    xmms: Vec<Xmm>,
}

/// Whether callees, and callers, expect a register not to be preserved.
fn is_scratched(r: Gpr) -> bool {
    <Gpr as Register>::ALL & bit(r) != 0
}

impl Codegen<'_> {
    /// Chooses registers for locals and for the memory's base; gives the callee-saved ones in use.
    pub(crate) fn choose_pins(&mut self) -> Vec<Gpr> {
        let leaf = !self.summary.calls;
        // As many as there are to be saved, and one for the context.
        let mut saved = Vec::with_capacity(6);
        let preserved = if self.settings.fuel { &PRESERVED[1..] } else { &PRESERVED };
        let has_base = !self.module.memories.is_empty() && self.summary.memory_weight >= BASE_WEIGHT;
        if self.summary.handlers {
            // Handlers begin with nothing but the frame, and the callers' registers are needed then.
            if has_base {
                self.memory_base = Some(preserved[0]);
            }
            return preserved.iter().rev().copied().collect();
        }
        let mut pins = Pins { gprs: Vec::with_capacity(8), xmms: Vec::new() };
        pins.gprs.extend(preserved);
        if leaf {
            // Those that nobody expects to be preserved come first.
            pins.gprs.extend([Gpr::R10, Gpr::R9, Gpr::R8]);
            pins.xmms.extend((6..15).map(Xmm));
        }
        if has_base {
            let base = pins.gprs.remove(0);
            self.memory_base = Some(base);
            saved.push(base);
        }
        let mut order: Vec<u32> = Vec::with_capacity(self.locals.len());
        order.extend((0..self.locals.len() as u32).filter(|&n| self.summary.weights[n as usize] >= 2));
        // Only the best few matter; stable for equals.
        let few = pins.gprs.len() + pins.xmms.len() + 8;
        let weights = &self.summary.weights;
        let key = |&n: &u32| (std::cmp::Reverse(weights[n as usize]), n);
        if order.len() > 4 * few {
            order.select_nth_unstable_by_key(4 * few, key);
            order.truncate(4 * few);
        }
        order.sort_unstable_by_key(key);
        for n in order {
            let weight = self.summary.weights[n as usize];
            let local = &mut self.locals[n as usize];
            match local.ty {
                Ty::I32 | Ty::I64 => {
                    let free = pins.gprs.last().is_some_and(|&r| is_scratched(r));
                    if weight < PIN_WEIGHT && !free {
                        continue;
                    }
                    let Some(r) = pins.gprs.pop() else { continue };
                    local.pin = r as u8;
                    self.gprs.pin(r);
                    if !is_scratched(r) {
                        saved.push(r);
                    }
                }
                Ty::F32 | Ty::F64 | Ty::V128 => {
                    let Some(x) = pins.xmms.pop() else { continue };
                    local.pin = x.0;
                    self.xmms.pin(x);
                }
                // A sweep looks for them in the frame.
                Ty::Handle => {}
            }
        }
        saved
    }
}
