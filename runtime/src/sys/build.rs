//! Which build of this code is running: what a code generator's output is kept under, since two builds of one
//! version may generate different code.
//!
//! The linker's build id says so: a hash of what it wrote, which is the same for every copy of the file, and
//! is in memory. The object that is asked is the one that this function is in: the executable, or a library
//! of an embedder's. Where the linker wrote no id, the object's file stands for it, if it still is what was
//! loaded.

use libc::{Elf64_Phdr, PF_R, PF_W, PT_LOAD, PT_NOTE, c_int, c_void, dl_phdr_info, size_t};
use std::ffi::{CStr, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// A build of this code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Build {
    /// The linker's id.
    Id(Vec<u8>),
    /// The contents of the file, where there is no id.
    File(Vec<u8>),
}

/// The build that is running; `None` if nothing can be said of it.
pub fn build() -> Option<Build> {
    let object = Object::of(build as *const () as usize)?;
    match object.id() {
        Some(id) => Some(Build::Id(id.to_vec())),
        None => object.file().map(Build::File),
    }
}

/// A loaded executable or library. It stays loaded: this code is in it.
struct Object {
    base: usize,
    path: PathBuf,
    headers: &'static [Elf64_Phdr],
}

struct Search {
    address: usize,
    found: Option<Object>,
}

extern "C" fn visit(info: *mut dl_phdr_info, _size: size_t, search: *mut c_void) -> c_int {
    // SAFETY: libc passes a description of a loaded object, and what `Object::of` gave it.
    let (info, search) = unsafe { (&*info, &mut *search.cast::<Search>()) };
    if info.dlpi_phdr.is_null() {
        return 0;
    }
    // SAFETY: so many headers stand there, as long as the object is loaded; only those of our own leave this function.
    let headers = unsafe { std::slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum.into()) };
    let base = info.dlpi_addr as usize;
    let inside =
        |h: &Elf64_Phdr| h.p_type == PT_LOAD && search.address.wrapping_sub(base + h.p_vaddr as usize) < h.p_memsz as usize;
    if !headers.iter().any(inside) {
        return 0;
    }
    let name = if info.dlpi_name.is_null() {
        &[][..]
    } else {
        // SAFETY: a string of libc's.
        unsafe { CStr::from_ptr(info.dlpi_name) }.to_bytes()
    };
    // The executable has no name.
    let path = if name.is_empty() { "/proc/self/exe".into() } else { OsStr::from_bytes(name).into() };
    search.found = Some(Object { base, path, headers });
    1
}

impl Object {
    fn of(address: usize) -> Option<Object> {
        let mut search = Search { address, found: None };
        // SAFETY: the callback gets `search`, which outlives the call, and does not unwind.
        unsafe { libc::dl_iterate_phdr(Some(visit), (&raw mut search).cast()) };
        search.found
    }

    /// What a segment's file held, if it is in memory as it was.
    fn memory(&self, segment: &Elf64_Phdr) -> Option<&[u8]> {
        let (start, len) = (segment.p_vaddr, segment.p_filesz);
        let holds = |h: &Elf64_Phdr| {
            let at = start.checked_sub(h.p_vaddr);
            h.p_type == PT_LOAD
                && h.p_flags & (PF_R | PF_W) == PF_R
                && at.and_then(|at| at.checked_add(len)).is_some_and(|end| end <= h.p_filesz)
        };
        self.headers.iter().any(holds).then_some(())?;
        // SAFETY: inside a part of this object that is loaded and readable, and that nobody writes.
        Some(unsafe { std::slice::from_raw_parts((self.base + start as usize) as *const u8, len as usize) })
    }

    fn id(&self) -> Option<&[u8]> {
        let notes = self.headers.iter().filter(|h| h.p_type == PT_NOTE);
        notes.filter_map(|h| find_id(self.memory(h)?, if h.p_align == 8 { 8 } else { 4 })).next()
    }

