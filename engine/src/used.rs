//! Which chunks of a module's text its runs needed, kept beside its cache entry: the next run brings them in at once, which costs
//! less than a fault for each.
//!
//! The set is a hint, and is not trusted: whatever is in it, chunks are compared with their digests. It grows by what a run had to
//! fetch besides; since nobody knows then which of the others were needed, it begins anew when it is over half of the text.

use crate::cache::{Cache, Key};
use sconce_runtime as rt;
use std::sync::Arc;

/// Fewer chunks than this are left to faults: noting them would cost as much.
const WORTH_NOTING: usize = 8;

/// What was known of a module's text when it was loaded, and where the cache keeps that.
pub(crate) struct Used {
    cache: Arc<Cache>,
    name: String,
    before: Box<[u8]>,
}

impl Used {
    /// Brings in what earlier runs needed. `None` if text is not brought in lazily at all.
    pub(crate) fn begin(cache: &Arc<Cache>, key: Key, code: &rt::CodeRegion) -> Option<Used> {
        let none = code.present_chunks()?;
        let name = key.derived("chunks of text that runs needed");
        let before = cache.small(&name, none.len()).unwrap_or(none);
        code.bring_in(&before);
        Some(Used { cache: cache.clone(), name, before: before.into() })
    }

    /// Notes what the run that ends now needed.
    pub(crate) fn note(&self, code: &rt::CodeRegion) {
        let Some(now) = code.present_chunks() else { return };
        let fetched: Vec<u8> = now.iter().zip(&self.before).map(|(now, before)| now & !before).collect();
        if count(&fetched) >= WORTH_NOTING {
            let all = code.text_len().div_ceil(rt::CHUNK);
            self.cache.keep_small(&self.name, if count(&now) > all / 2 { &fetched } else { &now });
        }
    }
}

fn count(bits: &[u8]) -> usize {
    bits.iter().map(|b| b.count_ones() as usize).sum()
}

#[cfg(test)]
mod tests {
    use crate::{CacheMode, Config, Engine, Linker, Module, Store};
    use std::fs;
    use std::path::Path;

    const FUNCTIONS: u32 = 40_000;

    /// More than 1 MiB of text: functions are aligned, so many small ones make a long text fast.
    fn wat() -> String {
        let function = |n| format!("(func (export \"f{n}\") (result i32) (i32.const {n}))");
        format!("(module {})", (0..FUNCTIONS).map(function).collect::<String>())
    }

    /// Runs some functions of the module in the cache; gives the number of chunks that were there before and after.
    fn run(dir: &Path, wat: &str, functions: impl Iterator<Item = u32>) -> [usize; 2] {
        let engine = Engine::new(&Config::new().cache(CacheMode::Dir(dir.into()))).unwrap();
        let module = Module::new(&engine, wat.as_bytes()).unwrap();
        let present = || super::count(&module.inner.loaded.code().present_chunks().unwrap_or_default());
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
}
