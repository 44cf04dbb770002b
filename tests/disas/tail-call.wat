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
;;| 18 bytes of wasm, 67 bytes of code by lightbeam, bounds=guard
;;| (prologue)                 |     0  push    rbp
;;|                            |     1  mov     rbp, rsp
;;|                            |     4  push    r14
;;|                            |     6  sub     rsp, 8
;;|                            |     d  mov     r14, rdi
;;|                            |    10  mov     r8, rsi
;;|                            |    13  mov     r8d, r8d
;;| 0x0026 local.get 0
;;| 0x0028 i32.eqz             |    16  test    r8d, r8d
;;| 0x0029 if                  |    19  jne     0x29
;;| 0x002b   i32.const 7
;;| 0x002d   return            |    1f  mov     eax, 7
;;|                            |    24  jmp     0x3d
;;| 0x002e end
;;| 0x002f local.get 0
;;| 0x0031 i32.const 1
;;| 0x0033 i32.sub             |>   29  lea     eax, [r8-1]
;;| 0x0034 return_call 0 $loop |    2d  mov     rsi, rax
;;|                            |    30  mov     rdi, r14
;;|                            |    33  mov     r14, [rbp-8]                     ; uninterruptible
;;|                            |    37  leave                                    ; uninterruptible
;;|                            |    38  jmp     0x3d                             ; 0 $loop; uninterruptible
;;| 0x0036 end                 |>   3d  mov     r14, [rbp-8]
;;|                            |    41  leave
;;|                            |    42  ret
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
;;| 18 bytes of wasm, 110 bytes of code by lightbeam, bounds=guard
;;| (prologue)                 |     0  push    rbp
;;|                            |     1  mov     rbp, rsp
;;|                            |     4  push    r14
;;|                            |     6  sub     rsp, 8
;;|                            |     d  mov     r14, rdi
;;|                            |    10  mov     [rbp-0x10], esi
;;| 0x003e local.get 0
;;| 0x0040 i32.const 2
;;| 0x0042 i32.const 3
;;| 0x0044 i32.const 4
;;| 0x0046 i32.const 5
;;| 0x0048 i32.const 6
;;| 0x004a i32.const 7
;;| 0x004c return_call 1 $many |    13  sub     rsp, 0x10
;;|                            |    17  mov     dword ptr [rsp], 6
;;|                            |    1e  mov     dword ptr [rsp+8], 7
;;|                            |    26  mov     rdi, r14
;;|                            |    29  mov     esi, [rbp-0x10]
;;|                            |    2c  mov     edx, 2
;;|                            |    31  mov     ecx, 3
;;|                            |    36  mov     r8d, 4
;;|                            |    3c  mov     r9d, 5
;;|                            |    42  mov     r14, [rbp-8]                     ; uninterruptible
;;|                            |    46  mov     r11, [rbp]                       ; uninterruptible
;;|                            |    4a  mov     r10, [rbp+8]                     ; uninterruptible
;;|                            |    4e  movups  xmm15, [rsp]                     ; uninterruptible
;;|                            |    53  movups  [rbp], xmm15                     ; uninterruptible
;;|                            |    58  mov     [rbp-8], r10                     ; uninterruptible
;;|                            |    5c  lea     rsp, [rbp-8]                     ; uninterruptible
;;|                            |    60  mov     rbp, r11                         ; uninterruptible
;;|                            |    63  jmp     0x68                             ; 1 $many; uninterruptible
;;| 0x004e end                 |>   68  mov     r14, [rbp-8]
;;|                            |    6c  leave
;;|                            |    6d  ret
