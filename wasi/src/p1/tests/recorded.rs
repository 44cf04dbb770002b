//! What a record says of calls, whatever they give.

use super::*;
use crate::host::denial::Rule;
use crate::host::descriptor::{Descriptor, Sharing};
use crate::p1::handle::Handle;
use crate::p1::record::{MOST_DENIALS, Record, Use};
use crate::p1::table::Table;
use crate::p1::trace::row::{FD, Param, Row, descriptor, flags, number, opened, text};
use crate::{Denial, Recorded};

const ACCEPT: Row = Row { name: "sock_accept", params: const { &[FD, number("flags"), opened("fd")] } };
const READ_FD: Row = Row { name: "fd_read", params: const { &[FD] } };
const STAT_FD: Row = Row { name: "fd_fdstat_get", params: const { &[FD] } };
const UNLINK: Row = Row { name: "path_unlink_file", params: const { &[FD, text("path")] } };
const OPEN: Row = Row { name: "path_open", params: OPEN_PARAMS };
const RENAME: Row =
    Row { name: "path_rename", params: const { &[FD, text("old_path"), descriptor("new_fd"), text("new_path")] } };
const OPEN_PARAMS: &[Param] = const {
    &[
        FD,
        flags("dirflags", &[]),
        text("path"),
        flags("oflags", &[]),
        number("base"),
        number("inheriting"),
        flags("fdflags", &[]),
        opened("fd"),
    ]
};

fn used(recorded: &Recorded) -> Vec<(bool, bool)> {
    recorded.uses.iter().map(|Use { used, changed, .. }| (*used, *changed)).collect()
}

