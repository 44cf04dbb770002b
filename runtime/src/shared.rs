//! Memories that several stores have at once, each on a thread of its own, and threads that wait for each other there.
//!
//! A shared memory is mapped once. Its length, like its base, is in one place, to which the contexts of all instances point;
//! it is published after the pages are accessible, and compiled code reads it afresh for each check. Growing takes a lock.
//!
//! Waiting threads are parked in a queue for each address, oldest first, under one lock: what is in memory is compared with
//! what is expected under it, so no wakeup is lost. A thread sleeps on a word of its own (a futex). It wakes for a
//! notification, when its time is over, or for the signal of an interrupt: those are sent until they are acknowledged, so one
//! that comes just before the thread sleeps does no harm.

use crate::budget::{MemoryBudget, MemoryLimit};
use crate::error::{OutOfBounds, ResourceError};
use crate::reservation::Reservation;
use rustix::thread::futex;
use sconce_environ::compile::BoundsStyle;
use sconce_environ::ops::IntWidth;
use sconce_environ::types::MemoryType;
use sconce_environ::vm::VmMemory;
use std::cell::UnsafeCell;
use std::collections::{HashMap, VecDeque};
use std::ptr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A memory that stores on several threads can have. Clones are the same memory.
#[derive(Clone, Debug)]
pub struct SharedMemory(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    reservation: Reservation,
    /// What compiled code reads. Only the length is ever written again.
    vm: UnsafeCell<VmMemory>,
    /// Held while it grows.
    budget: Mutex<MemoryBudget>,
    waiting: Mutex<Waiting>,
}

// SAFETY: the reservation is memory that is the guest's business; `vm`'s base never changes and its length is atomic.
unsafe impl Send for Inner {}
// SAFETY: as above.
unsafe impl Sync for Inner {}

/// Parked threads by address, in the order in which they came.
type Waiting = HashMap<u64, VecDeque<Arc<Parked>>>;

/// A thread that waits.
#[derive(Debug, Default)]
struct Parked {
    /// 1 when it has been notified.
    notified: AtomicU32,
}

