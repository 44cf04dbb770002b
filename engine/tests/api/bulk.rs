//! memory.copy, memory.fill and memory.init of constant and other lengths, in all kinds of memories, in each compiler and bounds
//! style: at every edge, with every overlap, among values that are in registers. What traps writes nothing.

use sconce_engine::{BoundsStyle, Config, Engine, Linker, Memory, Module, Store, Tier, TrapCode, TypedFunc};
use std::fmt::Write;

/// Constant lengths: around each that takes another instruction inline, and some that are not inline.
fn lengths() -> impl Iterator<Item = u64> {
    let around = (48..=112).step_by(16).flat_map(|n| [n - 1, n, n + 1, n + 3, n + 7]);
    (0..=33).chain(around).chain(124..=131).chain([257, 4096])
}

/// A kind of memory: what follows its name in the text format, its index type, how many bytes it has.
#[derive(Copy, Clone)]
struct Kind {
    declared: &'static str,
    index: &'static str,
    size: u64,
}

const KINDS: [Kind; 5] = [
    Kind { declared: "2 3", index: "i32", size: 2 << 16 },
    // Of which nothing is known when the code is made but that it is somewhere else.
    Kind { declared: "2 3 shared", index: "i32", size: 2 << 16 },
    Kind { declared: "2 2", index: "i32", size: 2 << 16 },
    Kind { declared: "i64 2 3", index: "i64", size: 2 << 16 },
    Kind { declared: "9000 9001 (pagesize 1)", index: "i32", size: 9000 },
];

/// The data segment.
fn data() -> Vec<u8> {
    (0..5000u32).map(|i| (i.wrapping_mul(40_503) >> 7) as u8).collect()
}

