//! Types: signatures beyond what registers hold, recursion groups, chains of subtypes, and equal groups a second time.

use super::numbers::{ARITY, CHAIN, SIGNATURE, near, pick};
use crate::case::Proposals;
use crate::host::{FUNCTIONS, HostFunction};
use crate::value::Type;
use rand::Rng;
use wasm_encoder::{CompositeInnerType, CompositeType, FuncType, HeapType, RefType, SubType, TypeSection, ValType};

/// A function type.
#[derive(Clone, Debug)]
pub struct Signature {
    /// Parameters.
    pub params: Vec<ValType>,
    /// Results.
    pub results: Vec<ValType>,
    is_final: bool,
    supertype: Option<u32>,
    /// The first type that is the same by its structure and its group's.
    same_as: u32,
}

/// The types of a module.
#[derive(Clone, Debug, Default)]
pub struct Types {
    /// By index.
    pub all: Vec<Signature>,
    /// How many types each recursion group has.
    groups: Vec<usize>,
    /// Types that are meant for functions and indirect calls.
    pub callable: Vec<u32>,
    /// Those without results, for tags.
    pub tags: Vec<u32>,
    /// Of each host function.
    pub host: Vec<u32>,
    /// That of nothing to nothing.
    pub empty: u32,
}

/// Which types come together.
#[derive(Copy, Clone, Debug)]
pub enum Mix {
    /// Integers.
    Integers,
    /// Floats, and vectors.
    Floats,
    /// References.
    References,
    /// Anything.
    All,
}

impl Mix {
    /// One of these.
    pub fn any(rng: &mut impl Rng) -> Mix {
        pick(rng, &[Mix::Integers, Mix::Integers, Mix::Floats, Mix::References, Mix::All, Mix::All])
    }
}

/// A nullable reference to functions of this type.
pub fn typed(ty: u32) -> ValType {
    ValType::Ref(RefType { nullable: true, heap_type: HeapType::Concrete(ty) })
}

/// A type of values. `named` are the function types that references may name.
pub fn value_type(rng: &mut impl Rng, mix: Mix, proposals: &Proposals, named: &[u32]) -> ValType {
    match mix {
        Mix::Integers => pick(rng, &[ValType::I32, ValType::I64]),
        Mix::Floats if proposals.simd => pick(rng, &[ValType::F32, ValType::F64, ValType::V128]),
        Mix::Floats => pick(rng, &[ValType::F32, ValType::F64]),
        Mix::References => match rng.random_range(0..4) {
            0 => ValType::FUNCREF,
            1 if proposals.exceptions => ValType::EXNREF,
            2 if proposals.function_references && !named.is_empty() => typed(pick(rng, named)),
            _ => ValType::EXTERNREF,
        },
        Mix::All => {
            let mix = pick(rng, &[Mix::Integers, Mix::Integers, Mix::Floats, Mix::References]);
            value_type(rng, mix, proposals, named)
        }
    }
}

/// A list of parameters or results: short ones more often.
fn list(rng: &mut impl Rng, proposals: &Proposals, named: &[u32]) -> Vec<ValType> {
    let mix = Mix::any(rng);
    let len = if rng.random_bool(0.5) { rng.random_range(0..4) } else { near(rng, SIGNATURE) };
    (0..len).map(|_| value_type(rng, mix, proposals, named)).collect()
}

impl Types {
    /// Types for a module.
    pub fn new(rng: &mut impl Rng, proposals: &Proposals) -> Types {
        let mut types = Types::default();
        for _ in 0..rng.random_range(3..8) {
            let (params, results) = types.lists(rng, proposals);
            let index = types.alone(plain(params, results));
            types.callable.push(index);
        }
        if proposals.function_references {
            for _ in 0..rng.random_range(1..3) {
                types.chain(rng, proposals);
            }
        }
        for f in FUNCTIONS {
            let index = types.alone(host_signature(f));
            types.host.push(index);
        }
        types.empty = types.alone(plain(vec![], vec![]));
        for _ in 0..2 {
            let params = list(rng, proposals, &[]);
            let index = types.alone(plain(params.clone(), vec![]));
            types.tags.push(index);
            // What the labels of its clauses take.
            types.alone(plain(vec![], params.clone()));
            if proposals.exceptions {
                types.alone(plain(vec![], [params, vec![ValType::EXNREF]].concat()));
            }
        }
        // What branches take along.
        for _ in 0..2 {
            let mix = Mix::any(rng);
            let results = (0..near(rng, ARITY)).map(|_| value_type(rng, mix, proposals, &[])).collect();
            types.alone(plain(vec![], results));
        }
        types
    }

