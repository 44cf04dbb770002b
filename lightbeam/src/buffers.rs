//! What a function leaves behind for the next one: allocations.

use crate::blocks::Blocks;
use crate::features::Features;
use crate::local::Local;
use crate::moves::Moves;
use crate::stack::Stack;
use crate::stub::Stubs;
use crate::summary::Summary;
use sconce_environ::locals::DeclaredLocals;
use sconce_x64::encode::Encoder;

/// Empty parts of a code generator, with allocations.
#[derive(Debug)]
pub(crate) struct Buffers {
    pub(crate) summary: Summary,
    pub(crate) declared: DeclaredLocals,
    pub(crate) encoder: Encoder,
    pub(crate) stack: Stack,
    pub(crate) locals: Vec<Local>,
    pub(crate) blocks: Blocks<'static>,
    pub(crate) stubs: Stubs,
    pub(crate) moves: Moves,
}

impl Buffers {
    /// Without allocations.
    pub(crate) fn new(features: Features) -> Buffers {
        Buffers {
            summary: Summary::default(),
            declared: DeclaredLocals::default(),
            encoder: Encoder::new(features.avx),
            stack: Stack::default(),
            locals: Vec::new(),
            blocks: Blocks::new(),
            stubs: Stubs::default(),
            moves: Moves::default(),
        }
    }

    /// Forgets everything but allocations. (The summary's reader does that itself.)
    pub(crate) fn clear(&mut self) {
        self.encoder.clear();
        self.stack.clear();
        self.locals.clear();
        self.stubs.clear();
    }

    /// Bytes that are kept, about.
    pub(crate) fn capacity(&self) -> usize {
        self.summary.capacity()
            + self.encoder.capacity()
            + self.stack.capacity()
            + size_of::<Local>() * self.locals.capacity()
            + self.blocks.capacity()
            + self.stubs.capacity()
    }
}
