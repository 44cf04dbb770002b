//! What a program used of what it was given, and what it was denied: for people, and for a policy that gives it no more.
//!
//! A call is looked at when it has returned. Which rule it was refused by, the refusing place has noted ([`denial`]); of what it
//! was made on, descriptors know which grant they come from. The record is bounded, whatever the program does: it
//! has the first [`MOST_DENIALS`] kinds of denials with how often each came, and a number for all others.

use super::abi::oflags;
use super::call::{Call, Text};
use super::ctx::WasiCtx;
use super::errno::{Errno, Fail, Outcome};
use super::handle::Handle;
use super::rights;
use super::trace::row::{Kind, Row};
use crate::host::denial::{self, Rule};
use crate::host::descriptor::Access;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Kinds of denials that are kept: by function, path and rule.
pub const MOST_DENIALS: usize = 64;
/// Bytes of the longest name that a descriptor keeps.
const MOST_NAME: usize = 256;

/// A record that is being made. Clones are the same one.
#[derive(Clone)]
pub struct Record(Arc<Inner>);

struct Inner {
    recorded: Mutex<Recorded>,
    at_once: Option<Hear>,
    /// Whether root's right to all files is given up: it would have been refused nothing else.
    not_as_root: bool,
}

/// Who is told of a denial.
type Hear = Box<dyn Fn(&Denial) + Send + Sync>;

/// What there is in a [`Record`].
#[derive(Clone, Debug, Default)]
pub struct Recorded {
    /// In the order in which they came first.
    pub denials: Vec<Denial>,
    /// How many came that are not among them, when there was no room any more.
    pub further: u64,
    /// What was used of each thing that was given: directories, listening sockets, descriptors, in this order. Those that are behind
    /// the last one which was used may be missing.
    pub uses: Vec<Use>,
    /// Whether the program looked for directories. The C library does that when it begins, if the program can open files at all.
    pub sought_directories: bool,
    /// Whether it asked for its environment.
    pub sought_environment: bool,
    /// How many threads it started.
    pub threads: u64,
}

/// What a program did with something that it was given.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Use {
    /// Anything at all, even to look for what is not there.
    pub used: bool,
    /// Entries of a directory were read.
    pub listed: bool,
    /// Something was changed, or opened so that it could be.
    pub changed: bool,
}

/// Something that a program asked for in vain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// By which function.
    pub function: &'static str,
    /// What it is to the program; nothing if it has no name.
    pub name: Vec<u8>,
    /// The directory in which it would be, if it was given by a name: which of those that were given, and the path below it, as
    /// the program has it.
    pub place: Option<(usize, Vec<u8>)>,
    /// Why.
    pub rule: Rule,
    /// How often.
    pub times: u64,
}

impl Denial {
    fn is_like(&self, other: &Denial) -> bool {
        (self.function, &self.name, &self.rule, &self.place) == (other.function, &other.name, &other.rule, &other.place)
    }
}

/// What a call does to what it is made on.
#[derive(Copy, Clone, PartialEq, Eq)]
enum Effect {
    /// It is about the descriptor alone.
    Nothing,
    Reads,
    Lists,
    /// If it succeeds.
    Changes,
}

impl Effect {
    fn of(function: &str, words: &[u64]) -> Effect {
        let word = |n: usize| words.get(n).copied().unwrap_or(0);
        match function {
            "fd_close"
            | "fd_renumber"
            | "fd_fdstat_get"
            | "fd_fdstat_set_flags"
            | "fd_fdstat_set_rights"
            | "fd_prestat_get"
            | "fd_prestat_dir_name" => Effect::Nothing,
            "fd_readdir" => Effect::Lists,
            "path_open" => {
                let makes = word(4) & u64::from(oflags::CREAT | oflags::TRUNC) != 0;
                if makes || word(5) & rights::FD_WRITE != 0 { Effect::Changes } else { Effect::Reads }
            }
            "path_create_directory"
            | "path_remove_directory"
            | "path_unlink_file"
            | "path_rename"
            | "path_link"
            | "path_symlink"
            | "path_filestat_set_times"
            | "fd_write"
            | "fd_pwrite"
            | "fd_allocate"
            | "fd_filestat_set_size"
            | "fd_filestat_set_times" => Effect::Changes,
            _ => Effect::Reads,
        }
    }
}

/// A descriptor that a call is made on, and the address of the path that follows it.
struct Subject {
    handle: Option<Arc<Handle>>,
    path: Option<(u32, u32)>,
}

