//! Compiled modules as bytes.
//!
//! | part | contents |
//! |---|---|
//! | fixed head, 96 bytes | magic, format version, crate version, length of the eager part, hash of the eager part behind this head |
//! | eager part | identity (target, settings), metadata, where functions are, a hash for each [`CHUNK`] of what follows up to the jump tables |
//! | from the next page | text |
//! | behind it | contents of data segments |
//! | behind it | tables of the code: traps, stack maps, what must not be interrupted, call sites in try regions, their handlers, jump tables |
//! | behind it | wasm offsets, name section, DWARF: read when a backtrace wants them |
//!
//! Lengths stand before their parts; numbers are little-endian. Everything is covered by a hash: the eager part by the head's, which in
//! a cache entry is keyed by the entry's key, so that one entry is not taken for another; text, data and tables by the hashes in the eager
//! part, and what backtraces read by one for each section in the metadata. The hashes find damage. They are no signature: whoever
//! can write an artifact can run any code. Metadata that passes the hash is checked all the same ([`crate::check`]), so that no bytes
//! make this crate panic.

use crate::Engine;
use crate::cache::Key;
use crate::check;
use crate::data;
use crate::engine::CompilerKind;
use crate::error::{ArtifactError, Error};
use crate::link::Linked;
use crate::module::{Compilation, DebugSections, Module, Progress, code_offset, debug_sections};
use crate::remake::Remake;
use crate::sections::{self, Section};
use crate::text;
use crate::used::Used;
use rustix::fs::FallocateFlags;
use rustix::io::Errno;
use sconce_environ as environ;
use sconce_environ::code_tables::{CodeTables, FunctionRecord, Stream};
use sconce_environ::compile::{BoundsStyle, CallStyle, Settings};
use sconce_environ::decode::Decoded;
use sconce_runtime as rt;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::sync::Arc;

const MAGIC: [u8; 8] = *b"\x7fsconce\n";
/// Changes whenever the meaning of any byte does. Versions of the crate do not read each other's artifacts anyway, so this
/// matters between builds of one version.
const FORMAT: u32 = 6;
const HEAD: usize = 96;
const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Where in the head the version is, zero-padded.
const VERSION_AT: std::ops::Range<usize> = 16..48;
const EAGER_LEN_AT: std::ops::Range<usize> = 48..56;
const HASH_AT: std::ops::Range<usize> = 64..96;
const PAGE: u64 = 4096;
/// Bytes that one hash covers.
const CHUNK: usize = rt::CHUNK;
/// A part of a file that is longer than this is brought in as it is used. What is shorter is read and compared at once, which costs
/// little, and lets a damaged cache entry be replaced before anything depends on it.
const LAZY: u64 = data::LAZY;
/// The same for tables, which few runs look at.
const LAZY_TABLE: u64 = 64 << 10;
/// Streams of [`CodeTables`]: traps, stack maps, what is not interruptible, call sites, handlers, jump tables.
const STREAMS: usize = 6;
/// More text than this is read at once all the same: each chunk may take one of the mappings that a process can have.
const MAX_LAZY: u64 = 256 << 20;

/// For whom an artifact was made.
#[derive(Serialize, Deserialize, PartialEq, Eq)]
struct Identity {
    target: String,
    settings: Settings,
}

/// What the parts mean, and how long the lazy ones are.
#[derive(Serialize, Deserialize)]
struct Meta<M> {
    module: M,
    thunks: u32,
    text_len: u64,
    data_len: u64,
    /// Of the streams of tables, in the order of [`STREAMS`].
    tables_len: [u64; STREAMS],
    offsets: (u64, rt::Digest),
    code_offset: u32,
    custom: Vec<(String, u64, rt::Digest)>,
}

/// A module's parts, as they are written. Holds no engine, so that a thread that writes a cache entry keeps none alive.
pub(crate) struct Parts {
    identity: Identity,
    module: Arc<environ::module::Module>,
    code: Arc<rt::CodeRegion>,
    thunks: u32,
    data: Arc<Section>,
    debug: Arc<DebugSections>,
}

