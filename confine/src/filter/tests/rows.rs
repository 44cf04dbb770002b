//! Lists of rows: one like those of the rooms, and made ones of all shapes.

use crate::call::{Call, Check, When};

/// A generator of the same numbers each time: SplitMix64.
pub struct Dice(pub u64);

impl Dice {
    pub fn any(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let x = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ x >> 31
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.any() % end
    }

    pub fn one_of<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize]
    }

    /// Of any length, the edges of halves among them.
    pub fn value(&mut self) -> u64 {
        let edge =
            self.one_of(&[0, 1, 5, 1 << 20, 1 << 31, u32::MAX.into(), 1 << 32, 5 << 32, u64::MAX << 32, 1 << 63, u64::MAX]);
        let shift = self.below(64);
        let any = self.any() >> shift;
        self.one_of(&[edge, edge, edge.wrapping_sub(1), any])
    }
}

const UNCONDITIONAL: [i64; 81] = [
    0, 1, 3, 5, 7, 8, 11, 12, 13, 14, 15, 17, 18, 19, 20, 24, 25, 28, 35, 39, 43, 44, 45, 46, 47, 48, 55, 60, 74, 75, 77, 97, 99,
    131, 138, 186, 202, 204, 217, 219, 221, 223, 226, 228, 229, 230, 231, 257, 258, 262, 263, 264, 265, 266, 267, 271, 273, 280,
    285, 288, 295, 296, 316, 318, 319, 327, 328, 332, 334, 436, 437, 9000, 9001, 9002, 9003, 9004, 9006, 9008, 9010, 9012, 9013,
];

const PROT_EXEC: u64 = 4;

const CONDITIONAL: &[Call] = &[
    Call::only(9, When::Run, &[&[Check::Bits(2, PROT_EXEC, 0)]], "mmap"),
    Call::only(10, When::Run, &[&[Check::Bits(2, PROT_EXEC, 0)], &[Check::InCode(0), Check::AtMost(1, 1 << 20)]], "mprotect"),
    Call::only(16, When::Run, &[&[Check::Is(1, 0x541b)], &[Check::Is(1, 0x5421)], &[Check::Is(1, 0x802c_542a)]], "ioctl"),
    Call::only(56, When::Run, &[&[Check::Bits(0, 0x7e03_0900 | 1 << 13, 0x1_0900)]], "clone"),
    Call::only(72, When::Run, &[&[Check::Is(1, 1033)], &[Check::Is(1, 1)], &[Check::Is(1, 2)], &[Check::Is(1, 3)]], "fcntl"),
    Call::only(157, When::Run, &[&[Check::Is(0, 15)]], "prctl"),
    Call::only(157, When::Finish, &[&[Check::Is(0, 4), Check::IsNull(1)]], "prctl"),
    Call::only(222, When::Run, &[&[Check::Bits(0, 7, 6)]], "timer_create"),
    Call::only(234, When::Run, &[&[Check::ThisProcess(0)]], "tgkill"),
    Call::only(302, When::Run, &[&[Check::Is(0, 0), Check::IsNull(2)]], "prlimit64"),
    Call::only(8, When::Run, &[&[Check::Is(0, 0)]], "a row for all arguments outweighs this one"),
    Call::any(435, When::InVain, "clone3"),
    Call::any(257, When::InVain, "openat, which another row allows"),
    Call::any(293, When::WithDirectories, "another set of rows"),
    Call::any(292, When::WithSockets, "and another"),
];

pub fn like_those_of_rooms() -> Vec<Call> {
    let unconditional = UNCONDITIONAL.map(|number| Call::any(number, When::Run, ""));
    [&unconditional, CONDITIONAL].concat()
}

/// So many rows with numbers below `end`, of which so many of a hundred have conditions: so many lists and checks, at most.
pub struct Shape {
    pub rows: u64,
    pub end: u64,
    pub conditional: u64,
    pub most: u64,
}

impl Shape {
    pub fn rows(&self, dice: &mut Dice) -> Vec<Call> {
        (0..self.rows).map(|_| self.row(dice)).collect()
    }

    fn row(&self, dice: &mut Dice) -> Call {
        let number = dice.below(self.end).cast_signed();
        let when = dice.one_of(&[When::Run, When::Run, When::Finish, When::WithSockets, When::InVain]);
        if dice.below(100) >= self.conditional {
            return Call::any(number, when, "");
        }
        let count = |dice: &mut Dice| 1 + dice.below(self.most);
        let lists: Vec<&[Check]> =
            (0..count(dice)).map(|_| &*(0..count(dice)).map(|_| check(dice)).collect::<Vec<_>>().leak()).collect();
        Call::only(number, when, lists.leak(), "")
    }
}

fn check(dice: &mut Dice) -> Check {
    // Few arguments, so that many checks are of the same one.
    let argument = dice.one_of(&[0, 0, 0, 1, 1, 5]);
    match dice.below(6) {
        0 => Check::Is(argument, dice.value() as u32),
        1 => Check::IsNull(argument),
        2 => {
            let (mask, value) = (dice.value(), dice.value());
            Check::Bits(argument, mask, dice.one_of(&[0, mask, value, value & mask]))
        }
        3 => Check::AtMost(argument, dice.value()),
        4 => Check::InCode(argument),
        _ => Check::ThisProcess(argument),
    }
}
