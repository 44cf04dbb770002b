;; Traps while it is being instantiated, before `_start` can run.
(module
  (memory (export "memory") 1)
  (func $boot (drop (i32.load (i32.const 65533))))
  (start $boot)
  (func (export "_start")))
