use super::lookup::CodeAt;
use super::*;
use crate::lazy_source::{CHUNK, Digest};
use crate::sys::PAGE;
use crate::sys::memfile::MemFile;
use sconce_environ::code_tables::FunctionRecord;
use std::os::fd::AsFd;

fn no_tables() -> Tables {
    CodeTables::<Vec<u8>>::default().map(TableBytes::from)
}

fn tables(starts: &[u32], len: u32) -> Tables {
    let record = |&start| FunctionRecord { start, len, traps: 0, wasm_offsets: 0, stack_maps: 0 };
    Tables { functions: starts.iter().map(record).collect(), ..no_tables() }
}

fn run(region: &CodeRegion, func: usize) -> u64 {
    let address = region.function_address(DefinedFuncIndex::from_u32(func as u32)).unwrap();
    // SAFETY: the tests' functions are `mov eax, imm; ret`.
    let f: extern "C" fn() -> u64 = unsafe { std::mem::transmute(address) };
    f()
}

fn returns(n: u8) -> Vec<u8> {
    vec![0xb8, n, 0, 0, 0, 0xc3]
}

#[test]
fn text_runs_and_slots_hold_addresses() {
    let space = CodeSpace::new(None).unwrap();
    let mut text = returns(7);
    text.resize(32, 0xcc);
    text.extend(returns(9));
    let region = space.load(&text, tables(&[0, 32], 6)).unwrap();
    assert_eq!((run(&region, 0), run(&region, 1)), (7, 9));
    assert_eq!(region.text(), text);
    let slots = (region.text_base() + PAGE) as *const u64;
    // SAFETY: two slots stand at the next page after the text.
    let slots = unsafe { [slots.read(), slots.add(1).read()] };
    assert_eq!(slots, [region.text_base() as u64, region.text_base() as u64 + 32]);
    // Neither they nor the text can be written where they are used.
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let writable = |line: &&str| line.split(' ').nth(1).is_some_and(|access| access.contains('w'));
    let range = |line: &str| -> Option<std::ops::Range<usize>> {
        let (from, to) = line.split(' ').next()?.split_once('-')?;
        Some(usize::from_str_radix(from, 16).ok()?..usize::from_str_radix(to, 16).ok()?)
    };
    let code = space.range();
    let bad: Vec<&str> = maps
        .lines()
        .filter(writable)
        .filter(|line| range(line).is_some_and(|r| r.start < code.end && code.start < r.end))
        .collect();
    assert!(bad.is_empty(), "{bad:?}");
}

#[test]
fn a_pc_finds_its_region_until_the_region_goes() {
    let space = CodeSpace::new(None).unwrap();
    let a = space.load(&returns(1), tables(&[0], 6)).unwrap();
    let b = space.load(&returns(2), tables(&[0], 6)).unwrap();
    // SAFETY: the regions live here.
    let find = |pc| unsafe { space.region_at(pc) }.map(CodeRegion::module);
    assert_eq!(find(a.text_base() + 5), Some(a.module()));
    assert_eq!(find(a.text_base() + 6), None);
    assert_eq!(find(b.text_base()), Some(b.module()));
    assert_eq!(find(0), None);
    assert_eq!(find(usize::MAX), None);
    let at = a.text_base();
    drop(a);
    assert_eq!(find(at), None);
}

#[test]
fn an_address_names_its_module_and_function() {
    let space = CodeSpace::new(None).unwrap();
    let mut text = returns(7);
    text.resize(32, 0xcc);
    text.extend(returns(9));
    let [a, b] = [(); 2].map(|()| space.load(&text, tables(&[0, 32], 6)).unwrap());
    // SAFETY: the regions live here.
    let function = |pc| unsafe { space.at(pc) }.and_then(CodeAt::function).map(|f| (f.module, f.func.as_u32(), f.start));
    for region in [a, b] {
        let base = region.text_base();
        assert_eq!(function(base + 5), Some((region.module(), 0, base)));
        assert_eq!(function(base + 6), None, "between functions");
        assert_eq!(function(base + 32), Some((region.module(), 1, base + 32)));
    }
}

