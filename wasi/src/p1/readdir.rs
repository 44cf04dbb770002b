//! `fd_readdir`, and the cookies by which it goes on.

use super::abi;
use super::call::Call;
use super::errno::{Errno, Outcome};
use super::handle::Handle;
use super::positions::{MOST, Positions};
use super::rights;
use crate::host::determinism::listing::Listing;
use rustix::fs::FileType;
use std::mem::MaybeUninit;
use std::sync::{Mutex, PoisonError};

/// Bytes of kernel entries read at once. One holds at most 19 bytes, a name of 255, and its NUL.
const ENTRIES: usize = 8192;

/// Marks a cookie that is a position of the kernel's, in a directory with more entries than are numbered.
const KERNEL: u64 = 1 << 63;

/// Bytes of a `$dirent`, behind which the name follows.
const HEAD: usize = 24;

/// `fd_readdir`: entries from `cookie` on, until the buffer is full; the last may be cut. Fewer bytes than the buffer has
/// mean that there are no more.
///
/// A cookie is the entry's number, since programs keep no more than 32 bits of it (`telldir`), and the
/// kernel's positions (`d_off`) have 63. Each number stands for the position where the entry ended, and so
/// stays good while entries come and go. Where there is no room for more positions, cookies are the kernel's,
/// with a mark.
pub(crate) fn readdir(call: &Call<'_>, fd: u32, buf: u32, len: u32, cookie: u64, out: u32) -> Outcome {
    call.memory.check(buf, len)?;
    call.memory.check(out, 4u32)?;
    let d = call.ctx.fd(fd, rights::FD_READDIR)?;
    if call.ctx.world.determinism.is_some() {
        return in_order(call, &d, (buf, len), cookie, out);
    }
    let ends = d.entry_ends.get_or_init(|| Mutex::new(Positions::new(&call.ctx.room)));
    let mut ends = ends.lock().unwrap_or_else(PoisonError::into_inner);
    let (position, mut number) = beginning(&ends, cookie)?;
    let mut space = [const { MaybeUninit::uninit() }; ENTRIES];
    // No more than the guest has room for, roughly: an entry is about as long here as there.
    let space = &mut space[..(len as usize).clamp(1024, ENTRIES)];
    let mut entries = d.host.entries(position, space)?;
    let mut used = 0;
    while used < len {
        if entries.asks_next() {
            call.go_on()?;
        }
        let entry = match entries.next() {
            None => break,
            Some(entry) => entry?,
        };
        let skip = number.is_some_and(|n| (n as u64) < cookie);
        number = number.and_then(|n| ends.note(n, entry.end()));
        if skip {
            continue;
        }
        let next = number.map_or(entry.end() | KERNEL, |n| n as u64);
        let (bytes, whole) = dirent(entry.name(), entry.inode(), entry.kind(), next);
        let take = whole.min((len - used) as usize);
        call.memory.write_bytes(u64::from(buf) + u64::from(used), &bytes[..take])?;
        used += take as u32;
    }
    call.put_u32(out, used)
}

/// The same in a deterministic run: entries are in order. They are those of the moment when the program began at the first one; a
/// cookie is the entry's number among them.
fn in_order(call: &Call<'_>, d: &Handle, (buf, len): (u32, u32), cookie: u64, out: u32) -> Outcome {
    let mut listing = d.listing.lock().unwrap_or_else(PoisonError::into_inner);
    if cookie == 0 || listing.is_none() {
        // What the old one has taken is there for the new one.
        *listing = None;
        *listing = Some(listed(call, d)?);
    }
    let from = usize::try_from(cookie).map_err(|_| Errno::Inval)?;
    let entries = listing.as_ref().map_or(&[][..], |listing| listing.from(from));
    let mut used = 0;
    for (entry, next) in entries.iter().zip(cookie.saturating_add(1)..) {
        let (bytes, whole) = dirent(&entry.name, entry.number, entry.kind, next);
        let take = whole.min((len - used) as usize);
        call.memory.write_bytes(u64::from(buf) + u64::from(used), &bytes[..take])?;
        used += take as u32;
        if used == len {
            break;
        }
    }
    call.put_u32(out, used)
}

fn listed(call: &Call<'_>, d: &Handle) -> Outcome<Listing> {
    let mut space = [const { MaybeUninit::uninit() }; ENTRIES];
    let mut entries = d.host.entries(0, &mut space)?;
    let mut listing = Listing::new(&call.ctx.listings);
    loop {
        if entries.asks_next() {
            call.go_on()?;
        }
        match entries.next() {
            None => break,
            Some(entry) => listing.add(entry?.name())?,
        }
    }
    call.ctx.world.finish(&d.host, &mut listing)?;
    Ok(listing)
}

/// Where to begin, and the number of the entry before; none if entries are not numbered there.
fn beginning(ends: &Positions, cookie: u64) -> Outcome<(u64, Option<usize>)> {
    Ok(match cookie {
        0 => (0, Some(0)),
        c if c & KERNEL != 0 => (c & !KERNEL, None),
        c if c > MOST as u64 => return Err(Errno::Inval.into()),
        // One that was not given out yet is looked for from the last that was.
        c => {
            let known = ends.len().min(c as usize);
            (known.checked_sub(1).map_or(0, |last| ends.end_of(last)), Some(known))
        }
    })
}

/// A `$dirent` and its name, and how many bytes they have. No name is longer than 255.
fn dirent(name: &[u8], number: u64, kind: FileType, next: u64) -> ([u8; HEAD + 256], usize) {
    let mut bytes = [0; HEAD + 256];
    bytes[0..8].copy_from_slice(&next.to_le_bytes());
    bytes[8..16].copy_from_slice(&number.to_le_bytes());
    bytes[16..20].copy_from_slice(&(name.len() as u32).to_le_bytes());
    bytes[20] = abi::filetype_of(kind);
    let kept = name.len().min(256);
    bytes[HEAD..HEAD + kept].copy_from_slice(&name[..kept]);
    (bytes, HEAD + kept)
}
