//! What a process gives up before a program runs in it: everything but what the program was given, and what the engine
//! needs to run it.

use crate::{Access, SYSTEM_CALLS, WasiCtx};
use sconce_confine::{Call, Plan, Refusal, Rights, Wall, Walls};
use sconce_engine::Engine;

/// What only the embedder knows.
#[derive(Debug)]
pub struct Confinement<'a> {
    /// The system calls that it makes itself from now on.
    pub calls: &'a [Call],
    /// What happens when a call is made that is in no list.
    pub refusal: Refusal,
    /// Whether a debugger or a profiler is to look at the process.
    pub debuggable: bool,
    /// Whether root's right to all files goes as well, where it is limited to the program's directories.
    pub strict: bool,
}

impl Confinement<'_> {
    /// Gives up the rest, for the whole process, for ever: files that are not below the program's directories, system calls
    /// that are in no list, privileges, the environment's variables, descriptors that the process was started with and
    /// nobody asked for. To be called by the only thread that there is. What the kernel does not know or refuses is said.
    pub fn enter(&self, engine: &Engine, context: &WasiCtx) -> Walls {
        let forgotten = sconce_engine::forget_environment();
        let closed = sconce_engine::close_unasked();
        let mut walls = context.with_given(|directories, sockets| {
            let rights = |access| match access {
                Access::ReadOnly => Rights::ReadOnly,
                Access::ReadWrite => Rights::ReadWrite,
            };
            sconce_confine::confine(&Plan {
                directories: directories.into_iter().map(|(fd, access)| (fd, rights(access))).collect(),
                sockets,
                calls: &[sconce_engine::SYSTEM_CALLS, SYSTEM_CALLS, self.calls],
                code: engine.code_range(),
                refusal: self.refusal,
                debuggable: self.debuggable,
                strict: self.strict,
            })
        });
        // Landlock gives all that is below a directory.
        let apart = "a directory that was given contains the cache, its key or devices, which the resolver alone keeps apart";
        walls.add("masked places", if context.has_masked() { Wall::Partial(apart.into()) } else { Wall::Stands });
        walls.add("environment", Wall::of(forgotten));
        walls.add("descriptors", Wall::of(closed));
        walls
    }
}
