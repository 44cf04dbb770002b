//! What the program is given: flags to a [`WasiCtx`].

use crate::cli::RunArgs;
use crate::load;
use crate::report::{self, Failure, reason};
use crate::stdio;
use crate::values::{ListenAddr, parse_env_file};
use sconce_engine::environ::shown::Shown;
use sconce_engine::{CacheMode, Engine, Linker};
use sconce_wasi::{Access, BuildError, Limits, WasiCtx, Watch};
use std::collections::{BTreeSet, HashSet};
use std::ffi::OsString;
use std::io::ErrorKind;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The descriptors of `--fd`, taken before anything else is opened that could have their numbers.
#[derive(Debug)]
pub struct Inherited(Vec<OwnedFd>);

impl Inherited {
    /// Takes them.
    ///
    /// # Errors
    /// Which is not there.
    pub fn take(numbers: &[i32]) -> Result<Inherited, Failure> {
        let take = |&n: &i32| sconce_engine::inherit(n).map_err(|e| Failure::not_run(format!("--fd {n}: {}", reason(&e.into()))));
        numbers.iter().map(take).collect::<Result<_, _>>().map(Inherited)
    }
}

/// The program's context; `words` are its arguments.
///
/// # Errors
/// Which directory, file or address cannot be had, and why.
pub fn context(args: &RunArgs, words: &[OsString], inherited: Inherited, limits: Limits) -> Result<WasiCtx, Failure> {
    let file = Path::new(&args.command[0]);
    let name = args.argv0.as_deref().or_else(|| file.file_name()).unwrap_or(file.as_os_str());
    let mut builder = WasiCtx::builder().arg(name.as_bytes()).args(words.iter().map(|a| a.as_bytes()));
    if args.inherit_env {
        let mut seen = HashSet::new();
        for (name, value) in std::env::vars_os() {
            // The system passes such things on; a program cannot look them up. Of two with one name `getenv` finds the first.
            if !name.is_empty() && !name.as_bytes().contains(&b'=') && seen.insert(name.clone()) {
                builder = builder.env(name.into_vec(), value.into_vec());
            }
        }
    }
    let mut files = Vec::new();
    for path in &args.env_file {
        let wrong = |why: &dyn std::fmt::Display| Failure::not_run(format!("--env-file {}: {why}", load::path_name(path)));
        let text = std::fs::read(path).map_err(|e| wrong(&reason(&e)))?;
        files.extend(parse_env_file(&text).map_err(|why| wrong(&why))?);
    }
    for var in files.iter().chain(&args.env) {
        builder = builder.env(var.name.as_bytes(), var.value.as_bytes());
    }
    builder = builder.ignore_signals((1..32).filter(|&signal| sconce_engine::ignored_at_start(signal)));
    builder = builder.inherit_stdio().map_err(|e| Failure::not_run(format!("standard streams: {}", reason(&e))))?;
    builder = builder.on_standard_close(stdio::close);
    for dir in &args.dirs {
        let access = if dir.read_only { Access::ReadOnly } else { Access::ReadWrite };
        builder = builder.preopen_path(&dir.host, dir.guest.as_bytes(), access).map_err(failure)?;
    }
    for own in own_directories(args) {
        builder = builder.mask(own);
    }
    if args.deterministic {
        builder = builder.deterministic(args.seed.unwrap_or(0));
    }
    for address in &args.listen {
        builder = builder.listener(listen(address)?);
    }
    for fd in inherited.0 {
        builder = builder.descriptor(fd);
    }
    builder.limits(limits).build().map_err(failure)
}

/// What compiled code is kept and recognized by, here and where other runs have it that do not know what this one's variables say.
/// With `--cache off` too: who could write there now would be believed by the next run.
fn own_directories(args: &RunArgs) -> BTreeSet<PathBuf> {
    let caches = [CacheMode::Default.directory(), load::cache(args.cache.as_deref()).directory()];
    // By the system's list of users, if no variable says it.
    let home = std::env::home_dir().filter(|home| home.is_absolute());
    let of_home = [".cache/sconce", ".local/state/sconce"].map(|place| home.as_ref().map(|home| home.join(place)));
    caches.into_iter().chain([CacheMode::key_directory()]).chain(of_home).flatten().collect()
}

/// Listens, and says on which port if any would do.
fn listen(address: &ListenAddr) -> Result<TcpListener, Failure> {
    let asked = address.0[0];
    let failed = |e| Failure::not_run(format!("--listen {asked}: {}", reason(&e)));
    let listener = TcpListener::bind(&address.0[..]).map_err(failed)?;
    if asked.port() == 0 {
        let chosen = listener.local_addr().map_err(failed)?;
        report::complain(&format!("--listen {asked}: listening on {chosen}"));
    }
    Ok(listener)
}

fn failure(error: BuildError) -> Failure {
    match error {
        BuildError::Preopen { path, source } => {
            let name = load::path_name(&path);
            // Others write one colon.
            let hint = match name.split_once(':') {
                Some((_, word)) if ["ro", "readonly", "rw"].iter().any(|known| word.eq_ignore_ascii_case(known)) => {
                    "; write ':ro' for read-only, or nothing".to_owned()
                }
                Some((host, guest)) if source.kind() == ErrorKind::NotFound => {
                    format!("; --dir {host}::{guest} gives '{host}' under the name '{guest}'")
                }
                Some(_) | None => String::new(),
            };
            Failure::not_run(format!("--dir {name}: {}{hint}", reason(&source)))
        }
        BuildError::DuplicateGuestPath(path) => {
            let path = Shown::short(&path);
            Failure::usage(format!(
                "--dir: the program's path '{path}' is given twice, for different directories or once with :ro"
            ))
        }
        BuildError::Masks(source) => {
            Failure::not_run(format!("cannot look for the directories that no program may reach: {}", reason(&source)))
        }
        BuildError::Descriptors(_) => Failure::not_run(format!("{error} (--max-fds)")),
        BuildError::NoMemory => Failure::not_run(format!("{error} (--max-memory)")),
        other => Failure::not_run(other.to_string()),
    }
}

/// A linker with everything that the host gives, for calls that somebody watches, or nobody.
///
/// # Errors
/// The engine's.
pub fn linker(engine: &Engine, watch: Watch) -> Result<Linker<Arc<WasiCtx>>, Failure> {
    let mut linker = Linker::new(engine);
    let get: fn(&Arc<WasiCtx>) -> &WasiCtx = |context| context;
    let added = if watch.is_idle() {
        sconce_wasi::add_to_linker(&mut linker, get)
    } else {
        sconce_wasi::add_watched_to_linker(&mut linker, get, watch)
    };
    added.map_err(|e| Failure::not_run(e.to_string()))?;
    Ok(linker)
}
