//! Which chunks of a module's text and data its runs needed, kept in the cache: the next run brings them in
//! at once, which costs less than a fault for each, and the text beside what else there is to do before the
//! program begins.
//!
//! The set is a hint, and is not trusted: whatever is in it, chunks are compared with their digests. It grows
//! by what a run had to fetch besides; since nobody knows then which of the others were needed, it begins
//! anew when it is over half of the text, or of the data.

use super::Cache;
use sconce_runtime as rt;
use std::sync::Arc;

/// Fewer chunks than this are left to faults: noting them would cost as much.
const WORTH_NOTING: usize = 8;

/// What was known of a module when it was loaded, and where the cache keeps that.
pub(crate) struct Used {
    cache: Arc<Cache>,
    name: String,
    before: Chunks,
}

/// A bit for each chunk, lowest first.
struct Chunks {
    text: Vec<u8>,
    data: Vec<u8>,
}

impl Used {
    /// Brings in what earlier runs needed of the artifact with this hash, text `beside` what else is to be
    /// done. `None` if nothing of it is brought in lazily at all.
    pub(crate) fn begin(
        cache: &Arc<Cache>,
        hash: &[u8],
        loaded: &rt::LoadedModule,
        beside: impl FnOnce(Box<dyn FnOnce() + Send>),
    ) -> Option<Used> {
        let mut text = loaded.code().present_chunks().unwrap_or_default();
        let mut data = vec![0; loaded.lazy_data_chunks().div_ceil(8)];
        if text.is_empty() && data.is_empty() {
            return None;
        }
        let mut hasher = blake3::Hasher::new();
        hasher.update(hash).update(b"chunks of text and data that runs needed");
        let name = hasher.finalize().to_hex().to_string();
        if let Some(hint) = cache.small(&name, text.len() + data.len()) {
            data.copy_from_slice(&hint[text.len()..]);
            text.copy_from_slice(&hint[..hint.len() - data.len()]);
            let (code, chunks) = (loaded.code().clone(), text.clone());
            // Data first: the instance waits for it.
            let read_data = loaded.want_data(&data);
            beside(Box::new(move || {
                read_data();
                code.bring_in(&chunks);
            }));
        }
        Some(Used { cache: cache.clone(), name, before: Chunks { text, data } })
    }

    /// Notes what the run that ends now needed.
    pub(crate) fn note(&self, loaded: &rt::LoadedModule) {
        let text = Part::of(&self.before.text, &loaded.code().present_chunks().unwrap_or_default(), loaded.code().text_len());
        let data = loaded.present_data().unwrap_or_default();
        let data = Part::of(&self.before.data, &data, loaded.lazy_data_chunks() * rt::CHUNK);
        if text.fetched + data.fetched >= WORTH_NOTING {
            self.cache.keep_small(&self.name, &[text.next, data.next].concat());
        }
    }
}

/// Of the chunks of text or data.
struct Part {
    /// What the next run is to bring in.
    next: Vec<u8>,
    /// How many had to be fetched in this one.
    fetched: usize,
}

impl Part {
    /// From what was known before, what is there now (nothing of it, if it is shorter), and the number of bytes.
    fn of(before: &[u8], now: &[u8], len: usize) -> Part {
        let now = |i: usize| now.get(i).copied().unwrap_or_default();
        let fetched: Vec<u8> = before.iter().enumerate().map(|(i, before)| now(i) & !before).collect();
        // What is still being brought in was needed before.
        let all: Vec<u8> = before.iter().zip(&fetched).map(|(before, fetched)| before | fetched).collect();
        let count = count(&fetched);
        Part { next: if self::count(&all) > len.div_ceil(rt::CHUNK) / 2 { fetched } else { all }, fetched: count }
    }
}

fn count(bits: &[u8]) -> usize {
    bits.iter().map(|b| b.count_ones() as usize).sum()
}

#[cfg(test)]
mod tests {
    use super::rt;
    use crate::{CacheMode, Config, Engine, Linker, Module, Store};
    use std::fs;
    use std::path::Path;

    const FUNCTIONS: u32 = 40_000;

    /// More than 1 MiB of text: functions are aligned, so many small ones make a long text fast.
    fn wat() -> String {
        let function = |n| format!("(func (export \"f{n}\") (result i32) (i32.const {n}))");
        format!("(module {})", (0..FUNCTIONS).map(function).collect::<String>())
    }

    /// The module, from a file beside the cache.
    fn load(engine: &Engine, dir: &Path, wat: &str) -> Module {
        let path = dir.with_extension("wat");
        fs::write(&path, wat).unwrap();
        Module::from_file(engine, &fs::File::open(path).unwrap(), None).unwrap()
    }

    /// Runs some functions of the module in the cache; gives the number of chunks that were there before and after.
    fn run(dir: &Path, wat: &str, functions: impl Iterator<Item = u32>) -> [usize; 2] {
        // So that text is there when its module is.
        let engine = Engine::new(&Config::new().cache(CacheMode::Dir(dir.into())).parallel(false)).unwrap();
        let module = load(&engine, dir, wat);
        let present = || super::count(&module.compiled().loaded.code().present_chunks().unwrap_or_default());
        let before = present();
        let mut store = Store::new(&engine, ()).unwrap();
        let instance = Linker::new(&engine).instantiate(&mut store, &module).unwrap();
        for n in functions {
            let f = instance.get_typed_func::<(), u32>(&mut store, &format!("f{n}")).unwrap();
            assert_eq!(f.call(&mut store, ()).unwrap(), n);
        }
        module.note_use();
        [before, present()]
    }

