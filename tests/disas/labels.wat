;;! --tier lightbeam
;; One state at each label: what is below it is in slots, its one value in rax or xmm0, more of them in slots. A branch moves its arity.
(module
  (func $one (param $a i32) (param $b i32) (result i32)
    (i32.add (local.get $a)
      (block $out (result i32)
        (br_if $out (i32.const 5) (local.get $b))
        (drop)
        (i32.mul (local.get $a) (local.get $b)))))
  (func $two (param $a i32) (result i32)
    (block $out (result i32 i32)
      (br_if $out (i32.const 1) (local.get $a) (local.get $a))
      (br $out (i32.const 3) (i32.const 4)))
    (i32.sub)))
;;| --tier lightbeam
;;| function 0 $one: (i32, i32) -> (i32)
;;| 20 bytes of wasm, 47 bytes of code by lightbeam, bounds=guard
;;| (prologue)                |     0  push    rbp
;;|                           |     1  mov     rbp, rsp
;;|                           |     4  sub     rsp, 0x10
;;|                           |     b  mov     r8d, esi
;;|                           |     e  mov     r9d, edx
;;| 0x0025 local.get 0
;;| 0x0027 block (result i32) |    11  mov     [rbp-8], r8d
;;| 0x0029   i32.const 5
;;| 0x002b   local.get 1
;;| 0x002d   br_if 0          |    15  mov     eax, 5
;;|                           |    1a  test    r9d, r9d
;;|                           |    1d  jne     0x2a
;;| 0x002f   drop
;;| 0x0030   local.get 0
;;| 0x0032   local.get 1
;;| 0x0034   i32.mul          |    23  mov     eax, r8d
;;|                           |    26  imul    eax, r9d
;;| 0x0035 end
;;| 0x0036 i32.add            |>   2a  add     eax, [rbp-8]
;;| 0x0037 end                |    2d  leave
;;|                           |    2e  ret
;;|
;;| function 1 $two: (i32) -> (i32)
;;| 20 bytes of wasm, 66 bytes of code by lightbeam, bounds=guard
;;| (prologue)            |     0  push    rbp
;;|                       |     1  mov     rbp, rsp
;;|                       |     4  sub     rsp, 0x10
;;|                       |     b  mov     r8d, esi
;;| 0x003a block (type 2)
;;| 0x003c   i32.const 1
;;| 0x003e   local.get 0
;;| 0x0040   local.get 0
;;| 0x0042   br_if 0      |     e  test    r8d, r8d
;;|                       |    11  je      0x27
;;|                       |    17  mov     dword ptr [rbp-8], 1
;;|                       |    1e  mov     [rbp-0x10], r8d
;;|                       |    22  jmp     0x3a
;;| 0x0044   i32.const 3
;;| 0x0046   i32.const 4
;;| 0x0048   br 0         |>   27  mov     dword ptr [rbp-8], 3
;;|                       |    2e  mov     dword ptr [rbp-0x10], 4
;;|                       |    35  jmp     0x3a
;;| 0x004a end
;;| 0x004b i32.sub        |>   3a  mov     eax, [rbp-8]
;;|                       |    3d  sub     eax, [rbp-0x10]
;;| 0x004c end            |    40  leave
;;|                       |    41  ret
