;; `rethrow`: out of one clause and out of several, the same exception with the same values.

(module
  (tag $none)
  (tag $one (param i32))
  (tag $big (param i64 f64 externref))

  (func $throw-one (param i32) (throw $one (local.get 0)))
  (func $throw-none (throw $none))

  (func (export "from-catch") (throw $none) (unreachable))
  (func (export "uncaught") (param i32)
    try (call $throw-one (local.get 0)) catch $one (drop) (rethrow 0) end)
  (func (export "uncaught-all")
    try (call $throw-none) catch_all (rethrow 0) end)

  ;; Its values come along, though they were taken.
  (func (export "values") (param i32) (result i32)
    try (result i32)
      try (result i32)
        (call $throw-one (local.get 0)) (i32.const 0)
        catch $one (drop) (rethrow 0) end
      catch $one (i32.const 1) (i32.add) end)

  (func (export "values-all") (param i64 f64 externref) (result i64 f64 externref)
    try (result i64 f64 externref)
      try (throw $big (local.get 0) (local.get 1) (local.get 2)) catch_all (rethrow 0) end (unreachable)
      catch $big end)

  (func (export "values-twice") (param i64 f64 externref) (result i64 f64 externref)
    try (result i64 f64 externref)

        try (result i64 f64 externref)
          (throw $big (local.get 0) (local.get 1) (local.get 2))
          catch $big (drop) (drop) (drop) (rethrow 0)
          catch_all (unreachable) end
      catch_all try (result i64 f64 externref) (rethrow 1) catch $big end end)

  ;; From inside of blocks, and only sometimes.
  (func (export "sometimes") (param i32) (result i32)
    try (result i32)
      try (result i32)
        (call $throw-one (i32.const 5)) (i32.const 0)
        catch $one
          (drop)
          (block $b (loop $l
            (if (local.get 0) (then (rethrow 3)))
            (br $b)))
          (i32.const 100) end
      catch_all (i32.const 200) end)

  ;; Which of three nested clauses: 0 inner, 1 middle, 2 outer.
  (func (export "nested") (param i32) (result i32)
    try $t (result i32)

        try $c
          (call $throw-one (i32.const 1))
          catch $one (drop)
            try $b
              (call $throw-one (i32.const 2))
              catch $one (drop)
                try $a
                  (call $throw-one (i32.const 3))
                  catch $one (drop)
                    (block $z (block $y (block $x (br_table $x $y $z (local.get 0)))
                      (rethrow $a))
                      (rethrow $b))
                    (rethrow $c) end end end
        (i32.const 0)
      catch $one end)

  ;; A local for each depth, used one after the other.
  (func (export "one-after-the-other") (result i32)
    (local $sum i32)
    try try (call $throw-one (i32.const 1)) catch $one (drop) (rethrow 0) end
      catch $one (local.set $sum) end
    try
      try (call $throw-one (i32.const 20)) catch $none (rethrow 0) catch_all
          try (call $throw-one (i32.const 5)) catch_all try (rethrow 1) catch $one (local.get $sum) (i32.add) (local.set $sum) end end
          (rethrow 0) end
      catch $one (local.get $sum) (i32.add) (local.set $sum) end
    (local.get $sum))

  ;; In a `try` inside of the clause: its own clauses get it.
  (func (export "caught-inside") (param i32) (result i32)
    try (result i32)
      (call $throw-one (local.get 0)) (i32.const 0)
      catch $one
        (drop)
        try (result i32) (rethrow 1) catch $one (i32.const 10) (i32.mul) end end)

  ;; In a loop, with a new exception each time.
  (func (export "loop") (param i32) (result i32)
    (local $sum i32)
    (loop $l
      try
        try (call $throw-one (local.get 0)) catch $one (drop) (rethrow 0) end
        catch $one (local.get $sum) (i32.add) (local.set $sum) end
      (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    (local.get $sum))

  ;; From the first clause to the second one of a `try` around, which throws again.
  (func (export "chain") (result i32)
    try (result i32)
      try (result i32)
        try (result i32)
          (call $throw-one (i32.const 8)) (i32.const 0)
          catch $none (i32.const 1)
          catch $one (drop) (rethrow 0) end
        catch $none (i32.const 2)
        catch_all (rethrow 0) end
      catch $one end)

  (func (export "mixed-values") (param i32) (result i32)
    (i32.const 1)
    try (param i32) (result i32)
      (drop) try (result i32)
        (call $throw-one (i32.const 3)) (i32.const 0)
        catch $one (if (i32.eqz (local.get 0)) (then (rethrow 1))) (drop) (local.get 0) end
      catch $one (i32.const 40) (i32.add) end)
)

(assert_exception (invoke "uncaught" (i32.const 1)))
(assert_exception (invoke "uncaught-all"))
(assert_return (invoke "values" (i32.const 41)) (i32.const 42))
(assert_return (invoke "values-all" (i64.const 1) (f64.const 2) (ref.extern 3)) (i64.const 1) (f64.const 2) (ref.extern 3))
(assert_return (invoke "values-twice" (i64.const 4) (f64.const 5) (ref.extern 6)) (i64.const 4) (f64.const 5) (ref.extern 6))
(assert_return (invoke "sometimes" (i32.const 0)) (i32.const 100))
(assert_return (invoke "sometimes" (i32.const 1)) (i32.const 200))
(assert_return (invoke "nested" (i32.const 0)) (i32.const 3))
(assert_return (invoke "nested" (i32.const 1)) (i32.const 2))
(assert_return (invoke "nested" (i32.const 2)) (i32.const 1))
(assert_return (invoke "one-after-the-other") (i32.const 26))
(assert_return (invoke "caught-inside" (i32.const 4)) (i32.const 40))
(assert_return (invoke "loop" (i32.const 1000)) (i32.const 500500))
(assert_return (invoke "chain") (i32.const 8))
(assert_return (invoke "mixed-values" (i32.const 0)) (i32.const 43))
(assert_return (invoke "mixed-values" (i32.const 6)) (i32.const 6))

(assert_invalid (module (func (rethrow 0))) "invalid rethrow label")
(assert_invalid (module (func (block (rethrow 0)))) "invalid rethrow label")
(assert_invalid (module (func try (rethrow 0) catch_all end)) "invalid rethrow label")
(assert_invalid (module (func try  catch_all (block (rethrow 0)) end)) "invalid rethrow label")
(assert_invalid (module (func try  catch_all (rethrow 7) end)) "unknown label")
