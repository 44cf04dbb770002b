//! Values of flags: sizes, times, directories, variables. Parsers return messages for people; clap puts the flag's name and
//! the text in front of them.

use jiff::SignedDuration;
use sconce_environ::shown::Shown;
use std::ffi::{OsStr, OsString};
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// `--dir`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directory {
    /// Where it is.
    pub host: PathBuf,
    /// Its name in the guest.
    pub guest: OsString,
    /// Whether nothing in it can be changed.
    pub read_only: bool,
}

/// `HOST[::GUEST][:ro]`, or `:rw` for what is the default. The first `::` separates, so a host path that
/// contains one cannot be given. A colon in the program's path is more often a slip than a name.
pub fn parse_directory(text: &OsStr) -> Result<Directory, String> {
    let text = text.as_bytes();
    let (paths, read_only) = match (text.strip_suffix(b":ro"), text.strip_suffix(b":rw")) {
        (Some(rest), _) => (rest, true),
        (None, Some(rest)) => (rest, false),
        (None, None) => (text, false),
    };
    let (host, guest) = match paths.windows(2).position(|w| w == b"::") {
        Some(at) => (&paths[..at], &paths[at + 2..]),
        None => (paths, paths),
    };
    if host.is_empty() {
        return Err("the host's path is empty".into());
    }
    if guest.is_empty() {
        return Err("the program's path is empty".into());
    }
    if host.len() < paths.len() {
        guest_without_colon(guest)?;
    }
    let (host, guest) = (OsString::from_vec(host.to_vec()), OsString::from_vec(guest.to_vec()));
    Ok(Directory { host: host.into(), guest, read_only })
}

/// The text of `--dir` with a relative host's path below `base`, and the program's name for it as it was.
pub fn rebase_directory(base: &Path, text: &OsStr) -> Result<OsString, String> {
    let Directory { host, guest, read_only } = parse_directory(text)?;
    if host.is_absolute() || base.as_os_str().is_empty() {
        return Ok(text.to_owned());
    }
    directory_text(&Directory { host: base.join(host), guest, read_only })
}

/// What [`parse_directory`] reads so.
pub fn directory_text(directory: &Directory) -> Result<OsString, String> {
    let Directory { host, guest, read_only } = directory;
    let suffix: &[u8] = if *read_only { b":ro" } else { b"" };
    let whole = |guest: &[u8]| OsString::from_vec([host.as_os_str().as_bytes(), guest, suffix].concat());
    let texts = [whole(b""), whole(&[b"::", guest.as_bytes()].concat())];
    let reads = |text: &&OsString| parse_directory(text).is_ok_and(|read| read == *directory);
    texts.iter().find(reads).cloned().ok_or_else(|| {
        let (host, guest) = (host.to_string_lossy(), guest.to_string_lossy());
        let (host, guest) = (Shown::short(&host), Shown::short(&guest));
        format!("directory '{host}' with the program's path '{guest}' cannot be written as one value; write HOST::GUEST without further colons")
    })
}

/// Refuses a name of `::GUEST` with a colon in it, and says what it may have been meant for.
fn guest_without_colon(guest: &[u8]) -> Result<(), String> {
    let Some(at) = guest.iter().rposition(|&b| b == b':') else { return Ok(()) };
    if guest.windows(2).any(|w| w == b"::") {
        return Err("the program's path cannot contain a colon; write HOST::GUEST with one '::'".into());
    }
    let suffix = String::from_utf8_lossy(&guest[at..]).into_owned();
    Err(format!(
        "'{}' is no suffix that --dir knows; write ':ro' for read-only, or nothing (the program's path cannot contain a colon)",
        Shown::short(&suffix)
    ))
}

/// `--cache`: a directory, or `off`.
pub fn parse_cache(text: &OsStr) -> Result<PathBuf, String> {
    if text == "on" {
        return Err("the cache is on by default; write ./on for a directory of that name".into());
    }
    Ok(text.into())
}

/// `--max-threads`.
pub fn parse_threads(text: &str) -> Result<usize, String> {
    text.parse().map_err(|_| "write a whole number".to_owned())
}

/// `--fuel`, `--max-table`, `--seed`: a number without a unit.
pub fn parse_count(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("write a whole number, at most {}", u64::MAX))
}

/// `--max-fds`.
pub fn parse_descriptors(text: &str) -> Result<usize, String> {
    const MOST: usize = sconce_wasi::MAX_DESCRIPTORS;
    text.parse().ok().filter(|&n| n <= MOST).ok_or_else(|| format!("write a whole number, at most {MOST}"))
}

