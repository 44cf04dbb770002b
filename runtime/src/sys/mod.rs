//! Everything that is the operating system's: mappings, memory files, address-space probes, limits, threads'
//! stacks, signals, what the process was started with.

pub(crate) mod build;
pub(crate) mod calls;
pub(crate) mod environment;
pub(crate) mod helper;
pub(crate) mod last_resort;
pub(crate) mod limits;
pub(crate) mod memfile;
pub(crate) mod mmap;
pub(crate) mod poll;
pub(crate) mod schedule;
pub(crate) mod signal;
pub(crate) mod space;
pub(crate) mod start;
pub(crate) mod syscall;
pub(crate) mod thread;
pub(crate) mod timer;

pub(crate) use sconce_environ::space::HOST_PAGE as PAGE;

/// Rounds up to whole host pages. `None` if that overflows.
pub(crate) fn page_ceil(n: usize) -> Option<usize> {
    n.checked_next_multiple_of(PAGE)
}
