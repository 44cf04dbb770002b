//! Reads and writes that do not end before everything is there: what a pipe has at some moment, or takes, is a matter of chance.

use super::descriptor::Descriptor;
use super::transfer::Buffers;
use rustix::event::PollFlags;
use rustix::io::{Errno, Result};

/// Most bytes of one transfer, as the kernel has it (`MAX_RW_COUNT`).
const MOST: usize = 0x7fff_f000;

/// Bytes that go through the host at once.
const PIECE: usize = 16 << 10;

/// Whether what does not wait by itself is waited for.
#[derive(Copy, Clone, PartialEq, Eq)]
pub(super) enum Patience {
    /// Yes: the program is not to see that.
    Waits,
    /// No: what has been done by then is all.
    None,
}

/// Fills the buffers, or gets to the end. A terminal gives a line at a time.
#[cold]
pub(super) fn read(d: &Descriptor, into: impl Buffers, done: &mut usize, patience: Patience) -> Result<usize> {
    into.check()?;
    let all = into.len()?.min(MOST as u64) as usize;
    let mut space = [0; PIECE];
    while *done < all {
        let piece = PIECE.min(all - *done);
        match rustix::io::read(d, &mut space[..piece]) {
            Ok(0) => break,
            Ok(n) => {
                into.put(*done, &space[..n])?;
                *done += n;
                if d.terminal {
                    break;
                }
            }
            Err(Errno::AGAIN) if patience == Patience::Waits => d.until(PollFlags::IN)?,
            // What is there is the program's; the next read says why there is no more.
            Err(e) if e != Errno::INTR && *done > 0 => break,
            Err(e) => return Err(e),
        }
    }
    Ok(*done)
}

/// Writes everything.
#[cold]
pub(super) fn write(d: &Descriptor, from: impl Buffers, done: &mut usize, patience: Patience) -> Result<usize> {
    from.check()?;
    let all = from.len()?.min(MOST as u64) as usize;
    let mut space = [0; PIECE];
    // Writing nothing may be an error, too.
    loop {
        // Another thread may have made the buffers shorter since some of them was written.
        let piece = PIECE.min(all.saturating_sub(*done));
        from.get(*done, &mut space[..piece])?;
        match piece_written(d, &space[..piece]) {
            Ok(0) if piece > 0 => break,
            Ok(n) => *done += n,
            Err(Errno::AGAIN) if patience == Patience::Waits => d.until(PollFlags::OUT)?,
            Err(e) if e != Errno::INTR && *done > 0 => break,
            Err(e) => return Err(e),
        }
        if *done >= all {
            break;
        }
    }
    Ok(*done)
}

/// Writes some of the bytes, and not more than may be.
fn piece_written(d: &Descriptor, bytes: &[u8]) -> Result<usize> {
    match &d.quota {
        None => rustix::io::write(d, bytes),
        Some(quota) => quota.spend(bytes.len() as u64, |most| rustix::io::write(d, &bytes[..most as usize])),
    }
}
