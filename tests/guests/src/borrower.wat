;; Uses the module preloaded as "library"; its exit code is the counter's second value less 100.
(module
  (import "library" "next" (func $next (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (func (export "_start")
    (drop (call $next))
    (call $exit (i32.sub (call $next) (i32.const 100)))))
