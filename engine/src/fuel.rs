//! Fuel, as embedders set and read it: [`sconce_environ::fuel`] says what costs how much.

use crate::store::{AsContext, AsContextMut, Store, StoreContext, StoreContextMut};

impl<T: 'static> Store<T> {
    /// Sets how much fuel is left. What would cost more traps with [`crate::TrapCode::FuelExhausted`] instead, and then nothing
    /// is left. A new store has [`u64::MAX`]. Start functions, and functions that a host function calls, spend it as all others do.
    ///
    /// # Panics
    /// If the engine's code does not count: see [`crate::Config::fuel`].
    pub fn set_fuel(&mut self, left: u64) {
        self.as_context_mut().set_fuel(left);
    }

    /// How much fuel is left. `None` if the engine's code does not count.
    pub fn fuel(&self) -> Option<u64> {
        self.as_context().fuel()
    }

    /// How much was spent since it was last set, or since the store was made: all that there was, after
    /// [`crate::TrapCode::FuelExhausted`]. `None` if the engine's code does not count.
    pub fn fuel_used(&self) -> Option<u64> {
        self.as_context().fuel_used()
    }
}

impl<T: 'static> StoreContext<'_, T> {
    /// As [`Store::fuel`]; in a host function as well.
    pub fn fuel(&self) -> Option<u64> {
        let runtime = self.runtime();
        runtime.counts_fuel().then(|| runtime.fuel())
    }

    /// As [`Store::fuel_used`]; in a host function as well.
    pub fn fuel_used(&self) -> Option<u64> {
        let runtime = self.runtime();
        runtime.counts_fuel().then(|| runtime.fuel_used())
    }
}

impl<T: 'static> StoreContextMut<'_, T> {
    /// As [`Store::set_fuel`]; in a host function as well, for the code that it returns to.
    ///
    /// # Panics
    /// If the engine's code does not count.
    pub fn set_fuel(&mut self, left: u64) {
        let runtime = self.runtime_mut();
        assert!(runtime.counts_fuel(), "the engine's code does not count: Config::fuel has it do so");
        runtime.set_fuel(left);
    }
}
