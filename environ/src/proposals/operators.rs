//! Proposals of bodies: of their operators, and of what operators name.

use super::Proposals;
use super::origin::flag;
use wasmparser::*;

/// What an immediate needs.
trait Immediate {
    fn note(&self, _: &mut Proposals) {}
}

// Indices and numbers: what they refer to has been noted where it was declared.
impl Immediate for u8 {}
impl Immediate for u32 {}
impl Immediate for i32 {}
impl Immediate for i64 {}
impl Immediate for Ieee32 {}
impl Immediate for Ieee64 {}
impl Immediate for V128 {}
impl Immediate for [u8; 16] {}
impl Immediate for BrTable<'_> {}
impl Immediate for ResumeTable {}

impl Immediate for BlockType {
    fn note(&self, proposals: &mut Proposals) {
        match self {
            BlockType::Empty => {}
            BlockType::Type(ty) => ty.note(proposals),
            BlockType::FuncType(_) => proposals.note(WasmFeatures::MULTI_VALUE),
        }
    }
}

impl Immediate for TryTable {
    fn note(&self, proposals: &mut Proposals) {
        self.ty.note(proposals);
    }
}

impl Immediate for ValType {
    fn note(&self, proposals: &mut Proposals) {
        proposals.val_type(*self);
    }
}

impl Immediate for Vec<ValType> {
    fn note(&self, proposals: &mut Proposals) {
        self.iter().for_each(|ty| ty.note(proposals));
    }
}

impl Immediate for RefType {
    fn note(&self, proposals: &mut Proposals) {
        proposals.ref_type(*self);
    }
}

impl Immediate for HeapType {
    fn note(&self, proposals: &mut Proposals) {
        proposals.heap_type(*self);
    }
}

impl Immediate for Ordering {
    fn note(&self, proposals: &mut Proposals) {
        proposals.note_if(*self == Ordering::AcqRel, WasmFeatures::ACQUIRE_RELEASE_ATOMICS);
    }
}

impl Immediate for MemArg {
    fn note(&self, proposals: &mut Proposals) {
        proposals.note_if(matches!(self.target, MemArgTarget::Array(_)), WasmFeatures::MULTIBYTE_ARRAY_ACCESS);
        if let Some(MemArgOrdering::Op(ordering) | MemArgOrdering::Rmw(ordering)) = self.ordering {
            ordering.note(proposals);
        }
    }
}

struct Visitor<'p>(&'p mut Proposals);

macro_rules! note {
    ($(@$proposal:ident $op:ident $({ $($arg:ident: $ty:ty),* })? => $visit:ident ($($rest:tt)*))*) => {$(
        #[inline]
        fn $visit(&mut self $($(, $arg: $ty)*)?) {
            self.0.note(flag!($proposal));
            $($($arg.note(self.0);)*)?
        }
    )*};
}

impl<'a> VisitOperator<'a> for Visitor<'_> {
    type Output = ();

    fn simd_visitor(&mut self) -> Option<&mut dyn VisitSimdOperator<'a, Output = ()>> {
        Some(self)
    }

    for_each_visit_operator!(note);
}

impl VisitSimdOperator<'_> for Visitor<'_> {
    for_each_visit_simd_operator!(note);
}

impl Proposals {
    pub(super) fn body(&mut self, body: &FunctionBody<'_>) -> Result<()> {
        for local in body.get_locals_reader()? {
            self.val_type(local?.1);
        }
        let mut reader = body.get_operators_reader()?;
        while !reader.eof() {
            reader.visit_operator(&mut Visitor(self))?;
        }
        Ok(())
    }

    pub(super) fn const_expr(&mut self, expr: &ConstExpr<'_>) -> Result<()> {
        let mut reader = expr.get_operators_reader();
        while !reader.eof() {
            match reader.clone().read()? {
                Operator::I32Add
                | Operator::I32Sub
                | Operator::I32Mul
                | Operator::I64Add
                | Operator::I64Sub
                | Operator::I64Mul => {
                    self.note(WasmFeatures::EXTENDED_CONST);
                }
                // The GC proposal allows globals that are defined here.
                Operator::GlobalGet { global_index } => self.note_if(global_index >= self.imported_globals, WasmFeatures::GC),
                _ => {}
            }
            reader.visit_operator(&mut Visitor(self))?;
        }
        Ok(())
    }
}
