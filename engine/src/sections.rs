//! Bytes that a module keeps: in memory, or in the artifact's file until they are wanted.

use std::ops::Range;
use std::os::fd::OwnedFd;
use std::sync::{Arc, OnceLock};

/// A section's bytes.
#[derive(Default)]
pub(crate) struct Section {
    bytes: OnceLock<Option<Box<[u8]>>>,
    file: Option<(Arc<OwnedFd>, Range<u64>)>,
    /// Says whether what was read from the file is what it should be.
    check: Option<Check>,
}

type Check = Box<dyn Fn(&[u8]) -> bool + Send + Sync>;

impl From<Vec<u8>> for Section {
    fn from(bytes: Vec<u8>) -> Section {
        Section { bytes: OnceLock::from(Some(bytes.into())), ..Section::default() }
    }
}

impl Section {
    /// A section that is read when it is first asked for. What it says by then is not to be trusted.
    pub(crate) fn in_file(file: Arc<OwnedFd>, range: Range<u64>) -> Section {
        Section { file: Some((file, range)), ..Section::default() }
    }

    /// The same section, whose bytes are only believed if `check` says so.
    pub(crate) fn checked(self, check: impl Fn(&[u8]) -> bool + Send + Sync + 'static) -> Section {
        Section { check: Some(Box::new(check)), ..self }
    }

    /// The bytes; `None` if the file cannot be read any more, or was changed where that matters.
    pub(crate) fn bytes(&self) -> Option<&[u8]> {
        self.bytes.get_or_init(|| self.read()).as_deref()
    }

    fn read(&self) -> Option<Box<[u8]>> {
        let (file, range) = self.file.as_ref()?;
        // The length was checked against the file's when the artifact was opened.
        let mut bytes = vec![0; usize::try_from(range.end - range.start).ok()?];
        read_exact_at(file, &mut bytes, range.start)?;
        self.check.as_ref().is_none_or(|check| check(&bytes)).then(|| bytes.into())
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
