//! How far a compilation is.

/// How a long compilation tells of its progress, and is asked whether to go on. Called from several threads.
pub trait Progress: Sync {
    /// Compilation of so many bytes of function bodies begins. Not called when the module comes from the cache.
    fn started(&self, total_bytes: u64);
    /// So many more bytes are done.
    fn advanced(&self, bytes: u64);
    /// Whether to stop with [`crate::Error::Cancelled`]; asked before each function.
    fn cancelled(&self) -> bool;
}
