//! The constants at which Sconce's code generators do one thing or another, and numbers from around them.

use rand::Rng;

/// Operands below an operator: Lightbeam settles its window of 32 down to 16 at 32, 48, 64, ...
pub const DEPTHS: &[u64] = &[0, 8, 16, 32, 48, 64, 80];
/// Locals: registers for pins (3, 4, 7 with those of leaves), single clearing (12 words), candidates of a loop (64).
pub const LOCALS: &[u64] = &[0, 3, 6, 8, 12, 16, 24, 32, 64, 100, 200];
/// Locals of a frame of around one page, of the last that is probed page by page (8), and of one that would step over the stack's
/// guard (64 KiB) if it were not probed.
pub const FRAME_LOCALS: &[u64] = &[512, 4096, 32768];
/// Parameters and results of one kind: 5 integers and 8 floats of arguments are in registers, 8 results of each.
pub const SIGNATURE: &[u64] = &[0, 1, 5, 8, 10, 16, 20];
/// How many values a branch takes along: one goes in a register, those of a jump table beyond 8 by a loop.
pub const ARITY: &[u64] = &[0, 1, 8, 16];
/// Targets of a jump table.
pub const TARGETS: &[u64] = &[0, 1, 2, 4, 16];
/// Levels of subtyping.
pub const CHAIN: &[u64] = &[1, 3, 8];
/// Iterations of a loop.
pub const ITERATIONS: &[u64] = &[1, 2, 4];
/// Elements of a table: an entry has 32 bytes, a page of them 128.
pub const ELEMENTS: &[u64] = &[1, 16, 128];
/// Bytes of a memory of single-byte pages.
pub const BYTES: &[u64] = &[1, 16, 1 << 12, 1 << 16];
/// By how much memories grow, in pages of one byte.
pub const GROWTH: &[u64] = &[0, 1, 1 << 12, 1 << 16, 1 << 31, 1 << 32];
/// Offsets of accesses: displacements have 31 bits, guards begin there.
pub const OFFSETS: &[u64] = &[0, 8, 1 << 12, 1 << 16, 1 << 31, 1 << 32];
/// Integers.
pub const INTEGERS: &[u64] = &[0, 1, 8, 16, 31, 32, 63, 64, 128, 255, 1 << 15, 1 << 16, 1 << 31, 1 << 32, 1 << 63];

/// One of the constants, one less, or one more; never less than zero.
pub fn near(rng: &mut impl Rng, constants: &[u64]) -> u64 {
    pick(rng, constants).saturating_add_signed(rng.random_range(-1..=1))
}

/// As [`near`], or anything up to the largest of them: as often the one as the other.
pub fn near_or_any(rng: &mut impl Rng, constants: &[u64]) -> u64 {
    if rng.random() { near(rng, constants) } else { rng.random_range(0..=constants.iter().copied().max().unwrap_or(0)) }
}

/// One of these, of which there is one at least.
pub fn pick<T: Copy>(rng: &mut impl Rng, choices: &[T]) -> T {
    choices[rng.random_range(0..choices.len())]
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    /// The constants that the numbers above are about: where one changes, they do.
    const SOURCES: &[(&str, &str)] = &[
        ("lightbeam/src/stack.rs", "const WINDOW: usize = 32;"),
        ("lightbeam/src/stack.rs", "self.settle_to(at - WINDOW / 2);"),
        ("lightbeam/src/frame.rs", "const PROBE_BYTES: i32 = 4096;"),
        ("lightbeam/src/frame.rs", "if bytes <= 8 * PROBE_BYTES {"),
        ("lightbeam/src/frame.rs", "const MAX_CLEARED_SINGLY: usize = 12;"),
        ("lightbeam/src/summary.rs", "const MAX_CANDIDATES: usize = 64;"),
        ("lightbeam/src/control.rs", "const MOVED_SINGLY: usize = 8;"),
        ("environ/src/abi.rs", "pub const RESULT_REGISTERS: usize = 8;"),
        ("environ/src/abi.rs", "const INTEGER_ARGUMENTS: usize = 5;"),
        ("environ/src/abi.rs", "const FLOAT_ARGUMENTS: usize = 8;"),
        ("environ/src/compile.rs", "pub const MAX_GUARDED_OFFSET: u64 = 1 << 31;"),
        ("cranelift/src/rare.rs", "const MAX_LIVE: usize = 16;"),
        ("runtime/src/stack.rs", "const GUARD: usize = 64 << 10;"),
    ];

    #[test]
    fn constants_are_what_they_were() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        for (file, text) in SOURCES {
            let source = std::fs::read_to_string(root.join(file)).expect("the sources are there");
            assert!(source.contains(text), "{file} has no `{text}` any more: see to the numbers here");
        }
    }
}
