//! For whom an artifact was made: processor, compiler and settings.

use super::format::{FORMAT, VERSION};
use crate::compilers::{BOTH, Compilers};
use crate::config::CompilerKind;
use crate::error::{ArtifactError, Error};
use sconce_environ::builtin::Builtin;
use sconce_environ::compile::{BoundsStyle, CallStyle, Settings};
use sconce_environ::heap::VmObject;
use sconce_environ::vm::{
    VmContext, VmFuncImport, VmFuncRef, VmGlobal, VmHostContext, VmMemory, VmStoreContext, VmTable, VmTableEntry, VmTag,
};
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
        let (target, settings) = (compilers.fingerprint(compiler)?, compilers.settings().clone());
        Ok(Identity { target, settings, contract: contract() })
    }

    /// Whose code it is, as messages name it.
    pub(super) fn compiler(&self) -> Option<&'static str> {
        compiler_of(&self.target)
    }

    /// Whose code it is, of those whose code is taken.
    pub(super) fn check(&self, compilers: &Compilers) -> Result<CompilerKind, Error> {
        let accepted = compilers.accepted();
        for &compiler in accepted {
            if *self == Identity::of(compilers, compiler)? {
                return Ok(compiler);
            }
        }
        // The one that it is compared with is of the same compiler, if that one's code is taken.
        let found = compiler_of(&self.target);
        let mut same = accepted[0];
        for &compiler in accepted {
            if compiler_of(&Identity::of(compilers, compiler)?.target) == found {
                same = compiler;
            }
        }
        let own = Identity::of(compilers, same)?;
        if self.contract != own.contract {
            let build = |of| format!("{} of {of}", version());
            return Err(ArtifactError::Version { expected: build("this build"), found: build("another build") }.into());
        }
        if let (Some(expected), Some(found)) = (compiler_of(&own.target), found)
            && expected != found
        {
            return Err(ArtifactError::Compiler { expected, found }.into());
        }
        // The target's text may speak of settings too: the plainer message comes first.
        if self.settings != own.settings {
            return Err(differing(&own.settings, &self.settings).into());
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
    let contexts = [size_of::<VmContext>(), size_of::<VmHostContext>(), size_of::<VmStoreContext>()];
    let spaces = [size_of::<VmMemory>(), size_of::<VmTable>(), size_of::<VmTableEntry>(), size_of::<VmGlobal>()];
    let others = [size_of::<VmFuncRef>(), size_of::<VmFuncImport>(), size_of::<VmTag>(), size_of::<VmObject>()];
    for size in [&contexts[..], &spaces, &others].concat() {
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

/// The compiler that a target's text begins with, as messages name it.
fn compiler_of(target: &str) -> Option<&'static str> {
    match target.split_whitespace().next() {
        Some("cranelift") => Some("Cranelift"),
        Some("lightbeam") => Some("Lightbeam"),
        Some(BOTH) => Some("Lightbeam and Cranelift"),
        _ => None,
    }
}

/// What differs between this engine's settings and an artifact's.
fn differing(own: &Settings, found: &Settings) -> ArtifactError {
    let bounds = |style| if style == BoundsStyle::Guard { "with --bounds guard" } else { "with --bounds explicit" };
    let calls = |style| if style == CallStyle::Direct { "with --calls direct" } else { "with --calls slots" };
    let flag = |is: bool, name: &str| format!("{} {name}", if is { "with" } else { "without" });
    let mut rows = vec![
        ("--bounds", bounds(own.bounds).to_owned(), bounds(found.bounds).to_owned()),
        ("--calls", calls(own.calls).to_owned(), calls(found.calls).to_owned()),
    ];
    rows.extend(
        [
            ("--canonical-nans", own.canonical_nans, found.canonical_nans),
            ("--baseline", own.baseline, found.baseline),
            ("--gc-stress", own.gc_stress, found.gc_stress),
            ("--paranoid", own.paranoid, found.paranoid),
            ("--no-spectre", !own.spectre_mitigations, !found.spectre_mitigations),
        ]
        .map(|(name, own, found)| (name, flag(own, name), flag(found, name))),
    );
    rows.retain(|(_, own, found)| own != found);
    if own.fuel != found.fuel {
        // What asks for code that counts is a limit, in a run.
        rows.push(("--fuel", flag(own.fuel, "--fuel"), flag(found.fuel, "--count-fuel")));
    }
    let joined = |texts: Vec<&str>| texts.join(" and ");
    ArtifactError::Settings {
        expected: joined(rows.iter().map(|(_, own, _)| own.as_str()).collect()),
        found: joined(rows.iter().map(|(_, _, found)| found.as_str()).collect()),
        options: joined(rows.iter().map(|(name, ..)| *name).collect()),
    }
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
    let fuel = if settings.fuel { ", fuel" } else { "" };
    let spectre = if settings.spectre_mitigations { "" } else { ", without spectre mitigations" };
    format!("bounds={bounds}{calls}{nans}{baseline}{fuel}{spectre}")
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
