//! The rewriting: operator by operator, with the labels that are open before and after.

use super::offsets::Offsets;
use super::scan::{Form, Scope, scopes};
use super::{FinalForm, MAX_HELD};
use crate::compile::FunctionInput;
use crate::index::{TagIndex, TypeIndex};
use crate::module::Module;
use crate::types::{FuncType, ValType};
use std::collections::HashMap;
use wasmparser::{BinaryReader, BlockType, BrTable, Catch, FunctionBody, Operator, TryTable};

/// Opcodes (spec section 5.4.1), types (5.3) and kinds of clauses.
mod code {
    pub(super) const BLOCK: u8 = 0x02;
    pub(super) const THROW_REF: u8 = 0x0a;
    pub(super) const END: u8 = 0x0b;
    pub(super) const BR: u8 = 0x0c;
    pub(super) const BR_IF: u8 = 0x0d;
    pub(super) const BR_TABLE: u8 = 0x0e;
    pub(super) const TRY_TABLE: u8 = 0x1f;
    pub(super) const LOCAL_GET: u8 = 0x20;
    pub(super) const LOCAL_SET: u8 = 0x21;
    pub(super) const BR_ON_NULL: u8 = 0xd5;
    pub(super) const BR_ON_NON_NULL: u8 = 0xd6;

    pub(super) const EMPTY: u8 = 0x40;
    pub(super) const EXNREF: u8 = 0x69;
    pub(super) const REF_NULL: u8 = 0x63;
    pub(super) const REF_TO: u8 = 0x64;

    pub(super) const CATCH: u8 = 0;
    pub(super) const CATCH_ALL: u8 = 2;
    /// Added to these: with the exception.
    pub(super) const REF: u8 = 1;
}

/// Clauses that a `try_table` may have: what the engines of browsers allow, and wasmparser.
const MAX_CLAUSES: usize = 10_000;

/// Values that block types of a body's own may name, besides one for each of its bytes.
const ANY_VALUES: usize = 65_536;

fn malformed(error: wasmparser::Error) -> String {
    format!("malformed body: {error}")
}

fn no_label() -> String {
    "malformed body: an operator names a label that is none".to_owned()
}

/// Rewrites a body.
pub(super) fn rewrite(input: &FunctionInput<'_>) -> Result<FinalForm, String> {
    let body = FunctionBody::new(BinaryReader::new(input.body, 0));
    let mut locals = Locals::read(input, &body)?;
    let mut reader = body.get_operators_reader().map_err(malformed)?;
    let scopes = scopes(reader.clone())?;
    let landings = vec![0; scopes.len()];
    let mut rewriter = Rewriter {
        input,
        out: Vec::with_capacity(input.body.len() * 3 / 2),
        scopes,
        landings,
        begun: 1,
        labels: 1,
        frames: vec![Frame { label: 0, part: Part::Body(0) }],
        first_held: locals.count,
        held: 0,
        most_held: 0,
        types: OwnTypes { values: ANY_VALUES + input.body.len(), ..OwnTypes::default() },
        offsets: Offsets::default(),
        hints: Vec::new(),
    };
    rewriter.begin(0, None)?;
    while !reader.eof() {
        let start = reader.original_position() as usize;
        let operator = reader.read().map_err(malformed)?;
        let end = reader.original_position() as usize;
        rewriter.operator(&operator, start, end)?;
    }
    locals.add(rewriter.most_held);
    let Rewriter { out, types, mut offsets, mut hints, .. } = rewriter;
    let first = locals.bytes.len() as u32;
    offsets.moved_by(first);
    hints.iter_mut().for_each(|hint| hint.0 += first);
    let mut body = locals.bytes;
    body.extend(out);
    Ok(FinalForm { body, types: types.list, hints, offsets })
}

/// The declarations at a body's beginning.
struct Locals<'a> {
    /// Runs that the body has.
    runs: u32,
    declared: &'a [u8],
    /// Locals that are there, parameters among them.
    count: u32,
    /// The declarations of the rewritten body.
    bytes: Vec<u8>,
}

impl<'a> Locals<'a> {
    fn read(input: &FunctionInput<'a>, body: &FunctionBody<'_>) -> Result<Locals<'a>, String> {
        let mut count = input.module.type_of(input.module.func_index(input.func)).params.len() as u32;
        let mut locals = body.get_locals_reader().map_err(malformed)?;
        let (runs, start) = (locals.get_count(), locals.original_position() as usize);
        for _ in 0..runs {
            count = count.saturating_add(locals.read().map_err(malformed)?.0);
        }
        let declared = &input.body[start..locals.original_position() as usize];
        Ok(Locals { runs, declared, count, bytes: Vec::new() })
    }

    /// Adds exceptions.
    fn add(&mut self, exceptions: u32) {
        write_u32(&mut self.bytes, self.runs + u32::from(exceptions > 0));
        self.bytes.extend_from_slice(self.declared);
        if exceptions > 0 {
            write_u32(&mut self.bytes, exceptions);
            self.bytes.push(code::EXNREF);
        }
    }
}

