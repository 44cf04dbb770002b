//! What is done to inputs: bytes of any kind, and modules, whose parts are known.

use super::sections::{self, CODE, Section, Sections};
use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

/// No input gets longer than this.
const LONGEST: usize = 256 << 10;

/// Numbers at which decoders and compilers do something else, with those beside them.
const NUMBERS: &[u64] = &[
    0,
    1,
    2,
    16,
    64,
    127,
    128,
    255,
    256,
    999,
    1000,
    1001,
    1024,
    4096,
    7_654,
    7_655,
    16_384,
    50_000,
    65_535,
    65_536,
    100_000,
    1_000_000,
    10_000_000,
    1 << 24,
    i32::MAX as u64,
    1 << 31,
    u32::MAX as u64,
    1 << 32,
    1 << 48,
    i64::MAX as u64,
    1 << 63,
    u64::MAX,
];

/// A number of these, or one beside it.
pub fn number(rng: &mut ChaCha8Rng) -> u64 {
    NUMBERS.choose(rng).expect("not empty").wrapping_add([0, 0, 1, u64::MAX][rng.random_range(0..4)])
}

/// Any place in something of this length.
fn place(rng: &mut ChaCha8Rng, len: usize) -> usize {
    rng.random_range(0..=len)
}

/// A stretch of something of this length, seldom long.
fn stretch(rng: &mut ChaCha8Rng, len: usize) -> std::ops::Range<usize> {
    let start = place(rng, len);
    let longest = if rng.random_ratio(1, 8) { len } else { 16 };
    start..len.min(start + rng.random_range(0..=longest))
}

/// Changes some bytes, in one way.
pub fn bytes(rng: &mut ChaCha8Rng, bytes: &mut Vec<u8>, others: &[Vec<u8>]) {
    let range = stretch(rng, bytes.len());
    match rng.random_range(0..10) {
        0 => bytes.truncate(range.start),
        1 | 2 => {
            if let Some(byte) = bytes.get_mut(range.start) {
                *byte ^= 1 << rng.random_range(0..8);
            }
        }
        3 => {
            if let Some(byte) = bytes.get_mut(range.start) {
                *byte = [0, 1, 0x7f, 0x80, 0xff, rng.random()][rng.random_range(0..6)];
            }
        }
        4 | 5 => leb(rng, bytes, range.start),
        6 => drop(bytes.drain(range)),
        7 => {
            let part = bytes[range].to_vec();
            let at = place(rng, bytes.len());
            bytes.splice(at..at, part);
        }
        8 => {
            let other = others.choose(rng).map_or(&[][..], |o| o);
            let part = other[stretch(rng, other.len())].to_vec();
            bytes.splice(range, part);
        }
        _ => rng.fill(&mut bytes[range]),
    }
    bytes.truncate(LONGEST);
}

/// Replaces the number at this place by another, which may be longer than it need be.
fn leb(rng: &mut ChaCha8Rng, bytes: &mut Vec<u8>, at: usize) {
    let Some((value, len)) = sections::read(&bytes[at..]) else { return };
    let value = match rng.random_range(0..4) {
        0 => value.wrapping_add(1),
        1 => value.wrapping_sub(1),
        _ => number(rng),
    };
    let mut new = Vec::new();
    sections::write(value, if rng.random_ratio(1, 6) { rng.random_range(1..12) } else { 0 }, &mut new);
    bytes.splice(at..at + len, new);
}

/// A module that was one of these.
pub fn module(rng: &mut ChaCha8Rng, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut module = seeds.choose(rng).cloned().unwrap_or_default();
    // Most of them once or twice: what is changed often is refused early.
    let times = 1 + rng.random::<u32>().trailing_zeros();
    for _ in 0..times {
        match rng.random_range(0..16) {
            0 => bytes(rng, &mut module, seeds),
            1 | 2 => sections(rng, &mut module, seeds),
            3 | 4 => contents(rng, &mut module, seeds),
            _ => body(rng, &mut module, seeds),
        }
    }
    module
}

