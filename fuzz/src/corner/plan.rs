//! What a module has besides code.

use super::numbers::{BYTES, ELEMENTS, near, pick};
use super::types::{Mix, Types, typed, value_type};
use crate::case::Proposals;
use crate::host::FUNCTIONS;
use rand::Rng;
use wasm_encoder::{HeapType, RefType, ValType};

/// The global that all functions mix what they saw into.
pub const HASH: u32 = 0;
/// The global that counts how many functions may still begin.
pub const FUEL: u32 = 1;
/// Functions that one call from outside may begin.
pub const CALLS: i32 = 24;
/// Bytes below which all of a memory is compared.
const MODEST: u64 = 1 << 20;

/// A memory.
#[derive(Copy, Clone, Debug)]
pub struct Memory {
    /// Whether addresses have 64 bits.
    pub memory64: bool,
    /// Whether threads may share it.
    pub shared: bool,
    /// 0 or 16.
    pub page_size_log2: u32,
    /// Pages at the start.
    pub min: u64,
    /// Pages at most.
    pub max: Option<u64>,
}

impl Memory {
    /// Bytes at the start.
    pub fn bytes(&self) -> u64 {
        self.min << self.page_size_log2
    }

    /// The type of addresses.
    pub fn index(&self) -> ValType {
        if self.memory64 { ValType::I64 } else { ValType::I32 }
    }

    fn is_huge(&self) -> bool {
        self.max.is_none_or(|max| max << self.page_size_log2 > MODEST)
    }
}

/// A table.
#[derive(Clone, Debug)]
pub struct Table {
    /// Its elements.
    pub element: RefType,
    /// Whether indices have 64 bits.
    pub table64: bool,
    /// Elements at the start.
    pub min: u64,
    /// At most.
    pub max: Option<u64>,
    /// The functions in it, if they stay there: nothing else is written to it.
    pub functions: Vec<Option<u32>>,
}

impl Table {
    /// The type of indices.
    pub fn index(&self) -> ValType {
        if self.table64 { ValType::I64 } else { ValType::I32 }
    }
}

/// A function of the module.
#[derive(Copy, Clone, Debug)]
pub struct Defined {
    /// Its type.
    pub ty: u32,
    /// Whether it calls nothing, builtins included.
    pub leaf: bool,
}

/// A module without its code.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What it may use.
    pub proposals: Proposals,
    /// Types.
    pub types: Types,
    /// Which host functions are imported.
    pub imports: Vec<usize>,
    /// Functions that are called from everywhere.
    pub functions: Vec<Defined>,
    /// Memories.
    pub memories: Vec<Memory>,
    /// Tables.
    pub tables: Vec<Table>,
    /// Types of the globals after [`HASH`] and [`FUEL`].
    pub globals: Vec<ValType>,
    /// Types of tags.
    pub tags: Vec<u32>,
    /// Lengths of passive data segments.
    pub data: Vec<u32>,
    /// Passive element segments of functions.
    pub elements: Vec<Vec<u32>>,
    /// Whether memories may grow beyond what can be copied and compared quickly.
    pub huge: bool,
}

impl Plan {
    /// A plan for a module with these proposals.
    pub fn new(rng: &mut impl Rng, proposals: Proposals) -> Plan {
        let types = Types::new(rng, &proposals);
        // The one with references more often: it makes new ones.
        let wanted = |rng: &mut _, f: usize| Rng::random_bool(rng, if FUNCTIONS[f].name == "keep" { 0.9 } else { 0.5 });
        let imports = (0..types.host.len()).filter(|&f| wanted(rng, f)).collect();
        let functions =
            (0..rng.random_range(2..7)).map(|_| Defined { ty: pick(rng, &types.callable), leaf: rng.random_bool(0.3) });
        let functions = functions.collect();
        let mut plan = Plan {
            proposals,
            types,
            imports,
            functions,
            memories: vec![],
            tables: vec![],
            globals: vec![],
            tags: vec![],
            data: (0..2).map(|_| near(rng, &[1, 16, 64]) as u32).collect(),
            elements: vec![],
            huge: false,
        };
        let memories = if proposals.multi_memory { rng.random_range(1..4) } else { usize::from(rng.random_bool(0.9)) };
        plan.memories = (0..memories).map(|_| plan.memory(rng)).collect();
        plan.huge = plan.memories.iter().any(Memory::is_huge);
        plan.tables = plan.tables(rng);
        let named = plan.named();
        plan.globals = (0..rng.random_range(1..10)).map(|_| value_type(rng, Mix::All, &proposals, &named)).collect();
        if proposals.exceptions {
            plan.tags = (0..rng.random_range(1..4)).map(|_| pick(rng, &plan.types.tags)).collect();
        }
        plan.elements = (0..2).map(|_| (0..rng.random_range(0..6)).map(|_| plan.any_function(rng)).collect()).collect();
        plan
    }

