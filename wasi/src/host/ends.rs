//! How a program can end beside returning and trapping.

/// The program ended itself with this code.
#[derive(Copy, Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("exit with code {0}")]
pub struct Exit(pub u32);

/// The program wrote to standard output or error, which nobody reads any more. A program of the
/// shell's would have died of `SIGPIPE`.
#[derive(Copy, Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("broken pipe")]
pub struct BrokenPipe;

/// The program wrote as much to its standard streams as it may: so many bytes.
#[derive(Copy, Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("more than {0} bytes of output")]
pub struct OutputLimit(pub u64);

/// The program raised a signal that ends a process: the host's number.
#[derive(Copy, Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("ended by signal {0}")]
pub struct Killed(pub i32);
