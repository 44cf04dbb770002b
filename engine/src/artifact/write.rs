//! An artifact written.

use super::format::{
    CHUNK, EAGER_LEN_AT, FORMAT, HASH_AT, HEAD, MAGIC, Meta, PAGE, RECORD, VERSION, VERSION_AT, digest, eager_hash,
};
use super::identity::Identity;
use super::seal::Seal;
use crate::compiled::CompiledModule;
use sconce_environ::code_tables::{CodeTable, FunctionRecord, Stream};
use sconce_environ::index::DefinedFuncIndex;
use sconce_environ::module::Module;
use serde::Serialize;
use std::io::{self, Write};

/// What an artifact is written from.
pub(crate) struct Contents<'a> {
    pub(crate) identity: &'a Identity,
    pub(crate) module: &'a Module,
    pub(crate) text: &'a [u8],
    pub(crate) thunks: u32,
    pub(crate) functions: &'a [FunctionRecord],
    /// In the order of [`CodeTable`].
    pub(crate) streams: [&'a [u8]; CodeTable::COUNT],
    pub(crate) data: &'a [u8],
    pub(crate) offsets: &'a [u8],
    pub(crate) custom: Vec<(&'a str, &'a [u8])>,
    pub(crate) code_offset: u32,
    pub(crate) hot: &'a [DefinedFuncIndex],
}

impl CompiledModule {
    /// Writes the artifact; as a cache entry's contents, if there is a seal.
    ///
    /// # Errors
    /// Those of `out`, and if a part was in a file that has been damaged since.
    pub(crate) fn write(&self, identity: &Identity, seal: Option<&Seal>, out: &mut dyn Write) -> io::Result<()> {
        let gone = || io::Error::other("a section cannot be read any more");
        let text = self.loaded.code().text();
        let offsets = self.debug.offsets.bytes().ok_or_else(gone)?;
        let custom: Option<Vec<(&str, &[u8])>> =
            self.debug.custom.iter().map(|(name, section)| Some((name.as_str(), section.bytes()?))).collect();
        let custom = custom.ok_or_else(gone)?;
        let data = self.data.bytes().ok_or_else(gone)?;
        let tables = self.loaded.code().tables();
        let mut streams: [&[u8]; CodeTable::COUNT] = Default::default();
        for (bytes, table) in streams.iter_mut().zip(&tables.streams) {
            *bytes = table.get(0..table.len()).ok_or_else(gone)?;
        }
        let contents = Contents {
            identity,
            module: self.loaded.module(),
            text,
            thunks: self.thunks,
            functions: &tables.functions,
            streams,
            data,
            offsets,
            custom,
            code_offset: self.debug.code_offset,
            hot: &self.hot,
        };
        contents.layout(seal)?.write(out)
    }
}

/// An artifact's bytes, one part behind the other.
pub(crate) struct Layout<'a> {
    /// The head and the eager part, up to a page's end.
    start: Vec<u8>,
    rest: Vec<&'a [u8]>,
}

impl Layout<'_> {
    /// Bytes of all of it.
    pub(crate) fn len(&self) -> u64 {
        self.rest.iter().map(|part| part.len() as u64).sum::<u64>() + self.start.len() as u64
    }

    pub(crate) fn write(&self, out: &mut (impl Write + ?Sized)) -> io::Result<()> {
        out.write_all(&self.start)?;
        self.rest.iter().try_for_each(|part| out.write_all(part))
    }
}

impl<'a> Contents<'a> {
    /// What is to be written; as a cache entry's contents, if there is a seal.
    pub(crate) fn layout(&self, seal: Option<&Seal>) -> io::Result<Layout<'a>> {
        let meta = Meta {
            module: self.module,
            thunks: self.thunks,
            text_len: self.text.len() as u64,
            data_len: self.data.len() as u64,
            tables_len: self.streams.map(|bytes| bytes.len() as u64),
            offsets: (self.offsets.len() as u64, digest(self.offsets)),
            code_offset: self.code_offset,
            hot: self.hot.iter().map(|func| func.as_u32()).collect(),
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
        head[HASH_AT].copy_from_slice(&eager_hash(eager, seal));
        start.resize(start.len().next_multiple_of(PAGE as usize), 0);
        Ok(Layout { start, rest })
    }
}

fn encode(value: &impl Serialize) -> io::Result<Vec<u8>> {
    postcard::to_stdvec(value).map_err(io::Error::other)
}

fn records_to_bytes(records: &[FunctionRecord]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(RECORD * records.len());
    for r in records {
        for field in [r.start, r.len, r.traps, r.wasm_offsets, r.stack_maps] {
            bytes.extend_from_slice(&field.to_le_bytes());
        }
    }
    bytes
}
