//! Attacks by class. Each is made while the guest runs, in another thread, and when it has ended.

mod files;
mod memory;
mod processes;
mod unlisted;
