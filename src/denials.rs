//! `--explain-denials`: what a program was denied, by which rule, and which option would have allowed it.

use crate::cli::RunArgs;
use crate::values::{Directory, directory_text};
use sconce_environ::shown::{Shown, quoted};
use sconce_wasi::{Denial, Recorded, Rule};
use std::ffi::OsStr;
use std::fmt::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

/// What the program was given, as far as explanations name it.
#[derive(Clone, Debug)]
pub struct Given {
    directories: Vec<Directory>,
    /// Where they are, from the root: a confined process cannot find that out.
    places: Vec<PathBuf>,
    max_threads: usize,
}

/// What would have allowed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// A directory.
    Directory(Directory),
    /// In words.
    Words(String),
    /// Nothing.
    None,
}

impl Given {
    /// By these options.
    pub fn new(args: &RunArgs) -> Given {
        let place = |dir: &Directory| std::path::absolute(&dir.host).unwrap_or_else(|_| dir.host.clone());
        Given { directories: args.dirs.clone(), places: args.dirs.iter().map(place).collect(), max_threads: args.max_threads }
    }

    /// One denial, on one line.
    pub fn line(&self, denial: &Denial) -> String {
        let mut line = denial.function.to_owned();
        if !denial.name.is_empty() {
            let name = String::from_utf8_lossy(&denial.name);
            let _ = write!(line, " {}", quoted(&name).at_most(MOST_PATH));
        }
        if let Some(place) = self.place(denial) {
            let place = place.to_string_lossy();
            let _ = write!(line, " ({} on the host)", Shown::new(&place).at_most(MOST_PATH));
        }
        let _ = write!(line, ": {}; {}", self.reason(denial), self.remedy(denial).words());
        if denial.times > 1 {
            let _ = write!(line, " ({} times)", denial.times);
        }
        line
    }

    /// Where it would be on the host, as far as names say it.
    fn place(&self, denial: &Denial) -> Option<PathBuf> {
        let (grant, below) = denial.place.as_ref()?;
        match denial.rule {
            // It has no place.
            Rule::Absolute | Rule::AbsoluteLink => None,
            // Where a link leads, its text says.
            Rule::Link(_)
            | Rule::Above
            | Rule::Masked(_)
            | Rule::LeadsToMasked(_)
            | Rule::Devices
            | Rule::Controls(_)
            | Rule::ReadOnly
            | Rule::AppendOnly
            | Rule::NotAsRoot
            | Rule::GivenUp
            | Rule::Descriptors
            | Rule::Written
            | Rule::NoDirectory
            | Rule::NoSocket
            | Rule::Threads => Some(lexically(self.places.get(*grant)?, below).0),
        }
    }

    fn reason(&self, denial: &Denial) -> String {
        let directory = || {
            let given = denial.place.as_ref().and_then(|(grant, _)| self.directories.get(*grant));
            given.map_or("its directory".to_owned(), |dir| format!("the program's directory {}", shown(&dir.guest)))
        };
        match &denial.rule {
            Rule::Absolute => "paths are looked up below the program's directories, and this one begins with '/'".to_owned(),
            Rule::Above => format!("'..' leads out of {}", directory()),
            Rule::Link(text) => format!("a link to {} leads out of {}", shown(OsStr::from_bytes(text)), directory()),
            Rule::AbsoluteLink => "a link to an absolute path leads out of every directory".to_owned(),
            Rule::Masked(path) => format!("it leads to {}, which is kept from programs since Sconce relies on it", shown(path)),
            Rule::LeadsToMasked(path) => {
                format!("it leads to {}, on which Sconce relies, and so can be neither renamed nor removed", shown(path))
            }
            Rule::Devices => "it leads to the machine's devices".to_owned(),
            Rule::Controls(what) => format!("it is on {what}"),
            Rule::ReadOnly => format!("{} was given with ':ro', and nothing in it can be changed", directory()),
            Rule::AppendOnly => "it was opened to append to before the program got it ('>>')".to_owned(),
            Rule::NotAsRoot => "its permissions forbid it, and root's right to all files was given up".to_owned(),
            Rule::GivenUp => "the program itself has given up the right to do this (fd_fdstat_set_rights)".to_owned(),
            Rule::Descriptors => "the program has as many descriptors as it can have".to_owned(),
            Rule::Written => "the program has written as much into files as it may".to_owned(),
            Rule::NoDirectory => "the program was given no directory".to_owned(),
            Rule::NoSocket => "the program was given no socket".to_owned(),
            Rule::Threads => format!("the program has as many threads as it can have ({} besides the first)", self.max_threads),
        }
    }

