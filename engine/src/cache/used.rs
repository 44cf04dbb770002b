//! Which chunks of a module's text and data its runs needed, kept in the cache: the next run brings them in
//! at once, which costs less than a fault for each, and the text beside what else there is to do before the
//! program begins.
//!
//! The set is a hint, and is not trusted: whatever is in it, chunks are compared with their digests. It grows
//! by what a run had to fetch besides; since nobody knows then which of the others were needed, it begins
//! anew when it is over half of the text, or of the data.
//!
//! Its file is opened when the module is loaded, and written in place at the end of a run, which by then may have nothing else of
//! the cache: so two runs at once may mix what they write, and no harm is done.

use super::Cache;
use super::directory::HINT;
use rustix::fd::OwnedFd;
use sconce_runtime as rt;

/// Fewer chunks than this are left to faults: noting them would cost as much.
const WORTH_NOTING: usize = 8;

/// What was known of a module when it was loaded, and where the cache keeps that.
pub(crate) struct Used {
    /// Written to if it is open for that.
    hint: OwnedFd,
    before: Chunks,
}

/// A bit for each chunk, lowest first.
struct Chunks {
    text: Vec<u8>,
    data: Vec<u8>,
}

impl Used {
    /// Brings in what earlier runs needed of the artifact with this hash: data, for which an instance waits, and then text,
    /// `beside` what else is to be done. `None` if nothing of it is brought in lazily at all, or nothing can be kept.
    pub(crate) fn begin(
        cache: &Cache,
        hash: &[u8],
        loaded: &rt::LoadedModule,
        beside: impl FnOnce(Box<dyn FnOnce() + Send>, Box<dyn FnOnce() + Send>),
    ) -> Option<Used> {
        let mut text = loaded.code().present_chunks().unwrap_or_default();
        let mut data = vec![0; loaded.lazy_data_chunks().div_ceil(8)];
        if text.is_empty() && data.is_empty() {
            return None;
        }
        let mut hasher = blake3::Hasher::new();
        hasher.update(hash).update(b"chunks of text and data that runs needed");
        let name = format!("{}{HINT}", hasher.finalize().to_hex());
        let hint = cache.open_hint(&name)?;
        if let Some(hint) = read_hint(&hint, text.len() + data.len()) {
            data.copy_from_slice(&hint[text.len()..]);
            text.copy_from_slice(&hint[..hint.len() - data.len()]);
            let (code, chunks) = (loaded.code().clone(), text.clone());
            beside(Box::new(loaded.want_data(&data)), Box::new(move || code.bring_in(&chunks)));
        }
        Some(Used { hint, before: Chunks { text, data } })
    }

    /// Notes what the run that ends now needed.
    pub(crate) fn note(&self, loaded: &rt::LoadedModule) {
        let text = Part::of(&self.before.text, &loaded.code().present_chunks().unwrap_or_default(), loaded.code().text_len());
        let data = loaded.present_data().unwrap_or_default();
        let data = Part::of(&self.before.data, &data, loaded.lazy_data_chunks() * rt::CHUNK);
        if text.fetched + data.fetched >= WORTH_NOTING {
            // What is cut off is none. Of one length always, so that nothing of what was there before stays.
            if let Err(e) = rustix::io::pwrite(&self.hint, &[text.next, data.next].concat(), 0) {
                log::debug!("the chunks that a run needed are not noted: {e}");
            }
        }
    }
}

