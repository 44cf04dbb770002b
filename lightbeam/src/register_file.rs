//! One bank of registers: which are free, whose the others are, and which have a local's value besides.
//!
//! Invariants:
//! - A register for operators is free, or belongs to one stack entry (`owners` says to which), or is
//!   in the hands of the operator that is being compiled. Registers of pinned locals are none of
//!   these.
//! - A free register with a `cached` local holds that local's value.

use sconce_x64::register::{Gpr, Xmm};
use std::fmt::Debug;
use std::marker::PhantomData;

/// No stack entry, no local.
const NONE: u32 = u32::MAX;

/// A register, as its bank sees it: a number.
pub(crate) trait Register: Copy + Debug + PartialEq {
    /// Registers that operators may use where no local is pinned in them, as bits.
    const ALL: u32;

    fn number(self) -> u8;

    fn numbered(number: u8) -> Self;
}

impl Register for Gpr {
    const ALL: u32 = 0b0000_0111_1100_0111;

    #[inline(always)]
    fn number(self) -> u8 {
        self as u8
    }

    #[inline(always)]
    fn numbered(number: u8) -> Gpr {
        Gpr::ALL[number as usize & 15]
    }
}

impl Register for Xmm {
    /// All but the scratch register (`scratch`).
    const ALL: u32 = 0x7fff;

    #[inline(always)]
    fn number(self) -> u8 {
        self.0
    }

    #[inline(always)]
    fn numbered(number: u8) -> Xmm {
        Xmm(number)
    }
}

/// A register, as one bit among those of its bank.
#[inline(always)]
pub(crate) fn bit<R: Register>(r: R) -> u32 {
    1 << r.number()
}

/// The lowest register of a set that is not empty.
#[inline(always)]
fn lowest<R: Register>(set: u32) -> R {
    R::numbered(set.trailing_zeros() as u8)
}

/// A bank's registers. What belongs to a stack entry is named by the entry's position.
#[derive(Clone, Debug)]
pub(crate) struct RegisterFile<R> {
    /// Those for operators: no local is pinned in them.
    temporary: u32,
    free: u32,
    owners: [u32; 16],
    /// Those that have a local's value, and which local's.
    cached: u32,
    caches: [u32; 16],
    bank: PhantomData<R>,
}

impl<R: Register> RegisterFile<R> {
    /// All registers are for operators. Before the first [`RegisterFile::reset`] none is free.
    pub(crate) fn new() -> RegisterFile<R> {
        RegisterFile { temporary: R::ALL, free: 0, owners: [NONE; 16], cached: 0, caches: [NONE; 16], bank: PhantomData }
    }

    // ---- Taking and giving back.

    /// Takes a free register, one without a local's value if there is one.
    #[inline(always)]
    pub(crate) fn take(&mut self) -> Option<R> {
        let free = match self.free & !self.cached {
            0 => self.free,
            empty => empty,
        };
        self.take_lowest(free)
    }

    /// Takes a free register that is none of these, by bits.
    pub(crate) fn take_outside(&mut self, others: u32) -> Option<R> {
        self.take_lowest(self.free & !others)
    }

    #[inline(always)]
    fn take_lowest(&mut self, set: u32) -> Option<R> {
        if set == 0 {
            return None;
        }
        let r = lowest(set);
        self.take_this(r);
        Some(r)
    }

    /// Takes this register, which is free, and whose value is not needed any more.
    #[inline(always)]
    pub(crate) fn take_this(&mut self, r: R) {
        self.free &= !bit(r);
        self.forget(r);
    }

    /// Takes this register to read the local's value that it has, if it is free.
    #[inline(always)]
    pub(crate) fn take_cached(&mut self, r: R) -> bool {
        let is_free = self.is_free(r);
        self.free &= !bit(r);
        is_free
    }

    /// Gives a register back, unless a local is pinned in it.
    #[inline(always)]
    pub(crate) fn give_back(&mut self, r: R) {
        self.free |= bit(r) & self.temporary;
    }

    /// All registers become free, and have nobody's value.
    pub(crate) fn reset(&mut self) {
        self.free = self.temporary;
        self.owners = [NONE; 16];
        self.forget_all();
    }

    #[inline(always)]
    pub(crate) fn is_free(&self, r: R) -> bool {
        self.free & bit(r) != 0
    }

    #[inline(always)]
    pub(crate) fn any_free(&self) -> bool {
        self.free != 0
    }

    // ---- Pinned locals.

    /// Whether a register is one that an operator may overwrite once it holds it.
    #[inline(always)]
    pub(crate) fn is_temporary(&self, r: R) -> bool {
        self.temporary & bit(r) != 0
    }

    /// The lowest of these that operators may use, if there is one.
    pub(crate) fn temporary_among(&self, set: u32) -> Option<R> {
        let set = self.temporary & set & R::ALL;
        (set != 0).then(|| lowest(set))
    }

