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
pub(super) const DEPTH: u32 = 3;
/// Functions that wait at most: what is further back is not urgent, and is found again when it is called.
const MOST: usize = 1 << 14;
/// The part of the time that has passed that the rest of a module may take.
const SHARE: u32 = 10;
/// How long a thread waits for more before it looks at what else there is to do, at first and when there was nothing for a while.
const PAUSE: Duration = Duration::from_millis(2);
const LONG_PAUSE: Duration = Duration::from_millis(16);
/// How long small programs are left alone.
const MOMENT: Duration = Duration::from_millis(4);
/// Pauses without anything new after which they become longer.
const PATIENCE: u32 = 500;
/// The same while the program does nothing, and after how many pauses.
const IDLE_PAUSE: Duration = Duration::from_millis(500);
const IDLE_PATIENCE: u32 = 20;

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
    /// Nothing came for a while.
    Pause,
    End,
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

    /// Does nothing for a moment, unless this is closed: a program that is over by then has lost nothing, and would have been slowed down
    /// by another thread that changes the process's memory meanwhile.
    pub(super) fn leave_alone(&self) {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = self.more.wait_timeout_while(queue, MOMENT, |queue| !queue.closed);
    }

    /// Does the work of one thread until this is closed, or there is nobody any more to work for.
    pub(super) fn run(&self, work: &mut impl Work) {
        let (begin, mut spent, mut rest) = (Instant::now(), Duration::ZERO, Some(0));
        let (mut quiet, mut idle) = (0, 0);
        loop {
            let pause = match (quiet, idle) {
                (_, IDLE_PATIENCE..) if rest.is_none() => IDLE_PAUSE,
                (PATIENCE.., _) => LONG_PAUSE,
                _ => PAUSE,
            };
            let going_on = match self.next(pause) {
                Next::End => return,
                Next::Likely(func, left) => work.compile(func, left),
                Next::Pause => {
                    let improved = work.improve();
                    quiet = if improved == Some(Improved::Something) { 0 } else { quiet.saturating_add(1) };
                    idle = if improved == Some(Improved::Idle) { idle.saturating_add(1) } else { 0 };
                    if let Some(n) = rest.filter(|_| spent * SHARE <= begin.elapsed()) {
                        let since = Instant::now();
                        rest = work.compile_rest(n).then_some(n + 1);
                        spent += since.elapsed();
                    }
                    improved.map(drop)
                }
            };
            if going_on.is_none() {
                return;
            }
        }
    }

    fn next(&self, pause: Duration) -> Next {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if queue.closed {
                return Next::End;
            }
            if let Some((func, left)) = queue.functions.pop_front() {
                return Next::Likely(func, left);
            }
            queue.idle = true;
            let (back, timeout) = self.more.wait_timeout(queue, pause).unwrap_or_else(PoisonError::into_inner);
            queue = back;
            queue.idle = false;
            if timeout.timed_out() {
                return Next::Pause;
            }
        }
    }
}

/// What came of a look at the program.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Improved {
    Something,
    Nothing,
    /// The program does nothing.
    Idle,
}

/// What is done for a module.
pub(super) trait Work {
    /// Compiles a function that is likely to be called, from which so many more steps may be taken. `None`: there is nobody any more to
    /// go on for.
    fn compile(&mut self, func: DefinedFuncIndex, left: u32) -> Option<()>;

    /// Looks where the program spends its time, and improves what is worth it. `None` as above.
    fn improve(&mut self) -> Option<Improved>;

    /// Compiles the rest of the module, piece number `n` of it; says whether there is more.
    fn compile_rest(&mut self, n: usize) -> bool;
}
