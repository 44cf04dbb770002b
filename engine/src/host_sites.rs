//! Host calls in place: what compiled code jumps to in order to call a host function, appended to the function.
//!
//! A trampoline is called, and calls the host function: two calls and two returns. Compiled code that jumps to a piece of its own and back
//! saves one pair. Such a piece knows where it returns to, so each place has one; it knows nothing of the type, since all arguments
//! are in registers.

use sconce_environ::compile::{CompiledFunction, RelocTarget};
use sconce_runtime::STUB_OFFSETS;
use sconce_x64::stubs::host_call_in_place;

/// `jmp rel32`.
const JMP: u8 = 0xe9;
/// Pieces begin at multiples of this.
const ALIGN: usize = 16;
/// Fills the room between.
const INT3: u8 = 0xcc;

/// Appends a piece for each [`RelocTarget::HostCall`], and lets the code jump there.
pub(crate) fn append(f: &mut CompiledFunction) {
    let is_host_call = |target| matches!(target, RelocTarget::HostCall(_));
    if !f.relocs.iter().any(|reloc| is_host_call(reloc.target)) {
        return;
    }
    for n in 0..f.relocs.len() {
        let RelocTarget::HostCall(behind) = f.relocs[n].target else { continue };
        f.code.resize(f.code.len().next_multiple_of(ALIGN), INT3);
        let field = f.relocs[n].offset;
        let (start, end) = (f.code.len() as u32, field + 4);
        let resume = i64::from(end + behind) - i64::from(start);
        f.code.extend_from_slice(&host_call_in_place(&STUB_OFFSETS, resume as i32, f.frame_size));
        f.code[field as usize - 1] = JMP;
        f.code[field as usize..end as usize].copy_from_slice(&(start - end).to_le_bytes());
        // No interrupt may come between what the host function recorded and the look at it; nor is the stack the function's own.
        f.uninterruptible.push((start, f.code.len() as u32));
        let operator = f.wasm_offsets.partition_point(|run| run.0 < field).checked_sub(1).map(|n| f.wasm_offsets[n].1);
        f.wasm_offsets.push((start, operator.unwrap_or(u32::MAX)));
    }
    f.relocs.retain(|reloc| !is_host_call(reloc.target));
}

#[cfg(test)]
mod tests {
    use super::*;
    use sconce_environ::compile::Reloc;
    use sconce_environ::index::DefinedFuncIndex;

    #[test]
    fn each_place_gets_its_own_way_out_and_back() {
        // Two calls; what follows the second one's field by three bytes is where it goes on.
        let mut code = vec![0x90, 0xe8, 0, 0, 0, 0, 0x90, 0xe9, 0, 0, 0, 0, 1, 2, 3, 0x90];
        let reloc = |offset, behind| Reloc { offset, target: RelocTarget::HostCall(behind), addend: -4 };
        let other = Reloc { offset: 12, target: RelocTarget::Function(DefinedFuncIndex::from_u32(0)), addend: -4 };
        let mut f = CompiledFunction {
            code: code.clone(),
            frame_size: 48,
            relocs: vec![reloc(2, 0), other, reloc(8, 3)],
            wasm_offsets: vec![(0, 100), (7, 200)],
            uninterruptible: vec![(0, 1)],
            ..CompiledFunction::default()
        };
        append(&mut f);
        let len = host_call_in_place(&STUB_OFFSETS, 0, 48).len() as u32;
        let (first, second) = (16, (16 + len).next_multiple_of(16));
        (code[1], code[2], code[8]) = (JMP, (first - 6) as u8, (second - 12) as u8);
        assert_eq!(f.code[..16], code);
        let piece = |resume: u32, start: u32| host_call_in_place(&STUB_OFFSETS, resume.wrapping_sub(start).cast_signed(), 48);
        assert_eq!(f.code[first as usize..(first + len) as usize], piece(6, first));
        assert_eq!(f.code[second as usize..], piece(15, second));
        assert_eq!(f.relocs, [other]);
        assert_eq!(f.wasm_offsets, [(0, 100), (7, 200), (first, 100), (second, 200)]);
        assert_eq!(f.uninterruptible, [(0, 1), (first, first + len), (second, second + len)]);
    }
}
