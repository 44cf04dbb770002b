//! Bodies that stand in place of calls: which functions' may, how many in one function's code, and what that says of them.

use cranelift_codegen::ir::Type;
use cranelift_frontend::Variable;
use sconce_environ::compile::FunctionInput;
use sconce_environ::index::{DefinedFuncIndex, LocalIndex};
use sconce_environ::inlined::{Callees, INLINED, InlinedCall, Inlining};
use sconce_environ::locals::DeclaredLocals;
use sconce_environ::module::Module;
use sconce_environ::types::ValType;
use smallvec::SmallVec;
use std::collections::HashMap;
use std::rc::Rc;
use wasmparser::{BinaryReader, Operator, OperatorsReader};

/// How much is translated in place of calls.
#[derive(Copy, Clone, Debug)]
struct Limits {
    /// Bytes of a body that calls nothing and has no loop.
    leaf: usize,
    /// Bytes of another one.
    other: usize,
    /// Bodies within each other.
    depth: usize,
    /// What all of them together may cost, in bytes: so many, and a part of the function's own.
    all: usize,
    part: usize,
    /// No more than this in any case.
    most: usize,
}

/// What a body costs besides its bytes: for itself, and for each local that it declares.
const BODY: usize = 8;
const LOCAL: usize = 4;

const SMALL: Limits = Limits { leaf: 60, other: 30, depth: 3, all: 256, part: 4, most: 16 << 10 };
const MOST: Limits = Limits { leaf: 1 << 10, other: 1 << 10, depth: 4, all: 4 << 10, part: 1, most: 16 << 10 };

/// Cranelift keeps a place for each of the function's locals and each block behind which it is used: so many times what bodies may
/// cost is enough for that, in a function with few locals and with thousands.
const LOCALS_TIMES_COST: usize = 1 << 22;

/// Operands below a call's arguments, all of which live across whatever the body does: programs have few.
const MAX_BELOW: usize = 64;

/// Locals that a body may have, parameters included.
const MAX_LOCALS: u32 = 32;

/// A body that is being translated in place of a call.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) func: DefinedFuncIndex,
    /// The position of its first byte.
    pub(crate) first: u32,
    /// The variables of its locals, and their types.
    pub(crate) locals: SmallVec<[(Type, Variable); 8]>,
    /// Which of the open blocks it is.
    pub(crate) frame: usize,
}

/// The bodies in one function's code.
#[derive(Debug)]
pub(crate) struct Inlines<'a> {
    callees: Option<Callees<'a>>,
    /// Who calls, at the outermost.
    func: DefinedFuncIndex,
    open: Vec<Open>,
    /// All that have been translated; first and call are positions.
    pub(crate) done: Vec<InlinedCall>,
    /// Where the positions of the next one begin.
    next: u32,
    /// Variables of bodies that are done, by their types. Cranelift has a list of blocks for each variable, so the next body gets them.
    free: HashMap<Type, Vec<Variable>>,
    /// What has been looked at; `None` for what cannot stand in place of a call.
    looked: HashMap<DefinedFuncIndex, Option<Rc<Body<'a>>>>,
    limits: Limits,
    /// What they may cost from now on.
    left: usize,
}

impl<'a> Inlines<'a> {
    /// Those of a function with a body of so many bytes, which names so many locals; none if there are no callees.
    pub(crate) fn new(callees: Option<Callees<'a>>, func: DefinedFuncIndex, bytes: usize, locals: usize) -> Inlines<'a> {
        let limits = if callees.is_some_and(|callees| callees.inlining == Inlining::Most) { MOST } else { SMALL };
        let left = (limits.all + bytes / limits.part).min(limits.most).min(LOCALS_TIMES_COST / (locals + 1));
        let (open, done, free, looked) = Default::default();
        Inlines { callees, func, open, done, next: bytes as u32, free, looked, limits, left }
    }

    /// The variable of a local of the body under translation; `None` if that is the function's own.
    pub(crate) fn variable(&self, local: LocalIndex) -> Option<Variable> {
        self.open.last().map(|open| open.locals[local.as_u32() as usize].1)
    }

    /// The position of the first byte of the body under translation.
    pub(crate) fn first(&self) -> u32 {
        self.open.last().map_or(0, |open| open.first)
    }

    /// The block that a `return` leaves, of those that are open; the first one is the function's own.
    pub(crate) fn frame(&self) -> usize {
        self.open.last().map_or(0, |open| open.frame)
    }

    /// Whether the body under translation is one in place of a call.
    pub(crate) fn is_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// A variable that no body has now.
    pub(crate) fn free_variable(&mut self, ty: Type) -> Option<Variable> {
        self.free.get_mut(&ty)?.pop()
    }

    /// A body stands in place of the call at this position. Gives the position of its first byte.
    pub(crate) fn add(&mut self, func: DefinedFuncIndex, body: &Body<'_>, call: u32) -> u32 {
        let first = self.next;
        self.next += body.bytes.len() as u32;
        self.done.push(InlinedCall { func, first, body_offset: body.offset, call });
        first
    }

    /// What is translated is this body's, until it is closed.
    pub(crate) fn open(&mut self, body: Open) {
        self.open.push(body);
    }

    /// The body under translation is done.
    pub(crate) fn close(&mut self) {
        let locals = self.open.pop().into_iter().flat_map(|open| open.locals);
        locals.for_each(|(ty, variable)| self.free.entry(ty).or_default().push(variable));
    }

    /// The body of a function of this module, if it may stand in place of a call with so many operands below its arguments, and this
    /// many handlers of exceptions around.
    pub(crate) fn admit(
        &mut self,
        func: DefinedFuncIndex,
        module: &Module,
        below: usize,
        handlers: usize,
    ) -> Option<Rc<Body<'a>>> {
        let callees = self.callees?;
        let most = self.limits.leaf.max(self.limits.other).min(self.left);
        let recurs = func == self.func || self.open.iter().any(|open| open.func == func);
        if callees.len_of(func) > most || recurs || self.open.len() >= self.limits.depth || below > MAX_BELOW {
            return None;
        }
        let look = || Body::of(callees, func, module, self.limits).map(Rc::new);
        let body = self.looked.entry(func).or_insert_with(look).clone()?;
        // A call is dear where there are handlers: one would become many.
        if body.has_calls && handlers > 0 {
            return None;
        }
        self.left = self.left.checked_sub(body.cost)?;
        Some(body)
    }
}

