//! What an engine is made with.

use sconce_environ::compile::{BoundsStyle, CallStyle};
use sconce_environ::features::Features;
use sconce_environ::inlined::Inlining;
use std::path::PathBuf;

/// Which compiler.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Tier {
    /// Cranelift's code where the cache has it ([`crate::Module::warm`] puts it there), else Lightbeam, which
    /// nobody has to wait for.
    #[default]
    Auto,
    /// Lightbeam for everything, ahead of time: ready at once, and slower to run.
    Lightbeam,
    /// Cranelift for everything, ahead of time.
    Cranelift,
}

/// Who compiles a module.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum CompilerKind {
    Lightbeam,
    Cranelift,
    /// Lightbeam, but for functions in which programs spend their time.
    Both,
}

impl CompilerKind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            CompilerKind::Lightbeam => "lightbeam",
            CompilerKind::Cranelift => "cranelift",
            CompilerKind::Both => "lightbeam and cranelift",
        }
    }
}

/// Where compiled modules are kept between runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum CacheMode {
    /// Nowhere.
    #[default]
    Off,
    /// `$XDG_CACHE_HOME/sconce`, or `~/.cache/sconce`.
    Default,
    /// This directory. It is made if it is not there, with mode 0700.
    Dir(PathBuf),
}

/// Options of an [`crate::Engine`], built by value. The default suits most: automatic bounds style and tier, direct calls, no
/// cache, parallel compilation, 1 MiB of wasm stack, no limit on memories but what the types say.
#[derive(Clone, Debug)]
pub struct Config {
    pub(crate) bounds: Option<BoundsStyle>,
    pub(crate) calls: CallStyle,
    pub(crate) cache: CacheMode,
    pub(crate) cache_limit: u64,
    pub(crate) cache_key: Option<PathBuf>,
    pub(crate) hold_background: bool,
    pub(crate) lazy: Option<usize>,
    pub(crate) sampling: bool,
    pub(crate) mixed_tiers: Option<u64>,
    pub(crate) max_memory: Option<u64>,
    pub(crate) max_table: u64,
    pub(crate) stack_size: usize,
    pub(crate) canonical_nans: bool,
    pub(crate) gc_stress: bool,
    pub(crate) paranoid: bool,
    pub(crate) fuel: bool,
    pub(crate) baseline: bool,
    pub(crate) spectre_mitigations: bool,
    pub(crate) inlining: Inlining,
    pub(crate) tier: Tier,
    pub(crate) parallel: bool,
    pub(crate) features: Features,
    pub(crate) private_code: bool,
    pub(crate) debugger: bool,
    pub(crate) perf_map: bool,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            bounds: None,
            calls: CallStyle::Direct,
            cache: CacheMode::Off,
            cache_limit: 1 << 30,
            cache_key: None,
            hold_background: false,
            lazy: None,
            sampling: true,
            mixed_tiers: None,
            max_memory: None,
            max_table: sconce_runtime::DEFAULT_TABLE_ELEMENTS,
            stack_size: 1 << 20,
            canonical_nans: false,
            gc_stress: false,
            paranoid: false,
            fuel: false,
            baseline: false,
            spectre_mitigations: true,
            inlining: Inlining::Small,
            tier: Tier::Auto,
            parallel: true,
            features: Features::default(),
            private_code: false,
            debugger: false,
            perf_map: false,
        }
    }
}

impl Config {
    /// The default configuration.
    pub fn new() -> Config {
        Config::default()
    }

    /// How memory accesses are kept inside a memory. `None`: guards where the address space allows, else explicit checks
    /// ([`crate::Engine::fallback_notice`] says so).
    pub fn bounds(mut self, style: Option<BoundsStyle>) -> Config {
        self.bounds = style;
        self
    }

    /// How functions of one module call each other.
    pub fn calls(mut self, style: CallStyle) -> Config {
        self.calls = style;
        self
    }

    /// Where compiled modules are kept. The default is [`CacheMode::Off`].
    pub fn cache(mut self, mode: CacheMode) -> Config {
        self.cache = mode;
        self
    }

    /// The file with the key of cache entries: 32 random bytes, which are made if there is no file. It must be of mode 0600, in a
    /// directory of mode 0700, and both the user's. Entries with another key are not taken. The default is
    /// `$XDG_STATE_HOME/sconce/key`, or `~/.local/state/sconce/key`.
    pub fn cache_key(mut self, file: PathBuf) -> Config {
        self.cache_key = Some(file);
        self
    }

    /// Whether the engine starts no threads by itself once a module is loaded, so that a process can confine all of its threads
    /// before a program begins: the cache entry of a module that was compiled is written before the module is there, rather than beside
    /// the run, and text that would be brought in beside the start is left until [`crate::Engine::begin_background_work`]. The
    /// default is not to.
    pub fn hold_background(mut self, on: bool) -> Config {
        self.hold_background = on;
        self
    }

    /// Whether functions are compiled when they are called, with [`Tier::Auto`], and, in modules whose code has at least so many bytes,
    /// validated no sooner: those begin at once, and cost what they run. That a function is not valid is found out when it is called then;
    /// such a call fails with [`crate::Error::Deferred`]. The default, `None`, is that a module is validated and compiled whole before
    /// anything of it runs.
    ///
    /// What takes the program's time is compiled by Cranelift while it runs; see [`Config::sampling`].
    pub fn lazy(mut self, least: Option<usize>) -> Config {
        self.lazy = least;
        self
    }