/// Block types that are not the module's.
#[derive(Default)]
struct OwnTypes {
    list: Vec<FuncType>,
    /// By the type whose parameters it has, the tag whose values it gives, and whether it gives an exception.
    known: HashMap<(Option<u32>, Option<u32>, bool), u32>,
    /// How many values more all of them may name.
    values: usize,
}

/// A block of the file's body that is open.
struct Frame {
    /// The label that stands for its own, counted from the function's.
    label: u32,
    part: Part,
}

/// What is open.
#[derive(Copy, Clone)]
enum Part {
    /// A block that stays one.
    Block,
    /// The body of a scope.
    Body(u32),
    /// A clause of a `try`, and the local that holds its exception, if that is thrown again.
    Clause(u32, usize, Option<u32>),
}

struct Rewriter<'a> {
    input: &'a FunctionInput<'a>,
    out: Vec<u8>,
    scopes: Vec<Scope>,
    /// The label of each scope's landing, if it has one. The one before it is the label of the scope's `try_table`, or the
    /// function's.
    landings: Vec<u32>,
    /// Scopes that have begun.
    begun: u32,
    /// Labels that are open, the function's among them.
    labels: u32,
    frames: Vec<Frame>,
    first_held: u32,
    /// Exceptions that are held here, and the most that are anywhere.
    held: u32,
    most_held: u32,
    types: OwnTypes,
    offsets: Offsets,
    hints: Vec<(u32, bool)>,
}

