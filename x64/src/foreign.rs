//! What another compiler's machine code looks like, where it has to be known and that compiler (Cranelift) does not say it.

/// Takes the `mov rsp, rbp` out of the end of a function: the code given, if it is one that ends by leaving.
/// It changes nothing: a function's frame has one size, which `add rsp` has just taken off, and registers
/// were read back by distances from rsp before. But the processor, which follows rsp through pushes, pops,
/// additions and calls before anything is executed, loses it there. (Tail calls that move their return
/// address up keep it: what follows differs.)
pub fn keep_stack_pointer(leaving: &mut [u8]) {
    // Behind it `pop rbp`, then `ret`, `ret n`, `jmp` to a function, or to where r8 to r15 say.
    if let [.., a @ 0x48, b @ 0x89, c @ 0xec, 0x5d, 0xc3]
    | [.., a @ 0x48, b @ 0x89, c @ 0xec, 0x5d, 0xc2, _, _]
    | [.., a @ 0x48, b @ 0x89, c @ 0xec, 0x5d, 0xe9, _, _, _, _]
    | [.., a @ 0x48, b @ 0x89, c @ 0xec, 0x5d, 0x41, 0xff, 0xe0..=0xe7] = leaving
    {
        (*a, *b, *c) = (0x0f, 0x1f, 0x00);
    }
}

/// Where a prologue moves the frame down: `sub rsp, n; mov rbp, rsp`, then the saved frame pointer and the return address are
/// copied through r11. In between, rbp names a place that nothing has been written to.
pub fn frame_move(code: &[u8]) -> Option<(u32, u32)> {
    const PROLOGUE: &[u8] = b"\x55\x48\x89\xe5";
    const BEGIN: &[u8] = b"\x48\x89\xe5\x4c\x8b";
    const END: &[u8] = b"\x4c\x89\x5c\x24\x08";
    // Probes of a large frame may stand before it.
    const FAR: usize = 4096;
    let find = |from: usize, what: &[u8]| {
        let rest = code.get(from..code.len().min(from + FAR))?;
        Some(from + rest.windows(what.len()).position(|w| w == what)?)
    };
    let begin = find(PROLOGUE.len(), BEGIN)?;
    // A few bytes further, or it was something else.
    let end = find(begin, END).filter(|end| end - begin < 40)? + END.len();
    Some((begin as u32, end as u32))
}

/// Jump tables: Cranelift does not list them, but has one sequence that uses them. `lea` takes the address of
/// the table, which stands behind the `jmp` at the sequence's end, and each entry leads to the start of a
/// basic block.
pub fn jump_tables(code: &[u8], starts: &[u32]) -> Vec<(u32, u32)> {
    // movsxd, add, jmp.
    const BETWEEN: std::ops::RangeInclusive<usize> = 9..=12;
    let table_behind = |lea: usize| {
        let &[0x8d, modrm, a, b, c, d] = code.get(lea..lea + 6)? else { return None };
        let distance = usize::try_from(i32::from_le_bytes([a, b, c, d])).ok()?;
        let table = lea + 6 + distance;
        let jumps = matches!(*code.get(table.checked_sub(2)?..table)?, [0xff, 0xe0..=0xe7]);
        (modrm & 0xc7 == 0x05 && BETWEEN.contains(&distance) && jumps).then_some(table)
    };
    let mut tables = Vec::new();
    let mut at = 0;
    while let Some(found) = code.get(at..).and_then(|rest| rest.iter().position(|&b| b == 0x8d)) {
        at += found + 1;
        let Some(table) = table_behind(at - 1) else { continue };
        let target = |entry: &[u8; 4]| u32::try_from(table as i64 + i64::from(i32::from_le_bytes(*entry)));
        let is_target = |entry: &&[u8; 4]| target(entry).is_ok_and(|target| starts.binary_search(&target).is_ok());
        // The next block begins behind the table, and none within.
        let end = starts.get(starts.partition_point(|&start| (start as usize) < table)).map_or(code.len(), |&next| next as usize);
        let entries = code[table..end.max(table)].as_chunks::<4>().0.iter().take_while(is_target).count();
        if entries > 0 {
            at = table + 4 * entries;
            tables.push((table as u32, at as u32));
        }
    }
    tables
}
