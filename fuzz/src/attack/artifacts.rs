//! Compiled modules in files and in the cache: damaged ones, and ones whose hashes are right although nobody has compiled them.

use super::{Body, Seen, mutate, seeds, told};
use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;
use sconce_engine::environ::index::FuncIndex;
use sconce_engine::{CacheMode, Config, Engine, Error, Module, Store, Tier};
use std::fs::{self, File};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Where the head says how long the part behind it is, and what that part's hash is; and its own length. As `artifact/format.rs` of
/// the engine has them.
const LEN_AT: Range<usize> = 48..56;
const HASH_AT: Range<usize> = 64..96;
const HEAD: usize = 96;

/// What is compiled.
const MODULES: usize = 60;

fn engines() -> [Engine; 2] {
    let engine = |tier| Engine::new(&Config::new().tier(tier).parallel(false));
    [Tier::Lightbeam, Tier::Cranelift].map(|tier| engine(tier).expect("there is address space for an engine"))
}

/// Artifacts of both compilers.
pub fn artifacts() -> Vec<Vec<u8>> {
    let engines = engines();
    let modules = seeds::valid_modules();
    let step = (modules.len() / MODULES).max(1);
    let compile = |(n, module): (usize, &Vec<u8>)| Module::new(&engines[n % 2], module).and_then(|m| m.serialize()).ok();
    modules.iter().step_by(step).enumerate().filter_map(compile).collect()
}

/// One that was damaged anywhere.
pub fn damaged(rng: &mut ChaCha8Rng, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = seeds.choose(rng).cloned().unwrap_or_default();
    for _ in 0..1 + rng.random::<u32>().trailing_zeros() {
        mutate::bytes(rng, &mut bytes, seeds);
    }
    bytes
}

/// One whose metadata was changed, in front of what they describe.
pub fn forged(rng: &mut ChaCha8Rng, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = seeds.choose(rng).cloned().unwrap_or_default();
    let Some(eager) = eager(&bytes) else { return bytes };
    let mut part = bytes[eager.clone()].to_vec();
    for _ in 0..1 + rng.random::<u32>().trailing_zeros() {
        mutate::bytes(rng, &mut part, seeds);
    }
    // What follows begins at a page.
    let page = |len: usize| (HEAD + len).next_multiple_of(4096);
    let rest = bytes.split_off(page(eager.len()).min(bytes.len()));
    bytes.truncate(HEAD);
    bytes.extend(&part);
    bytes.resize(page(part.len()), 0);
    bytes.extend(rest);
    bytes[LEN_AT].copy_from_slice(&(part.len() as u64).to_le_bytes());
    bytes
}

/// Where the part is that the head's hash is of.
fn eager(bytes: &[u8]) -> Option<Range<usize>> {
    let len = usize::try_from(u64::from_le_bytes(bytes.get(LEN_AT)?.try_into().ok()?)).ok()?;
    let end = HEAD.checked_add(len)?;
    (end <= bytes.len()).then_some(HEAD..end)
}

/// Reads an artifact, and asks for everything that can be asked without running its code, which is anything.
fn read(engines: &[Engine; 2], bytes: &[u8]) -> Seen {
    let _ = Module::artifact_settings(bytes);
    let mut seen = "refused";
    for engine in engines {
        match Module::deserialize(engine, bytes) {
            Err(e) => told(&e.to_string())?,
            Ok(module) => {
                seen = "read";
                module.imports().for_each(drop);
                module.exports().for_each(drop);
                for func in 0..module.environ().functions.len().min(64) as u32 {
                    let _ = module.function_name(FuncIndex::from_u32(func));
                }
                for section in ["name", ".debug_info", ".debug_line"] {
                    let _ = module.custom_section(section);
                }
                let _ = (module.name(), format!("{module:?}"));
                module.serialize().map_err(|e| e.to_string())?;
            }
        }
    }
    Ok(seen)
}

