//! What the processor can do besides what every processor that is served can.

/// Instructions that the processor may or may not have.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Features {
    pub(crate) avx: bool,
    pub(crate) popcnt: bool,
    pub(crate) lzcnt: bool,
    pub(crate) bmi1: bool,
    pub(crate) bmi2: bool,
    pub(crate) sse42: bool,
}