    /// What would have allowed it.
    pub fn remedy(&self, denial: &Denial) -> Remedy {
        let of_place = || {
            let (grant, below) = denial.place.as_ref()?;
            Some((self.directories.get(*grant)?, self.places.get(*grant)?, below.as_slice()))
        };
        let words = |text: &str| Remedy::Words(text.to_owned());
        match &denial.rule {
            Rule::ReadOnly => match of_place() {
                Some((dir, ..)) => Remedy::Directory(Directory { read_only: false, ..dir.clone() }),
                None => words("--dir without ':ro' would allow it"),
            },
            Rule::Above => match of_place() {
                Some((dir, place, below)) => {
                    let above = lexically(place, below).1;
                    let host = Shown::new(&above.to_string_lossy()).at_most(MOST_PATH).to_string();
                    let levels = place.components().count() - above.components().count();
                    Remedy::Words(match above_in_guest(Path::new(&dir.guest), levels) {
                        Some(guest) => {
                            let guest = Shown::new(&guest.to_string_lossy()).at_most(MOST_PATH).to_string();
                            format!("only a directory above it, in its place, would allow that (--dir {host}::{guest})")
                        }
                        None => format!("only a directory above it would allow that (--dir {host})"),
                    })
                }
                None => words("--dir with a directory above it would allow it"),
            },
            Rule::Link(text) if text.first() == Some(&b'/') => {
                words("no option has absolute links followed; --dir can give what it leads to under a name of its own")
            }
            Rule::Link(_) => words("--dir with a directory that contains both the link and what it leads to would allow it"),
            Rule::Devices => Remedy::Directory(Directory { host: "/dev".into(), guest: "/dev".into(), read_only: false }),
            Rule::NotAsRoot => words("--confine auto keeps that right in the program's directories"),
            Rule::NoDirectory => words("--dir HOST::GUEST gives it one"),
            Rule::Descriptors => words("--max-fds N allows more, up to 65536"),
            Rule::Written => words("--max-written SIZE allows more"),
            Rule::NoSocket => words("--listen ADDR:PORT gives it one to accept connections on"),
            Rule::Threads => words("--max-threads N allows more"),
            Rule::AppendOnly => words("'>' in place of '>>' would allow it"),
            Rule::Absolute
            | Rule::AbsoluteLink
            | Rule::Masked(_)
            | Rule::LeadsToMasked(_)
            | Rule::Controls(_)
            | Rule::GivenUp => Remedy::None,
        }
    }

    /// What there is to say when the program has ended. `memory` is its limit, if that has refused it some; `failed`, whether it
    /// did not end well.
    pub fn summary(&self, recorded: &Recorded, memory: Option<u64>, failed: bool) -> Vec<String> {
        let mut lines: Vec<String> = recorded.denials.iter().map(|denial| format!("denied: {}", self.line(denial))).collect();
        lines.extend(self.rest(recorded, memory, failed));
        lines
    }

    /// The part of it that is not about single denials.
    pub fn rest(&self, recorded: &Recorded, memory: Option<u64>, failed: bool) -> Vec<String> {
        let mut lines = Vec::new();
        if let Some(bytes) = memory {
            lines.push(format!("denied: memory: the program may have {bytes} bytes; --max-memory SIZE allows more"));
        }
        let none = recorded.denials.is_empty() && memory.is_none();
        if recorded.further > 0 {
            lines.push(format!("denied: {} calls more, of further kinds, which are not listed", recorded.further));
        }
        // Libraries compare paths with the names of directories, and ask for what is in one of them alone. In one that has the root's
        // name everything is.
        let finds_all = self.directories.iter().any(|dir| dir.guest == "/");
        if recorded.sought_directories && failed && !finds_all {
            let nothing = if none { "no call was denied; " } else { "" };
            lines.push(match &self.directories[..] {
                [] => format!(
                    "note: {nothing}the program was given no directory, so that it finds no file; --dir HOST::GUEST gives it one"
                ),
                _ => format!(
                    "note: {nothing}for paths outside {} programs make no call, since their library finds no directory for them; \
                     --dir HOST::GUEST gives one",
                    self.names()
                ),
            });
        } else if none {
            lines.push("note: no call was denied".to_owned());
        }
        lines
    }

    /// The program's names of its directories.
    fn names(&self) -> String {
        const MOST: usize = 8;
        let mut names: Vec<String> = self.directories.iter().take(MOST).map(|dir| shown(&dir.guest)).collect();
        if self.directories.len() > MOST {
            names.push(format!("{} more", self.directories.len() - MOST));
        }
        names.join(", ")
    }
}

impl Remedy {
    /// As the end of a sentence.
    pub fn words(&self) -> String {
        match self {
            Remedy::Directory(dir) => match directory_text(dir) {
                Ok(text) => {
                    let text = text.to_string_lossy();
                    format!("--dir {} would allow it", Shown::new(&text).at_most(MOST_PATH))
                }
                Err(_) => "--dir would allow it".to_owned(),
            },
            Remedy::Words(words) => words.clone(),
            Remedy::None => "no option allows it".to_owned(),
        }
    }
}

/// Bytes of a path that are shown.
const MOST_PATH: usize = 1024;

fn shown(text: impl AsRef<OsStr>) -> String {
    quoted(&text.as_ref().to_string_lossy()).at_most(MOST_PATH).to_string()
}