/// As they are.
pub fn as_they_are() -> Body {
    let engines = engines();
    Box::new(move |bytes| read(&engines, bytes))
}

/// With the right hash.
pub fn sealed() -> Body {
    let engines = engines();
    Box::new(move |bytes| {
        let mut bytes = bytes.to_vec();
        if let Some(eager) = eager(&bytes) {
            let hash = blake3::hash(&bytes[eager]);
            bytes[HASH_AT].copy_from_slice(hash.as_bytes());
        }
        read(&engines, &bytes)
    })
}

/// A directory for a cache, its key and a module.
struct Place {
    dir: tempfile::TempDir,
    engine: Engine,
}

const PROGRAM: &str = r#"(module (memory 1) (table 3 funcref) (elem (i32.const 0) $a $b)
    (type $t (func (param i32) (result i32)))
    (func $a (type $t) (i32.add (local.get 0) (i32.const 1)))
    (func $b (type $t) (i32.load8_u (local.get 0)))
    (func (export "run") (result i32)
        (i32.add (call_indirect (type $t) (i32.const 41) (i32.const 0)) (call_indirect (type $t) (i32.const 0) (i32.const 1))))
    (data (i32.const 0) "\07"))"#;
const RESULT: i32 = 49;

impl Place {
    fn new() -> Result<Place, Error> {
        let dir = tempfile::tempdir().map_err(Error::host)?;
        let config = Config::new().tier(Tier::Lightbeam).parallel(false).hold_background(true);
        let config = config.cache(CacheMode::Dir(dir.path().join("cache"))).cache_key(dir.path().join("state/key"));
        let module = wat::parse_str(PROGRAM).expect("well-formed text");
        fs::write(dir.path().join("module.wasm"), module).map_err(Error::host)?;
        Ok(Place { engine: Engine::new(&config)?, dir })
    }

    /// Loads the module and calls it.
    fn run(&self) -> Result<i32, Error> {
        let file = File::open(self.dir.path().join("module.wasm")).map_err(Error::host)?;
        let module = Module::from_file(&self.engine, &file, None)?;
        self.engine.finish_background_work();
        let mut store = Store::new(&self.engine, ())?;
        let instance = sconce_engine::Instance::new(&mut store, &module, &[])?;
        instance.get_typed_func::<(), i32>(&mut store, "run")?.call(&mut store, ())
    }

    /// What the cache has, in order of their names.
    fn entries(&self) -> Vec<PathBuf> {
        files(&self.dir.path().join("cache"))
    }
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> = Vec::new();
    for path in fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path()) {
        if path.is_dir() { all.extend(files(&path)) } else { all.push(path) }
    }
    all.sort();
    all
}

/// What a cache has, each with a byte that says which of its files it is.
pub fn entries() -> Vec<Vec<u8>> {
    let place = Place::new().expect("there is room for a cache");
    place.run().expect("the program runs");
    let numbered = |(n, path): (usize, &PathBuf)| [&[n as u8], &fs::read(path).unwrap_or_default()[..]].concat();
    place.entries().iter().enumerate().map(numbered).collect()
}

/// A cache in which one file was replaced. Whatever is there, the program runs as it is meant to, and the next time as well.
pub fn cache() -> Body {
    let place = Place::new().expect("there is room for a cache");
    Box::new(move |bytes| {
        place.run().map_err(|e| e.to_string())?;
        let entries = place.entries();
        let Some((&n, content)) = bytes.split_first() else { return Ok("nothing") };
        let Some(path) = entries.get(n as usize % entries.len().max(1)) else { return Err("the cache is empty".to_owned()) };
        fs::write(path, content).map_err(|e| e.to_string())?;
        for _ in 0..2 {
            match place.run() {
                Ok(RESULT) => {}
                other => return Err(format!("the program gives {other:?}")),
            }
        }
        match place.entries().len() {
            now if now > entries.len() + 1 => Err(format!("{now} files are left, and there were {}", entries.len())),
            _ => Ok("ran"),
        }
    })
}