/// What an artifact is written from.
struct Contents<'a> {
    identity: &'a Identity,
    module: &'a environ::module::Module,
    text: &'a [u8],
    thunks: u32,
    functions: &'a [FunctionRecord],
    /// In the order of [`STREAMS`].
    streams: [&'a [u8]; STREAMS],
    data: &'a [u8],
    offsets: &'a [u8],
    custom: Vec<(&'a str, &'a [u8])>,
    code_offset: u32,
}

/// A compiled module that is written to a file and nothing else: it has never been loaded.
pub struct Artifact {
    identity: Identity,
    binary: Vec<u8>,
    decoded: Decoded,
    linked: Linked,
    data: Vec<u8>,
}

impl Artifact {
    /// Compiles a module in binary or text form; the cache is not asked.
    ///
    /// # Errors
    /// As [`Module::new_with_progress`].
    pub fn new(engine: &Engine, bytes: Vec<u8>, progress: Option<&dyn Progress>) -> Result<Artifact, Error> {
        Artifact::by(engine, None, bytes, progress)
    }

    /// The same by this compiler, if it says which.
    pub(crate) fn by(
        engine: &Engine,
        compiler: Option<CompilerKind>,
        bytes: Vec<u8>,
        progress: Option<&dyn Progress>,
    ) -> Result<Artifact, Error> {
        let text = match text::to_binary(&bytes)? {
            Cow::Owned(binary) => Some(binary),
            Cow::Borrowed(_) => None,
        };
        let binary = text.unwrap_or(bytes);
        let Compilation { compiler, mut decoded, linked } = Compilation::new(engine, compiler, &binary, progress)?;
        let data = data::contents(&mut decoded.module, &decoded.data, &binary);
        Ok(Artifact { identity: Identity::of(engine, compiler)?, binary, decoded, linked, data })
    }

    /// Writes what [`Module::deserialize`] reads, in large pieces.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        self.write_for(None, out)
    }

    /// The same as a cache entry's contents, if there is a key.
    pub(crate) fn write_for(&self, key: Option<Key>, out: &mut dyn Write) -> io::Result<()> {
        self.with_contents(|contents| contents.layout(key)?.write(out))
    }

    /// The same to a new file, whose room is reserved beforehand where the file system can: so a full one is known of before anything is
    /// written, and no file system has to look for room when the file replaces another.
    ///
    /// # Errors
    /// Those of the file.
    pub fn write_new(&self, file: &mut File) -> io::Result<()> {
        self.with_contents(|contents| {
            let layout = contents.layout(None)?;
            let reserved = rustix::fs::fallocate(&*file, FallocateFlags::empty(), 0, layout.len());
            // Of others writing will tell, if they matter: not every file system can do this.
            if let Err(e @ (Errno::NOSPC | Errno::DQUOT | Errno::FBIG)) = reserved {
                return Err(e.into());
            }
            layout.write(file)
        })
    }

    fn with_contents<R>(&self, f: impl FnOnce(&Contents<'_>) -> R) -> R {
        let Linked { text, thunks, tables, offsets } = &self.linked;
        let CodeTables { functions, traps, stack_maps, uninterruptible, call_sites, handlers, jump_tables } = tables;
        let contents = Contents {
            identity: &self.identity,
            module: &self.decoded.module,
            text,
            thunks: *thunks,
            functions,
            streams: [traps, stack_maps, uninterruptible, call_sites, handlers, jump_tables].map(Vec::as_slice),
            data: &self.data,
            offsets: &offsets.0,
            custom: debug_sections(&self.decoded, &self.binary).collect(),
            code_offset: code_offset(&self.decoded),
        };
        f(&contents)
    }
}

impl std::fmt::Debug for Artifact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Artifact").field("text", &self.linked.text.len()).finish_non_exhaustive()
    }
}

/// Whether these bytes begin as an artifact does.
pub(crate) fn is_artifact(bytes: &[u8]) -> bool {
    bytes.starts_with(&MAGIC)
}

