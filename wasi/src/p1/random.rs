//! `random_get`: the kernel's generator.

use super::call::Call;
use super::errno::Outcome;

/// Bytes asked for at once, so that a guest that asks for 4 GiB can be stopped in between.
const CHUNK: u32 = 1 << 20;

/// `random_get`: the kernel writes straight into the guest's memory.
pub(crate) fn get(call: &Call<'_>, buf: u32, len: u32) -> Outcome {
    call.memory.check(buf, len)?;
    let mut done = 0;
    while done < len {
        let chunk = CHUNK.min(len - done);
        done += call.retry(|| call.memory.random(u64::from(buf) + u64::from(done), chunk))? as u32;
        if done < len {
            call.go_on()?;
        }
    }
    Ok(())
}
