//! Validation of function bodies: in parallel, with one set of allocations a thread.

use super::beside::{Alone, Beside, Company};
use super::blame::blame;
use super::objects;
use super::{DecodeError, Decoded};
use crate::index::DefinedFuncIndex;
use crate::ops::Operators;
use crate::walk::short;
use rayon::prelude::*;
use wasmparser::{
    BinaryReader, FuncToValidate, FuncValidator, FuncValidatorAllocations, FunctionBody, ValidatorResources, WasmFeatures,
};

/// Fewer functions than this are not worth another thread's attention.
const CHUNK: usize = 16;

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

    /// Validates a function's body, and passes its operators on as far as they are valid: all of them if the answer is true. Else who
    /// got them must walk through the body, which is valid, from its beginning.
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
        match self.run(func, self.base_features(), &mut Beside(beside)) {
            Ok(_) => Ok(true),
            Err(_) => self.validate(func).map(|()| false),
        }
    }

    fn check(&mut self, func: DefinedFuncIndex) -> Result<(), DecodeError> {
        if self.decoded.resources.is_none() {
            return Ok(());
        }
        let result = match self.run(func, self.base_features(), &mut Alone) {
            Ok(_) => Ok(()),
            Err(_) => {
                let all = self.run(func, self.decoded.features.wasmparser(), &mut Alone);
                all.map_err(DecodeError::from).and_then(|body| objects::check(&body))
            }
        };
        let index = self.decoded.module.func_index(func);
        result.map_err(|e| e.in_function(self.decoded.function_name(self.bytes, index)))
    }

    /// Without the proposal of which only a part is supported, so that almost no body must be looked at again.
    fn base_features(&self) -> WasmFeatures {
        self.decoded.features.wasmparser() - WasmFeatures::GC
    }

    fn run(
        &mut self,
        func: DefinedFuncIndex,
        features: WasmFeatures,
        company: &mut impl Company<'a>,
    ) -> Result<FunctionBody<'a>, wasmparser::Error> {
        let Decoded { module, bodies, resources, .. } = self.decoded;
        let index = module.func_index(func);
        let bytes = self.decoded.body(self.bytes, func);
        let body = FunctionBody::new(BinaryReader::new_features(bytes, bodies[func].start.into(), features));
        let ty = module.functions[index].as_u32();
        let resources = resources.clone().expect("there is a body");
        let to_validate = FuncToValidate { resources, index: index.as_u32(), ty, features };
        let mut validator = to_validate.into_validator(std::mem::take(&mut self.allocations));
        let result = validate_body(&mut validator, &body, bytes, company);
        self.allocations = validator.into_allocations();
        result.map(|()| body)
    }
}

/// What [`FuncValidator::validate`] does, with most operators decoded by `walk`.
fn validate_body<'a>(
    validator: &mut FuncValidator<ValidatorResources>,
    body: &FunctionBody<'a>,
    bytes: &'a [u8],
    company: &mut impl Company<'a>,
) -> Result<(), wasmparser::Error> {
    let mut reader = body.get_binary_reader();
    let start = reader.original_position();
    validator.read_locals(&mut reader)?;
    let features = reader.features();
    let mut at = reader.current_position();
    // Behind the function's last `end` there is nothing that may be decoded.
    while at < bytes.len() && validator.control_stack_height() != 0 {
        let offset = start + at as u64;
        match short::<false, _, _>(bytes, at, |_| company.with(validator.visitor(offset))) {
            Ok((result, next)) => {
                result?;
                at = next;
            }
            Err(visitor) => {
                let mut reader = BinaryReader::new_features(&bytes[at..], offset, features);
                reader.visit_operator(&mut visitor(at))??;
                at += reader.current_position();
            }
        }
    }
    let offset = start + at as u64;
    let mut reader = BinaryReader::new_features(&bytes[at..], offset, features);
    if !reader.eof() {
        // Says that there are operators behind the end.
        reader.visit_operator(&mut validator.visitor(offset))??;
    }
    reader.finish_expression(&validator.visitor(offset))
}

impl Decoded {
    /// A validator of single bodies, for who interleaves validation with other work. `bytes` are those that the module was
    /// decoded from.
    pub fn body_validator<'a>(&'a self, bytes: &'a [u8]) -> BodyValidator<'a> {
        BodyValidator { decoded: self, bytes, allocations: FuncValidatorAllocations::default() }
    }

    /// Validates all bodies, on rayon's current pool. `go_on` is asked before each function.
    ///
    /// # Errors
    /// The error of the first function that has one, whichever thread finds one first; [`DecodeError::Cancelled`] when
    /// `go_on` said no.
    pub fn validate_bodies(&self, bytes: &[u8], go_on: &(dyn Fn() -> bool + Sync)) -> Result<(), DecodeError> {
        let first_error = (0..self.bodies.len())
            .into_par_iter()
            .with_min_len(CHUNK)
            .map_init(
                || self.body_validator(bytes),
                |validator, n| {
                    if !go_on() {
                        return Err(DecodeError::Cancelled);
                    }
                    validator.check(DefinedFuncIndex::from_u32(n as u32))
                },
            )
            .find_map_first(Result::err);
        first_error.map_or(Ok(()), |error| Err(blame(bytes, self.features, error)))
    }
}
