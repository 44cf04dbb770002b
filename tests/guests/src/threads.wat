;; A program with threads (wasi-threads). Each export is a program: `sconce run --invoke NAME threads.wat`.
;;
;; Memory: 0 how many threads have finished, 4 a counter, 8 a word that never changes, 12 whether all have been started, 16.. scratch.
(module
  (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (import "wasi_snapshot_preview1" "sched_yield" (func $yield (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "env" "memory" (memory 1 1000 shared))
  (export "memory" (memory 0))
  (data (i32.const 1024) "hello\n")
  (type $task (func (param i32)))
  (table funcref (elem $count $exit $trap $spin $sleep $spawner $grow $nothing $overflow))

  (func $finish
    (drop (i32.atomic.rmw.add (i32.const 0) (i32.const 1)))
    (drop (memory.atomic.notify (i32.const 0) (i32.const -1))))

  ;; Waits until so many threads have finished.
  (func $join (param $threads i32)
    (local $now i32)
    (loop $again
      (local.set $now (i32.atomic.load (i32.const 0)))
      (if (i32.lt_s (local.get $now) (local.get $threads))
        (then
          (drop (memory.atomic.wait32 (i32.const 0) (local.get $now) (i64.const -1)))
          (br $again)))))

  (func $forever (drop (memory.atomic.wait32 (i32.const 8) (i32.const 0) (i64.const -1))))

  (func $hello
    (i32.store (i32.const 16) (i32.const 1024))
    (i32.store (i32.const 20) (i32.const 6))
    (drop (call $fd_write (i32.const 1) (i32.const 16) (i32.const 1) (i32.const 24))))

  ;; What threads do.
  (func $count (param $id i32)
    (local $n i32)
    (local.set $n (i32.const 1000))
    (loop
      (drop (i32.atomic.rmw.add (i32.const 4) (i32.const 1)))
      (br_if 0 (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (call $finish))
  (func $exit (param i32) (call $proc_exit (i32.const 7)))
  (func $trap (param i32) (unreachable))
  (func $spin (param i32) (call $finish) (loop (br 0)))
  (func $sleep (param i32) (call $finish) (call $forever))
  ;; Starts another one and ends.
  (func $spawner (param i32)
    (if (i32.lt_s (call $spawn (i32.const 0)) (i32.const 0)) (then (unreachable)))
    (call $finish))
  (func $grow (param i32)
    (local $n i32)
    (local.set $n (i32.const 50))
    ;; Under a limit, what one has grown would leave no room to start the next.
    (drop (memory.atomic.wait32 (i32.const 12) (i32.const 0) (i64.const -1)))
    (loop
      ;; The page is there at once.
      (i32.store (i32.mul (memory.grow (i32.const 1)) (i32.const 65536)) (i32.const 1))
      (br_if 0 (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (call $finish))
  (func $nothing (param i32) (call $finish))
  (func $overflow (param i32) (call $overflow (local.get 0)))

  (func (export "wasi_thread_start") (param $id i32) (param $task i32)
    (call_indirect (type $task) (local.get $id) (local.get $task)))

  ;; Starts so many threads with a task; gives how many could be started.
  (func $start (param $threads i32) (param $task i32) (result i32)
    (local $started i32)
    (block $done
      (loop $again
        (br_if $done (i32.ge_s (local.get $started) (local.get $threads)))
        (br_if $done (i32.le_s (call $spawn (local.get $task)) (i32.const 0)))
        (local.set $started (i32.add (local.get $started) (i32.const 1)))
        (br $again)))
    (local.get $started))

  ;; The same, where all must be there.
  (func $start_all (param $threads i32) (param $task i32) (result i32)
    (if (i32.ne (call $start (local.get $threads) (local.get $task)) (local.get $threads))
      (then (call $proc_exit (i32.const 99))))
    (local.get $threads))

  (func (export "count") (param $threads i32) (result i32 i32)
    (local $started i32)
    (call $join (local.tee $started (call $start (local.get $threads) (i32.const 0))))
    (local.get $started)
    (i32.atomic.load (i32.const 4)))
  ;; One after the other: each gives its place back.
  (func (export "one by one") (param $threads i32) (result i32)
    (local $n i32)
    (loop $again
      (if (i32.eqz (call $start (i32.const 1) (i32.const 7)))
        (then (drop (call $yield)))
        (else (call $join (local.tee $n (i32.add (local.get $n) (i32.const 1))))))
      (br_if $again (i32.lt_s (local.get $n) (local.get $threads))))
    (local.get $n))
  (func (export "start and leave") (param $threads i32) (result i32) (call $start (local.get $threads) (i32.const 4)))
  (func (export "nested") (result i32)
    (drop (call $start_all (i32.const 10) (i32.const 5)))
    (call $join (i32.const 20))
    (i32.atomic.load (i32.const 4)))
  (func (export "grow") (result i32)
    (local $threads i32)
    (local.set $threads (call $start_all (i32.const 2) (i32.const 6)))
    (i32.atomic.store (i32.const 12) (i32.const 1))
    (drop (memory.atomic.notify (i32.const 12) (i32.const -1)))
    (call $join (local.get $threads))
    (memory.size))
  (func (export "exit") (drop (call $start_all (i32.const 1) (i32.const 1))) (call $forever))
  (func (export "exit while it spins") (drop (call $start_all (i32.const 1) (i32.const 1))) (loop (br 0)))
  (func (export "trap") (drop (call $start_all (i32.const 1) (i32.const 2))) (call $forever))
  (func (export "overflow") (drop (call $start_all (i32.const 1) (i32.const 8))) (call $forever))
  (func (export "main traps")
    (call $join (call $start_all (i32.const 3) (i32.const 3)))
    (unreachable))
  (func (export "main exits")
    (call $join (i32.add (call $start_all (i32.const 3) (i32.const 3)) (call $start_all (i32.const 3) (i32.const 4))))
    (call $proc_exit (i32.const 9)))
  (func (export "main returns")
    (call $join (i32.add (call $start_all (i32.const 3) (i32.const 3)) (call $start_all (i32.const 3) (i32.const 4)))))
  (func (export "all spin")
    (call $join (call $start_all (i32.const 2) (i32.const 3)))
    (call $hello)
    (loop (br 0)))
  (func (export "all wait")
    (call $join (call $start_all (i32.const 3) (i32.const 4)))
    (call $hello)
    (call $forever))
  (func (export "_start") (drop (call $start_all (i32.const 1) (i32.const 1))) (call $forever)))
