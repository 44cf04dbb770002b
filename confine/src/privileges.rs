//! What the process could do beyond a user's rights, and what others could do to it.

use crate::plan::Plan;
use crate::wall::Wall;
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities, set_no_new_privs};
use std::io;

/// No program that is executed gains privileges, for the calling thread and those it starts. Gives what is wrong.
pub(crate) fn gain_none() -> Option<Wall> {
    set_no_new_privs(true).err().map(|e| Wall::Missing(io::Error::from(e).to_string()))
}

/// Drops all capabilities, for the calling thread and those it starts. Cannot be undone.
pub(crate) fn drop_capabilities(plan: &Plan<'_>) -> Wall {
    let rest = if plan.strict || plan.directories.is_empty() { CapabilitySet::empty() } else { right_to_files() };
    let sets = CapabilitySets { effective: rest, permitted: rest, inheritable: CapabilitySet::empty() };
    match set_capabilities(None, sets) {
        Ok(()) if rest.is_empty() => Wall::Stands,
        Ok(()) => Wall::Partial("root's right to files stays, for the directories that were given".into()),
        Err(e) => Wall::Missing(io::Error::from(e).to_string()),
    }
}

/// Root's right to files whoever they belong to, as far as this thread has it.
fn right_to_files() -> CapabilitySet {
    capabilities(None).map_or(CapabilitySet::empty(), |sets| sets.effective & CapabilitySet::DAC_OVERRIDE)
}

/// No core file, and no other process of the user's looks into this one, or attaches to it.
pub(crate) fn hide(plan: &Plan<'_>) -> Wall {
    if plan.debuggable {
        return Wall::Unwanted("a debugger is to see the process");
    }
    let hidden = set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .and_then(|()| setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) }));
    Wall::of(hidden.map_err(io::Error::from))
}
