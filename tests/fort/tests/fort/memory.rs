//! Nothing becomes executable but code where code is.

use libc::{MAP_ANONYMOUS, MAP_FIXED, MAP_PRIVATE, MAP_SHARED, PROT_EXEC, PROT_READ, PROT_WRITE};
use sconce_confine::MOST_CODE_AT_ONCE;
use sconce_fort::{Given, attack, call, path, refused};

const PAGE: i64 = 4096;

#[test]
fn is_executable_where_code_is_alone() {
    attack("memory::is_executable_where_code_is_alone", Given::Directories, |world, _| {
        let map =
            |at: i64, prot: i32, flags: i32, fd: i64| call(libc::SYS_mmap, &[at, PAGE, i64::from(prot), i64::from(flags), fd, 0]);
        let private = MAP_PRIVATE | MAP_ANONYMOUS;
        let plain = map(0, PROT_READ | PROT_WRITE, private, -1).expect("plain memory");
        for prot in [PROT_EXEC, PROT_READ | PROT_EXEC, PROT_READ | PROT_WRITE | PROT_EXEC] {
            refused("map", map(0, prot, private, -1));
            refused("protect", call(libc::SYS_mprotect, &[plain, PAGE, prot.into()]));
            refused("protect with a key", call(libc::SYS_pkey_mprotect, &[plain, PAGE, prot.into(), -1]));
            let file = call(libc::SYS_memfd_create, &[path("file"), 0]).expect("a file in memory");
            assert_eq!(call(libc::SYS_ftruncate, &[file, PAGE]), Ok(0));
            refused("map a file", map(0, prot, MAP_SHARED, file));
            refused("map into code", map(world.engine.code_range().start as i64, prot, private | MAP_FIXED, -1));
            assert_eq!(call(libc::SYS_close, &[file]), Ok(0));
        }
        let code = world.engine.code_range();
        let (start, end, most) = (code.start as i64, code.end as i64, MOST_CODE_AT_ONCE as i64);
        let exec = i64::from(PROT_READ | PROT_EXEC);
        for (at, len) in [
            (start - PAGE, PAGE),
            (start - PAGE, 2 * PAGE),
            (end, PAGE),
            (end - PAGE, 2 * PAGE),
            (end - most + PAGE, PAGE),
            (start, most + PAGE),
            (end - most, most + PAGE),
            (start, end - start),
            (start, -PAGE),
        ] {
            refused((at, len), call(libc::SYS_mprotect, &[at, len, exec]));
        }
        // The last that may be: the other side of the same limits.
        assert_eq!(call(libc::SYS_mprotect, &[end - most, most, exec]), Ok(0));
        let exact = i64::from(libc::MREMAP_FIXED | libc::MREMAP_MAYMOVE);
        refused("move to a place", call(libc::SYS_mremap, &[plain, PAGE, PAGE, exact, plain + 16 * PAGE]));
        refused("writable code", call(libc::SYS_mprotect, &[start, PAGE, exec | i64::from(PROT_WRITE)]));
        refused("shared memory of System V", call(libc::SYS_shmat, &[0, 0, libc::SHM_EXEC.into()]));
        refused("reading implies executing", call(libc::SYS_personality, &[0x0040_0000]));
    });
}
