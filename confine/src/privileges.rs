//! What the process could do beyond a user's rights, and what others could do to it.

use crate::{Plan, Wall};
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities, set_no_new_privs};
use std::io;

/// Drops all capabilities, for the calling thread and those it starts; no program that it executes gains privileges.
/// Cannot be undone.
pub(crate) fn drop_all() -> Wall {
    let none = CapabilitySet::empty();
    let sets = CapabilitySets { effective: none, permitted: none, inheritable: none };
    let dropped = set_no_new_privs(true).and_then(|()| set_capabilities(None, sets));
    Wall::of(dropped.map_err(io::Error::from))
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
