//! Why something was refused that a program asked for, where the errno that it gets does not say it: for people.
//!
//! What refuses notes its rule, on its thread. Who watches calls forgets what was noted before a call and takes it after one that
//! failed. Where nobody watches, nothing is noted.

use rustix::io::Errno;
use std::cell::RefCell;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

/// A rule by which something was refused: what was not given, or is given to nobody. An errno that only says how things are (a
/// file that is not there, permissions of the host's) is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rule {
    /// A path that begins with a slash.
    Absolute,
    /// `..` leads out of the directory that the path begins in.
    Above,
    /// A link does, which has this text.
    Link(Vec<u8>),
    /// A link to an absolute path would be made.
    AbsoluteLink,
    /// The path leads into, onto or to the place of what the runtime relies on.
    Masked(PathBuf),
    /// What leads to that would be renamed or removed.
    LeadsToMasked(PathBuf),
    /// The path leads to devices, from a directory above them.
    Devices,
    /// It leads to a file system by which the kernel or processes are controlled: which, and what it gives access to.
    Controls(String),
    /// Nothing can be changed below a directory that was given to be read.
    ReadOnly,
    /// A stream that was opened to append to would be written elsewhere than at its end.
    AppendOnly,
    /// Root's right to all files was given up, and its permissions alone do not give this one.
    NotAsRoot,
    /// The program took the right away from its descriptor, or from the directory that this was opened through.
    GivenUp,
    /// It has as many descriptors as it can have.
    Descriptors,
    /// It has written as much into files as it may.
    Written,
    /// It was given no directory, and so has none under this number.
    NoDirectory,
    /// It was given no socket.
    NoSocket,
    /// It has as many threads as it can have.
    Threads,
}

impl Rule {
    /// What the program is told.
    fn errno(&self) -> Errno {
        match self {
            Rule::Absolute
            | Rule::Above
            | Rule::Link(_)
            | Rule::AbsoluteLink
            | Rule::Masked(_)
            | Rule::LeadsToMasked(_)
            | Rule::Devices
            | Rule::Controls(_)
            | Rule::AppendOnly
            | Rule::GivenUp => Errno::PERM,
            Rule::ReadOnly => Errno::ROFS,
            Rule::NotAsRoot => Errno::ACCESS,
            Rule::Descriptors => Errno::MFILE,
            Rule::Written => Errno::DQUOT,
            Rule::NoDirectory => Errno::BADF,
            Rule::NoSocket => Errno::NOTSOCK,
            Rule::Threads => Errno::AGAIN,
        }
    }
}

/// Whether somebody watches, in this process.
static WATCHED: AtomicBool = AtomicBool::new(false);

thread_local! {
    static LAST: RefCell<Option<Rule>> = const { RefCell::new(None) };
}

/// From here on rules are noted.
pub(crate) fn watch() {
    WATCHED.store(true, Ordering::Relaxed);
}

/// Whether they are.
pub(crate) fn is_watched() -> bool {
    WATCHED.load(Ordering::Relaxed)
}

/// Notes the rule; gives the errno that goes with it.
#[cold]
pub(crate) fn refuse(rule: Rule) -> Errno {
    let errno = rule.errno();
    note(rule);
    errno
}

/// Notes the rule, where the errno is another one.
#[cold]
pub(crate) fn note(rule: Rule) {
    if is_watched() {
        LAST.set(Some(rule));
    }
}

/// What was refused since `..` led out is the work of a link with this text.
#[cold]
pub(crate) fn blame_link(text: &[u8]) {
    LAST.with_borrow_mut(|last| {
        if *last == Some(Rule::Above) {
            *last = Some(Rule::Link(text.to_vec()));
        }
    });
}

/// The rule that was noted last; there is none then.
pub(crate) fn take() -> Option<Rule> {
    LAST.take()
}
