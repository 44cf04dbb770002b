;;! --tier lightbeam --bounds guard
;;! --tier lightbeam --bounds explicit
;;! --tier cranelift --bounds guard
;;! --tier cranelift --bounds explicit
;; With guard pages an access is one instruction. Without, it is compared first, and its index is selected again under the outcome.
(module
  (memory 1)
  (func (param $p i32) (result i64) (i64.load offset=24 (local.get $p)))
  (func (param $p i32) (param $x i32) (i32.store8 (local.get $p) (local.get $x))))
;;| --tier lightbeam --bounds guard
;;| function 0: (i32) -> (i64)
;;| 7 bytes of wasm, 36 bytes of code by lightbeam, bounds=guard
;;| (prologue)                |     0  push    rbp
;;|                           |     1  mov     rbp, rsp
;;|                           |     4  push    r14
;;|                           |     6  sub     rsp, 8
;;|                           |     d  mov     r14, rdi
;;|                           |    10  mov     [rbp-0x10], esi
;;|                           |    13  mov     esi, esi
;;| 0x0024 local.get 0
;;| 0x0026 i64.load offset=24 |    15  mov     r11, [r14+0x30]                  ; base of memory 0
;;|                           |    19  mov     rax, [r11+rsi+0x18]              ; trap: out of bounds memory access
;;| 0x0029 end                |    1e  mov     r14, [rbp-8]
;;|                           |    22  leave
;;|                           |    23  ret
;;|
;;| function 1: (i32, i32) -> ()
;;| 9 bytes of wasm, 40 bytes of code by lightbeam, bounds=guard
;;| (prologue)         |     0  push    rbp
;;|                    |     1  mov     rbp, rsp
;;|                    |     4  push    r14
;;|                    |     6  sub     rsp, 0x18
;;|                    |     d  mov     r14, rdi
;;|                    |    10  mov     [rbp-0x10], esi
;;|                    |    13  mov     [rbp-0x18], edx
;;|                    |    16  mov     esi, esi
;;|                    |    18  mov     edx, edx
;;| 0x002c local.get 0
;;| 0x002e local.get 1
;;| 0x0030 i32.store8  |    1a  mov     r11, [r14+0x30]                  ; base of memory 0
;;|                    |    1e  mov     [r11+rsi], dl                    ; trap: out of bounds memory access
;;| 0x0033 end         |    22  mov     r14, [rbp-8]
;;|                    |    26  leave
;;|                    |    27  ret
;;| --tier lightbeam --bounds explicit
;;| function 0: (i32) -> (i64)
;;| 7 bytes of wasm, 66 bytes of code by lightbeam, bounds=explicit
;;| (prologue)                |     0  push    rbp
;;|                           |     1  mov     rbp, rsp
;;|                           |     4  push    r14
;;|                           |     6  sub     rsp, 8
;;|                           |     d  mov     r14, rdi
;;|                           |    10  mov     [rbp-0x10], esi
;;|                           |    13  mov     esi, esi
;;| 0x0024 local.get 0
;;| 0x0026 i64.load offset=24 |    15  mov     eax, esi
;;|                           |    17  lea     r11, [rax+0x20]
;;|                           |    1b  cmp     r11, [r14+0x38]                  ; length of memory 0
;;|                           |    1f  ja      0x40
;;|                           |    25  lea     rax, [rax+0x18]
;;|                           |    29  mov     ecx, 0
;;|                           |    2e  cmova   rax, rcx
;;|                           |    32  mov     r11, [r14+0x30]                  ; base of memory 0
;;|                           |    36  mov     rax, [r11+rax]                   ; trap: out of bounds memory access
;;| 0x0029 end                |    3a  mov     r14, [rbp-8]
;;|                           |    3e  leave
;;|                           |    3f  ret
;;| (0x0026)                  |>   40  ud2                                      ; trap: out of bounds memory access
;;|
;;| function 1: (i32, i32) -> ()
;;| 9 bytes of wasm, 67 bytes of code by lightbeam, bounds=explicit
;;| (prologue)         |     0  push    rbp
;;|                    |     1  mov     rbp, rsp
;;|                    |     4  push    r14
;;|                    |     6  sub     rsp, 0x18
;;|                    |     d  mov     r14, rdi
;;|                    |    10  mov     [rbp-0x10], esi
;;|                    |    13  mov     [rbp-0x18], edx
;;|                    |    16  mov     esi, esi
;;|                    |    18  mov     edx, edx
;;| 0x002c local.get 0
;;| 0x002e local.get 1
;;| 0x0030 i32.store8  |    1a  mov     eax, esi
;;|                    |    1c  lea     r11, [rax+1]
;;|                    |    20  cmp     r11, [r14+0x38]                  ; length of memory 0
;;|                    |    24  ja      0x41
;;|                    |    2a  mov     ecx, 0
;;|                    |    2f  cmova   rax, rcx
;;|                    |    33  mov     r11, [r14+0x30]                  ; base of memory 0
;;|                    |    37  mov     [r11+rax], dl                    ; trap: out of bounds memory access
;;| 0x0033 end         |    3b  mov     r14, [rbp-8]
;;|                    |    3f  leave
;;|                    |    40  ret
;;| (0x0030)           |>   41  ud2                                      ; trap: out of bounds memory access
;;| --tier cranelift --bounds guard
;;| function 0: (i32) -> (i64)
;;| 7 bytes of wasm, 26 bytes of code by cranelift, bounds=guard
;;| (prologue)                |     0  push    rbp
;;|                           |     1  mov     rbp, rsp
;;|                           |     4  mov     r8, rsi
;;|                           |     7  mov     rsi, [rdi+0x30]                  ; base of memory 0
;;|                           |     b  mov     rdi, r8
;;| 0x0024 local.get 0
;;| 0x0026 i64.load offset=24 |     e  mov     edi, edi
;;|                           |    10  mov     rax, [rsi+rdi+0x18]              ; trap: out of bounds memory access
;;| 0x0029 end                |    15  nop     [rax]
;;|                           |    18  pop     rbp
;;|                           |    19  ret
;;|
;;| function 1: (i32, i32) -> ()
;;| 9 bytes of wasm, 24 bytes of code by cranelift, bounds=guard
;;| (prologue)         |     0  push    rbp
;;|                    |     1  mov     rbp, rsp
;;|                    |     4  mov     r8, rsi
;;|                    |     7  mov     rsi, [rdi+0x30]                  ; base of memory 0
;;|                    |     b  mov     rdi, r8
;;| 0x002c local.get 0
;;| 0x002e local.get 1
;;| 0x0030 i32.store8  |     e  mov     edi, edi
;;|                    |    10  mov     [rsi+rdi], dl                    ; trap: out of bounds memory access
;;| 0x0033 end         |    13  nop     [rax]
;;|                    |    16  pop     rbp
;;|                    |    17  ret
;;| --tier cranelift --bounds explicit
;;| function 0: (i32) -> (i64)
;;| 7 bytes of wasm, 53 bytes of code by cranelift, bounds=explicit
;;| (prologue)                |     0  push    rbp
;;|                           |     1  mov     rbp, rsp
;;| 0x0024 local.get 0
;;| 0x0026 i64.load offset=24 |     4  mov     r9, [rdi+0x38]                   ; length of memory 0
;;|                           |     8  mov     r11d, esi
;;|                           |     b  sub     r9, 0x20
;;|                           |     f  cmp     r11, r9
;;|                           |    12  ja      0x33
;;|                           |    18  xor     rax, rax
;;|                           |    1b  mov     rcx, [rdi+0x30]                  ; base of memory 0
;;|                           |    1f  lea     rcx, [rcx+r11+0x18]
;;|                           |    24  cmp     r11, r9
;;|                           |    27  cmova   rcx, rax
;;|                           |    2b  mov     rax, [rcx]                       ; trap: out of bounds memory access
;;| 0x0029 end                |    2e  nop     [rax]
;;|                           |    31  pop     rbp
;;|                           |    32  ret
;;| (0x0026)                  |>   33  ud2                                      ; trap: out of bounds memory access
;;|
;;| function 1: (i32, i32) -> ()
;;| 9 bytes of wasm, 46 bytes of code by cranelift, bounds=explicit
;;| (prologue)         |     0  push    rbp
;;|                    |     1  mov     rbp, rsp
;;| 0x002c local.get 0
;;| 0x002e local.get 1
;;| 0x0030 i32.store8  |     4  mov     r9, [rdi+0x38]                   ; length of memory 0
;;|                    |     8  mov     r10d, esi
;;|                    |     b  cmp     r10, r9
;;|                    |     e  jae     0x2c
;;|                    |    14  xor     r11, r11
;;|                    |    17  mov     rax, r10
;;|                    |    1a  add     rax, [rdi+0x30]                  ; base of memory 0
;;|                    |    1e  cmp     r10, r9
;;|                    |    21  cmovae  rax, r11
;;|                    |    25  mov     [rax], dl                        ; trap: out of bounds memory access
;;| 0x0033 end         |    27  nop     [rax]
;;|                    |    2a  pop     rbp
;;|                    |    2b  ret
;;| (0x0030)           |>   2c  ud2                                      ; trap: out of bounds memory access
