//! Flags that other runtimes have and Sconce has not, and what is like them here: for whoever comes with a command line that
//! worked elsewhere. One row a flag; a flag that several runtimes have may have several rows.

use std::ffi::OsString;

/// A flag of another runtime.
struct Foreign {
    /// Whose it is.
    whose: &'static str,
    /// How it is written there; with a dash at its end, all flags that begin so.
    flag: &'static str,
    /// What follows it there.
    value: &'static str,
    /// What is said of it, after "FLAG VALUE of WHOSE".
    here: &'static str,
}

const fn row(whose: &'static str, flag: &'static str, value: &'static str, here: &'static str) -> Foreign {
    Foreign { whose, flag, value, here }
}

const PROPOSALS: &str = "is not needed: the proposals that Sconce has are always on ('sconce inspect' lists those a module uses)";
const NO_NETWORK: &str = "has no counterpart: programs cannot open connections; --listen ADDR:PORT gives a listening socket";

const FOREIGN: &[Foreign] = &[
    row("Wasmtime", "--mapdir", "GUEST::HOST", "is --dir HOST::GUEST here"),
    row("Wasmtime", "-C", "cache=n", "is --cache off here"),
    row("Wasmtime", "-C", "compiler=NAME", "is --tier lightbeam|cranelift here"),
    row("Wasmtime", "--codegen", "OPTION", "is --tier, --cache, --bounds or --canonical-nans here"),
    row("Wasmtime", "-S", "inherit-env", "is --inherit-env here"),
    row("Wasmtime", "-S", "tcplisten=ADDR:PORT", "is --listen ADDR:PORT here"),
    row("Wasmtime", "-S", "cli|threads|preview1", "is not needed: WASI preview 1 and its threads are always there"),
    row("Wasmtime", "--wasi", "OPTION", "is --inherit-env or --listen here; WASI preview 1 and its threads are always there"),
    row("Wasmtime", "--wasi-modules", "NAMES", "is not needed: WASI preview 1 is always there"),
    row("Wasmtime", "-S", "http|inherit-network", NO_NETWORK),
    row("Wasmtime", "-W", "max-memory-size=BYTES", "is --max-memory SIZE here"),
    row("Wasmtime", "-W", "max-wasm-stack=BYTES", "is --stack-size SIZE here"),
    row("Wasmtime", "-W", "timeout=TIME", "is --timeout TIME here"),
    row("Wasmtime", "-W", "fuel=N", "is --fuel N here"),
    row("Wasmtime", "-W", "unknown-imports-trap", "is --unknown-imports trap here"),
    row("Wasmtime", "-W", "PROPOSAL", PROPOSALS),
    row(
        "Wasmtime",
        "--wasm",
        "OPTION",
        "is --max-memory, --stack-size, --timeout or --unknown-imports here; proposals are always on",
    ),
    row("Wasmtime", "--wasm-features", "NAMES", PROPOSALS),
    row("Wasmtime", "--max-wasm-stack", "BYTES", "is --stack-size SIZE here"),
    row("Wasmtime", "--wasm-timeout", "TIME", "is --timeout TIME here"),
    row("Wasmtime", "--disable-cache", "", "is --cache off here"),
    row("Wasmtime", "--trap-unknown-imports", "", "is --unknown-imports trap here"),
    row("Wasmtime", "--default-values-unknown-imports", "", "is --unknown-imports default here"),
    row("Wasmtime", "-O", "OPTION", "is --tier cranelift here"),
    row("Wasmtime", "--optimize", "OPTION", "is --tier cranelift here"),
    row("Wasmtime", "-D", "debug-info", "is --debugger here"),
    row("Wasmtime", "--debug", "OPTION", "is --debugger here"),
    row("Wasmtime", "-g", "", "is --debugger here"),
    row("Wasmtime", "--tcplisten", "ADDR:PORT", "is --listen ADDR:PORT here"),
    row("Wasmtime", "--listenfd", "", "is --fd N here"),
    row("Wasmtime", "--config", "FILE", "has no counterpart; the variable SCONCE_OPTIONS has options for every run"),
    row("Wasmer", "--mapdir", "GUEST:HOST", "is --dir HOST::GUEST here"),
    row("Wasmer", "--volume", "HOST:GUEST", "is --dir HOST::GUEST here"),
    row("Wasmer", "--forward-host-env", "", "is --inherit-env here"),
    row("Wasmer", "--net", "", NO_NETWORK),
    row("Wasmer", "--cwd", "DIR", "has no counterpart: --dir HOST::. gives the program its current directory"),
    row("Wasmer", "--entrypoint", "NAME", "is --invoke NAME here"),
    row("Wasmer", "-e", "NAME", "is --invoke NAME here"),
    row("Wasmer", "--singlepass", "", "is --tier lightbeam here"),
    row("Wasmer", "--cranelift", "", "is --tier cranelift here"),
    row("Wasmer", "--llvm", "", "is --tier cranelift here"),
    row("Wasmer", "--v8", "", "has no counterpart; --tier chooses a compiler"),
    row("Wasmer", "--cache-dir", "DIR", "is --cache DIR here"),
    row("Wasmer", "--use", "PACKAGE", "has no counterpart: Sconce runs files, and fetches no packages"),
    row("Wasmer and WasmEdge", "--enable-", "", PROPOSALS),
    row("WasmEdge", "--disable-", "", PROPOSALS),
    row("WasmEdge", "--reactor", "", "is --invoke NAME here"),
    row("WasmEdge", "--time-limit", "MILLISECONDS", "is --timeout TIME here: 500ms, 10s"),
    row("WasmEdge", "--memory-page-limit", "PAGES", "is --max-memory SIZE here"),
    row("WasmEdge", "--gas-limit", "N", "is --fuel N here, in other units"),
    row("wazero", "-mount", "HOST:GUEST[:ro]", "is --dir HOST::GUEST[:ro] here"),
    row("wazero", "-env", "NAME=VALUE", "is --env NAME=VALUE here"),
    row("wazero", "-env-inherit", "", "is --inherit-env here"),
    row("wazero", "-listen", "ADDR:PORT", "is --listen ADDR:PORT here"),
    row("wazero", "-tcplisten", "ADDR:PORT", "is --listen ADDR:PORT here"),
    row("wazero", "-cachedir", "DIR", "is --cache DIR here"),
    row("wazero", "-timeout", "TIME", "is --timeout TIME here"),
    row("wazero", "-interpreter", "", "has no counterpart; --tier lightbeam compiles soonest"),
    row("wazero", "-hostlogging", "WHAT", "is --log sconce_wasi=trace here"),
    row("iwasm", "--map-dir", "GUEST::HOST", "is --dir HOST::GUEST here"),
    row("iwasm", "--addr-pool", "ADDRESSES", NO_NETWORK),
    row("iwasm", "--allow-resolve", "DOMAIN", NO_NETWORK),
    row("iwasm", "--heap-size", "BYTES", "is not needed: memories grow; --max-memory SIZE limits them"),
    row("iwasm", "--function", "NAME", "is --invoke NAME here"),
    row("iwasm", "-f", "NAME", "is --invoke NAME here"),
    row("iwasm", "--interp", "", "has no counterpart; --tier lightbeam compiles soonest"),
    row("iwasm", "--fast-jit", "", "is --tier lightbeam here"),
    row("iwasm", "--llvm-jit", "", "is --tier cranelift here"),
    row("iwasm", "--multi-tier-jit", "", "is --tier auto here"),
    row("iwasm", "--native-lib", "FILE", "has no counterpart: programs reach the host through WASI alone"),
    row("wasm3", "--func", "NAME", "is --invoke NAME here"),
    row("Node", "--experimental-wasi-", "", "is not needed: WASI preview 1 is always there"),
    row("Node", "--experimental-wasm-", "", PROPOSALS),
    row("Node", "--max-old-space-size", "MEGABYTES", "is --max-memory SIZE here: 512M, 2G"),
    row("Node", "--cpu-prof", "", "is --profile perfmap here, with perf"),
    row("Deno", "--allow-read", "PATHS", "is --dir HOST[::GUEST]:ro here"),
    row("Deno", "--allow-write", "PATHS", "is --dir HOST[::GUEST] here"),
    row("Deno", "--allow-env", "NAMES", "is --env NAME or --inherit-env here"),
    row("Deno", "--allow-net", "HOSTS", NO_NETWORK),
    row("Docker", "-v", "HOST:GUEST", "is --dir HOST::GUEST here"),
    row("Docker", "-e", "NAME=VALUE", "is --env NAME=VALUE here"),
    row("Docker", "-p", "PORT:PORT", "is --listen ADDR:PORT here"),
    row("Docker", "--memory", "SIZE", "is --max-memory SIZE here"),
    row("Docker", "--workdir", "DIR", "has no counterpart: --dir HOST::. gives the program its current directory"),
];

