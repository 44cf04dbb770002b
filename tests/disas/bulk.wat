;;! --tier lightbeam --bounds guard
;;! --tier lightbeam --bounds explicit
;;! --tier cranelift --bounds guard
;;! --tier cranelift --bounds explicit
;; Of a small constant length, everything is loaded before anything is stored, and the last bytes are stored first: where they are inside,
;; all are. Other lengths are the builtin's, which takes the addresses of what describes memories and data segments.
(module
  (memory 1)
  (data $d "some bytes that a program copies")
  (func (param $to i32) (param $from i32) (memory.copy (local.get $to) (local.get $from) (i32.const 23)))
  (func (param $to i32) (memory.fill (local.get $to) (i32.const 0) (i32.const 33)))
  (func (param $to i32) (memory.init $d (local.get $to) (i32.const 2) (i32.const 8)))
  (func (param $to i32) (memory.copy (local.get $to) (i32.const 0) (i32.const 0)))
  (func (param $to i32) (param $n i32) (memory.init $d (local.get $to) (i32.const 0) (local.get $n))))
;;| --tier lightbeam --bounds guard
;;| function 0: (i32, i32) -> ()
;;| 12 bytes of wasm, 60 bytes of code by lightbeam, bounds=guard
;;| (prologue)          |     0  push    rbp
;;|                     |     1  mov     rbp, rsp
;;|                     |     4  push    r14
;;|                     |     6  sub     rsp, 0x18
;;|                     |     d  mov     r14, rdi
;;|                     |    10  mov     [rbp-0x10], esi
;;|                     |    13  mov     [rbp-0x18], edx
;;|                     |    16  mov     esi, esi
;;|                     |    18  mov     edx, edx
;;| 0x0029 local.get 0
;;| 0x002b local.get 1
;;| 0x002d i32.const 23
;;| 0x002f memory.copy  |    1a  mov     r11, [r14+0x30]                  ; base of memory 0
;;|                     |    1e  mov     rax, [r11+rdx+0xf]               ; trap: out of bounds memory access
;;|                     |    23  movups  xmm0, [r11+rdx]                  ; trap: out of bounds memory access
;;|                     |    28  mov     r11, [r14+0x30]                  ; base of memory 0
;;|                     |    2c  mov     [r11+rsi+0xf], rax               ; trap: out of bounds memory access
;;|                     |    31  movups  [r11+rsi], xmm0                  ; trap: out of bounds memory access
;;| 0x0033 end          |    36  mov     r14, [rbp-8]
;;|                     |    3a  leave
;;|                     |    3b  ret
;;|
;;| function 1: (i32) -> ()
;;| 11 bytes of wasm, 55 bytes of code by lightbeam, bounds=guard
;;| (prologue)          |     0  push    rbp
;;|                     |     1  mov     rbp, rsp
;;|                     |     4  push    r14
;;|                     |     6  sub     rsp, 8
;;|                     |     d  mov     r14, rdi
;;|                     |    10  mov     [rbp-0x10], esi
;;|                     |    13  mov     esi, esi
;;| 0x0036 local.get 0
;;| 0x0038 i32.const 0
;;| 0x003a i32.const 33
;;| 0x003c memory.fill  |    15  mov     eax, 0
;;|                     |    1a  xorps   xmm0, xmm0
;;|                     |    1d  mov     r11, [r14+0x30]                  ; base of memory 0
;;|                     |    21  mov     [r11+rsi+0x20], al               ; trap: out of bounds memory access
;;|                     |    26  movups  [r11+rsi+0x10], xmm0             ; trap: out of bounds memory access
;;|                     |    2c  movups  [r11+rsi], xmm0                  ; trap: out of bounds memory access
;;| 0x003f end          |    31  mov     r14, [rbp-8]
;;|                     |    35  leave
;;|                     |    36  ret
;;|
;;| function 2: (i32) -> ()
;;| 12 bytes of wasm, 77 bytes of code by lightbeam, bounds=guard
;;| (prologue)           |     0  push    rbp
;;|                      |     1  mov     rbp, rsp
;;|                      |     4  push    r14
;;|                      |     6  sub     rsp, 8
;;|                      |     d  mov     r14, rdi
;;|                      |    10  mov     [rbp-0x10], esi
;;|                      |    13  mov     esi, esi
;;| 0x0042 local.get 0
;;| 0x0044 i32.const 2
;;| 0x0046 i32.const 8
;;| 0x0048 memory.init 0 |    15  mov     eax, 2
;;|                      |    1a  lea     r11, [rax+8]
;;|                      |    1e  cmp     r11, [r14+0x50]                  ; length of data 0
;;|                      |    22  ja      0x4b
;;|                      |    28  mov     r11, [r14+0x48]                  ; base of data 0
;;|                      |    2c  lea     rax, [rax+r11]
;;|                      |    30  mov     r11d, 0
;;|                      |    36  cmova   rax, r11
;;|                      |    3a  mov     rcx, [rax]
;;|                      |    3d  mov     r11, [r14+0x30]                  ; base of memory 0
;;|                      |    41  mov     [r11+rsi], rcx                   ; trap: out of bounds memory access
;;| 0x004c end           |    45  mov     r14, [rbp-8]
;;|                      |    49  leave
;;|                      |    4a  ret
;;| (0x0048)             |>   4b  ud2                                      ; trap: out of bounds memory access
;;|
;;| function 3: (i32) -> ()
;;| 12 bytes of wasm, 56 bytes of code by lightbeam, bounds=guard
;;| (prologue)         |     0  push    rbp
;;|                    |     1  mov     rbp, rsp
;;|                    |     4  push    r14
;;|                    |     6  sub     rsp, 8
;;|                    |     d  mov     r14, rdi
;;|                    |    10  mov     [rbp-0x10], esi
;;|                    |    13  mov     esi, esi
;;| 0x004f local.get 0
;;| 0x0051 i32.const 0
;;| 0x0053 i32.const 0
;;| 0x0055 memory.copy |    15  mov     eax, 0
;;|                    |    1a  cmp     rax, [r14+0x38]                  ; length of memory 0
;;|                    |    1e  ja      0x34
;;|                    |    24  cmp     rsi, [r14+0x38]                  ; length of memory 0
;;|                    |    28  ja      0x36
;;| 0x0059 end         |    2e  mov     r14, [rbp-8]
;;|                    |    32  leave
;;|                    |    33  ret
;;| (0x0055)           |>   34  ud2                                      ; trap: out of bounds memory access
;;| (0x0055)           |>   36  ud2                                      ; trap: out of bounds memory access
;;|
;;| function 4: (i32, i32) -> ()
;;| 12 bytes of wasm, 63 bytes of code by lightbeam, bounds=guard
;;| (prologue)           |     0  push    rbp
;;|                      |     1  mov     rbp, rsp
;;|                      |     4  push    r14
;;|                      |     6  sub     rsp, 0x18
;;|                      |     d  mov     r14, rdi
;;|                      |    10  mov     [rbp-0x10], esi
;;|                      |    13  mov     [rbp-0x18], edx
;;|                      |    16  mov     esi, esi
;;|                      |    18  mov     edx, edx
;;| 0x005c local.get 0
;;| 0x005e i32.const 0
;;| 0x0060 local.get 1
;;| 0x0062 memory.init 0 |    1a  mov     rdi, r14
;;|                      |    1d  mov     r9, rdx
;;|                      |    20  mov     rcx, rsi
;;|                      |    23  mov     r8d, 0
;;|                      |    29  lea     rsi, [r14+0x30]                  ; base of memory 0
;;|                      |    2d  lea     rdx, [r14+0x48]                  ; base of data 0
;;|                      |    31  mov     r11, [r14+0x10]                  ; builtins
;;|                      |    35  call    qword ptr [r11+0x10]             ; builtin memory_copy
;;| 0x0066 end           |    39  mov     r14, [rbp-8]
;;|                      |    3d  leave
;;|                      |    3e  ret
;;| --tier lightbeam --bounds explicit
;;| function 0: (i32, i32) -> ()
;;| 12 bytes of wasm, 114 bytes of code by lightbeam, bounds=explicit
;;| (prologue)          |     0  push    rbp
;;|                     |     1  mov     rbp, rsp
;;|                     |     4  push    r14
;;|                     |     6  sub     rsp, 0x18
;;|                     |     d  mov     r14, rdi
;;|                     |    10  mov     [rbp-0x10], esi
;;|                     |    13  mov     [rbp-0x18], edx
;;|                     |    16  mov     esi, esi
;;|                     |    18  mov     edx, edx
;;| 0x0029 local.get 0
;;| 0x002b local.get 1
;;| 0x002d i32.const 23
;;| 0x002f memory.copy  |    1a  mov     eax, edx
;;|                     |    1c  lea     r11, [rax+0x17]
;;|                     |    20  cmp     r11, [r14+0x38]                  ; length of memory 0
;;|                     |    24  ja      0x6e
;;|                     |    2a  mov     ecx, 0
;;|                     |    2f  cmova   rax, rcx
;;|                     |    33  mov     ecx, esi
;;|                     |    35  lea     r11, [rcx+0x17]
;;|                     |    39  cmp     r11, [r14+0x38]                  ; length of memory 0
;;|                     |    3d  ja      0x70
;;|                     |    43  mov     edi, 0
;;|                     |    48  cmova   rcx, rdi
;;|                     |    4c  mov     r11, [r14+0x30]                  ; base of memory 0
;;|                     |    50  mov     rdi, [r11+rax+0xf]               ; trap: out of bounds memory access
;;|                     |    55  movups  xmm0, [r11+rax]                  ; trap: out of bounds memory access
;;|                     |    5a  mov     r11, [r14+0x30]                  ; base of memory 0
;;|                     |    5e  mov     [r11+rcx+0xf], rdi               ; trap: out of bounds memory access
;;|                     |    63  movups  [r11+rcx], xmm0                  ; trap: out of bounds memory access
;;| 0x0033 end          |    68  mov     r14, [rbp-8]
;;|                     |    6c  leave
;;|                     |    6d  ret
;;| (0x002f)            |>   6e  ud2                                      ; trap: out of bounds memory access
;;| (0x002f)            |>   70  ud2                                      ; trap: out of bounds memory access
;;|
;;| function 1: (i32) -> ()
;;| 11 bytes of wasm, 82 bytes of code by lightbeam, bounds=explicit
;;| (prologue)          |     0  push    rbp
;;|                     |     1  mov     rbp, rsp
;;|                     |     4  push    r14
;;|                     |     6  sub     rsp, 8
;;|                     |     d  mov     r14, rdi
;;|                     |    10  mov     [rbp-0x10], esi
;;|                     |    13  mov     esi, esi
;;| 0x0036 local.get 0
;;| 0x0038 i32.const 0
;;| 0x003a i32.const 33
;;| 0x003c memory.fill  |    15  mov     eax, 0
;;|                     |    1a  xorps   xmm0, xmm0
;;|                     |    1d  mov     ecx, esi
;;|                     |    1f  lea     r11, [rcx+0x21]
;;|                     |    23  cmp     r11, [r14+0x38]                  ; length of memory 0
;;|                     |    27  ja      0x50
;;|                     |    2d  mov     edx, 0
;;|                     |    32  cmova   rcx, rdx
;;|                     |    36  mov     r11, [r14+0x30]                  ; base of memory 0
;;|                     |    3a  mov     [r11+rcx+0x20], al               ; trap: out of bounds memory access
;;|                     |    3f  movups  [r11+rcx+0x10], xmm0             ; trap: out of bounds memory access
;;|                     |    45  movups  [r11+rcx], xmm0                  ; trap: out of bounds memory access
;;| 0x003f end          |    4a  mov     r14, [rbp-8]
;;|                     |    4e  leave
;;|                     |    4f  ret
;;| (0x003c)            |>   50  ud2                                      ; trap: out of bounds memory access
;;|
;;| function 2: (i32) -> ()
;;| 12 bytes of wasm, 104 bytes of code by lightbeam, bounds=explicit
;;| (prologue)           |     0  push    rbp
;;|                      |     1  mov     rbp, rsp
;;|                      |     4  push    r14
;;|                      |     6  sub     rsp, 8
;;|                      |     d  mov     r14, rdi
;;|                      |    10  mov     [rbp-0x10], esi
;;|                      |    13  mov     esi, esi
;;| 0x0042 local.get 0
;;| 0x0044 i32.const 2
;;| 0x0046 i32.const 8
;;| 0x0048 memory.init 0 |    15  mov     eax, 2
;;|                      |    1a  lea     r11, [rax+8]
;;|                      |    1e  cmp     r11, [r14+0x50]                  ; length of data 0
;;|                      |    22  ja      0x64
;;|                      |    28  mov     r11, [r14+0x48]                  ; base of data 0
;;|                      |    2c  lea     rax, [rax+r11]
;;|                      |    30  mov     r11d, 0
;;|                      |    36  cmova   rax, r11
;;|                      |    3a  mov     ecx, esi
;;|                      |    3c  lea     r11, [rcx+8]
;;|                      |    40  cmp     r11, [r14+0x38]                  ; length of memory 0
;;|                      |    44  ja      0x66
;;|                      |    4a  mov     edx, 0
;;|                      |    4f  cmova   rcx, rdx
;;|                      |    53  mov     rdx, [rax]
;;|                      |    56  mov     r11, [r14+0x30]                  ; base of memory 0
;;|                      |    5a  mov     [r11+rcx], rdx                   ; trap: out of bounds memory access
;;| 0x004c end           |    5e  mov     r14, [rbp-8]
;;|                      |    62  leave
;;|                      |    63  ret
;;| (0x0048)             |>   64  ud2                                      ; trap: out of bounds memory access
;;| (0x0048)             |>   66  ud2                                      ; trap: out of bounds memory access
;;|
;;| function 3: (i32) -> ()
;;| 12 bytes of wasm, 56 bytes of code by lightbeam, bounds=explicit
;;| (prologue)         |     0  push    rbp
;;|                    |     1  mov     rbp, rsp
;;|                    |     4  push    r14
;;|                    |     6  sub     rsp, 8
;;|                    |     d  mov     r14, rdi
;;|                    |    10  mov     [rbp-0x10], esi
;;|                    |    13  mov     esi, esi
;;| 0x004f local.get 0
;;| 0x0051 i32.const 0
;;| 0x0053 i32.const 0
;;| 0x0055 memory.copy |    15  mov     eax, 0
;;|                    |    1a  cmp     rax, [r14+0x38]                  ; length of memory 0
;;|                    |    1e  ja      0x34
;;|                    |    24  cmp     rsi, [r14+0x38]                  ; length of memory 0
;;|                    |    28  ja      0x36
;;| 0x0059 end         |    2e  mov     r14, [rbp-8]
;;|                    |    32  leave
;;|                    |    33  ret
;;| (0x0055)           |>   34  ud2                                      ; trap: out of bounds memory access
;;| (0x0055)           |>   36  ud2                                      ; trap: out of bounds memory access
;;|
;;| function 4: (i32, i32) -> ()
;;| 12 bytes of wasm, 63 bytes of code by lightbeam, bounds=explicit
;;| (prologue)           |     0  push    rbp
;;|                      |     1  mov     rbp, rsp
;;|                      |     4  push    r14
;;|                      |     6  sub     rsp, 0x18
;;|                      |     d  mov     r14, rdi
;;|                      |    10  mov     [rbp-0x10], esi
;;|                      |    13  mov     [rbp-0x18], edx
;;|                      |    16  mov     esi, esi
;;|                      |    18  mov     edx, edx
;;| 0x005c local.get 0
;;| 0x005e i32.const 0
;;| 0x0060 local.get 1
;;| 0x0062 memory.init 0 |    1a  mov     rdi, r14
;;|                      |    1d  mov     r9, rdx
;;|                      |    20  mov     rcx, rsi
;;|                      |    23  mov     r8d, 0
;;|                      |    29  lea     rsi, [r14+0x30]                  ; base of memory 0
;;|                      |    2d  lea     rdx, [r14+0x48]                  ; base of data 0
;;|                      |    31  mov     r11, [r14+0x10]                  ; builtins
;;|                      |    35  call    qword ptr [r11+0x10]             ; builtin memory_copy
;;| 0x0066 end           |    39  mov     r14, [rbp-8]
;;|                      |    3d  leave
;;|                      |    3e  ret
;;| --tier cranelift --bounds guard
;;| function 0: (i32, i32) -> ()
;;| 12 bytes of wasm, 41 bytes of code by cranelift, bounds=guard
;;| (prologue)          |     0  push    rbp
;;|                     |     1  mov     rbp, rsp
;;|                     |     4  mov     r8, [rdi+0x30]                   ; base of memory 0
;;| 0x0029 local.get 0
;;| 0x002b local.get 1
;;| 0x002d i32.const 23
;;| 0x002f memory.copy  |     8  mov     r10d, edx
;;|                     |     b  mov     r9, [r8+r10+0xf]                 ; trap: out of bounds memory access
;;|                     |    10  movdqu  xmm0, [r8+r10]                   ; trap: out of bounds memory access
;;|                     |    16  mov     r10d, esi
;;|                     |    19  mov     [r8+r10+0xf], r9                 ; trap: out of bounds memory access
;;|                     |    1e  movdqu  [r8+r10], xmm0                   ; trap: out of bounds memory access
;;| 0x0033 end          |    24  nop     [rax]
;;|                     |    27  pop     rbp
;;|                     |    28  ret
;;|
;;| function 1: (i32) -> ()
;;| 11 bytes of wasm, 38 bytes of code by cranelift, bounds=guard
;;| (prologue)          |     0  push    rbp
;;|                     |     1  mov     rbp, rsp
;;|                     |     4  mov     r8, [rdi+0x30]                   ; base of memory 0
;;| 0x0036 local.get 0
;;| 0x0038 i32.const 0
;;| 0x003a i32.const 33
;;| 0x003c memory.fill  |     8  mov     edi, esi
;;|                     |     a  mov     byte ptr [r8+rdi+0x20], 0        ; trap: out of bounds memory access
;;|                     |    10  pxor    xmm7, xmm7
;;|                     |    14  movdqu  [r8+rdi+0x10], xmm7              ; trap: out of bounds memory access
;;|                     |    1b  movdqu  [r8+rdi], xmm7                   ; trap: out of bounds memory access
;;| 0x003f end          |    21  nop     [rax]
;;|                     |    24  pop     rbp
;;|                     |    25  ret
;;|
;;| function 2: (i32) -> ()
;;| 12 bytes of wasm, 58 bytes of code by cranelift, bounds=guard
;;| (prologue)           |     0  push    rbp
;;|                      |     1  mov     rbp, rsp
;;| 0x0042 local.get 0
;;| 0x0044 i32.const 2
;;| 0x0046 i32.const 8
;;| 0x0048 memory.init 0 |     4  mov     r11, [rdi+0x50]                  ; length of data 0
;;|                      |     8  cmp     r11, 0xa
;;|                      |     c  jb      0x38
;;|                      |    12  xor     rax, rax
;;|                      |    15  mov     ecx, 2
;;|                      |    1a  add     rcx, [rdi+0x48]                  ; base of data 0
;;|                      |    1e  cmp     r11, 0xa
;;|                      |    22  cmovb   rcx, rax
;;|                      |    26  mov     rax, [rcx]
;;|                      |    29  mov     rcx, [rdi+0x30]                  ; base of memory 0
;;|                      |    2d  mov     edx, esi
;;|                      |    2f  mov     [rcx+rdx], rax                   ; trap: out of bounds memory access
;;| 0x004c end           |    33  nop     [rax]
;;|                      |    36  pop     rbp
;;|                      |    37  ret
;;| (0x0048)             |>   38  ud2                                      ; trap: out of bounds memory access
;;|
;;| function 3: (i32) -> ()
;;| 12 bytes of wasm, 23 bytes of code by cranelift, bounds=guard
;;| (prologue)         |     0  push    rbp
;;|                    |     1  mov     rbp, rsp
;;| 0x004f local.get 0
;;| 0x0051 i32.const 0
;;| 0x0053 i32.const 0
;;| 0x0055 memory.copy |     4  mov     esi, esi
;;|                    |     6  cmp     rsi, [rdi+0x38]                  ; length of memory 0
;;|                    |     a  ja      0x15
;;| 0x0059 end         |    10  nop     [rax]
;;|                    |    13  pop     rbp
;;|                    |    14  ret
;;| (0x0055)           |>   15  ud2                                      ; trap: out of bounds memory access
;;|
;;| function 4: (i32, i32) -> ()
;;| 12 bytes of wasm, 45 bytes of code by cranelift, bounds=guard
;;| (prologue)           |     0  push    rbp
;;|                      |     1  mov     rbp, rsp
;;|                      |     4  mov     r9, rdx
;;|                      |     7  mov     r11, [rdi+0x10]                  ; builtins
;;|                      |     b  mov     r11, [r11+0x10]                  ; builtin memory_copy
;;| 0x005c local.get 0
;;| 0x005e i32.const 0
;;| 0x0060 local.get 1
;;| 0x0062 memory.init 0 |     f  lea     rax, [rdi+0x30]                  ; base of memory 0
;;|                      |    13  lea     rdx, [rdi+0x48]                  ; base of data 0
;;|                      |    17  mov     ecx, esi
;;|                      |    19  xor     r8, r8
;;|                      |    1c  mov     rsi, r9
;;|                      |    1f  mov     r9d, esi
;;|                      |    22  mov     rsi, rax
;;|                      |    25  call    r11                              ; builtin memory_copy
;;| 0x0066 end           |    28  nop     [rax]
;;|                      |    2b  pop     rbp
;;|                      |    2c  ret
;;| --tier cranelift --bounds explicit
;;| function 0: (i32, i32) -> ()
;;| 12 bytes of wasm, 88 bytes of code by cranelift, bounds=explicit
;;| (prologue)          |     0  push    rbp
;;|                     |     1  mov     rbp, rsp
;;| 0x0029 local.get 0
;;| 0x002b local.get 1
;;| 0x002d i32.const 23
;;| 0x002f memory.copy  |     4  mov     rax, [rdi+0x38]                  ; length of memory 0
;;|                     |     8  mov     edx, edx
;;|                     |     a  sub     rax, 0x17
;;|                     |     e  cmp     rdx, rax
;;|                     |    11  ja      0x54
;;|                     |    17  mov     ecx, esi
;;|                     |    19  cmp     rcx, rax
;;|                     |    1c  ja      0x56
;;|                     |    22  xor     rsi, rsi
;;|                     |    25  mov     rdi, [rdi+0x30]                  ; base of memory 0
;;|                     |    29  lea     r8, [rdi+rdx]
;;|                     |    2d  cmp     rdx, rax
;;|                     |    30  cmova   r8, rsi
;;|                     |    34  mov     rdx, [r8+0xf]                    ; trap: out of bounds memory access
;;|                     |    38  movdqu  xmm0, [r8]                       ; trap: out of bounds memory access
;;|                     |    3d  add     rdi, rcx
;;|                     |    40  cmp     rcx, rax
;;|                     |    43  cmova   rdi, rsi
;;|                     |    47  mov     [rdi+0xf], rdx                   ; trap: out of bounds memory access
;;|                     |    4b  movdqu  [rdi], xmm0                      ; trap: out of bounds memory access
;;| 0x0033 end          |    4f  nop     [rax]
;;|                     |    52  pop     rbp
;;|                     |    53  ret
;;| (0x002f)            |>   54  ud2                                      ; trap: out of bounds memory access
;;|                     |>   56  ud2                                      ; trap: out of bounds memory access
;;|
;;| function 1: (i32) -> ()
;;| 11 bytes of wasm, 64 bytes of code by cranelift, bounds=explicit
;;| (prologue)          |     0  push    rbp
;;|                     |     1  mov     rbp, rsp
;;| 0x0036 local.get 0
;;| 0x0038 i32.const 0
;;| 0x003a i32.const 33
;;| 0x003c memory.fill  |     4  mov     r10, [rdi+0x38]                  ; length of memory 0
;;|                     |     8  mov     eax, esi
;;|                     |     a  sub     r10, 0x21
;;|                     |     e  cmp     rax, r10
;;|                     |    11  ja      0x3e
;;|                     |    17  xor     rdx, rdx
;;|                     |    1a  mov     rcx, [rdi+0x30]                  ; base of memory 0
;;|                     |    1e  add     rcx, rax
;;|                     |    21  cmp     rax, r10
;;|                     |    24  cmova   rcx, rdx
;;|                     |    28  mov     byte ptr [rcx+0x20], 0           ; trap: out of bounds memory access
;;|                     |    2c  pxor    xmm0, xmm0
;;|                     |    30  movdqu  [rcx+0x10], xmm0                 ; trap: out of bounds memory access
;;|                     |    35  movdqu  [rcx], xmm0                      ; trap: out of bounds memory access
;;| 0x003f end          |    39  nop     [rax]
;;|                     |    3c  pop     rbp
;;|                     |    3d  ret
;;| (0x003c)            |>   3e  ud2                                      ; trap: out of bounds memory access
;;|
;;| function 2: (i32) -> ()
;;| 12 bytes of wasm, 87 bytes of code by cranelift, bounds=explicit
;;| (prologue)           |     0  push    rbp
;;|                      |     1  mov     rbp, rsp
;;| 0x0042 local.get 0
;;| 0x0044 i32.const 2
;;| 0x0046 i32.const 8
;;| 0x0048 memory.init 0 |     4  mov     rcx, [rdi+0x50]                  ; length of data 0
;;|                      |     8  cmp     rcx, 0xa
;;|                      |     c  jb      0x53
;;|                      |    12  mov     rax, [rdi+0x38]                  ; length of memory 0
;;|                      |    16  mov     edx, esi
;;|                      |    18  sub     rax, 8
;;|                      |    1c  cmp     rdx, rax
;;|                      |    1f  ja      0x55
;;|                      |    25  xor     rsi, rsi
;;|                      |    28  mov     r8d, 2
;;|                      |    2e  add     r8, [rdi+0x48]                   ; base of data 0
;;|                      |    32  cmp     rcx, 0xa
;;|                      |    36  cmovb   r8, rsi
;;|                      |    3a  mov     rcx, [r8]
;;|                      |    3d  mov     r8, rdx
;;|                      |    40  add     r8, [rdi+0x30]                   ; base of memory 0
;;|                      |    44  cmp     rdx, rax
;;|                      |    47  cmova   r8, rsi
;;|                      |    4b  mov     [r8], rcx                        ; trap: out of bounds memory access
;;| 0x004c end           |    4e  nop     [rax]
;;|                      |    51  pop     rbp
;;|                      |    52  ret
;;| (0x0048)             |>   53  ud2                                      ; trap: out of bounds memory access
;;|                      |>   55  ud2                                      ; trap: out of bounds memory access
;;|
;;| function 3: (i32) -> ()
;;| 12 bytes of wasm, 23 bytes of code by cranelift, bounds=explicit
;;| (prologue)         |     0  push    rbp
;;|                    |     1  mov     rbp, rsp
;;| 0x004f local.get 0
;;| 0x0051 i32.const 0
;;| 0x0053 i32.const 0
;;| 0x0055 memory.copy |     4  mov     esi, esi
;;|                    |     6  cmp     rsi, [rdi+0x38]                  ; length of memory 0
;;|                    |     a  ja      0x15
;;| 0x0059 end         |    10  nop     [rax]
;;|                    |    13  pop     rbp
;;|                    |    14  ret
;;| (0x0055)           |>   15  ud2                                      ; trap: out of bounds memory access
;;|
;;| function 4: (i32, i32) -> ()
;;| 12 bytes of wasm, 45 bytes of code by cranelift, bounds=explicit
;;| (prologue)           |     0  push    rbp
;;|                      |     1  mov     rbp, rsp
;;|                      |     4  mov     r9, rdx
;;|                      |     7  mov     r11, [rdi+0x10]                  ; builtins
;;|                      |     b  mov     r11, [r11+0x10]                  ; builtin memory_copy
;;| 0x005c local.get 0
;;| 0x005e i32.const 0
;;| 0x0060 local.get 1
;;| 0x0062 memory.init 0 |     f  lea     rax, [rdi+0x30]                  ; base of memory 0
;;|                      |    13  lea     rdx, [rdi+0x48]                  ; base of data 0
;;|                      |    17  mov     ecx, esi
;;|                      |    19  xor     r8, r8
;;|                      |    1c  mov     rsi, r9
;;|                      |    1f  mov     r9d, esi
;;|                      |    22  mov     rsi, rax
;;|                      |    25  call    r11                              ; builtin memory_copy
;;| 0x0066 end           |    28  nop     [rax]
;;|                      |    2b  pop     rbp
;;|                      |    2c  ret
