//! Host calls in place: what compiled code jumps to in order to call a host function, appended to the function.
//!
//! A trampoline is called, and calls the host function: two calls and two returns. Compiled code that jumps
//! to a piece of its own and back saves one pair. Such a piece knows where it returns to, so each place has
//! one; it knows nothing of the type, since all arguments are in registers. What to do when something is
//! pending is the same for all places of a function.

use sconce_environ::compile::{CompiledFunction, Reloc, RelocTarget};
use sconce_environ::placement::LINE;
use sconce_x64::stubs::{Afterwards, Offsets, host_call_in_place, host_call_pending};
use sconce_x64::text::{FIELD_BYTES, FILLER, make_jump};

/// Appends a piece for each [`RelocTarget::HostCall`], and lets the code jump there.
pub(crate) fn append(f: &mut CompiledFunction, offsets: &Offsets) {
    let is_host_call = |reloc: &Reloc| matches!(reloc.target, RelocTarget::HostCall { .. });
    if !f.relocs.iter().any(is_host_call) {
        return;
    }
    f.align = f.align.max(LINE);
    let frame_size = f.frame_size;
    let mut pending: [Option<u32>; 2] = [None; 2];
    for n in 0..f.relocs.len() {
        let RelocTarget::HostCall { behind, returns_reference } = f.relocs[n].target else { continue };
        let then = Afterwards::of(returns_reference);
        let pending = *pending[usize::from(returns_reference)]
            .get_or_insert_with(|| add(f, u32::MAX, |_| host_call_pending(offsets, frame_size, then)));
        let field = f.relocs[n].offset;
        let end = field + FIELD_BYTES;
        // Processors fetch by lines: a piece is one.
        let in_line = (f.code.len() as u32 + f.skew) % LINE;
        f.code.resize(f.code.len() + ((LINE - in_line) % LINE) as usize, FILLER);
        let operator = f.wasm_offsets.partition_point(|run| run.0 < field).checked_sub(1).map(|n| f.wasm_offsets[n].1);
        let start = add(f, operator.unwrap_or(u32::MAX), |start| {
            let from_start = |at: u32| at.wrapping_sub(start).cast_signed();
            host_call_in_place(offsets, from_start(end + behind), frame_size, from_start(pending), then)
        });
        make_jump(&mut f.code, field, start);
    }
    f.relocs.retain(|reloc| !is_host_call(reloc));
}

/// Appends code that is made for where it begins.
fn add(f: &mut CompiledFunction, operator: u32, piece: impl FnOnce(u32) -> Vec<u8>) -> u32 {
    let start = f.code.len() as u32;
    f.code.extend_from_slice(&piece(start));
    // No interrupt may come between what the host function recorded and the look at it; nor is the stack the function's own.
    f.uninterruptible.push((start, f.code.len() as u32));
    f.wasm_offsets.push((start, operator));
    start
}

#[cfg(test)]
mod tests {
    use super::*;
    use sconce_environ::index::DefinedFuncIndex;
    use sconce_runtime::stub_offsets;

    #[test]
    fn each_place_gets_its_own_way_out_and_back() {
        [false, true].into_iter().for_each(each_place_has_its_own);
    }

    fn each_place_has_its_own(fuel: bool) {
        // Three calls, of which the second gives a reference; what follows its field by three bytes is where it goes on.
        let mut code = vec![0x90, 0xe8, 0, 0, 0, 0, 0x90, 0xe9, 0, 0, 0, 0, 1, 2, 3, 0x90, 0xe8, 0, 0, 0, 0];
        let reloc = |offset, behind, returns_reference| {
            let target = RelocTarget::HostCall { behind, returns_reference };
            Reloc { offset, target, addend: -4 }
        };
        let other = Reloc { offset: 12, target: RelocTarget::Function(DefinedFuncIndex::from_u32(0)), addend: -4 };
        let mut f = CompiledFunction {
            code: code.clone(),
            frame_size: 48,
            skew: 16,
            relocs: vec![reloc(2, 0, false), other, reloc(8, 3, true), reloc(17, 0, false)],
            wasm_offsets: vec![(0, 100), (7, 200)],
            uninterruptible: vec![(0, 1)],
            ..CompiledFunction::default()
        };
        let offsets = &stub_offsets(fuel);
        append(&mut f, offsets);
        let cold = [Afterwards::Boundary, Afterwards::Leave].map(|then| host_call_pending(offsets, 48, then));
        let hot = |start: u32, resume: u32, pending: u32, then| {
            let from_start = |at: u32| at.wrapping_sub(start).cast_signed();
            host_call_in_place(offsets, from_start(resume), 48, from_start(pending), then)
        };
        // With what is before the function, lines begin 16 bytes before multiples of 64.
        let (line, first) = (|at: u32| (at + 16).next_multiple_of(64) - 16, 21);
        let one = line(first + cold[0].len() as u32);
        let mut expected = vec![(first, cold[0].clone()), (one, hot(one, 6, first, Afterwards::Boundary))];
        let end = |pieces: &[(u32, Vec<u8>)]| pieces.last().map_or(0, |(at, code)| at + code.len() as u32);
        let second = end(&expected);
        expected.push((second, cold[1].clone()));
        let two = line(end(&expected));
        expected.push((two, hot(two, 15, second, Afterwards::Leave)));
        let three = line(end(&expected));
        expected.push((three, hot(three, 21, first, Afterwards::Boundary)));

        for (call, piece) in [(2, one), (8, two), (17, three)] {
            make_jump(&mut code, call, piece);
        }
        for (at, piece) in &expected {
            code.resize(*at as usize, FILLER);
            code.extend_from_slice(piece);
        }
        assert_eq!(f.code, code);
        assert_eq!((f.relocs, f.align), (vec![other], 64));
        let runs: Vec<_> = expected.iter().map(|(at, code)| (*at, at + code.len() as u32)).collect();
        assert_eq!(f.uninterruptible, [vec![(0, 1)], runs].concat());
        let operators = [(first, u32::MAX), (one, 100), (second, u32::MAX), (two, 200), (three, 200)];
        assert_eq!(f.wasm_offsets, [vec![(0, 100), (7, 200)], operators.to_vec()].concat());
    }

    #[test]
    fn a_piece_is_no_longer_than_a_line() {
        let far = (-0x4000_0000, 1 << 30, 1 << 20);
        for (then, fuel) in [Afterwards::Boundary, Afterwards::Leave].into_iter().flat_map(|then| [(then, false), (then, true)]) {
            let offsets = &stub_offsets(fuel);
            // One that counts has two instructions more.
            let line = LINE as usize + if fuel { 14 } else { 0 };
            assert!(host_call_in_place(offsets, -100, 0x70, 1 << 20, then).len() <= line);
            // With a large frame it is one, almost.
            assert!(host_call_in_place(offsets, far.0, far.2, far.1, then).len() <= line + 3);
        }
    }
}
