//! `random_get`: the kernel's generator, or a seed's bytes in a deterministic run.

use super::call::Call;
use super::errno::Outcome;
use crate::host::determinism::Determinism;

/// Bytes asked for at once, so that a guest that asks for 4 GiB can be stopped in between.
const CHUNK: u32 = 1 << 20;

/// `random_get`: the kernel writes straight into the guest's memory.
pub(crate) fn get(call: &Call<'_>, buf: u32, len: u32) -> Outcome {
    call.memory.check(buf, len)?;
    if let Some(determinism) = &call.ctx.world.determinism {
        return of_seed(call, determinism, buf, len);
    }
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

fn of_seed(call: &Call<'_>, determinism: &Determinism, buf: u32, len: u32) -> Outcome {
    let mut space = [0; 4096];
    let mut done = 0;
    while done < len {
        let piece = &mut space[..(len - done).min(4096) as usize];
        determinism.random(piece);
        call.memory.write_bytes(u64::from(buf) + u64::from(done), piece)?;
        done += piece.len() as u32;
        if done % CHUNK == 0 {
            call.go_on()?;
        }
    }
    Ok(())
}