    #[test]
    fn what_a_run_needed_is_there_for_the_next_one() {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path().join("cache");
        let wat = wat();
        // Compiled now, with all of its text: nothing to note.
        assert_eq!(run(&dir, &wat, 0..1), [0, 0]);
        let files = || fs::read_dir(&dir).unwrap().map(|e| e.unwrap().path()).collect::<Vec<_>>();
        assert_eq!(files().len(), 1);
        let entry = files().remove(0);
        // A body and a thunk each.
        let few = || (0..FUNCTIONS).step_by(FUNCTIONS as usize / 10);
        let [before, needed] = run(&dir, &wat, few());
        assert!(before == 0 && (15..=20).contains(&needed), "{before} {needed}");
        assert_eq!(run(&dir, &wat, few()), [needed, needed]);
        // A little more is fetched, and not noted.
        assert_eq!(run(&dir, &wat, 2500..2501), [needed, needed + 2]);
        assert_eq!(run(&dir, &wat, 2500..2501), [needed, needed + 2]);
        // Most of it: what was fetched besides is kept, and the rest forgotten.
        let [before, all] = run(&dir, &wat, (0..FUNCTIONS).step_by(100));
        assert!(before == needed && all > 2 * needed, "{all}");
        assert_eq!(run(&dir, &wat, 0..0), [all - needed; 2]);

        // A hint that lies costs time alone, one of the wrong length is none.
        let hint = files().into_iter().find(|path| *path != entry).unwrap();
        let len = fs::read(&hint).unwrap().len();
        fs::write(&hint, vec![0xff; len]).unwrap();
        assert_eq!(run(&dir, &wat, few()), [all, all]);
        for wrong in [len - 1, len + 1] {
            fs::write(&hint, vec![0xff; wrong]).unwrap();
            assert_eq!(run(&dir, &wat, 0..0), [0, 0]);
        }
    }

    const DATA: usize = 128;

    /// A module with as many chunks of data as [`DATA`] says, each full of its number.
    fn with_data() -> String {
        let data: String = (0..DATA).map(|n| format!("\\{n:02x}").repeat(rt::CHUNK)).collect();
        format!(
            r#"(module (memory 64) (data (i32.const 16384) "{data}")
                (func (export "at") (param i32) (result i32) (i32.load8_u (local.get 0))))"#
        )
    }

    /// Reads from chunks of the module in the artifact; gives which ones were there when it was instantiated, and in the end.
    fn read(dir: &Path, artifact: &Path, chunks: impl Iterator<Item = usize>) -> [Vec<usize>; 2] {
        let engine = Engine::new(&Config::new().cache(CacheMode::Dir(dir.into()))).unwrap();
        let module = Module::deserialize_file(&engine, fs::File::open(artifact).unwrap()).unwrap();
        let mut store = Store::new(&engine, ()).unwrap();
        let instance = Linker::new(&engine).instantiate(&mut store, &module).unwrap();
        let present = || {
            let bits = module.compiled().loaded.present_data().unwrap();
            (0..DATA).filter(|n| bits[n / 8] >> (n % 8) & 1 != 0).collect::<Vec<usize>>()
        };
        let before = present();
        let at = instance.get_typed_func::<u32, u32>(&mut store, "at").unwrap();
        for n in chunks {
            assert_eq!(at.call(&mut store, ((1 + n) * rt::CHUNK + 7) as u32).unwrap(), n as u32);
        }
        module.note_use();
        [before, present()]
    }

    #[test]
    fn data_that_a_run_needed_is_there_for_the_next_one_of_the_same_artifact() {
        let temp = tempfile::tempdir().unwrap();
        let (dir, artifact) = (temp.path().join("cache"), temp.path().join("artifact"));
        let compile = |wat: &str| {
            let engine = Engine::new(&Config::new()).unwrap();
            fs::write(&artifact, Module::new(&engine, wat.as_bytes()).unwrap().serialize().unwrap()).unwrap();
        };
        compile(&with_data());
        let some = || (0..DATA).step_by(9);
        assert_eq!(read(&dir, &artifact, some()), [vec![], some().collect()]);
        assert_eq!(read(&dir, &artifact, some()), [some().collect::<Vec<_>>(), some().collect()]);
        // Most of it: what was fetched besides is kept, and the rest forgotten.
        assert_eq!(read(&dir, &artifact, 0..DATA)[1].len(), DATA);
        let others: Vec<usize> = (0..DATA).filter(|n| n % 9 != 0).collect();
        assert_eq!(read(&dir, &artifact, 0..0), [others.clone(), others]);
        // Another artifact in the same file.
        compile(&with_data().replace("\"at\"", "\"at\") (export \"also\""));
        assert_eq!(read(&dir, &artifact, 0..0), [vec![], vec![]]);
    }

    #[test]
    fn text_that_comes_in_beside_the_run_is_what_it_should_be() {
        let temp = tempfile::tempdir().unwrap();
        let (dir, wat) = (temp.path().join("cache"), wat());
        let run = || {
            let engine = Engine::new(&Config::new().cache(CacheMode::Dir(dir.clone()))).unwrap();
            let module = load(&engine, &dir, &wat);
            let mut store = Store::new(&engine, ()).unwrap();
            let instance = Linker::new(&engine).instantiate(&mut store, &module).unwrap();
            // Against the order in which it comes in.
            for n in (0..FUNCTIONS).step_by(100).rev() {
                let f = instance.get_typed_func::<(), u32>(&mut store, &format!("f{n}")).unwrap();
                assert_eq!(f.call(&mut store, ()).unwrap(), n);
            }
            module.note_use();
        };
        (0..4).for_each(|_| run());
    }
}
