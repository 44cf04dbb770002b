//! Runs that depend on nothing but their input: what a program observes of the machine, of time and of chance is made up here,
//! from the order of its own calls alone.
//!
//! The input is what whoever starts the program says and gives: arguments, environment, the bytes on standard input, names,
//! contents and links in directories, a seed. What the program could see beside it is the same in every run:
//!
//! | what | how |
//! |---|---|
//! | time | [`clock`]: moves when it is read or waited for |
//! | random bytes | [`random`]: of the seed |
//! | numbers of files and devices, times of files, sizes of directories | [`files`] |
//! | the order of directories | [`listing`]: by name |
//! | what standard streams are | pipes, whatever they are ([`Descriptor::as_pipe`](super::descriptor::Descriptor::as_pipe)) |
//! | how much is read and written at once | everything that was asked for, up to the end ([`super::whole`]) |
//! | what is ready | all descriptors, at once; reading and writing wait instead ([`super::poll`]) |
//! | devices | none can be opened except those whose contents are known ([`files::is_known_device`]) |
//!
//! Everything here is [`super::observed`]'s to ask.

use sconce_engine::MemoryLimit;
use std::sync::{Mutex, PoisonError};

pub(crate) mod clock;
pub(crate) mod files;
pub(crate) mod listing;
mod random;

/// What stands in for the machine.
#[derive(Debug)]
pub(crate) struct Determinism {
    pub clock: clock::VirtualClock,
    pub files: files::Files,
    random: Mutex<random::Stream>,
}

impl Determinism {
    /// What is known of files counts against the limit.
    pub(super) fn new(seed: u64, memory: &MemoryLimit) -> Determinism {
        Determinism {
            clock: clock::VirtualClock::default(),
            files: files::Files::new(memory),
            random: Mutex::new(random::Stream::new(seed)),
        }
    }

    /// The next bytes of the seed's stream.
    pub(crate) fn random(&self, out: &mut [u8]) {
        self.random.lock().unwrap_or_else(PoisonError::into_inner).fill(out);
    }
}
