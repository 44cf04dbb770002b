//! What has to be known of a body before it is rewritten, since it stands behind where it is needed: which clauses a `try`
//! has, which exceptions are thrown again, and who delegates to whom.
//!
//! A scope is whatever may get an exception: the function, which is number 0, each `try` and each `try_table`, numbered as
//! they begin. So a scope is inside of scopes with lower numbers only.

use wasmparser::{Operator, OperatorsReader};

/// A clause of a `try`.
pub(super) struct Clause {
    /// What it catches; `None` is everything.
    pub(super) tag: Option<u32>,
    /// Whether its exception is thrown again, from inside of it.
    pub(super) rethrown: bool,
}

/// What becomes of a scope.
#[derive(Copy, Clone, PartialEq, Eq)]
pub(super) enum Form {
    /// The function, a `try_table` of the file's, a `try` with clauses.
    Catches,
    /// A `try` that hands exceptions to another scope's landing.
    Delegates(u32),
    /// A `try` that catches nothing, or hands exceptions to whom they would come to anyway.
    Block,
}

/// A scope.
pub(super) struct Scope {
    pub(super) clauses: Vec<Clause>,
    pub(super) form: Form,
    /// Whether anything is delegated to it.
    pub(super) landing: bool,
    /// The scope around it.
    outer: u32,
    /// The scope that its `delegate` names.
    delegate: Option<u32>,
    is_try: bool,
}

impl Scope {
    fn new(outer: u32, is_try: bool) -> Scope {
        Scope { clauses: Vec::new(), form: Form::Catches, landing: false, outer, delegate: None, is_try }
    }
}

/// A block that is open.
struct Frame {
    /// The scope that gets what is thrown here.
    within: u32,
    /// Which scope it is, if it is a `try`.
    scope: Option<u32>,
}

fn no_label() -> String {
    "malformed body: an operator names a label that is none".to_owned()
}

/// Finds a body's scopes.
///
/// # Errors
/// Why it cannot be read; a validated body has no such reason.
pub(super) fn scopes(mut reader: OperatorsReader<'_>) -> Result<Vec<Scope>, String> {
    let mut scopes = vec![Scope::new(0, false)];
    let mut frames = vec![Frame { within: 0, scope: None }];
    while !reader.eof() {
        let operator = reader.read().map_err(|e| format!("malformed body: {e}"))?;
        let within = frames.last().ok_or_else(no_label)?.within;
        match operator {
            Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } => {
                frames.push(Frame { within, scope: None });
            }
            Operator::Try { .. } | Operator::TryTable { .. } => {
                let (id, is_try) = (scopes.len() as u32, matches!(operator, Operator::Try { .. }));
                scopes.push(Scope::new(within, is_try));
                frames.push(Frame { within: id, scope: is_try.then_some(id) });
            }
            Operator::Catch { tag_index } => catch(&mut scopes, &mut frames, Some(tag_index))?,
            Operator::CatchAll => catch(&mut scopes, &mut frames, None)?,
            Operator::Rethrow { relative_depth } => {
                // Clauses that have not begun yet are not there yet.
                let clause = at(&frames, relative_depth)?.scope.and_then(|id| scopes[id as usize].clauses.last_mut());
                clause.ok_or_else(no_label)?.rethrown = true;
            }
            Operator::Delegate { relative_depth } => {
                let id = frames.pop().and_then(|frame| frame.scope).ok_or_else(no_label)?;
                scopes[id as usize].delegate = Some(at(&frames, relative_depth)?.within);
            }
            Operator::End => {
                frames.pop();
            }
            _ => {}
        }
    }
    give_forms(&mut scopes);
    Ok(scopes)
}

fn at(frames: &[Frame], depth: u32) -> Result<&Frame, String> {
    let index = frames.len().checked_sub(1 + depth as usize).ok_or_else(no_label)?;
    Ok(&frames[index])
}

fn catch(scopes: &mut [Scope], frames: &mut [Frame], tag: Option<u32>) -> Result<(), String> {
    let frame = frames.last_mut().ok_or_else(no_label)?;
    let scope = &mut scopes[frame.scope.ok_or_else(no_label)? as usize];
    scope.clauses.push(Clause { tag, rethrown: false });
    // A clause's own exceptions are not for its siblings.
    frame.within = scope.outer;
    Ok(())
}

/// Says what becomes of each scope. Exceptions that come to a `try` without clauses go on to another scope, which has a lower
/// number: so one pass finds where they end.
fn give_forms(scopes: &mut [Scope]) {
    let mut taker: Vec<u32> = Vec::with_capacity(scopes.len());
    for id in 0..scopes.len() {
        let Scope { outer, delegate, is_try, ref clauses, .. } = scopes[id];
        if !is_try || !clauses.is_empty() {
            taker.push(id as u32);
            continue;
        }
        let without = taker[outer as usize];
        let target = taker[delegate.unwrap_or(outer) as usize];
        scopes[id].form = if target == without { Form::Block } else { Form::Delegates(target) };
        scopes[target as usize].landing |= target != without;
        taker.push(target);
    }
}
