//! Whose entries of the cache are whose: a build's own, wherever its file is, and no other build's.

use crate::support::{Dir, binary, hello, outcome};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, Stdio};

/// Runs this executable; gives the names of what it left in the cache.
fn run(dir: &Dir, executable: &Path) -> BTreeSet<OsString> {
    let mut command = Command::new(executable);
    command
        .arg("hello.wat")
        .current_dir(dir.path())
        .env("XDG_CACHE_HOME", dir.path().join("cache"))
        .env("XDG_STATE_HOME", dir.path().join("state"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    assert_eq!(outcome(&mut command).ok(), "hello\n", "{}", executable.display());
    std::fs::read_dir(dir.path().join("cache/sconce")).expect("a cache").map(|e| e.expect("an entry").file_name()).collect()
}

/// Where the linker's note is, whose contents are the build's id.
fn note(executable: &[u8]) -> usize {
    let begin = b"\x04\0\0\0\x14\0\0\0\x03\0\0\0GNU\0";
    executable.windows(begin.len()).position(|bytes| bytes == begin).expect("a build id, for which build.rs asks")
}

#[test]
fn a_build_is_known_by_its_id() {
    let dir = Dir::new();
    dir.file("hello.wat", hello());
    let original = Path::new(binary());
    let mine = run(&dir, original);
    assert_eq!(mine.len(), 1);
    let bytes = std::fs::read(original).expect("the binary");
    let copy = |name: &str, bytes: &[u8]| {
        let path = dir.file(name, bytes);
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o700)).expect("its own file");
        path
    };
    // Another path and time, another length.
    assert_eq!(run(&dir, &copy("copy", &bytes)), mine);
    assert_eq!(run(&dir, &copy("longer", &[&bytes[..], b"more"].concat())), mine);

    let at = note(&bytes);
    let mut other = bytes.clone();
    other[at + 16] ^= 1;
    let two = run(&dir, &copy("other", &other));
    assert!(two.is_superset(&mine) && two.len() == 2, "another build has entries of its own");

    // Without an id: what is in the file.
    let mut unnamed = bytes;
    unnamed[at + 8] = 0x7f;
    let three = run(&dir, &copy("unnamed", &unnamed));
    assert!(three.is_superset(&two) && three.len() == 3);
    assert_eq!(run(&dir, &copy("unnamed-copy", &unnamed)), three);
    unnamed.push(0);
    let four = run(&dir, &copy("unnamed-other", &unnamed));
    assert!(four.is_superset(&three) && four.len() == 4);
}
