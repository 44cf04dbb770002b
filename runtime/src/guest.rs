//! Guest memory as host functions see it: raw addresses, copies, and system calls straight into it.
//!
//! The guest (other threads of it, or the kernel on its behalf) may write its memory at any time, so no Rust reference to
//! guest bytes ever exists: values are copied out before they are validated, and the kernel reads and writes guest buffers
//! through raw pointers. What a [`GuestMemory`] covers was accessible when it was made, and stays so while it lives,
//! because memories never move and never shrink; growth is seen by the next one.
//!
//! Arrays of guest iovecs are read once, into host iovecs on the stack, at most [`IOV_MAX`] of them, as the kernel has it:
//! what was checked is what is used, and no number of the guest's makes the host allocate.

use crate::lazy_source::CHUNK;
use crate::speculation::masked_start;
use crate::sys::syscall::syscall;
use rustix::fd::{AsRawFd, BorrowedFd};
use rustix::io::{Errno, ReadWriteFlags};
use sconce_environ::vm::VmMemory;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::sync::atomic::Ordering;

/// Most entries of a guest iovec array: the kernel's own limit (`UIO_MAXIOV`). More is `EINVAL`.
pub const IOV_MAX: u32 = 1024;

/// Most iovecs that are kept in the small frame.
const FEW: usize = 16;

/// The offset by which calls that take one mean the file's position.
const HERE: i64 = -1;

/// A range that does not lie inside a guest memory.
#[derive(Copy, Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("address outside the guest's memory")]
pub struct GuestFault;

impl From<GuestFault> for Errno {
    fn from(_: GuestFault) -> Errno {
        Errno::FAULT
    }
}

/// A guest's memory, for as long as `'a`. Addresses and lengths are the guest's, in bytes.
#[derive(Copy, Clone, Debug)]
pub struct GuestMemory<'a> {
    base: *mut u8,
    len: usize,
    lifetime: PhantomData<&'a VmMemory>,
}

mod sealed {
    /// Integers of fixed size, every bit pattern of which is a value.
    pub trait Integer: Copy {
        /// Between the host's order and the little-endian one that wasm has.
        fn little_endian(self) -> Self;
    }
}
use sealed::Integer;

macro_rules! integers {
    ($($t:ty)*) => { $(impl Integer for $t {
        #[inline]
        fn little_endian(self) -> Self { <$t>::from_le(self) }
    })* };
}
integers!(u8 u16 u32 u64 i8 i16 i32 i64);

impl<'a> From<&'a mut [u8]> for GuestMemory<'a> {
    /// Host bytes in a guest memory's stead. The exclusive borrow is the promise that nobody else looks at them meanwhile.
    fn from(bytes: &'a mut [u8]) -> Self {
        GuestMemory { base: bytes.as_mut_ptr(), len: bytes.len(), lifetime: PhantomData }
    }
}

impl<'a> GuestMemory<'a> {
    /// A memory without a byte.
    pub const EMPTY: GuestMemory<'static> =
        GuestMemory { base: std::ptr::without_provenance_mut(1), len: 0, lifetime: PhantomData };

