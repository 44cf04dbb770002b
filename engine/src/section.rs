//! Bytes that a module keeps: in memory, or in the artifact's file until they are wanted.

use sconce_runtime as rt;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::sync::{Arc, OnceLock};

/// A section's bytes.
#[derive(Default)]
pub(crate) struct Section {
    bytes: OnceLock<Option<Box<[u8]>>>,
    /// A part of what is kept anyway.
    part: Option<(Arc<Vec<u8>>, Range<usize>)>,
    file: Option<(Arc<OwnedFd>, Range<u64>)>,
    /// Says whether what was read from the file is what it should be.
    check: Option<Check>,
    /// What helps if it is not.
    remake: Option<Arc<dyn rt::Remake>>,
}

type Check = Box<dyn Fn(&[u8]) -> bool + Send + Sync>;

impl From<Vec<u8>> for Section {
    fn from(bytes: Vec<u8>) -> Section {
        Section { bytes: OnceLock::from(Some(bytes.into())), ..Section::default() }
    }
}

impl Section {
    /// A section that is read when it is first asked for, and believed if `check` says so. If not, `remake` may have the file's
    /// contents.
    pub(crate) fn in_file(
        file: Arc<OwnedFd>,
        range: Range<u64>,
        check: impl Fn(&[u8]) -> bool + Send + Sync + 'static,
        remake: Option<Arc<dyn rt::Remake>>,
    ) -> Section {
        Section { file: Some((file, range)), check: Some(Box::new(check)), remake, ..Section::default() }
    }

    /// A part of what is kept anyway; nothing if it does not lie inside.
    pub(crate) fn part(of: &Arc<Vec<u8>>, range: Range<usize>) -> Section {
        Section { part: Some((of.clone(), range)), ..Section::default() }
    }

    /// The bytes; `None` if the file cannot be read any more, or was changed, and cannot be made again.
    pub(crate) fn bytes(&self) -> Option<&[u8]> {
        if let Some((of, range)) = &self.part {
            return of.get(range.clone());
        }
        self.bytes.get_or_init(|| self.read()).as_deref()
    }

    /// How many bytes it has of its own.
    pub(crate) fn len(&self) -> u64 {
        let here = || self.bytes.get().and_then(Option::as_deref).map_or(0, |bytes| bytes.len() as u64);
        self.file.as_ref().map_or_else(here, |(_, range)| range.end - range.start)
    }

    fn read(&self) -> Option<Box<[u8]>> {
        let good = |bytes: Box<[u8]>| self.check.as_ref().is_none_or(|check| check(&bytes)).then_some(bytes);
        self.read_file().and_then(good).or_else(|| self.made_again().and_then(good))
    }

    fn made_again(&self) -> Option<Box<[u8]>> {
        let (_, range) = self.file.as_ref()?;
        let place = usize::try_from(range.start).ok()?..usize::try_from(range.end).ok()?;
        Some(self.remake.as_deref()?.bytes()?.get(place)?.into())
    }

    fn read_file(&self) -> Option<Box<[u8]>> {
        let (file, range) = self.file.as_ref()?;
        // The length was checked against the file's when the artifact was opened.
        let mut bytes = vec![0; usize::try_from(range.end - range.start).ok()?];
        read_exact_at(file, &mut bytes, range.start)?;
        Some(bytes.into())
    }
}

/// Fills `out` from a place in a file; `None` if there is less, or on any error.
pub(crate) fn read_exact_at(file: &OwnedFd, mut out: &mut [u8], mut at: u64) -> Option<()> {
    while !out.is_empty() {
        match rustix::io::retry_on_intr(|| rustix::io::pread(file, &mut *out, at)) {
            Ok(n) if n > 0 => {
                out = &mut out[n..];
                at += n as u64;
            }
            _ => return None,
        }
    }
    Some(())
}

impl AsRef<[u8]> for Section {
    fn as_ref(&self) -> &[u8] {
        self.bytes().unwrap_or_default()
    }
}

impl rt::Contents for Section {}