    fn memory(&self, rng: &mut impl Rng) -> Memory {
        let p = &self.proposals;
        let page_size_log2 = if p.custom_page_sizes && rng.random_bool(0.6) { 0 } else { 16 };
        let min = match page_size_log2 {
            0 => near(rng, BYTES),
            _ => rng.random_range(0..3),
        };
        let shared = p.threads && rng.random_bool(0.3);
        // Those without a limit can reach 4 GiB, all but a few pages of them never touched.
        let unlimited = rng.random_bool(if page_size_log2 == 0 { 0.6 } else { 0.05 });
        let max = match unlimited {
            true if shared => Some(0xffff_ffff >> page_size_log2),
            true => None,
            false => Some(min + near(rng, &[0, 1, 4])),
        };
        Memory { memory64: p.memory64 && rng.random_bool(0.6), shared, page_size_log2, min, max }
    }

    fn tables(&self, rng: &mut impl Rng) -> Vec<Table> {
        let mut tables = vec![self.call_table(rng, RefType::FUNCREF)];
        if self.proposals.function_references {
            let ty = pick(rng, &self.types.callable);
            tables.push(self.call_table(rng, RefType { nullable: true, heap_type: HeapType::Concrete(ty) }));
        }
        let mut elements = vec![RefType::FUNCREF, RefType::EXTERNREF];
        if self.proposals.exceptions {
            elements.push(RefType::EXNREF);
        }
        for element in elements {
            if rng.random_bool(0.6) {
                let min = near(rng, ELEMENTS);
                let max = rng.random_bool(0.8).then(|| min + near(rng, &[0, 4, 64]));
                tables.push(Table { element, table64: self.table64(rng), min, max, functions: vec![] });
            }
        }
        tables
    }

    fn table64(&self, rng: &mut impl Rng) -> bool {
        self.proposals.memory64 && rng.random_bool(0.5)
    }

    /// A table of functions, of this type if it is one.
    fn call_table(&self, rng: &mut impl Rng, element: RefType) -> Table {
        let fits = |&f: &u32| match element.heap_type {
            HeapType::Concrete(ty) => self.types.is_subtype(self.function_type(f), ty),
            _ => true,
        };
        let fitting: Vec<u32> = (0..self.function_count()).filter(fits).collect();
        let min = near(rng, ELEMENTS).max(2);
        let entry = |rng: &mut _| (!fitting.is_empty()).then(|| pick(rng, &fitting));
        let functions = (0..min.min(40)).map(|_| if rng.random_bool(0.85) { entry(rng) } else { None }).collect();
        let max = rng.random_bool(0.5).then_some(min);
        Table { element, table64: self.table64(rng), min, max, functions }
    }

    /// How many functions can be called: imports first.
    pub fn function_count(&self) -> u32 {
        (self.imports.len() + self.functions.len()) as u32
    }

    /// The type of a function.
    pub fn function_type(&self, function: u32) -> u32 {
        match self.imports.get(function as usize) {
            Some(&import) => self.types.host[import],
            None => self.functions[function as usize - self.imports.len()].ty,
        }
    }

    /// A function, one of the module's own more often.
    pub fn any_function(&self, rng: &mut impl Rng) -> u32 {
        if rng.random_bool(0.2) {
            return rng.random_range(0..self.function_count());
        }
        self.imports.len() as u32 + rng.random_range(0..self.functions.len() as u32)
    }

    /// Types that functions have, which references may therefore name.
    pub fn named(&self) -> Vec<u32> {
        self.functions.iter().map(|f| f.ty).collect()
    }

    /// All types of values that may be in locals.
    pub fn value_type(&self, rng: &mut impl Rng, mix: Mix) -> ValType {
        let named = self.named();
        value_type(rng, mix, &self.proposals, &named)
    }

    /// A function of this type or a subtype of it.
    pub fn function_of(&self, rng: &mut impl Rng, ty: u32) -> Option<u32> {
        let all: Vec<u32> = (0..self.function_count()).filter(|&f| self.types.is_subtype(self.function_type(f), ty)).collect();
        (!all.is_empty()).then(|| pick(rng, &all))
    }

    /// The type of a global.
    pub fn global(&self, index: u32) -> ValType {
        match index {
            HASH => ValType::I64,
            FUEL => ValType::I32,
            other => self.globals[other as usize - 2],
        }
    }

    /// A reference to functions of a type, if the proposal is there, else any function's.
    pub fn reference(&self, ty: u32) -> ValType {
        if self.proposals.function_references { typed(ty) } else { ValType::FUNCREF }
    }
}