#[test]
fn space_is_used_again_and_runs_out_with_an_error() {
    let space = CodeSpace::new(Some(1 << 20)).unwrap();
    let text = [returns(3), vec![0xcc; 400 << 10]].concat();
    let first = space.load(&text, tables(&[0], 6)).unwrap();
    let second = space.load(&text, tables(&[0], 6)).unwrap();
    let (at, third) = (first.text_base(), space.load(&text, tables(&[0], 6)));
    assert!(matches!(third, Err(ResourceError::CodeSpaceFull { .. })), "{third:?}");
    drop(first);
    let again = space.load(&[returns(4), vec![0xcc; 400 << 10]].concat(), tables(&[0], 6)).unwrap();
    assert_eq!(again.text_base(), at);
    assert_eq!((run(&again, 0), run(&second, 0)), (4, 3));
    // What was freed in pieces is found in one.
    drop(again);
    drop(second);
    let whole = space.load(&vec![0xcc; 800 << 10], no_tables());
    assert!(whole.is_ok(), "{whole:?}");
}

/// A stand-in for a cryptographic digest, good enough to see one changed byte.
fn digest(bytes: &[u8]) -> Digest {
    let mut digest: Digest = [0; 32];
    for (i, b) in bytes.iter().enumerate() {
        digest[i % 32] = digest[i % 32].rotate_left(3) ^ b.wrapping_add(i as u8);
    }
    digest
}

fn source(text: &[u8]) -> LazySource {
    let file = MemFile::new("text", 100 + text.len() as u64, false).unwrap();
    file.write_at(text, 100).unwrap();
    let digests = text.chunks(CHUNK).map(digest).collect();
    LazySource {
        file: Arc::new(file.as_fd().try_clone_to_owned().unwrap()),
        remake: None,
        offset: 100,
        len: text.len(),
        digests,
        digest,
    }
}

#[test]
fn lazy_text_comes_in_chunk_by_chunk() {
    let space = CodeSpace::new(None).unwrap();
    let mut text = returns(7);
    text.resize(2 * CHUNK, 0xcc);
    text.extend(returns(9));
    let region = space.load_lazily(source(&text), tables(&[0, 2 * CHUNK as u32], 6)).unwrap();
    let at = |offset| region.text_base() + offset;
    assert_eq!(region.byte_at(0), None);
    // SAFETY: the region lives here.
    unsafe {
        assert!(space.load_missing(at(2 * CHUNK + 5), true));
        assert!(!space.load_missing(at(2 * CHUNK), false), "it is there now");
        assert!(space.load_missing(at(2 * CHUNK), true), "another thread was faster");
        assert!(!space.load_missing(at(text.len()), true), "behind the text");
    }
    assert_eq!((region.byte_at(0), region.byte_at(2 * CHUNK), region.byte_at(text.len())), (None, Some(0xb8), None));
    assert_eq!(run(&region, 1), 9);
    assert_eq!(region.text(), text);
    assert_eq!(run(&region, 0), 7);
}

#[test]
fn lazy_text_wants_a_digest_for_each_chunk() {
    let space = CodeSpace::new(None).unwrap();
    for digests in [vec![], vec![[0; 32]; 2]] {
        let text = LazySource { digests: digests.into(), ..source(&returns(1)) };
        let r = space.load_lazily(text, tables(&[0], 6));
        assert!(matches!(r, Err(ResourceError::DamagedCode)), "{r:?}");
    }
}

