;; `try` with `catch` and `catch_all`: what is caught where, what labels mean around it, and which values go through.

(module $thrower
  (tag $shared (export "shared") (param i32))
  (func (export "throw-shared") (param i32) (throw $shared (local.get 0)))
)
(register "thrower")

(module
  (tag $shared (import "thrower" "shared") (param i32))
  (func $throw-shared (import "thrower" "throw-shared") (param i32))
  (tag $none)
  (tag $one (param i32))
  (tag $two (param i64 f32))

  ;; 0: nothing, 1: $none, 2: $one (7), 3: $two (8, 1.5), 4: another module's (9), 5: a trap.
  (func $act (param i32)
    (block $trap (block $other (block $two (block $one (block $none (block $nothing
      (br_table $nothing $none $one $two $other $trap (local.get 0)))
      (return))
      (throw $none))
      (throw $one (i32.const 7)))
      (throw $two (i64.const 8) (f32.const 1.5)))
      (call $throw-shared (i32.const 9))
      (return))
    (unreachable)
  )

  (func (export "no-clause") (param i32) (result i32)
    try (result i32) (call $act (local.get 0)) (i32.const 1) end)

  (func (export "empty") try end try catch $none end try catch_all end)

  (func (export "clauses") (param i32) (result i32)
    try (result i32)
      (call $act (local.get 0)) (i32.const 100)
      catch $none (i32.const 101)
      catch $one
      catch $two (drop) (i32.wrap_i64)
     catch_all (i32.const 104) end)

  (func (export "order") (param i32) (result i32)
    try (result i32)
      (call $act (local.get 0)) (i32.const 100)
      catch $one (i32.const 1) (i32.add)
      catch $one (i32.const 2) (i32.add)
      catch $none (i32.const 3) end)

  (func (export "imported") (param i32) (result i32)
    try (result i32)
      try (result i32)
        (call $act (local.get 0)) (i32.const 100)
        catch $one end
      catch $shared end)

  ;; What is thrown in a clause is for the `try` around.
  (func (export "out-of-clause") (param i32 i32) (result i32)
    try (result i32)

        try (result i32)
          (call $act (local.get 0)) (i32.const 100)
          catch $none (call $act (local.get 1)) (i32.const 101)
          catch $one (drop) (i32.const 102) end
      catch $one (i32.const 200) (i32.add)
     catch_all (i32.const 300) end)

  ;; Operands below stay.
  (func (export "operands") (param i32) (result i32)
    (i32.const 1000)
    (i32.const 20)
    try (result i32)
      (i32.const 5) (call $act (local.get 0))
     catch_all (i32.const 6) end
    (i32.add)
    (i32.add))

  (func (export "parameters") (param i32) (result i32 i64)
    (i32.const 3) (i64.const 4)
    try (param i32 i64) (result i64 i32)
      (call $act (local.get 0)) (drop) (i64.const 50) (local.get 0) (i32.const 10) (i32.add) (local.set 0) (br 0 (local.get 0))
      catch $two (drop) (i32.const 7)
     catch_all (i64.const 60) (i32.const 61) end
    (local.set 0)
    (i64.const 1) (i64.add)
    (call $swap (local.get 0)))
  (func $swap (param i64 i32) (result i32 i64) (local.get 1) (local.get 0))

  (func (export "parameters-pass") (param i32) (result i32)
    (local.get 0)
    try (param i32) (result i32) (i32.const 1) (i32.add) catch_all (i32.const -1) end)

  ;; Branches from each part, to the `try` itself, over it, and to what is inside.
  (func (export "branch-to-try") (param i32 i32) (result i32)
    try $l (result i32)
      (call $act (local.get 0)) (br $l (i32.const 1))
      catch $none (drop (br_if $l (i32.const 2) (local.get 1))) (i32.const 3)
      catch $one (br_table $l $l (local.get 1))
     catch_all (block $in (br_if $in (local.get 1)) (br $l (i32.const 5))) (i32.const 6) end)

  (func (export "branch-over") (param i32 i32) (result i32)
    (block $outer (result i32)
      (block $middle
        try $l
          (block $in (br_if $in (i32.eqz (local.get 1))) (br $outer (i32.const 10))) (call $act (local.get 0)) (br $middle)
          catch $none (br $outer (i32.const 11))
          catch $one (drop) (loop (br_if $middle (local.get 1)) (br $l))
         catch_all (return (i32.const 12)) end
        (return (i32.const 13)))
      (i32.const 14)))

  (func (export "table-of-depths") (param i32 i32) (result i32)
    (block $c (block $b (block $a
      try $t
        (br_table $t $a $b $c (local.get 0))
        catch_all end
      try $u
        (throw $none)
       catch_all (block $v (br_table $v $u $a $b $c (local.get 1))) (return (i32.const 20)) end
      (return (i32.const 21)))
      (return (i32.const 22)))
      (return (i32.const 23)))
    (i32.const 24))

  (func (export "loop") (param i32) (result i32)
    (local $caught i32)
    (loop $again
      try
        (if (i32.and (local.get 0) (i32.const 1)) (then (throw $one (local.get 0))))
        catch $one (local.get $caught) (i32.add) (local.set $caught) end
      (br_if $again (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    (local.get $caught))

  (func (export "loop-from-clause") (param i32) (result i32)
    (local $n i32)
    (loop $again (result i32)
      (local.set $n (i32.add (local.get $n) (i32.const 1)))
      try (result i32)
        (throw $none)
        catch $none (br_if $again (i32.lt_u (local.get $n) (local.get 0))) (local.get $n) end))

  (func (export "else") (param i32) (result i32)
    (if (result i32) (local.get 0)
      (then try (result i32) (throw $one (i32.const 5)) catch $one (i32.const 1) (i32.add) end)
      (else try (result i32) (throw $one (i32.const 6)) catch_all (i32.const 9) end)))

  ;; Nothing of this is reached.
  (func (export "unreachable-code") (param i32) (result i32)
    (return (i32.const 1))
    try $t (param i32 i64) (result i32)
      (drop) (br_table $t $t (i32.const 0))
      catch $two try (rethrow $t) delegate $t (unreachable)
     catch_all (drop (br_if $t (i32.const 1) (i32.const 0))) try (result i32) (i32.const 2) catch_all (rethrow 0) end end)

  (func (export "unreachable-body") (param i32) (result i32)
    try (result i32)
      try (result i32) (br 1 (i32.const 2)) catch_all (i32.const 3) end (throw $none)
     catch_all (i32.const 4) end)

  (func (export "locals") (param i32) (result i32)
    (local $a i32) (local $b i64)
    try
      (local.set $a (i32.const 1)) (local.set $b (i64.const 10)) (call $act (local.get 0)) (local.set $a (i32.const 2))
     catch_all (local.set $b (i64.add (local.get $b) (i64.const 100))) end
    (i32.add (local.get $a) (i32.wrap_i64 (local.get $b))))

  (func (export "tail-call") (param i32) (result i32)
    try (result i32) (return_call $seven (local.get 0)) catch_all (i32.const 1) end)
  (func $seven (param i32) (result i32) (call $act (local.get 0)) (i32.const 7))
)

(assert_return (invoke "no-clause" (i32.const 0)) (i32.const 1))
(assert_exception (invoke "no-clause" (i32.const 2)))
(assert_return (invoke "empty"))
(assert_return (invoke "clauses" (i32.const 0)) (i32.const 100))
(assert_return (invoke "clauses" (i32.const 1)) (i32.const 101))
(assert_return (invoke "clauses" (i32.const 2)) (i32.const 7))
(assert_return (invoke "clauses" (i32.const 3)) (i32.const 8))
(assert_return (invoke "clauses" (i32.const 4)) (i32.const 104))
(assert_trap (invoke "clauses" (i32.const 5)) "unreachable")
(assert_return (invoke "order" (i32.const 0)) (i32.const 100))
(assert_return (invoke "order" (i32.const 2)) (i32.const 8))
(assert_return (invoke "order" (i32.const 1)) (i32.const 3))
(assert_exception (invoke "order" (i32.const 3)))
(assert_return (invoke "imported" (i32.const 4)) (i32.const 9))
(assert_return (invoke "imported" (i32.const 2)) (i32.const 7))
(assert_exception (invoke "imported" (i32.const 1)))
(assert_return (invoke "out-of-clause" (i32.const 0) (i32.const 1)) (i32.const 100))
(assert_return (invoke "out-of-clause" (i32.const 1) (i32.const 0)) (i32.const 101))
(assert_return (invoke "out-of-clause" (i32.const 1) (i32.const 1)) (i32.const 300))
(assert_return (invoke "out-of-clause" (i32.const 1) (i32.const 2)) (i32.const 207))
(assert_return (invoke "out-of-clause" (i32.const 2) (i32.const 0)) (i32.const 102))
(assert_trap (invoke "out-of-clause" (i32.const 1) (i32.const 5)) "unreachable")
(assert_return (invoke "operands" (i32.const 0)) (i32.const 1025))
(assert_return (invoke "operands" (i32.const 2)) (i32.const 1026))
(assert_return (invoke "parameters" (i32.const 0)) (i32.const 10) (i64.const 51))
(assert_return (invoke "parameters" (i32.const 3)) (i32.const 7) (i64.const 9))
(assert_return (invoke "parameters" (i32.const 1)) (i32.const 61) (i64.const 61))
(assert_return (invoke "parameters-pass" (i32.const 41)) (i32.const 42))
(assert_return (invoke "branch-to-try" (i32.const 0) (i32.const 0)) (i32.const 1))
(assert_return (invoke "branch-to-try" (i32.const 1) (i32.const 1)) (i32.const 2))
(assert_return (invoke "branch-to-try" (i32.const 1) (i32.const 0)) (i32.const 3))
(assert_return (invoke "branch-to-try" (i32.const 2) (i32.const 0)) (i32.const 7))
(assert_return (invoke "branch-to-try" (i32.const 2) (i32.const 9)) (i32.const 7))
(assert_return (invoke "branch-to-try" (i32.const 3) (i32.const 0)) (i32.const 5))
(assert_return (invoke "branch-to-try" (i32.const 3) (i32.const 1)) (i32.const 6))
(assert_return (invoke "branch-over" (i32.const 0) (i32.const 1)) (i32.const 10))
(assert_return (invoke "branch-over" (i32.const 0) (i32.const 0)) (i32.const 14))
(assert_return (invoke "branch-over" (i32.const 1) (i32.const 0)) (i32.const 11))
(assert_return (invoke "branch-over" (i32.const 2) (i32.const 0)) (i32.const 13))
(assert_return (invoke "branch-over" (i32.const 3) (i32.const 0)) (i32.const 12))
(assert_return (invoke "table-of-depths" (i32.const 1) (i32.const 0)) (i32.const 22))
(assert_return (invoke "table-of-depths" (i32.const 2) (i32.const 0)) (i32.const 23))
(assert_return (invoke "table-of-depths" (i32.const 3) (i32.const 0)) (i32.const 24))
(assert_return (invoke "table-of-depths" (i32.const 0) (i32.const 0)) (i32.const 20))
(assert_return (invoke "table-of-depths" (i32.const 0) (i32.const 1)) (i32.const 21))
(assert_return (invoke "table-of-depths" (i32.const 0) (i32.const 2)) (i32.const 22))
(assert_return (invoke "table-of-depths" (i32.const 0) (i32.const 3)) (i32.const 23))
(assert_return (invoke "table-of-depths" (i32.const 0) (i32.const 4)) (i32.const 24))
(assert_return (invoke "loop" (i32.const 10)) (i32.const 25))
(assert_return (invoke "loop-from-clause" (i32.const 100)) (i32.const 100))
(assert_return (invoke "else" (i32.const 1)) (i32.const 6))
(assert_return (invoke "else" (i32.const 0)) (i32.const 9))
(assert_return (invoke "unreachable-code" (i32.const 0)) (i32.const 1))
(assert_return (invoke "unreachable-body" (i32.const 0)) (i32.const 2))
(assert_return (invoke "locals" (i32.const 0)) (i32.const 12))
(assert_return (invoke "locals" (i32.const 1)) (i32.const 111))
(assert_return (invoke "tail-call" (i32.const 0)) (i32.const 7))
(assert_exception (invoke "tail-call" (i32.const 1)))

;; References among the values, and tags with many.
(module
  (type $f (func (result i32)))
  (tag $refs (param externref (ref $f) v128))
  (tag $many (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32))
  (func $five (type $f) (i32.const 5))
  (elem declare func $five)
  (func (export "references") (param externref) (result externref i32 i32)
    (local $v v128) (local $f (ref null $f))
    try (result externref)
      (throw $refs (local.get 0) (ref.func $five) (i32x4.splat (i32.const 6)))
      catch $refs (local.set $v) (local.set $f) end
    (call_ref $f (local.get $f))
    (i32x4.extract_lane 2 (local.get $v)))
  (func (export "many") (param i32) (result i32)
    try (result i32)
      (throw $many (local.get 0) (i32.const 1) (i32.const 2) (i32.const 3) (i32.const 4) (i32.const 5) (i32.const 6)
        (i32.const 7) (i32.const 8) (i32.const 9) (i32.const 10) (i32.const 11))
      catch $many (i32.add) (i32.add) (i32.add) (i32.add) (i32.add) (i32.add) (i32.add) (i32.add) (i32.add) (i32.add) (i32.add) end)
  (func (export "reference-kept") (param externref externref) (result externref)
    (local.get 0)
    try (param externref) (result externref)
      (drop) (throw $refs (local.get 1) (ref.func $five) (v128.const i64x2 0 0))
      catch $refs (drop) (drop)
     catch_all (rethrow 0) end)
)
(assert_return (invoke "references" (ref.extern 3)) (ref.extern 3) (i32.const 5) (i32.const 6))
(assert_return (invoke "many" (i32.const 100)) (i32.const 166))
(assert_return (invoke "reference-kept" (ref.extern 1) (ref.extern 2)) (ref.extern 2))

(assert_invalid (module (func (result i32) try (result i32) end)) "type mismatch")
(assert_invalid (module (func try catch_all (i32.const 1) end)) "type mismatch")
(assert_invalid (module (func try  catch 0 end)) "unknown tag")
(assert_invalid (module (tag (param i64)) (func (result i32) try (result i32) (i32.const 1) catch 0 end)) "type mismatch")
(assert_invalid (module (tag) (func try (param i32) (drop) catch 0 (drop) end)) "type mismatch")
(assert_malformed (module quote "(module (func (catch_all)))") "unexpected token")
(assert_malformed (module quote "(module (func (try (do) (catch_all) (catch_all))))") "unexpected token")