impl Guest {
    fn recorded(&self, record: &Record, row: &Row, words: &[u64], body: impl Fn(&Call<'_>) -> Outcome) -> Outcome {
        self.call(|c| record.call(c, row, words, &|| body(c)))
    }

    fn opens(&self, record: &Record, name: &[u8], oflags: u32, base: u64) -> Outcome {
        let (at, len) = self.put(TEXT, name);
        let words = [3, 1, at.into(), len.into(), oflags.into(), base, u64::MAX, 0, OUT.into()];
        let ask = || path::Open { lookup: 1, oflags, base, inheriting: u64::MAX, fdflags: 0 };
        self.recorded(record, &OPEN, &words, |c| path::open(c, 3, (at, len), &ask(), OUT))
    }
}

#[test]
fn what_fails_or_is_cut_short_is_used_all_the_same() {
    for (outcome, row, expected) in [
        (Ok(()), &ACCEPT, vec![(true, false)]),
        (Err(Fail::Interrupted), &ACCEPT, vec![(true, false)]),
        (errno(Errno::Again), &ACCEPT, vec![(true, false)]),
        (Ok(()), &UNLINK, vec![(true, true)]),
        (errno(Errno::NoEnt), &UNLINK, vec![(true, false)]),
        // Of the descriptor alone, whatever it is of.
        (Ok(()), &STAT_FD, vec![]),
        (Err(Fail::Interrupted), &STAT_FD, vec![]),
        (errno(Errno::BadF), &READ_FD, vec![(true, false)]),
    ] {
        let (g, record) = (Guest::new(), Record::new(None, false));
        assert_eq!(g.recorded(&record, row, &[3, TEXT.into(), 1], |_| outcome), outcome);
        assert_eq!(used(&record.so_far()), expected, "{} {outcome:?}", row.name);
    }
    // Numbers that are no descriptors, and too few words.
    let (g, record) = (Guest::new(), Record::new(None, false));
    for words in [&[][..], &[u64::MAX], &[99], &[u64::from(u32::MAX), u64::MAX, u64::MAX]] {
        assert_eq!(g.recorded(&record, &UNLINK, words, |_| errno(Errno::BadF)), errno(Errno::BadF));
    }
    assert_eq!((used(&record.so_far()), record.so_far().denials), (vec![], vec![]));
}

#[test]
fn what_is_opened_belongs_to_the_directory_that_it_was_opened_through() {
    let (g, record) = (Guest::new(), Record::new(None, false));
    std::fs::create_dir(g.dir.path().join("sub")).unwrap();
    assert_eq!(g.opens(&record, b"sub", 2, 0), Ok(()));
    let sub = g.u32(OUT);
    let (at, len) = g.put(TEXT, b"../../x");
    let refused = g.recorded(&record, &UNLINK, &[sub.into(), at.into(), len.into()], |c| path::unlink_file(c, sub, (at, len)));
    assert_eq!(refused, errno(Errno::Perm));
    let denial = Denial {
        function: "path_unlink_file",
        name: b"/data/sub/../../x".to_vec(),
        place: Some((0, b"sub/../../x".to_vec())),
        rule: Rule::Above,
        times: 1,
    };
    assert_eq!(record.so_far().denials, [denial]);
    assert_eq!(used(&record.so_far()), [(true, false)]);
    assert_eq!(g.opens(&record, b"new", 1, WRITE), Ok(()));
    assert_eq!(used(&record.so_far()), [(true, true)]);
}

#[test]
fn of_two_paths_the_one_at_fault_is_named() {
    let (g, record) = (Guest::new(), Record::new(None, false));
    std::fs::write(g.dir.path().join("f"), "").unwrap();
    let (old, new) = (g.put(TEXT, b"f"), g.put(TEXT2, b"../x"));
    let words = [3, old.0.into(), old.1.into(), 3, new.0.into(), new.1.into()];
    let refused = g.recorded(&record, &RENAME, &words, |c| path::rename(c, 3, old, 3, new));
    assert_eq!(refused, errno(Errno::Perm));
    assert_eq!(record.so_far().denials[0].name, b"/data/../x");
}

#[test]
fn what_was_noted_before_a_call_is_not_its_reason() {
    let (g, record) = (Guest::new(), Record::new(None, false));
    assert_eq!(g.open(b"../x", 0, READ), errno(Errno::Perm));
    assert_eq!(g.opens(&record, b"missing", 0, READ), errno(Errno::NoEnt));
    // A call that succeeds after all has no reason either, nor has the next one.
    assert_eq!(g.recorded(&record, &STAT_FD, &[3], |_| g.open_noting()), Ok(()));
    assert_eq!(g.recorded(&record, &STAT_FD, &[3], |_| errno(Errno::Io)), errno(Errno::Io));
    assert!(record.so_far().denials.is_empty());
}

impl Guest {
    /// Notes a reason, and succeeds.
    fn open_noting(&self) -> Outcome {
        crate::host::denial::note(Rule::Above);
        Ok(())
    }
}

#[test]
fn permissions_are_a_rule_where_root_would_need_none() {
    for (not_as_root, denials) in [(true, vec![Rule::NotAsRoot]), (false, vec![])] {
        let (g, record) = (Guest::new(), Record::new(None, not_as_root));
        g.put(TEXT, b"f");
        for (row, e) in [(&UNLINK, Errno::Acces), (&READ_FD, Errno::Acces), (&UNLINK, Errno::Perm), (&UNLINK, Errno::NoEnt)] {
            assert_eq!(g.recorded(&record, row, &[3, TEXT.into(), 1], |_| errno(e)), errno(e));
        }
        assert_eq!(record.so_far().denials.into_iter().map(|denial| denial.rule).collect::<Vec<_>>(), denials);
    }
}

#[test]
fn a_record_is_bounded() {
    let (g, record) = (Guest::new(), Record::new(None, false));
    for n in 0..1000u32 {
        let name = format!("../{}{n}", "x".repeat(200));
        for _ in 0..2 {
            assert_eq!(g.opens(&record, name.as_bytes(), 0, READ), errno(Errno::Perm));
        }
    }
    let recorded = record.so_far();
    assert_eq!((recorded.denials.len(), recorded.further), (MOST_DENIALS, 2 * (1000 - MOST_DENIALS as u64)));
    assert!(recorded.denials.iter().all(|denial| denial.times == 2));
}

#[test]
fn as_many_descriptors_as_there_can_be_is_a_rule() {
    let table = Table::new(1, &sconce_engine::MemoryLimit::new(None));
    let null = || std::fs::File::open("/dev/null").unwrap().into();
    let insert = || table.insert(Handle::new(Descriptor::new(null(), Sharing::Own, Access::ReadWrite).unwrap())).map(drop);
    insert().unwrap();
    let (g, record) = (Guest::new(), Record::new(None, false));
    assert_eq!(g.recorded(&record, &OPEN, &[3], |_| insert()), errno(Errno::MFile));
    assert_eq!(record.so_far().denials[0].rule, Rule::Descriptors);
}
