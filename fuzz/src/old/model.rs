//! Executes programs as the old proposal's text has it: a label is looked for outwards, one structure after the other, and so is
//! whoever an exception is delegated to. Nothing here knows how Sconce does it.

use super::tree::{CHANCE_SHIFT, Catch, Clause, Ending, FACTOR, FUEL, Kind, Op, Program, Signature, Ty};
use crate::host::{FUNCTIONS, Told};
use crate::outcome::Stop;
use crate::value::{Type, Value};
use std::rc::Rc;

/// A value.
#[derive(Clone, Debug)]
enum Item {
    Value(Value),
    Exception(Option<Rc<Exception>>),
}

#[derive(Debug)]
struct Exception {
    tag: u32,
    values: Vec<Item>,
}

/// Why a sequence does not go on.
enum Exit {
    /// To the label that is so many further out, with its values.
    Branch(u32, Vec<Item>),
    Return(Vec<Item>),
    Tail(u32, Vec<Item>),
    /// Something is thrown here.
    Throw(Rc<Exception>),
    /// It is thrown where the label is that is so many further out.
    Delegated(u32, Rc<Exception>),
    Stop(Stop),
}

/// A label that is there: how many values a branch to it takes, and what its clause has caught, if it is in one.
struct Label {
    arity: usize,
    caught: Option<Rc<Exception>>,
}

struct Frame {
    locals: Vec<Item>,
    labels: Vec<Label>,
}

/// An instance of a program.
pub struct Instance<'p> {
    program: &'p Program,
    fuel: u32,
    /// What the program computes.
    pub hash: u64,
    /// What its host functions were told.
    pub told: Told,
}

type Flow = Result<Vec<Item>, Exit>;

