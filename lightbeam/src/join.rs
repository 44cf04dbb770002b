//! Where two ways through one operator's code meet again.
//!
//! The abstract state says where every value is, on whichever way this point is reached. So what happens on
//! one way alone must leave it as it was: nothing pushed, popped or moved, no register taken that is still
//! held where the ways meet, no local in a register besides its home that was not there before. A [`Join`]
//! remembers the state where the ways part, and compares where they meet: in debug builds and in paranoid
//! style. Code between that has only a [`crate::scratch::Scratch`] cannot change the state, and needs no
//! join.
//!
//! The labels of wasm's own blocks are not of this kind: at them everything below is settled, which
//! [`Codegen::check_label`] looks at.

use crate::codegen::Codegen;
use crate::register_file::RegisterFile;
use crate::value::{Flag, Value};
use sconce_x64::encode::Label;
use sconce_x64::register::{Gpr, Xmm};

/// How much of the settled part of the stack is compared: all of it in small functions.
const COMPARED: usize = 64;

/// A place that code jumps to, further down in the same operator.
#[derive(Debug)]
#[must_use = "the way that jumps must lead somewhere"]
pub(crate) struct Join {
    label: Label,
    parted: Option<Box<Parted>>,
}

/// What the two ways agree about, besides registers.
#[derive(Debug, PartialEq, Eq)]
struct State {
    length: usize,
    settled: usize,
    top: Vec<Value>,
    pool: usize,
}

/// All that is known where the ways part.
#[derive(Debug)]
struct Parted {
    state: State,
    gprs: RegisterFile<Gpr>,
    xmms: RegisterFile<Xmm>,
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
        Join { label: self.e.label(), parted: self.is_checked().then(|| Box::new(self.parted())) }
    }

    /// The two ways meet here.
    ///
    /// # Panics
    /// If the abstract state is not what it was where they parted: a mistake of the compiler's.
    pub(crate) fn meet(&mut self, join: Join) {
        if let Some(parted) = join.parted {
            self.gprs.check_meeting(&parted.gprs);
            self.xmms.check_meeting(&parted.xmms);
            assert_eq!(parted.state, self.state(), "the state changed on one way alone");
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
        assert!(
            self.stack.settled() >= height as usize || self.stack.is_empty(),
            "what is below a block is settled when it begins"
        );
    }

    fn parted(&self) -> Parted {
        Parted { state: self.state(), gprs: self.gprs.clone(), xmms: self.xmms.clone() }
    }

    fn state(&self) -> State {
        State {
            length: self.stack.len(),
            settled: self.stack.settled(),
            top: self.stack[self.stack.settled().saturating_sub(COMPARED)..].to_vec(),
            pool: self.stack.constants(),
        }
    }
}
