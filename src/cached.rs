//! `sconce cache ls`, `stats` and `clean`: what is kept, for people.

use crate::cli::{CleanArgs, CompilerArgs, ListArgs, StatsArgs, WhichArgs};
use crate::load;
use crate::report::{self, Failure};
use crate::units;
use sconce_engine::{CacheMode, CachedFile, CachedKind, Engine};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Digits of a name that tell entries apart for people.
const DIGITS: usize = 16;
const DAY: Duration = Duration::from_secs(24 * 3600);

/// The cache, without a look at what is in it.
struct Cache {
    engine: Engine,
    directory: PathBuf,
}

impl Cache {
    /// Of a cache that is not there none is made.
    fn open(which: &WhichArgs, compiler: Option<&CompilerArgs>) -> Result<Option<Cache>, Failure> {
        let mode = load::cache(which.cache.as_deref());
        if mode == CacheMode::Off {
            return Err(Failure::usage("--cache off is no cache; leave it out, or name a directory"));
        }
        let Some(directory) = mode.directory() else {
            let why = "there is no cache: neither XDG_CACHE_HOME nor HOME says where; --cache DIR does";
            return Err(Failure::not_run(why));
        };
        if !directory.exists() {
            return Ok(None);
        }
        let config = compiler.map(load::config).unwrap_or_default();
        Ok(Some(Cache { engine: load::engine(&config.cache(mode))?, directory }))
    }

    fn files(&self) -> Result<Vec<CachedFile>, Failure> {
        let files = self.engine.cached_files().map_err(|e| load::wrong(&load::path_name(&self.directory), &e))?;
        let unusable = || Failure::not_run(self.engine.cache_problem().unwrap_or("the cache cannot be used").to_owned());
        files.ok_or_else(unusable)
    }

    /// The code of these modules, with their names; all code without modules.
    fn code(&self, modules: &[PathBuf]) -> Result<Vec<(CachedFile, Option<String>)>, Failure> {
        let mut names = BTreeMap::new();
        for path in modules {
            let name = load::name(path);
            let bytes = load::open(path)?.into_bytes()?;
            for entry in self.engine.cached_names(&bytes).map_err(|e| load::wrong(&name, &e))? {
                names.insert(entry, name.clone());
            }
        }
        let mut files = Vec::new();
        for file in self.files()?.into_iter().filter(|file| matches!(file.kind, CachedKind::Code { .. })) {
            match names.get(&file.name) {
                None if !modules.is_empty() => {}
                of => {
                    let of = of.cloned();
                    files.push((file, of));
                }
            }
        }
        Ok(files)
    }
}

fn compiler(file: &CachedFile) -> &'static str {
    match file.kind {
        CachedKind::Code { compiler: Some(compiler), .. } => compiler,
        CachedKind::Code { compiler: None, .. } => "another version",
        CachedKind::Note => "notes",
        CachedKind::Unfinished => "unfinished",
    }
}

fn is_damaged(file: &CachedFile) -> bool {
    matches!(file.kind, CachedKind::Code { damaged: true, .. })
}

/// Seconds since 1970.
fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Lists entries.
///
/// # Errors
/// What is wrong with the cache, or a module.
pub fn list(args: &ListArgs) -> Result<(), Failure> {
    let cache = Cache::open(&args.which, Some(&args.compiler))?;
    let files = cache.map_or(Ok(Vec::new()), |cache| cache.code(&args.files))?;
    if args.json {
        let object = |(file, of): &(CachedFile, Option<String>)| {
            json!({
                "name": file.name,
                "module": of,
                "compiler": compiler(file),
                "bytes": file.bytes,
                "last_use": seconds(file.last_use),
                "damaged": is_damaged(file),
            })
        };
        return report::list(&format!("{}\n", Value::Array(files.iter().map(object).collect())));
    }
    let mut text = String::new();
    for (file, of) in &files {
        let name = of.as_deref().unwrap_or(&file.name[..DIGITS]);
        let used = if is_damaged(file) { "damaged".to_owned() } else { format!("used {}", units::ago(file.last_use)) };
        let _ = writeln!(text, "{name}  {:>10}  {:<15}  {used}", units::bytes(file.bytes), compiler(file));
    }
    report::list(&text)
}

/// Says how much there is.
///
/// # Errors
/// What is wrong with the cache.
pub fn stats(args: &StatsArgs) -> Result<(), Failure> {
    let Some(cache) = Cache::open(&args.which, None)? else {
        return report::print(if args.json { "{}\n" } else { "there is no cache yet\n" });
    };
    let mut kinds: BTreeMap<&'static str, (u64, u64)> = BTreeMap::new();
    let files = cache.files()?;
    for file in &files {
        let (count, bytes) = kinds.entry(compiler(file)).or_default();
        *count += 1;
        *bytes += file.bytes;
    }
    let total = files.iter().map(|file| file.bytes).sum::<u64>();
    let (directory, limit) = (load::path_name(&cache.directory), cache.engine.cache_limit());
    if args.json {
        let kinds: serde_json::Map<_, _> = kinds
            .into_iter()
            .map(|(kind, (count, bytes))| (kind.to_owned(), json!({ "files": count, "bytes": bytes })))
            .collect();
        let all = json!({ "directory": directory, "bytes": total, "limit": limit, "kinds": kinds });
        return report::print(&format!("{all}\n"));
    }
    let mut text = format!("{directory}: {} of {}\n", units::bytes(total), units::bytes(limit));
    for (kind, (count, bytes)) in kinds {
        let files = if count == 1 { "file" } else { "files" };
        let _ = writeln!(text, "  {kind:<15}  {count} {files}, {}", units::bytes(bytes));
    }
    report::print(&text)
}

/// Removes entries, or everything.
///
/// # Errors
/// What is wrong with the cache, or a module.
pub fn clean(args: &CleanArgs) -> Result<(), Failure> {
    let Some(cache) = Cache::open(&args.which, Some(&args.compiler))? else { return report::print("there is no cache yet\n") };
    let mut files = match args.files.is_empty() {
        true => cache.files()?,
        false => cache.code(&args.files)?.into_iter().map(|(file, _)| file).collect(),
    };
    if let Some(days) = args.unused_for {
        let old = |file: &CachedFile| file.last_use.elapsed().is_ok_and(|since| since >= DAY * days);
        files.retain(old);
    }
    let freed = files.iter().map(|file| cache.engine.remove_cached(&file.name)).sum::<u64>();
    let what = if files.len() == 1 { "file" } else { "files" };
    report::print(&format!("removed {} {what}, {}\n", files.len(), units::bytes(freed)))
}
