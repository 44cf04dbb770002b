;; The older `wasi_unstable` interface: its own order of fd_seek's whence (0 current, 1 end, 2 start) and its own filestat,
;; whose link count is 32 bits wide at 20, so that the size stands at 24. Stdin must be a regular file.
(module
  (import "wasi_unstable" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_unstable" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_unstable" "fd_seek" (func $seek (param i32 i64 i32 i32) (result i32)))
  (import "wasi_unstable" "fd_filestat_get" (func $stat (param i32 i32) (result i32)))
  (import "wasi_unstable" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (func $check (param $ok i32) (param $code i32)
    (if (i32.eqz (local.get $ok)) (then (call $exit (local.get $code)))))
  (func (export "_start")
    (local $size i64)
    (call $check (i32.eqz (call $stat (i32.const 0) (i32.const 256))) (i32.const 10))
    (local.set $size (i64.load (i32.const 280)))
    ;; from the end: the place is the size
    (call $check (i32.eqz (call $seek (i32.const 0) (i64.const 0) (i32.const 1) (i32.const 128))) (i32.const 11))
    (call $check (i64.eq (i64.load (i32.const 128)) (local.get $size)) (i32.const 12))
    ;; from the start, then from there
    (call $check (i32.eqz (call $seek (i32.const 0) (i64.const 2) (i32.const 2) (i32.const 128))) (i32.const 13))
    (call $check (i32.eqz (call $seek (i32.const 0) (i64.const 1) (i32.const 0) (i32.const 128))) (i32.const 14))
    (call $check (i64.eq (i64.load (i32.const 128)) (i64.const 3)) (i32.const 15))
    (i32.store (i32.const 0) (i32.const 1024))
    (i32.store (i32.const 4) (i32.const 4096))
    (call $check (i32.eqz (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8))) (i32.const 16))
    (i32.store (i32.const 4) (i32.load (i32.const 8)))
    (call $check (i32.eqz (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))) (i32.const 17))))
