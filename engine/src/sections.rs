//! Bytes that a module keeps: in memory, or in the artifact's file until they are wanted.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, OnceLock};

/// A section's bytes.
#[derive(Default)]
pub(crate) struct Section {
    bytes: OnceLock<Option<Box<[u8]>>>,
    file: Option<(Arc<File>, Range<u64>)>,
}

impl From<Vec<u8>> for Section {
    fn from(bytes: Vec<u8>) -> Section {
        Section { bytes: OnceLock::from(Some(bytes.into())), file: None }
    }
}

impl Section {
    /// A section that is read when it is first asked for. What it says by then is not to be trusted.
    pub(crate) fn in_file(file: Arc<File>, range: Range<u64>) -> Section {
        Section { bytes: OnceLock::new(), file: Some((file, range)) }
    }

    /// The bytes; `None` if the file cannot be read any more.
    pub(crate) fn bytes(&self) -> Option<&[u8]> {
        self.bytes.get_or_init(|| self.read()).as_deref()
    }

    fn read(&self) -> Option<Box<[u8]>> {
        let (file, range) = self.file.as_ref()?;
        // The length was checked against the file's when the artifact was opened.
        let mut bytes = vec![0; usize::try_from(range.end - range.start).ok()?];
        file.read_exact_at(&mut bytes, range.start).ok()?;
        Some(bytes.into())
    }
}

impl AsRef<[u8]> for Section {
    fn as_ref(&self) -> &[u8] {
        self.bytes().unwrap_or_default()
    }
}
