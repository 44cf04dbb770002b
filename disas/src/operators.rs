//! Operators of a body in text form, a line each.

use std::fmt::Write;
use wasmparser::{
    BinaryReader, BlockType, BrTable, Catch, FunctionBody, HeapType, Ieee32, Ieee64, MemArg, MemArgTarget, Operator, Ordering,
    RefType, ResumeTable, TryTable, V128, ValType,
};

/// An operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its offset in the module, in bytes.
    pub offset: u32,
    /// Blocks around it.
    pub depth: usize,
    /// `i32.load offset=8`.
    pub text: String,
}

/// The operators of a valid body that begins at `offset` in its module. `name` gives a function's name, if it has one.
///
/// # Errors
/// The reader's, which a valid body never gives.
pub fn lines(body: &[u8], offset: u32, name: &dyn Fn(u32) -> Option<String>) -> Result<Vec<Line>, wasmparser::Error> {
    let body = FunctionBody::new(BinaryReader::new(body, offset.into()));
    let mut reader = body.get_operators_reader()?;
    let mut lines = Vec::new();
    let mut depth = 0usize;
    while !reader.eof() {
        let (operator, at) = reader.read_with_offset()?;
        match operator {
            Operator::End | Operator::Else | Operator::Catch { .. } | Operator::CatchAll | Operator::Delegate { .. } => {
                depth = depth.saturating_sub(1);
            }
            _ => {}
        }
        lines.push(Line { offset: at as u32, depth, text: text(&operator, name) });
        match operator {
            Operator::Block { .. }
            | Operator::Loop { .. }
            | Operator::If { .. }
            | Operator::Else
            | Operator::TryTable { .. }
            | Operator::Try { .. }
            | Operator::Catch { .. }
            | Operator::CatchAll => depth += 1,
            _ => {}
        }
    }
    Ok(lines)
}

fn text(operator: &Operator<'_>, name: &dyn Fn(u32) -> Option<String>) -> String {
    let function = |index: u32| name(index).map_or_else(|| index.to_string(), |name| format!("{index} ${name}"));
    let indirect = |ty: u32, table: u32| if table == 0 { format!("(type {ty})") } else { format!("{table} (type {ty})") };
    let optional = |index: u32| if index == 0 { String::new() } else { format!(" {index}") };
    match *operator {
        Operator::Call { function_index } => format!("call {}", function(function_index)),
        Operator::ReturnCall { function_index } => format!("return_call {}", function(function_index)),
        Operator::RefFunc { function_index } => format!("ref.func {}", function(function_index)),
        Operator::CallIndirect { type_index, table_index } => format!("call_indirect {}", indirect(type_index, table_index)),
        Operator::ReturnCallIndirect { type_index, table_index } => {
            format!("return_call_indirect {}", indirect(type_index, table_index))
        }
        Operator::TypedSelect { ty } => format!("select (result {ty})"),
        Operator::MemorySize { mem } => format!("memory.size{}", optional(mem)),
        Operator::MemoryGrow { mem } => format!("memory.grow{}", optional(mem)),
        Operator::MemoryFill { mem } => format!("memory.fill{}", optional(mem)),
        Operator::MemoryCopy { dst_mem: 0, src_mem: 0 } => "memory.copy".to_owned(),
        Operator::MemoryInit { data_index, mem } => format!("memory.init{} {data_index}", optional(mem)),
        Operator::TableInit { elem_index, table } => format!("table.init{} {elem_index}", optional(table)),
        _ => plain(operator),
    }
}

/// `visit_i32_load8_s` is `i32.load8_s`.
fn wasm_name(visit: &str) -> String {
    const SPACES: [&str; 16] = [
        "i32", "i64", "f32", "f64", "v128", "i8x16", "i16x8", "i32x4", "i64x2", "f32x4", "f64x2", "local", "global", "table",
        "memory", "ref",
    ];
    let name = visit.strip_prefix("visit_").unwrap_or(visit);
    let Some((space, rest)) = name.split_once('_') else { return name.to_owned() };
    if let Some(rest) = rest.strip_prefix("atomic_") {
        let rest = match rest.strip_prefix("rmw").and_then(|r| r.split_once('_')) {
            Some((width, operation)) => format!("rmw{width}.{operation}"),
            None => rest.to_owned(),
        };
        return format!("{space}.atomic.{rest}");
    }
    match space {
        "data" | "elem" | "atomic" => format!("{space}.{rest}"),
        _ if SPACES.contains(&space) => format!("{space}.{rest}"),
        _ => name.to_owned(),
    }
}