/// `--fd`: a descriptor other than the standard streams.
pub fn parse_fd(text: &str) -> Result<i32, String> {
    match text.parse() {
        Ok(0..=2) => Err("0 to 2 are the standard streams; give 3 or above".into()),
        Ok(n @ 3..) => Ok(n),
        Ok(_) | Err(_) => Err("write a whole number".into()),
    }
}

/// `--env`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvVar {
    /// Its name.
    pub name: OsString,
    /// Its value.
    pub value: OsString,
}

/// `NAME[=VALUE]`.
pub fn parse_env(text: &OsStr) -> Result<EnvVar, String> {
    let bytes = text.as_bytes();
    let (name, value) = match bytes.iter().position(|&b| b == b'=') {
        Some(at) => (&bytes[..at], Some(OsString::from_vec(bytes[at + 1..].to_vec()))),
        None => (bytes, None),
    };
    if name.is_empty() {
        return Err("the name is empty".into());
    }
    let name = OsString::from_vec(name.to_vec());
    let value = match value {
        Some(value) => value,
        None => std::env::var_os(&name).ok_or_else(|| {
            let name = name.to_string_lossy();
            let name = Shown::short(&name);
            format!("the environment has no {name} to pass on; write {name}=VALUE")
        })?,
    };
    Ok(EnvVar { name, value })
}

/// The variables of a file: a line each, as [`parse_env`] has it, but names have no blanks: `export A=1` and `A = 1` would
/// make variables that nobody looks up. What is wrong comes with the number of its line.
pub fn parse_env_file(text: &[u8]) -> Result<Vec<EnvVar>, String> {
    let lines = text.split(|&b| b == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let wanted = |line: &[u8]| !line.trim_ascii().is_empty() && !line.trim_ascii_start().starts_with(b"#");
    lines
        .enumerate()
        .filter(|(_, line)| wanted(line))
        .map(|(n, line)| parse_line(line).map_err(|why| format!("line {}: {why}", n + 1)))
        .collect()
}

fn parse_line(line: &[u8]) -> Result<EnvVar, String> {
    let name = line.split(|&b| b == b'=').next().unwrap_or_default();
    if name.iter().any(u8::is_ascii_whitespace) {
        let name = String::from_utf8_lossy(name).into_owned();
        return Err(format!("the name '{}' has a blank in it; write NAME=VALUE", Shown::short(&name)));
    }
    parse_env(OsStr::from_bytes(line))
}

/// `--preload`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preload {
    /// The module name that importers write.
    pub name: String,
    /// The file.
    pub file: PathBuf,
}

/// `NAME=FILE`.
pub fn parse_preload(text: &OsStr) -> Result<Preload, String> {
    let bytes = text.as_bytes();
    let at = bytes.iter().position(|&b| b == b'=').ok_or("write NAME=FILE")?;
    let name = String::from_utf8(bytes[..at].to_vec()).map_err(|_| "the name is not UTF-8")?;
    if at + 1 == bytes.len() {
        return Err("the file is missing: write NAME=FILE".into());
    }
    Ok(Preload { name, file: OsString::from_vec(bytes[at + 1..].to_vec()).into() })
}

/// `--listen`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenAddr(pub Vec<SocketAddr>);

/// `ADDR:PORT`; a host name is looked up.
pub fn parse_listen(text: &str) -> Result<ListenAddr, String> {
    if let Ok(address) = text.parse() {
        return Ok(ListenAddr(vec![address]));
    }
    let well_formed = text.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
    if !well_formed {
        return Err("write ADDR:PORT, such as 127.0.0.1:8080 or [::1]:8080".into());
    }
    let addresses: Vec<SocketAddr> = text.to_socket_addrs().map_err(|e| e.to_string())?.collect();
    if addresses.is_empty() { Err("no such address".into()) } else { Ok(ListenAddr(addresses)) }
}

/// Bytes: a number, decimals allowed, with K, M, G or more (and `B` or `iB` behind it) for powers of 1024.
/// What is less than a byte is rounded.
pub fn parse_size(text: &str) -> Result<u64, String> {
    parse_size::Config::new().with_binary().parse_size(text).map_err(|e| match e {
        parse_size::Error::PosOverflow => "it is more than 2^64 bytes".to_owned(),
        _ => "write a number of bytes, or one with K, M or G, such as 64M or 1.5G".to_owned(),
    })
}

