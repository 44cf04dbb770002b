//! The flags of `sconce run`.

use super::compiler::{CompilerArgs, tier_parser};
use super::log::LogArgs;
use super::policy::Key;
use super::{ENVIRONMENT, EXIT_STATUS};
use crate::values::{
    Directory, EnvVar, ListenAddr, Preload, parse_cache, parse_count, parse_descriptors, parse_directory, parse_env, parse_fd,
    parse_listen, parse_module_hash, parse_preload, parse_size, parse_threads, parse_timeout,
};
use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{Args, ValueEnum, ValueHint};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// What `--tier auto` is in a run.
const AUTO: &str = "Cranelift's code if the cache has it. Otherwise the program starts at once with Lightbeam's, and when \
                    it has run for a while, Cranelift compiles it in the background, for the next run";

/// When functions are validated.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Validate {
    /// When they are called.
    #[default]
    Lazy,
    /// Before the program begins.
    Eager,
}

/// `sconce run`.
#[derive(Debug, Args)]
#[command(
    override_usage = "sconce [run] [OPTIONS] APP.wasm [ARGS]...",
    after_help = format!("{EXIT_STATUS}\n\n{ENVIRONMENT}"),
    mut_arg("tier", |tier| tier.value_parser(tier_parser(AUTO))),
    max_term_width = 110
)]
pub struct RunArgs {
    /// The module, binary or text (`-` is standard input), and the program's arguments: everything
    /// after the module is the program's, flags and `--` too.
    #[arg(value_name = "APP.wasm", required = true, num_args = 1.., trailing_var_arg = true, value_hint = ValueHint::FilePath)]
    pub command: Vec<OsString>,