/// An immediate in text form, with a space before it; nothing where the text form leaves it out.
trait Immediate {
    fn write(&self, out: &mut String);
}

macro_rules! written {
    ($format:literal: $($ty:ty),*) => {$(
        impl Immediate for $ty {
            fn write(&self, out: &mut String) {
                let _ = write!(out, $format, self);
            }
        }
    )*};
}
written!(" {}": u8, u32, i32, i64, RefType, ValType);
// Of proposals that are refused.
written!(" {:?}": Ordering, ResumeTable);

impl Immediate for BlockType {
    fn write(&self, out: &mut String) {
        let _ = match self {
            BlockType::Empty => Ok(()),
            BlockType::Type(ty) => write!(out, " (result {ty})"),
            BlockType::FuncType(ty) => write!(out, " (type {ty})"),
        };
    }
}

impl Immediate for MemArg {
    fn write(&self, out: &mut String) {
        match self.target {
            MemArgTarget::Memory(0) => {}
            MemArgTarget::Memory(index) => index.write(out),
            // Of a proposal that is refused.
            MemArgTarget::Array(ty) => ty.write(out),
        }
        if self.offset != 0 {
            let _ = write!(out, " offset={}", self.offset);
        }
        if self.align != self.max_align {
            let _ = write!(out, " align={}", 1u64 << self.align);
        }
    }
}

impl Immediate for BrTable<'_> {
    fn write(&self, out: &mut String) {
        for depth in self.targets().map_while(Result::ok) {
            depth.write(out);
        }
        self.default().write(out);
    }
}

impl Immediate for HeapType {
    fn write(&self, out: &mut String) {
        let _ = match self {
            HeapType::Abstract { ty, .. } => write!(out, " {}", format!("{ty:?}").to_lowercase()),
            HeapType::Concrete(index) => write!(out, " {}", index.as_module_index().unwrap_or_default()),
            other => write!(out, " {other:?}"),
        };
    }
}

impl Immediate for Ieee32 {
    fn write(&self, out: &mut String) {
        let value = f32::from_bits(self.bits());
        let _ = if value.is_nan() { write!(out, " nan:{:#x}", self.bits()) } else { write!(out, " {value:?}") };
    }
}

impl Immediate for Ieee64 {
    fn write(&self, out: &mut String) {
        let value = f64::from_bits(self.bits());
        let _ = if value.is_nan() { write!(out, " nan:{:#x}", self.bits()) } else { write!(out, " {value:?}") };
    }
}

impl Immediate for V128 {
    fn write(&self, out: &mut String) {
        let _ = write!(out, " i32x4");
        for word in self.bytes().as_chunks::<4>().0 {
            let _ = write!(out, " {:#x}", u32::from_le_bytes(*word));
        }
    }
}

impl Immediate for [u8; 16] {
    fn write(&self, out: &mut String) {
        self.iter().for_each(|lane| lane.write(out));
    }
}

impl Immediate for TryTable {
    fn write(&self, out: &mut String) {
        self.ty.write(out);
        for catch in &self.catches {
            let _ = match catch {
                Catch::One { tag, label } => write!(out, " (catch {tag} {label})"),
                Catch::OneRef { tag, label } => write!(out, " (catch_ref {tag} {label})"),
                Catch::All { label } => write!(out, " (catch_all {label})"),
                Catch::AllRef { label } => write!(out, " (catch_all_ref {label})"),
            };
        }
    }
}

impl Immediate for Vec<ValType> {
    fn write(&self, out: &mut String) {
        self.iter().for_each(|ty| ty.write(out));
    }
}