    /// Parameters and results; the results are often those of another type, so that tail calls are possible.
    fn lists(&self, rng: &mut impl Rng, proposals: &Proposals) -> (Vec<ValType>, Vec<ValType>) {
        let params = list(rng, proposals, &self.callable);
        let others = &self.callable;
        if !others.is_empty() && rng.random_bool(0.4) {
            let other = pick(rng, others);
            return (params, self.get(other).results.clone());
        }
        (params, list(rng, proposals, others))
    }

    /// Adds a type that is a group of its own.
    fn alone(&mut self, mut signature: Signature) -> u32 {
        let index = self.all.len() as u32;
        let same = |other: &Signature| {
            (&other.params, &other.results, other.is_final, other.supertype)
                == (&signature.params, &signature.results, signature.is_final, signature.supertype)
        };
        // Only among those that stand alone; group after group.
        let mut at = 0;
        signature.same_as = index;
        for &len in &self.groups {
            if len == 1 && same(&self.all[at]) {
                signature.same_as = self.all[at].same_as;
                break;
            }
            at += len;
        }
        self.all.push(signature);
        self.groups.push(1);
        index
    }

    /// Adds a type and subtypes of it, each of the one before, in one group or in one each; often all of it a second time.
    fn chain(&mut self, rng: &mut impl Rng, proposals: &Proposals) {
        let (params, results) = self.lists(rng, proposals);
        let len = near(rng, CHAIN).max(1) as usize;
        let ends = rng.random_bool(0.3);
        let one_group = rng.random_bool(0.5);
        let first = self.all.len() as u32;
        for n in 0..len {
            let is_final = ends && n + 1 == len;
            let supertype = (n > 0).then(|| first + n as u32 - 1);
            let signature = Signature { params: params.clone(), results: results.clone(), is_final, supertype, same_as: 0 };
            if one_group {
                self.all.push(Signature { same_as: first + n as u32, ..signature });
            } else {
                self.alone(signature);
            }
        }
        let added = first..first + len as u32;
        self.callable.extend(added.clone());
        if !one_group {
            return;
        }
        self.groups.push(len);
        if len > 1 && rng.random_bool(0.4) {
            for n in added {
                let signature = self.get(n).clone();
                let supertype = signature.supertype.map(|s| s + len as u32);
                self.callable.push(self.all.len() as u32);
                self.all.push(Signature { supertype, ..signature });
            }
            self.groups.push(len);
        }
    }

    /// The type with this index.
    pub fn get(&self, index: u32) -> &Signature {
        &self.all[index as usize]
    }

    /// Whether functions of type `sub` may be called as `sup`.
    pub fn is_subtype(&self, sub: u32, sup: u32) -> bool {
        self.supertypes(sub).any(|s| self.get(s).same_as == self.get(sup).same_as)
    }

    /// A type and those that it is declared to be a subtype of.
    fn supertypes(&self, index: u32) -> impl Iterator<Item = u32> {
        std::iter::successors(Some(index), |&i| self.get(i).supertype)
    }

    /// The section.
    pub fn encode(&self) -> TypeSection {
        let mut section = TypeSection::new();
        let sub = |s: &Signature| {
            let function = FuncType::new(s.params.iter().copied(), s.results.iter().copied());
            let inner = CompositeInnerType::Func(function);
            let composite_type = CompositeType { inner, shared: false, descriptor: None, describes: None };
            SubType { is_final: s.is_final, supertype_idxs: s.supertype.into_iter().collect(), composite_type }
        };
        let mut rest = &self.all[..];
        for &len in &self.groups {
            let (group, behind) = rest.split_at(len);
            match group {
                [alone] => section.ty().subtype(&sub(alone)),
                group => section.ty().rec(group.iter().map(sub).collect::<Vec<_>>()),
            }
            rest = behind;
        }
        section
    }
}

/// A final type.
fn plain(params: Vec<ValType>, results: Vec<ValType>) -> Signature {
    Signature { params, results, is_final: true, supertype: None, same_as: 0 }
}

fn host_signature(f: &HostFunction) -> Signature {
    let list = |types: &[Type]| types.iter().map(|&t| host_type(t)).collect();
    plain(list(f.params), list(f.results))
}

fn host_type(ty: Type) -> ValType {
    match ty {
        Type::I32 => ValType::I32,
        Type::I64 => ValType::I64,
        Type::F32 => ValType::F32,
        Type::F64 => ValType::F64,
        Type::V128 => ValType::V128,
        Type::Func => ValType::FUNCREF,
        Type::Extern => ValType::EXTERNREF,
        Type::Exn => ValType::EXNREF,
    }
}