    /// A local is pinned in this register, which nobody holds.
    pub(crate) fn pin(&mut self, r: R) {
        self.temporary &= !bit(r);
        self.free &= !bit(r);
    }

    /// It is pinned there no longer.
    pub(crate) fn unpin(&mut self, r: R) {
        self.temporary |= bit(r);
        self.free |= bit(r);
    }

    // ---- Stack entries.

    /// The register belongs to the entry at this position.
    #[inline(always)]
    pub(crate) fn belongs_to(&mut self, r: R, position: u32) {
        self.owners[r.number() as usize & 15] = position;
    }

    /// The register belongs to no entry any more, but to the operator.
    #[inline(always)]
    pub(crate) fn disown(&mut self, r: R) {
        self.owners[r.number() as usize & 15] = NONE;
    }

    /// The entry that a register in use belongs to.
    #[inline(always)]
    pub(crate) fn owner(&self, r: R) -> Option<u32> {
        let owner = self.owners[r.number() as usize & 15];
        (!self.is_free(r) && owner != NONE).then_some(owner)
    }

    /// Of the entries with a register that is none of `others`, by bits, the lowest one.
    pub(crate) fn lowest_owner(&self, others: u32) -> (u32, R) {
        let usable = self.temporary & !others;
        let owned = (0..16u8).filter(|&n| usable & 1 << n != 0).map(|n| (self.owners[n as usize], n));
        let (owner, n) = owned.min().expect("an operator does not exclude all registers");
        assert_ne!(owner, NONE, "an operator holds fewer registers than there are");
        (owner, R::numbered(n))
    }

    /// The registers that entries or the operator have now.
    #[inline(always)]
    pub(crate) fn in_use(&self) -> impl Iterator<Item = R> + use<R> {
        let mut rest = self.temporary & !self.free;
        std::iter::from_fn(move || {
            let r = (rest != 0).then(|| lowest(rest));
            rest &= rest.wrapping_sub(1);
            r
        })
    }

    // ---- Locals that a register has besides their homes.

    #[inline(always)]
    pub(crate) fn forget_all(&mut self) {
        self.cached = 0;
    }

    #[inline(always)]
    pub(crate) fn forget(&mut self, r: R) {
        self.cached &= !bit(r);
    }

    /// From now on the register has the local's value, also when it is free.
    #[inline(always)]
    pub(crate) fn cache(&mut self, local: u32, r: R) {
        self.cached |= bit(r);
        self.caches[r.number() as usize & 15] = local;
    }

    /// The local whose value a register has.
    pub(crate) fn local_in(&self, r: R) -> Option<u32> {
        (self.cached & bit(r) != 0).then(|| self.caches[r.number() as usize & 15])
    }

    /// Whether the register with this number, or [`crate::local::UNPINNED`], still has the local's value.
    #[inline(always)]
    pub(crate) fn caches(&self, local: u32, number: u8) -> bool {
        number < 16 && self.cached & 1 << number != 0 && self.caches[number as usize & 15] == local
    }

    // ---- Checks.

    /// Asserts that nothing has happened since `parted` but that registers became free and that locals were forgotten.
    pub(crate) fn check_meeting(&self, parted: &RegisterFile<R>) {
        assert_eq!(parted.free & !self.free, 0, "a register was taken on one way alone");
        assert_eq!(self.cached & !parted.cached, 0, "a local was cached on one way alone");
        for n in (0..16).filter(|n| self.cached & 1 << n != 0) {
            assert_eq!(self.caches[n], parted.caches[n], "another local was cached");
        }
        assert_eq!(self.temporary, parted.temporary, "a local was pinned on one way alone");
        assert_eq!(self.owned(), parted.owned(), "a register changed hands on one way alone");
    }

    /// Owners of registers in use: what those of free ones are does not matter.
    fn owned(&self) -> [u32; 16] {
        let used = self.temporary & !self.free;
        std::array::from_fn(|n| if used & 1 << n != 0 { self.owners[n] } else { NONE })
    }

    /// Asserts that between operators each register is free or belongs to one of these entries: the register and the position of
    /// each.
    #[cfg(debug_assertions)]
    pub(crate) fn check(&self, entries: impl Iterator<Item = (R, u32)>) {
        let mut known = self.free;
        assert_eq!(known & !self.temporary, 0, "a pinned register is free");
        for (r, position) in entries.filter(|&(r, _)| self.is_temporary(r)) {
            assert_eq!(known & bit(r), 0, "{r:?} is free and in use, or used twice");
            assert_eq!(self.owner(r), Some(position));
            known |= bit(r);
        }
        assert_eq!(known, self.temporary, "a register is lost");
    }
}
