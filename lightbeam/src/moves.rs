//! Moves among the registers of a bank, as if all happened at once.

use crate::register_file::Register;

/// What is to be moved, by number: destination and source. Empty between uses, for its allocation.
#[derive(Debug, Default)]
pub(crate) struct Moves {
    list: Vec<(u8, u8)>,
}

impl Moves {
    pub(crate) fn add<R: Register>(&mut self, to: R, from: R) {
        self.list.push((to.number(), from.number()));
    }

    /// Emits the moves in an order in which none overwrites what another still reads; a cycle goes through the scratch register.
    /// There are few of them: a convention has at most eight registers of a class for arguments.
    pub(crate) fn in_order<R: Register>(&mut self, scratch: R, mut emit: impl FnMut(R, R)) {
        let moves = &mut self.list;
        let scratch = scratch.number();
        moves.retain(|&(to, from)| to != from);
        while !moves.is_empty() {
            let read = moves.iter().fold(0u32, |read, &(_, from)| read | 1 << from);
            let ready = moves.iter().position(|&(to, _)| read & 1 << to == 0);
            if let Some(n) = ready {
                let (to, from) = moves.swap_remove(n);
                emit(R::numbered(to), R::numbered(from));
            } else {
                // Every destination is still read: free one of them.
                let (to, _) = moves[0];
                emit(R::numbered(scratch), R::numbered(to));
                for m in moves.iter_mut().filter(|m| m.1 == to) {
                    m.1 = scratch;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Moves;
    use sconce_x64::register::Xmm;

    #[test]
    fn moves_happen_as_if_at_once() {
        // Every assignment of three registers from four.
        for code in 0..64u32 {
            let mut moves = Moves::default();
            let sources: [u8; 3] = std::array::from_fn(|to| (code >> (2 * to) & 3) as u8);
            (0..).zip(sources).for_each(|(to, from)| moves.add(Xmm(to), Xmm(from)));
            let mut registers = [0, 1, 2, 3, 99];
            moves.in_order(Xmm(4), |to, from| registers[to.0 as usize] = registers[from.0 as usize]);
            assert_eq!(&registers[..3], &sources[..]);
        }
    }
}