macro_rules! plain {
    ($(@$proposal:ident $op:ident $({ $($arg:ident: $ty:ty),* })? => $visit:ident ($($rest:tt)*))*) => {
        /// An operator whose immediates stand behind its name, in order.
        fn plain(operator: &Operator<'_>) -> String {
            match operator {
                $(Operator::$op $({ $($arg),* })? => {
                    #[allow(unused_mut, reason = "many have no immediates")]
                    let mut out = wasm_name(stringify!($visit));
                    $($($arg.write(&mut out);)*)?
                    out
                })*
                other => format!("{other:?}"),
            }
        }
    };
}
wasmparser::for_each_operator!(plain);

#[cfg(test)]
mod tests {
    use super::*;

    /// What is parsed comes out again.
    #[test]
    fn lines_are_the_text_form() {
        let fields = r#"(type (func (param i32) (result i32))) (table 1 funcref) (table 1 externref) (memory 1) (memory i64 1) (tag) (tag (param i32))
            (global (mut i64) (i64.const 0)) (data "x") (elem func 0) (elem declare func 0)"#;
        let body = [
            "block (result i32)",
            "  loop",
            "    local.get 0",
            "    br_table 0 1 1",
            "  end",
            "  i32.const -5",
            "end",
            "drop",
            "local.get 0",
            "if (type 0)",
            "  local.tee 0",
            "else",
            "  unreachable",
            "end",
            "drop",
            "i32.const 8",
            "i32.load16_s offset=70000 align=1",
            "drop",
            "i64.const 1",
            "f64.load 1 offset=8",
            "i64.trunc_sat_f64_u",
            "global.set 0",
            "f32.const 1.5",
            "f64.promote_f32",
            "f64.const -inf",
            "f64.copysign",
            "drop",
            "v128.const i32x4 0x1 0x2 0x3 0xffffffff",
            "i32.const 0",
            "v128.load8_lane offset=1 3",
            "drop",
            "local.get 0",
            "i32.const 0",
            "call_indirect (type 0)",
            "drop",
            "ref.null extern",
            "i32.const 0",
            "i32.const 1",
            "table.fill 1",
            "try (result i32)",
            "  try",
            "    throw 0",
            "  delegate 0",
            "  i32.const 1",
            "catch 1",
            "catch_all",
            "  rethrow 0",
            "end",
            "drop",
        ];
        let wat = |lines: &[&str]| format!("(module {fields} (func (param i32)\n{}\n) (func (param i32)))", lines.join("\n"));
        let lines_of = |text: &str| {
            let binary = wat::parse_str(text).unwrap_or_else(|e| panic!("{e}\n{text}"));
            let decoded =
                sconce_environ::decode::decode(&binary, sconce_environ::features::Features::default()).expect("a module");
            let func = sconce_environ::index::DefinedFuncIndex::from_u32(0);
            let found = lines(decoded.body(&binary, func), decoded.bodies[func].start, &|_| None).expect("a valid body");
            found.into_iter().map(|l| format!("{}{}", "  ".repeat(l.depth), l.text)).collect::<Vec<_>>()
        };
        // The function's own end comes last.
        let found = lines_of(&wat(&body));
        let (end, found) = found.split_last().expect("an end");
        assert_eq!((end.as_str(), found), ("end", &body.map(str::to_owned)[..]));
    }

    #[test]
    fn names_of_operators() {
        for (visit, name) in [
            ("visit_i32_load8_s", "i32.load8_s"),
            ("visit_i64_atomic_rmw16_add_u", "i64.atomic.rmw16.add_u"),
            ("visit_i32_atomic_rmw_cmpxchg", "i32.atomic.rmw.cmpxchg"),
            ("visit_memory_atomic_wait32", "memory.atomic.wait32"),
            ("visit_atomic_fence", "atomic.fence"),
            ("visit_i8x16_extract_lane_s", "i8x16.extract_lane_s"),
            ("visit_br_on_null", "br_on_null"),
            ("visit_ref_as_non_null", "ref.as_non_null"),
            ("visit_elem_drop", "elem.drop"),
            ("visit_throw_ref", "throw_ref"),
            ("visit_return_call_indirect", "return_call_indirect"),
            ("visit_i64_mul_wide_s", "i64.mul_wide_s"),
        ] {
            assert_eq!(wasm_name(visit), name);
        }
    }
}
