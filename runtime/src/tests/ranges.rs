//! Moving and filling ranges in trampolines: every length, overlap and edge, with vectors of either width.

use super::build::*;
use crate::stubs::{STUB_OFFSETS, vectors};
use crate::*;
use sconce_environ::builtin::Builtin;
use sconce_environ::index::*;
use sconce_environ::module::EntityIndex;
use sconce_environ::trap::TrapCode;
use sconce_environ::types::*;
use sconce_x64::stubs::{self, MOST_AT_ONCE, Vectors};

/// Bytes of the memory that is worked on: pages of one byte, so that its end is anywhere.
const SIZE: u64 = 3 * MOST_AT_ONCE as u64 + 4321;

/// A memory, and the trampolines as its functions.
struct Ranges {
    world: World,
    instance: InstanceHandle,
    memory: MemoryHandle,
    /// What the memory has to hold.
    model: Vec<u8>,
}

/// The widest vectors last: functions 0 and 1 are with the narrowest.
fn kinds() -> impl Iterator<Item = Vectors> {
    [Vectors::Xmm, Vectors::Ymm, Vectors::Zmm].into_iter().filter(|&v| v <= vectors())
}

impl Ranges {
    fn new() -> Ranges {
        let mut b = Builder::new();
        b.memory(MemoryType { limits: Limits { min: SIZE, max: None }, page_size_log2: 0, ..MEMORY });
        let targets = builtins::targets();
        for v in kinds() {
            let target = |builtin| targets[builtin as usize] as u64;
            // Called from the host like any function, they find their arguments where compiled code passes them.
            for code in [
                stubs::move_(&STUB_OFFSETS, target(Builtin::MemoryCopy), v),
                stubs::fill(&STUB_OFFSETS, target(Builtin::MemoryFill), v),
            ] {
                b.define(func(&[ValType::I64; 5], &[], code));
            }
        }
        let mut world = World::new();
        let instance = world.instantiate(b, &[]);
        let item = world.store.instance_item(instance, EntityIndex::Memory(MemoryIndex::from_u32(0)));
        let Item::Memory(memory) = item else { panic!("{item:?}") };
        let model: Vec<u8> = (0..SIZE as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        world.store.memory_write(memory, 0, &model).unwrap();
        Ranges { world, instance, memory, model }
    }

    fn call(&mut self, number: u32, args: [u64; 5]) -> Result<(), TrapCode> {
        let f = self.world.func(self.instance, FuncIndex::from_u32(number));
        match self.world.call(f, &Signature::new([I64; 5], []), &args.map(u128::from)) {
            Ok(_) => Ok(()),
            Err(Failure { stop: Stop::Trap(code), .. }) => Err(code),
            Err(other) => panic!("{other:?}"),
        }
    }

    fn seen(&self) -> u64 {
        self.world.store.memories[self.memory.index as usize].vm() as u64
    }

    fn copy(&mut self, v: Vectors, to: u64, from: u64, len: u64) -> Result<(), TrapCode> {
        self.call(2 * v as u32, [self.seen(), self.seen(), to, from, len])
    }

    fn fill(&mut self, v: Vectors, to: u64, value: u64, len: u64) -> Result<(), TrapCode> {
        self.call(2 * v as u32 + 1, [self.seen(), to, value, len, 0])
    }

    /// What is around a range is as the model says.
    #[track_caller]
    fn check(&self, around: u64, len: u64) {
        let (start, end) = (around.saturating_sub(200), (around + len + 200).min(SIZE));
        let mut found = vec![0; (end - start) as usize];
        self.world.store.memory_read(self.memory, start, &mut found).unwrap();
        assert!(found == self.model[start as usize..end as usize], "around {around}, {len} bytes");
    }

    #[track_caller]
    fn copies(&mut self, v: Vectors, to: u64, from: u64, len: u64) {
        assert_eq!(self.copy(v, to, from, len), Ok(()), "{len} bytes from {from} to {to}");
        self.model.copy_within(from as usize..(from + len) as usize, to as usize);
        self.check(to, len);
    }

    #[track_caller]
    fn fills(&mut self, v: Vectors, to: u64, value: u64, len: u64) {
        assert_eq!(self.fill(v, to, value, len), Ok(()), "{len} bytes at {to}");
        self.model[to as usize..(to + len) as usize].fill(value as u8);
        self.check(to, len);
    }
}

/// Lengths up to beyond the classes without a loop, and around all that the code compares with.
fn lengths() -> impl Iterator<Item = u64> {
    let powers = (9..=14).map(|log2| 1 << log2).chain([MOST_AT_ONCE as u64]);
    (0..=600).chain(powers.flat_map(|n: u64| [n - 33, n - 1, n, n + 1, n + 31]))
}

#[test]
fn every_length_at_every_alignment() {
    let mut r = Ranges::new();
    for v in kinds() {
        for len in lengths() {
            for (to, from) in [(0, 0), (0, 1), (1, 0), (15, 16), (16, 15), (31, 7), (32, 33), (63, 64), (5, 27)] {
                let far = u64::from(MOST_AT_ONCE as u32) + 1000;
                r.copies(v, far + to, 1000 + from, len);
                r.fills(v, 1000 + to, 0xf00 + len, len);
            }
        }
    }
}

#[test]
fn every_overlap() {
    let mut r = Ranges::new();
    for v in kinds() {
        for len in (0..=600_u64).step_by(13).chain([255, 256, 257, 511, 512, 513, 1000]) {
            let near = (0..=70).chain([95, 96, 97, 127, 128, 129, 159, 161, 255, 256, 257, 320, 511]);
            for distance in near.chain([len.saturating_sub(1), len, len + 1]) {
                for skew in [0, 3] {
                    r.copies(v, 2000 + skew, 2000 + skew + distance, len);
                    r.copies(v, 2000 + skew + distance, 2000 + skew, len);
                }
            }
        }
    }
}

#[test]
fn up_to_the_last_byte_and_not_one_beyond() {
    let mut r = Ranges::new();
    for v in kinds() {
        for len in lengths() {
            r.fills(v, SIZE - len, 7, len);
            r.copies(v, SIZE - len, 10, len);
            r.copies(v, 10, SIZE - len, len);
            for beyond in [1, 2, 1 << 32, 1 << 63, u64::MAX - SIZE, len.wrapping_sub(SIZE)] {
                let at = (SIZE - len).wrapping_add(beyond);
                let outside = Err(TrapCode::MemoryOutOfBounds);
                if at > SIZE - len {
                    assert_eq!(r.fill(v, at, 1, len), outside, "{len} bytes at {at:#x}");
                    assert_eq!(r.copy(v, at, 0, len), outside, "{len} bytes to {at:#x}");
                    assert_eq!(r.copy(v, 0, at, len), outside, "{len} bytes from {at:#x}");
                }
            }
            // Nothing was written, wherever the end was.
            r.check(SIZE - len, len);
            r.check(0, len);
        }
        for len in [SIZE + 1, 1 << 31, 1 << 32, u64::MAX - 1, u64::MAX] {
            assert_eq!(r.fill(v, 0, 1, len), Err(TrapCode::MemoryOutOfBounds));
            assert_eq!(r.copy(v, 1, 0, len), Err(TrapCode::MemoryOutOfBounds));
            assert_eq!(r.fill(v, 1, 1, len), Err(TrapCode::MemoryOutOfBounds));
        }
        r.check(0, SIZE);
    }
}
