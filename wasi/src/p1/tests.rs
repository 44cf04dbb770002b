//! The functions on host bytes in a guest memory's stead: what an engine would call.

mod fds;
mod given;
mod hostile;
mod masked;
mod misuse;
mod paths;
mod polls;
mod races;
mod read_only;
mod recorded;
mod rest;
mod taken;

use super::call::Call;
use super::errno::{Errno, Fail, Outcome};
use super::{path, readdir, rights};
use crate::{Access, WasiCtx, WasiCtxBuilder};
use sconce_engine::GuestMemory;
use std::cell::RefCell;
use tempfile::TempDir;

/// Size of the memory: large enough for lists that are refused for their length.
const MEMORY: usize = 8 << 20;

/// Addresses that tests use.
const OUT: u32 = 1024;
const IOVS: u32 = 2048;
const TEXT: u32 = 4096;
const TEXT2: u32 = 16384;
const BUF: u32 = 65536;

/// A guest that is played by the test.
struct Guest {
    ctx: WasiCtx,
    memory: RefCell<Vec<u8>>,
    interrupted: fn() -> bool,
    /// The host's side of descriptor 3.
    dir: TempDir,
}

impl Guest {
    fn new() -> Guest {
        Guest::with(Access::ReadWrite, |b| b)
    }

    /// With an empty directory as descriptor 3.
    fn with(access: Access, more: impl FnOnce(WasiCtxBuilder) -> WasiCtxBuilder) -> Guest {
        let dir = tempfile::tempdir().unwrap();
        let builder = WasiCtx::builder().preopen_path(dir.path(), "/data", access).unwrap();
        Guest { ctx: more(builder).build().unwrap(), memory: RefCell::new(vec![0; MEMORY]), interrupted: || false, dir }
    }

    fn call<T>(&self, f: impl FnOnce(&Call<'_>) -> T) -> T {
        let mut memory = self.memory.borrow_mut();
        f(&Call { ctx: &self.ctx, memory: GuestMemory::from(&mut memory[..]), interrupted: &self.interrupted })
    }

    fn put(&self, at: u32, bytes: &[u8]) -> (u32, u32) {
        self.memory.borrow_mut()[at as usize..][..bytes.len()].copy_from_slice(bytes);
        (at, bytes.len() as u32)
    }

    fn bytes(&self, at: u32, len: u32) -> Vec<u8> {
        self.memory.borrow()[at as usize..][..len as usize].to_vec()
    }

    fn u16(&self, at: u32) -> u16 {
        u16::from_le_bytes(self.bytes(at, 2).try_into().unwrap())
    }

    fn u32(&self, at: u32) -> u32 {
        u32::from_le_bytes(self.bytes(at, 4).try_into().unwrap())
    }

    fn u64(&self, at: u32) -> u64 {
        u64::from_le_bytes(self.bytes(at, 8).try_into().unwrap())
    }

    /// An iovec array with these entries.
    fn iovs(&self, entries: &[(u32, u32)]) -> (u32, u32) {
        let bytes: Vec<u8> = entries.iter().flat_map(|(p, n)| [p.to_le_bytes(), n.to_le_bytes()]).flatten().collect();
        self.put(IOVS, &bytes);
        (IOVS, entries.len() as u32)
    }

    /// `path_open` below descriptor 3.
    fn open(&self, name: &[u8], oflags: u32, base: u64) -> Outcome<u32> {
        self.open_at(3, 1, name, oflags, base, 0)
    }

    fn open_at(&self, dir: u32, lookup: u32, name: &[u8], oflags: u32, base: u64, fdflags: u32) -> Outcome<u32> {
        let name = self.put(TEXT, name);
        let ask = path::Open { lookup, oflags, base, inheriting: u64::MAX, fdflags };
        self.call(|c| path::open(c, dir, name, &ask, OUT))?;
        Ok(self.u32(OUT))
    }

    /// `fd_write` of these bytes.
    fn write(&self, fd: u32, bytes: &[u8]) -> Outcome<u32> {
        let text = self.put(BUF, bytes);
        let (iovs, count) = self.iovs(&[text]);
        self.call(|c| crate::p1::fd::write(c, fd, iovs, count, OUT))?;
        Ok(self.u32(OUT))
    }

    /// `fd_read` of at most so many bytes.
    fn read(&self, fd: u32, len: u32) -> Outcome<Vec<u8>> {
        let (iovs, count) = self.iovs(&[(BUF, len)]);
        self.call(|c| crate::p1::fd::read(c, fd, iovs, count, OUT))?;
        Ok(self.bytes(BUF, self.u32(OUT)))
    }

    /// Base rights, inheriting rights, flags and type, as `fd_fdstat_get` gives them.
    fn fdstat(&self, fd: u32) -> (u64, u64, u16, u8) {
        self.call(|c| crate::p1::fd::fdstat_get(c, fd, OUT)).unwrap();
        (self.u64(OUT + 8), self.u64(OUT + 16), self.u16(OUT + 2), self.bytes(OUT, 1)[0])
    }
}

/// An errno as a call gives it.
fn errno<T>(e: Errno) -> Outcome<T> {
    Err(Fail::Errno(e))
}

/// Descriptors that the process has open.
fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

const READ: u64 = rights::FD_READ | rights::FD_SEEK | rights::FD_TELL;
const WRITE: u64 = rights::FD_WRITE | rights::FD_SEEK | rights::FD_TELL;
