//! The fuel of a store, as the host sees it while none of the store's wasm code is running.

use crate::stop::Stop;
use crate::store::Store;
use sconce_environ::fuel;
use sconce_environ::trap::TrapCode;

impl Store {
    /// Whether its code counts what it executes.
    pub fn counts_fuel(&self) -> bool {
        self.shared.code.counts()
    }

    /// What is left.
    pub fn fuel(&self) -> u64 {
        // SAFETY: the store is borrowed, so no wasm runs; the context lives as long as the store.
        fuel::left(unsafe { (*self.vm()).fuel })
    }

    /// Sets what is left.
    pub fn set_fuel(&mut self, left: u64) {
        self.granted_fuel = left;
        self.leave_fuel(left);
    }

    /// What was spent since it was last set.
    pub fn fuel_used(&self) -> u64 {
        self.granted_fuel.saturating_sub(self.fuel())
    }

    fn leave_fuel(&mut self, left: u64) {
        // SAFETY: as above.
        unsafe { (*self.vm()).fuel = fuel::counter(left) };
    }

    /// Code found that there was not enough, and may have spent what there was not.
    pub(crate) fn fuel_is_exhausted(&mut self) {
        self.leave_fuel(0);
    }

    /// Pays for something that a builtin does, if code counts.
    pub(crate) fn pay(&mut self, cost: u64) -> Result<(), Stop> {
        if !self.counts_fuel() {
            return Ok(());
        }
        let left = self.fuel().checked_sub(cost);
        self.leave_fuel(left.unwrap_or(0));
        left.map(drop).ok_or(Stop::Trap(TrapCode::FuelExhausted))
    }
}
