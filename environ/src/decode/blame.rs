//! Which proposals would have made a module valid. Only asked when it is not.

use super::error::DecodeError;
use crate::features::Features;
use crate::features::proposal_name;
use wasmparser::{Parser, ValidPayload, Validator, WasmFeatures};

/// If the module would be valid with proposals that are not enabled, an error that names them instead of `error`. Of the
/// bodies, only the one that `error` is about is looked at.
///
/// wasmparser names the proposal in most cases, but for some (`multiple memories`) it has only a message.
pub(super) fn blame(bytes: &[u8], features: Features, error: DecodeError) -> DecodeError {
    let DecodeError::Invalid { message, offset, function } = error else { return error };
    let body = function.as_ref().map(|f| f.index.as_u32());
    let mut needed = WasmFeatures::all();
    if !valid(bytes, needed, body) {
        return DecodeError::Invalid { message, offset, function };
    }
    for feature in (needed - features.wasmparser()).iter() {
        if valid(bytes, needed - feature, body) {
            needed -= feature;
        }
    }
    let proposals: Vec<_> = (needed - features.wasmparser()).iter().map(proposal_name).collect();
    DecodeError::NotEnabled { proposal: proposals.join(", "), message, offset, function }
}

/// Whether the sections, and the body of function `func`, are valid.
fn valid(bytes: &[u8], features: WasmFeatures, func: Option<u32>) -> bool {
    let mut parser = Parser::new(0);
    parser.set_features(features);
    let mut validator = Validator::new_with_features(features);
    for payload in parser.parse_all(bytes) {
        match payload.and_then(|payload| validator.payload(&payload)) {
            Err(_) => return false,
            Ok(ValidPayload::Func(to_validate, body)) if Some(to_validate.index) == func => {
                if to_validate.into_validator(Default::default()).validate(&body).is_err() {
                    return false;
                }
            }
            Ok(_) => {}
        }
    }
    true
}