/// A time above zero: numbers, decimals allowed, with units from ns to h.
pub fn parse_timeout(text: &str) -> Result<Duration, String> {
    let time = text.parse::<SignedDuration>().map_err(|_| "write a number and a unit: 500ms, 10s, 5m, 1h or 1h30m")?;
    Duration::try_from(time).ok().filter(|time| !time.is_zero()).ok_or_else(|| "it must be above zero".to_owned())
}

/// The candidate that `word` is most probably a slip of, if one is near enough.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Comparing costs the product of the lengths: of long names and of thousands of candidates nobody wants to hear.
    const LONGEST: usize = 128;
    const WORK: usize = 4 << 20;
    let mut work = WORK;
    candidates
        .into_iter()
        // More than a third of the letters wrong is no slip; lengths alone may say so.
        .filter(|c| word.len().max(c.len()) <= LONGEST && word.len().abs_diff(c.len()) <= word.len().max(c.len()) / 3)
        .take_while(|c| {
            work = work.saturating_sub((word.len() + 1) * (c.len() + 1));
            work > 0
        })
        .map(|c| (strsim::damerau_levenshtein(word, c), c))
        .filter(|(distance, c)| *distance <= word.len().max(c.len()) / 3)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, c)| c)
}

/// `--module-hash`: a hash, with or without its kind.
pub fn parse_module_hash(text: &str) -> Result<[u8; 32], String> {
    parse_hash(text.strip_prefix("blake3:").unwrap_or(text))
}

