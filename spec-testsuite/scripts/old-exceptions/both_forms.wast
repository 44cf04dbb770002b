;; The old and the final form in one module and in one function; exceptions without tags; throwing and catching across modules.

(module $old
  (tag $e (export "e") (param i32))
  (func (export "throw") (param i32) (throw $e (local.get 0)))
  (func (export "old") (param i32) (result i32)
    try (result i32) (throw $e (local.get 0)) catch $e (i32.const 1) (i32.add) end))
(register "old")

(module
  (tag $e (import "old" "e") (param i32))
  (func $throw (import "old" "throw") (param i32))

  (func (export "old-in-final") (param i32) (result i32)
    (block $caught (result i32)
      (try_table (result i32) (catch $e $caught)
        try (result i32) (call $throw (local.get 0)) (i32.const 0) catch $e (i32.const 10) (i32.add) (throw $e) end)))

  (func (export "final-in-old") (param i32) (result i32)
    try $t (result i32)

        (block $caught (result i32 exnref)
          (br $t (try_table (result i32) (catch_ref $e $caught) (call $throw (local.get 0)) (i32.const 0))))
        (throw_ref)
      catch $e (i32.const 20) (i32.add) end)

  (func (export "delegate-to-final") (param i32) (result i32)
    (block $caught (result i32)
      (try_table $t (result i32) (catch $e $caught)
        try (result i32)
          try (result i32) (call $throw (local.get 0)) (i32.const 0) delegate $t
          catch_all (i32.const 1) end)))

  ;; Its clause's label is outside of a `try`, and of what is delegated to.
  (func (export "final-past-old") (param i32) (result i32)
    (block $past (result i32)
      try $t (result i32)
        try (result i32)
          try (result i32) (try_table (result i32) (catch $e $past) (call $throw (local.get 0)) (i32.const 0)) delegate $t
        catch_all (i32.const 1) end
      catch_all (i32.const 2) end
      (i32.const 100) (i32.add)))

  (func (export "final-in-clause") (param i32) (result i32)
    (block $other (result i32)
      try $t (result i32)
        (call $throw (local.get 0)) (i32.const 0)
        catch $e
          (drop (try_table (param i32) (result i32) (catch $e $other) (call $throw) (i32.const 1)))
          (rethrow $t) end))
)
(assert_return (invoke "old-in-final" (i32.const 1)) (i32.const 11))
(assert_return (invoke "final-in-old" (i32.const 1)) (i32.const 21))
(assert_return (invoke "delegate-to-final" (i32.const 7)) (i32.const 7))
(assert_return (invoke "final-past-old" (i32.const 9)) (i32.const 9))
(assert_return (invoke "final-in-clause" (i32.const 8)) (i32.const 8))
(assert_return (invoke $old "old" (i32.const 8)) (i32.const 9))

;; A module without tags holds an exception of another one's.
(module
  (func $throw (import "old" "throw") (param i32))
  (func (export "pass") (param i32) try (call $throw (local.get 0)) catch_all (rethrow 0) end)
  (func (export "swallow") (param i32) try (call $throw (local.get 0)) catch_all end))
(register "without")
(assert_return (invoke "swallow" (i32.const 1)))
(assert_exception (invoke "pass" (i32.const 1)))
(module
  (tag $e (import "old" "e") (param i32))
  (func $pass (import "without" "pass") (param i32))
  (func (export "passed") (param i32) (result i32)
    try (result i32) (call $pass (local.get 0)) (i32.const 0) catch $e end))
(assert_return (invoke "passed" (i32.const 77)) (i32.const 77))
