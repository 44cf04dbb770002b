//! Which registers are free, whose the others are, and which have a local's value besides.

use crate::codegen::{Codegen, Local, NONE, UNPINNED, bit, xbit};
use crate::value::Value;
use sconce_x64::asm::{Gpr, Xmm};
use sconce_x64::encode::Size;

impl Codegen<'_> {
    /// Evicts nothing that the current operator holds, since that is on the stack no longer.
    #[inline(always)]
    pub(crate) fn alloc_gpr(&mut self) -> Gpr {
        let free = match self.free_gprs & !self.cached_gprs {
            0 => self.free_gprs,
            empty => empty,
        };
        let r = if free == 0 { self.evict_gpr(0) } else { Gpr::ALL[free.trailing_zeros() as usize] };
        self.take_free_gpr(r);
        r
    }

    #[inline(always)]
    fn take_free_gpr(&mut self, r: Gpr) {
        self.free_gprs &= !bit(r);
        self.forget_gpr(r);
    }

    /// A register that is none of these, by bits.
    pub(crate) fn alloc_gpr_outside(&mut self, others: u32) -> Gpr {
        let free = self.free_gprs & !others;
        let r = if free == 0 { self.evict_gpr(others) } else { Gpr::ALL[free.trailing_zeros() as usize] };
        self.take_free_gpr(r);
        r
    }

    #[cold]
    #[inline(never)]
    fn evict_gpr(&mut self, others: u32) -> Gpr {
        let mut best = (NONE, Gpr::Rax);
        for r in Gpr::ALL {
            if self.gprs & !others & bit(r) != 0 && self.gpr_owners[r as usize] < best.0 {
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
}