    /// The file's contents, if they are what is loaded: another build may have taken the file's place, and
    /// where a dynamic linker was told to run this program, the process's executable is that linker.
    fn file(&self) -> Option<Vec<u8>> {
        let file = std::fs::read(&self.path).ok()?;
        let headers_at = usize::try_from(u64::from_le_bytes(file.get(32..40)?.try_into().ok()?)).ok()?;
        // SAFETY: headers are numbers without gaps.
        let headers = unsafe { std::slice::from_raw_parts(self.headers.as_ptr().cast::<u8>(), size_of_val(self.headers)) };
        let same = |at: usize, bytes: &[u8]| at.checked_add(bytes.len()).and_then(|end| file.get(at..end)) == Some(bytes);
        let loaded = |h: &&Elf64_Phdr| h.p_type == PT_LOAD && h.p_flags & PF_W == 0;
        let unchanged = |h: &Elf64_Phdr| self.memory(h).is_some_and(|bytes| same(h.p_offset as usize, bytes));
        (same(headers_at, headers) && self.headers.iter().filter(loaded).all(unchanged)).then_some(file)
    }
}

/// The build id among these notes, whose parts begin at multiples of `align`.
fn find_id(mut notes: &[u8], align: usize) -> Option<&[u8]> {
    const NT_GNU_BUILD_ID: u32 = 3;
    loop {
        let (head, rest) = notes.split_first_chunk::<12>()?;
        let number = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let (name_len, len, kind) = (number(0) as usize, number(4) as usize, number(8));
        // Counted from the note's beginning, which is aligned.
        let at = (12 + name_len).next_multiple_of(align);
        let contents = notes.get(at..at + len)?;
        if kind == NT_GNU_BUILD_ID && rest.starts_with(b"GNU\0") && name_len == 4 && len > 0 {
            return Some(contents);
        }
        notes = notes.get((at + len).next_multiple_of(align)..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(kind: u32, name: &[u8], contents: &[u8], align: usize) -> Vec<u8> {
        let mut note = Vec::new();
        for number in [name.len() as u32, contents.len() as u32, kind] {
            note.extend_from_slice(&number.to_le_bytes());
        }
        for part in [name, contents] {
            note.extend_from_slice(part);
            note.resize(note.len().next_multiple_of(align), 0);
        }
        note
    }

    #[test]
    fn the_id_is_found_among_other_notes() {
        for align in [4, 8] {
            let others = [note(1, b"GNU\0", &[1; 16], align), note(3, b"Go\0\0", b"no", align), note(3, b"GNU\0", &[], align)];
            let id = note(3, b"GNU\0", &[7; 20], align);
            assert_eq!(find_id(&[others.concat(), id.clone()].concat(), align), Some(&[7; 20][..]));
            assert_eq!(find_id(&[id.clone(), others.concat()].concat(), align), Some(&[7; 20][..]));
            assert_eq!(find_id(&others.concat(), align), None);
            for cut in 0..id.len().min(32) {
                assert_eq!(find_id(&id[..cut], align), None, "cut off at {cut}");
            }
        }
        assert_eq!(find_id(&[0xff; 64], 4), None);
    }

    #[test]
    fn this_build_is_known() {
        let object = Object::of(build as *const () as usize).unwrap();
        let here = std::fs::read("/proc/self/exe").unwrap();
        assert!(object.file() == Some(here.clone()), "the tests' executable is what is loaded");
        // Not every linker is told to write an id, and then the file stands for it.
        match build().unwrap() {
            Build::Id(id) => assert!(here.windows(id.len()).any(|bytes| bytes == id)),
            Build::File(file) => assert!(file == here),
        }
        assert_eq!(build(), build());
    }

    #[test]
    fn another_file_is_not_what_is_loaded() {
        let mut object = Object::of(build as *const () as usize).unwrap();
        let mut file = std::fs::read("/proc/self/exe").unwrap();
        let changed = tempfile::NamedTempFile::new().unwrap();
        object.path = changed.path().into();
        std::fs::write(changed.path(), &file).unwrap();
        assert!(object.file().is_some(), "a copy is as good");
        let text = object.headers.iter().find(|h| h.p_type == PT_LOAD && h.p_flags & libc::PF_X != 0).unwrap();
        file[(text.p_offset + text.p_filesz / 2) as usize] ^= 1;
        for other in [&file[..], &file[..1000], &[]] {
            std::fs::write(changed.path(), other).unwrap();
            assert!(object.file().is_none());
        }
        object.path = "/nowhere".into();
        assert!(object.file().is_none());
        assert!(Object::of(1).is_none());
    }
}
