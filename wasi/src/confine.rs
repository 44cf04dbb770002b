//! What the process gives up before a guest runs.

/// Sets `no_new_privs` for the calling thread and those it starts afterwards: no program that they execute can gain
/// privileges. Cannot be undone. Call it before threads are started.
///
/// # Errors
///
/// The kernel's, from before Linux 3.5 alone.
pub fn no_new_privs() -> std::io::Result<()> {
    Ok(rustix::thread::set_no_new_privs(true)?)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_flag_is_set() {
        std::thread::spawn(|| {
            super::no_new_privs().unwrap();
            let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
            assert!(status.contains("NoNewPrivs:\t1"));
        })
        .join()
        .unwrap();
    }
}
