//! Where two ways through one operator's code meet again.
//!
//! The abstract state says where every value is, on whichever way this point is reached. So what happens on one way alone must leave it
//! as it was: nothing pushed, popped or moved, no register taken that is still held where the ways meet, no local in a register besides
//! its home that was not there before. A [`Join`] remembers the state where the ways part, and compares where they meet: in debug builds
//! and in paranoid style. Code between that has only a [`crate::scratch::Scratch`] cannot change the state, and needs no join.
//!
//! The labels of wasm's own blocks are not of this kind: at them everything below is settled, which [`Codegen::check_label`] looks at.

use crate::codegen::{Codegen, NONE};
use crate::value::{Flag, Value};
use sconce_x64::encode::Label;

/// How much of the settled part of the stack is compared: all of it in small functions.
const COMPARED: usize = 64;

/// A place that code jumps to, further down in the same operator.
#[derive(Debug)]
#[must_use = "the way that jumps must lead somewhere"]
pub(crate) struct Join {
    label: Label,
    parted: Option<Box<State>>,
}

/// What the two ways agree about.
#[derive(Debug, PartialEq, Eq)]
struct State {
    length: usize,
    settled: usize,
    top: Vec<Value>,
    gpr_owners: [u32; 16],
    xmm_owners: [u32; 16],
    pool: usize,
    pinned: (u32, u32),
    free: (u32, u32),
    cached: (u32, u32),
    caches: ([u32; 16], [u32; 16]),
}

impl Join {
    /// Where code behind the function comes back to.
    pub(crate) fn label(&self) -> Label {
        self.label
    }
}

impl Codegen<'_> {
    /// Jumps if the flag holds, to where [`Codegen::meet`] will be.
    pub(crate) fn part(&mut self, flag: Flag) -> Join {
        let join = self.join();
        self.jump_if(flag, join.label);
        join
    }

    /// A place to meet, for jumps from here.
    pub(crate) fn join(&mut self) -> Join {
        Join { label: self.e.label(), parted: self.is_checked().then(|| Box::new(self.state())) }
    }

    /// The two ways meet here.
    ///
    /// # Panics
    /// If the abstract state is not what it was where they parted: a mistake of the compiler's.
    pub(crate) fn meet(&mut self, join: Join) {
        if let Some(parted) = join.parted {
            let here = self.state();
            // Registers may have become free, and locals may have been forgotten.
            assert_eq!(parted.free.0 & !here.free.0, 0, "a register was taken on one way alone");
            assert_eq!(parted.free.1 & !here.free.1, 0, "a vector register was taken on one way alone");
            assert_eq!(here.cached.0 & !parted.cached.0, 0, "a local was cached on one way alone");
            assert_eq!(here.cached.1 & !parted.cached.1, 0, "a local was cached on one way alone");
            for n in 0..16 {
                let still = |cached: u32| cached & 1 << n != 0;
                assert!(!still(here.cached.0) || here.caches.0[n] == parted.caches.0[n], "another local was cached");
                assert!(!still(here.cached.1) || here.caches.1[n] == parted.caches.1[n], "another local was cached");
            }
            let (free, cached, caches) = (here.free, here.cached, here.caches);
            assert_eq!(State { free, cached, caches, ..*parted }, here, "the state changed on one way alone");
        }
        self.e.bind(join.label);
    }

    /// Whether what should hold is looked at while code is generated.
    #[inline(always)]
    pub(crate) fn is_checked(&self) -> bool {
        cfg!(debug_assertions) || self.settings.paranoid
    }

    /// A branch to the block with this many values below its own: all of those are settled.
    #[inline(always)]
    pub(crate) fn check_label(&self, height: u32) {
        assert!(self.settled >= height as usize || self.stack.is_empty(), "what is below a block is settled when it begins");
    }

    fn state(&self) -> State {
        let owned = |owners: &[u32; 16], used: u32| {
            let mut owners = *owners;
            for (n, owner) in owners.iter_mut().enumerate() {
                // What a free register belonged to does not matter.
                if used & 1 << n == 0 {
                    *owner = NONE;
                }
            }
            owners
        };
        State {
            length: self.stack.len(),
            settled: self.settled,
            top: self.stack[self.settled.saturating_sub(COMPARED)..].to_vec(),
            gpr_owners: owned(&self.gpr_owners, self.gprs & !self.free_gprs),
            xmm_owners: owned(&self.xmm_owners, self.xmms & !self.free_xmms),
            pool: self.pool.len(),
            pinned: (self.gprs, self.xmms),
            free: (self.free_gprs, self.free_xmms),
            cached: (self.cached_gprs, self.cached_xmms),
            caches: (self.gpr_caches, self.xmm_caches),
        }
    }
}
