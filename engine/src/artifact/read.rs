//! An artifact read: a file or bytes to the parts of a module.

use super::check;
use super::format::{
    CHUNK, EAGER_LEN_AT, FORMAT, HASH_AT, HEAD, LAZY, LAZY_TABLE, MAX_LAZY, Meta, PAGE, RECORD, VERSION, VERSION_AT, digest,
    eager_hash, is_artifact,
};
use super::identity::Identity;
use super::seal::Seal;
use crate::compiled::DebugSections;
use crate::compilers::Compilers;
use crate::config::CompilerKind;
use crate::error::{ArtifactError, Error};
use crate::section::{Section, read_exact_at};
use sconce_environ::code_tables::{CodeTable, CodeTables, FunctionRecord};
use sconce_environ::compile::Settings;
use sconce_environ::index::DefinedFuncIndex;
use sconce_environ::module::Module;
use sconce_runtime as rt;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// What an artifact holds.
pub(crate) struct Parts {
    /// Whose code it is.
    pub(crate) compiler: CompilerKind,
    pub(crate) module: Module,
    pub(crate) text: Text,
    pub(crate) tables: rt::Tables,
    pub(crate) thunks: u32,
    pub(crate) data: (Section, Option<rt::LazyData>),
    pub(crate) debug: DebugSections,
    /// Functions that the better compiler has compiled, of a module that both have.
    pub(crate) hot: Vec<DefinedFuncIndex>,
    /// Of all of it, except for what only backtraces need.
    pub(crate) digest: rt::Digest,
}

/// A module's text.
pub(crate) enum Text {
    Whole(Vec<u8>),
    /// Brought in as it is used.
    Lazy(rt::LazySource),
}

/// Where an artifact is read from.
pub(crate) enum Source<'a> {
    Bytes(&'a [u8]),
    /// An open file, and what helps if it turns out to be damaged when it is used.
    File(Arc<OwnedFd>, Option<Arc<dyn rt::Remake>>),
}

impl Source<'_> {
    fn len(&self) -> io::Result<u64> {
        match self {
            Source::Bytes(bytes) => Ok(bytes.len() as u64),
            Source::File(file, _) => Ok(rustix::fs::fstat(file)?.st_size.cast_unsigned()),
        }
    }

    fn read_at(&self, at: u64, out: &mut [u8]) -> Result<(), Error> {
        let read = match self {
            Source::Bytes(bytes) => usize::try_from(at)
                .ok()
                .and_then(|at| bytes.get(at..at.checked_add(out.len())?))
                .map(|from| out.copy_from_slice(from)),
            Source::File(file, _) => read_exact_at(file, out, at),
        };
        read.ok_or_else(|| corrupt("it is cut off"))
    }

    fn remake(&self) -> Option<Arc<dyn rt::Remake>> {
        match self {
            Source::Bytes(_) => None,
            Source::File(_, remake) => remake.clone(),
        }
    }

    /// Bytes that nobody looks at for now.
    fn lazy(&self, at: u64, len: u64, hash: rt::Digest) -> Result<Section, Error> {
        match self {
            Source::File(file, _) => {
                Ok(Section::in_file(file.clone(), at..at + len, move |bytes| digest(bytes) == hash, self.remake()))
            }
            Source::Bytes(_) => {
                let mut bytes = vec![0; len as usize];
                self.read_at(at, &mut bytes)?;
                if digest(&bytes) == hash { Ok(Section::from(bytes)) } else { Err(corrupt("a checksum does not match")) }
            }
        }
    }
}

#[cold]
fn corrupt(what: &'static str) -> Error {
    ArtifactError::Corrupt(what).into()
}

/// The eager part, cut into its parts one after the other.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn part(&mut self) -> Result<&'a [u8], Error> {
        let (len, rest) = self.0.split_first_chunk().ok_or_else(|| corrupt("a length is missing"))?;
        let len = usize::try_from(u64::from_le_bytes(*len)).map_err(|_| corrupt("a length is too large"))?;
        let (part, rest) = rest.split_at_checked(len).ok_or_else(|| corrupt("a length is too large"))?;
        self.0 = rest;
        Ok(part)
    }
}

/// The settings of the artifact that begins so.
pub(crate) fn settings(bytes: &[u8]) -> Option<Settings> {
    Some(identity(bytes)?.settings)
}

/// Who compiled the artifact that begins so, as messages name it.
pub(crate) fn compiler(bytes: &[u8]) -> Option<&'static str> {
    identity(bytes)?.compiler()
}