impl Rewriter<'_> {
    fn operator(&mut self, operator: &Operator<'_>, start: usize, end: usize) -> Result<(), String> {
        let (after, before) = (self.out.len() as u32, start as u32);
        if let Ok(hint) = self.input.hints.binary_search_by_key(&before, |hint| hint.0) {
            self.hints.push((after, self.input.hints[hint].1));
        }
        match operator {
            Operator::Br { relative_depth } => self.branch_by(code::BR, *relative_depth),
            Operator::BrIf { relative_depth } => self.branch_by(code::BR_IF, *relative_depth),
            Operator::BrOnNull { relative_depth } => self.branch_by(code::BR_ON_NULL, *relative_depth),
            Operator::BrOnNonNull { relative_depth } => self.branch_by(code::BR_ON_NON_NULL, *relative_depth),
            Operator::BrTable { targets } => self.branch_table(targets),
            Operator::TryTable { try_table } => self.try_table(try_table, start),
            Operator::Try { blockty } => self.try_(*blockty, &self.input.body[start + 1..end]),
            Operator::Catch { .. } | Operator::CatchAll => self.catch(),
            Operator::Rethrow { relative_depth } => self.rethrow(*relative_depth),
            Operator::Delegate { .. } | Operator::End => self.end(),
            _ => {
                self.offsets.copied(after, before);
                self.copy(operator, &self.input.body[start..end]);
                return Ok(());
            }
        }?;
        self.offsets.made(after, before);
        Ok(())
    }

    /// An operator that names no label, and ends nothing.
    fn copy(&mut self, operator: &Operator<'_>, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
        if matches!(operator, Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. }) {
            self.frames.push(Frame { label: self.labels, part: Part::Block });
            self.labels += 1;
        }
    }

    fn open(&mut self, opcode: u8) -> u32 {
        self.out.push(opcode);
        self.labels += 1;
        self.labels - 1
    }

    fn close(&mut self) {
        self.out.push(code::END);
        self.labels -= 1;
    }

    fn branch(&mut self, label: u32) {
        self.out.push(code::BR);
        let depth = self.labels - 1 - label;
        write_u32(&mut self.out, depth);
    }

    /// The depth that stands for one of the file's here.
    fn depth(&self, depth: u32) -> Result<u32, String> {
        Ok(self.labels - 1 - self.frame(depth)?.label)
    }

    fn frame(&self, depth: u32) -> Result<&Frame, String> {
        let index = self.frames.len().checked_sub(1 + depth as usize).ok_or_else(no_label)?;
        Ok(&self.frames[index])
    }

    fn branch_by(&mut self, opcode: u8, depth: u32) -> Result<(), String> {
        let depth = self.depth(depth)?;
        self.out.push(opcode);
        write_u32(&mut self.out, depth);
        Ok(())
    }

    fn branch_table(&mut self, targets: &BrTable<'_>) -> Result<(), String> {
        self.out.push(code::BR_TABLE);
        write_u32(&mut self.out, targets.len());
        for target in targets.targets() {
            let depth = self.depth(target.map_err(malformed)?)?;
            write_u32(&mut self.out, depth);
        }
        let depth = self.depth(targets.default())?;
        write_u32(&mut self.out, depth);
        Ok(())
    }

    /// A `try_table` of the file's, with other depths.
    fn try_table(&mut self, table: &TryTable, start: usize) -> Result<(), String> {
        let mut clauses = Vec::new();
        write_u32(&mut clauses, table.catches.len() as u32);
        for catch in &table.catches {
            let (kind, tag, label) = match *catch {
                Catch::One { tag, label } => (code::CATCH, Some(tag), label),
                Catch::OneRef { tag, label } => (code::CATCH + code::REF, Some(tag), label),
                Catch::All { label } => (code::CATCH_ALL, None, label),
                Catch::AllRef { label } => (code::CATCH_ALL + code::REF, None, label),
            };
            write_clause(&mut clauses, kind, tag, self.depth(label)?);
        }
        let ty = &self.input.body[start + 1..];
        let label = self.open(code::TRY_TABLE);
        self.out.extend_from_slice(&ty[..type_length(ty)]);
        self.out.extend(clauses);
        self.begin_scope(label, table.ty)
    }

    /// The next scope's body begins; its own label is `label`.
    fn begin_scope(&mut self, label: u32, ty: BlockType) -> Result<(), String> {
        let scope = self.begun;
        self.begun += 1;
        self.frames.push(Frame { label, part: Part::Body(scope) });
        self.begin(scope, params(ty))
    }

    /// A scope's landing begins, if it has one, inside of its `try_table`.
    fn begin(&mut self, scope: u32, params: Option<u32>) -> Result<(), String> {
        if self.scopes[scope as usize].landing {
            self.landings[scope as usize] = self.open(code::BLOCK);
            self.block_type(params, None, true)?;
        }
        Ok(())
    }

    /// A scope's body ends: behind it is its landing, if it has one.
    fn finish(&mut self, scope: u32) {
        if self.scopes[scope as usize].landing {
            let landing = self.landings[scope as usize];
            self.branch(landing - 1);
            self.close();
            self.out.push(code::THROW_REF);
        }
    }

    fn try_(&mut self, ty: BlockType, ty_bytes: &[u8]) -> Result<(), String> {
        let scope = self.begun as usize;
        match self.scopes[scope].form {
            Form::Block => {
                let label = self.open(code::BLOCK);
                self.out.extend_from_slice(ty_bytes);
                self.begin_scope(label, ty)
            }
            Form::Delegates(to) => {
                let depth = self.labels - 1 - self.landings[to as usize];
                let label = self.open(code::TRY_TABLE);
                self.out.extend_from_slice(ty_bytes);
                write_u32(&mut self.out, 1);
                write_clause(&mut self.out, code::CATCH_ALL + code::REF, None, depth);
                self.begin_scope(label, ty)
            }
            Form::Catches => {
                let label = self.open(code::BLOCK);
                self.out.extend_from_slice(ty_bytes);
                let clauses = std::mem::take(&mut self.scopes[scope].clauses);
                if clauses.len() > MAX_CLAUSES {
                    return Err(format!("a `try` has {} clauses, more than {MAX_CLAUSES}", clauses.len()));
                }
                for clause in clauses.iter().rev() {
                    self.open(code::BLOCK);
                    self.block_type(params(ty), clause.tag, clause.rethrown)?;
                }
                self.open(code::TRY_TABLE);
                self.out.extend_from_slice(ty_bytes);
                write_u32(&mut self.out, clauses.len() as u32);
                for (n, clause) in clauses.iter().enumerate() {
                    let kind = if clause.tag.is_some() { code::CATCH } else { code::CATCH_ALL };
                    write_clause(&mut self.out, kind + u8::from(clause.rethrown) * code::REF, clause.tag, n as u32);
                }
                self.scopes[scope].clauses = clauses;
                self.begin_scope(label, ty)
            }
        }
    }

    /// The next clause of a `try` begins.
    fn catch(&mut self) -> Result<(), String> {
        let Some(&Frame { label, part }) = self.frames.last() else { return Err(no_label()) };
        let (scope, clause) = match part {
            Part::Body(scope) => {
                self.finish(scope);
                self.close();
                (scope, 0)
            }
            Part::Clause(scope, clause, held) => {
                self.held -= u32::from(held.is_some());
                (scope, clause + 1)
            }
            Part::Block => return Err(no_label()),
        };
        self.branch(label);
        self.close();
        let rethrown = self.scopes[scope as usize].clauses.get(clause).is_some_and(|clause| clause.rethrown);
        let held = if rethrown { Some(self.hold()?) } else { None };
        *self.frames.last_mut().ok_or_else(no_label)? = Frame { label, part: Part::Clause(scope, clause, held) };
        Ok(())
    }

    /// Puts the exception on the stack into a local.
    fn hold(&mut self) -> Result<u32, String> {
        let local = self.first_held + self.held;
        self.held += 1;
        self.most_held = self.most_held.max(self.held);
        if self.held > MAX_HELD {
            return Err(format!("more than {MAX_HELD} exceptions are held at once"));
        }
        self.out.push(code::LOCAL_SET);
        write_u32(&mut self.out, local);
        Ok(local)
    }

    fn rethrow(&mut self, depth: u32) -> Result<(), String> {
        let Part::Clause(_, _, Some(local)) = self.frame(depth)?.part else { return Err(no_label()) };
        self.out.push(code::LOCAL_GET);
        write_u32(&mut self.out, local);
        self.out.push(code::THROW_REF);
        Ok(())
    }

    /// An `end`, or a `delegate`, whose label its `try` knows already.
    fn end(&mut self) -> Result<(), String> {
        match self.frames.pop().ok_or_else(no_label)?.part {
            Part::Block => {}
            Part::Body(scope) => self.finish(scope),
            Part::Clause(_, _, held) => self.held -= u32::from(held.is_some()),
        }
        self.close();
        Ok(())
    }

    /// Writes a block's type: parameters as another block's, then what a clause with this tag gives.
    fn block_type(&mut self, params: Option<u32>, tag: Option<u32>, exception: bool) -> Result<(), String> {
        let module = self.input.module;
        let taken = params.map_or(&[][..], |index| &module.func_type(TypeIndex::from_u32(index)).params);
        let values = tag.map_or(&[][..], |tag| module.tag_values(TagIndex::from_u32(tag)));
        match (taken, values, exception) {
            ([], [], false) => self.out.push(code::EMPTY),
            ([], [], true) => self.out.push(code::EXNREF),
            ([], [ValType::I32], false) => self.out.push(0x7f),
            ([], [ValType::I64], false) => self.out.push(0x7e),
            ([], [ValType::F32], false) => self.out.push(0x7d),
            ([], [ValType::F64], false) => self.out.push(0x7c),
            ([], [ValType::V128], false) => self.out.push(0x7b),
            _ => {
                let key = (params.filter(|_| !taken.is_empty()), tag, exception);
                let index = self.types.index(module, key, taken, values)?;
                write_s33(&mut self.out, index);
            }
        }
        Ok(())
    }
}

