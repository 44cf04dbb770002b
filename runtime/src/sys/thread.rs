//! What must be known about, and prepared on, a thread that enters wasm: its id, the bounds of its stack, and an alternate
//! stack for signal handlers.

use super::mmap::{Access, Mapping};
use super::{PAGE, limits, page_ceil, signal};
use crate::error::ResourceError;
use std::cell::{Cell, OnceCell};
use std::mem::MaybeUninit;
use std::ptr::{null, null_mut};
use std::time::Duration;

/// A handler gets this much at least. The processor's own part of a signal frame alone may exceed what libc calls enough, and
/// handlers that bring in text compute digests. Only what is used takes memory.
const ALTERNATE_STACK: usize = 256 << 10;

/// How far the main thread's stack may be believed to reach: the kernel keeps 128 MiB free below it when the limit on it is
/// smaller or absent.
const MAIN_STACK_MAX: u64 = 64 << 20;

/// A thread that has been prepared.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Thread {
    /// The kernel's id; never 0.
    pub id: i32,
    /// Lowest address of its stack.
    stack_low: usize,
    /// End of its stack.
    stack_high: usize,
}

impl Thread {
    /// Bytes of stack left below `sp`. If `sp` is not on this thread's stack (an embedder's coroutine), as much as can be.
    pub(crate) fn stack_left(&self, sp: usize) -> usize {
        if sp > self.stack_high { usize::MAX } else { sp.checked_sub(self.stack_low).unwrap_or(usize::MAX) }
    }
}

thread_local! {
    static THREAD: Cell<Option<Thread>> = const { Cell::new(None) };
    static ALTERNATE: OnceCell<AlternateStack> = const { OnceCell::new() };
}

/// This thread, prepared: fast when it has been before.
#[inline]
pub(crate) fn current() -> Result<Thread, ResourceError> {
    match THREAD.get() {
        Some(t) => Ok(t),
        None => make_ready(),
    }
}

/// Prepares this thread for wasm, which entering it does otherwise.
///
/// # Errors
/// If a stack for signal handlers cannot be had.
pub fn prepare() -> Result<(), ResourceError> {
    current().map(drop)
}

#[cold]
fn make_ready() -> Result<Thread, ResourceError> {
    let alternate = AlternateStack::install()?;
    if let Some(a) = alternate {
        // Dropped, and uninstalled, when the thread ends. During thread exit it cannot be kept, and so leaks.
        let _ = ALTERNATE.try_with(|cell| cell.set(a));
    }
    signal::unblock();
    // SAFETY: no preconditions.
    let (id, process) = unsafe { (libc::gettid(), libc::getpid()) };
    let (stack_low, stack_high) = if id == process { main_stack() } else { thread_stack() };
    let thread = Thread { id, stack_low, stack_high };
    THREAD.set(Some(thread));
    Ok(thread)
}

/// Bounds of the main thread's stack. libc would parse `/proc/self/maps` for them; the program's name, which the kernel puts
/// at the top, and the limit say the same.
fn main_stack() -> (usize, usize) {
    // SAFETY: no preconditions.
    let top = unsafe { libc::getauxval(libc::AT_EXECFN) } as usize;
    let high = page_ceil(top).unwrap_or(top);
    let limit = limits::stack_limit().unwrap_or(MAIN_STACK_MAX).min(MAIN_STACK_MAX);
    (high.saturating_sub(limit as usize), high)
}

/// Bounds of another thread's stack, as libc knows them; all of the address space if it does not.
fn thread_stack() -> (usize, usize) {
    let mut attr = MaybeUninit::uninit();
    let (mut low, mut size, mut guard) = (null_mut(), 0, 0);
    // SAFETY: `attr` is initialised by the first call, which is checked, and destroyed once.
    unsafe {
        if libc::pthread_getattr_np(libc::pthread_self(), attr.as_mut_ptr()) != 0 {
            return (0, usize::MAX);
        }
        libc::pthread_attr_getstack(attr.as_ptr(), &mut low, &mut size);
        libc::pthread_attr_getguardsize(attr.as_ptr(), &mut guard);
        libc::pthread_attr_destroy(attr.as_mut_ptr());
    }
    // Whether the guard counts as part of the stack differs between versions: assume that it does.
    (low as usize + guard, low as usize + size)
}

/// An alternate stack with a guard page below.
struct AlternateStack(Mapping);