/// What is known of a body that can stand in place of a call.
#[derive(Debug)]
pub(crate) struct Body<'a> {
    pub(crate) bytes: &'a [u8],
    /// Where it is in the module.
    pub(crate) offset: u32,
    /// Where in it its operators begin.
    pub(crate) operators: usize,
    pub(crate) locals: DeclaredLocals,
    /// Whether it calls functions.
    has_calls: bool,
    cost: usize,
}

impl<'a> Body<'a> {
    /// A function's, if it is valid, within limits, and has nothing that keeps it where it is.
    fn of(callees: Callees<'a>, func: DefinedFuncIndex, module: &Module, limits: Limits) -> Option<Body<'a>> {
        let (bytes, offset) = callees.valid_body(func)?;
        let ty = module.type_of(module.func_index(func));
        let mut locals = DeclaredLocals::default();
        let operators = locals.read(ty, bytes, offset).ok()?;
        let Found { has_calls, has_loops } = look(bytes, operators, offset)?;
        let most = if has_calls || has_loops { limits.other } else { limits.leaf };
        let declared = (ty.params.len() as u32..locals.len().min(MAX_LOCALS)).map(locals.types());
        let handles = ty.params.iter().chain(&ty.results).copied().chain(declared).any(|ty: ValType| ty.is_handle());
        let fits = bytes.len() <= most && locals.len() <= MAX_LOCALS && !handles;
        let cost = bytes.len() + BODY + LOCAL * (locals.len() as usize - ty.params.len());
        fits.then_some(Body { bytes, offset, operators, locals, has_calls, cost })
    }
}

/// What there is in a body.
#[derive(Copy, Clone, Debug, Default)]
struct Found {
    has_calls: bool,
    has_loops: bool,
}

/// Looks at a body's operators; `None` if it cannot stand in place of a call.
fn look(bytes: &[u8], operators: usize, offset: u32) -> Option<Found> {
    let mut found = Found::default();
    let mut reader = OperatorsReader::new(BinaryReader::new(&bytes[operators..], u64::from(offset)));
    while !reader.eof() {
        match reader.read().ok()? {
            Operator::ReturnCall { .. }
            | Operator::ReturnCallIndirect { .. }
            | Operator::ReturnCallRef { .. }
            | Operator::Try { .. }
            | Operator::TryTable { .. }
            | Operator::Throw { .. }
            | Operator::ThrowRef => return None,
            Operator::Loop { .. } => found.has_loops = true,
            Operator::Call { .. } | Operator::CallIndirect { .. } | Operator::CallRef { .. } => found.has_calls = true,
            _ => {}
        }
    }
    Some(found)
}

/// Bodies by their numbers in code tables, not by positions.
pub(crate) fn numbered(done: &[InlinedCall], input: &FunctionInput<'_>) -> Vec<InlinedCall> {
    let number = |position| number(position, input);
    done.iter().map(|&body| InlinedCall { first: number(body.first), call: number(body.call), ..body }).collect()
}

/// What code tables call the operator at a position.
pub(crate) fn number(position: u32, input: &FunctionInput<'_>) -> u32 {
    if (position as usize) < input.body.len() { input.body_offset + position } else { INLINED | position }
}
