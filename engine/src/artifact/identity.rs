//! For whom an artifact was made: processor, compiler and settings.

use super::format::{FORMAT, VERSION};
use crate::compilers::Compilers;
use crate::config::CompilerKind;
use crate::error::{ArtifactError, Error};
use sconce_environ::builtin::Builtin;
use sconce_environ::compile::{BoundsStyle, CallStyle, Settings};
use sconce_environ::vm::{VmContext, VmFuncRef, VmStoreContext, VmTableEntry};
use serde::{Deserialize, Serialize};

/// For whom an artifact was made.
#[derive(Serialize, Deserialize, PartialEq, Eq)]
pub(crate) struct Identity {
    target: String,
    pub(super) settings: Settings,
    /// What its code relies on in whoever runs it.
    contract: [u8; 32],
}

impl Identity {
    /// Of what this compiler makes.
    pub(crate) fn of(compilers: &Compilers, compiler: CompilerKind) -> Result<Identity, Error> {
        let (target, settings) = (compilers.get(compiler)?.fingerprint(), compilers.settings().clone());
        Ok(Identity { target, settings, contract: contract() })
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
        if self.contract != own.contract {
            let build = |of| format!("{} of {of}", version());
            return Err(ArtifactError::Version { expected: build("this build"), found: build("another build") }.into());
        }
        // The target's text may speak of settings too: the plainer message comes first.
        if self.settings != own.settings {
            let (expected, found) = (describe(&own.settings), describe(&self.settings));
            return Err(ArtifactError::Settings { expected, found }.into());
        }
        let (expected, found) = (only_in(&own.target, &self.target), only_in(&self.target, &own.target));
        Err(ArtifactError::Target { expected, found }.into())
    }
}

/// A hash of the builtins by number, name and type, and of the sizes of what code shares with the runtime: code of a build whose
/// rows are others would call the wrong functions, with the wrong arguments.
fn contract() -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    for builtin in Builtin::ALL {
        hasher.update(format!("{builtin:?} {:?} {:?};", builtin.params(), builtin.result()).as_bytes());
    }
    for size in [size_of::<VmContext>(), size_of::<VmStoreContext>(), size_of::<VmTableEntry>(), size_of::<VmFuncRef>()] {
        hasher.update(&size.to_le_bytes());
    }
    hasher.finalize().into()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn code_that_relies_on_something_else_is_another_versions() {
        let compilers = Compilers::new(&Config::new(), BoundsStyle::Explicit);
        for compiler in [CompilerKind::Lightbeam, CompilerKind::Cranelift] {
            let mut identity = Identity::of(&compilers, compiler).unwrap();
            assert_eq!(identity.check(&compilers).unwrap(), compiler);
            identity.contract[31] ^= 1;
            let refused = identity.check(&compilers).unwrap_err();
            assert!(matches!(refused, Error::Artifact(ArtifactError::Version { .. })), "{refused}");
        }
    }
}