/// Functions by operation (of those that are asked for) and length, which all take two indices or an index
/// and a value and give a sum of what was in registers.
fn module(kind: Kind, operations: &[&str]) -> String {
    let (index, size) = (kind.index, kind.size);
    let escaped: String = data().iter().map(|b| format!("\\{b:02x}")).collect();
    let mut text = format!(
        "(module (memory $other {0}) (memory $m (export \"m\") {0}) (data $d \"{escaped}\")
           (func (export \"start\") (memory.init $other $d ({index}.const 0) (i32.const 0) (i32.const 5000)))
           (func (export \"drop\") (data.drop $d))",
        kind.declared
    );
    // Values that no operation may disturb: below it on the stack, and in locals.
    let floats: String = (1..17).map(|n| format!("(f64.add (f64.convert_i64_u (local.get $a)) (f64.const {n}))")).collect();
    let integers: String = (1..12).map(|n| format!("(i64.mul (local.get $a) (i64.const {n}))")).collect();
    let fold = format!("{} i64.trunc_f64_u {}", "f64.add ".repeat(15), "i64.add ".repeat(11));
    let mut define = |name: &str, operation: &str| {
        if !operations.contains(&name.split(' ').next().unwrap_or_default()) {
            return;
        }
        let start = if index == "i64" { "local.get $a" } else { "i64.extend_i32_u (local.get $a)" };
        let (floats, integers) = [&floats, &integers].map(|s| s.replace("(local.get $a)", &format!("({start})"))).into();
        let params = format!("(param $a {index}) (param $b {index}) (param $n {index}) (result i64)");
        let _ = write!(text, "(func (export \"{name}\") {params} {operation} ({start}))");
        let _ = write!(text, "(func (export \"{name} pressed\") {params} {integers} {floats} {operation} {fold})");
    };
    let low = |v: &str| if index == "i64" { format!("(i32.wrap_i64 {v})") } else { v.to_owned() };
    let (b, n) = (low("(local.get $b)"), low("(local.get $n)"));
    for (len, wide, narrow) in lengths()
        .map(|len| (format!(" {len}"), format!("({index}.const {len})"), format!("(i32.const {len})")))
        .chain([(String::new(), "(local.get $n)".to_owned(), n)])
    {
        define(&format!("copy{len}"), &format!("(memory.copy $m $m (local.get $a) (local.get $b) {wide})"));
        define(&format!("across{len}"), &format!("(memory.copy $m $other (local.get $a) (local.get $b) {wide})"));
        define(&format!("fill{len}"), &format!("(memory.fill $m (local.get $a) {b} {wide})"));
        define(&format!("clear{len}"), &format!("(memory.fill $m (local.get $a) (i32.const 0) {wide})"));
        define(&format!("set{len}"), &format!("(memory.fill $m (local.get $a) (i32.const 0x1a7) {wide})"));
        define(&format!("init{len}"), &format!("(memory.init $m $d (local.get $a) {b} {narrow})"));
    }
    for len in lengths() {
        let wide = format!("({index}.const {len})");
        for (name, at) in [("last", size - len), ("beyond", size - len + 1), ("far", 0x8000_0000 - len), ("farther", 0x7fff_ffff)]
        {
            define(&format!("{name} {len}"), &format!("(memory.copy $m $m ({index}.const {at}) (local.get $b) {wide})"));
            define(&format!("{name} of {len}"), &format!("(memory.copy $m $m (local.get $b) ({index}.const {at}) {wide})"));
            define(&format!("{name} filled {len}"), &format!("(memory.fill $m ({index}.const {at}) {b} {wide})"));
        }
    }
    text + ")"
}

/// An instance, and what its memory has to hold.
struct Guest {
    store: Store<()>,
    instance: sconce_engine::Instance,
    memory: Memory,
    kind: Kind,
    model: Vec<u8>,
    what: String,
}

type Function<I> = TypedFunc<(I, I, I), i64>;

const OUTSIDE: Option<TrapCode> = Some(TrapCode::MemoryOutOfBounds);

impl Guest {
    /// Calls a function, plain and with much in registers; gives the trap.
    fn run(&mut self, name: &str, a: u64, b: u64, n: u64) -> Option<TrapCode> {
        let sum = (1..12).map(|i| a.wrapping_mul(i)).chain([a.wrapping_mul(16).wrapping_add(136)]).fold(0u64, u64::wrapping_add);
        // So large a number is no f64: only what traps before has it.
        for (name, expected) in [(name.to_owned(), a), (format!("{name} pressed"), sum)] {
            let found = if self.kind.index == "i64" {
                let f: Function<i64> = self.instance.get_typed_func(&mut self.store, &name).unwrap();
                f.call(&mut self.store, (a as i64, b as i64, n as i64))
            } else {
                let f: Function<i32> = self.instance.get_typed_func(&mut self.store, &name).unwrap();
                f.call(&mut self.store, (a as i32, b as i32, n as i32))
            };
            match found {
                Ok(found) => assert_eq!(found as u64, expected, "{name} {a:#x} {b:#x} {n}: {}", self.what),
                Err(e) => return Some(e.trap_code().unwrap_or_else(|| panic!("{e}"))),
            }
        }
        None
    }

    /// The memory is as the model says, all of it.
    #[track_caller]
    fn check(&self, what: &str) {
        let mut found = vec![0; self.model.len()];
        self.memory.read(&self.store, 0, &mut found).unwrap();
        if found != self.model {
            let differs = (0..found.len()).find(|&i| found[i] != self.model[i]);
            panic!("{what}: {differs:?}, {}", self.what);
        }
    }

    /// Traps and writes nothing, whether the length is constant or not.
    #[track_caller]
    fn refuses(&mut self, name: &str, a: u64, b: u64, len: u64) {
        for name in [format!("{name} {len}"), name.to_owned()] {
            assert_eq!(self.run(&name, a, b, len), OUTSIDE, "{name} {a:#x} {b:#x} {len}: {}", self.what);
        }
    }
}

fn in_each(kind: Kind, operations: &[&str], test: impl Fn(&mut Guest)) {
    let text = module(kind, operations);
    for tier in [Tier::Lightbeam, Tier::Cranelift] {
        for (bounds, paranoid) in [(BoundsStyle::Guard, false), (BoundsStyle::Explicit, false), (BoundsStyle::Guard, true)] {
            if paranoid && kind.declared != KINDS[0].declared {
                continue;
            }
            let config = Config::new().bounds(Some(bounds)).tier(tier).paranoid(paranoid);
            let engine = Engine::new(&config).unwrap();
            let module = Module::new(&engine, text.as_bytes()).unwrap();
            let mut store = Store::new(&engine, ()).unwrap();
            let instance = Linker::new(&engine).instantiate(&mut store, &module).unwrap();
            let memory = instance.get_memory(&mut store, "m").unwrap();
            let model: Vec<u8> = (0..kind.size as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
            memory.write(&mut store, 0, &model).unwrap();
            let what = format!("{}, {tier:?}, {bounds:?}, paranoid: {paranoid}", kind.declared);
            let start = instance.get_typed_func::<(), ()>(&mut store, "start").unwrap();
            start.call(&mut store, ()).unwrap();
            test(&mut Guest { store, instance, memory, kind, model, what });
        }
    }
}

/// Indices far outside.
fn far(kind: Kind, len: u64) -> Vec<u64> {
    let size = kind.size;
    match kind.index {
        "i64" => vec![
            size + 1,
            (1 << 31) - len,
            1 << 32,
            (1 << 32) - len + size,
            1 << 63,
            u64::MAX,
            0u64.wrapping_sub(len).max(size + 1),
        ],
        _ => vec![size + 1, (1 << 31) - len, 0x8000_0000, 0xffff_ffff, (1 << 32) - len.max(1)],
    }
}

#[test]
fn copies_overlap_and_end_with_the_memory() {
    for kind in KINDS {
        in_each(kind, &["copy"], |g| {
            let size = g.kind.size;
            for len in lengths() {
                for distance in [0, 1, 2, 7, 8, 15, 16, 17, 31, 33, 64, len.saturating_sub(1), len, len + 1] {
                    for (to, from) in [(100, 100 + distance), (100 + distance, 100)] {
                        for name in [format!("copy {len}"), "copy".to_owned()] {
                            // Twice, since `run` calls two functions.
                            for _ in 0..2 {
                                g.model.copy_within(from as usize..(from + len) as usize, to as usize);
                            }
                            assert_eq!(g.run(&name, to, from, len), None, "{name}: {}", g.what);
                        }
                    }
                }
                for (to, from) in [(size - len, 50), (50, size - len)] {
                    g.model.copy_within(from as usize..(from + len) as usize, to as usize);
                    assert_eq!(g.run(&format!("copy {len}"), to, from, len), None);
                    assert_eq!(g.run("copy", to, from, len), None);
                }
                g.check(&format!("copy {len}"));
                for outside in [vec![size - len + 1], far(g.kind, len)].concat() {
                    g.refuses("copy", outside, 3, len);
                    g.refuses("copy", 3, outside, len);
                }
                g.check(&format!("refused copy {len}"));
            }
        });
    }
}

#[test]
fn fills_and_copies_from_elsewhere() {
    for kind in KINDS {
        in_each(kind, &["across", "init", "fill", "clear", "set"], |g| {
            let size = g.kind.size;
            let bytes = data();
            for len in lengths() {
                for (at, from) in [(64, 0), (61, 7), (size - len, 5000 - len.min(5000))] {
                    let range = at as usize..(at + len) as usize;
                    let source = &bytes[from as usize..][..len as usize];
                    for name in ["across", "init"] {
                        g.model[range.clone()].copy_from_slice(source);
                        assert_eq!(g.run(&format!("{name} {len}"), at, from, len), None, "{name} {len}: {}", g.what);
                        g.check(&format!("{name} {len}"));
                        assert_eq!(g.run(name, at, from, len), None);
                    }
                    for (name, value) in [("fill", 0xabc + len), ("clear", 0), ("set", 0x1a7)] {
                        g.model[range.clone()].fill(value as u8);
                        assert_eq!(g.run(&format!("{name} {len}"), at, 0xabc + len, len), None, "{name} {len}: {}", g.what);
                        g.check(&format!("{name} {len}"));
                        assert_eq!(g.run(name, at, 0xabc + len, len), None);
                    }
                    g.check("of any length");
                }
                for outside in [vec![size - len + 1], far(g.kind, len)].concat() {
                    ["fill", "clear", "set", "init", "across"].iter().for_each(|name| g.refuses(name, outside, 0, len));
                    g.refuses("across", 3, outside, len);
                }
                for outside in [5001 - len, 5001, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, (1 << 32) - len.max(1)] {
                    g.refuses("init", 10, outside, len);
                }
                g.check(&format!("refused {len}"));
            }
        });
    }
}

#[test]
fn indices_that_the_compiler_knows() {
    for kind in KINDS {
        in_each(kind, &["last", "beyond", "far", "farther"], |g| {
            let size = g.kind.size;
            for len in lengths() {
                let (last, zero) = ((size - len) as usize, 0..len as usize);
                g.model.copy_within(zero, last);
                assert_eq!(g.run(&format!("last {len}"), 1, 0, 0), None);
                g.model.copy_within(last..last + len as usize, 20);
                assert_eq!(g.run(&format!("last of {len}"), 1, 20, 0), None);
                g.model[last..].fill(len as u8);
                assert_eq!(g.run(&format!("last filled {len}"), 1, len, 0), None);
                g.check(&format!("last {len}"));
                for name in ["beyond", "far", "farther"] {
                    for kind in ["", " of", " filled"] {
                        let name = format!("{name}{kind} {len}");
                        assert_eq!(g.run(&name, 1, 3, 0), OUTSIDE, "{name}: {}", g.what);
                    }
                }
                g.check(&format!("beyond {len}"));
            }
        });
    }
}

#[test]
fn a_dropped_segment_has_no_bytes() {
    in_each(KINDS[0], &["init"], |g| {
        g.refuses("init", 0, 5001, 0);
        g.instance.get_typed_func::<(), ()>(&mut g.store, "drop").unwrap().call(&mut g.store, ()).unwrap();
        for len in lengths().skip(1) {
            g.refuses("init", 0, 0, len);
        }
        g.refuses("init", 0, 1, 0);
        g.check("dropped");
        assert_eq!(g.run("init 0", 5, 0, 0), None);
        assert_eq!(g.run("init", g.kind.size, 0, 0), None);
        g.refuses("init", g.kind.size + 1, 0, 0);
    });
}

#[test]
fn active_segments_are_dropped_and_instances_have_their_own() {
    let text = "(module (memory (export \"m\") 1)
        (data $active (i32.const 8) \"active\") (data $passive \"passive\")
        (func (export \"active\") (param i32 i32 i32) (result i64)
          (memory.init $active (local.get 0) (local.get 1) (local.get 2)) (i64.const 0))
        (func (export \"passive\") (param i32 i32 i32) (result i64)
          (memory.init $passive (local.get 0) (local.get 1) (local.get 2)) (i64.const 0))
        (func (export \"drop\") (data.drop $active) (data.drop $passive)))";
    for tier in [Tier::Lightbeam, Tier::Cranelift] {
        let engine = Engine::new(&Config::new().tier(tier)).unwrap();
        let module = Module::new(&engine, text.as_bytes()).unwrap();
        let mut store = Store::new(&engine, ()).unwrap();
        let [first, second] = [(), ()].map(|()| Linker::new(&engine).instantiate(&mut store, &module).unwrap());
        let mut init = |instance: &sconce_engine::Instance, name: &str, len: i32| {
            let f: Function<i32> = instance.get_typed_func(&mut store, name).unwrap();
            f.call(&mut store, (100, 0, len)).err().map(|e| e.trap_code().unwrap())
        };
        assert_eq!([init(&first, "active", 0), init(&first, "active", 1), init(&first, "passive", 8)], [None, OUTSIDE, OUTSIDE]);
        assert_eq!(init(&first, "passive", 7), None);
        first.get_typed_func::<(), ()>(&mut store, "drop").unwrap().call(&mut store, ()).unwrap();
        let mut init = |instance: &sconce_engine::Instance, name: &str, len: i32| {
            let f: Function<i32> = instance.get_typed_func(&mut store, name).unwrap();
            f.call(&mut store, (100, 0, len)).err().map(|e| e.trap_code().unwrap())
        };
        assert_eq!([init(&first, "passive", 1), init(&first, "passive", 0), init(&second, "passive", 7)], [OUTSIDE, None, None]);
        let mut found = [0; 7];
        second.get_memory(&mut store, "m").unwrap().read(&store, 100, &mut found).unwrap();
        assert_eq!(&found, b"passive");
    }
}