impl AlternateStack {
    /// Installs one on this thread, unless it has one that is large enough.
    fn install() -> Result<Option<AlternateStack>, ResourceError> {
        // SAFETY: no preconditions; 0 where the kernel does not say.
        let minimum = unsafe { libc::getauxval(libc::AT_MINSIGSTKSZ) } as usize;
        let size = page_ceil(minimum.saturating_mul(4)).unwrap_or(0).max(ALTERNATE_STACK);
        let mut old = MaybeUninit::<libc::stack_t>::uninit();
        // SAFETY: only reads the current one.
        let old = unsafe { if libc::sigaltstack(null(), old.as_mut_ptr()) == 0 { Some(old.assume_init()) } else { None } };
        if old.is_some_and(|o| o.ss_flags & libc::SS_DISABLE == 0 && o.ss_size >= size) {
            return Ok(None);
        }
        let os = || ResourceError::os("cannot make a stack for signal handlers");
        let mapping = Mapping::reserve(size + PAGE).map_err(os())?;
        // SAFETY: a fresh mapping; the first page stays inaccessible.
        unsafe { mapping.protect(PAGE, size, Access::ReadWrite) }.map_err(os())?;
        let new = libc::stack_t { ss_sp: mapping.base().wrapping_add(PAGE).cast(), ss_flags: 0, ss_size: size };
        // SAFETY: the memory stays mapped until `drop` has uninstalled it.
        if unsafe { libc::sigaltstack(&new, null_mut()) } != 0 {
            let source = std::io::Error::last_os_error();
            return Err(ResourceError::Os { what: "cannot install a stack for signal handlers", source });
        }
        Ok(Some(AlternateStack(mapping)))
    }
}

impl Drop for AlternateStack {
    fn drop(&mut self) {
        // A destructor that runs later may call wasm again, which needs another stack for its handlers.
        THREAD.set(None);
        let base = self.0.base().wrapping_add(PAGE).cast();
        let mut now = MaybeUninit::<libc::stack_t>::uninit();
        // SAFETY: the current one is read, and disabled only if it is ours: somebody may have installed another since.
        unsafe {
            if libc::sigaltstack(null(), now.as_mut_ptr()) == 0 && now.assume_init().ss_sp == base {
                let none = libc::stack_t { ss_sp: null_mut(), ss_flags: libc::SS_DISABLE, ss_size: 0 };
                libc::sigaltstack(&none, null_mut());
            }
        }
    }
}

/// The clock of what a thread uses of the processor, as the kernel numbers such clocks (CPUCLOCK_PERTHREAD, CPUCLOCK_SCHED).
pub(super) fn clock_of(thread: i32) -> libc::clockid_t {
    (!thread << 3) | 4 | 2
}

/// What a thread of this process has used of the processor; `None` if it is gone.
pub(crate) fn time_of(thread: i32) -> Option<Duration> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: a place for the result.
    let known = unsafe { libc::clock_gettime(clock_of(thread), &raw mut time) } == 0;
    known.then(|| Duration::new(time.tv_sec.cast_unsigned(), time.tv_nsec as u32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_works_has_used_time_and_one_that_is_gone_has_none() {
        // SAFETY: no preconditions.
        let this = unsafe { libc::gettid() };
        let before = time_of(this).expect("it is there");
        let mut n = 0u64;
        while time_of(this).expect("it is there") - before < Duration::from_millis(5) {
            n = std::hint::black_box(n + 1);
        }
        let gone = std::thread::spawn(|| {
            // SAFETY: as above.
            unsafe { libc::gettid() }
        });
        assert_eq!(time_of(gone.join().expect("it ends")), None);
    }

    fn here() -> usize {
        let x = 0u8;
        (&raw const x) as usize
    }

    #[test]
    fn the_bounds_contain_the_stack_pointer() {
        for size in [256 << 10, 4 << 20] {
            let check = move || {
                let t = current().unwrap();
                let left = t.stack_left(here());
                assert!(left > size / 2 && left <= size, "{left} of {size}");
            };
            std::thread::Builder::new().stack_size(size).spawn(check).unwrap().join().unwrap();
        }
        let (low, high) = main_stack();
        assert!(low < high && high - low >= 1 << 20);
    }

    #[test]
    fn a_foreign_stack_is_not_taken_for_an_exhausted_one() {
        let t = Thread { id: 1, stack_low: 0x10000, stack_high: 0x20000 };
        assert_eq!(t.stack_left(0x11000), 0x1000);
        assert_eq!(t.stack_left(0x8000), usize::MAX);
        assert_eq!(t.stack_left(0x30000), usize::MAX);
    }

    #[test]
    fn the_alternate_stack_is_large_and_ours_to_remove() {
        std::thread::spawn(|| {
            current().unwrap();
            let mut now = MaybeUninit::<libc::stack_t>::uninit();
            // SAFETY: only reads.
            let now = unsafe {
                libc::sigaltstack(null(), now.as_mut_ptr());
                now.assume_init()
            };
            assert!(now.ss_flags & libc::SS_DISABLE == 0 && now.ss_size >= ALTERNATE_STACK);
        })
        .join()
        .unwrap();
    }
}
