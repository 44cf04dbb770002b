//! What a module's WASI imports ask for, in plain words.

/// Something that a program can be given.
#[derive(Debug)]
pub struct Capability {
    /// What it is, to continue "it asks to".
    pub words: &'static str,
    /// The flag of `run` that grants it, where one is needed.
    pub flag: Option<&'static str>,
    /// The functions that ask for it.
    pub functions: &'static [&'static str],
}

/// Every function of preview 1 is in one row.
pub const CAPABILITIES: &[Capability] = &[
    Capability { words: "read its arguments", flag: None, functions: &["args_get", "args_sizes_get"] },
    Capability { words: "read environment variables", flag: Some("--env"), functions: &["environ_get", "environ_sizes_get"] },
    Capability { words: "read standard input and files it has open", flag: None, functions: &["fd_read", "fd_pread"] },
    Capability {
        words: "write to standard output, standard error and files it has open",
        flag: None,
        functions: &["fd_write", "fd_pwrite", "fd_datasync", "fd_sync"],
    },
    Capability {
        words: "manage what it has open",
        flag: None,
        functions: &[
            "fd_advise",
            "fd_close",
            "fd_fdstat_get",
            "fd_fdstat_set_flags",
            "fd_fdstat_set_rights",
            "fd_filestat_get",
            "fd_renumber",
            "fd_seek",
            "fd_tell",
        ],
    },
    Capability {
        words: "look around in directories",
        flag: Some("--dir"),
        functions: &["fd_prestat_get", "fd_prestat_dir_name", "fd_readdir", "path_filestat_get", "path_readlink"],
    },
    Capability { words: "open files in directories", flag: Some("--dir"), functions: &["path_open"] },
    Capability {
        words: "change, make and remove files and directories",
        flag: Some("--dir"),
        functions: &[
            "fd_allocate",
            "fd_filestat_set_size",
            "fd_filestat_set_times",
            "path_create_directory",
            "path_filestat_set_times",
            "path_link",
            "path_remove_directory",
            "path_rename",
            "path_symlink",
            "path_unlink_file",
        ],
    },
    Capability {
        words: "use sockets that it is given",
        flag: Some("--listen"),
        functions: &["sock_accept", "sock_recv", "sock_send", "sock_shutdown"],
    },
    Capability { words: "read clocks", flag: None, functions: &["clock_res_get", "clock_time_get"] },
    Capability { words: "wait for time to pass and for input", flag: None, functions: &["poll_oneoff"] },
    Capability { words: "get random bytes", flag: None, functions: &["random_get"] },
    Capability { words: "end itself", flag: None, functions: &["proc_exit", "proc_raise"] },
    Capability { words: "let others run", flag: None, functions: &["sched_yield"] },
];

/// Whether imports from a module of this name are WASI's.
pub fn is_wasi(module: &str) -> bool {
    matches!(module, "wasi_snapshot_preview1" | "wasi_unstable")
}

/// What functions of these names ask for, each capability with those of its functions that are among them.
pub fn asked<'a>(imports: impl Iterator<Item = &'a str> + Clone) -> Vec<(&'static Capability, Vec<&'static str>)> {
    let used = |c: &'static Capability| {
        let functions: Vec<_> = c.functions.iter().copied().filter(|f| imports.clone().any(|i| i == *f)).collect();
        (!functions.is_empty()).then_some((c, functions))
    };
    CAPABILITIES.iter().filter_map(used).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_of_preview_1_is_in_one_row() {
        let mut all: Vec<_> = CAPABILITIES.iter().flat_map(|c| c.functions).collect();
        assert_eq!(all.len(), 46);
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 46);
    }

    #[test]
    fn only_what_is_imported_is_asked_for() {
        let asked = asked(["fd_write", "proc_exit", "something_else"].into_iter());
        let words: Vec<_> = asked.iter().map(|(c, f)| (c.words, f.as_slice())).collect();
        assert_eq!(
            words,
            [
                ("write to standard output, standard error and files it has open", &["fd_write"][..]),
                ("end itself", &["proc_exit"][..])
            ]
        );
    }
}
