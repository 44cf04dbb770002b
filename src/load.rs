//! From a path on the command line to a compiled module.

use crate::cli::{CompilerArgs, Tier};
use crate::progress::Bar;
use crate::report::{Failure, reason};
use sconce_engine::environ::shown::Shown;
use sconce_engine::{Artifact, CacheMode, CallStyle, Config, Engine, Error, Module, Others, Progress, Warmed};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

/// A module that has been opened.
#[derive(Debug)]
pub struct Input {
    /// The path as given, or `standard input`.
    pub name: String,
    source: Source,
    /// Device and inode, if it is a regular file.
    place: Option<(u64, u64)>,
}

#[derive(Debug)]
enum Source {
    /// A regular file, which the engine reads as far as it must.
    File(File),
    /// Everything that came out of a pipe or the like.
    Bytes(Vec<u8>),
    /// All that was in a file, which may hold something else by now.
    Read(Vec<u8>, File),
}

const STANDARD_INPUT: &str = "standard input";

/// Opens a module; `-` is standard input.
///
/// # Errors
/// Which path, and why.
pub fn open(path: &Path) -> Result<Input, Failure> {
    open_with(path, |stream| sconce_engine::read_module(stream, None))
}

/// The same, where a component is of use too.
///
/// # Errors
/// As [`open`].
pub fn open_any(path: &Path) -> Result<Input, Failure> {
    open_with(path, |stream| sconce_engine::read_module_or_component(stream, None))
}

fn open_with(path: &Path, read: impl Fn(Box<dyn Read>) -> Result<Vec<u8>, Error>) -> Result<Input, Failure> {
    if path.as_os_str() == "-" {
        let name = standard_input()?;
        let bytes = read(Box::new(io::stdin().lock())).map_err(|e| wrong(&name, &e))?;
        let regular = rustix::fs::fstat(rustix::stdio::stdin())
            .ok()
            .filter(|s| rustix::fs::FileType::from_raw_mode(s.st_mode) == rustix::fs::FileType::RegularFile);
        return Ok(Input { name, source: Source::Bytes(bytes), place: regular.map(|s| (s.st_dev, s.st_ino)) });
    }
    let name = path_name(path);
    let file = open_file(path).map_err(|e| unreadable(&name, &e))?;
    let place = file.metadata().ok().filter(|m| m.is_file()).map(|m| (m.dev(), m.ino()));
    let source = match place {
        Some(_) => Source::File(file),
        None => Source::Bytes(read(Box::new(file)).map_err(|e| wrong(&name, &e))?),
    };
    Ok(Input { name, source, place })
}

/// Reads a script, and gives the name that failures have, too; `-` is standard input.
///
/// # Errors
/// Which path, and why.
pub fn script(path: &Path) -> Result<(String, String), Failure> {
    let (name, text) = if path.as_os_str() == "-" {
        (standard_input()?, sconce_engine::read_script(io::stdin().lock()))
    } else {
        let name = path_name(path);
        let file = open_file(path).map_err(|e| unreadable(&name, &e))?;
        (name, sconce_engine::read_script(file))
    };
    let text = text.map_err(|e| wrong(&name, &e))?;
    Ok((name, text))
}

/// The name of standard input, if it is open.
fn standard_input() -> Result<String, Failure> {
    let name = STANDARD_INPUT.to_owned();
    if sconce_engine::closed_at_start()[0] {
        return Err(unreadable(&name, &rustix::io::Errno::BADF.into()));
    }
    Ok(name)
}

/// How messages call a module; `-` is standard input.
pub fn name(path: &Path) -> String {
    if path.as_os_str() == "-" { STANDARD_INPUT.to_owned() } else { path_name(path) }
}

/// How messages call a file.
pub fn path_name(path: &Path) -> String {
    Shown::new(&path.to_string_lossy()).to_string()
}

fn open_file(path: &Path) -> io::Result<File> {
    let file = File::open(path)?;
    if file.metadata()?.is_dir() {
        return Err(rustix::io::Errno::ISDIR.into());
    }
    Ok(file)
}

fn unreadable(name: &str, error: &io::Error) -> Failure {
    Failure::not_run(format!("cannot read {name}: {}", reason(error)))
}

