//! Golden listings of `sconce disas`: for each technique of code generation a small module, how it is to be
//! compiled, and what comes of it.
//!
//! A case is a file of its own. Lines of `;;!` are arguments, a listing each; lines of `;;|` are the
//! listings. `SCONCE_BLESS=1` writes what came. All code is made for the baseline, so that it is the same on
//! every processor.

use libtest_mimic::{Arguments, Failed, Trial};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

const ARGUMENTS: &str = ";;!";
const EXPECTED: &str = ";;|";

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/disas");
    let mut cases: Vec<PathBuf> = std::fs::read_dir(directory)
        .expect("the directory is there")
        .map(|entry| entry.expect("a directory entry").path())
        .filter(|path| path.extension().is_some_and(|e| e == "wat"))
        .collect();
    cases.sort();
    let trial = |path: PathBuf| {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Trial::test(name, move || check(&path))
    };
    libtest_mimic::run(&arguments, cases.into_iter().map(trial).collect()).exit_code()
}

fn check(path: &Path) -> Result<(), Failed> {
    let text = std::fs::read_to_string(path)?;
    let (expected, module): (Vec<&str>, Vec<&str>) = text.lines().partition(|line| line.starts_with(EXPECTED));
    let mut found = Vec::new();
    for arguments in module.iter().filter_map(|line| line.strip_prefix(ARGUMENTS)) {
        found.push(format!("{EXPECTED}{arguments}"));
        let listing = disas(path, arguments)?;
        found.extend(listing.lines().map(|line| format!("{EXPECTED} {line}").trim_end().to_owned()));
    }
    if found.is_empty() {
        return Err(format!("no line begins with {ARGUMENTS}").into());
    }
    if std::env::var_os("SCONCE_BLESS").is_some() {
        let lines = module.iter().copied().chain(found.iter().map(String::as_str));
        std::fs::write(path, lines.map(|line| format!("{line}\n")).collect::<String>())?;
        return Ok(());
    }
    if found != expected {
        return Err(format!("{} has another listing; SCONCE_BLESS=1 accepts this:\n{}", path.display(), found.join("\n")).into());
    }
    Ok(())
}

fn disas(path: &Path, arguments: &str) -> Result<String, Failed> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sconce"));
    let output = command.args(["disas", "--baseline"]).args(arguments.split_whitespace()).arg(path).output()?;
    let (stdout, stderr) = (String::from_utf8(output.stdout)?, String::from_utf8_lossy(&output.stderr));
    if !output.status.success() || !stderr.is_empty() {
        return Err(format!("{}\n{stderr}", output.status).into());
    }
    Ok(stdout)
}
