//! What the parameters of a function are: the vocabulary of the rows in [`crate::p1::link`].

use crate::p1::abi::Generation;

/// A function as it is shown.
pub(crate) struct Row {
    pub name: &'static str,
    pub params: &'static [Param],
}

impl Row {
    /// With so many parameters of WebAssembly's. That the row has no more and no less is checked when it is compiled.
    pub(crate) const fn new(name: &'static str, params: &'static [Param], words: usize) -> Row {
        let (mut n, mut i) = (0, 0);
        while i < params.len() {
            n += params[i].kind.words();
            i += 1;
        }
        assert!(n == words, "a row does not say of each parameter what it is");
        Row { name, params }
    }
}

/// A parameter of the specification's, with its name there.
pub(crate) struct Param {
    pub name: &'static str,
    pub kind: Kind,
}

/// Names by number, or by bit.
pub(crate) type Names = &'static [&'static str];

/// What a parameter means.
#[derive(Copy, Clone)]
pub(crate) enum Kind {
    Descriptor,
    Number,
    Signed,
    /// Nanoseconds.
    Duration,
    /// Nanoseconds since 1970.
    Time,
    Flags(Names),
    Choice(Names),
    /// An address, of which nothing more is shown.
    Pointer,
    /// Address and length of a string.
    Text,
    /// Address and length of bytes that the function fills, and nobody needs to see.
    Buffer,
    /// Address and length of bytes that the function fills with a string.
    Filled,
    /// Address and length of bytes that the function fills with `$dirent`s.
    Entries,
    /// Address and number of the buffers of a `$ciovec_array`.
    Written,
    /// Address and number of the buffers of an `$iovec_array`.
    Read,
    /// Address of subscriptions, whose number is the parameter after the next.
    Subscriptions(Generation),
    /// Address of room for events, whose number is the result of kind [`Kind::Size`].
    Events,
    /// A result of 4 bytes: how much of what the function fills is filled.
    Size,
    /// A result of 4 bytes.
    Count,
    /// A result of 8 bytes.
    Position,
    /// A result of 8 bytes: what the clock shows that the first parameter names.
    Clock,
    /// A result of 8 bytes: nanoseconds.
    Resolution,
    /// A result of 4 bytes: a new descriptor.
    Accepted,
    /// A result of 4 bytes: a new descriptor, for the string below the first parameter.
    Opened,
    /// A result of 2 bytes.
    ResultFlags(Names),
    Fdstat,
    Filestat(Generation),
    Prestat,
}

impl Kind {
    /// How many of WebAssembly's parameters it is.
    pub(crate) const fn words(self) -> usize {
        match self {
            Kind::Text | Kind::Buffer | Kind::Filled | Kind::Entries | Kind::Written | Kind::Read => 2,
            Kind::Descriptor
            | Kind::Number
            | Kind::Signed
            | Kind::Duration
            | Kind::Time
            | Kind::Flags(_)
            | Kind::Choice(_)
            | Kind::Pointer
            | Kind::Subscriptions(_)
            | Kind::Events
            | Kind::Size
            | Kind::Count
            | Kind::Position
            | Kind::Clock
            | Kind::Resolution
            | Kind::Accepted
            | Kind::Opened
            | Kind::ResultFlags(_)
            | Kind::Fdstat
            | Kind::Filestat(_)
            | Kind::Prestat => 1,
        }
    }
}

macro_rules! constructors {
    ($($name:ident $kind:ident $(($argument:ident: $ty:ty))?;)*) => {$(
        #[doc = concat!("[`Kind::", stringify!($kind), "`].")]
        pub(crate) const fn $name(name: &'static str $(, $argument: $ty)?) -> Param {
            Param { name, kind: Kind::$kind $(($argument))? }
        }
    )*};
}

constructors! {
    descriptor Descriptor;
    number Number;
    signed Signed;
    duration Duration;
    time Time;
    flags Flags(names: Names);
    choice Choice(names: Names);
    pointer Pointer;
    text Text;
    buffer Buffer;
    filled Filled;
    entries Entries;
    written Written;
    read Read;
    subscriptions Subscriptions(generation: Generation);
    events Events;
    size Size;
    count Count;
    position Position;
    clock Clock;
    resolution Resolution;
    accepted Accepted;
    opened Opened;
    result_flags ResultFlags(names: Names);
    fdstat Fdstat;
    filestat Filestat(generation: Generation);
    prestat Prestat;
}

/// `fd`, as most functions have it.
pub(crate) const FD: Param = descriptor("fd");
