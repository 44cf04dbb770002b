;;! --tier lightbeam
;; The frame is gone before the jump, and no interrupt is taken in between. More stack arguments than the function's own move the frame.
(module
  (func $loop (param $n i32) (result i32)
    (if (i32.eqz (local.get $n)) (then (return (i32.const 7))))
    (return_call $loop (i32.sub (local.get $n) (i32.const 1))))
  (func $many (param i32 i32 i32 i32 i32 i32 i32) (result i32) (local.get 6))
  (func $more (param $n i32) (result i32)
    (return_call $many (local.get $n) (i32.const 2) (i32.const 3) (i32.const 4) (i32.const 5) (i32.const 6) (i32.const 7))))
;;| --tier lightbeam
;;| function 0 $loop: (i32) -> (i32)
;;| 18 bytes of wasm, 64 bytes of code by lightbeam, bounds=guard
;;| (prologue)                 |     0  push    rbp
;;|                            |     1  mov     rbp, rsp
;;|                            |     4  push    r14
;;|                            |     6  sub     rsp, 8
;;|                            |     d  mov     r14, rdi
;;|                            |    10  mov     r8d, esi
;;| 0x0026 local.get 0
;;| 0x0028 i32.eqz             |    13  test    r8d, r8d
;;| 0x0029 if                  |    16  jne     0x26
;;| 0x002b   i32.const 7
;;| 0x002d   return            |    1c  mov     eax, 7
;;|                            |    21  jmp     0x3a
;;| 0x002e end
;;| 0x002f local.get 0
;;| 0x0031 i32.const 1
;;| 0x0033 i32.sub             |>   26  lea     eax, [r8-1]
;;| 0x0034 return_call 0 $loop |    2a  mov     rsi, rax
;;|                            |    2d  mov     rdi, r14
;;|                            |    30  mov     r14, [rbp-8]                     ; uninterruptible
;;|                            |    34  leave                                    ; uninterruptible
;;|                            |    35  jmp     0x3a                             ; 0 $loop; uninterruptible
;;| 0x0036 end                 |>   3a  mov     r14, [rbp-8]
;;|                            |    3e  leave
;;|                            |    3f  ret
;;|
;;| function 1 $many: (i32, i32, i32, i32, i32, i32, i32) -> (i32)
;;| 4 bytes of wasm, 35 bytes of code by lightbeam, bounds=guard
;;| (prologue)         |     0  push    rbp
;;|                    |     1  mov     rbp, rsp
;;|                    |     4  sub     rsp, 0x30
;;|                    |     b  mov     [rbp-8], esi
;;|                    |     e  mov     [rbp-0x10], edx
;;|                    |    11  mov     [rbp-0x18], ecx
;;|                    |    14  mov     [rbp-0x20], r8d
;;|                    |    18  mov     [rbp-0x28], r9d
;;| 0x0039 local.get 6
;;| 0x003b end         |    1c  mov     eax, [rbp+0x18]
;;| (0x003b)           |    1f  leave
;;|                    |    20  ret     0x10
;;|
;;| function 2 $more: (i32) -> (i32)
;;| 18 bytes of wasm, 109 bytes of code by lightbeam, bounds=guard
;;| (prologue)                 |     0  push    rbp
;;|                            |     1  mov     rbp, rsp
;;|                            |     4  push    r14
;;|                            |     6  sub     rsp, 8
;;|                            |     d  mov     r14, rdi
;;|                            |    10  mov     [rbp-0x10], esi
;;|                            |    13  mov     esi, esi
;;| 0x003e local.get 0
;;| 0x0040 i32.const 2
;;| 0x0042 i32.const 3
;;| 0x0044 i32.const 4
;;| 0x0046 i32.const 5
;;| 0x0048 i32.const 6
;;| 0x004a i32.const 7
;;| 0x004c return_call 1 $many |    15  sub     rsp, 0x10
;;|                            |    19  mov     dword ptr [rsp], 6
;;|                            |    20  mov     dword ptr [rsp+8], 7
;;|                            |    28  mov     rdi, r14
;;|                            |    2b  mov     edx, 2
;;|                            |    30  mov     ecx, 3
;;|                            |    35  mov     r8d, 4
;;|                            |    3b  mov     r9d, 5
;;|                            |    41  mov     r14, [rbp-8]                     ; uninterruptible
;;|                            |    45  mov     r11, [rbp]                       ; uninterruptible
;;|                            |    49  mov     r10, [rbp+8]                     ; uninterruptible
;;|                            |    4d  movups  xmm15, [rsp]                     ; uninterruptible
;;|                            |    52  movups  [rbp], xmm15                     ; uninterruptible
;;|                            |    57  mov     [rbp-8], r10                     ; uninterruptible
;;|                            |    5b  lea     rsp, [rbp-8]                     ; uninterruptible
;;|                            |    5f  mov     rbp, r11                         ; uninterruptible
;;|                            |    62  jmp     0x67                             ; 1 $many; uninterruptible
;;| 0x004e end                 |>   67  mov     r14, [rbp-8]
;;|                            |    6b  leave
;;|                            |    6c  ret
