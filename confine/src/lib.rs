//! The second wall: what a process gives up before a guest's first instruction, so that it holds even when the runtime has a
//! hole. Knows nothing of wasm; the rooms say what they need.
//!
//! - **Privileges**: `no_new_privs`, no capabilities, no core file, no debugger.
//! - **Files**: Landlock limits what can be opened to the guest's directories.
//! - **System calls**: a seccomp filter made from the rooms' lists ([`Call`]) refuses all others.
//!
//! A thread that exists already keeps its files and capabilities: so there is only one when [`confine`] is called.
#![forbid(unsafe_code)]

mod call;
mod files;
mod filter;
mod privileges;

pub use call::{Call, Check, MOST_CODE_AT_ONCE, When};

use rustix::fd::BorrowedFd;
use std::fmt;
use std::ops::Range;

/// What remains to the process.
#[derive(Debug)]
pub struct Plan<'a> {
    /// Directories of the guest's.
    pub directories: Vec<(BorrowedFd<'a>, Rights)>,
    /// Whether it has a socket.
    pub sockets: bool,
    /// The rooms' lists.
    pub calls: &'a [&'a [Call]],
    /// Where code is: nothing else becomes executable.
    pub code: Range<usize>,
    /// What happens when another call is made.
    pub refusal: Refusal,
    /// Whether a debugger may look at the process.
    pub debuggable: bool,
    /// Whether root's right to all files goes as well, though Landlock limits it to the directories: root can have been given
    /// one with another user's files in it.
    pub strict: bool,
}

/// What is allowed in a directory and below.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Rights {
    /// Files are read, directories listed.
    ReadOnly,
    /// They are made, written, moved and removed as well.
    ReadWrite,
}

/// What becomes of a system call that is in no list.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It fails with `ENOSYS`.
    Error,
    /// The thread gets SIGSYS: a list is not complete.
    Report,
}

/// Whether one of the walls holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wall {
    /// It does.
    Stands,
    /// Not all of it: why.
    Partial(String),
    /// It does not: why.
    Missing(String),
    /// Nobody wants it: why.
    Unwanted(&'static str),
}

/// What holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Walls(Vec<(&'static str, Wall)>);

impl Wall {
    /// Whether something was given up.
    pub fn of(done: std::io::Result<()>) -> Wall {
        done.map_or_else(|e| Wall::Missing(e.to_string()), |()| Wall::Stands)
    }
}

impl Walls {
    /// One more.
    pub fn add(&mut self, name: &'static str, wall: Wall) {
        self.0.push((name, wall));
    }

    /// Those that are wanted and do not hold as a whole, each with the reason.
    pub fn gaps(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().filter_map(|(name, wall)| match wall {
            Wall::Stands | Wall::Unwanted(_) => None,
            Wall::Partial(why) | Wall::Missing(why) => Some((*name, why.as_str())),
        })
    }
}

/// One line.
impl fmt::Display for Walls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (name, wall)) in self.0.iter().enumerate() {
            let separator = if i == 0 { "" } else { ", " };
            match wall {
                Wall::Stands => write!(f, "{separator}{name}"),
                Wall::Partial(why) => write!(f, "{separator}{name} in part ({why})"),
                Wall::Missing(why) => write!(f, "{separator}not {name} ({why})"),
                Wall::Unwanted(why) => write!(f, "{separator}not {name} ({why})"),
            }?;
        }
        Ok(())
    }
}

/// Gives up everything that the plan does not name, as far as the kernel can. Cannot be undone. There is one thread.
pub fn confine(plan: &Plan<'_>) -> Walls {
    let gain_none = privileges::gain_none();
    let files = files::restrict(plan);
    let capabilities = gain_none.unwrap_or_else(|| privileges::drop_capabilities(plan, files == Wall::Stands));
    let debuggers = privileges::hide(plan);
    // The last one: the others make calls that it refuses.
    let calls = filter::install(plan).err().unwrap_or(Wall::Stands);
    Walls(vec![
        ("capabilities", of_all_threads(capabilities)),
        ("debuggers", debuggers),
        ("files (Landlock)", of_all_threads(files)),
        ("system calls (seccomp)", calls),
    ])
}

/// What a thread has given up, and others have not.
fn of_all_threads(wall: Wall) -> Wall {
    let is_first = rustix::thread::gettid() == rustix::process::getpid();
    if wall == Wall::Stands && !is_first { Wall::Partial("the process's first thread still has them".into()) } else { wall }
}