/// The contents of a hint's file, if they have this length. If they have another, they go, where that is possible.
fn read_hint(file: &OwnedFd, len: usize) -> Option<Vec<u8>> {
    let stat = rustix::fs::fstat(file).ok()?;
    if stat.st_size.cast_unsigned() != len as u64 {
        if stat.st_size != 0 {
            let _ = rustix::fs::ftruncate(file, 0);
        }
        return None;
    }
    let mut bytes = vec![0; len];
    (rustix::io::pread(file, &mut bytes, 0) == Ok(len)).then_some(bytes)
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

    /// With a cache here, and its key beside it.
    fn config(dir: &Path) -> Config {
        Config::new().cache(CacheMode::Dir(dir.into())).cache_key(dir.with_file_name("state").join("key"))
    }

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
        run_closing(dir, wat, functions, false)
    }

    /// The same after the cache has been closed, if it is to be.
    fn run_closing(dir: &Path, wat: &str, functions: impl Iterator<Item = u32>, close: bool) -> [usize; 2] {
        // So that text is there when its module is.
        let engine = Engine::new(&config(dir).parallel(false)).unwrap();
        let module = load(&engine, dir, wat);
        let present = || super::count(&module.compiled().loaded.code().present_chunks().unwrap_or_default());
        let before = present();
        if close {
            engine.close_cache();
        }
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

    #[test]
    fn a_run_notes_what_it_needed_though_the_cache_is_closed() {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path().join("cache");
        let wat = wat();
        run(&dir, &wat, 0..1);
        let files = || fs::read_dir(&dir).unwrap().map(|e| e.unwrap().path()).collect::<Vec<_>>();
        let entry = files().remove(0);
        // Its file is there, and empty, when nothing is noted.
        assert_eq!(run(&dir, &wat, 0..0), [0, 0]);
        let hint = files().into_iter().find(|path| *path != entry).unwrap();
        let len = || fs::metadata(&hint).unwrap().len();
        assert_eq!((files().len(), len()), (2, 0));
        let few = || (0..FUNCTIONS).step_by(FUNCTIONS as usize / 10);
        let [_, needed] = run_closing(&dir, &wat, few(), true);
        assert!(needed > 10 && len() > 0, "{needed}");
        assert_eq!(run_closing(&dir, &wat, few(), true), [needed, needed]);

        // What is too long is cut, and what runs note then is all that there is.
        let good = fs::read(&hint).unwrap();
        fs::write(&hint, vec![0xff; good.len() + 5]).unwrap();
        assert_eq!(run_closing(&dir, &wat, few(), true), [0, needed]);
        assert!(fs::read(&hint).unwrap() == good);

        // What has another name too, or is no file, is not written to.
        let name = temp.path().join("name");
        fs::hard_link(&hint, &name).unwrap();
        fs::write(&hint, "precious").unwrap();
        assert_eq!(run_closing(&dir, &wat, few(), true), [0, needed]);
        assert_eq!(fs::read(&name).unwrap(), b"precious");
        fs::remove_file(&hint).unwrap();
        std::os::unix::fs::symlink(&name, &hint).unwrap();
        assert_eq!(run_closing(&dir, &wat, few(), true), [0, needed]);
        assert_eq!(fs::read(&name).unwrap(), b"precious");
        fs::remove_file(&hint).unwrap();
        fs::create_dir(&hint).unwrap();
        assert_eq!(run_closing(&dir, &wat, few(), true), [0, needed]);
    }

    #[test]
    fn what_is_held_back_comes_in_when_it_is_begun() {
        let temp = tempfile::tempdir().unwrap();
        let (dir, wat) = (temp.path().join("cache"), wat());
        run(&dir, &wat, 0..1);
        let [_, needed] = run(&dir, &wat, (0..FUNCTIONS).step_by(FUNCTIONS as usize / 10));
        let engine = Engine::new(&config(&dir).hold_background(true)).unwrap();
        let threads = || fs::read_dir("/proc/self/task").unwrap().count();
        let before = threads();
        let module = load(&engine, &dir, &wat);
        let present = |module: &Module| super::count(&module.compiled().loaded.code().present_chunks().unwrap());
        engine.close_cache();
        std::thread::sleep(std::time::Duration::from_millis(50));
        assert_eq!((present(&module), threads()), (0, before));
        engine.begin_background_work();
        let comes_in = |module: &Module| {
            let start = std::time::Instant::now();
            while present(module) != needed {
                assert!(start.elapsed() < std::time::Duration::from_secs(60), "{}", present(module));
            }
        };
        comes_in(&module);
        // Twice is once.
        engine.begin_background_work();

        // From then on nothing is held back.
        let engine = Engine::new(&config(&dir).hold_background(true)).unwrap();
        engine.begin_background_work();
        comes_in(&load(&engine, &dir, &wat));
    }

    /// An instance waits for its data, which is read without a thread then.
    #[test]
    fn an_instance_does_not_wait_for_what_is_held_back() {
        let temp = tempfile::tempdir().unwrap();
        let (dir, artifact) = (temp.path().join("cache"), temp.path().join("artifact"));
        let engine = Engine::new(&Config::new()).unwrap();
        fs::write(&artifact, Module::new(&engine, with_data().as_bytes()).unwrap().serialize().unwrap()).unwrap();
        let some = || (0..DATA).step_by(9);
        assert_eq!(read(&config(&dir), &artifact, some())[0], vec![]);
        let held = config(&dir).hold_background(true);
        assert_eq!(read(&held, &artifact, some()), [some().collect::<Vec<_>>(), some().collect()]);
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
    fn read(config: &Config, artifact: &Path, chunks: impl Iterator<Item = usize>) -> [Vec<usize>; 2] {
        let engine = Engine::new(config).unwrap();
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
        assert_eq!(read(&config(&dir), &artifact, some()), [vec![], some().collect()]);
        assert_eq!(read(&config(&dir), &artifact, some()), [some().collect::<Vec<_>>(), some().collect()]);
        // Most of it: what was fetched besides is kept, and the rest forgotten.
        assert_eq!(read(&config(&dir), &artifact, 0..DATA)[1].len(), DATA);
        let others: Vec<usize> = (0..DATA).filter(|n| n % 9 != 0).collect();
        assert_eq!(read(&config(&dir), &artifact, 0..0), [others.clone(), others]);
        // Another artifact in the same file.
        compile(&with_data().replace("\"at\"", "\"at\") (export \"also\""));
        assert_eq!(read(&config(&dir), &artifact, 0..0), [vec![], vec![]]);
    }

    #[test]
    fn text_that_comes_in_beside_the_run_is_what_it_should_be() {
        let temp = tempfile::tempdir().unwrap();
        let (dir, wat) = (temp.path().join("cache"), wat());
        let run = || {
            let engine = Engine::new(&config(&dir)).unwrap();
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