/// Exchanges whole sections.
fn sections(rng: &mut ChaCha8Rng, module: &mut Vec<u8>, seeds: &[Vec<u8>]) {
    let mut parts = Sections::of(module);
    let len = parts.all.len();
    if len == 0 {
        return;
    }
    let (a, b) = (rng.random_range(0..len), rng.random_range(0..len));
    match rng.random_range(0..8) {
        0 => {
            let copy = parts.all[a].clone();
            parts.all.insert(b, copy);
        }
        1 => parts.all.swap(a, b),
        2 => drop(parts.all.remove(a)),
        3 => parts.all[a].id = rng.random_range(0..16),
        4 => {
            let other = Sections::of(seeds.choose(rng).map_or(&[], |s| s));
            if let Some(section) = other.all.choose(rng) {
                match parts.all.iter_mut().find(|s| s.id == section.id && s.id != 0) {
                    Some(same) if rng.random_ratio(3, 4) => *same = section.clone(),
                    _ => parts.all.insert(a, section.clone()),
                }
            }
        }
        5 => {
            let section = custom(rng);
            parts.all.insert(a, section);
        }
        6 => {
            // It says that it is of another length than it is, perhaps of gigabytes.
            *module = parts.bytes();
            let at = parts.head.len() + parts.all[..a].iter().map(encoded_len).sum::<usize>() + 1;
            leb(rng, module, at);
            return;
        }
        _ => {
            // More or fewer items than there are.
            leb(rng, &mut parts.all[a].body, 0);
        }
    }
    *module = parts.bytes();
}

fn encoded_len(section: &Section) -> usize {
    let mut len = Vec::new();
    sections::write(section.body.len() as u64, 0, &mut len);
    1 + len.len() + section.body.len()
}

/// A custom section with a name that means something, or with one that a terminal would take for more than text.
fn custom(rng: &mut ChaCha8Rng) -> Section {
    const NAMES: &[&str] = &[
        "name",
        "producers",
        "target_features",
        ".debug_info",
        ".debug_line",
        ".debug_abbrev",
        ".debug_str",
        ".debug_ranges",
        "sourceMappingURL",
        "dylink.0",
        "",
        "\u{1b}[2J\u{7}",
        "\u{202e}\u{0}",
    ];
    let name = NAMES.choose(rng).expect("not empty");
    let mut body = Vec::new();
    sections::write(name.len() as u64, 0, &mut body);
    body.extend(name.as_bytes());
    let len = rng.random_range(0..64);
    body.extend((0..len).map(|_| rng.random::<u8>() >> rng.random_range(0..8)));
    Section { id: 0, body }
}

/// Changes what is in a section, whose length is right afterwards.
fn contents(rng: &mut ChaCha8Rng, module: &mut Vec<u8>, seeds: &[Vec<u8>]) {
    let mut parts = Sections::of(module);
    if let Some(n) = parts.all.len().checked_sub(1) {
        let section = &mut parts.all[rng.random_range(0..=n)];
        bytes(rng, &mut section.body, seeds);
        *module = parts.bytes();
    }
}

/// Changes what is in a function's body, whose length is right afterwards.
fn body(rng: &mut ChaCha8Rng, module: &mut Vec<u8>, seeds: &[Vec<u8>]) {
    let mut parts = Sections::of(module);
    let Some(section) = parts.all.iter_mut().find(|s| s.id == CODE) else { return };
    let Some(mut bodies) = sections::bodies(&section.body).filter(|b| !b.is_empty()) else { return };
    let n = rng.random_range(0..bodies.len());
    match rng.random_range(0..10) {
        0 => bodies[n] = bodies.choose(rng).cloned().unwrap_or_default(),
        1 => bytes(rng, &mut bodies[n], seeds),
        2 => {
            let range = stretch(rng, bodies[n].len());
            let part = bodies.choose(rng).map(|b| b[stretch(rng, b.len())].to_vec()).unwrap_or_default();
            bodies[n].splice(range, part);
        }
        3 | 4 => insert(rng, &mut bodies[n]),
        5 | 6 => {
            let at = place(rng, bodies[n].len());
            leb(rng, &mut bodies[n], at);
        }
        _ => {
            for _ in 0..rng.random_range(1..8) {
                exchange(rng, &mut bodies[n]);
            }
        }
    }
    section.body = sections::code(&bodies);
    *module = parts.bytes();
}

/// Operators of one byte that take and give the same, first and last.
const ALIKE: &[(u8, u8)] = &[
    (0x20, 0x22), // Locals.
    (0x0c, 0x0d), // Branches.
    (0x02, 0x03), // Block and loop.
    (0x28, 0x28),
    (0x2c, 0x2f), // Loads of i32.
    (0x30, 0x35), // Loads of i64.
    (0x36, 0x36),
    (0x3a, 0x3b), // Stores of i32.
    (0x3c, 0x3e), // Stores of i64.
    (0x46, 0x4f), // Comparisons.
    (0x51, 0x5a),
    (0x5b, 0x60),
    (0x61, 0x66),
    (0x67, 0x69), // Counts of bits.
    (0x79, 0x7b),
    (0x6a, 0x78), // Binary.
    (0x7c, 0x8a),
    (0x8b, 0x91),
    (0x92, 0x98),
    (0x99, 0x9f),
    (0xa0, 0xa6),
    (0xa8, 0xab), // Conversions, as far as their operands are alike.
    (0xc0, 0xc1),
    (0xc2, 0xc4),
];

