;; Instantiation that ends by a trap leaves the segments that it has not come to.
(module $Table (table (export "t") 4 funcref)
  (func (export "go") (param i32) (result i32) (call_indirect (result i32) (local.get 0))))
(register "table" $Table)
(assert_trap
  (module (import "table" "t" (table 4 funcref)) (memory 1) (elem (i32.const 0) $f $first $last)
    (data $first (i32.const 0) "frst") (data $x (i32.const 65536) "boom") (data $last (i32.const 0) "last")
    (func $f (result i32) (memory.init $x (i32.const 8) (i32.const 0) (i32.const 4)) (i32.load (i32.const 8)))
    (func $first (result i32) (memory.init $first (i32.const 8) (i32.const 0) (i32.const 1)) (i32.load (i32.const 8)))
    (func $last (result i32) (memory.init $last (i32.const 8) (i32.const 0) (i32.const 4)) (data.drop $last) (i32.load (i32.const 8))))
  "out of bounds memory access")
(assert_return (invoke $Table "go" (i32.const 0)) (i32.const 0x6d6f6f62))
(assert_trap (invoke $Table "go" (i32.const 1)) "out of bounds memory access")
(assert_return (invoke $Table "go" (i32.const 2)) (i32.const 0x7473616c))
(assert_trap (invoke $Table "go" (i32.const 2)) "out of bounds memory access")
;; Elements come before data: then all of them are left.
(assert_trap
  (module (import "table" "t" (table 4 funcref)) (memory 1) (elem (i32.const 3) $f) (elem (i32.const 4) $f)
    (data $x (i32.const 0) "more")
    (func $f (result i32) (memory.init $x (i32.const 8) (i32.const 0) (i32.const 4)) (i32.load (i32.const 8))))
  "out of bounds table access")
(assert_return (invoke $Table "go" (i32.const 3)) (i32.const 0x65726f6d))
(assert_return (invoke $Table "go" (i32.const 3)) (i32.const 0x65726f6d))
;; What was placed is dropped.
(module (import "table" "t" (table 4 funcref)) (memory 1) (elem (i32.const 3) $f) (data $x (i32.const 0) "more")
  (func $f (result i32) (memory.init $x (i32.const 8) (i32.const 0) (i32.const 4)) (i32.load (i32.const 0))))
(assert_trap (invoke $Table "go" (i32.const 3)) "out of bounds memory access")
