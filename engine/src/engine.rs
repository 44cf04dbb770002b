//! The engine: what all modules and stores of a process (or of one embedding) share.

use crate::{BoundsStyle, Config, Error};
use std::sync::Arc;

/// Settings, compiler, canonical types and the code reservation. Cheap to clone; clones are the same engine.
#[derive(Clone)]
pub struct Engine {
    pub(crate) inner: Arc<EngineInner>,
}

pub(crate) struct EngineInner {
    pub(crate) config: Config,
}

impl Engine {
    /// An engine.
    ///
    /// # Errors
    /// [`Error::Resources`] if the code reservation or what a forced bounds style needs cannot be had.
    pub fn new(config: &Config) -> Result<Engine, Error> {
        let _ = config;
        unimplemented!()
    }

    /// The bounds style in use.
    pub fn bounds(&self) -> BoundsStyle {
        self.inner.config.bounds.unwrap_or(BoundsStyle::Guard)
    }

    /// One line for people if the automatic choice could not be the fast one.
    pub fn fallback_notice(&self) -> Option<&str> {
        None
    }

    /// Whether both are the same engine.
    pub fn same(&self, other: &Engine) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    /// Waits until cache entries that are being written beside the run are complete. Dropping the last clone of the engine
    /// does the same; a program that leaves by `exit` calls this first.
    pub fn finish_background_work(&self) {
        unimplemented!()
    }
}
