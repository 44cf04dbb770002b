//! Who is told of trampolines in memory.

/// A trampoline, for who wants to know what is in memory.
#[derive(Copy, Clone, Debug)]
pub struct Stub<'a> {
    /// For people.
    pub name: &'a str,
    /// Where it runs.
    pub address: usize,
    /// Its bytes.
    pub code: &'a [u8],
    /// Whether it is called, and has a return address; else it is jumped to from anywhere.
    pub called: bool,
}

/// Is told of each trampoline when it is made.
pub trait StubListener: Send + Sync + std::fmt::Debug {
    /// One has been made. It stays as long as the code space.
    fn stub(&self, stub: &Stub<'_>);
}
