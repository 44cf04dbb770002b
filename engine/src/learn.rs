//! What is seen of a program that runs code which could be better: for the cache.

use crate::compiled::Learned;
use sconce_environ::index::DefinedFuncIndex;
use sconce_runtime as rt;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::sleep;
use std::time::Duration;

/// How often a function is found before it is worth it: twice may be chance.
pub(crate) const HOT: u32 = 3;
/// A program that is over by then is good as it is.
const SHORT_RUN: Duration = Duration::from_millis(20);
/// How often is looked at first, and how often later.
const PERIOD: Duration = Duration::from_millis(4);
const LONG_PERIOD: Duration = Duration::from_millis(16);
/// After so many looks.
const PATIENCE: u32 = 500;
/// How often while the program does nothing, and after how many looks.
const IDLE_PERIOD: Duration = Duration::from_millis(500);
const IDLE_PATIENCE: u32 = 20;

/// How often functions were found, where a look found the program's code.
#[derive(Debug, Default)]
pub(crate) struct Found(Mutex<HashMap<DefinedFuncIndex, u32>>);

impl Found {
    pub(crate) fn add(&self, func: DefinedFuncIndex) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(func).or_default() += 1;
    }

    /// Those that are hot, the hottest first, with how often they were found.
    pub(crate) fn hot(&self) -> Vec<(DefinedFuncIndex, u32)> {
        let found = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut hot: Vec<_> = found.iter().filter(|&(_, &times)| times >= HOT).map(|(&func, &times)| (func, times)).collect();
        hot.sort_by_key(|&(func, times)| (std::cmp::Reverse(times), func));
        hot
    }
}

/// Looks at the instances of a module that was loaded as it is.
#[derive(Debug)]
pub(crate) struct Look {
    code: Arc<rt::CodeRegion>,
    samplers: Mutex<rt::Samplers>,
    found: Found,
    /// Functions that have the best code, in order.
    best: Vec<DefinedFuncIndex>,
}

impl Look {
    pub(crate) fn new(code: &Arc<rt::CodeRegion>, best: Vec<DefinedFuncIndex>) -> Arc<Look> {
        Arc::new(Look { code: code.clone(), samplers: Mutex::default(), found: Found::default(), best })
    }

    /// The work of a thread, until the module is gone.
    pub(crate) fn work(self: &Arc<Look>) -> impl FnOnce() + Send + 'static {
        let look = Arc::downgrade(self);
        move || {
            sleep(SHORT_RUN);
            let (mut looks, mut idle) = (0, 0);
            while let Some(look) = Weak::upgrade(&look) {
                idle = if look.once() { 0 } else { idle + 1 };
                drop(look);
                looks += 1;
                sleep(if idle > IDLE_PATIENCE {
                    IDLE_PERIOD
                } else if looks > PATIENCE {
                    LONG_PERIOD
                } else {
                    PERIOD
                });
            }
        }
    }

    /// Says whether the program does anything.
    fn once(&self) -> bool {
        let rt::Looked { seen, busy } = self.samplers.lock().unwrap_or_else(PoisonError::into_inner).look();
        for func in seen.into_iter().filter_map(|at| self.code.function_at(at)) {
            if self.best.binary_search(&func).is_err() {
                self.found.add(func);
            }
        }
        busy
    }
}

impl rt::Watch for Look {
    fn watch(&self, sampler: rt::Sampler) {
        self.samplers.lock().unwrap_or_else(PoisonError::into_inner).add(sampler);
    }
}

impl Learned for Look {
    fn hot(&self) -> Vec<DefinedFuncIndex> {
        self.found.hot().into_iter().map(|(func, _)| func).collect()
    }
}
