//! Conditions on arguments: one of several lists of tests holds as a whole.
//!
//! BPF compares 32 bits at a time, arguments have 64. Often the next test is of the word that the accumulator holds already:
//! each test is entered with its word loaded, and only who comes with another one loads it.

use super::backwards::{Assembler, Jump, Place};
use std::collections::BTreeMap;
use std::mem::offset_of;

/// Something that holds of an argument, counted from 0.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Test {
    /// Of its lower 32 bits those in the mask are this value's.
    Low { argument: u8, mask: u32, value: u32 },
    /// The same of its upper 32 bits.
    High { argument: u8, mask: u32, value: u32 },
    /// All of it is in a range: the first value, and the last.
    Within { argument: u8, first: u64, last: u64 },
}

/// Where to go on, and which word the accumulator holds there; any without.
#[derive(Copy, Clone)]
struct Entry {
    at: Place,
    word: Option<u32>,
}

/// Goes on at `yes` if one list holds, else at `no`. Can be entered whatever the accumulator holds.
pub(super) fn any(assembler: &mut Assembler, lists: &[Vec<Test>], yes: Place, no: Place) -> Place {
    let mut conditions = Conditions { assembler, loading: BTreeMap::new() };
    let yes = Entry { at: yes, word: None };
    // Of lists that begin with the same word those with one test follow upon each other without another load.
    let mut lists: Vec<_> = lists.iter().collect();
    lists.sort_by_key(|list| list.len());
    let first = lists.into_iter().rev().fold(Entry { at: no, word: None }, |next, list| conditions.all(list, yes, next));
    conditions.from(None, first)
}

struct Conditions<'a> {
    assembler: &'a mut Assembler,
    /// Entries with the load before.
    loading: BTreeMap<Place, Place>,
}

impl Conditions<'_> {
    fn all(&mut self, list: &[Test], yes: Entry, no: Entry) -> Entry {
        list.iter().rev().fold(yes, |next, test| match *test {
            Test::Low { argument, mask, value } => self.word(low(argument), mask, value, next, no),
            Test::High { argument, mask, value } => self.word(high(argument), mask, value, next, no),
            Test::Within { argument, first, last } => self.within(argument, first, last, next, no),
        })
    }

    fn word(&mut self, word: u32, mask: u32, value: u32, yes: Entry, no: Entry) -> Entry {
        let value = value & mask;
        match (mask, value) {
            (0, _) => yes,
            (u32::MAX, _) => self.branch(word, Jump::Equal, value, yes, no),
            (_, 0) => self.branch(word, Jump::AnyBit, mask, no, yes),
            _ if mask.is_power_of_two() => self.branch(word, Jump::AnyBit, mask, yes, no),
            _ => {
                // The accumulator is no argument's word afterwards.
                let (yes, no) = (self.from(None, yes), self.from(None, no));
                let compared = self.assembler.branch(Jump::Equal, value, yes, no);
                Entry { at: self.assembler.and(mask, compared), word: Some(word) }
            }
        }
    }

    fn within(&mut self, argument: u8, first: u64, last: u64, yes: Entry, no: Entry) -> Entry {
        let (above, (last_above, last_low)) = (halves(first).0, halves(last));
        if above == last_above {
            let at_most = self.low_above(argument, last_low, no, yes);
            let both = match halves(first).1.checked_sub(1) {
                None => at_most,
                Some(before) => self.low_above(argument, before, at_most, no),
            };
            return self.branch(high(argument), Jump::Equal, above, both, no);
        }
        let at_most = self.above(argument, last, no, yes);
        match first.checked_sub(1) {
            None => at_most,
            Some(before) => self.above(argument, before, at_most, no),
        }
    }

    /// Whether all of an argument is above this.
    fn above(&mut self, argument: u8, value: u64, yes: Entry, no: Entry) -> Entry {
        let (upper, lower) = halves(value);
        if lower == u32::MAX {
            return self.high_above(argument, upper, yes, no);
        }
        let same = self.low_above(argument, lower, yes, no);
        let other = if upper == 0 { yes } else { self.high_above(argument, upper, yes, no) };
        self.branch(high(argument), Jump::Equal, upper, same, other)
    }

    fn low_above(&mut self, argument: u8, value: u32, yes: Entry, no: Entry) -> Entry {
        if value == u32::MAX { no } else { self.branch(low(argument), Jump::Above, value, yes, no) }
    }

    fn high_above(&mut self, argument: u8, value: u32, yes: Entry, no: Entry) -> Entry {
        if value == u32::MAX { no } else { self.branch(high(argument), Jump::Above, value, yes, no) }
    }

    fn branch(&mut self, word: u32, jump: Jump, value: u32, yes: Entry, no: Entry) -> Entry {
        if yes.at == no.at {
            return yes;
        }
        let (yes, no) = (self.from(Some(word), yes), self.from(Some(word), no));
        Entry { at: self.assembler.branch(jump, value, yes, no), word: Some(word) }
    }

    /// Where to go on with this word in the accumulator, or an unknown one.
    fn from(&mut self, held: Option<u32>, entry: Entry) -> Place {
        match entry.word {
            Some(word) if held != Some(word) => {
                *self.loading.entry(entry.at).or_insert_with(|| self.assembler.load(word, entry.at))
            }
            _ => entry.at,
        }
    }
}

fn halves(value: u64) -> (u32, u32) {
    ((value >> 32) as u32, value as u32)
}

/// Arguments are little-endian.
fn low(argument: u8) -> u32 {
    offset_of!(libc::seccomp_data, args) as u32 + u32::from(argument) * 8
}

fn high(argument: u8) -> u32 {
    low(argument) + 4
}
