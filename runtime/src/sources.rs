//! Where a module has from what it is not loaded with: the contents of its data, and code that comes later.

use crate::sampler::Sampler;
use sconce_environ::index::DefinedFuncIndex;
use std::any::Any;
use std::ops::Range;

/// The contents of all data segments of a module, one after the other: the same bytes whenever they are asked for.
pub trait Contents: AsRef<[u8]> + Send + Sync {
    /// If they are kept as pieces with zeros around them, passes on those that begin in a range, in the order in which they are to be
    /// written, with their places from its start, and gives true.
    fn pieces(&self, range: Range<u32>, f: &mut dyn FnMut(usize, &[u8])) -> bool {
        let _ = (range, f);
        false
    }
}

/// Who compiles a module's functions.
pub trait Resolve: Send + Sync {
    /// The address of a function's code, which is compiled now unless it has been. Any thread may ask, for any function, again and again.
    ///
    /// # Errors
    /// What [`crate::Stop::Host`] is to carry: the call traps.
    fn resolve(&self, func: DefinedFuncIndex) -> Result<usize, Box<dyn Any + Send>>;
}

/// Who wants to know where a module's code spends its time.
pub trait Watch: Send + Sync {
    /// An instance has been made in a store, at which this looks.
    fn watch(&self, sampler: Sampler);
}