/// A hash of 32 bytes, in hexadecimal.
///
/// # Errors
/// When it is none.
pub fn parse_hash(text: &str) -> Result<[u8; 32], String> {
    let wrong = || "64 hexadecimal digits are needed".to_owned();
    if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(wrong());
    }
    let mut hash = [0; 32];
    for (i, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * i..2 * i + 2], 16).map_err(|_| wrong())?;
    }
    Ok(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("0", 0),
            ("65536", 65536),
            ("64K", 64 << 10),
            ("64k", 64 << 10),
            ("3MiB", 3 << 20),
            ("2gb", 2 << 30),
            ("7B", 7),
            ("1.5G", 3 << 29),
            ("0.5k", 512),
            ("2.25", 2),
            ("1T", 1 << 40),
            ("1.000000001G", (1 << 30) + 1),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        for text in ["", "K", "-1", "1.5.2G", ".", "12X", "0x10", "1KK", "M64"] {
            assert!(parse_size(text).unwrap_err().contains("such as 64M"), "{text}");
        }
        for text in ["99999999999999999999", "18446744073709551615K", "17179869184.0G"] {
            assert!(parse_size(text).unwrap_err().contains("2^64"), "{text}");
        }
    }

    #[test]
    fn timeouts() {
        for (text, ms) in
            [("500ms", 500), ("10s", 10_000), ("0.5s", 500), ("5m", 300_000), ("1h", 3_600_000), ("1h 30m", 5_400_000)]
        {
            assert_eq!(parse_timeout(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for text in ["", "10", "s", "1d", "1..5s", ".s", "infs", "nan", "1s ago ago", "99999999999999999999999999h"] {
            assert!(parse_timeout(text).is_err(), "{text}");
        }
        for text in ["0s", "-1s", "1s ago"] {
            assert!(parse_timeout(text).unwrap_err().contains("above zero"), "{text}");
        }
    }

    #[test]
    fn directories() {
        let dir = |host: &str, guest: &str, read_only| Directory { host: host.into(), guest: guest.into(), read_only };
        for (text, expected) in [
            (".", dir(".", ".", false)),
            ("/a/b:ro", dir("/a/b", "/a/b", true)),
            ("a::/data", dir("a", "/data", false)),
            ("a::/data:ro", dir("a", "/data", true)),
            ("a::/data:rw", dir("a", "/data", false)),
            ("a:rw", dir("a", "a", false)),
            ("a:b", dir("a:b", "a:b", false)),
        ] {
            assert_eq!(parse_directory(text.as_ref()), Ok(expected), "{text}");
        }
        for text in ["", ":ro", "::/data", "a::", "a:::ro"] {
            let error = parse_directory(text.as_ref()).expect_err(text);
            assert!(error.contains("empty"), "{text}: {error}");
        }
        for (text, why) in [
            ("notes::/n:RO", "':RO' is no suffix that --dir knows; write ':ro' for read-only, or nothing"),
            ("notes::/n:readonly", "':readonly' is no suffix"),
            (".::x:rw:y", "':y' is no suffix"),
            (".::x:ro:rw", "':ro' is no suffix"),
            (".::a::b", "one '::'"),
            (".::a:b", "the program's path cannot contain a colon"),
        ] {
            let error = parse_directory(text.as_ref()).expect_err(text);
            assert!(error.contains(why), "{text}: {error}");
        }
        let odd = parse_directory(OsStr::from_bytes(b"\xff::\xfe")).expect("not UTF-8");
        assert_eq!((odd.host.as_os_str().as_bytes(), odd.guest.as_bytes()), (&b"\xff"[..], &b"\xfe"[..]));
    }

    #[test]
    fn directories_are_written_as_they_are_read() {
        for (text, rebased) in [
            (".", "b/.::."),
            ("a:ro", "b/a::a:ro"),
            ("a::/data:ro", "b/a::/data:ro"),
            ("/x", "/x"),
            ("/x::y:rw", "/x::y:rw"),
            ("a:rw", "b/a::a"),
        ] {
            assert_eq!(rebase_directory("b".as_ref(), text.as_ref()), Ok(rebased.into()), "{text}");
            assert_eq!(rebase_directory("".as_ref(), text.as_ref()), Ok(text.into()));
        }
        assert!(rebase_directory("b".as_ref(), "a:b".as_ref()).unwrap_err().contains("write HOST::GUEST"));
        assert!(rebase_directory("b::c".as_ref(), "a".as_ref()).unwrap_err().contains("write HOST::GUEST"));
        assert!(rebase_directory("b".as_ref(), "::a".as_ref()).unwrap_err().contains("empty"));
        let odd = Directory { host: "/a".into(), guest: "/a:ro".into(), read_only: true };
        assert!(directory_text(&odd).is_err());
    }

    #[test]
    fn variables() {
        let var = parse_env("A=b=c".as_ref()).expect("a variable");
        assert_eq!((var.name, var.value), ("A".into(), "b=c".into()));
        assert_eq!(parse_env("A=".as_ref()).expect("empty value").value, "");
        assert_eq!(parse_env("PATH".as_ref()).expect("inherited").value, std::env::var_os("PATH").expect("PATH"));
        assert!(parse_env("=x".as_ref()).is_err());
        assert!(
            parse_env("SCONCE_NO_SUCH_VARIABLE".as_ref())
                .unwrap_err()
                .ends_with("no SCONCE_NO_SUCH_VARIABLE to pass on; write SCONCE_NO_SUCH_VARIABLE=VALUE")
        );
    }

    #[test]
    fn files_of_variables() {
        let vars = |text: &str| {
            parse_env_file(text.as_bytes()).map(|vars| vars.into_iter().map(|v| (v.name, v.value)).collect::<Vec<_>>())
        };
        let pair = |n: &str, v: &str| (OsString::from(n), OsString::from(v));
        assert_eq!(
            vars("A=1\n\n# B=2\n  # C\r\nD= x \r\nE=\"q\"=#"),
            Ok(vec![pair("A", "1"), pair("D", " x "), pair("E", "\"q\"=#")])
        );
        assert_eq!(vars(""), Ok(vec![]));
        assert_eq!(vars("A=1\n=2"), Err("line 2: the name is empty".into()));
        assert!(vars("\nSCONCE_NO_SUCH_VARIABLE").unwrap_err().starts_with("line 2: the environment has no SCONCE"));
        for line in ["export A=1", "A = 1", " A=1", "A B"] {
            assert!(vars(line).unwrap_err().starts_with("line 1: the name '"), "{line}");
        }
    }

    #[test]
    fn addresses() {
        assert_eq!(parse_listen("127.0.0.1:80").expect("v4").0, ["127.0.0.1:80".parse().expect("address")]);
        assert_eq!(parse_listen("[::1]:0").expect("v6").0.len(), 1);
        for text in ["", "80", ":80", "127.0.0.1", "127.0.0.1:http", "127.0.0.1:70000"] {
            assert!(parse_listen(text).unwrap_err().contains("ADDR:PORT"), "{text}");
        }
    }

    #[test]
    fn nearest_names() {
        assert_eq!(nearest("fd_wirte", ["fd_read", "fd_write", "path_open"]), Some("fd_write"));
        assert_eq!(nearest("xyz", ["fd_read"]), None);
        assert_eq!(nearest("foo", ["root"]), None);
        assert_eq!(nearest("rnu", ["run"]), Some("run"));
        assert_eq!(nearest(&"x".repeat(1 << 20), [&*"x".repeat((1 << 20) + 1)]), None);
        // However many there are.
        let names: Vec<String> = (0..1_000_000).map(|n| format!("a_function_of_some_length_{n}")).collect();
        let _ = nearest("b_function_of_some_length_0", names.iter().map(String::as_str));
    }
}
