"""Guests that measure memory.copy, memory.fill and memory.init by length, on their own clock.

One program does all lengths of one kind, in an order that turns from round to round, and keeps the least time of each: so a
disturbed moment spoils one round, not a length.
"""

import struct

LENGTHS = [0, 1, 2, 3, 4, 7, 8, 15, 16, 31, 32, 63, 64, 127, 128, 255, 256, 512, 1024, 2048, 4096]
KINDS = ["copy", "fill", "init"]
MIXED = "mixed 0-64"

# Where the guest has its results, its lengths of one program (mixed), and what it works on.
_RESULTS, _MIXED, _FROM, _TO = 0x400, 0x800, 0x10000, 0x20000


def _operator(kind, length):
    """One operation, to a place that moves by 16 bytes through a page, as allocations are aligned."""
    to = f"(i32.or (i32.const {_TO}) (i32.and (i32.shl (local.get $i) (i32.const 4)) (i32.const 4080)))"
    if kind == "copy":
        source = f"(i32.or (i32.const {_FROM}) (i32.and (i32.shl (local.get $i) (i32.const 4)) (i32.const 1008)))"
        return f"(memory.copy {to} {source} {length})"
    if kind == "fill":
        return f"(memory.fill {to} (local.get $i) {length})"
    return f"(memory.init $data {to} (i32.const 16) {length})"


def _body(name, kind, length):
    loop = f"(loop $l {_operator(kind, length)} (br_if $l (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))"
    return f"(func ${name} (param $i i32) (param $n i32) {loop})"


def _measured(name, length, place, count):
    """The least of the time so far and of `count` operations."""
    return f"""
      (call $now) (local.set $t)
      (call ${name} (i32.const {count}) (i32.const {length}))
      (call $now) (local.set $t (i64.sub (local.get $t)))
      (if (i64.lt_u (local.get $t) (i64.load (i32.const {place}))) (then (i64.store (i32.const {place}) (local.get $t))))"""


def guest(kind, constant, count, rounds):
    """The program as text: of constant lengths, or of lengths that the compiler does not know."""
    cases = [(f"f{length}" if constant else "any", length) for length in LENGTHS]
    if constant:
        bodies = [_body(f"f{length}", kind, f"(i32.const {length})") for length in LENGTHS]
    else:
        mixed = f"(i32.load8_u offset={_MIXED} (i32.and (local.get $i) (i32.const 1023)))"
        bodies = [_body("any", kind, "(local.get $n)"), _body("mixed", kind, mixed)]
        cases.append(("mixed", 0))
    # A generator that is good enough for lengths that no branch predictor learns by heart.
    state, lengths = 12345, []
    for _ in range(1024):
        state = (state * 1103515245 + 12345) & 0x7fffffff
        lengths.append(f"\\{(state >> 16) % 65:02x}")
    measured = "".join(_measured(name, length, _RESULTS + 8 * i, count) for i, (name, length) in enumerate(cases))
    size = 8 * len(cases)
    lengths, unset, data = "".join(lengths), "\\ff" * size, "\\5a" * 8192
    bodies = "\n  ".join(bodies)
    return f"""(module
  (import "wasi_snapshot_preview1" "clock_time_get" (func $clock (param i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 4)
  (data (i32.const {_MIXED}) "{lengths}")
  (data (i32.const {_RESULTS}) "{unset}")
  (data $data "{data}")
  {bodies}
  (func $now (result i64) (drop (call $clock (i32.const 1) (i64.const 1) (i32.const 0))) (i64.load (i32.const 0)))
  (func (export "_start") (local $round i32) (local $t i64)
    (local.set $round (i32.const {rounds}))
    (loop $again {measured}
      (br_if $again (local.tee $round (i32.sub (local.get $round) (i32.const 1)))))
    (i32.store (i32.const 16) (i32.const {_RESULTS})) (i32.store (i32.const 20) (i32.const {size}))
    (drop (call $write (i32.const 1) (i32.const 16) (i32.const 1) (i32.const 24)))))
"""


def results(output, constant, count):
    """Nanoseconds an operation by length, from what the guest wrote."""
    names = [str(length) for length in LENGTHS] + ([] if constant else [MIXED])
    return {name: time / count for name, time in zip(names, struct.unpack(f"<{len(names)}Q", output), strict=True)}
