;; `delegate`: to every kind of label at every depth.

(module
  (tag $e)
  (tag $v (param i32))
  (func $throw (throw $e))
  (func $value (param i32) (throw $v (local.get 0)))
  (func $maybe (param i32) (if (local.get 0) (then (throw $v (local.get 0)))))

  (func (export "nothing-thrown") (result i32)
    try $t (result i32) try (result i32) (i32.const 1) delegate $t catch_all (i32.const 2) end)

  ;; Four handlers around: the one that the depth names gets it.
  (func (export "depth-0") (result i32)
    try (result i32) try (result i32) try (result i32) try (result i32)
      (call $throw) (i32.const 0) delegate 0
      catch_all (i32.const 1) end catch_all (i32.const 2) end catch_all (i32.const 3) end)
  (func (export "depth-1") (result i32)
    try (result i32) try (result i32) try (result i32) try (result i32)
      (call $throw) (i32.const 0) delegate 1
      catch_all (i32.const 1) end catch_all (i32.const 2) end catch_all (i32.const 3) end)
  (func (export "depth-2") (result i32)
    try (result i32) try (result i32) try (result i32) try (result i32)
      (call $throw) (i32.const 0) delegate 2
      catch_all (i32.const 1) end catch_all (i32.const 2) end catch_all (i32.const 3) end)
  (func (export "depth-3-to-caller") (result i32)
    try (result i32) try (result i32) try (result i32) try (result i32)
      (call $throw) (i32.const 0) delegate 3
      catch_all (i32.const 1) end catch_all (i32.const 2) end catch_all (i32.const 3) end)

  (func $to-caller (param i32) (result i32)
    try (result i32)
      try (result i32) (call $maybe (local.get 0)) (i32.const 1) delegate 1
      catch_all (i32.const 2) end)
  (func (export "caller-catches") (param i32) (result i32)
    try (result i32) (call $to-caller (local.get 0)) catch $v (i32.const 100) (i32.add) end)

  (func (export "to-caller-at-once")
    try (call $throw) delegate 0)

  ;; A label that is no `try`: the `try` around that.
  (func (export "to-block") (result i32)
    try (result i32)
      (block $b try try (call $throw) delegate $b catch_all (unreachable) end) (i32.const 0)
      catch_all (i32.const 1) end)
  (func (export "to-loop") (result i32)
    try (result i32)
      (loop $l try try (call $throw) delegate $l catch_all (unreachable) end) (i32.const 0)
      catch_all (i32.const 1) end)
  (func (export "to-if") (param i32) (result i32)
    try (result i32)

        (if $i (local.get 0)
          (then try try (call $throw) delegate $i catch_all (unreachable) end)
          (else try try (call $value (i32.const 5)) delegate $i catch_all (unreachable) end))
        (i32.const 0)
      catch $v
      catch_all (i32.const 1) end)

  ;; A label whose clauses have begun: those are not asked.
  (func (export "to-clause") (result i32)
    try (result i32)
      try $t (result i32)
        (call $throw) (i32.const 0)
        catch $e try try (call $value (i32.const 6)) delegate $t catch_all (unreachable) end (i32.const 2)
        catch $v (drop) (i32.const 3) end
      catch $v (i32.const 10) (i32.add) end)
  (func (export "rethrown-to-clause") (result i32)
    try (result i32)
      try $t (result i32)
        (call $value (i32.const 7)) (i32.const 0)
        catch $v (drop) try (rethrow $t) delegate $t (i32.const 2)
        catch_all (i32.const 3) end
      catch $v (i32.const 10) (i32.add) end)

  ;; A `try` that delegates in its turn, and one without clauses.
  (func (export "through-delegate") (result i32)
    try $a (result i32)
      try (result i32)
        try $b (result i32)
          try (result i32)
            try (result i32) (call $value (i32.const 8)) (i32.const 0) delegate $b
            catch_all (i32.const 1) end
          delegate $a
        catch_all (i32.const 2) end
      catch $v end)
  (func (export "through-delegate-to-caller")
    try try $b
      try try (call $value (i32.const 8)) delegate $b catch_all (unreachable) end
      delegate 1
    catch_all (unreachable) end)
  (func (export "without-clauses") (result i32)
    try (result i32)
      try $t (result i32)
        try (result i32)
          try (result i32) (call $value (i32.const 9)) (i32.const 0) delegate $t
          catch_all (i32.const 1) end end
      catch $v end)

  ;; What goes through carries values; what is caught below does not go through.
  (func (export "values") (param i32) (result i32)
    try $t (result i32)
      try (result i32)
        try (result i32)
          try (result i32) (call $value (local.get 0)) (i32.const 0) catch $e (i32.const 1) end
          delegate $t
        catch_all (i32.const 2) end
      catch $v (i32.const 1) (i32.add) end)

  ;; Parameters and several results, with two that delegate to one.
  (func (export "parameters") (param i32 i32) (result i32 i64)
    (i32.const 3) (i64.const 4)
    try $t (param i32 i64) (result i32 i64)

        try (param i32 i64) (result i32 i64)

            try (param i32 i64) (result i32 i64) (call $maybe (local.get 0)) delegate $t
            try (param i32 i64) (result i32 i64) (call $maybe (local.get 1)) (i64.const 1) (i64.add) delegate $t
          catch_all (unreachable) end
      catch $v (i64.const 70) end)

  (func (export "branches") (param i32) (result i32)
    (block $out (result i32)
      try $t (result i32)
        try $m (result i32)
          try $d (result i32)

              (block $2 (block $1 (block $0 (br_table $0 $1 $2 (local.get 0)))
                (br $out (i32.const 10)))
                (br $t (i32.const 20)))
              (drop (br_if $d (i32.const 30) (i32.eq (local.get 0) (i32.const 2))))
              (br $m (i32.const 40))
            delegate $t
            (i32.const 1) (i32.add)
          catch_all (unreachable) end
          (i32.const 2) (i32.add)
        catch_all (i32.const -1) end
      (i32.const 4) (i32.add)))

  ;; After the block is left, it delegates no more.
  (func (export "left") (result i32)
    try $outer (result i32)
      try (result i32)
        (block $a try (br $a) delegate $outer) (call $throw) (i32.const 0)
        catch $e (i32.const 1) end
      catch $e (i32.const 2) end)

  (func (export "return-from") (param i32) (result i32)
    try try (call $maybe (local.get 0)) (return (i32.const 5)) delegate 1 catch_all end
    (i32.const 6))

  ;; The function has a landing, and several results.
  (func $results (param i32) (result i32 f64)
    (i32.const 1)
    try (result f64)
      try (result f64) (call $maybe (local.get 0)) (f64.const 2) delegate 1
      catch_all (f64.const 3) end)
  (func (export "results") (param i32) (result i32 f64)
    try (result i32 f64) (call $results (local.get 0)) catch $v (f64.const 9) end)

  (func (export "in-loop") (param i32) (result i32)
    (local $sum i32)
    (loop $l
      try $t
        try
          try (call $maybe (i32.and (local.get 0) (i32.const 3))) delegate $t
              (local.set $sum (i32.add (local.get $sum) (i32.const 1000)))
          catch_all (unreachable) end
        catch $v (local.get $sum) (i32.add) (local.set $sum) end
      (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    (local.get $sum))

  (func (export "tail-call")
    try $t try (return_call $throw) delegate $t catch_all end)
)

(assert_return (invoke "nothing-thrown") (i32.const 1))
(assert_return (invoke "depth-0") (i32.const 1))
(assert_return (invoke "depth-1") (i32.const 2))
(assert_return (invoke "depth-2") (i32.const 3))
(assert_exception (invoke "depth-3-to-caller"))
(assert_return (invoke "caller-catches" (i32.const 0)) (i32.const 1))
(assert_return (invoke "caller-catches" (i32.const 5)) (i32.const 105))
(assert_exception (invoke "to-caller-at-once"))
(assert_return (invoke "to-block") (i32.const 1))
(assert_return (invoke "to-loop") (i32.const 1))
(assert_return (invoke "to-if" (i32.const 1)) (i32.const 1))
(assert_return (invoke "to-if" (i32.const 0)) (i32.const 5))
(assert_return (invoke "to-clause") (i32.const 16))
(assert_return (invoke "rethrown-to-clause") (i32.const 17))
(assert_return (invoke "through-delegate") (i32.const 8))
(assert_exception (invoke "through-delegate-to-caller"))
(assert_return (invoke "without-clauses") (i32.const 9))
(assert_return (invoke "values" (i32.const 41)) (i32.const 42))
(assert_return (invoke "parameters" (i32.const 0) (i32.const 0)) (i32.const 3) (i64.const 5))
(assert_return (invoke "parameters" (i32.const 6) (i32.const 0)) (i32.const 6) (i64.const 70))
(assert_return (invoke "parameters" (i32.const 0) (i32.const 7)) (i32.const 7) (i64.const 70))
(assert_return (invoke "branches" (i32.const 0)) (i32.const 10))
(assert_return (invoke "branches" (i32.const 1)) (i32.const 24))
(assert_return (invoke "branches" (i32.const 2)) (i32.const 37))
(assert_return (invoke "branches" (i32.const 3)) (i32.const 46))
(assert_return (invoke "left") (i32.const 1))
(assert_return (invoke "return-from" (i32.const 0)) (i32.const 5))
(assert_exception (invoke "return-from" (i32.const 1)))
(assert_return (invoke "results" (i32.const 0)) (i32.const 1) (f64.const 2))
(assert_return (invoke "results" (i32.const 4)) (i32.const 4) (f64.const 9))
(assert_return (invoke "in-loop" (i32.const 8)) (i32.const 2012))
(assert_exception (invoke "tail-call"))

(assert_invalid (module (func try  delegate 1)) "unknown label")
(assert_invalid (module (func try (result i32)  delegate 0 (drop))) "type mismatch")
(assert_malformed (module quote "(module (func (delegate 0)))") "unexpected token")
(assert_malformed (module quote "(module (func (try (do) (catch_all) (delegate 0))))") "unexpected token")