fn identity(bytes: &[u8]) -> Option<Identity> {
    let (head, eager) = bytes.split_first_chunk::<HEAD>()?;
    if !is_artifact(head) {
        return None;
    }
    check_version(head).ok()?;
    postcard::from_bytes(Cursor(eager).part().ok()?).ok()
}

/// Reads an artifact, copying what is trusted before it is hashed. With a seal, it must be that cache entry.
pub(crate) fn read(compilers: &Compilers, source: &Source<'_>, seal: Option<&Seal>) -> Result<Parts, Error> {
    let whole = source.len().map_err(|_| corrupt("its length is unknown"))?;
    let mut head = [0; HEAD];
    let known = usize::try_from(whole).map_or(HEAD, |len| len.min(HEAD));
    source.read_at(0, &mut head[..known])?;
    if !is_artifact(&head) {
        return Err(ArtifactError::NotAnArtifact.into());
    }
    if known < HEAD {
        return Err(corrupt("it is cut off"));
    }
    check_version(&head)?;
    let eager_len = u64::from_le_bytes(head[EAGER_LEN_AT].try_into().expect("eight bytes"));
    // Checked against the file before it is allocated.
    if eager_len > whole - HEAD as u64 {
        return Err(corrupt("it is cut off"));
    }
    let mut eager = vec![0; eager_len as usize];
    source.read_at(HEAD as u64, &mut eager)?;
    let mut cursor = Cursor(&eager);
    if eager_hash(&eager, seal) != head[HASH_AT] {
        return Err(corrupt("a checksum does not match"));
    }
    let identity: Identity = postcard::from_bytes(cursor.part()?).map_err(|_| corrupt("its identity does not parse"))?;
    let compiler = identity.check(compilers)?;
    let meta: Meta<Module> = postcard::from_bytes(cursor.part()?).map_err(|_| corrupt("its metadata does not parse"))?;
    let functions = records_from_bytes(cursor.part()?)?;
    check::module(&meta.module, meta.data_len).ok_or_else(|| corrupt("its metadata is inconsistent"))?;
    check::functions(&meta.module, &functions, meta.thunks, meta.text_len)
        .ok_or_else(|| corrupt("its tables are inconsistent"))?;

    let text_at = (HEAD as u64 + eager_len).next_multiple_of(PAGE);
    let mut at = text_at;
    let mut next = |len: u64| {
        let start = at;
        at = at.checked_add(len).filter(|&end| end <= whole).ok_or_else(|| corrupt("it is cut off"))?;
        Ok::<u64, Error>(start)
    };
    let mut part = |len: u64| Ok::<_, Error>(Part { source, at: next(len)?, len, hashes: hashes(cursor.part()?, len)? });
    let (text, data) = (part(meta.text_len)?, part(meta.data_len)?);
    let mut streams = Vec::with_capacity(CodeTable::COUNT);
    for len in meta.tables_len {
        streams.push(part(len)?);
    }
    let (len, hash) = meta.offsets;
    let offsets = source.lazy(next(len)?, len, hash)?;
    let mut custom = Vec::new();
    for (name, len, hash) in meta.custom {
        custom.push((name, source.lazy(next(len)?, len, hash)?));
    }
    let defined = meta.module.functions.len() as u64 - u64::from(meta.module.num_imported_functions);
    if !meta.hot.is_sorted() || meta.hot.last().is_some_and(|&last| u64::from(last) >= defined) {
        return Err(corrupt("its functions are inconsistent"));
    }
    let hot = meta.hot.into_iter().map(DefinedFuncIndex::from_u32).collect();
    let debug = DebugSections { offsets, custom, code_offset: meta.code_offset };
    let streams: Vec<rt::TableBytes> = streams.iter().map(load_table).collect::<Result<_, _>>()?;
    let streams = streams.try_into().map_err(|_| corrupt("a table is missing"))?;
    let tables = CodeTables { functions, streams };
    // The head's hash is a hash of all hashes, and so stands for text and data.
    let digest = head[HASH_AT].try_into().expect("as long as a digest");
    let (text, data) = (load_text(&text)?, load_data(&data, &meta.module)?);
    Ok(Parts { compiler, module: meta.module, text, tables, thunks: meta.thunks, data, debug, hot, digest })
}

