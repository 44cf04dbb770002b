//! System calls that a confined process makes, as rows: each room lists its own, with the reason.

use libc::c_long;

/// A system call that is allowed.
#[derive(Copy, Clone, Debug)]
pub struct Call {
    /// Its number.
    pub number: c_long,
    /// When it is made.
    pub when: When,
    /// With which arguments: one of these lists holds as a whole. Without any list, all.
    pub only: &'static [&'static [Check]],
    /// What it is made for.
    pub why: &'static str,
}

/// Phases of a confined process. What is made to prepare a run is made before, and not restricted.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum When {
    /// While the guest runs, or at any time.
    Run,
    /// When the guest has ended, to report, and to end.
    Finish,
    /// While the guest runs, if it has a directory.
    WithDirectories,
    /// While the guest runs, if it has a socket.
    WithSockets,
    /// It is refused, unless another row allows it, and whoever makes it goes on without.
    InVain,
}

/// A condition on an argument, counted from 0.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Check {
    /// The argument is this value, in its lower 32 bits.
    Is(u8, u32),
    /// All of the argument is zero: a null pointer.
    IsNull(u8),
    /// Under the first mask the argument has these bits and no others.
    Bits(u8, u64, u64),
    /// The argument is at most this.
    AtMost(u8, u64),
    /// An address in the engine's code reservation, at least [`MOST_CODE_AT_ONCE`] before its end.
    InCode(u8),
    /// The number of this process.
    ThisProcess(u8),
}

/// Bytes of code that are made executable by one call while a guest runs, at most.
pub const MOST_CODE_AT_ONCE: usize = 1 << 20;

impl Call {
    /// A row for a call with any arguments.
    pub const fn any(number: c_long, when: When, why: &'static str) -> Call {
        Call { number, when, only: &[], why }
    }

    /// A row for a call with certain arguments.
    pub const fn only(number: c_long, when: When, only: &'static [&'static [Check]], why: &'static str) -> Call {
        Call { number, when, only, why }
    }
}
