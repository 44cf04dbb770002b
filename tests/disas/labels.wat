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
    (i32.sub))
  ;; Behind what cannot be reached, the end passes on what came in.
  (func $through (param $a i32) (param $b i32) (result i32)
    (call $one (local.get $a) (local.get $b))
    (if (param i32) (result i32) (local.get $b) (then (br 0)))))
;;| --tier lightbeam
;;| function 0 $one: (i32, i32) -> (i32)
;;| 20 bytes of wasm, 47 bytes of code by lightbeam, bounds=guard
;;| (prologue)                |     0  push    rbp
;;|                           |     1  mov     rbp, rsp
;;|                           |     4  sub     rsp, 0x10
;;|                           |     b  mov     r8d, esi
;;|                           |     e  mov     r9d, edx
;;| 0x0026 local.get 0
;;| 0x0028 block (result i32) |    11  mov     [rbp-8], r8d
;;| 0x002a   i32.const 5
;;| 0x002c   local.get 1
;;| 0x002e   br_if 0          |    15  mov     eax, 5
;;|                           |    1a  test    r9d, r9d
;;|                           |    1d  jne     0x2a
;;| 0x0030   drop
;;| 0x0031   local.get 0
;;| 0x0033   local.get 1
;;| 0x0035   i32.mul          |    23  mov     eax, r8d
;;|                           |    26  imul    eax, r9d
;;| 0x0036 end
;;| 0x0037 i32.add            |>   2a  add     eax, [rbp-8]
;;| 0x0038 end                |    2d  leave
;;|                           |    2e  ret
;;|
;;| function 1 $two: (i32) -> (i32)
;;| 20 bytes of wasm, 66 bytes of code by lightbeam, bounds=guard
;;| (prologue)            |     0  push    rbp
;;|                       |     1  mov     rbp, rsp
;;|                       |     4  sub     rsp, 0x10
;;|                       |     b  mov     r8d, esi
;;| 0x003b block (type 2)
;;| 0x003d   i32.const 1
;;| 0x003f   local.get 0
;;| 0x0041   local.get 0
;;| 0x0043   br_if 0      |     e  test    r8d, r8d
;;|                       |    11  je      0x27
;;|                       |    17  mov     dword ptr [rbp-8], 1
;;|                       |    1e  mov     [rbp-0x10], r8d
;;|                       |    22  jmp     0x3a
;;| 0x0045   i32.const 3
;;| 0x0047   i32.const 4
;;| 0x0049   br 0         |>   27  mov     dword ptr [rbp-8], 3
;;|                       |    2e  mov     dword ptr [rbp-0x10], 4
;;|                       |    35  jmp     0x3a
;;| 0x004b end
;;| 0x004c i32.sub        |>   3a  mov     eax, [rbp-8]
;;|                       |    3d  sub     eax, [rbp-0x10]
;;| 0x004d end            |    40  leave
;;|                       |    41  ret
;;|
;;| function 2 $through: (i32, i32) -> (i32)
;;| 15 bytes of wasm, 66 bytes of code by lightbeam, bounds=guard
;;| (prologue)         |     0  push    rbp
;;|                    |     1  mov     rbp, rsp
;;|                    |     4  push    r14
;;|                    |     6  sub     rsp, 0x18
;;|                    |     d  mov     r14, rdi
;;|                    |    10  mov     [rbp-0x10], esi
;;|                    |    13  mov     [rbp-0x18], edx
;;|                    |    16  mov     esi, esi
;;|                    |    18  mov     edx, edx
;;| 0x0050 local.get 0
;;| 0x0052 local.get 1
;;| 0x0054 call 0 $one |    1a  mov     rdi, r14
;;|                    |    1d  call    0x22                             ; 0 $one
;;|                    |    22  mov     eax, eax
;;| 0x0056 local.get 1
;;| 0x0058 if (type 1) |    24  mov     [rbp-0x20], eax
;;|                    |    27  cmp     dword ptr [rbp-0x18], 0
;;|                    |    2b  je      0x39
;;| 0x005a   br 0      |    31  mov     eax, [rbp-0x20]
;;|                    |    34  jmp     0x3c
;;| 0x005c end         |>   39  mov     eax, [rbp-0x20]
;;| 0x005d end         |>   3c  mov     r14, [rbp-8]
;;|                    |    40  leave
;;|                    |    41  ret