fn check_version(head: &[u8; HEAD]) -> Result<(), Error> {
    let version = head[VERSION_AT].split(|&b| b == 0).next().unwrap_or_default();
    let version = String::from_utf8_lossy(version);
    let format = u32::from_le_bytes([head[8], head[9], head[10], head[11]]);
    if version != VERSION {
        return Err(ArtifactError::Version { expected: VERSION.into(), found: version.into_owned() }.into());
    }
    if format != FORMAT {
        let (expected, found) = (format!("{VERSION} (format {FORMAT})"), format!("{VERSION} (format {format})"));
        return Err(ArtifactError::Version { expected, found }.into());
    }
    let unused = head[12..VERSION_AT.start].iter().chain(&head[VERSION_AT.start + VERSION.len()..VERSION_AT.end]);
    if !unused.chain(&head[EAGER_LEN_AT.end..HASH_AT.start]).all(|&byte| byte == 0) {
        return Err(corrupt("its head is not what was written"));
    }
    Ok(())
}

/// The hashes of a part of this length.
fn hashes(bytes: &[u8], len: u64) -> Result<&[rt::Digest], Error> {
    let (hashes, rest) = bytes.as_chunks();
    if !rest.is_empty() || hashes.len() as u64 != len.div_ceil(CHUNK as u64) {
        return Err(corrupt("checksums are missing"));
    }
    Ok(hashes)
}

/// A part that hashes cover, and that lies inside the artifact.
struct Part<'a> {
    source: &'a Source<'a>,
    at: u64,
    len: u64,
    hashes: &'a [rt::Digest],
}

impl Part<'_> {
    /// All of it, compared with its hashes.
    fn read(&self) -> Result<Vec<u8>, Error> {
        let mut bytes = vec![0; usize::try_from(self.len).map_err(|_| corrupt("a length is too large"))?];
        self.source.read_at(self.at, &mut bytes)?;
        if matches(&bytes, self.hashes) { Ok(bytes) } else { Err(corrupt("a checksum does not match")) }
    }

    /// Where it comes from as it is used, if it is in a file and not shorter than pays.
    fn lazily(&self, shortest: u64) -> Option<rt::LazySource> {
        match self.source {
            Source::File(file, _) if (shortest + 1..=MAX_LAZY).contains(&self.len) => Some(rt::LazySource {
                file: file.clone(),
                remake: self.source.remake(),
                offset: self.at,
                len: usize::try_from(self.len).ok()?,
                digests: self.hashes.into(),
                digest,
            }),
            _ => None,
        }
    }
}

fn matches(bytes: &[u8], hashes: &[rt::Digest]) -> bool {
    bytes.chunks(CHUNK).zip(hashes).all(|(chunk, hash)| digest(chunk) == *hash)
}

fn load_text(text: &Part<'_>) -> Result<Text, Error> {
    match text.lazily(LAZY) {
        Some(source) => Ok(Text::Lazy(source)),
        None => Ok(Text::Whole(text.read()?)),
    }
}

fn load_table(table: &Part<'_>) -> Result<rt::TableBytes, Error> {
    match table.lazily(LAZY_TABLE).and_then(rt::TableBytes::in_file) {
        Some(lazy) => Ok(lazy),
        None => Ok(table.read()?.into()),
    }
}

/// The contents of data segments.
fn load_data(data: &Part<'_>, module: &Module) -> Result<(Section, Option<rt::LazyData>), Error> {
    if let (Source::File(file, _), Some(source)) = (data.source, data.lazily(LAZY))
        && let Some(lazy) = rt::LazyData::new(module, &source)
    {
        let remake = source.remake.clone();
        let check = move |bytes: &[u8]| matches(bytes, &source.digests);
        return Ok((Section::in_file(file.clone(), data.at..data.at + data.len, check, remake), Some(lazy)));
    }
    Ok((Section::from(data.read()?), None))
}

fn records_from_bytes(bytes: &[u8]) -> Result<Vec<FunctionRecord>, Error> {
    let (records, rest) = bytes.as_chunks::<RECORD>();
    if !rest.is_empty() {
        return Err(corrupt("a table is cut off"));
    }
    let record = |bytes: &[u8; RECORD]| {
        let mut fields = bytes.as_chunks::<4>().0.iter().map(|b| u32::from_le_bytes(*b));
        let mut field = || fields.next().unwrap_or_default();
        FunctionRecord { start: field(), len: field(), traps: field(), wasm_offsets: field(), stack_maps: field() }
    };
    Ok(records.iter().map(record).collect())
}