    /// Whether a thread looks where programs spend their time, for better code: of modules that are compiled when their functions are
    /// called, and, with [`Config::hold_background`] and a cache, of those whose better code the cache does not have yet. It signals a
    /// thread that runs the program (`SIGURG`), which may end a system call that has begun meanwhile with `EINTR`, or with a part of what
    /// was to be done: the functions of WASI go on then, and an embedder's own host functions have to. Code that stays in a loop is
    /// left by a breakpoint (`SIGTRAP`), so threads that run programs do not block that signal. The default is to look.
    pub fn sampling(mut self, on: bool) -> Config {
        self.sampling = on;
        self
    }

    /// Whether, of functions that are compiled when they are called, some get Cranelift's code at once, and others later on, while they
    /// run: which ones follows from this number. For tests of programs whose code changes under way.
    pub fn mixed_tiers(mut self, seed: Option<u64>) -> Config {
        self.mixed_tiers = seed;
        self
    }

    /// Size in bytes above which the cache evicts what was not used for longest. The default is 1 GiB. It may be exceeded by a
    /// sixteenth for a while, since not every entry is worth a look at all others.
    pub fn cache_limit(mut self, bytes: u64) -> Config {
        self.cache_limit = bytes;
        self
    }

    /// What all memories and tables of one store and the objects of its references may hold together, in
    /// bytes. Growing beyond fails, and so does making a reference. What else counts is said by
    /// [`crate::Store::with_memory_limit`].
    pub fn max_memory(mut self, bytes: Option<u64>) -> Config {
        self.max_memory = bytes;
        self
    }

    /// How many elements a table may have, whatever its type says. Growing beyond fails. The default is 10 million.
    pub fn max_table(mut self, elements: u64) -> Config {
        self.max_table = elements;
        self
    }

    /// Bytes of wasm stack for each store, rounded up to pages.
    pub fn stack_size(mut self, bytes: usize) -> Config {
        self.stack_size = bytes;
        self
    }

    /// Whether every NaN that an operation produces is the canonical one.
    pub fn canonical_nans(mut self, on: bool) -> Config {
        self.canonical_nans = on;
        self
    }

    /// Whether compiled code is kept from reading past its checks even where the processor has predicted them wrong: what a check
    /// guards is selected again under its outcome. The default is that it is. Code without is slightly faster, and for programs
    /// that may read all of the process's memory.
    pub fn spectre_mitigations(mut self, on: bool) -> Config {
        self.spectre_mitigations = on;
        self
    }

    /// Which calls Cranelift replaces by the body of their callee; none in code for debuggers, and in code that counts what it
    /// executes ([`Config::fuel`]).
    pub fn inlining(mut self, which: Inlining) -> Config {
        self.inlining = which;
        self
    }

    /// Whether references are swept at every safe point (each call, each builtin, each reference that comes into a frame), with
    /// all counts verified afterwards: finds mistakes in compiled code and in the runtime, and is slow.
    pub fn gc_stress(mut self, on: bool) -> Config {
        self.gc_stress = on;
        self
    }

    /// Whether compiled code checks what it otherwise relies on (type ids of indirect calls, zero-extended
    /// integers, handles, locals in registers, the frame at its return) and traps with
    /// [`TrapCode::BrokenInvariant`](crate::TrapCode) where that does not hold: finds mistakes in compilers,
    /// and is slow.
    pub fn paranoid(mut self, on: bool) -> Config {
        self.paranoid = on;
        self
    }

    /// Whether compiled code counts what it executes: [`crate::Store::set_fuel`] limits that then. The count is the
    /// same whichever compiler made the code, and with whatever other settings.
    pub fn fuel(mut self, on: bool) -> Config {
        self.fuel = on;
        self
    }

    /// Whether compiled code keeps to the instructions that every supported processor has (SSE4.1), so that
    /// an artifact runs on all of them. The default is to use what the host has.
    pub fn baseline(mut self, on: bool) -> Config {
        self.baseline = on;
        self
    }

    /// Which compiler.
    pub fn tier(mut self, tier: Tier) -> Config {
        self.tier = tier;
        self
    }

    /// Which proposals modules may use: a module that uses another is not valid. The default is all that are supported.
    pub fn features(mut self, features: Features) -> Config {
        self.features = features;
        self
    }

    /// Whether code is in private memory, rather than in a file in memory, as is usual: a limit on the sizes of files
    /// (`RLIMIT_FSIZE`) that is set later holds for that file, too. The default is not to.
    pub fn private_code(mut self, on: bool) -> Config {
        self.private_code = on;
        self
    }

    /// Whether debuggers are told of compiled code, through the interface that GDB has for compilers at run
    /// time: functions' names, and how to walk frames, at every instruction and through to the host's. Making
    /// that takes longer than compiling. Nothing is written to the cache: breakpoints would be in it.
    pub fn debugger(mut self, on: bool) -> Config {
        self.debugger = on;
        self
    }

    /// Whether `/tmp/perf-PID.map` is written, from which `perf` has names of functions in memory. It stays
    /// when the process ends. Frame pointers are everywhere: `perf record --call-graph fp` has the callers.
    pub fn perf_map(mut self, on: bool) -> Config {
        self.perf_map = on;
        self
    }

    /// Whether compilation and hashing may use other threads.
    pub fn parallel(mut self, on: bool) -> Config {
        self.parallel = on;
        self
    }
}