/// What is said of a flag that Sconce does not have; `args` is all of the command line, where the flag may be written with
/// more than its first letter.
pub(super) fn hints(flag: &str, args: &[OsString]) -> Vec<String> {
    // Of `-mount` the parser names `-m`.
    let short = !flag.starts_with("--");
    let args: Vec<_> = args.iter().map(|arg| arg.to_string_lossy()).collect();
    let at = args.iter().position(|arg| arg.starts_with(flag));
    let word = at.map_or(flag, |at| &args[at]);
    let exact = rows(word.split('=').next().unwrap_or(word));
    let mut found = if exact.is_empty() && short { rows(flag) } else { exact };
    // A flag for many things: what is about this one alone, if there is something.
    let attached = word.strip_prefix(flag).unwrap_or_default().trim_start_matches('=');
    let value = if attached.is_empty() { at.and_then(|at| args.get(at + 1)).map_or("", |next| next) } else { attached };
    if found.iter().any(|row| row.is_about(value)) {
        found.retain(|row| row.is_about(value));
    }
    found.iter().map(|foreign| foreign.to_string()).collect()
}

impl Foreign {
    /// Whether a value is one of those that the row names, written out in small letters.
    fn is_about(&self, value: &str) -> bool {
        let key = |text: &'static str| text.split('=').next().unwrap_or(text);
        let value = value.split(['=', ',']).next().unwrap_or(value);
        self.value.split('|').map(key).any(|named| named == value && named.starts_with(|c: char| c.is_ascii_lowercase()))
    }
}

