//! Validation of function bodies, with one set of allocations for many.

use super::beside::{Alone, Beside, Company};
use super::blame::blame;
use super::decoded::Decoded;
use super::error::DecodeError;
use super::objects;
use crate::index::DefinedFuncIndex;
use crate::ops::Operators;
use crate::walk::short;
use wasmparser::{
    BinaryReader, FrameStack, FuncToValidate, FuncValidator, FuncValidatorAllocations, FunctionBody, ValidatorResources,
    VisitOperator, WasmFeatures,
};

/// The opcode of `end`.
const END: u8 = 0x0b;

/// Validates bodies of one module, one after the other. Make one for each thread.
pub struct BodyValidator<'a> {
    decoded: &'a Decoded,
    bytes: &'a [u8],
    allocations: FuncValidatorAllocations,
}

impl std::fmt::Debug for BodyValidator<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BodyValidator").field("functions", &self.decoded.bodies.len()).finish_non_exhaustive()
    }
}

impl<'a> BodyValidator<'a> {
    /// Validates a function's body.
    ///
    /// # Errors
    /// When it is malformed or invalid.
    pub fn validate(&mut self, func: DefinedFuncIndex) -> Result<(), DecodeError> {
        self.check(func).map_err(|error| blame(self.bytes, self.decoded.features, error))
    }

    /// Validates a function's body, and passes its operators on as far as they are valid: all of them if the
    /// answer is true. Else who got them must walk through the body, which is valid, from its beginning.
    ///
    /// # Errors
    /// As [`BodyValidator::validate`].
    pub fn validate_beside(
        &mut self,
        func: DefinedFuncIndex,
        beside: &mut impl Operators<Output = ()>,
    ) -> Result<bool, DecodeError> {
        if self.decoded.resources.is_none() {
            return Ok(false);
        }
        // Who stands beside knows only the final form of exceptions.
        if self.is_valid(func, WasmFeatures::LEGACY_EXCEPTIONS, Beside(beside)) {
            Ok(true)
        } else {
            self.validate(func).map(|()| false)
        }
    }

    fn check(&mut self, func: DefinedFuncIndex) -> Result<(), DecodeError> {
        if self.decoded.resources.is_none() {
            return Ok(());
        }
        if self.is_valid(func, WasmFeatures::empty(), Alone) {
            return Ok(());
        }
        let all = self.run(func, self.decoded.features.wasmparser(), |validator, body, _| validator.validate(body));
        let result = all.map_err(DecodeError::from).and_then(|body| objects::check(&body));
        let index = self.decoded.module.func_index(func);
        result.map_err(|e| e.in_function(self.decoded.function_name(self.bytes, index)))
    }

    /// Whether a body is valid without the proposal of which only a part is supported, as almost every one
    /// is, and without others. Of the rest all of that proposal is to be allowed, and what is used of it
    /// looked at.
    fn is_valid<'s>(&'s mut self, func: DefinedFuncIndex, without: WasmFeatures, company: impl Company<'a>) -> bool {
        let features = self.decoded.features.wasmparser() - WasmFeatures::GC - without;
        self.run(func, features, |validator, body, bytes| walk(validator, body, bytes, company)).is_ok()
    }

    /// Has a body validated, and gives it if it is valid.
    fn run<E>(
        &mut self,
        func: DefinedFuncIndex,
        features: WasmFeatures,
        validate: impl FnOnce(&mut FuncValidator<ValidatorResources>, &FunctionBody<'a>, &'a [u8]) -> Result<(), E>,
    ) -> Result<FunctionBody<'a>, E> {
        let Decoded { module, bodies, resources, .. } = self.decoded;
        let index = module.func_index(func);
        let bytes = self.decoded.body(self.bytes, func);
        let body = FunctionBody::new(BinaryReader::new_features(bytes, bodies[func].start.into(), features));
        let ty = module.functions[index].as_u32();
        let resources = resources.clone().expect("there is a body");
        let to_validate = FuncToValidate { resources, index: index.as_u32(), ty, features };
        let mut validator = to_validate.into_validator(std::mem::take(&mut self.allocations));
        let result = validate(&mut validator, &body, bytes);
        self.allocations = validator.into_allocations();
        result.map(|()| body)
    }
}

/// Why a body is not valid is not said.
struct Invalid;

impl From<wasmparser::Error> for Invalid {
    fn from(_: wasmparser::Error) -> Invalid {
        Invalid
    }
}

/// What [`FuncValidator::validate`] does, with most operators decoded by [`crate::walk`], and one visitor for
/// all of them: it wants an operator's place for errors alone, which nobody hears of here.
fn walk<'a>(
    validator: &mut FuncValidator<ValidatorResources>,
    body: &FunctionBody<'a>,
    bytes: &'a [u8],
    company: impl Company<'a>,
) -> Result<(), Invalid> {
    let mut reader = body.get_binary_reader();
    validator.read_locals(&mut reader)?;
    let start = reader.original_position();
    walk_operators(&reader, bytes, &mut company.with(validator.visitor(start)))
}

/// Passes the operators of a body to a visitor, from where its reader is to its end.
fn walk_operators<'a, V>(reader: &BinaryReader<'a>, bytes: &'a [u8], visitor: &mut V) -> Result<(), Invalid>
where
    V: VisitOperator<'a, Output = Result<(), wasmparser::Error>> + FrameStack,
{
    let mut at = reader.current_position();
    while at < bytes.len() {
        at = match short::<false, V, &mut V, _>(bytes, at, |_| &mut *visitor) {
            Ok((result, next)) => {
                result?;
                next
            }
            Err(_) => {
                let mut reader = BinaryReader::new_features(&bytes[at..], reader.original_position(), reader.features());
                reader.visit_operator(visitor)??;
                at + reader.current_position()
            }
        };
        // Behind the function's last `end` there must be nothing. Other operators may have such a byte last; it is no matter.
        if bytes[at - 1] == END && visitor.current_frame().is_none() {
            break;
        }
    }
    if at == bytes.len() && visitor.current_frame().is_none() { Ok(()) } else { Err(Invalid) }
}

impl Decoded {
    /// A validator of single bodies, for who interleaves validation with other work. `bytes` are those that the module was
    /// decoded from.
    pub fn body_validator<'a>(&'a self, bytes: &'a [u8]) -> BodyValidator<'a> {
        BodyValidator { decoded: self, bytes, allocations: FuncValidatorAllocations::default() }
    }

    /// Validates all bodies, one after the other. `go_on` is asked before each function.
    ///
    /// # Errors
    /// That of the first function that has one; [`DecodeError::Cancelled`] when `go_on` said no.
    pub fn validate_bodies(&self, bytes: &[u8], go_on: &dyn Fn() -> bool) -> Result<(), DecodeError> {
        let mut validator = self.body_validator(bytes);
        for func in self.bodies.keys() {
            if !go_on() {
                return Err(DecodeError::Cancelled);
            }
            validator.validate(func)?;
        }
        Ok(())
    }
}
