//! Programs on file systems whose times come from an image: a rebuilt image has the same device, inodes, lengths and times, and
//! another program.
//!
//! Mounting wants a system administrator's rights and a free loop device; `mkfs.ext4` and `debugfs` have to
//! be there for one of these. Where that is not so, the tests say so and see nothing: what is decided from is
//! tested in the engine, too.

use crate::support::{Dir, Outcome, binary, finish};
use std::path::Path;
use std::process::{Command, Stdio};

/// A program that prints a word, of a length that hashing is avoided for.
fn program(word: &str) -> Vec<u8> {
    let wat = format!(
        r#"(module (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
            (memory (export "memory") 1) (data (i32.const 0) "\10\00\00\00\06\00\00\00") (data (i32.const 16) "{word:>5}\n")
            (@custom "padding" "{}")
            (func (export "_start") (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 64)))))"#,
        "x".repeat(300_000)
    );
    wat::parse_str(wat).expect("a module")
}

/// An EROFS image with one file: the superblock, a directory and the file, each from a block's beginning, all with one time.
fn erofs(file: &[u8]) -> Vec<u8> {
    const BLOCK: usize = 4096;
    let mut image = vec![0; 4 * BLOCK + file.len().next_multiple_of(BLOCK)];
    let blocks = (image.len() / BLOCK) as u32;
    let mut put = |at: usize, bytes: &[u8]| image[at..at + bytes.len()].copy_from_slice(bytes);
    // Superblock: magic, log2 of a block's bytes, the root's number, inodes, time, blocks, where inodes begin.
    put(1024, &0xe0f5_e1e2_u32.to_le_bytes());
    put(1024 + 12, &[12]);
    put(1024 + 14, &0u16.to_le_bytes());
    put(1024 + 16, &2u64.to_le_bytes());
    put(1024 + 24, &1_700_000_000_u64.to_le_bytes());
    put(1024 + 36, &blocks.to_le_bytes());
    put(1024 + 40, &1u32.to_le_bytes());
    // Inodes of 32 bytes, numbers 0 and 1: format, attributes, mode, links, size, unused, first block, number.
    let mut inode = |n: usize, mode: u16, links: u16, size: usize, block: u32| {
        let at = BLOCK + 32 * n;
        put(at + 4, &mode.to_le_bytes());
        put(at + 6, &links.to_le_bytes());
        put(at + 8, &(size as u32).to_le_bytes());
        put(at + 16, &block.to_le_bytes());
        put(at + 20, &(n as u32 + 1).to_le_bytes());
    };
    let names: [(&[u8], u64, u8); 3] = [(b".", 0, 2), (b"..", 0, 2), (b"m.wasm", 1, 1)];
    let mut entries = Vec::new();
    let mut text = Vec::new();
    for (name, inode, kind) in names {
        entries.extend_from_slice(&inode.to_le_bytes());
        entries.extend_from_slice(&((12 * names.len() + text.len()) as u16).to_le_bytes());
        entries.extend_from_slice(&[kind, 0]);
        text.extend_from_slice(name);
    }
    entries.extend_from_slice(&text);
    inode(0, 0o040_755, 2, entries.len(), 2);
    inode(1, 0o100_644, 1, file.len(), 4);
    put(2 * BLOCK, &entries);
    put(4 * BLOCK, file);
    image
}