/// Another operator in the place of one that takes and gives the same.
fn exchange(rng: &mut ChaCha8Rng, body: &mut [u8]) {
    let alike = |byte: u8| ALIKE.iter().find(|(first, last)| (*first..=*last).contains(&byte));
    let start = place(rng, body.len());
    if let Some((byte, &(first, last))) = body[start..].iter_mut().find_map(|b| alike(*b).map(|range| (b, range))) {
        *byte = rng.random_range(first..=last);
    }
}

/// Operators that leave what is on the stack, or not, somewhere.
fn insert(rng: &mut ChaCha8Rng, body: &mut Vec<u8>) {
    let mut new = Vec::new();
    let operand = |rng: &mut ChaCha8Rng, new: &mut Vec<u8>| {
        let value = if rng.random_ratio(1, 4) { number(rng) } else { rng.random_range(0..8) };
        sections::write(value, 0, new);
    };
    match rng.random_range(0..12) {
        0 => new.extend([0x01; 3]),
        1 => new.push(0x00),
        2 => new.push(0x1a),
        3 => {
            new.push(0x41);
            operand(rng, &mut new);
            new.push(0x1a);
        }
        4 => {
            new.push(0x20);
            operand(rng, &mut new);
            new.push(0x1a);
        }
        5 => {
            // A load from anywhere.
            new.push(0x41);
            operand(rng, &mut new);
            new.extend([0x28 + rng.random_range(0..14), 0]);
            operand(rng, &mut new);
            new.push(0x1a);
        }
        6 => {
            new.extend([[0x0c, 0x0d, 0x0e, 0x0f][rng.random_range(0..4)]]);
            operand(rng, &mut new);
        }
        7 => {
            new.extend([0x41, 1, 0x40, 0, 0x1a]);
        }
        8 => {
            // Blocks in blocks.
            let depth = if rng.random_ratio(1, 16) { 20_000 } else { rng.random_range(1..40) };
            (0..depth).for_each(|_| new.extend([0x02 + u8::from(rng.random::<bool>()), 0x40]));
            new.extend(std::iter::repeat_n(0x0b, depth));
        }
        9 => {
            // A table of branches, all of them out of one block.
            let targets = if rng.random_ratio(1, 16) { 100_000 } else { rng.random_range(0..200) };
            new.extend([0x02, 0x40, 0x41]);
            operand(rng, &mut new);
            new.push(0x0e);
            sections::write(targets, 0, &mut new);
            new.extend(std::iter::repeat_n(0, targets as usize + 1));
            new.push(0x0b);
        }
        10 => {
            new.push([0x10, 0x11, 0x12, 0x13, 0x23, 0x24, 0x25, 0x26, 0xd0, 0xd2][rng.random_range(0..10)]);
            operand(rng, &mut new);
            operand(rng, &mut new);
        }
        _ => {
            new.extend([[0xfb, 0xfc, 0xfd, 0xfe][rng.random_range(0..4)]]);
            operand(rng, &mut new);
            operand(rng, &mut new);
        }
    }
    let at = place(rng, body.len());
    body.splice(at..at, new);
    body.truncate(LONGEST);
}

/// A module of these, with something else in its custom sections.
pub fn custom_sections(rng: &mut ChaCha8Rng, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut parts = Sections::of(seeds.choose(rng).map_or(&[], |s| s));
    let others: Vec<Vec<u8>> = parts.all.iter().filter(|s| s.id == 0).map(|s| s.body.clone()).collect();
    for _ in 0..1 + rng.random::<u32>().trailing_zeros() {
        let Some(n) = others.len().checked_sub(1) else { break };
        let n = rng.random_range(0..=n);
        let Some(section) = parts.all.iter_mut().filter(|s| s.id == 0).nth(n) else { continue };
        // The name stays, or the section would mean nothing.
        let Some(name) = sections::read(&section.body).map(|(len, n)| len as usize + n) else { continue };
        let mut body = section.body.split_off(name.min(section.body.len()));
        bytes(rng, &mut body, &others);
        section.body.extend(body);
    }
    if rng.random_ratio(1, 20) {
        parts.all.push(custom(rng));
    }
    parts.bytes()
}
