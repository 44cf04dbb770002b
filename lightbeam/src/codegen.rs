//! The second walk's state: what is known about the code so far.
//!
//! Each part keeps its own invariants, and is named after what it knows. What needs several of them is a
//! method of [`Codegen`] in the file of its subject. Of all parts together it is true that
//! - an i32 or a handle in a register is zero-extended to 64 bits (addresses rely on it);
//! - a register belongs to the entry at a position exactly if the entry there is in that register.

use crate::blocks::Blocks;
use crate::body::Body;
use crate::buffers::Buffers;
use crate::features::Features;
use crate::frame_layout::FrameLayout;
use crate::handlers::Handlers;
use crate::heads::Heads;
use crate::local::Local;
use crate::loops::Loops;
use crate::moves::Moves;
use crate::register_file::RegisterFile;
use crate::stack::Stack;
use crate::stub::Stubs;
use crate::summary::Summary;
use crate::tables::Tables;
use sconce_environ::block::BlockTypes;
use sconce_environ::compile::{CompiledFunction, FunctionInput, Settings};
use sconce_environ::fuel::Plan;
use sconce_environ::layout::VmLayout;
use sconce_environ::module::Module;
use sconce_x64::encode::Encoder;
use sconce_x64::register::{Gpr, Xmm};

/// Holds the callee's, and every callee's, VM context.
pub(crate) const VMCTX: Gpr = sconce_x64::abi::KEPT_CONTEXT;

/// Everything that the families work on.
#[derive(Debug)]
pub(crate) struct Codegen<'a> {
    pub(crate) module: &'a Module,
    pub(crate) block_types: BlockTypes<'a>,
    pub(crate) layout: &'a VmLayout,
    pub(crate) settings: &'a Settings,
    pub(crate) features: Features,
    /// What the first walk saw.
    pub(crate) summary: &'a Summary,
    pub(crate) body: Body<'a>,
    /// What is to be paid before which operator.
    pub(crate) fuel: Plan,

    pub(crate) e: Encoder,
    pub(crate) tables: Tables,
    pub(crate) stubs: Stubs,

    pub(crate) stack: Stack,
    pub(crate) gprs: RegisterFile<Gpr>,
    pub(crate) xmms: RegisterFile<Xmm>,
    pub(crate) moves: Moves,
    /// By number: [`Summary::locals`].
    pub(crate) locals: Vec<Local>,

    pub(crate) blocks: Blocks<'a>,
    pub(crate) loops: Loops,
    pub(crate) handlers: Handlers,

    pub(crate) frame: FrameLayout,
    /// Where in the code the prologue makes room for it.
    pub(crate) frame_made: u32,
    /// Where memory 0's base is, if it has a register.
    pub(crate) memory_base: Option<Gpr>,
    /// The heads of loops, if somebody wants to know them.
    pub(crate) heads: Option<Heads>,
    /// Why there is no code, if there will be none.
    pub(crate) failure: Option<String>,
}

impl<'a> Codegen<'a> {
    /// Nothing is emitted yet. Lists are those of `buffers`, which have the function's locals, and of `out`.
    pub(crate) fn new(
        input: &FunctionInput<'a>,
        settings: &'a Settings,
        features: Features,
        summary: &'a Summary,
        fuel: Plan,
        buffers: &mut Buffers,
        out: &mut CompiledFunction,
    ) -> Codegen<'a> {
        Codegen {
            module: input.module,
            block_types: input.blocks,
            layout: input.layout,
            settings,
            features,
            summary,
            body: Body::new(input.body, input.body_offset),
            fuel,
            e: std::mem::replace(&mut buffers.encoder, Encoder::new(features.avx)),
            tables: Tables::reusing(out),
            stubs: std::mem::take(&mut buffers.stubs),
            stack: std::mem::take(&mut buffers.stack),
            gprs: RegisterFile::new(),
            xmms: RegisterFile::new(),
            moves: std::mem::take(&mut buffers.moves),
            locals: std::mem::take(&mut buffers.locals),
            blocks: std::mem::replace(&mut buffers.blocks, Blocks::new()).recycled(),
            loops: Loops::default(),
            handlers: Handlers::default(),
            frame: FrameLayout::new(summary.vectors),
            frame_made: 0,
            memory_base: None,
            heads: None,
            failure: None,
        }
    }
}
