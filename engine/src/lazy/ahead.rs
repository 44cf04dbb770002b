//! What another thread compiles before the program calls it.
//!
//! Where one function was called, those that it calls are likely to be next. The nearest come first, and no
//! more than a few steps ahead are taken, so that a short run costs little more than what it executes. The
//! rest of the module follows in its order while nothing else is to be done, as long as that takes no more
//! than a small part of the time that the program has had.

use sconce_environ::index::DefinedFuncIndex;
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How many calls ahead of one that has happened.
pub(super) const DEPTH: u32 = 2;
/// Functions that wait at most: what is further back is not urgent, and is found again when it is called.
const MOST: usize = 1 << 14;
/// The part of the time that has passed that the rest of a module may take.
const SHARE: u32 = 10;
/// How often it is asked whether it may.
const PAUSE: Duration = Duration::from_millis(5);

/// Functions that wait to be compiled.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    queue: Mutex<Queue>,
    more: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    /// With how many steps ahead may be gone from each.
    functions: VecDeque<(DefinedFuncIndex, u32)>,
    closed: bool,
    /// Whether a thread waits for more.
    idle: bool,
}

/// What is to be done next.
enum Next {
    Likely(DefinedFuncIndex, u32),
    Rest,
    Nothing,
}

impl Ahead {
    /// Puts functions before all others, in their order.
    pub(super) fn add(&self, functions: impl Iterator<Item = DefinedFuncIndex>, left: u32) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let before = queue.functions.len();
        queue.functions.extend(functions.map(|func| (func, left)));
        let added = queue.functions.len() - before;
        queue.functions.rotate_right(added);
        queue.functions.truncate(MOST);
        if added > 0 && queue.idle {
            drop(queue);
            self.more.notify_one();
        }
    }

    /// What is next, if there is anything.
    pub(super) fn take(&self) -> Option<(DefinedFuncIndex, u32)> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).functions.pop_front()
    }

    /// No more is to be done.
    pub(super) fn close(&self) {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
        self.more.notify_all();
    }

    /// Does the work of one thread until this is closed, or there is nobody any more to work for, or all is done.
    pub(super) fn run(&self, work: &impl Work) {
        let (begin, mut spent) = (Instant::now(), Duration::ZERO);
        let mut rest = 0;
        loop {
            let go_on = match self.next(|| spent * SHARE <= begin.elapsed()) {
                Next::Nothing => return,
                Next::Likely(func, left) => work.compile(func, left),
                Next::Rest => {
                    let since = Instant::now();
                    let go_on = work.compile_rest(rest);
                    rest += 1;
                    spent += since.elapsed();
                    go_on
                }
            };
            if !go_on {
                return;
            }
        }
    }

    fn next(&self, rest: impl Fn() -> bool) -> Next {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if queue.closed {
                return Next::Nothing;
            }
            if let Some((func, left)) = queue.functions.pop_front() {
                return Next::Likely(func, left);
            }
            queue.idle = true;
            let (back, timeout) = self.more.wait_timeout(queue, PAUSE).unwrap_or_else(PoisonError::into_inner);
            queue = back;
            queue.idle = false;
            if timeout.timed_out() && rest() {
                return Next::Rest;
            }
        }
    }
}

/// What is done for a module. Each says whether there is anybody to go on for.
pub(super) trait Work {
    /// Compiles a function that is likely to be called, from which so many more steps may be taken.
    fn compile(&self, func: DefinedFuncIndex, left: u32) -> bool;

    /// Compiles the rest of the module, piece number `n` of it.
    fn compile_rest(&self, n: usize) -> bool;
}
