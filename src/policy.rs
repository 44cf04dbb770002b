//! `--write-policy`: a policy that gives a program what it used in a run, and nothing else.

use crate::cli::policy::{Key, quoted};
use crate::cli::{GivenOption, RunArgs};
use crate::denials::{Given, Remedy};
use crate::load;
use crate::report::End;
use crate::values::{Directory, directory_text};
use sconce_environ::shown::Shown;
use sconce_wasi::{Recorded, Use};
use std::collections::HashSet;
use std::ffi::OsString;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// What there is to say before the run: what was given, and where the policy will be.
#[derive(Debug)]
pub struct Draft {
    program: String,
    hash: Option<[u8; 32]>,
    file: String,
    options: Vec<(Key, Vec<OsString>)>,
    directories: Vec<Directory>,
    /// How many sockets and descriptors are given, which have numbers after the directories.
    listeners: usize,
    descriptors: usize,
}

impl Draft {
    /// Of a policy at `path` for the program that messages call so, and that has this hash. To be called while the current directory can be asked for.
    pub fn new(args: &RunArgs, path: &Path, (name, hash): (&str, Option<[u8; 32]>)) -> Draft {
        let base = path.parent().map(|parent| std::path::absolute(or_here(parent)).unwrap_or_else(|_| parent.to_owned()));
        let base = base.unwrap_or_default();
        let options = args.given.iter().map(|GivenOption { key, values }| {
            let value = |value: &OsString| if key.is_file() { seen_from(&base, Path::new(value)).into() } else { value.clone() };
            (key.clone(), values.iter().map(value).collect())
        });
        let directory = |dir: &Directory| Directory { host: seen_from(&base, &dir.host), ..dir.clone() };
        Draft {
            program: Shown::new(name).to_string(),
            hash,
            file: load::path_name(path),
            options: options.collect(),
            directories: args.dirs.iter().map(directory).collect(),
            listeners: args.listen.len(),
            descriptors: args.fd.len(),
        }
    }

    /// The policy; `peak` is the most memory that counted as the program's.
    pub fn text(&self, given: &Given, recorded: &Recorded, peak: u64, end: End) -> String {
        let Draft { program, file, .. } = self;
        let ended = match end {
            End::Exit(code) => format!("ended with exit code {}", code & 0xff),
            End::Signal(signal) => format!("ended by signal {signal}"),
        };
        let mut text =
            format!("# What {program} used in a run that {ended}. With this policy: sconce --policy {file} {program}\n");
        for (key, values) in &self.options {
            match key.name.as_str() {
                "dir" => self.directories(&mut text, recorded),
                "env" | "env-file" | "inherit-env" if !recorded.sought_environment => {
                    let _ = writeln!(text, "# {}: the program did not ask for its environment", key.name);
                }
                "listen" => list(&mut text, key, values, &uses(recorded, self.directories.len(), self.listeners)),
                "fd" => list(&mut text, key, values, &uses(recorded, self.directories.len() + self.listeners, self.descriptors)),
                "max-threads" => {}
                _ if !key.takes_value => {
                    let _ = writeln!(text, "{} = true", key.name);
                }
                _ => list(&mut text, key, values, &vec![Use { used: true, ..Use::default() }; values.len()]),
            }
        }
        let _ = writeln!(text, "max-threads = {}", recorded.threads);
        if self.options.iter().all(|(key, _)| key.name != "max-memory") {
            let most = peak.saturating_mul(2).max(LEAST_MEMORY).div_ceil(MIB);
            let _ = writeln!(text, "max-memory = \"{most}M\" # it had {} MiB at most", peak.div_ceil(MIB));
        }
        if let Some(hash) = self.hash.filter(|_| self.options.iter().all(|(key, _)| key.name != "module-hash")) {
            let _ = writeln!(text, "# module-hash = \"{}\": for this module alone", load::hash_text(hash));
        }
        self.denials(&mut text, given, recorded);
        text
    }

