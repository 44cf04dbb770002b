;;! --tier lightbeam
;; Locals that loops use most have registers, also across calls: in the inner loop $i and $sum, rather than the others.
(module
  (func $f (param i32) (result i32) (local.get 0))
  (func (param $n i32) (param $m i32) (param $once i32) (result i32) (local $i i32) (local $sum i32) (local $seldom i32)
    (local.set $seldom (local.get $once))
    (loop $outer
      (local.set $i (local.get $m))
      (loop $inner
        (local.set $sum (i32.add (local.get $sum) (call $f (local.get $i))))
        (br_if $inner (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))
      (br_if $outer (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (i32.add (local.get $sum) (local.get $seldom))))
;;| --tier lightbeam
;;| function 0 $f: (i32) -> (i32)
;;| 4 bytes of wasm, 20 bytes of code by lightbeam, bounds=guard
;;| (prologue)         |     0  push    rbp
;;|                    |     1  mov     rbp, rsp
;;|                    |     4  sub     rsp, 0x10
;;|                    |     b  mov     [rbp-8], esi
;;|                    |     e  mov     esi, esi
;;| 0x0021 local.get 0
;;| 0x0023 end         |    10  mov     eax, esi
;;| (0x0023)           |    12  leave
;;|                    |    13  ret
;;|
;;| function 1: (i32, i32, i32) -> (i32)
;;| 50 bytes of wasm, 113 bytes of code by lightbeam, bounds=guard
;;| (prologue)             |     0  push    rbp
;;|                        |     1  mov     rbp, rsp
;;|                        |     4  push    r14
;;|                        |     6  push    rbx
;;|                        |     7  push    r12
;;|                        |     9  push    r13
;;|                        |     b  push    r15
;;|                        |     d  sub     rsp, 0x18
;;|                        |    14  mov     r14, rdi
;;|                        |    17  mov     [rbp-0x30], ecx
;;|                        |    1a  mov     r13d, esi
;;|                        |    1d  mov     r15d, edx
;;|                        |    20  xor     ebx, ebx
;;|                        |    22  xor     r12d, r12d
;;|                        |    25  mov     qword ptr [rbp-0x38], 0
;;|                        |    2d  mov     ecx, ecx
;;| 0x0028 local.get 2
;;| 0x002a local.set 5     |    2f  mov     [rbp-0x38], ecx
;;| 0x002c loop
;;| 0x002e   local.get 1
;;| 0x0030   local.set 3   |>   32  mov     ebx, r15d
;;| 0x0032   loop
;;| 0x0034     local.get 4
;;| 0x0036     local.get 3
;;| 0x0038     call 0 $f   |>   35  mov     rsi, rbx
;;|                        |    38  mov     rdi, r14
;;|                        |    3b  call    0x40                             ; 0 $f
;;|                        |    40  mov     eax, eax
;;| 0x003a     i32.add     |    42  add     r12d, eax
;;| 0x003b     local.set 4
;;| 0x003d     local.get 3
;;| 0x003f     i32.const 1
;;| 0x0041     i32.sub     |    45  sub     ebx, 1
;;| 0x0042     local.tee 3
;;| 0x0044     br_if 0     |    48  test    ebx, ebx
;;|                        |    4a  jne     0x35
;;| 0x0046   end
;;| 0x0047   local.get 0
;;| 0x0049   i32.const 1
;;| 0x004b   i32.sub       |    4c  sub     r13d, 1
;;| 0x004c   local.tee 0
;;| 0x004e   br_if 0       |    50  test    r13d, r13d
;;|                        |    53  jne     0x32
;;| 0x0050 end
;;| 0x0051 local.get 4
;;| 0x0053 local.get 5
;;| 0x0055 i32.add         |    55  mov     eax, r12d
;;|                        |    58  add     eax, [rbp-0x38]
;;| 0x0056 end             |    5b  mov     r14, [rbp-8]
;;|                        |    5f  mov     rbx, [rbp-0x10]
;;|                        |    63  mov     r12, [rbp-0x18]
;;|                        |    67  mov     r13, [rbp-0x20]
;;|                        |    6b  mov     r15, [rbp-0x28]
;;|                        |    6f  leave
;;|                        |    70  ret