/// Runs `f` in a child process; gives its exit code.
fn exit_code_of(f: impl FnOnce()) -> i32 {
    // SAFETY: the child makes system calls and runs `f`, which takes no lock that another thread could hold.
    unsafe {
        match libc::fork() {
            0 => {
                f();
                libc::_exit(0)
            }
            child => {
                let mut status = 0;
                assert_eq!(libc::waitpid(child, &raw mut status, 0), child);
                assert!(libc::WIFEXITED(status), "{status:#x}");
                libc::WEXITSTATUS(status)
            }
        }
    }
}

#[test]
fn lazy_text_that_was_changed_is_never_run() {
    let space = CodeSpace::new(None).unwrap();
    let mut text = returns(7);
    text.resize(CHUNK + 10, 0xcc);
    let load = |source| space.load_lazily(source, tables(&[0], 6)).unwrap();
    // SAFETY: the regions live here.
    let first = |region: &CodeRegion| unsafe { space.load_missing(region.text_base(), true) };
    let good = load(source(&text));
    assert_eq!(exit_code_of(|| assert!(first(&good))), 0);
    let changed = source(&text);
    rustix::io::pwrite(&*changed.file, &[8], 101).unwrap();
    let changed = load(changed);
    assert_eq!(exit_code_of(|| assert!(first(&changed))), 1);
    let cut = source(&text);
    rustix::fs::ftruncate(&*cut.file, 100 + CHUNK as u64 - 1).unwrap();
    let cut = load(cut);
    assert_eq!(exit_code_of(|| assert!(first(&cut))), 1);
}

#[derive(Debug)]
struct Whole(Option<Vec<u8>>);

impl crate::lazy_source::Remake for Whole {
    fn bytes(&self) -> Option<&[u8]> {
        self.0.as_deref()
    }
}

#[test]
fn lazy_text_that_was_changed_is_taken_from_what_it_is_made_from() {
    let space = CodeSpace::new(None).unwrap();
    let mut text = returns(7);
    text.resize(CHUNK + 10, 0xcc);
    let file = [vec![0; 100], text.clone()].concat();
    let load = |len: usize, remade: Option<Vec<u8>>| {
        let source = LazySource { remake: Some(Arc::new(Whole(remade))), ..source(&text) };
        rustix::io::pwrite(&*source.file, &[8], 101).unwrap();
        rustix::fs::ftruncate(&*source.file, len as u64).unwrap();
        space.load_lazily(source, tables(&[0], 6)).unwrap()
    };
    // SAFETY: the regions live here.
    let first = |region: &CodeRegion| unsafe { space.load_missing(region.text_base(), true) };
    for len in [file.len(), 150, 0] {
        let region = load(len, Some(file.clone()));
        assert!(first(&region));
        assert_eq!(run(&region, 0), 7);
        assert_eq!(region.text(), text);
    }
    // What is made is compared as well.
    let wrong = [&file[..101], &[9], &file[102..]].concat();
    for remade in [None, Some(wrong), Some(file[..150].to_vec()), Some(Vec::new())] {
        let region = load(file.len(), remade);
        assert_eq!(exit_code_of(|| assert!(first(&region))), 1);
    }
}

#[test]
fn tables_that_lie_are_refused() {
    let space = CodeSpace::new(Some(1 << 20)).unwrap();
    for (start, len) in [(0, 7), (6, 1), (u32::MAX, 2)] {
        let r = space.load(&returns(1), tables(&[start], len));
        assert!(matches!(r, Err(ResourceError::DamagedCode)), "{r:?}");
    }
}

#[test]
fn without_a_file_code_is_never_writable_and_executable() {
    let options = CodeSpaceOptions { size: Some(1 << 20), private: true, ..CodeSpaceOptions::default() };
    let space = CodeSpace::with(options).unwrap();
    let region = space.load(&returns(5), tables(&[0], 6)).unwrap();
    assert_eq!(run(&region, 0), 5);
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    assert!(!maps.lines().any(|l| l.split(' ').nth(1).is_some_and(|p| p.starts_with("rwx"))), "{maps}");
}