/// Runs the program of the first image three times, so that it is compiled, hashed, and found by its state, and then that of the
/// second, mounted in the same place from the same device. `None` if images cannot be mounted here.
fn exchanged(dir: &Dir, options: &str) -> Option<Outcome> {
    // Others look for a free device at the same time.
    let script = format!(
        r#"cp first.img disk.img && mkdir mounted || exit 1
        for attempt in 1 2 3 4 5 6 7 8 9; do device=$(losetup -f) && losetup "$device" disk.img && break || sleep 0.1; device=; done
        [ "$device" ] || exit 77
        # A process that compiles for the next run has the program open for a moment longer than the run.
        unmount() {{ for attempt in $(seq 100); do umount mounted 2>/dev/null && return || sleep 0.1; done; umount mounted; }}
        trap 'unmount; losetup -d "$device"' EXIT
        runs() {{
            mount {options} "$device" mounted || exit 77
            for run in "$@"; do "$SCONCE" mounted/m.wasm; stat -c '%d %i %s %Y %Z' mounted/m.wasm >&2; done
        }}
        runs 1 2 3; unmount || exit 1; cat second.img > disk.img; runs 4"#
    );
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", &script]).current_dir(dir.path()).env("SCONCE", binary());
    command
        .env("XDG_CACHE_HOME", dir.path().join("cache"))
        .env("XDG_STATE_HOME", dir.path().join("state"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let Ok(child) = command.spawn() else {
        eprintln!("nothing to see: no unshare");
        return None;
    };
    let outcome = finish(child);
    if outcome.stdout.is_empty() && outcome.code() != 0 {
        eprintln!("nothing to see: no image can be mounted here: {}", outcome.stderr);
        return None;
    }
    Some(outcome)
}

#[track_caller]
fn check(outcome: &Outcome) {
    let states: Vec<&str> = outcome.stderr.lines().filter(|line| line.starts_with(|c: char| c.is_ascii_digit())).collect();
    assert!(states.len() == 4 && states.iter().all(|state| *state == states[0]), "nothing tells the files apart: {outcome:?}");
    assert_eq!((outcome.code(), outcome.stdout.as_str()), (0, "  one\n  one\n  one\n  two\n"), "{outcome:?}");
}

#[test]
fn a_rebuilt_read_only_image_has_another_program() {
    let dir = Dir::new();
    dir.file("first.img", erofs(&program("one")));
    dir.file("second.img", erofs(&program("two")));
    if let Some(outcome) = exchanged(&dir, "-t erofs -o ro") {
        check(&outcome);
    }
}

/// A file system that the kernel can write brings its times along all the same.
#[test]
fn a_rebuilt_disk_image_has_another_program() {
    let dir = Dir::new();
    for (image, word) in [("first.img", "one"), ("second.img", "two")] {
        std::fs::create_dir_all(dir.path().join("root")).expect("a directory");
        dir.file("root/m.wasm", program(word));
        if !make_ext4(&dir, image) {
            eprintln!("nothing to see: no mkfs.ext4 and debugfs");
            return;
        }
    }
    if let Some(outcome) = exchanged(&dir, "-t ext4") {
        check(&outcome);
    }
}

/// An image whose times, numbers and layout are the same each time.
fn make_ext4(dir: &Dir, image: &str) -> bool {
    const UUID: &str = "12345678-1234-1234-1234-123456789abc";
    dir.file(image, []);
    let file = std::fs::File::options().write(true).open(dir.path().join(image)).expect("an image");
    file.set_len(4 << 20).expect("room");
    let ran = |command: &mut Command| {
        let command = command.current_dir(dir.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let admins = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
        command.env("PATH", admins).status().is_ok_and(|status| status.success())
    };
    let seed = format!("hash_seed={UUID}");
    let made =
        ran(Command::new("mkfs.ext4").args(["-q", "-F", "-O", "^has_journal", "-U", UUID, "-E", &seed, "-d", "root", image]));
    let times = ["mtime", "ctime", "atime", "crtime"].map(|time| format!("set_inode_field /m.wasm {time} @1700000000"));
    let finer = ["mtime_extra", "ctime_extra"].map(|time| format!("set_inode_field /m.wasm {time} 0"));
    dir.file("commands", times.iter().chain(&finer).map(|line| format!("{line}\n")).collect::<String>());
    made && Path::new(image).is_relative() && ran(Command::new("debugfs").args(["-w", "-f", "commands", image]))
}