impl OwnTypes {
    fn index(
        &mut self,
        module: &Module,
        key: (Option<u32>, Option<u32>, bool),
        params: &[ValType],
        values: &[ValType],
    ) -> Result<u32, String> {
        if let Some(&known) = self.known.get(&key) {
            return Ok(known);
        }
        let left = self.values.checked_sub(params.len() + values.len() + 1);
        self.values = left.ok_or("the types of its handlers of exceptions are too large")?;
        let index = (module.types.len() + self.list.len()) as u32;
        let exception = key.2.then_some(ValType::EXNREF);
        self.list.push(FuncType { params: params.into(), results: values.iter().copied().chain(exception).collect() });
        self.known.insert(key, index);
        Ok(index)
    }
}

/// The function type whose parameters a block has, if it may have any.
fn params(ty: BlockType) -> Option<u32> {
    match ty {
        BlockType::Empty | BlockType::Type(_) => None,
        BlockType::FuncType(index) => Some(index),
    }
}

/// Bytes of the block type that these begin with: one number, but for references with a heap type behind.
fn type_length(bytes: &[u8]) -> usize {
    let number = |bytes: &[u8]| bytes.iter().take_while(|&&byte| byte & 0x80 != 0).count() + 1;
    match bytes {
        [code::REF_NULL | code::REF_TO, heap @ ..] => 1 + number(heap),
        _ => number(bytes),
    }
}

fn write_clause(out: &mut Vec<u8>, kind: u8, tag: Option<u32>, depth: u32) {
    out.push(kind);
    tag.into_iter().for_each(|tag| write_u32(out, tag));
    write_u32(out, depth);
}

fn write_u32(out: &mut Vec<u8>, mut number: u32) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// A type's index, which block types have as a signed number.
fn write_s33(out: &mut Vec<u8>, mut number: u32) {
    while number >= 0x40 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}
