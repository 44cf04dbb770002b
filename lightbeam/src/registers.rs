//! Taking registers and giving them back: what a bank ([`RegisterFile`]) does not know is how an entry of the stack gets out of
//! the way.

use crate::codegen::Codegen;
use crate::local::{Local, UNPINNED};
use crate::register_file::{Register, RegisterFile};
use crate::value::{Ty, Value};
use sconce_x64::encode::{Rm, Size};
use sconce_x64::register::{Gpr, Xmm};

/// What is the same for both banks, but for a bank's own values and instructions.
pub(crate) trait Bank: Register + Into<Rm> {
    fn file<'c>(c: &'c Codegen<'_>) -> &'c RegisterFile<Self>;

    fn file_mut<'c>(c: &'c mut Codegen<'_>) -> &'c mut RegisterFile<Self>;

    /// The value in this register.
    fn value(self, ty: Ty) -> Value;

    /// The register of a value that has one of its own.
    fn of(value: Value) -> Option<Self>;

    /// `self = value`.
    fn load(self, c: &mut Codegen<'_>, value: Value);

    /// The entry at this position leaves this register.
    fn move_away(self, c: &mut Codegen<'_>, position: u32);
}

impl Bank for Gpr {
    #[inline(always)]
    fn file<'c>(c: &'c Codegen<'_>) -> &'c RegisterFile<Gpr> {
        &c.gprs
    }

    #[inline(always)]
    fn file_mut<'c>(c: &'c mut Codegen<'_>) -> &'c mut RegisterFile<Gpr> {
        &mut c.gprs
    }

    #[inline(always)]
    fn value(self, ty: Ty) -> Value {
        Value::Gpr(ty, self)
    }

    #[inline(always)]
    fn of(value: Value) -> Option<Gpr> {
        if let Value::Gpr(_, r) = value { Some(r) } else { None }
    }

    #[inline(always)]
    fn load(self, c: &mut Codegen<'_>, value: Value) {
        c.load_gpr(self, value);
    }

    /// To another register, if one is free.
    fn move_away(self, c: &mut Codegen<'_>, position: u32) {
        if !c.gprs.any_free() {
            return c.spill(position as usize);
        }
        let ty = c.stack[position as usize].ty();
        let to = c.alloc_gpr();
        c.e.mov(Size::S64, to, self);
        c.gprs.disown(self);
        c.gprs.belongs_to(to, position);
        c.stack.moved(position as usize, Value::Gpr(ty, to));
        c.gprs.give_back(self);
    }
}

impl Bank for Xmm {
    #[inline(always)]
    fn file<'c>(c: &'c Codegen<'_>) -> &'c RegisterFile<Xmm> {
        &c.xmms
    }

    #[inline(always)]
    fn file_mut<'c>(c: &'c mut Codegen<'_>) -> &'c mut RegisterFile<Xmm> {
        &mut c.xmms
    }

    #[inline(always)]
    fn value(self, ty: Ty) -> Value {
        Value::Xmm(ty, self)
    }

    #[inline(always)]
    fn of(value: Value) -> Option<Xmm> {
        if let Value::Xmm(_, x) = value { Some(x) } else { None }
    }

    #[inline(always)]
    fn load(self, c: &mut Codegen<'_>, value: Value) {
        c.load_xmm(self, value);
    }

    fn move_away(self, c: &mut Codegen<'_>, position: u32) {
        c.spill(position as usize);
    }
}

impl Codegen<'_> {
    /// Evicts nothing that the current operator holds, since that is on the stack no longer.
    #[inline(always)]
    pub(crate) fn alloc<R: Bank>(&mut self) -> R {
        match R::file_mut(self).take() {
            Some(r) => r,
            None => self.evict(0),
        }
    }

    #[inline(always)]
    pub(crate) fn alloc_gpr(&mut self) -> Gpr {
        self.alloc()
    }

    #[inline(always)]
    pub(crate) fn alloc_xmm(&mut self) -> Xmm {
        self.alloc()
    }

    /// A register that is none of these, by bits.
    pub(crate) fn alloc_outside<R: Bank>(&mut self, others: u32) -> R {
        match R::file_mut(self).take_outside(others) {
            Some(r) => r,
            None => self.evict(others),
        }
    }

    #[cold]
    #[inline(never)]
    fn evict<R: Bank>(&mut self, others: u32) -> R {
        let (owner, r) = R::file(self).lowest_owner(others);
        self.spill(owner as usize);
        R::file_mut(self).take_this(r);
        r
    }

    /// Takes a certain register, and moves what is in it elsewhere. The caller does not hold it, and it is
    /// none of a pinned local.
    pub(crate) fn acquire<R: Bank>(&mut self, r: R) {
        if !R::file(self).is_free(r) {
            let owner = R::file(self).owner(r).expect("no operator holds what it acquires");
            r.move_away(self, owner);
        }
        R::file_mut(self).take_this(r);
    }

    #[inline(always)]
    pub(crate) fn free<R: Bank>(&mut self, r: R) {
        R::file_mut(self).give_back(r);
    }

    /// Gives back the register of a value that was popped.
    #[inline(always)]
    pub(crate) fn release(&mut self, value: Value) {
        match value {
            Value::Gpr(_, r) => self.gprs.give_back(r),
            Value::Xmm(_, x) => self.xmms.give_back(x),
            _ => {}
        }
    }

    /// Whether a register is one that an operator may overwrite once it holds it.
    #[inline(always)]
    pub(crate) fn is_temporary<R: Bank>(&self, r: R) -> bool {
        R::file(self).is_temporary(r)
    }

    /// All registers become free: at labels, and after calls and branches.
    pub(crate) fn reset_registers(&mut self) {
        self.gprs.reset();
        self.xmms.reset();
    }

    // ---- Moves, as if all at once.

    /// Makes the moves that were noted, among general-purpose registers.
    pub(crate) fn parallel_gprs(&mut self) {
        let mut moves = std::mem::take(&mut self.moves);
        let s = self.scratch();
        moves.in_order(s.r, |to, from| s.e.mov(Size::S64, to, from));
        drop(s);
        self.moves = moves;
    }

    /// The same among vector registers.
    pub(crate) fn parallel_xmms(&mut self) {
        let mut moves = std::mem::take(&mut self.moves);
        let s = self.scratch();
        moves.in_order(s.x, |to, from| s.e.move_xmm(to, from));
        drop(s);
        self.moves = moves;
    }

    // ---- Registers that have a local's value besides.

    pub(crate) fn forget_caches(&mut self) {
        self.gprs.forget_all();
        self.xmms.forget_all();
    }

    /// The register's value changes.
    #[inline(always)]
    pub(crate) fn forget<R: Bank>(&mut self, r: R) {
        R::file_mut(self).forget(r);
    }

    /// From now on the register has the local's value. It stays cached when it becomes free.
    #[inline(always)]
    pub(crate) fn cache<R: Bank>(&mut self, local: u32, r: R) {
        if self.is_temporary(r) {
            R::file_mut(self).cache(local, r);
            self.locals[local as usize].cache = r.number();
        }
    }

    /// The local's value changes: no register has it.
    #[inline(always)]
    pub(crate) fn forget_local(&mut self, local: u32) {
        if self.locals[local as usize].cache == UNPINNED {
            return;
        }
        if self.locals[local as usize].ty.is_int() {
            self.forget_local_in::<Gpr>(local);
        } else {
            self.forget_local_in::<Xmm>(local);
        }
        self.locals[local as usize].cache = UNPINNED;
    }

    #[inline(always)]
    fn forget_local_in<R: Bank>(&mut self, local: u32) {
        if let Some(r) = self.cached::<R>(local) {
            self.forget(r);
        }
    }

    /// The register that has the value of a local without a pin, whether it is free or not.
    #[inline(always)]
    pub(crate) fn cached<R: Bank>(&self, local: u32) -> Option<R> {
        let Local { cache, .. } = self.locals[local as usize];
        R::file(self).caches(local, cache).then(|| R::numbered(cache))
    }
}
