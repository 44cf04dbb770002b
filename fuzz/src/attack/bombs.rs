//! Modules that are made to be dear: deep, wide, or with numbers that say so.

use super::mutate::number;
use super::sections::{Section, Sections, code, write};
use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;
use sconce_test_support::{bombs, growth};

/// A module of some bytes to some 200 KiB, small for the most part.
pub fn module(rng: &mut ChaCha8Rng) -> Vec<u8> {
    let n = match rng.random_range(0..32) {
        0 => rng.random_range(1_000..20_000),
        1..=7 => rng.random_range(100..1_000),
        _ => rng.random_range(1..100),
    };
    if rng.random_ratio(1, 3) {
        let shapes = [bombs::SHAPES, bombs::PRODUCTS, growth::SHAPES];
        let (_, shape) = shapes.choose(rng).and_then(|s| s.choose(rng)).expect("not empty");
        return wat::parse_str(shape(n.min(400))).unwrap_or_default();
    }
    let mut parts = Sections { head: b"\0asm\x01\0\0\0".to_vec(), all: Vec::new(), rest: Vec::new() };
    let made = MADE.choose(rng).expect("not empty");
    made(rng, n, &mut parts.all);
    parts.bytes()
}

const MADE: &[fn(&mut ChaCha8Rng, usize, &mut Vec<Section>)] =
    &[types, supertypes, expressions, names, locals, blocks, targets, imports, segments, items];

fn add(all: &mut Vec<Section>, id: u8, body: Vec<u8>) {
    all.push(Section { id, body });
}

fn counted(n: u64, items: impl IntoIterator<Item = u8>) -> Vec<u8> {
    let mut out = Vec::new();
    write(n, 0, &mut out);
    out.extend(items);
    out
}

/// One type, of no values, and a function of it with this body.
fn function(all: &mut Vec<Section>, body: Vec<u8>) {
    add(all, 1, vec![1, 0x60, 0, 0]);
    add(all, 3, vec![1, 0]);
    add(all, 7, vec![1, 1, b'f', 0, 0]);
    add(all, 10, code(&[body]));
}

/// A group of function types, each of which takes references to some of the group, itself perhaps.
fn types(rng: &mut ChaCha8Rng, n: usize, all: &mut Vec<Section>) {
    let mut group = vec![0x4e];
    write(n as u64, 0, &mut group);
    for i in 0..n {
        group.extend([0x60, 1, 0x63]);
        let of = match rng.random_range(0..8) {
            0 => i + 1,
            1 => i,
            _ => rng.random_range(0..n),
        };
        write(of as u64, 0, &mut group);
        group.push(0);
    }
    add(all, 1, counted(1, group));
}

/// Each type is below the one before it.
fn supertypes(rng: &mut ChaCha8Rng, n: usize, all: &mut Vec<Section>) {
    let mut types = vec![0x50, 0, 0x60, 0, 0];
    for i in 1..n {
        types.extend([0x50, 1]);
        write(if rng.random_ratio(1, 50) { number(rng) } else { i as u64 - 1 }, 0, &mut types);
        types.extend([0x60, 0, 0]);
    }
    add(all, 1, counted(n as u64, types));
}

/// A constant expression that is long, or deep.
fn expressions(rng: &mut ChaCha8Rng, n: usize, all: &mut Vec<Section>) {
    let mut expr = Vec::new();
    if rng.random() {
        (0..n).for_each(|_| expr.extend([0x41, 1]));
        expr.extend(std::iter::repeat_n(0x6a, n.saturating_sub(1)));
    } else {
        expr.extend([0x41, 0]);
        (0..n).for_each(|_| expr.extend([0x41, 1, 0x6c]));
    }
    expr.push(0x0b);
    add(all, 6, counted(1, [0x7f, 0].into_iter().chain(expr)));
}

/// Long names, of which some mean something to a terminal.
fn names(rng: &mut ChaCha8Rng, n: usize, all: &mut Vec<Section>) {
    let n = n * 4;
    let part = ["\u{1b}[31m", "a", "\u{202e}", "\r\n", "_ZN1a1bE", "::", "<"].choose(rng).expect("not empty");
    let name = part.repeat(n / part.len() + 1).into_bytes();
    let named = counted(name.len() as u64, name);
    add(all, 1, vec![1, 0x60, 0, 0]);
    if rng.random() {
        add(all, 2, counted(1, named.iter().copied().chain(named.iter().copied()).chain([0, 0])));
    } else {
        add(all, 3, vec![1, 0]);
        add(all, 7, counted(1, named.iter().copied().chain([0, 0])));
        add(all, 10, code(&[vec![0, 0, 0x0b]]));
    }
    // The module's name, and the function's.
    let mut section = counted(4, *b"name");
    section.push(0);
    section.extend(counted(named.len() as u64, named.clone()));
    let function = counted(1, [0].into_iter().chain(named));
    section.push(1);
    section.extend(counted(function.len() as u64, function));
    add(all, 0, section);
}