impl Module {
    /// The compiled module as bytes for [`Module::deserialize`].
    ///
    /// # Errors
    /// [`Error::Artifact`] if the module came from an artifact's file that has been damaged since.
    pub fn serialize(&self) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        let written = Parts::of(self)?.write(None, &mut bytes);
        written.map_err(|_| ArtifactError::Corrupt("a part of its file is gone"))?;
        Ok(bytes)
    }

    /// A module from what [`Module::serialize`] gave. A checksum guards against damage, not against malice: whoever can
    /// forge these bytes can run any code.
    ///
    /// # Errors
    /// [`Error::Artifact`] says which of format, version, CPU, settings or checksum does not match; [`Error::Resources`].
    pub fn deserialize(engine: &Engine, bytes: &[u8]) -> Result<Module, Error> {
        read(engine, &Source::Bytes(bytes), None)
    }

    /// The same from a file, of which large parts are read when they are first needed. The file is kept open. Should it change
    /// meanwhile, what does not match its checksum is not run: the process ends with a message then.
    ///
    /// # Errors
    /// As [`Module::deserialize`].
    pub fn deserialize_file(engine: &Engine, file: File) -> Result<Module, Error> {
        read(engine, &Source::File(Arc::new(file.into()), None), None)
    }

    /// Whether these bytes begin as a serialized module does.
    pub fn is_artifact(bytes: &[u8]) -> bool {
        is_artifact(bytes)
    }
}

impl Parts {
    pub(crate) fn of(module: &Module) -> Result<Parts, Error> {
        let inner = &module.inner;
        Ok(Parts {
            identity: Identity::of(&inner.engine, inner.compiler)?,
            module: inner.loaded.module().clone(),
            code: inner.loaded.code().clone(),
            thunks: inner.thunks,
            data: inner.data.clone(),
            debug: inner.debug.clone(),
        })
    }

    /// Writes the artifact; as a cache entry's contents, if there is a key.
    pub(crate) fn write(&self, key: Option<Key>, out: &mut dyn Write) -> io::Result<()> {
        let gone = || io::Error::other("a section cannot be read any more");
        let text = self.code.text();
        let offsets = self.debug.offsets.bytes().ok_or_else(gone)?;
        let custom: Option<Vec<(&str, &[u8])>> =
            self.debug.custom.iter().map(|(name, section)| Some((name.as_str(), section.bytes()?))).collect();
        let custom = custom.ok_or_else(gone)?;
        let data = self.data.bytes().ok_or_else(gone)?;
        let CodeTables { functions, traps, stack_maps, uninterruptible, call_sites, handlers, jump_tables } = self.code.tables();
        let mut streams: [&[u8]; STREAMS] = Default::default();
        for (bytes, table) in streams.iter_mut().zip([traps, stack_maps, uninterruptible, call_sites, handlers, jump_tables]) {
            *bytes = table.get(0..table.len()).ok_or_else(gone)?;
        }
        let contents = Contents {
            identity: &self.identity,
            module: &self.module,
            text,
            thunks: self.thunks,
            functions,
            streams,
            data,
            offsets,
            custom,
            code_offset: self.debug.code_offset,
        };
        contents.layout(key)?.write(out)
    }
}

/// An artifact's bytes, one part behind the other.
struct Layout<'a> {
    /// The head and the eager part, up to a page's end.
    start: Vec<u8>,
    rest: Vec<&'a [u8]>,
}

impl Layout<'_> {
    /// Bytes of all of it.
    fn len(&self) -> u64 {
        self.rest.iter().map(|part| part.len() as u64).sum::<u64>() + self.start.len() as u64
    }

    fn write(&self, out: &mut (impl Write + ?Sized)) -> io::Result<()> {
        out.write_all(&self.start)?;
        self.rest.iter().try_for_each(|part| out.write_all(part))
    }
}