impl Record {
    /// Nothing so far. `at_once` is called for each denial that comes for the first time, on the thread that it came on.
    /// `not_as_root` says that the process is root's and gives up root's right to all files.
    pub fn new(at_once: Option<Hear>, not_as_root: bool) -> Record {
        denial::watch();
        Record(Arc::new(Inner { recorded: Mutex::default(), at_once, not_as_root }))
    }

    /// What there is by now.
    pub fn so_far(&self) -> Recorded {
        self.recorded().clone()
    }

    fn recorded(&self) -> MutexGuard<'_, Recorded> {
        // Whole after each operation.
        self.0.recorded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A call of `thread-spawn`: whether it has started a thread.
    pub(crate) fn spawned(&self, started: bool) {
        if started {
            self.recorded().threads += 1;
        } else if let Some(rule) = denial::take() {
            self.deny(Denial { function: "thread-spawn", name: Vec::new(), place: None, rule, times: 1 });
        }
    }

    /// Makes a call of the function of this row with these parameters, and notes what it did.
    pub(crate) fn call(&self, call: &Call<'_>, row: &Row, words: &[u64], body: &dyn Fn() -> Outcome) -> Outcome {
        // A call may close what it is made on.
        let subjects = subjects(call.ctx, row, words);
        let _ = denial::take();
        let outcome = body();
        match outcome {
            Ok(()) => {
                self.note_use(&subjects, Effect::of(row.name, words));
                if row.name == "path_open" {
                    remember(call, &subjects, words);
                }
            }
            Err(Fail::Errno(errno)) => match denial::take().or_else(|| self.by_errno(call.ctx, row.name, &subjects, errno)) {
                Some(rule) => self.deny(denied(call, row.name, &subjects, rule)),
                None => self.note_failed_use(row.name, words, &subjects),
            },
            // A server that is ended waits for its next connection.
            Err(Fail::Interrupted | Fail::Exit(_) | Fail::BrokenPipe | Fail::OutputLimit(_) | Fail::Killed(_)) => {
                self.note_failed_use(row.name, words, &subjects);
            }
        }
        match row.name {
            "fd_prestat_get" => self.recorded().sought_directories = true,
            "environ_sizes_get" => self.recorded().sought_environment = true,
            _ => {}
        }
        outcome
    }

    /// Why a call failed, where nobody had to note it.
    fn by_errno(&self, ctx: &WasiCtx, function: &str, subjects: &[Subject], errno: Errno) -> Option<Rule> {
        let permissions = function.starts_with("path_") && errno == Errno::Acces && self.0.not_as_root;
        permissions.then_some(Rule::NotAsRoot).or_else(|| nothing_given(ctx, function, subjects, errno))
    }

    /// What would be different if it had not been given.
    fn note_failed_use(&self, function: &str, words: &[u64], subjects: &[Subject]) {
        if Effect::of(function, words) != Effect::Nothing {
            self.note_use(subjects, Effect::Reads);
        }
    }

    fn note_use(&self, subjects: &[Subject], effect: Effect) {
        if effect == Effect::Nothing {
            return;
        }
        let grants = subjects.iter().filter_map(|subject| subject.handle.as_ref()?.grant);
        let mut recorded = None;
        for grant in grants {
            let recorded = recorded.get_or_insert_with(|| self.recorded());
            if recorded.uses.len() <= grant {
                recorded.uses.resize(grant + 1, Use::default());
            }
            let noted = &mut recorded.uses[grant];
            noted.used = true;
            noted.listed |= effect == Effect::Lists;
            noted.changed |= effect == Effect::Changes;
        }
    }

    fn deny(&self, denial: Denial) {
        let mut recorded = self.recorded();
        if let Some(known) = recorded.denials.iter_mut().find(|known| known.is_like(&denial)) {
            known.times += 1;
            return;
        }
        if recorded.denials.len() == MOST_DENIALS {
            recorded.further += 1;
            return;
        }
        recorded.denials.push(denial.clone());
        drop(recorded);
        if let Some(at_once) = &self.0.at_once {
            at_once(&denial);
        }
    }
}

impl std::fmt::Debug for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Record").field(&*self.recorded()).finish()
    }
}

