//! The binary format's grammar alone: what a module that is only invalid follows, and one that is malformed does not
//! (specification, binary format). Decoding proper does not tell them apart, since it validates each section as it reads it;
//! scripts of the test suite do.

use super::error::DecodeError;
use super::sniff;
use crate::features::Features;
use crate::features::proposal_name;
use crate::proposals::{Origin, OriginOf, Proposals};
use wasmparser::{
    ConstExpr, DataKind, ElementItems, ElementKind, FrameStack as _, FromReader, FunctionBody, OperatorsReader, Parser, Payload,
    SectionLimited, TableInit,
};

/// Whether bytes are a core module that can be decoded, valid or not.
///
/// # Errors
/// Where they leave the grammar. Operators of proposals that are not enabled are no part of it.
pub fn well_formed(bytes: &[u8], features: Features) -> Result<(), DecodeError> {
    sniff::check(bytes)?;
    let mut parser = Parser::new(0);
    parser.set_features(features.wasmparser());
    let mut grammar = Grammar { features, proposals: Proposals::default(), data_count: false };
    for payload in parser.parse_all(bytes) {
        match grammar.payload(payload?) {
            Err(e) if is_block_in_constant(&e) => return Ok(()),
            other => other?,
        }
    }
    // What only proposals beyond the supported ones can mean, such as a global's flag for sharing, says nothing at all.
    let unknown = grammar.proposals.wasmparser() - Features::SUPPORTED.wasmparser();
    match unknown.iter().next() {
        Some(proposal) => Err(wrong(format!("an encoding of the proposal `{}`", proposal_name(proposal)), 0)),
        None => Ok(()),
    }
}

struct Grammar {
    features: Features,
    /// What the declarations before the code use.
    proposals: Proposals,
    /// Whether a section has said how many data segments there are.
    data_count: bool,
}

/// Reads all items. Constant expressions in them are passed over by their readers, and so are read here again
/// by those who have some.
fn items<'a, T: FromReader<'a>>(
    section: SectionLimited<'a, T>,
    mut item: impl FnMut(T) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    section.into_iter().try_for_each(|read| item(read?))
}

impl Grammar {
    fn payload(&mut self, payload: Payload<'_>) -> Result<(), DecodeError> {
        match payload {
            Payload::TypeSection(section) => items(section, |group| {
                self.proposals.rec_group(&group);
                Ok(())
            }),
            Payload::ImportSection(section) => items(section, |imports| {
                imports.into_iter().try_for_each(|import| {
                    self.proposals.import(&import?.1.ty);
                    Ok(())
                })
            }),
            Payload::FunctionSection(section) => items(section, |_| Ok(())),
            Payload::TableSection(section) => items(section, |table| {
                self.proposals.table(&table);
                match &table.init {
                    TableInit::Expr(expr) => self.const_expr(expr),
                    TableInit::RefNull => Ok(()),
                }
            }),
            Payload::MemorySection(section) => items(section, |ty| {
                self.proposals.memory(&ty);
                Ok(())
            }),
            Payload::TagSection(section) => items(section, |_| Ok(())),
            Payload::GlobalSection(section) => items(section, |global| {
                self.proposals.global(&global.ty);
                self.const_expr(&global.init_expr)
            }),
            Payload::ExportSection(section) => items(section, |_| Ok(())),
            Payload::ElementSection(section) => items(section, |element| {
                if let ElementKind::Active { offset_expr, .. } = &element.kind {
                    self.const_expr(offset_expr)?;
                }
                match element.items {
                    ElementItems::Functions(indices) => items(indices, |_| Ok(())),
                    ElementItems::Expressions(_, expressions) => items(expressions, |expr| self.const_expr(&expr)),
                }
            }),
            Payload::DataCountSection { .. } => {
                self.data_count = true;
                Ok(())
            }
            Payload::DataSection(section) => items(section, |data| match &data.kind {
                DataKind::Active { offset_expr, .. } => self.const_expr(offset_expr),
                DataKind::Passive => Ok(()),
            }),
            Payload::CodeSectionEntry(body) => self.body(&body),
            Payload::UnknownSection { id, range, .. } => Err(wrong(format!("malformed section id: {id}"), range.start)),
            // Read by the parser as a whole, or, like what custom sections contain, no part of the grammar.
            Payload::Version { .. }
            | Payload::StartSection { .. }
            | Payload::CodeSectionStart { .. }
            | Payload::CustomSection(_)
            | Payload::End(_) => Ok(()),
            // Only components have others.
            _ => Err(DecodeError::Component),
        }
    }

    fn body(&self, body: &FunctionBody<'_>) -> Result<(), DecodeError> {
        // Their number is limited by the grammar, each group's and the sum.
        for local in body.get_locals_reader()? {
            local?;
        }
        let mut operators = body.get_operators_reader()?;
        while !operators.eof() {
            self.operator(&mut operators)?;
        }
        Ok(operators.finish()?)
    }

    fn const_expr(&self, expr: &ConstExpr<'_>) -> Result<(), DecodeError> {
        let mut operators = expr.get_operators_reader();
        while operators.current_frame().is_some() {
            self.operator(&mut operators)?;
        }
        Ok(())
    }

    fn operator(&self, operators: &mut OperatorsReader<'_>) -> Result<(), DecodeError> {
        let offset = operators.original_position();
        let Origin { features, name } = operators.visit_operator(&mut OriginOf)?;
        if !self.features.wasmparser().contains(features) {
            return Err(wrong("illegal opcode".into(), offset));
        }
        if !self.data_count && matches!(name, "MemoryInit" | "DataDrop" | "ArrayNewData" | "ArrayInitData") {
            return Err(wrong("data count section required".into(), offset));
        }
        Ok(())
    }
}

/// Whether there is a block in a constant expression, which is never valid. wasmparser's readers do not know where such an
/// expression ends, so that what is behind it cannot be looked at.
fn is_block_in_constant(error: &DecodeError) -> bool {
    matches!(error, DecodeError::Invalid { message, .. } if message == "control frames remain at end of expression")
}

fn wrong(message: String, offset: u64) -> DecodeError {
    DecodeError::Invalid { message, offset, function: None }
}
