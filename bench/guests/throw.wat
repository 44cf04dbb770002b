;; What a throw and its catch cost: each export throws and catches so many times, and sums up what it caught. The frames between do
;; something after their call, so that none of them is left early.
(module
  (tag $t (param i32))
  (global $g (mut i32) (i32.const 0))
  (func $f1 (param i32) (throw $t (local.get 0)))
  (func $f2 (param i32) (call $f1 (local.get 0)) (global.set $g (local.get 0)))
  (func $f3 (param i32) (call $f2 (local.get 0)) (global.set $g (local.get 0)))
  (func $f4 (param i32) (call $f3 (local.get 0)) (global.set $g (local.get 0)))
  (func $f5 (param i32) (call $f4 (local.get 0)) (global.set $g (local.get 0)))
  (func $f6 (param i32) (call $f5 (local.get 0)) (global.set $g (local.get 0)))
  (func $f7 (param i32) (call $f6 (local.get 0)) (global.set $g (local.get 0)))
  (func $f8 (param i32) (call $f7 (local.get 0)) (global.set $g (local.get 0)))
  (func $f9 (param i32) (call $f8 (local.get 0)) (global.set $g (local.get 0)))
  (func $f10 (param i32) (call $f9 (local.get 0)) (global.set $g (local.get 0)))
  (func (export "one") (param $n i32) (result i32) (local $sum i32)
    (loop $again
      (block $done
        (br_if $done (i32.eqz (local.get $n)))
        (block $next
          (block $caught (result i32)
            (try_table (catch $t $caught) (call $f1 (local.get $n)))
            (br $next))
          (local.set $sum (i32.add (local.get $sum))))
        (local.set $n (i32.sub (local.get $n) (i32.const 1)))
        (br $again)))
    (local.get $sum))
  (func (export "ten") (param $n i32) (result i32) (local $sum i32)
    (loop $again
      (block $done
        (br_if $done (i32.eqz (local.get $n)))
        (block $next
          (block $caught (result i32)
            (try_table (catch $t $caught) (call $f10 (local.get $n)))
            (br $next))
          (local.set $sum (i32.add (local.get $sum))))
        (local.set $n (i32.sub (local.get $n) (i32.const 1)))
        (br $again)))
    (local.get $sum))
  ;; As destructors do: caught as a reference, and thrown on.
  (func $cleanup (param i32)
    (block $h (result exnref)
      (try_table (catch_all_ref $h) (call $f1 (local.get 0)))
      (return))
    (global.set $g (local.get 0))
    (throw_ref))
  (func (export "rethrown") (param $n i32) (result i32) (local $sum i32)
    (loop $again
      (block $done
        (br_if $done (i32.eqz (local.get $n)))
        (block $next
          (block $caught (result i32)
            (try_table (catch $t $caught) (call $cleanup (local.get $n)))
            (br $next))
          (local.set $sum (i32.add (local.get $sum))))
        (local.set $n (i32.sub (local.get $n) (i32.const 1)))
        (br $again)))
    (local.get $sum)))