    fn directories(&self, text: &mut String, recorded: &Recorded) {
        // The program may know what follows by its number.
        let numbered = uses(recorded, self.directories.len(), self.listeners + self.descriptors).iter().any(|u| u.used);
        let uses = uses(recorded, 0, self.directories.len());
        if uses.iter().any(|u| u.used) || numbered {
            text.push_str("dir = [\n");
        } else {
            text.push_str("dir = []\n");
        }
        let mut left_out = Vec::new();
        for (dir, noted) in self.directories.iter().zip(&uses) {
            let minimal = Directory { read_only: dir.read_only || !noted.changed, ..dir.clone() };
            let remark = match noted {
                Use { used: false, .. } => "not used; its descriptor comes before others that were",
                Use { changed: true, .. } => "changed",
                Use { listed: true, .. } => "read, listed",
                Use { .. } => "read",
            };
            match value(directory_text(&minimal)) {
                Ok(value) if noted.used || numbered => {
                    let _ = writeln!(text, "    {value}, # {remark}");
                }
                Ok(value) => left_out.push(format!("# not used: dir = [{value}]\n")),
                Err(why) => left_out.push(format!("# left out: {why}\n")),
            }
        }
        if uses.iter().any(|u| u.used) || numbered {
            text.push_str("]\n");
        }
        text.extend(left_out);
    }

    fn denials(&self, text: &mut String, given: &Given, recorded: &Recorded) {
        let mut suggested = HashSet::new();
        for denial in &recorded.denials {
            let _ = writeln!(text, "# denied: {}", given.line(denial));
            let as_here = denial.place.as_ref().and_then(|(grant, _)| self.directories.get(*grant));
            if let Remedy::Directory(dir) = given.remedy(denial)
                && let here = as_here.filter(|here| here.guest == dir.guest).map_or(dir.host, |here| here.host.clone())
                && let Ok(value) = value(directory_text(&Directory { host: here, ..dir }))
                && suggested.insert(value.clone())
            {
                let _ = writeln!(text, "# dir = [{value}]");
            }
        }
        if recorded.further > 0 {
            let _ = writeln!(text, "# denied: {} calls more, of further kinds", recorded.further);
        }
    }
}

const MIB: u64 = 1 << 20;
/// What a program may have at least: the next run may need more than this one.
const LEAST_MEMORY: u64 = 16 * MIB;

/// The values of an option that were used.
fn list(text: &mut String, key: &Key, values: &[OsString], uses: &[Use]) {
    let (mut kept, mut left_out) = (Vec::new(), Vec::new());
    for (given, noted) in values.iter().zip(uses) {
        match value(Ok(given.clone())) {
            Ok(value) if noted.used => kept.push(value),
            Ok(value) => left_out.push(format!("# not used: {} = [{value}]\n", key.name)),
            Err(why) => left_out.push(format!("# left out: {}: {why}\n", key.name)),
        }
    }
    match &kept[..] {
        [] => {}
        [one] if !key.several => {
            let _ = writeln!(text, "{} = {one}", key.name);
        }
        all => {
            let _ = writeln!(text, "{} = [{}]", key.name, all.join(", "));
        }
    }
    text.extend(left_out);
}

/// What was used of so many things, from one of all that were given.
fn uses(recorded: &Recorded, from: usize, count: usize) -> Vec<Use> {
    (from..from + count).map(|n| recorded.uses.get(n).copied().unwrap_or_default()).collect()
}

/// As a value in the file, which has texts alone.
fn value(text: Result<OsString, String>) -> Result<String, String> {
    let text = text?;
    text.to_str().map(quoted).ok_or_else(|| format!("'{}' is not UTF-8", Shown::short(&text.to_string_lossy())))
}

/// A path as it is written in a file in the directory `base`: a relative one below it stays relative, so that both can be moved.
fn seen_from(base: &Path, path: &Path) -> PathBuf {
    let Ok(whole) = std::path::absolute(path) else { return path.to_owned() };
    match whole.strip_prefix(base) {
        Ok(below) if path.is_relative() => or_here(below).to_owned(),
        _ => whole,
    }
}

fn or_here(path: &Path) -> &Path {
    if path.as_os_str().is_empty() { Path::new(".") } else { path }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    #[test]
    fn relative_paths_stay_so_below_the_files_directory() {
        let here = std::env::current_dir().expect("here");
        let base = here.join("p");
        for (path, seen) in [("p/x", PathBuf::from("x")), ("p", ".".into()), ("x", here.join("x")), ("/p/x", "/p/x".into())] {
            assert_eq!(seen_from(&base, path.as_ref()), seen, "{path}");
        }
        let inside = here.join("p/x");
        assert_eq!(seen_from(&base, &inside), inside);
        assert_eq!(value(Ok(OsStr::from_bytes(b"\xff").to_owned())).unwrap_err(), "'\u{fffd}' is not UTF-8");
    }
}
