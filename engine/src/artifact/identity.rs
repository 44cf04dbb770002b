//! For whom an artifact was made: processor, compiler and settings.

use super::format::{FORMAT, VERSION};
use crate::compilers::Compilers;
use crate::config::CompilerKind;
use crate::error::{ArtifactError, Error};
use sconce_environ::compile::{BoundsStyle, CallStyle, Settings};
use serde::{Deserialize, Serialize};

/// For whom an artifact was made.
#[derive(Serialize, Deserialize, PartialEq, Eq)]
pub(crate) struct Identity {
    target: String,
    pub(super) settings: Settings,
}

impl Identity {
    /// Of what this compiler makes.
    pub(crate) fn of(compilers: &Compilers, compiler: CompilerKind) -> Result<Identity, Error> {
        Ok(Identity { target: compilers.get(compiler)?.fingerprint(), settings: compilers.settings().clone() })
    }

    /// Whose code it is, of those whose code is taken.
    pub(super) fn check(&self, compilers: &Compilers) -> Result<CompilerKind, Error> {
        let accepted = compilers.accepted();
        for &compiler in accepted {
            if *self == Identity::of(compilers, compiler)? {
                return Ok(compiler);
            }
        }
        let own = Identity::of(compilers, accepted[0])?;
        // The target's text may speak of settings too: the plainer message comes first.
        if self.settings != own.settings {
            let (expected, found) = (describe(&own.settings), describe(&self.settings));
            return Err(ArtifactError::Settings { expected, found }.into());
        }
        let (expected, found) = (only_in(&own.target, &self.target), only_in(&self.target, &own.target));
        Err(ArtifactError::Target { expected, found }.into())
    }
}

/// The words of one target's text that another's does not have: the whole texts list every feature of a processor.
fn only_in(text: &str, other: &str) -> String {
    let other: Vec<&str> = other.split_whitespace().collect();
    let words: Vec<&str> = text.split_whitespace().filter(|word| !other.contains(word)).collect();
    if words.is_empty() { "a processor without further features".into() } else { words.join(" ") }
}

/// What artifacts of this build are called in messages and keys.
pub(crate) fn version() -> String {
    format!("{VERSION} (format {FORMAT})")
}

/// Settings in the words of the options that choose them.
pub(crate) fn describe(settings: &Settings) -> String {
    let bounds = match settings.bounds {
        BoundsStyle::Guard => "guard",
        BoundsStyle::Explicit => "explicit",
    };
    let calls = match settings.calls {
        CallStyle::Direct => "",
        CallStyle::Slots => ", calls=slots",
    };
    let nans = if settings.canonical_nans { ", canonical NaNs" } else { "" };
    let baseline = if settings.baseline { ", baseline" } else { "" };
    format!("bounds={bounds}{calls}{nans}{baseline}")
}