impl Input {
    /// All of it, in memory that nobody else writes.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn into_bytes(self) -> Result<Vec<u8>, Failure> {
        self.read(sconce_engine::read_module)
    }

    /// The same, where a component is of use too.
    ///
    /// # Errors
    /// As [`Input::into_bytes`].
    pub fn into_any_bytes(self) -> Result<Vec<u8>, Failure> {
        self.read(sconce_engine::read_module_or_component)
    }

    fn read(self, read: impl FnOnce(File, Option<u64>) -> Result<Vec<u8>, Error>) -> Result<Vec<u8>, Failure> {
        match self.source {
            Source::Bytes(bytes) | Source::Read(bytes, _) => Ok(bytes),
            Source::File(file) => {
                let length = file.metadata().ok().map(|m| m.len());
                read(file, length).map_err(|e| wrong(&self.name, &e))
            }
        }
    }

    /// The same in memory that nobody else writes, if its bytes have this hash.
    ///
    /// # Errors
    /// When they have another, or cannot be read.
    pub fn verified(self, hash: [u8; 32]) -> Result<Input, Failure> {
        let file = match &self.source {
            Source::File(file) => Some(file.try_clone().map_err(|e| unreadable(&self.name, &e))?),
            Source::Bytes(_) | Source::Read(..) => None,
        };
        let (name, place) = (self.name.clone(), self.place);
        let bytes = self.into_bytes()?;
        let found = *blake3::hash(&bytes).as_bytes();
        if found != hash {
            let (found, wanted) = (hash_text(found), hash_text(hash));
            return Err(Failure::not_run(format!(
                "{name}: its hash is {found}, and --module-hash wants {wanted}: it is another module"
            )));
        }
        let source = match file {
            Some(file) => Source::Read(bytes, file),
            None => Source::Bytes(bytes),
        };
        Ok(Input { name, source, place })
    }

    /// The file of a module that is still to be compiled; `None` if it came out of a pipe, or is compiled.
    pub fn into_module_file(self) -> Option<File> {
        let artifact = self.is_artifact();
        match self.source {
            Source::File(file) | Source::Read(_, file) if !artifact => Some(file),
            Source::File(_) | Source::Read(..) | Source::Bytes(_) => None,
        }
    }

    /// Device and inode, if it is a regular file.
    pub fn place(&self) -> Option<(u64, u64)> {
        self.place
    }

    /// Whether `sconce compile` wrote it.
    pub fn is_artifact(&self) -> bool {
        Module::is_artifact(&self.head::<16>())
    }

    /// The first bytes; zeros where there are fewer.
    pub fn head<const N: usize>(&self) -> [u8; N] {
        let mut head = [0; N];
        match &self.source {
            Source::Bytes(bytes) | Source::Read(bytes, _) => {
                let len = bytes.len().min(N);
                head[..len].copy_from_slice(&bytes[..len]);
            }
            // What cannot be read is not used: loading will say why.
            Source::File(file) => drop(file.read_at(&mut head, 0)),
        }
        head
    }
}

/// A hash as `--module-hash` takes it.
pub fn hash_text(hash: [u8; 32]) -> String {
    format!("blake3:{}", blake3::Hash::from_bytes(hash).to_hex())
}

/// The engine's configuration as far as the compiler's flags say it.
pub fn config(args: &CompilerArgs) -> Config {
    let tier = match args.tier {
        Tier::Auto => sconce_engine::Tier::Auto,
        Tier::Lightbeam => sconce_engine::Tier::Lightbeam,
        Tier::Cranelift => sconce_engine::Tier::Cranelift,
    };
    let calls = args.calls.unwrap_or(CallStyle::Direct);
    Config::new()
        .bounds(args.bounds)
        .calls(calls)
        .canonical_nans(args.canonical_nans)
        .gc_stress(args.gc_stress)
        .paranoid(args.paranoid)
        .fuel(args.count_fuel)
        .spectre_mitigations(!args.no_spectre)
        .baseline(args.baseline)
        .tier(tier)
}

/// Where `--cache` has compiled modules kept.
pub fn cache(flag: Option<&Path>) -> CacheMode {
    match flag {
        None => CacheMode::Default,
        Some(dir) if ["off", "no", "none"].iter().any(|word| dir.as_os_str() == *word) => CacheMode::Off,
        Some(dir) => CacheMode::Dir(dir.to_owned()),
    }
}