    /// The whole of a memory, with the length that it has now.
    ///
    /// # Safety
    ///
    /// For `'a`, the first `length` bytes from the memory's base must stay mapped, readable and writable, and no Rust
    /// reference to them may exist.
    #[inline]
    pub unsafe fn new(memory: &'a VmMemory) -> GuestMemory<'a> {
        GuestMemory { base: memory.base, len: memory.length.load(Ordering::Acquire), lifetime: PhantomData }
    }

    /// Bytes in it.
    #[inline]
    pub fn size(self) -> u64 {
        self.len as u64
    }

    /// Whether `len` bytes from `addr` lie inside. An empty range does if it begins inside or at the end.
    #[inline]
    pub fn check(self, addr: impl Into<u64>, len: impl Into<u64>) -> Result<(), GuestFault> {
        self.pointer(addr.into(), len.into()).map(drop)
    }

    /// The address in the host of `len` bytes from `addr`, if they lie inside.
    #[inline]
    fn pointer(self, addr: u64, len: u64) -> Result<*mut u8, GuestFault> {
        match addr.checked_add(len) {
            // Both fit usize: they are not above `self.len`.
            Some(end) if end <= self.len as u64 => {
                Ok(self.base.wrapping_add(masked_start(addr as usize, end as usize, self.len)))
            }
            _ => Err(GuestFault),
        }
    }

    /// As [`GuestMemory::pointer`], for the kernel: what comes in when it is used is brought in, since the
    /// kernel's use would be an error (`EFAULT`, or half a transfer) and no fault of this thread's.
    #[inline(always)]
    fn kernel_pointer(self, addr: u64, len: u64) -> Result<*mut u8, GuestFault> {
        let pointer = self.pointer(addr, len)?;
        if len > 0 {
            let mut at = 0;
            while at < len as usize {
                // SAFETY: inside the memory, which is readable for 'a; every bit pattern is a byte, and it is not looked at.
                unsafe { pointer.add(at).read_volatile() };
                at += CHUNK;
            }
            // SAFETY: as above.
            unsafe { pointer.add(len as usize - 1).read_volatile() };
        }
        Ok(pointer)
    }

    /// The little-endian integer at `addr`, aligned or not.
    #[inline]
    pub fn read<T: Integer>(self, addr: impl Into<u64>) -> Result<T, GuestFault> {
        let pointer = self.pointer(addr.into(), size_of::<T>() as u64)?.cast::<T>();
        // SAFETY: `pointer` checked that the bytes are inside the memory, which is readable for 'a; any bytes are a T.
        Ok(unsafe { pointer.read_unaligned() }.little_endian())
    }

    /// Writes a little-endian integer at `addr`, aligned or not.
    #[inline]
    pub fn write<T: Integer>(self, addr: impl Into<u64>, value: T) -> Result<(), GuestFault> {
        let pointer = self.pointer(addr.into(), size_of::<T>() as u64)?.cast::<T>();
        // SAFETY: `pointer` checked that the bytes are inside the memory, which is writable for 'a, and nothing refers to them.
        unsafe { pointer.write_unaligned(value.little_endian()) };
        Ok(())
    }

    /// Copies `out.len()` bytes from `addr` into `out`.
    #[inline]
    pub fn read_bytes(self, addr: impl Into<u64>, out: &mut [u8]) -> Result<(), GuestFault> {
        let pointer = self.pointer(addr.into(), out.len() as u64)?;
        // SAFETY: the source was checked; `out` is an exclusive host borrow, so that it cannot overlap guest memory.
        unsafe { std::ptr::copy_nonoverlapping(pointer, out.as_mut_ptr(), out.len()) };
        Ok(())
    }

    /// Copies `bytes` to `addr`.
    #[inline]
    pub fn write_bytes(self, addr: impl Into<u64>, bytes: &[u8]) -> Result<(), GuestFault> {
        let pointer = self.pointer(addr.into(), bytes.len() as u64)?;
        // SAFETY: the destination was checked, and no reference to it exists, so that `bytes` cannot overlap it.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), pointer, bytes.len()) };
        Ok(())
    }

    /// Sets `len` bytes from `addr` to `value`.
    pub fn fill(self, addr: impl Into<u64>, value: u8, len: impl Into<u64>) -> Result<(), GuestFault> {
        let len = len.into();
        let pointer = self.pointer(addr.into(), len)?;
        // SAFETY: the destination was checked, and no reference to it exists.
        unsafe { std::ptr::write_bytes(pointer, value, len as usize) };
        Ok(())
    }

    /// `getrandom(2)` straight into the memory; may fill less than `len`. Returns the bytes filled.
    pub fn random(self, addr: impl Into<u64>, len: impl Into<u64>) -> Result<usize, Errno> {
        let len = len.into();
        let pointer = self.kernel_pointer(addr.into(), len)?;
        // SAFETY: the kernel writes at most `len` bytes, which were checked.
        unsafe { syscall(libc::SYS_getrandom, [pointer as usize, len as usize, 0, 0, 0, 0]) }
    }

    /// How many bytes the guest's iovec array of `count` entries at `iovs` has. They may be others when it is used.
    pub fn iovs_len(self, iovs: u32, count: u32) -> Result<u64, Errno> {
        if count > IOV_MAX {
            return Err(Errno::INVAL);
        }
        (0..u64::from(count)).map(|n| Ok(u64::from(self.read::<u32>(u64::from(iovs) + 8 * n + 4)?))).sum()
    }

    /// `readv(2)` into the guest's iovec array of `count` entries at `iovs`. Returns the bytes read.
    #[inline(always)]
    pub fn readv(self, fd: BorrowedFd<'_>, iovs: u32, count: u32) -> Result<usize, Errno> {
        self.transfer([libc::SYS_read, libc::SYS_readv], fd, iovs, count, 0)
    }

    /// `writev(2)` from the guest's iovec array. Returns the bytes written.
    #[inline(always)]
    pub fn writev(self, fd: BorrowedFd<'_>, iovs: u32, count: u32) -> Result<usize, Errno> {
        self.transfer([libc::SYS_write, libc::SYS_writev], fd, iovs, count, 0)
    }

    /// `preadv(2)` at `offset` of the file. An offset above `i64::MAX` is `EINVAL`.
    #[inline(always)]
    pub fn preadv(self, fd: BorrowedFd<'_>, iovs: u32, count: u32, offset: u64) -> Result<usize, Errno> {
        let offset = i64::try_from(offset).map_err(|_| Errno::INVAL)?;
        self.transfer([libc::SYS_pread64, libc::SYS_preadv], fd, iovs, count, offset as usize)
    }

    /// `pwritev(2)` at `offset` of the file. An offset above `i64::MAX` is `EINVAL`.
    #[inline(always)]
    pub fn pwritev(self, fd: BorrowedFd<'_>, iovs: u32, count: u32, offset: u64) -> Result<usize, Errno> {
        let offset = i64::try_from(offset).map_err(|_| Errno::INVAL)?;
        self.transfer([libc::SYS_pwrite64, libc::SYS_pwritev], fd, iovs, count, offset as usize)
    }

    /// `preadv2(2)` at the file's position, with flags for this call alone. Returns the bytes read.
    pub fn readv_with(self, fd: BorrowedFd<'_>, iovs: u32, count: u32, flags: ReadWriteFlags) -> Result<usize, Errno> {
        self.transfer_with(libc::SYS_preadv2, fd, (iovs, count), usize::MAX, HERE, flags)
    }

    /// `pwritev2(2)` at `offset` of the file, or at its position, with flags for this call alone: at most
    /// `most` bytes. Returns the bytes written.
    pub fn writev_with(
        self,
        fd: BorrowedFd<'_>,
        iovs: (u32, u32),
        most: usize,
        offset: Option<u64>,
        flags: ReadWriteFlags,
    ) -> Result<usize, Errno> {
        let offset = offset.map_or(Ok(HERE), |o| i64::try_from(o).map_err(|_| Errno::INVAL))?;
        self.transfer_with(libc::SYS_pwritev2, fd, iovs, most, offset, flags)
    }

    fn transfer_with(
        self,
        call: i64,
        fd: BorrowedFd<'_>,
        (iovs, count): (u32, u32),
        most: usize,
        offset: i64,
        flags: ReadWriteFlags,
    ) -> Result<usize, Errno> {
        self.vectored_many(iovs, count, cut(most), |vecs| {
            let args = [fd.as_raw_fd() as usize, vecs.as_ptr() as usize, vecs.len(), offset as usize, 0, flags.bits() as usize];
            // SAFETY: `vectored_many` hands over buffers inside the memory, `cut` makes them no longer, and
            // the call is one of the two for many buffers with flags.
            unsafe { syscall(call, args) }
        })
    }

    /// One of the four pairs above: the call for one buffer, and the call for many. The kernel writes the buffers, or reads
    /// them, and nothing else; it ignores an offset where the call has none.
    #[inline(always)]
    fn transfer(self, [one, many]: [i64; 2], fd: BorrowedFd<'_>, iovs: u32, count: u32, offset: usize) -> Result<usize, Errno> {
        let fd = fd.as_raw_fd() as usize;
        if count == 1 {
            let vec = self.iovec(iovs.into())?;
            // SAFETY: the buffer is inside the memory; the call is one of the four for one buffer.
            return unsafe { syscall(one, [fd, vec.iov_base as usize, vec.iov_len, offset, 0, 0]) };
        }
        self.vectored(iovs, count, |vecs| {
            // SAFETY: `vectored` hands over buffers inside the memory; the call is one of the four for many buffers.
            unsafe { syscall(many, [fd, vecs.as_ptr() as usize, vecs.len(), offset, 0, 0]) }
        })
    }

    /// `recvmsg(2)` into the guest's iovec array, with `flags` (`MSG_*`). Returns the bytes received and the flags that the
    /// kernel gave back (`MSG_TRUNC`). Descriptors that a peer passes along are not received.
    pub fn recv(self, fd: BorrowedFd<'_>, iovs: u32, count: u32, flags: i32) -> Result<(usize, i32), Errno> {
        self.vectored(iovs, count, |vecs| {
            let mut message = message(vecs);
            let args = [fd.as_raw_fd() as usize, &raw mut message as usize, flags as usize, 0, 0, 0];
            // SAFETY: the message's vectors are ranges inside the memory, and it has neither address nor control buffer.
            let received = unsafe { syscall(libc::SYS_recvmsg, args) }?;
            Ok((received, message.msg_flags))
        })
    }

    /// `sendmsg(2)` from the guest's iovec array, of at most `most` bytes, with `flags` (`MSG_*`). A peer that is gone is `EPIPE`,
    /// never a signal. Returns the bytes sent.
    pub fn send(self, fd: BorrowedFd<'_>, (iovs, count): (u32, u32), most: usize, flags: i32) -> Result<usize, Errno> {
        let send = |vecs: &[libc::iovec]| {
            let message = message(vecs);
            let args = [fd.as_raw_fd() as usize, &raw const message as usize, (flags | libc::MSG_NOSIGNAL) as usize, 0, 0, 0];
            // SAFETY: the message's vectors are ranges inside the memory, and it has neither address nor control buffer.
            unsafe { syscall(libc::SYS_sendmsg, args) }
        };
        if most == usize::MAX { self.vectored(iovs, count, send) } else { self.vectored_many(iovs, count, cut(most), send) }
    }

    /// The guest's iovec at `addr`, read once and checked, as the kernel wants it.
    #[inline(always)]
    fn iovec(self, addr: u64) -> Result<libc::iovec, GuestFault> {
        let (pointer, len) = (self.read::<u32>(addr)?, self.read::<u32>(addr + 4)?);
        let base = self.kernel_pointer(pointer.into(), len.into())?;
        Ok(libc::iovec { iov_base: base.cast(), iov_len: len as usize })
    }

    /// Runs `call` on the host's view of the guest's iovec array, every entry of which was checked.
    #[inline(always)]
    fn vectored<T>(self, iovs: u32, count: u32, call: impl FnOnce(&[libc::iovec]) -> Result<T, Errno>) -> Result<T, Errno> {
        if count as usize <= FEW {
            self.vectored_in(&mut [const { MaybeUninit::uninit() }; FEW], iovs, count, |vec| vec, call)
        } else {
            self.vectored_many(iovs, count, |vec| vec, call)
        }
    }

    /// Apart, so that only calls which need it pay for 16 KiB of stack.
    #[inline(never)]
    fn vectored_many<T>(
        self,
        iovs: u32,
        count: u32,
        cut: impl FnMut(libc::iovec) -> libc::iovec,
        call: impl FnOnce(&[libc::iovec]) -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        if count > IOV_MAX {
            return Err(Errno::INVAL);
        }
        self.vectored_in(&mut [const { MaybeUninit::uninit() }; IOV_MAX as usize], iovs, count, cut, call)
    }

    /// `count` is at most `space.len()`.
    #[inline]
    fn vectored_in<T>(
        self,
        space: &mut [MaybeUninit<libc::iovec>],
        iovs: u32,
        count: u32,
        mut cut: impl FnMut(libc::iovec) -> libc::iovec,
        call: impl FnOnce(&[libc::iovec]) -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        let space = &mut space[..count as usize];
        for (entry, addr) in space.iter_mut().zip((u64::from(iovs)..).step_by(8)) {
            entry.write(cut(self.iovec(addr)?));
        }
        // SAFETY: the loop wrote all `count` entries of `space`, and MaybeUninit<iovec> has iovec's layout.
        call(unsafe { std::slice::from_raw_parts(space.as_ptr().cast::<libc::iovec>(), space.len()) })
    }
}

/// Makes vectors shorter, so that all of them together have at most `most` bytes.
fn cut(most: usize) -> impl FnMut(libc::iovec) -> libc::iovec {
    let mut rest = most;
    move |mut vec| {
        vec.iov_len = vec.iov_len.min(rest);
        rest -= vec.iov_len;
        vec
    }
}

/// A message with these vectors and nothing else.
fn message(vecs: &[libc::iovec]) -> libc::msghdr {
    // SAFETY: all zeroes is a valid msghdr: null pointers and zero lengths.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    // The kernel only reads the array.
    message.msg_iov = vecs.as_ptr().cast_mut();
    // Its type is each C library's own; the kernel takes 1024 at most.
    message.msg_iovlen = vecs.len() as _;
    message
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fd::AsFd;
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
    use std::io::pipe;

    fn iovecs(memory: GuestMemory<'_>, at: u32, entries: &[(u32, u32)]) {
        for (i, (pointer, len)) in entries.iter().enumerate() {
            memory.write(at + i as u32 * 8, *pointer).unwrap();
            memory.write(at + i as u32 * 8 + 4, *len).unwrap();
        }
    }

    #[test]
    fn integers_are_little_endian_and_bounded_by_the_last_byte() {
        let mut bytes = [0u8; 16];
        let memory = GuestMemory::from(&mut bytes[..]);
        memory.write(3u32, 0x0102_0304u32).unwrap();
        assert_eq!(memory.read::<u8>(3u32), Ok(4));
        assert_eq!(memory.read::<u16>(4u32), Ok(0x0203));
        memory.write(8u32, u64::MAX).unwrap();
        assert_eq!(memory.write(9u32, 0u64), Err(GuestFault));
        assert_eq!(memory.read::<u64>(9u32), Err(GuestFault));
        assert_eq!(memory.read::<u8>(u64::MAX), Err(GuestFault));
        assert_eq!(memory.read::<u64>(8u32), Ok(u64::MAX));
    }

    #[test]
    fn ranges_end_at_the_end() {
        let mut bytes = [0u8; 16];
        let memory = GuestMemory::from(&mut bytes[..]);
        assert_eq!(memory.check(16u32, 0u32), Ok(()));
        assert_eq!(memory.check(17u32, 0u32), Err(GuestFault));
        assert_eq!(memory.check(1u32, 16u32), Err(GuestFault));
        assert_eq!(memory.check(1u64, u64::MAX), Err(GuestFault));
        assert_eq!(memory.fill(8u32, 7, 9u32), Err(GuestFault));
        memory.fill(8u32, 7, 8u32).unwrap();
        let mut out = [0; 9];
        memory.read_bytes(7u32, &mut out).unwrap();
        assert_eq!(out, [0, 7, 7, 7, 7, 7, 7, 7, 7]);
        assert_eq!(memory.read_bytes(8u32, &mut out), Err(GuestFault));
        assert_eq!(memory.write_bytes(8u32, &out), Err(GuestFault));
        assert_eq!(GuestMemory::EMPTY.read::<u8>(0u32), Err(GuestFault));
    }

    #[test]
    fn vectors_scatter_and_gather() {
        let (reader, writer) = pipe().unwrap();
        let mut bytes = [0u8; 64 * 1024];
        bytes[..6].copy_from_slice(b"abcdef");
        let memory = GuestMemory::from(&mut bytes[..]);
        iovecs(memory, 100, &[(4, 2), (0, 0), (0, 3)]);
        assert_eq!(memory.writev(writer.as_fd(), 100, 3), Ok(5));
        iovecs(memory, 200, &[(1000, 1), (2000, 100)]);
        assert_eq!(memory.readv(reader.as_fd(), 200, 2), Ok(5));
        assert_eq!(memory.read::<u8>(1000u32), Ok(b'e'));
        let mut out = [0; 4];
        memory.read_bytes(2000u32, &mut out).unwrap();
        assert_eq!(&out, b"fabc");
        // As many as the kernel takes, beyond the small frame.
        iovecs(memory, 30_000, &vec![(0, 1); IOV_MAX as usize]);
        assert_eq!(memory.writev(writer.as_fd(), 30_000, IOV_MAX), Ok(IOV_MAX as usize));
        assert_eq!(memory.readv(reader.as_fd(), 200, 2), Ok(101));
    }

    #[test]
    fn hostile_vectors_are_refused_whole() {
        let (reader, writer) = pipe().unwrap();
        rustix::io::ioctl_fionbio(&reader, true).unwrap();
        let mut bytes = [0u8; 4096];
        let memory = GuestMemory::from(&mut bytes[..]);
        iovecs(memory, 0, &[(100, 4), (4090, 7)]);
        assert_eq!(memory.writev(writer.as_fd(), 0, 2), Err(Errno::FAULT));
        assert_eq!(memory.readv(reader.as_fd(), 0, 1), Err(Errno::AGAIN), "nothing was written");
        assert_eq!(memory.writev(writer.as_fd(), 0, u32::MAX), Err(Errno::INVAL));
        assert_eq!(memory.writev(writer.as_fd(), 0, IOV_MAX + 1), Err(Errno::INVAL));
        assert_eq!(memory.writev(writer.as_fd(), 4089, 1), Err(Errno::FAULT));
        assert_eq!(memory.writev(writer.as_fd(), u32::MAX - 7, 1), Err(Errno::FAULT));
        assert_eq!(memory.preadv(reader.as_fd(), 0, 1, u64::MAX), Err(Errno::INVAL));
        assert_eq!(memory.pwritev(writer.as_fd(), 0, 1, 1 << 63), Err(Errno::INVAL));
        iovecs(memory, 0, &[(u32::MAX, u32::MAX)]);
        assert_eq!(memory.readv(reader.as_fd(), 0, 1), Err(Errno::FAULT));
    }

    #[test]
    fn messages_cross_and_say_when_they_are_cut() {
        let (a, b) = socketpair(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::CLOEXEC, None).unwrap();
        let mut bytes = *b"................hello...........";
        let memory = GuestMemory::from(&mut bytes[..]);
        iovecs(memory, 0, &[(16, 3), (19, 2)]);
        assert_eq!(memory.send(a.as_fd(), (0, 2), usize::MAX, 0), Ok(5));
        iovecs(memory, 0, &[(24, 4), (0, 0)]);
        let (n, flags) = memory.recv(b.as_fd(), 0, 2, 0).unwrap();
        assert_eq!((n, flags & libc::MSG_TRUNC), (4, libc::MSG_TRUNC));
        let mut out = [0; 5];
        memory.read_bytes(24u32, &mut out).unwrap();
        assert_eq!(&out, b"hell.");
        iovecs(memory, 0, &[(16, 3), (19, 2)]);
        assert_eq!(memory.send(a.as_fd(), (0, 2), 4, 0), Ok(4));
        assert_eq!(memory.send(a.as_fd(), (0, 2), 2, 0), Ok(2));
        iovecs(memory, 0, &[(24, 8), (0, 0)]);
        assert_eq!(memory.recv(b.as_fd(), 0, 2, 0).unwrap().0, 4);
        assert_eq!(memory.recv(b.as_fd(), 0, 2, 0).unwrap().0, 2);
        drop(b);
        assert_eq!(memory.send(a.as_fd(), (0, 1), usize::MAX, 0), Err(Errno::CONNREFUSED));
    }

    #[test]
    fn flags_are_of_one_call() {
        let (reader, writer) = pipe().unwrap();
        let mut bytes = vec![0u8; 128 << 10];
        let memory = GuestMemory::from(&mut bytes[..]);
        iovecs(memory, 0, &[(1000, 5), (2000, 120_000)]);
        assert_eq!(memory.readv_with(reader.as_fd(), 0, 2, ReadWriteFlags::NOWAIT), Err(Errno::AGAIN));
        let all = (0, 2);
        assert_eq!(memory.writev_with(writer.as_fd(), all, 7, None, ReadWriteFlags::empty()), Ok(7));
        assert_eq!(memory.readv_with(reader.as_fd(), 0, 2, ReadWriteFlags::NOWAIT), Ok(7));
        // More than fits: a part of it, then nothing.
        assert_eq!(memory.writev_with(writer.as_fd(), all, usize::MAX, None, ReadWriteFlags::NOWAIT), Ok(65_536));
        assert_eq!(memory.writev_with(writer.as_fd(), all, usize::MAX, None, ReadWriteFlags::NOWAIT), Err(Errno::AGAIN));
        assert_eq!(memory.writev_with(writer.as_fd(), all, 0, Some(1 << 63), ReadWriteFlags::empty()), Err(Errno::INVAL));
    }

    #[test]
    fn random_bytes_stay_in_their_range() {
        let mut bytes = [0u8; 4096];
        let memory = GuestMemory::from(&mut bytes[..]);
        assert_eq!(memory.random(64u32, 256u32), Ok(256));
        assert_eq!(memory.random(4000u32, 97u32), Err(Errno::FAULT));
        assert!(bytes[64..320].iter().any(|b| *b != 0));
        assert!(bytes[..64].iter().chain(&bytes[320..]).all(|b| *b == 0));
    }
}
