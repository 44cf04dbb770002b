//! On-stack replacement: an activation that stays in one function's loop goes on in Cranelift's code of that loop.
//!
//! Lightbeam's code says nothing of its loops. When somebody wants to leave it, the function is compiled once more, which gives
//! the same code and tells where everything is at each loop's head; then Cranelift compiles the function from that head on, and a
//! breakpoint there leads activations over.

use super::LazyCode;
use crate::config::CompilerKind;
use crate::error::Error;
use crate::pipeline::host_sites;
use sconce_environ::compile::CompiledFunction;
use sconce_environ::index::DefinedFuncIndex;
use sconce_environ::osr::LoopCode;
use sconce_runtime::stub_offsets;
use sconce_x64::text::{BREAKPOINT, FIELD_BYTES};
use std::sync::atomic::Ordering;

impl LazyCode {
    /// Has activations of a function's code by Lightbeam, which begins at `start`, go on in better code from the loop that is chosen of
    /// those that it has, when they come to its head. Says whether there is such a loop, and that can be.
    ///
    /// # Errors
    /// If there is no memory for the code, or Cranelift has none.
    pub(super) fn replace_on_stack(
        &self,
        func: DefinedFuncIndex,
        start: usize,
        choose: impl FnOnce(&[LoopCode]) -> Option<LoopCode>,
    ) -> Result<bool, Error> {
        let LazyCode { compilers, binary, decoded, layout, .. } = self;
        let input = compilers.input(decoded, binary, layout, func);
        let stubs = stub_offsets(compilers.settings().fuel);
        let lightbeam = compilers.get(CompilerKind::Lightbeam)?;
        let (mut lower, loops) = lightbeam.loops(&input)?;
        host_sites::append(&mut lower, &stubs);
        let Some(chosen) = choose(&loops).filter(|chosen| self.code.can_enter(start, chosen.code.start)) else {
            return Ok(false);
        };
        if !self.is_there(start, &lower) {
            log::warn!("function {} has other code than it had", func.as_u32());
            return Ok(false);
        }
        let Some(head) = lightbeam.loop_head(&input, &chosen)? else { return Ok(false) };
        let mut better = compilers.get(CompilerKind::Cranelift)?.compile_from(&input, &head)?;
        host_sites::append(&mut better, &stubs);
        self.take_bytes(head.bytes() as u64)?;
        let target = self.add_better(func, better, false)?;
        let entered = self.code.enter_from(start, head, target)?;
        if entered {
            self.counts.entries.fetch_add(1, Ordering::Relaxed);
        }
        Ok(entered)
    }

    /// Whether this is what is at an address, but for what is filled in when code gets its place, and for breakpoints.
    fn is_there(&self, start: usize, compiled: &CompiledFunction) -> bool {
        let Some(code) = self.code.code_at(start, compiled.code.len()) else { return false };
        let mut same: Vec<bool> =
            code.iter().zip(&compiled.code).map(|(&there, &wanted)| there == wanted || there == BREAKPOINT).collect();
        for reloc in &compiled.relocs {
            let field = reloc.offset as usize;
            same.get_mut(field..field + FIELD_BYTES as usize).into_iter().flatten().for_each(|same| *same = true);
        }
        same.into_iter().all(|same| same)
    }
}
