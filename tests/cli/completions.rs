//! Completions, as they happen when somebody presses Tab in a shell.

use crate::support::{Dir, binary, contains};
use crate::terminal::Terminal;
use std::process::Command;

/// What is typed after `sconce `, and the words that it has become after Tab. Where nothing can follow, nothing does.
const CASES: &[(&str, &[&str])] = &[
    ("ins", &["inspect"]),
    ("fi", &["file.wasm"]),
    ("run fi", &["run", "file.wasm"]),
    ("run --inherit-env fi", &["run", "--inherit-env", "file.wasm"]),
    ("run sp", &["run", "sp ace.wasm"]),
    ("--inhe", &["--inherit-env"]),
    ("run --timeo", &["run", "--timeout"]),
    ("run --tier li", &["run", "--tier", "lightbeam"]),
    ("--tier=cr", &["--tier=cranelift"]),
    // Of directories and files with one beginning, directories.
    ("--dir di", &["--dir", "directory/"]),
    ("run --dir=di", &["run", "--dir=directory/"]),
    ("run --dir directory::/gu", &["run", "--dir", "directory::/gu"]),
    ("run --cache o", &["run", "--cache", "off"]),
    ("--env-file fi", &["--env-file", "file.wasm"]),
    ("--preload lib=fi", &["--preload", "lib=file.wasm"]),
    // After the module come the program's own arguments.
    ("run file.wasm --inhe", &["run", "file.wasm", "--inhe"]),
    ("--dir . file.wasm din", &["--dir", ".", "file.wasm", "dinner.txt"]),
    ("file.wasm ins", &["file.wasm", "ins"]),
    ("compile fi", &["compile", "file.wasm"]),
    ("compile file.wasm --outp", &["compile", "file.wasm", "--output"]),
    ("completions fi", &["completions", "fish"]),
];

/// A shell in a directory with files to complete.
fn shell(dir: &Dir, name: &str, arguments: &[&str], begin: &str) -> Terminal {
    let found = Command::new(name).arg("--version").output().is_ok();
    assert!(found, "{name} is missing: ci/setup installs it");
    for file in ["file.wasm", "sp ace.wasm", "dinner.txt"] {
        dir.file(file, "");
    }
    std::fs::create_dir(dir.path().join("directory")).expect("a directory");
    std::os::unix::fs::symlink(binary(), dir.path().join("sconce")).expect("a link");
    let path = format!("{}:{}", dir.path().display(), std::env::var("PATH").expect("PATH"));
    let mut command = Command::new(name);
    command.args(arguments).current_dir(dir.path()).env("PATH", path).env("HOME", dir.path()).env("TERM", "vt100");
    let mut terminal = Terminal::start_with(&mut command, 250);
    terminal.press(format!("{begin}; printf 'rea%s\\n' dy\r").as_bytes());
    terminal.screen.expect("ready");
    terminal
}

/// Types each line with Tab at its end, and has the shell print the words that it then sees.
fn check(mut terminal: Terminal) {
    for (n, (typed, expected)) in CASES.iter().enumerate() {
        // Control-A goes to the line's beginning.
        terminal.press(format!("sconce {typed}\t\x01printf '<%s>' {n} \r").as_bytes());
        let words: String = expected.iter().map(|word| format!("<{word}>")).collect();
        terminal.screen.expect(&format!("<{n}><sconce>{words}"));
    }
    // By another way than PATH.
    terminal.press(b"~/sconce ins\t\x01printf '<%s>' last \r");
    terminal.screen.expect("/sconce><inspect>");
    terminal.press(b"exit\r");
    crate::support::wait(&mut terminal.child);
}

#[test]
fn bash_completes() {
    let dir = Dir::new();
    let begin = "bind 'set enable-bracketed-paste off'; source <(sconce completions bash)";
    check(shell(&dir, "bash", &["--noprofile", "--norc", "-i"], begin));
}

#[test]
fn zsh_completes() {
    let dir = Dir::new();
    let begin = "unset zle_bracketed_paste; unsetopt auto_remove_slash; bindkey -e; autoload -Uz compinit; compinit -u -D; \
                 source <(sconce completions zsh)";
    check(shell(&dir, "zsh", &["-f", "-i"], begin));
}

#[test]
fn fish_completes() {
    let dir = Dir::new();
    check(shell(&dir, "fish", &["--no-config", "-i"], "sconce completions fish | source"));
}

#[test]
fn there_is_a_script_for_every_shell() {
    let dir = Dir::new();
    for shell in ["bash", "zsh", "fish"] {
        contains(&dir.run(&format!("completions {shell}")).ok(), &["sconce", "__complete"]);
    }
    for shell in ["elvish", "powershell"] {
        let script = dir.run(&format!("completions {shell}")).ok();
        contains(&script, &["sconce", "allow-precompiled", "disas"]);
        assert!(!script.contains("__complete"), "{script}");
    }
    contains(&dir.run("completions tcsh").fails(2), &["tcsh", "bash"]);
}
