//! The rewriting: operator by operator, with the labels that are open before and after.

use super::encode::{Locals, code, malformed, type_length, write_clause, write_u32};
use super::offsets::Offsets;
use super::own_types::OwnTypes;
use super::scan::{Form, Scope, scopes};
use crate::compile::FunctionInput;
use crate::types::FuncType;
use wasmparser::{BinaryReader, BlockType, BrTable, Catch, FunctionBody, Operator, TryTable};

/// Exceptions that a body may hold at once for operators that throw them again: catches nested deeper exceed a limit of this
/// implementation.
pub const MAX_HELD: u32 = 1000;

/// Clauses that a `try_table` may have: what the engines of browsers allow, and wasmparser.
const MAX_CLAUSES: usize = 10_000;

fn no_label() -> String {
    "malformed body: an operator names a label that is none".to_owned()
}

/// What comes of a body.
#[derive(Debug)]
pub(super) struct Rewritten {
    pub(super) body: Vec<u8>,
    /// Block types that are not the module's.
    pub(super) types: Vec<FuncType>,
    /// As the file's, at other places.
    pub(super) hints: Vec<(u32, bool)>,
    pub(super) offsets: Offsets,
}

/// Rewrites a body.
pub(super) fn rewrite(input: &FunctionInput<'_>) -> Result<Rewritten, String> {
    let body = FunctionBody::new(BinaryReader::new(input.body, 0));
    let mut locals = Locals::read(input, &body)?;
    let mut reader = body.get_operators_reader().map_err(malformed)?;
    let scopes = scopes(reader.clone())?;
    let landings = vec![None; scopes.len()];
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
        types: OwnTypes::of(input.body.len()),
        offsets: Offsets::default(),
        hints: Vec::new(),
    };
    // The function's own landing stands for its first operator.
    rewriter.offsets.made(0, reader.original_position() as u32);
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
    Ok(Rewritten { body, types: types.finish(), hints, offsets })
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
    /// The label of each scope's landing as long as that is open. The one before it is the label of the scope's `try_table`, or
    /// the function's.
    landings: Vec<Option<u32>>,
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
            self.landings[scope as usize] = Some(self.open(code::BLOCK));
            self.types.write(&mut self.out, self.input.module, (params, None, true))?;
        }
        Ok(())
    }

    /// A scope's body ends: behind it is its landing, if it has one.
    fn finish(&mut self, scope: u32) {
        if let Some(landing) = self.landings[scope as usize].take() {
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
                let landing = self.landings[to as usize].ok_or_else(no_label)?;
                let depth = self.labels - 1 - landing;
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
                    self.types.write(&mut self.out, self.input.module, (params(ty), clause.tag, clause.rethrown))?;
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
}

/// The function type whose parameters a block has, if it may have any.
fn params(ty: BlockType) -> Option<u32> {
    match ty {
        BlockType::Empty | BlockType::Type(_) => None,
        BlockType::FuncType(index) => Some(index),
    }
}