fn rows(flag: &str) -> Vec<&'static Foreign> {
    let is = |row: &&Foreign| row.flag == flag || (row.flag.ends_with('-') && flag.starts_with(row.flag));
    FOREIGN.iter().filter(is).collect()
}

impl std::fmt::Display for Foreign {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Foreign { whose, flag, value, here } = self;
        let rest = if flag.ends_with('-') { ".." } else { "" };
        let space = if value.is_empty() { "" } else { " " };
        write!(f, "{flag}{rest}{space}{value} of {whose} {here}")
    }
}

#[cfg(test)]
mod tests {
    use super::super::Cli;
    use super::*;
    use clap::CommandFactory;

    fn flags() -> Vec<String> {
        let command = Cli::command();
        let run = command.find_subcommand("run").expect("run");
        let long = run.get_arguments().filter_map(|arg| arg.get_long().map(|long| format!("--{long}")));
        long.chain(["--help".into()]).collect()
    }

    #[test]
    fn no_row_is_about_a_flag_of_ours_and_what_rows_name_is() {
        let ours = flags();
        for row in FOREIGN {
            assert!(!ours.iter().any(|flag| flag == row.flag), "{row}");
            let named = row.here.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').filter(|word| word.starts_with("--"));
            for flag in named {
                assert!(ours.iter().any(|known| known == flag), "{row}: {flag}");
            }
        }
    }

    #[test]
    fn hints_are_about_the_whole_word() {
        let hints = |flag: &str, word: &str| hints(flag, &["sconce".into(), "run".into(), word.into()]);
        assert_eq!(hints("-m", "-mount=/a:/b"), ["-mount HOST:GUEST[:ro] of wazero is --dir HOST::GUEST[:ro] here"]);
        assert_eq!(hints("--mapdir", "--mapdir=a::b").len(), 2);
        assert!(hints("-S", "-Snn").len() > 3);
        assert_eq!(hints("-S", "-Sinherit-env=y"), ["-S inherit-env of Wasmtime is --inherit-env here"]);
        assert_eq!(hints("-S", "-Sinherit-env,cli"), hints("-S", "-Sinherit-env"));
        assert!(hints("-W", "-Wsimd").len() > 3);
        assert_eq!(hints("--enable-simd", "--enable-simd"), [format!("--enable-.. of Wasmer and WasmEdge {PROPOSALS}")]);
        assert!(hints("-m", "-m").is_empty() && hints("--no-such-flag", "--no-such-flag").is_empty());
    }
}
