//! How many threads a module's functions are worth.

/// Bytes of function bodies that are worth another thread: some milliseconds of compilation.
const WORTH_A_THREAD: usize = 4096;

/// Threads for the compilation of so many bytes of function bodies, this one included.
pub(super) fn threads(parallel: bool, bytes: usize) -> usize {
    if !parallel || bytes < 2 * WORTH_A_THREAD {
        return 1;
    }
    // Asked for only here: it reads files of the control group.
    let available = std::thread::available_parallelism().map_or(1, usize::from);
    available.min(bytes / WORTH_A_THREAD)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_only_for_large_work() {
        assert_eq!(threads(true, 100), 1);
        assert_eq!(threads(false, 1 << 30), 1);
    }
}