impl<'a> Contents<'a> {
    /// What is to be written.
    fn layout(&self, key: Option<Key>) -> io::Result<Layout<'a>> {
        let meta = Meta {
            module: self.module,
            thunks: self.thunks,
            text_len: self.text.len() as u64,
            data_len: self.data.len() as u64,
            tables_len: self.streams.map(|bytes| bytes.len() as u64),
            offsets: (self.offsets.len() as u64, digest(self.offsets)),
            code_offset: self.code_offset,
            custom: self.custom.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.len() as u64, digest(bytes))).collect(),
        };
        let mut start = vec![0; HEAD];
        let part = |start: &mut Vec<u8>, bytes: &[u8]| {
            start.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
            start.extend_from_slice(bytes);
        };
        part(&mut start, &encode(self.identity)?);
        part(&mut start, &encode(&meta)?);
        part(&mut start, &records_to_bytes(self.functions));
        let mut rest: Vec<&[u8]> = [self.text, self.data].into_iter().chain(self.streams).collect();
        for hashed in &rest {
            let hashes: Vec<u8> = hashed.chunks(CHUNK).flat_map(digest).collect();
            part(&mut start, &hashes);
        }
        rest.push(self.offsets);
        rest.extend(self.custom.iter().map(|(_, bytes)| bytes));

        let (head, eager) = start.split_at_mut(HEAD);
        head[..8].copy_from_slice(&MAGIC);
        head[8..12].copy_from_slice(&FORMAT.to_le_bytes());
        let version = VERSION.as_bytes();
        head[VERSION_AT.start..][..version.len()].copy_from_slice(version);
        head[EAGER_LEN_AT].copy_from_slice(&(eager.len() as u64).to_le_bytes());
        head[HASH_AT].copy_from_slice(&eager_hash(eager, key));
        start.resize(start.len().next_multiple_of(PAGE as usize), 0);
        Ok(Layout { start, rest })
    }
}

fn encode(value: &impl Serialize) -> io::Result<Vec<u8>> {
    postcard::to_stdvec(value).map_err(io::Error::other)
}

impl Identity {
    fn of(engine: &Engine, compiler: CompilerKind) -> Result<Identity, Error> {
        Ok(Identity { target: engine.compiler(compiler)?.fingerprint(), settings: engine.inner.settings.clone() })
    }

    /// Whose code it is, of those whose code the engine takes.
    fn check(&self, engine: &Engine) -> Result<CompilerKind, Error> {
        let accepted = engine.accepted_compilers();
        for &compiler in accepted {
            if *self == Identity::of(engine, compiler)? {
                return Ok(compiler);
            }
        }
        let own = Identity::of(engine, accepted[0])?;
        // The target's text may speak of settings too: the plainer message comes first.
        if self.settings != own.settings {
            let (expected, found) = (describe(&own.settings), describe(&self.settings));
            return Err(ArtifactError::Settings { expected, found }.into());
        }
        let (expected, found) = (only_in(&own.target, &self.target), only_in(&self.target, &own.target));
        Err(ArtifactError::Target { expected, found }.into())
    }
}

/// The words of one target's text that another's does not have: the whole texts list every feature of a processor.
fn only_in(text: &str, other: &str) -> String {
    let other: Vec<&str> = other.split_whitespace().collect();
    let words: Vec<&str> = text.split_whitespace().filter(|word| !other.contains(word)).collect();
    if words.is_empty() { "a processor without further features".into() } else { words.join(" ") }
}

/// What artifacts of this build are called in messages and keys.
pub(crate) fn version() -> String {
    format!("{VERSION} (format {FORMAT})")
}

/// Settings in the words of the options that choose them.
pub(crate) fn describe(settings: &Settings) -> String {
    let bounds = match settings.bounds {
        BoundsStyle::Guard => "guard",
        BoundsStyle::Explicit => "explicit",
    };
    let calls = match settings.calls {
        CallStyle::Direct => "direct",
        CallStyle::Slots => "slots",
    };
    let nans = if settings.canonical_nans { ", canonical NaNs" } else { "" };
    let baseline = if settings.baseline { ", baseline" } else { "" };
    format!("bounds={bounds}, calls={calls}{nans}{baseline}")
}

