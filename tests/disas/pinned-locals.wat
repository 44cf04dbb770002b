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
;;| 4 bytes of wasm, 19 bytes of code by lightbeam, bounds=guard
;;| (prologue)         |     0  push    rbp
;;|                    |     1  mov     rbp, rsp
;;|                    |     4  sub     rsp, 0x10
;;|                    |     b  mov     [rbp-8], esi
;;| 0x0021 local.get 0
;;| 0x0023 end         |     e  mov     eax, [rbp-8]
;;| (0x0023)           |    11  leave
;;|                    |    12  ret
;;|
;;| function 1: (i32, i32, i32) -> (i32)
;;| 50 bytes of wasm, 122 bytes of code by lightbeam, bounds=guard
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
;;|                        |    1a  mov     r13, rsi
;;|                        |    1d  mov     r15, rdx
;;|                        |    20  mov     r13d, r13d
;;|                        |    23  mov     r15d, r15d
;;|                        |    26  xor     ebx, ebx
;;|                        |    28  xor     r12d, r12d
;;|                        |    2b  mov     qword ptr [rbp-0x38], 0
;;| 0x0028 local.get 2
;;| 0x002a local.set 5     |    33  mov     r11d, [rbp-0x30]
;;|                        |    37  mov     [rbp-0x38], r11d
;;| 0x002c loop
;;| 0x002e   local.get 1
;;| 0x0030   local.set 3   |>   3b  mov     ebx, r15d
;;| 0x0032   loop
;;| 0x0034     local.get 4
;;| 0x0036     local.get 3
;;| 0x0038     call 0 $f   |>   3e  mov     rsi, rbx
;;|                        |    41  mov     rdi, r14
;;|                        |    44  call    0x49                             ; 0 $f
;;|                        |    49  mov     eax, eax
;;| 0x003a     i32.add     |    4b  add     r12d, eax
;;| 0x003b     local.set 4
;;| 0x003d     local.get 3
;;| 0x003f     i32.const 1
;;| 0x0041     i32.sub     |    4e  sub     ebx, 1
;;| 0x0042     local.tee 3
;;| 0x0044     br_if 0     |    51  test    ebx, ebx
;;|                        |    53  jne     0x3e
;;| 0x0046   end
;;| 0x0047   local.get 0
;;| 0x0049   i32.const 1
;;| 0x004b   i32.sub       |    55  sub     r13d, 1
;;| 0x004c   local.tee 0
;;| 0x004e   br_if 0       |    59  test    r13d, r13d
;;|                        |    5c  jne     0x3b
;;| 0x0050 end
;;| 0x0051 local.get 4
;;| 0x0053 local.get 5
;;| 0x0055 i32.add         |    5e  mov     eax, r12d
;;|                        |    61  add     eax, [rbp-0x38]
;;| 0x0056 end             |    64  mov     r14, [rbp-8]
;;|                        |    68  mov     rbx, [rbp-0x10]
;;|                        |    6c  mov     r12, [rbp-0x18]
;;|                        |    70  mov     r13, [rbp-0x20]
;;|                        |    74  mov     r15, [rbp-0x28]
;;|                        |    78  leave
;;|                        |    79  ret
