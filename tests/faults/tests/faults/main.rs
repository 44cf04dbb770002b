//! Faults that guests cause, and what becomes of them: a file a kind of fault, each in every bounds style and way to call.

mod barriers;
mod bounded;
mod calls;
mod depths;
mod every_pc;
mod exceptions;
mod fused;
mod host;
mod in_place;
mod inlining;
mod interrupt;
mod lazy;
mod leaves;
mod limits;
mod memory;
mod numeric;
mod one_signal;
mod osr;
mod stack;
mod start;
mod tail_calls;
mod tiers;
mod unwind;
