//! Trap codes: every way in which wasm code ends abnormally, one row each.

use serde::{Deserialize, Serialize};

macro_rules! traps {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $text:literal;)*) => {
        /// Why wasm code trapped. The number is what compilers put into trap tables and never changes meaning
        /// within one version of the artifact format.
        #[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[repr(u8)]
        pub enum TrapCode { $($(#[$doc])* $name = $code,)* }

        impl TrapCode {
            /// Every trap code.
            pub const ALL: &'static [TrapCode] = &[$(TrapCode::$name,)*];

            /// The code with this number, if there is one.
            pub const fn from_u8(code: u8) -> Option<TrapCode> {
                match code { $($code => Some(TrapCode::$name),)* _ => None }
            }

            /// The message, in the words that the spec testsuite expects as a prefix.
            pub const fn message(self) -> &'static str {
                match self { $(TrapCode::$name => $text,)* }
            }
        }
    };
}

traps! {
    /// The `unreachable` instruction.
    Unreachable = 1, "unreachable";
    /// A load, store or bulk operation outside a memory.
    MemoryOutOfBounds = 2, "out of bounds memory access";
    /// A table access or bulk operation outside a table.
    TableOutOfBounds = 3, "out of bounds table access";
    /// `call_indirect` with an index past the table's end.
    UndefinedElement = 4, "undefined element";
    /// `call_indirect` through a null entry.
    UninitializedElement = 5, "uninitialized element";
    /// `call_indirect` of a function of another type.
    IndirectCallTypeMismatch = 6, "indirect call type mismatch";
    /// Signed division of the least value by -1, or a float too large for an integer.
    IntegerOverflow = 7, "integer overflow";
    /// Integer division or remainder by zero.
    IntegerDivideByZero = 8, "integer divide by zero";
    /// A NaN converted to an integer.
    InvalidConversionToInteger = 9, "invalid conversion to integer";
    /// The wasm stack, or the host stack below it, is exhausted.
    StackOverflow = 10, "call stack exhausted";
    /// Stopped from outside: timeout, Ctrl-C, cancellation.
    Interrupt = 11, "interrupted";
    /// A null reference where a non-null one was needed.
    NullReference = 12, "null reference";
    /// A call through a null reference.
    NullFunctionReference = 13, "null function reference";
    /// `throw_ref` of null.
    NullExceptionReference = 14, "null exception reference";
    /// An atomic access whose address is not a multiple of its size.
    UnalignedAtomic = 15, "unaligned atomic";
    /// `memory.atomic.wait` on a memory that no other thread can have.
    ExpectedSharedMemory = 16, "expected shared memory";
    /// Compiled code relied on what does not hold: only code in paranoid style looks
    /// ([`crate::compile::Settings::paranoid`]), and what it finds is a mistake of Sconce's.
    BrokenInvariant = 17, "broken invariant";
    /// There is no memory for another object that references name.
    ReferenceHeapFull = 18, "reference heap is full";
    /// The limit of memory leaves nothing for a wasm stack to grow.
    StackMemory = 19, "call stack exhausted: the limit of memory is reached";
    /// What comes next costs more fuel than is left ([`crate::fuel`]).
    FuelExhausted = 20, "fuel exhausted";
}

impl std::fmt::Display for TrapCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.message())
    }
}
