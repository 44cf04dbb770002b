//! How far a module gets: `assert_malformed` is about modules that do not parse or decode, `assert_invalid`
//! about those that do and then fail validation.

use crate::forms;
use sconce_engine::environ::decode::{DecodeError, well_formed};
use sconce_engine::{Engine, Error, Module};
use wasmparser::WasmFeatures;
use wast::parser::{self, ParseBuffer};
use wast::{QuoteWat, QuoteWatTest, Wat};

/// What became of a module before it was compiled; with the reason, if there is one.
pub(crate) enum Phase {
    /// It has no binary form, or bytes that are none.
    Malformed(String),
    /// It is decodable and breaks a rule of validation.
    Invalid(String),
    /// It uses what this engine does not have, which says nothing about the module.
    Unsupported(String),
    /// It is valid.
    Valid,
}

impl std::fmt::Display for Phase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Phase::Malformed(why) => write!(f, "a malformed module: {why}"),
            Phase::Invalid(why) => write!(f, "an invalid module: {why}"),
            Phase::Unsupported(why) => write!(f, "a module that this engine does not support: {why}"),
            Phase::Valid => f.write_str("a valid module"),
        }
    }
}

/// Takes a module as far as validation.
pub(crate) fn phase(engine: &Engine, module: &mut QuoteWat<'_>) -> Phase {
    let bytes = match encode(module) {
        Ok(bytes) => bytes,
        Err(why) => return Phase::Malformed(why),
    };
    if let Err(e) = well_formed(&bytes, engine.features()) {
        return Phase::Malformed(e.to_string());
    }
    match Module::validate(engine, &bytes) {
        Ok(()) => Phase::Valid,
        Err(Error::Decode(e)) if !is_refusal(&e, engine) => Phase::Invalid(e.to_string()),
        Err(e) => Phase::Unsupported(e.to_string()),
    }
}

/// Whether an error is about a part of a proposal that is enabled and not all there.
fn is_refusal(e: &DecodeError, engine: &Engine) -> bool {
    let gc = engine.features().wasmparser().contains(WasmFeatures::GC);
    matches!(e, DecodeError::NotEnabled { proposal, .. } if gc && proposal == "gc")
}

/// A module's binary form, or why it has none.
pub(crate) fn encode(module: &mut QuoteWat<'_>) -> Result<Vec<u8>, String> {
    let text = |e: wast::Error| e.message();
    if let QuoteWat::Wat(wat) = module {
        sconce_engine::environ::text::expand(wat);
    }
    match module.to_test().map_err(text)? {
        QuoteWatTest::Binary(bytes) if bytes.starts_with(b"\0asm") => Ok(bytes),
        // The engine also takes text, which these bytes are not meant to be.
        QuoteWatTest::Binary(_) => Err("magic header not detected".into()),
        QuoteWatTest::Text(source) => {
            let source = String::from_utf8(source).map_err(|_| "malformed UTF-8 encoding")?;
            // A sequence of no fields is a module, too, which `wast` does not know.
            if forms::is_blank(&source) {
                return Ok(b"\0asm\x01\0\0\0".to_vec());
            }
            let buffer = ParseBuffer::new_with_lexer(forms::lexer(&source)).map_err(text)?;
            let mut wat = parser::parse::<Wat<'_>>(&buffer).map_err(text)?;
            sconce_engine::environ::text::encode(&mut wat).map_err(text)
        }
    }
}
