//! Landlock: which files can be opened, whatever code asks.

use crate::plan::{Plan, Rights};
use crate::wall::Wall;
use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, LandlockStatus, PathBeneath, RestrictionStatus, Ruleset,
    RulesetAttr, RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};

/// What is asked for. Later versions of the kernel's interface have nothing that is restricted here.
const ASKED: ABI = ABI::V6;
/// Before it, files cannot be moved from one directory to another at all.
const LEAST: ABI = ABI::V2;

/// Restricts the calling thread, and those it starts, to the plan's directories; no connections by TCP, no signals to other
/// processes, no abstract sockets of theirs.
pub(crate) fn restrict(plan: &Plan<'_>) -> Wall {
    match ruleset(plan) {
        Ok(status) => wall(&status),
        Err(RulesetError::HandleAccesses(_)) => {
            Wall::Missing("the kernel has none, only its first version, or has it disabled".into())
        }
        Err(e) => Wall::Missing(e.to_string()),
    }
}

fn ruleset(plan: &Plan<'_>) -> Result<RestrictionStatus, RulesetError> {
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(LEAST))?
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(ASKED))?
        .handle_access(AccessNet::from_all(ASKED))?
        .scope(Scope::from_all(ASKED))?
        .create()?
        .no_new_privs(false);
    for (directory, rights) in &plan.directories {
        rules = rules.add_rule(PathBeneath::new(*directory, access(*rights)))?;
    }
    rules.restrict_self()
}

fn access(rights: Rights) -> BitFlags<AccessFs> {
    use AccessFs::{MakeDir, MakeReg, MakeSym, ReadDir, ReadFile, Refer, RemoveDir, RemoveFile, Truncate, WriteFile};
    let read = ReadFile | ReadDir;
    match rights {
        Rights::ReadOnly => read,
        // Nothing of a guest's is executed, no device, socket or pipe is made by it.
        Rights::ReadWrite => read | WriteFile | Truncate | MakeReg | MakeDir | MakeSym | RemoveFile | RemoveDir | Refer,
    }
}

fn wall(status: &RestrictionStatus) -> Wall {
    match (&status.ruleset, &status.landlock) {
        (RulesetStatus::FullyEnforced, _) => Wall::Stands,
        (RulesetStatus::PartiallyEnforced, LandlockStatus::Available { effective_abi, .. }) => {
            Wall::Partial(format!("the kernel has version {} of it, not {}", *effective_abi as u32, ASKED as u32))
        }
        (RulesetStatus::PartiallyEnforced, _) => Wall::Partial("the kernel has an older version of it".into()),
        (RulesetStatus::NotEnforced, _) => Wall::Missing("the kernel does not have it".into()),
    }
}