impl<'p> Instance<'p> {
    /// At its beginning.
    pub fn new(program: &'p Program) -> Instance<'p> {
        Instance { program, fuel: 0, hash: 0, told: Told::default() }
    }

    /// Calls a function's entry.
    ///
    /// # Errors
    /// Why it does not return.
    pub fn enter(&mut self, func: u32, args: &[Value]) -> Result<Vec<Value>, Stop> {
        self.fuel = FUEL;
        let mut frame = Frame { locals: args.iter().copied().map(Item::Value).collect(), labels: Vec::new() };
        let function = &self.program.functions[func as usize];
        let result = self.run(&function.args, Vec::new(), &mut frame).and_then(|args| self.call(func, args));
        match result {
            Ok(mut results) => {
                for &ty in function.signature.results.iter().rev() {
                    let item = results.pop().expect("as many as there are types");
                    self.mix(ty, &item);
                }
                Ok(vec![Value::I64(self.hash as i64)])
            }
            Err(Exit::Throw(_)) => Err(Stop::Exception),
            Err(Exit::Stop(stop)) => Err(stop),
            Err(Exit::Branch(..) | Exit::Return(_) | Exit::Tail(..) | Exit::Delegated(..)) => unreachable!("calls end these"),
        }
    }

    fn call(&mut self, mut func: u32, mut args: Vec<Item>) -> Flow {
        loop {
            let function = &self.program.functions[func as usize];
            let results = &function.signature.results;
            if self.fuel == 0 {
                return Ok(results.iter().map(|&ty| default(ty)).collect());
            }
            self.fuel -= 1;
            args.extend(function.locals.iter().map(|&ty| default(ty)));
            let mut frame = Frame { locals: args, labels: vec![Label { arity: results.len(), caught: None }] };
            match self.run(&function.body, Vec::new(), &mut frame) {
                Err(Exit::Branch(0, values) | Exit::Return(values)) => return Ok(values),
                Err(Exit::Tail(next, values)) => (func, args) = (next, values),
                // The function is no `try`: its caller gets it.
                Err(Exit::Delegated(0, exception)) => return Err(Exit::Throw(exception)),
                Err(Exit::Branch(..) | Exit::Delegated(..)) => unreachable!("there is no such label"),
                other @ (Ok(_) | Err(Exit::Throw(_) | Exit::Stop(_))) => return other,
            }
        }
    }

    /// Runs operators, and gives what they leave.
    fn run(&mut self, ops: &[Op], mut stack: Vec<Item>, frame: &mut Frame) -> Flow {
        for op in ops {
            self.step(op, &mut stack, frame)?;
        }
        Ok(stack)
    }

    fn step(&mut self, op: &Op, stack: &mut Vec<Item>, frame: &mut Frame) -> Result<(), Exit> {
        match op {
            Op::Const(Value::Exn(_)) => stack.push(Item::Exception(None)),
            Op::Const(value) => stack.push(Item::Value(*value)),
            Op::Callee => stack.push(Item::Value(Value::Func(true))),
            Op::Get(local) => stack.push(frame.locals[*local as usize].clone()),
            Op::Set(local) => frame.locals[*local as usize] = pop(stack),
            Op::Tee(local) => frame.locals[*local as usize] = stack.last().expect("there is one").clone(),
            Op::Drop => drop(pop(stack)),
            Op::Mix(ty) => {
                let item = pop(stack);
                self.mix(*ty, &item);
            }
            Op::Chance { salt, bits } => {
                self.add((*salt).into());
                let zero = self.hash >> CHANCE_SHIFT & ((1 << bits) - 1) == 0;
                stack.push(Item::Value(Value::I32(zero.into())));
            }
            Op::Count(local) => {
                let Item::Value(Value::I32(n)) = &mut frame.locals[*local as usize] else { unreachable!("a counter") };
                *n = n.wrapping_sub(1);
                stack.push(Item::Value(Value::I32((*n > 0).into())));
            }
            Op::Note => drop(self.host("note", &[Value::I32(pop_i32(stack))])?),
            Op::Fail => drop(self.host("fail", &[Value::I32(pop_i32(stack))])?),
            Op::Within(signature, kind, body) => self.within(signature, kind, body, stack, frame)?,
            Op::Br(depth) => return Err(branch(*depth, stack, frame)),
            Op::BrIf(depth) => {
                if pop_i32(stack) != 0 {
                    return Err(branch(*depth, stack, frame));
                }
            }
            Op::BrTable(depths, default) => {
                let index = pop_i32(stack) as u32 as usize;
                return Err(branch(*depths.get(index).unwrap_or(default), stack, frame));
            }
            Op::Return => {
                let arity = frame.labels[0].arity;
                return Err(Exit::Return(stack.split_off(stack.len() - arity)));
            }
            Op::Call(func) | Op::CallIndirect(func) => {
                let args = self.args(*func, stack);
                let results = self.call(*func, args)?;
                stack.extend(results);
            }
            Op::ReturnCall(func) => return Err(Exit::Tail(*func, self.args(*func, stack))),
            Op::Throw(tag) => {
                let values = stack.split_off(stack.len() - self.program.tags[*tag as usize].len());
                return Err(Exit::Throw(Rc::new(Exception { tag: *tag, values })));
            }
            Op::ThrowRef => match pop(stack) {
                Item::Exception(Some(exception)) => return Err(Exit::Throw(exception)),
                Item::Exception(None) => return Err(Exit::Stop(Stop::NullReference)),
                Item::Value(_) => unreachable!("an exception"),
            },
            Op::Rethrow(depth) => {
                let label = &frame.labels[frame.labels.len() - 1 - *depth as usize];
                return Err(Exit::Throw(label.caught.clone().expect("it is in a clause")));
            }
            Op::Unreachable => return Err(Exit::Stop(Stop::Unreachable)),
        }
        Ok(())
    }

    fn args(&self, func: u32, stack: &mut Vec<Item>) -> Vec<Item> {
        let count = self.program.functions[func as usize].signature.params.len();
        stack.split_off(stack.len() - count)
    }

    fn within(
        &mut self,
        signature: &Signature,
        kind: &Kind,
        body: &[Op],
        stack: &mut Vec<Item>,
        frame: &mut Frame,
    ) -> Result<(), Exit> {
        let other = match kind {
            Kind::If(other) => (pop_i32(stack) == 0).then_some(other.as_deref()),
            Kind::Block | Kind::Blocks(_) | Kind::Loop | Kind::Try(_) | Kind::TryTable(_) => None,
        };
        let mut values = stack.split_off(stack.len() - signature.params.len());
        // How many labels it has, and what a branch to them takes.
        let labels = if let Kind::Blocks(count) = kind { *count } else { 1 };
        let arity = if matches!(kind, Kind::Loop) { signature.params.len() } else { signature.results.len() };
        let before = frame.labels.len();
        loop {
            frame.labels.extend((0..labels).map(|_| Label { arity, caught: None }));
            let flow = match other {
                // An `if` without `else` gives what it got.
                Some(None) => Ok(values),
                Some(Some(other)) => self.run(other, values, frame),
                None => self.run(body, values, frame),
            };
            let flow = self.caught(kind, flow, before, frame);
            frame.labels.truncate(before);
            match outside(flow, labels) {
                Flowed::On(results) => break stack.extend(results),
                // The innermost loop's beginning.
                Flowed::Branched(again) if matches!(kind, Kind::Loop) => values = again,
                Flowed::Branched(results) => break stack.extend(results),
                Flowed::Away(exit) => return Err(exit),
            }
        }
        Ok(())
    }

    /// What comes of a body that ended so, where the structure is one that catches.
    fn caught(&mut self, kind: &Kind, flow: Flow, before: usize, frame: &mut Frame) -> Flow {
        let exception = match flow {
            // Delegated to this label is thrown in its body.
            Err(Exit::Throw(exception) | Exit::Delegated(0, exception)) => exception,
            other => return other,
        };
        frame.labels.truncate(before + 1);
        let fits = |tag: Option<u32>| tag.is_none_or(|tag| tag == exception.tag);
        match kind {
            Kind::Try(Ending::Catches(clauses)) => match clauses.iter().find(|clause| fits(clause.tag)) {
                Some(Clause { tag, body }) => {
                    let values = if tag.is_some() { exception.values.clone() } else { Vec::new() };
                    frame.labels[before].caught = Some(exception);
                    // What is delegated to a label whose clause runs is thrown outside of it.
                    match self.run(body, values, frame) {
                        Err(Exit::Delegated(0, exception)) => Err(Exit::Throw(exception)),
                        other => other,
                    }
                }
                None => Err(Exit::Throw(exception)),
            },
            // One more, since the label that it counts from is this one's outside.
            Kind::Try(Ending::Delegate(depth)) => Err(Exit::Delegated(depth + 1, exception)),
            Kind::TryTable(catches) => match catches.iter().find(|catch| fits(catch.tag)) {
                Some(Catch { tag, with_exception, label }) => {
                    let mut values = if tag.is_some() { exception.values.clone() } else { Vec::new() };
                    if *with_exception {
                        values.push(Item::Exception(Some(exception)));
                    }
                    Err(Exit::Branch(label + 1, values))
                }
                None => Err(Exit::Throw(exception)),
            },
            Kind::Block | Kind::Blocks(_) | Kind::Loop | Kind::If(_) => Err(Exit::Throw(exception)),
        }
    }

    fn host(&mut self, name: &str, args: &[Value]) -> Result<Vec<Value>, Exit> {
        let function = FUNCTIONS.iter().find(|f| f.name == name).expect("there is one");
        self.told.call(function, args).map_err(Exit::Stop)
    }

    fn add(&mut self, value: u64) {
        self.hash = self.hash.wrapping_mul(FACTOR).wrapping_add(value);
    }

    fn mix(&mut self, ty: Ty, item: &Item) {
        let bits = match (ty, item) {
            (Ty::Callee, _) => return self.add(0),
            (Ty::Plain(Type::Exn), Item::Exception(exception)) => u64::from(exception.is_none()),
            (Ty::Plain(_), Item::Value(value)) => match *value {
                Value::I32(v) => u64::from(v as u32),
                Value::I64(v) => v as u64,
                Value::F32(v) => v.into(),
                Value::F64(v) => v,
                Value::V128(v) => {
                    self.add(v as u64);
                    (v >> 64) as u64
                }
                Value::Func(set) => u64::from(!set),
                Value::Extern(v) => {
                    let kept = self.host("keep", &[*value, Value::I32(self.hash as i32)]);
                    assert!(kept.is_ok(), "it fails for nobody");
                    u64::from(v.is_none())
                }
                Value::Exn(_) => unreachable!("exceptions are no values of others"),
            },
            (Ty::Plain(_), Item::Exception(_)) => unreachable!("{ty:?} is no exception"),
        };
        self.add(bits);
    }
}

/// How a structure ended, seen from outside.
enum Flowed {
    On(Vec<Item>),
    Branched(Vec<Item>),
    Away(Exit),
}

/// What an end means outside of so many labels.
fn outside(flow: Flow, labels: u32) -> Flowed {
    match flow {
        Ok(results) => Flowed::On(results),
        Err(Exit::Branch(depth, values)) => match depth.checked_sub(labels) {
            None => Flowed::Branched(values),
            Some(depth) => Flowed::Away(Exit::Branch(depth, values)),
        },
        Err(Exit::Delegated(depth, exception)) => Flowed::Away(match depth.checked_sub(labels) {
            None => Exit::Throw(exception),
            Some(depth) => Exit::Delegated(depth, exception),
        }),
        Err(exit @ (Exit::Return(_) | Exit::Tail(..) | Exit::Throw(_) | Exit::Stop(_))) => Flowed::Away(exit),
    }
}

fn branch(depth: u32, stack: &mut Vec<Item>, frame: &Frame) -> Exit {
    let arity = frame.labels[frame.labels.len() - 1 - depth as usize].arity;
    Exit::Branch(depth, stack.split_off(stack.len() - arity))
}

fn default(ty: Ty) -> Item {
    match ty {
        Ty::Plain(Type::Exn) => Item::Exception(None),
        Ty::Plain(ty) => Item::Value(Value::default_for(ty)),
        Ty::Callee => Item::Value(Value::Func(true)),
    }
}

fn pop(stack: &mut Vec<Item>) -> Item {
    stack.pop().expect("there is one")
}

fn pop_i32(stack: &mut Vec<Item>) -> i32 {
    match pop(stack) {
        Item::Value(Value::I32(v)) => v,
        other => unreachable!("{other:?} is no i32"),
    }
}