/// The program's name for what is so many levels above a directory, if that can have one.
fn above_in_guest(guest: &Path, levels: usize) -> Option<PathBuf> {
    let above = guest.ancestors().nth(levels)?;
    let named = guest.components().filter(|part| matches!(part, Component::Normal(_))).count();
    let above = if above.as_os_str().is_empty() { Path::new(".") } else { above };
    (levels <= named).then(|| above.to_owned())
}

/// A path below a directory, by names alone, and the directory that it stays in.
fn lexically(place: &Path, below: &[u8]) -> (PathBuf, PathBuf) {
    let (mut at, mut highest) = (place.to_owned(), place.to_owned());
    for component in Path::new(OsStr::from_bytes(below)).components() {
        match component {
            Component::Normal(name) => at.push(name),
            Component::ParentDir => {
                at.pop();
            }
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
        if !at.starts_with(&highest) {
            highest.clone_from(&at);
        }
    }
    (at, highest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given() -> Given {
        let dir = |host: &str, guest: &str, read_only| Directory { host: host.into(), guest: guest.into(), read_only };
        Given {
            directories: vec![dir("a", "/a", true), dir("b/c", ".", false)],
            places: vec!["/home/me/a".into(), "/home/me/b/c".into()],
            max_threads: 3,
        }
    }

    fn denial(name: &str, place: Option<(usize, &str)>, rule: Rule, times: u64) -> Denial {
        let place = place.map(|(grant, below)| (grant, below.as_bytes().to_vec()));
        Denial { function: "path_open", name: name.as_bytes().to_vec(), place, rule, times }
    }

    #[test]
    fn a_line_names_path_rule_and_option() {
        for (denial, line) in [
            (
                denial("/a/f", Some((0, "f")), Rule::ReadOnly, 2),
                "path_open \"/a/f\" (/home/me/a/f on the host): the program's directory \"/a\" was given with ':ro', and nothing in it can \
                 be changed; --dir a::/a would allow it (2 times)",
            ),
            (
                denial("./x/../../../f", Some((1, "x/../../../f")), Rule::Above, 1),
                "path_open \"./x/../../../f\" (/home/me/f on the host): '..' leads out of the program's directory \".\"; only a \
                 directory above it would allow that (--dir /home/me)",
            ),
            (
                denial("./l", Some((1, "l")), Rule::Link(b"/etc/\x1b[2Jpasswd".to_vec()), 1),
                "path_open \"./l\" (/home/me/b/c/l on the host): a link to \"/etc/\\u{1b}[2Jpasswd\" leads out of the program's directory \
                 \".\"; no option has absolute links followed; --dir can give what it leads to under a name of its own",
            ),
            (
                denial("", None, Rule::Threads, 1),
                "path_open: the program has as many threads as it can have (3 besides the first); --max-threads N allows more",
            ),
            (
                denial("/etc", None, Rule::Absolute, 1),
                "path_open \"/etc\": paths are looked up below the program's directories, and this one begins with '/'; no option allows it",
            ),
        ] {
            assert_eq!(given().line(&denial), line);
        }
    }

    #[test]
    fn paths_end_somewhere_by_their_names() {
        for (below, at, highest) in [
            ("x", "/p/q/x", "/p/q"),
            ("x/../y", "/p/q/y", "/p/q"),
            ("../x", "/p/x", "/p"),
            ("../../..//x", "/x", "/"),
            ("../q/../x", "/p/x", "/p"),
            (".", "/p/q", "/p/q"),
        ] {
            assert_eq!(lexically("/p/q".as_ref(), below.as_bytes()), (at.into(), highest.into()), "{below}");
        }
    }

    #[test]
    fn what_is_said_at_the_end_is_short_where_there_is_nothing_to_say() {
        let recorded = Recorded { sought_directories: true, ..Recorded::default() };
        let none = Given { directories: vec![], places: vec![], max_threads: 0 };
        let said = none.summary(&recorded, None, true);
        assert!(said.len() == 1 && said[0].contains("was given no directory"), "{said:?}");
        let said = given().summary(&recorded, None, true);
        assert!(said.len() == 1 && said[0].contains("outside \"/a\", \".\" programs"), "{said:?}");
        assert_eq!(given().summary(&Recorded::default(), None, true), ["note: no call was denied"]);
        assert_eq!(given().summary(&recorded, None, false), ["note: no call was denied"]);
        let said = given().summary(&Recorded::default(), Some(7), true);
        assert_eq!(said, ["denied: memory: the program may have 7 bytes; --max-memory SIZE allows more"]);
        let denials = vec![denial("/a/f", Some((0, "f")), Rule::ReadOnly, 1)];
        let recorded = Recorded { denials, further: 7, ..recorded };
        assert_eq!(given().summary(&recorded, None, false).len(), 2);
        assert_eq!(given().summary(&recorded, None, true).len(), 3);
    }
}
