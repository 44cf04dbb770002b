//! Loops and their heads, for code that goes on from there: where everything is.
//!
//! At a head, everything on the stack is in its slot or a constant, and a local is in its register or its home.

use crate::codegen::{Codegen, VMCTX};
use crate::local::{Local, UNPINNED};
use crate::value::{Ty, Value};
use sconce_environ::osr::{Kind, Live, LoopCode, LoopHead, MAX_CELLS, Place};
use sconce_x64::encode::Addr;

/// What somebody wants to know besides the code.
#[derive(Clone, Debug)]
pub(crate) enum Wanted {
    /// Which loops there are.
    Loops(Vec<LoopCode>),
    /// What is where at the head of the loop that begins here.
    Head(u32, Option<LoopHead>),
}

/// What is known for that so far.
#[derive(Debug)]
pub(crate) struct Heads {
    pub(crate) wanted: Wanted,
    /// Where blocks begin that have not ended, the function's own first.
    open: Vec<u32>,
    /// The loops among them, by number.
    loops: Vec<usize>,
}

impl Heads {
    pub(crate) fn new(wanted: Wanted) -> Heads {
        Heads { wanted, open: Vec::new(), loops: Vec::new() }
    }
}

impl Ty {
    fn kind(self) -> Kind {
        match self {
            Ty::I32 => Kind::I32,
            Ty::I64 => Kind::I64,
            Ty::F32 => Kind::F32,
            Ty::F64 => Kind::F64,
            Ty::V128 => Kind::V128,
            Ty::Handle => Kind::Handle,
        }
    }
}

impl Codegen<'_> {
    /// A block begins; if it is a loop, with this place in the code.
    pub(crate) fn note_block(&mut self, head: Option<u32>) {
        let Some(mut heads) = self.heads.take() else { return };
        let position = self.body.position();
        if let Some(offset) = head {
            match &mut heads.wanted {
                Wanted::Loops(loops) => {
                    heads.loops.push(loops.len());
                    loops.push(LoopCode { position, code: offset..offset });
                }
                Wanted::Head(wanted, found) if *wanted == position => *found = self.head(&heads.open, offset),
                Wanted::Head(..) => {}
            }
        }
        heads.open.push(position);
        self.heads = Some(heads);
    }

    /// The innermost block ends.
    pub(crate) fn note_end(&mut self, is_loop: bool) {
        let end = self.e.offset();
        let Some(heads) = &mut self.heads else { return };
        heads.open.pop();
        if let Wanted::Loops(loops) = &mut heads.wanted
            && is_loop
            && let Some(n) = heads.loops.pop()
        {
            loops[n].code.end = end;
        }
    }

    fn head(&self, open: &[u32], offset: u32) -> Option<LoopHead> {
        if self.locals.len() + self.stack.len() > MAX_CELLS {
            return None;
        }
        let in_frame = |addr: Addr| Place::Frame(addr.disp());
        let named = self.summary.locals.named();
        Some(LoopHead {
            position: self.body.position(),
            around: open.get(1..).unwrap_or_default().to_vec(),
            offset,
            saved: self.frame.saved().map(|(r, home)| (r as u8, home.disp())).collect(),
            context: self.frame.vmctx().map_or(Place::Gpr(VMCTX as u8), in_frame),
            buffer: self.frame.buffer().map(in_frame),
            locals: named.iter().zip(&self.locals).map(|(&index, local)| (index, of_local(local))).collect(),
            operands: self
                .stack
                .iter()
                .map(|&value| Live { kind: value.ty().kind(), place: self.place_at_head(value) })
                .collect(),
        })
    }

    fn place_at_head(&self, value: Value) -> Place {
        match value {
            // A sign-extended one, but where the type has no upper half.
            Value::Const(Ty::I64, bits) => Place::Bits(i64::from(bits.cast_signed()).cast_unsigned().into()),
            Value::Const(_, bits) => Place::Bits(bits.into()),
            Value::Pool(_, number) => Place::Bits(self.stack.constant(number)),
            Value::Slot(_, at) => Place::Frame(self.frame.slot(at).disp()),
            Value::Gpr(..) | Value::Xmm(..) | Value::Local(..) | Value::Flags(_) => {
                unreachable!("everything is settled where a loop begins")
            }
        }
    }
}

fn of_local(local: &Local) -> Live {
    let place = match local.pin {
        UNPINNED => Place::Frame(local.home),
        pin if local.ty.is_int() => Place::Gpr(pin),
        pin => Place::Xmm(pin),
    };
    Live { kind: local.ty.kind(), place }
}