/// How waiting ended.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Waited {
    /// A notification came.
    Notified,
    /// There was another value than expected.
    Different,
    /// The time was over.
    TimedOut,
    /// The store is to stop.
    Interrupted,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What a panic would leave behind is whole: each change is one operation.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl SharedMemory {
    /// A memory of its type's minimal size, all zero. Its pages count against `limit`.
    ///
    /// # Errors
    /// If it exceeds the limit or cannot be had.
    pub fn new(ty: MemoryType, bounds: BoundsStyle, limit: &MemoryLimit) -> Result<SharedMemory, ResourceError> {
        let mut budget = MemoryBudget::new(limit);
        let (reservation, vm) = Reservation::new(ty, bounds, &mut budget)?;
        let inner = Inner { reservation, vm: UnsafeCell::new(vm), budget: Mutex::new(budget), waiting: Mutex::default() };
        Ok(SharedMemory(Arc::new(inner)))
    }

    /// Its declared type.
    pub fn ty(&self) -> MemoryType {
        self.0.reservation.ty()
    }

    /// Pages.
    pub fn pages(&self) -> u64 {
        self.len() as u64 >> self.ty().page_size_log2
    }

    /// Its address space.
    pub(crate) fn reservation(&self) -> &Reservation {
        &self.0.reservation
    }

    /// What compiled code sees; valid as long as the memory.
    pub(crate) fn vm(&self) -> *mut VmMemory {
        self.0.vm.get()
    }

    fn length(&self) -> &std::sync::atomic::AtomicUsize {
        // SAFETY: the field is atomic and lives as long as `self`; the reference covers it alone.
        unsafe { &(*self.vm()).length }
    }

    /// Bytes.
    pub fn len(&self) -> usize {
        self.length().load(Ordering::Acquire)
    }

    /// Whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether both are the same memory.
    pub fn same(&self, other: &SharedMemory) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Adds pages of zeros; gives the number of pages before, or `None` if that cannot be.
    pub fn grow(&self, pages: u64) -> Option<u64> {
        let mut budget = lock(&self.0.budget);
        self.0.reservation.grow(self.length(), pages, &mut budget)
    }

    /// Copies out. Other threads may write meanwhile: what is read need never have been there at one time.
    ///
    /// # Errors
    /// If not all of it lies inside; nothing is copied then.
    pub fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), OutOfBounds> {
        let from = self.0.reservation.at(self.len(), offset, out.len() as u64)?;
        // SAFETY: inside the memory; `out` is the host's, so they do not overlap.
        unsafe { ptr::copy_nonoverlapping(from, out.as_mut_ptr(), out.len()) };
        Ok(())
    }

    /// Copies in.
    ///
    /// # Errors
    /// If not all of it fits; nothing is copied then.
    pub fn write(&self, offset: u64, bytes: &[u8]) -> Result<(), OutOfBounds> {
        let to = self.0.reservation.at(self.len(), offset, bytes.len() as u64)?;
        // SAFETY: as in `read`.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len()) };
        Ok(())
    }

    /// Wakes at most `count` threads that wait at `offset`, those first that came first; gives how many.
    pub fn notify(&self, offset: u64, count: u32) -> u32 {
        let mut waiting = lock(&self.0.waiting);
        let Some(queue) = waiting.get_mut(&offset) else { return 0 };
        let woken: Vec<_> = queue.drain(..queue.len().min(count as usize)).collect();
        if queue.is_empty() {
            waiting.remove(&offset);
        }
        drop(waiting);
        for thread in &woken {
            thread.notified.store(1, Ordering::Release);
            // Nobody to wake is no error: it has not slept yet.
            let _ = futex::wake(&thread.notified, futex::Flags::PRIVATE, 1);
        }
        // Threads are fewer.
        woken.len() as u32
    }

    /// Waits at `offset`, which is aligned and inside, if `expected` is there. A negative `timeout` (ns) is none.
    pub(crate) fn wait(
        &self,
        offset: u64,
        width: IntWidth,
        expected: u64,
        timeout: i64,
        interrupted: &dyn Fn() -> bool,
    ) -> Result<Waited, OutOfBounds> {
        let size = match width {
            IntWidth::W32 => 4,
            IntWidth::W64 => 8,
        };
        let at = self.0.reservation.at(self.len(), offset, size)?;
        let me = Arc::new(Parked::default());
        let mut waiting = lock(&self.0.waiting);
        // SAFETY: inside the memory, which lives as long as `self`, and aligned by the caller's promise; other threads touch it
        // atomically or race as the guest wants it.
        let value = unsafe {
            match width {
                IntWidth::W32 => u64::from(AtomicU32::from_ptr(at.cast()).load(Ordering::SeqCst)),
                IntWidth::W64 => AtomicU64::from_ptr(at.cast()).load(Ordering::SeqCst),
            }
        };
        if value != expected {
            return Ok(Waited::Different);
        }
        // From now: what is due in 292 years is due never.
        let deadline = u64::try_from(timeout).ok().and_then(|ns| Instant::now().checked_add(Duration::from_nanos(ns)));
        waiting.entry(offset).or_default().push_back(me.clone());
        drop(waiting);
        Ok(self.sleep(offset, &me, deadline, interrupted))
    }

    fn sleep(&self, offset: u64, me: &Arc<Parked>, deadline: Option<Instant>, interrupted: &dyn Fn() -> bool) -> Waited {
        loop {
            if me.notified.load(Ordering::Acquire) != 0 {
                return Waited::Notified;
            }
            if interrupted() {
                return self.leave(offset, me, Waited::Interrupted);
            }
            let rest = deadline.map(|d| d.saturating_duration_since(Instant::now()));
            if rest.is_some_and(|rest| rest.is_zero()) {
                return self.leave(offset, me, Waited::TimedOut);
            }
            let rest = rest.and_then(|rest| futex::Timespec::try_from(rest).ok());
            // Whatever ends it, the loop looks for the reason.
            let _ = futex::wait(&me.notified, futex::Flags::PRIVATE, 0, rest.as_ref());
        }
    }

    /// Leaves the queue, unless a notification took the thread out of it just now: that one would be lost.
    fn leave(&self, offset: u64, me: &Arc<Parked>, why: Waited) -> Waited {
        let mut waiting = lock(&self.0.waiting);
        let Some(queue) = waiting.get_mut(&offset) else { return Waited::Notified };
        let Some(place) = queue.iter().position(|other| Arc::ptr_eq(me, other)) else { return Waited::Notified };
        queue.remove(place);
        if queue.is_empty() {
            waiting.remove(&offset);
        }
        why
    }
}