/// Where an artifact is read from.
pub(crate) enum Source<'a> {
    Bytes(&'a [u8]),
    /// An open file, and what helps if it turns out to be damaged when it is used.
    File(Arc<OwnedFd>, Option<Arc<Remake>>),
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
            Source::File(file, _) => sections::read_exact_at(file, out, at),
        };
        read.ok_or_else(|| corrupt("it is cut off"))
    }

    fn remake(&self) -> Option<Arc<dyn rt::Remake>> {
        match self {
            Source::Bytes(_) => None,
            Source::File(_, remake) => remake.clone().map(|remake| -> Arc<dyn rt::Remake> { remake }),
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

/// Reads an artifact, copying what is trusted before it is hashed. With a key, it must be that cache entry.
pub(crate) fn read(engine: &Engine, source: &Source<'_>, key: Option<Key>) -> Result<Module, Error> {
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
    if eager_hash(&eager, key) != head[HASH_AT] {
        return Err(corrupt("a checksum does not match"));
    }
    let identity: Identity = postcard::from_bytes(cursor.part()?).map_err(|_| corrupt("its identity does not parse"))?;
    let compiler = identity.check(engine)?;
    let meta: Meta<environ::module::Module> =
        postcard::from_bytes(cursor.part()?).map_err(|_| corrupt("its metadata does not parse"))?;
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
    let mut streams = Vec::with_capacity(STREAMS);
    for len in meta.tables_len {
        streams.push(part(len)?);
    }
    let (len, hash) = meta.offsets;
    let offsets = source.lazy(next(len)?, len, hash)?;
    let mut custom = Vec::new();
    for (name, len, hash) in meta.custom {
        custom.push((name, source.lazy(next(len)?, len, hash)?));
    }
    let debug = DebugSections { offsets, custom, code_offset: meta.code_offset };
    let mut streams = streams.iter().map(load_table);
    let mut stream = || streams.next().unwrap_or_else(|| Err(corrupt("a table is missing")));
    let tables = CodeTables {
        functions,
        traps: stream()?,
        stack_maps: stream()?,
        uninterruptible: stream()?,
        call_sites: stream()?,
        handlers: stream()?,
        jump_tables: stream()?,
    };
    let code = load_text(engine, &text, tables)?;
    let data = load_data(&data, &meta.module)?;
    let module = Module::assemble(engine, compiler, Arc::new(meta.module), code, meta.thunks, data, debug);
    // The head's hash is a hash of all hashes, and so stands for text and data.
    if let (Source::File(..), Some(cache)) = (source, engine.cache())
        && let Some(used) = Used::begin(engine, cache, &head[HASH_AT], &module.inner.loaded)
    {
        let _ = module.inner.used.set(used);
    }
    Ok(module)
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

fn load_text(engine: &Engine, text: &Part<'_>, tables: rt::Tables) -> Result<Arc<rt::CodeRegion>, Error> {
    match text.lazily(LAZY) {
        Some(source) => Ok(engine.inner.space.load_lazily(source, tables)?),
        None => Ok(engine.inner.space.load(&text.read()?, tables)?),
    }
}

fn load_table(table: &Part<'_>) -> Result<rt::TableBytes, Error> {
    match table.lazily(LAZY_TABLE).and_then(rt::TableBytes::in_file) {
        Some(lazy) => Ok(lazy),
        None => Ok(table.read()?.into()),
    }
}

/// The contents of data segments.
fn load_data(data: &Part<'_>, module: &environ::module::Module) -> Result<(Section, Option<rt::LazyData>), Error> {
    if let (Source::File(file, _), Some(source)) = (data.source, data.lazily(LAZY))
        && let Some(lazy) = rt::LazyData::new(module, &source)
    {
        let remake = source.remake.clone();
        let check = move |bytes: &[u8]| matches(bytes, &source.digests);
        return Ok((Section::in_file(file.clone(), data.at..data.at + data.len, check, remake), Some(lazy)));
    }
    Ok((Section::from(data.read()?), None))
}

/// What the head says of the eager part.
fn eager_hash(eager: &[u8], key: Option<Key>) -> rt::Digest {
    match key {
        Some(key) => *blake3::keyed_hash(key.bytes(), eager).as_bytes(),
        None => digest(eager),
    }
}

/// A chunk's hash. Called in a signal handler: takes no lock and allocates nothing.
fn digest(chunk: &[u8]) -> rt::Digest {
    *blake3::hash(chunk).as_bytes()
}

const RECORD: usize = size_of::<FunctionRecord>();

fn records_to_bytes(records: &[FunctionRecord]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(RECORD * records.len());
    for r in records {
        for field in [r.start, r.len, r.traps, r.wasm_offsets, r.stack_maps] {
            bytes.extend_from_slice(&field.to_le_bytes());
        }
    }
    bytes
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
