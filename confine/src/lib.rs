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
mod plan;
mod privileges;
mod program;
mod wall;

pub use call::{Call, Check, MOST_CODE_AT_ONCE, When};
pub use plan::{Plan, Refusal, Rights};
pub use wall::{Wall, Walls};

/// Gives up everything that the plan does not name, as far as the kernel can. Cannot be undone. There is one thread.
pub fn confine(plan: &Plan<'_>) -> Walls {
    let gain_none = privileges::gain_none();
    let files = files::restrict(plan);
    let dropped = privileges::drop_capabilities(plan);
    let capabilities = gain_none.unwrap_or(dropped);
    let debuggers = privileges::hide(plan);
    // The last one: the others make calls that it refuses.
    let calls = filter::install(plan).err().unwrap_or(Wall::Stands);
    Walls::new(vec![
        ("capabilities", of_all_threads(capabilities)),
        ("debuggers", debuggers),
        ("files (Landlock)", of_all_threads(files)),
        ("system calls (seccomp)", calls),
    ])
}

/// What a thread has given up, and others have not.
fn of_all_threads(wall: Wall) -> Wall {
    let is_first = rustix::thread::gettid() == rustix::process::getpid();
    if wall == Wall::Stands && !is_first {
        Wall::Partial("the process's first thread has them: its stack is limited (ulimit -s)".into())
    } else {
        wall
    }
}