    /// Give the program a directory of the host, under the name GUEST if you give one. With `:ro`
    /// at the end nothing in it can be changed. Directories of procfs, sysfs and the like are refused.
    #[arg(long = "dir", value_name = "HOST[::GUEST][:ro]", help_heading = "What the program is given", value_hint = ValueHint::DirPath,
          value_parser = OsStringValueParser::new().try_map(|s| parse_directory(&s)))]
    pub dirs: Vec<Directory>,

    /// Set an environment variable for the program; without a value, the host's value.
    #[arg(long = "env", value_name = "NAME[=VALUE]", help_heading = "What the program is given",
          value_parser = OsStringValueParser::new().try_map(|s| parse_env(&s)))]
    pub env: Vec<EnvVar>,

    /// Set the environment variables of a file. It has NAME=VALUE on each line, or NAME for the
    /// host's value; empty lines and lines that begin with `#` are skipped. Values are taken as they
    /// stand, quotes included. `--env` overrides it.
    #[arg(long, value_name = "FILE", help_heading = "What the program is given", value_hint = ValueHint::FilePath)]
    pub env_file: Vec<PathBuf>,

    /// Give the program the whole environment of the host. `--env` and `--env-file` override it.
    #[arg(long, help_heading = "What the program is given")]
    pub inherit_env: bool,

    /// What the program sees as its own name (`argv[0]`). [default: the module's file name]
    #[arg(long, value_name = "NAME", help_heading = "What the program is given")]
    pub argv0: Option<OsString>,

    /// Listen on a TCP address and give the program the socket. Port 0 means any free
    /// port, printed on standard error. Descriptors are numbered in this order: 0 to 2, each
    /// `--dir`, each `--listen`, each `--fd`.
    #[arg(long, value_name = "ADDR:PORT", help_heading = "What the program is given", value_parser = parse_listen)]
    pub listen: Vec<ListenAddr>,

    /// Give the program descriptor N of this process (3 or above), such as a socket that a
    /// supervisor opened. The program's numbers are as `--listen` says.
    #[arg(long, value_name = "N", help_heading = "What the program is given", value_parser = parse_fd)]
    pub fd: Vec<i32>,

    /// Let what the program does depend on its input alone: the same arguments, variables, standard input and
    /// files give the same output, bit for bit. Clocks begin at 2000-01-01 and move as they are read or waited
    /// for, random bytes come from `--seed`, files and directories look alike everywhere, reads from pipes
    /// give all that was asked for, every NaN is canonical, and no thread can be started.
    #[arg(long, conflicts_with_all = ["listen", "fd"], help_heading = "What the program is given")]
    pub deterministic: bool,

    /// Where the random bytes of `--deterministic` begin: another number gives others. [default: 0]
    #[arg(long, value_name = "N", help_heading = "What the program is given", value_parser = parse_count)]
    pub seed: Option<u64>,

    /// Take grants and limits from FILE: TOML with the options above and the limits as keys, such as
    /// `dir = ["data::/data:ro"]`. Paths in it are relative to its directory. The command line overrides it, or adds to it.
    #[arg(long, value_name = "FILE", help_heading = "Policy", value_hint = ValueHint::FilePath)]
    pub policy: Option<PathBuf>,

    /// Write a policy to FILE when the program ends, with what it used of what it was given, and what it was
    /// denied as comments. FILE cannot be where the program could write.
    #[arg(long, value_name = "FILE", help_heading = "Policy", value_hint = ValueHint::FilePath)]
    pub write_policy: Option<PathBuf>,

    /// Call this export with the arguments as its parameters, and print its results, each on its
    /// own line. A v128 is written `i32x4:1,2,3,4`. If the export takes no parameters, the
    /// arguments are the program's command line. [default: call `_start`]
    #[arg(long, value_name = "NAME", help_heading = "What is run")]
    pub invoke: Option<String>,

    /// Instantiate another module first, whose exports the program can import from NAME.
    #[arg(long, value_name = "NAME=FILE", help_heading = "What is run", value_hint = ValueHint::FilePath,
          value_parser = OsStringValueParser::new().try_map(|s| parse_preload(&s)))]
    pub preload: Vec<Preload>,

    /// What happens with functions that a module imports and nothing provides. `error` refuses to
    /// run the module, `trap` stops the program when it calls one, `default` lets each return
    /// zeros and nulls.
    #[arg(long, value_enum, default_value_t, value_name = "HOW", help_heading = "What is run", hide_possible_values = true)]
    pub unknown_imports: UnknownImports,

    /// Run APP.wasm only if its bytes have this BLAKE3 hash, in 64 hexadecimal digits.
    #[arg(long, value_name = "blake3:HASH", help_heading = "What is run", value_parser = parse_module_hash)]
    pub module_hash: Option<[u8; 32]>,

    /// Run APP.wasm as it is if `sconce compile` wrote it. Such a file is machine code: trust it
    /// only as you would trust a native program. The settings that it was compiled with apply.
    #[arg(long, help_heading = "What is run")]
    pub allow_precompiled: bool,

    /// The most memory that the program may have, in bytes or with K, M or G (powers of 1024).
    /// Everything counts that it can have the process hold: linear memories, tables, references and exceptions,
    /// compiled code, call stacks as far as they are used, 64 KiB at least for each thread, open files. Growing
    /// beyond it fails in the program. [default: three quarters of the machine's memory, or of the container's]
    #[arg(long, value_name = "SIZE", help_heading = "Limits", value_parser = parse_size)]
    pub max_memory: Option<u64>,

    /// The most elements that each table of the program may have. Growing beyond it fails in the program.
    #[arg(long, value_name = "N", default_value_t = 10_000_000, help_heading = "Limits", value_parser = parse_count)]
    pub max_table: u64,

    /// How many files, directories and sockets the program may have open at once, with its standard streams and
    /// what it is given. Opening more fails in the program. [default: as the system allows (ulimit -n)]
    #[arg(long, value_name = "N", help_heading = "Limits", value_parser = parse_descriptors)]
    pub max_fds: Option<usize>,

    /// The most bytes that a file may have by the program's doing. Writing beyond it fails in the program; the kernel holds
    /// this limit, for the output of Sconce too. [default: as the system allows (ulimit -f)]
    #[arg(long, value_name = "SIZE", help_heading = "Limits", value_parser = parse_size)]
    pub max_file_size: Option<u64>,

    /// The most bytes that the program may write into all files together. Writing more fails in the program. [default: no limit]
    #[arg(long, value_name = "SIZE", help_heading = "Limits", value_parser = parse_size)]
    pub max_written: Option<u64>,

    /// The most bytes that the program may write to standard output and error together. Writing more ends it. [default: no limit]
    #[arg(long, value_name = "SIZE", help_heading = "Limits", value_parser = parse_size)]
    pub max_output: Option<u64>,

    /// The size of the program's call stack, in bytes or with K, M or G (powers of 1024): 64K to 4G. A program that
    /// needs more traps ("call stack exhausted").
    #[arg(long, value_name = "SIZE", default_value = "1M", help_heading = "Limits", value_parser = parse_size)]
    pub stack_size: u64,

    /// End the program this long after the start of the command, compilation and reports included: 500ms, 10s,
    /// 5m, 1h, 1h30m. [default: no limit]
    #[arg(long, value_name = "TIME", help_heading = "Limits", value_parser = parse_timeout)]
    pub timeout: Option<Duration>,

    /// End the program when the command, all of its threads together, has used so much processor time, written as for
    /// `--timeout`. [default: no limit]
    #[arg(long, value_name = "TIME", help_heading = "Limits", value_parser = parse_timeout)]
    pub cpu_time: Option<Duration>,

    /// Let the program execute no more than N units of work: one for each WebAssembly operator, more for those that move or clear
    /// memory. The count is the same in each run, with either compiler. Programs that start threads are
    /// refused. [default: no limit]
    #[arg(long, value_name = "N", help_heading = "Limits", value_parser = parse_count)]
    pub fuel: Option<u64>,

    /// How many threads the program may have at once besides its first one (`wasi-threads`).
    /// Starting more fails in the program.
    #[arg(long, value_name = "N", default_value_t = 1000, help_heading = "Limits", value_parser = parse_threads)]
    pub max_threads: usize,

    /// Whether the process gives up all that the program does not need, before its first instruction:
    /// files outside `--dir`, system calls, privileges. So the program is held even if Sconce has a hole.
    /// `auto` does what the kernel can, `require` refuses to run with less than all of it.
    #[arg(
        long,
        value_enum,
        default_value_t,
        value_name = "auto|require|off",
        help_heading = "Limits",
        hide_possible_values = true
    )]
    pub confine: Confine,

    #[command(flatten)]
    pub compiler: CompilerArgs,

    /// When functions are validated, and compiled for the first time. `lazy`: with `--tier auto`, when
    /// they are called; a call of a function that is not valid stops the program then, though with less than 64 KiB of code all are
    /// validated before. `eager`: all of them before the program begins, as with `--deterministic`.
    #[arg(long, value_enum, default_value_t, value_name = "WHEN", help_heading = "Compilation", hide_possible_values = true)]
    pub validate: Validate,

    /// How many bytes of code a module must have to be validated so: tests need no large ones.
    #[arg(long, hide = true, value_name = "BYTES", default_value_t = 64 << 10)]
    pub lazy_from: usize,

    /// Where compiled modules are kept for the next run: a directory, or `off`. When they take more
    /// than 1 GiB, the least recently used are removed. [default: `sconce` in the user's cache
    /// directory]
    #[arg(long, value_name = "off|DIR", help_heading = "Compilation", value_hint = ValueHint::DirPath,
          value_parser = OsStringValueParser::new().try_map(|s| parse_cache(&s)))]
    pub cache: Option<PathBuf>,

    #[command(flatten)]
    pub log: LogArgs,

    /// Write each WASI call of the program as a line, with its arguments and results in words, to FILE
    /// or to standard error. Choose a FILE outside the program's directories, where it could change it.
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true, help_heading = "Diagnosis",
          value_hint = ValueHint::FilePath)]
    pub trace_wasi: Option<Option<PathBuf>>,

    /// How `--trace-wasi` writes calls: `text` as strace does, `json` as an object a line.
    #[arg(
        long,
        value_enum,
        default_value_t,
        value_name = "text|json",
        requires = "trace_wasi",
        help_heading = "Diagnosis",
        hide_possible_values = true
    )]
    pub trace_wasi_format: TraceFormat,

    /// Say what the program asked for in vain, by which rule, and which option would have allowed it. On standard error,
    /// `at-exit` (which is meant if no value is given) or `at-once`.
    #[arg(long, value_enum, value_name = "at-once|at-exit", num_args = 0..=1, require_equals = true, default_missing_value = "at-exit",
          help_heading = "Diagnosis", hide_possible_values = true)]
    pub explain_denials: Option<Explain>,

    /// At the end, write to standard error what the run has used of each limit, and what it was compiled by: as a table,
    /// or as an object of JSON.
    #[arg(long, value_enum, value_name = "text|json", num_args = 0..=1, require_equals = true, default_missing_value = "text",
          help_heading = "Diagnosis", hide_possible_values = true)]
    pub stats: Option<StatsFormat>,

    /// Tell a profiler where the program's functions are: `perfmap` writes /tmp/perf-PID.map, for
    /// `perf record --call-graph fp sconce run --profile perfmap APP.wasm`. [default: none]
    #[arg(long, value_enum, value_name = "perfmap", help_heading = "Diagnosis", hide_possible_values = true)]
    pub profile: Option<Profile>,

    /// Tell a debugger of the program's functions: their names, and how to walk frames. In GDB, first
    /// run `handle SIGSEGV nostop noprint pass`.
    #[arg(long, help_heading = "Diagnosis")]
    pub debugger: bool,

    /// What was said of options that a policy can have, if one is to be written.
    #[arg(skip)]
    pub given: Vec<GivenOption>,
}

/// An option as it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenOption {
    /// Which.
    pub key: Key,
    /// Its values; none of a switch.
    pub values: Vec<OsString>,
}

/// `--confine`.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Confine {
    /// As far as the kernel can.
    #[default]
    Auto,
    /// All of it, or the program is not run.
    Require,
    /// Not at all.
    Off,
}

/// `--unknown-imports`.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum UnknownImports {
    /// The module is not run.
    #[default]
    Error,
    /// A call of one ends the program.
    Trap,
    /// A call of one returns zeros and nulls.
    Default,
}

/// `--trace-wasi-format`.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum TraceFormat {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

/// `--explain-denials`.
#[derive(Copy, Clone, Debug, PartialEq, Eq, ValueEnum)]
pub enum Explain {
    /// When the program has ended.
    AtExit,
    /// When it happens.
    AtOnce,
}

/// `--stats`.
#[derive(Copy, Clone, Debug, PartialEq, Eq, ValueEnum)]
pub enum StatsFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// How profilers are told of functions.
#[derive(Copy, Clone, Debug, PartialEq, Eq, ValueEnum)]
pub enum Profile {
    /// A file of addresses and names.
    #[value(name = "perfmap")]
    PerfMap,
}