/// Locals in as many groups, each perhaps of billions.
fn locals(rng: &mut ChaCha8Rng, n: usize, all: &mut Vec<Section>) {
    let mut body = Vec::new();
    write(n as u64, 0, &mut body);
    for _ in 0..n {
        let count = if rng.random_ratio(1, 40) { number(rng) } else { rng.random_range(0..40) };
        write(count, 0, &mut body);
        body.push([0x7f, 0x7e, 0x7d, 0x7c, 0x7b, 0x70, 0x6f][rng.random_range(0..7)]);
    }
    body.extend([0x20, 0, 0x1a, 0x0b]);
    function(all, body);
}

/// Blocks, loops and ifs in each other.
fn blocks(rng: &mut ChaCha8Rng, n: usize, all: &mut Vec<Section>) {
    let n = n * 4;
    let mut body = vec![0];
    for _ in 0..n {
        match rng.random_range(0..4) {
            0 => body.extend([0x02, 0x40]),
            1 => body.extend([0x03, 0x40]),
            2 => body.extend([0x41, rng.random_range(0..2), 0x04, 0x40]),
            _ => body.extend([0x1f, 0x40, 0]),
        }
    }
    body.extend(std::iter::repeat_n(0x0b, n + 1));
    function(all, body);
}

/// A `br_table` of so many targets, or one that says so.
fn targets(rng: &mut ChaCha8Rng, n: usize, all: &mut Vec<Section>) {
    let depth = rng.random_range(1..50);
    let mut body = vec![0];
    (0..depth).for_each(|_| body.extend([0x02, 0x40]));
    body.extend([0x41]);
    write(number(rng), 0, &mut body);
    body.push(0x0e);
    write(if rng.random_ratio(1, 8) { number(rng) } else { n as u64 }, 0, &mut body);
    (0..=n).for_each(|_| body.push(rng.random_range(0..=depth)));
    body.extend(std::iter::repeat_n(0x0b, depth as usize + 1));
    function(all, body);
}

/// So many imports.
fn imports(rng: &mut ChaCha8Rng, n: usize, all: &mut Vec<Section>) {
    add(all, 1, vec![1, 0x60, 0, 0]);
    let mut items = Vec::new();
    for _ in 0..n {
        items.extend([1, b'm', 1, b'n']);
        match rng.random_range(0..6) {
            0 => items.extend([1, 0x70, 0, rng.random_range(0..3)]),
            1 => {
                items.extend([2, 0]);
                write(number(rng) & 0xffff, 0, &mut items);
            }
            2 => items.extend([3, 0x7f, rng.random_range(0..2)]),
            _ => items.extend([0, 0]),
        }
    }
    add(all, 2, counted(n as u64, items));
}

/// Segments for a table and a memory that are of any size.
fn segments(rng: &mut ChaCha8Rng, n: usize, all: &mut Vec<Section>) {
    add(all, 1, vec![1, 0x60, 0, 0]);
    add(all, 3, vec![1, 0]);
    let mut table = vec![1, 0x70, 0];
    write(number(rng), 0, &mut table);
    add(all, 4, table);
    let mut memory = vec![1, if rng.random() { 0 } else { 4 }];
    write(number(rng), 0, &mut memory);
    add(all, 5, memory);
    let mut elements = Vec::new();
    let mut data = Vec::new();
    for _ in 0..n {
        elements.extend([0, 0x41]);
        write(number(rng) & 0x3fff, 0, &mut elements);
        elements.extend([0x0b, 1, 0]);
        data.extend([0, 0x41]);
        write(number(rng) & 0x3fff, 0, &mut data);
        data.extend([0x0b, 1, 7]);
    }
    add(all, 9, counted(n as u64, elements));
    add(all, 10, code(&[vec![0, 0x0b]]));
    add(all, 11, counted(n as u64, data));
}

/// A section that says of any number of items that they are there.
fn items(rng: &mut ChaCha8Rng, n: usize, all: &mut Vec<Section>) {
    for id in 1..=13 {
        if rng.random_ratio(1, 3) {
            let body = counted(number(rng), (0..n % 64).map(|_| rng.random::<u8>() & 0x7f));
            add(all, id, body);
        }
    }
}