/// What helps against a problem of the cache: nothing, if it is one of the key, which says by itself what to do.
pub fn another_cache(problem: &str) -> &'static str {
    if problem.contains("cache directory") { "--cache DIR uses another directory, " } else { "" }
}

/// An engine; where guards could not be had, says so.
///
/// # Errors
/// What the system refuses.
pub fn engine(config: &Config) -> Result<Engine, Failure> {
    let engine = Engine::new(config).map_err(|e| Failure::not_run(e.to_string()))?;
    if let Some(notice) = engine.fallback_notice() {
        crate::report::warn(notice);
    }
    Ok(engine)
}

/// Whether what `sconce compile` wrote is taken.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Precompiled {
    /// Yes: it is trusted.
    Allowed,
    /// No, since it is machine code.
    Refused,
}

/// Compiles a module, or takes it from the cache; a bar is shown where that lasts.
///
/// # Errors
/// What is wrong with it, with its name.
pub fn compile(engine: &Engine, input: &Input, precompiled: Precompiled) -> Result<Module, Failure> {
    let name = &input.name;
    if input.is_artifact() {
        return match precompiled {
            Precompiled::Allowed => match &input.source {
                Source::File(file) => {
                    let file = file.try_clone().map_err(|e| unreadable(name, &e))?;
                    Module::deserialize_file(engine, file)
                }
                Source::Bytes(bytes) | Source::Read(bytes, _) => Module::deserialize(engine, bytes),
            }
            .map_err(|e| wrong(name, &e)),
            Precompiled::Refused => Err(Failure::not_run(format!("{name}: {NOT_ALLOWED}"))),
        };
    }
    let bar = Bar::new(name);
    let module = match &input.source {
        Source::File(file) => Module::from_file(engine, file, Some(&bar)),
        Source::Bytes(bytes) | Source::Read(bytes, _) => Module::new_with_progress(engine, bytes, &bar),
    };
    module.map_err(|e| wrong(name, &e))
}

/// Why what looks at modules refuses machine code.
pub const NO_MODULE: &str = "this is machine code that 'sconce compile' wrote; inspect the module that it was made from \
                             ('sconce disas' shows the code)";

/// Refuses what `sconce compile` wrote.
///
/// # Errors
/// `why`, with the input's name.
pub fn refuse_compiled(input: &Input, why: &str) -> Result<(), Failure> {
    if input.is_artifact() { Err(Failure::not_run(format!("{}: {why}", input.name))) } else { Ok(()) }
}

/// Compiles a module to be written to a file.
///
/// # Errors
/// What is wrong with it, with its name.
pub fn precompile(engine: &Engine, input: Input) -> Result<Artifact, Failure> {
    let name = input.name.clone();
    let bar = Bar::new(&name);
    Artifact::new(engine, input.into_bytes()?, Some(&bar)).map_err(|e| wrong(&name, &e))
}

/// Has a module compiled for the cache, and not loaded.
///
/// # Errors
/// What is wrong with it, with its name.
pub fn warm(
    engine: &Engine,
    input: Input,
    meant: Option<[u8; 32]>,
    others: Others,
    progress: &dyn Progress,
) -> Result<Warmed, Failure> {
    let name = input.name.clone();
    refuse_compiled(&input, NO_CACHE)?;
    Module::warm(engine, input.into_bytes()?, meant, others, Some(progress)).map_err(|e| wrong(&name, &e))
}

/// Why the cache wants none of it.
pub const NO_CACHE: &str = "this is what 'sconce compile' wrote, and needs no cache";

/// Why `run` refuses machine code that nobody vouches for.
const NOT_ALLOWED: &str =
    "this is machine code that 'sconce compile' wrote; if you trust it as you would a program, add --allow-precompiled";

/// An error of the module's, or of reading it.
pub fn wrong(name: &str, error: &Error) -> Failure {
    match error {
        Error::Io(e) => unreadable(name, e),
        // The engine knows no names of files.
        Error::Text(_) => {
            let text = error.to_string().replacen("--> <text>:", &format!("--> {name}:"), 1);
            Failure::not_run(format!("{name}: {text}"))
        }
        other => Failure::not_run(format!("{name}: {other}")),
    }
}
