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
;;| 20 bytes of wasm, 53 bytes of code by lightbeam, bounds=guard
;;| (prologue)                |     0  push    rbp
;;|                           |     1  mov     rbp, rsp
;;|                           |     4  sub     rsp, 0x10
;;|                           |     b  mov     r8, rsi
;;|                           |     e  mov     r9, rdx
;;|                           |    11  mov     r8d, r8d
;;|                           |    14  mov     r9d, r9d
;;| 0x0025 local.get 0
;;| 0x0027 block (result i32) |    17  mov     [rbp-8], r8d
;;| 0x0029   i32.const 5
;;| 0x002b   local.get 1
;;| 0x002d   br_if 0          |    1b  mov     eax, 5
;;|                           |    20  test    r9d, r9d
;;|                           |    23  jne     0x30
;;| 0x002f   drop
;;| 0x0030   local.get 0
;;| 0x0032   local.get 1
;;| 0x0034   i32.mul          |    29  mov     eax, r8d
;;|                           |    2c  imul    eax, r9d
;;| 0x0035 end
;;| 0x0036 i32.add            |>   30  add     eax, [rbp-8]
;;| 0x0037 end                |    33  leave
;;|                           |    34  ret
;;|
;;| function 1 $two: (i32) -> (i32)
;;| 20 bytes of wasm, 69 bytes of code by lightbeam, bounds=guard
;;| (prologue)            |     0  push    rbp
;;|                       |     1  mov     rbp, rsp
;;|                       |     4  sub     rsp, 0x10
;;|                       |     b  mov     r8, rsi
;;|                       |     e  mov     r8d, r8d
;;| 0x003a block (type 2)
;;| 0x003c   i32.const 1
;;| 0x003e   local.get 0
;;| 0x0040   local.get 0
;;| 0x0042   br_if 0      |    11  test    r8d, r8d
;;|                       |    14  je      0x2a
;;|                       |    1a  mov     dword ptr [rbp-8], 1
;;|                       |    21  mov     [rbp-0x10], r8d
;;|                       |    25  jmp     0x3d
;;| 0x0044   i32.const 3
;;| 0x0046   i32.const 4
;;| 0x0048   br 0         |>   2a  mov     dword ptr [rbp-8], 3
;;|                       |    31  mov     dword ptr [rbp-0x10], 4
;;|                       |    38  jmp     0x3d
;;| 0x004a end
;;| 0x004b i32.sub        |>   3d  mov     eax, [rbp-8]
;;|                       |    40  sub     eax, [rbp-0x10]
;;| 0x004c end            |    43  leave
;;|                       |    44  ret