/// The descriptors of a call, each with the path that is looked up from it.
fn subjects(ctx: &WasiCtx, row: &Row, mut words: &[u64]) -> Vec<Subject> {
    let mut subjects: Vec<Subject> = Vec::new();
    for param in row.params {
        match (param.kind, words) {
            (Kind::Descriptor, [fd, ..]) => {
                let handle = u32::try_from(*fd).ok().and_then(|fd| ctx.table.get(fd, 0).ok());
                subjects.push(Subject { handle, path: None });
            }
            (Kind::Text, [address, len, ..]) => {
                if let Some(last) = subjects.last_mut() {
                    last.path = Some((*address as u32, *len as u32));
                }
            }
            _ => {}
        }
        words = words.get(param.kind.words()..).unwrap_or_default();
    }
    subjects
}

/// Why a call failed that asks for a kind of thing of which the program was given none.
fn nothing_given(ctx: &WasiCtx, function: &str, subjects: &[Subject], errno: Errno) -> Option<Rule> {
    let unknown = subjects.iter().any(|subject| subject.handle.is_none());
    if function.starts_with("path_") && unknown && errno == Errno::BadF && ctx.directories.is_empty() {
        return Some(Rule::NoDirectory);
    }
    let refused = matches!(errno, Errno::BadF | Errno::NotSock);
    (function.starts_with("sock_") && refused && !ctx.has_sockets).then_some(Rule::NoSocket)
}

fn denied(call: &Call<'_>, function: &'static str, subjects: &[Subject], rule: Rule) -> Denial {
    let mut texts: Vec<Vec<u8>> = Vec::new();
    for subject in subjects {
        let mut text = Text::new();
        let path = subject.path.and_then(|at| text.bytes(call, at).ok().map(<[u8]>::to_vec));
        texts.push(path.unwrap_or_default());
    }
    let is_at_fault = |(subject, path): (&Subject, &Vec<u8>)| match rule {
        Rule::ReadOnly => subject.handle.as_ref().is_some_and(|handle| handle.host.access == Access::ReadOnly),
        Rule::Absolute => path.first() == Some(&b'/'),
        Rule::Above => leads_out(path),
        _ => false,
    };
    let at = subjects.iter().zip(&texts).position(is_at_fault);
    // A link is made to what the program says, which is not looked up.
    let rule = if function == "path_symlink" && rule == Rule::Absolute && at.is_none() { Rule::AbsoluteLink } else { rule };
    let at = at.unwrap_or(0);
    let (Some(subject), Some(path)) = (subjects.get(at), texts.get(at)) else {
        return Denial { function, name: Vec::new(), place: None, rule, times: 1 };
    };
    let handle = subject.handle.as_deref();
    let base = handle.and_then(Handle::name);
    let name = if rule == Rule::Absolute { path.clone() } else { joined(base.unwrap_or_default(), path) };
    let place = handle.and_then(|handle| {
        let grant = handle.grant?;
        let given = call.ctx.directories.get(grant)?;
        let below = base?.strip_prefix(&**given)?;
        let below = below.strip_prefix(b"/").unwrap_or(below);
        Some((grant, if rule == Rule::Absolute { Vec::new() } else { joined(below, path) }))
    });
    Denial { function, name, place, rule, times: 1 }
}

/// Whether a path has more `..` than names before them.
fn leads_out(path: &[u8]) -> bool {
    let mut depth = 0i64;
    path.split(|c| *c == b'/').any(|name| {
        depth += match name {
            b"" | b"." => 0,
            b".." => -1,
            _ => 1,
        };
        depth < 0
    })
}

/// Names what was opened by the directory and the path that it was opened by, if that is not too long.
fn remember(call: &Call<'_>, subjects: &[Subject], words: &[u64]) {
    let [Subject { handle: Some(directory), path: Some(at) }] = subjects else { return };
    let opened = words.last().and_then(|out| call.memory.read::<u32>(*out as u32).ok());
    let Some(opened) = opened.and_then(|fd| call.ctx.table.get(fd, 0).ok()) else { return };
    let mut text = Text::new();
    let (Some(base), Ok(path)) = (directory.name(), text.bytes(call, *at)) else { return };
    let name = if path == b"." { base.to_vec() } else { joined(base, path) };
    if name.len() <= MOST_NAME {
        opened.called(name);
    }
}

fn joined(base: &[u8], path: &[u8]) -> Vec<u8> {
    let slash: &[u8] = if base.is_empty() || path.is_empty() || base.ends_with(b"/") { b"" } else { b"/" };
    [base, slash, path].concat()
}
