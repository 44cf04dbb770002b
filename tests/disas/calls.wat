;;! --tier lightbeam --calls direct
;;! --tier lightbeam --calls slots
;;! --tier cranelift --calls slots
;; Of a function of the module, directly or through its slot; of an import; of a builtin. (A function with a handle is called, however
;; small.)
(module
  (func $import (import "env" "work") (param i32))
  (memory 1)
  (func $own (param i32) (result i32) (local externref) (local.get 0))
  (func (param $x i32) (result i32)
    (call $import (local.get $x))
    (memory.grow (call $own (local.get $x)))))
;;| --tier lightbeam --calls direct
;;| function 1 $own: (i32) -> (i32)
;;| 6 bytes of wasm, 20 bytes of code by lightbeam, bounds=guard
;;| (prologue)         |     0  push    rbp
;;|                    |     1  mov     rbp, rsp
;;|                    |     4  sub     rsp, 0x10
;;|                    |     b  mov     [rbp-8], esi
;;|                    |     e  mov     esi, esi
;;| 0x0033 local.get 0
;;| 0x0035 end         |    10  mov     eax, esi
;;| (0x0035)           |    12  leave
;;|                    |    13  ret
;;|
;;| function 2: (i32) -> (i32)
;;| 12 bytes of wasm, 188 bytes of code by lightbeam, bounds=guard
;;| (prologue)            |     0  push    rbp
;;|                       |     1  mov     rbp, rsp
;;|                       |     4  push    r14
;;|                       |     6  sub     rsp, 8
;;|                       |     d  mov     r14, rdi
;;|                       |    10  mov     [rbp-0x10], esi
;;|                       |    13  mov     esi, esi
;;| 0x0038 local.get 0
;;| 0x003a call 0 $import |    15  mov     rdi, [r14+0x48]                  ; context of import 0
;;|                       |    19  cmp     dword ptr [rdi+4], 0
;;|                       |    1d  je      0x28
;;|                       |    23  jmp     0x80
;;|                       |>   28  call    qword ptr [r14+0x40]             ; 0 $import
;;| 0x003c local.get 0
;;| 0x003e call 1 $own    |>   2c  mov     rdi, r14
;;|                       |    2f  mov     esi, [rbp-0x10]
;;|                       |    32  call    0x37                             ; 1 $own
;;|                       |    37  mov     eax, eax
;;| 0x0040 memory.grow    |    39  mov     rdi, r14
;;|                       |    3c  mov     rdx, rax
;;|                       |    3f  mov     esi, 0
;;|                       |    44  mov     r11, [r14+0x10]                  ; builtins
;;|                       |    48  call    qword ptr [r11]                  ; builtin memory_grow
;;|                       |    4b  mov     eax, eax
;;| 0x0042 end            |    4d  mov     r14, [rbp-8]
;;|                       |    51  leave
;;|                       |    52  ret
;;| ()                    |>   53  mov     rdi, r11                         ; uninterruptible
;;|                       |    56  call    qword ptr [r11+0x58]             ; uninterruptible
;;|                       |    5a  lea     rsp, [rbp-0x10]                  ; uninterruptible
;;|                       |    5e  jmp     qword ptr [rsp-8]                ; uninterruptible
;;|                       |    62  data: cc cc cc cc cc cc cc cc cc cc cc cc cc cc cc cc
;;|                       |    72  data: cc cc cc cc cc cc cc cc cc cc cc cc cc cc
;;| (0x003a)              |>   80  lea     r11, [0x2c]                      ; uninterruptible
;;|                       |    87  mov     rax, [rdi+8]                     ; uninterruptible
;;|                       |    8b  lea     r10, [rsp-0x10]                  ; uninterruptible
;;|                       |    90  mov     [rsp-8], r11                     ; uninterruptible
;;|                       |    95  mov     [rsp-0x10], rbp                  ; uninterruptible
;;|                       |    9a  mov     [rax+8], r10                     ; uninterruptible
;;|                       |    9e  mov     rsp, [rax]                       ; uninterruptible
;;|                       |    a1  call    qword ptr [rdi+0x10]             ; uninterruptible
;;|                       |    a4  mov     r11, [rsp]                       ; uninterruptible
;;|                       |    a8  test    byte ptr [r11+0x10], 0xff        ; uninterruptible
;;|                       |    ad  jne     0x53                             ; uninterruptible
;;|                       |    b3  lea     rsp, [rbp-0x10]                  ; uninterruptible
;;|                       |    b7  jmp     0x2c                             ; uninterruptible
;;| --tier lightbeam --calls slots
;;| function 1 $own: (i32) -> (i32)
;;| 6 bytes of wasm, 20 bytes of code by lightbeam, bounds=guard
;;| (prologue)         |     0  push    rbp
;;|                    |     1  mov     rbp, rsp
;;|                    |     4  sub     rsp, 0x10
;;|                    |     b  mov     [rbp-8], esi
;;|                    |     e  mov     esi, esi
;;| 0x0033 local.get 0
;;| 0x0035 end         |    10  mov     eax, esi
;;| (0x0035)           |    12  leave
;;|                    |    13  ret
;;|
;;| function 2: (i32) -> (i32)
;;| 12 bytes of wasm, 188 bytes of code by lightbeam, bounds=guard
;;| (prologue)            |     0  push    rbp
;;|                       |     1  mov     rbp, rsp
;;|                       |     4  push    r14
;;|                       |     6  sub     rsp, 8
;;|                       |     d  mov     r14, rdi
;;|                       |    10  mov     [rbp-0x10], esi
;;|                       |    13  mov     esi, esi
;;| 0x0038 local.get 0
;;| 0x003a call 0 $import |    15  mov     rdi, [r14+0x48]                  ; context of import 0
;;|                       |    19  cmp     dword ptr [rdi+4], 0
;;|                       |    1d  je      0x28
;;|                       |    23  jmp     0x80
;;|                       |>   28  call    qword ptr [r14+0x40]             ; 0 $import
;;| 0x003c local.get 0
;;| 0x003e call 1 $own    |>   2c  mov     rdi, r14
;;|                       |    2f  mov     esi, [rbp-0x10]
;;|                       |    32  call    qword ptr [0x38]                 ; slot of 1 $own
;;|                       |    38  mov     eax, eax
;;| 0x0040 memory.grow    |    3a  mov     rdi, r14
;;|                       |    3d  mov     rdx, rax
;;|                       |    40  mov     esi, 0
;;|                       |    45  mov     r11, [r14+0x10]                  ; builtins
;;|                       |    49  call    qword ptr [r11]                  ; builtin memory_grow
;;|                       |    4c  mov     eax, eax
;;| 0x0042 end            |    4e  mov     r14, [rbp-8]
;;|                       |    52  leave
;;|                       |    53  ret
;;| ()                    |>   54  mov     rdi, r11                         ; uninterruptible
;;|                       |    57  call    qword ptr [r11+0x58]             ; uninterruptible
;;|                       |    5b  lea     rsp, [rbp-0x10]                  ; uninterruptible
;;|                       |    5f  jmp     qword ptr [rsp-8]                ; uninterruptible
;;|                       |    63  data: cc cc cc cc cc cc cc cc cc cc cc cc cc cc cc cc
;;|                       |    73  data: cc cc cc cc cc cc cc cc cc cc cc cc cc
;;| (0x003a)              |>   80  lea     r11, [0x2c]                      ; uninterruptible
;;|                       |    87  mov     rax, [rdi+8]                     ; uninterruptible
;;|                       |    8b  lea     r10, [rsp-0x10]                  ; uninterruptible
;;|                       |    90  mov     [rsp-8], r11                     ; uninterruptible
;;|                       |    95  mov     [rsp-0x10], rbp                  ; uninterruptible
;;|                       |    9a  mov     [rax+8], r10                     ; uninterruptible
;;|                       |    9e  mov     rsp, [rax]                       ; uninterruptible
;;|                       |    a1  call    qword ptr [rdi+0x10]             ; uninterruptible
;;|                       |    a4  mov     r11, [rsp]                       ; uninterruptible
;;|                       |    a8  test    byte ptr [r11+0x10], 0xff        ; uninterruptible
;;|                       |    ad  jne     0x54                             ; uninterruptible
;;|                       |    b3  lea     rsp, [rbp-0x10]                  ; uninterruptible
;;|                       |    b7  jmp     0x2c                             ; uninterruptible
;;| --tier cranelift --calls slots
;;| function 1 $own: (i32) -> (i32)
;;| 6 bytes of wasm, 12 bytes of code by cranelift, bounds=guard
;;| (prologue)         |     0  push    rbp
;;|                    |     1  mov     rbp, rsp
;;|                    |     4  mov     rax, rsi
;;| 0x0033 local.get 0
;;| 0x0035 end         |     7  nop     [rax]
;;|                    |     a  pop     rbp
;;|                    |     b  ret
;;|
;;| function 2: (i32) -> (i32)
;;| 12 bytes of wasm, 228 bytes of code by cranelift, bounds=guard
;;| (prologue)            |     0  push    rbp
;;|                       |     1  mov     rbp, rsp
;;|                       |     4  sub     rsp, 0x10
;;|                       |     8  mov     [rsp], rbx
;;|                       |     c  mov     [rsp+8], r15
;;|                       |    11  mov     rbx, rsi
;;|                       |    14  mov     r15, rdi
;;|                       |    17  mov     rdi, [rdi+0x48]                  ; context of import 0
;;|                       |    1b  mov     eax, [rdi+4]
;;| 0x0038 local.get 0
;;| 0x003a call 0 $import |    1e  test    eax, eax
;;|                       |    20  je      0x62
;;|                       |    26  mov     rsi, rbx
;;|                       |    29  jmp     0xa8
;;| 0x003c local.get 0
;;| 0x003e call 1 $own    |>   2e  mov     rax, [0x35]                      ; slot of 1 $own
;;|                       |    35  mov     rsi, rbx
;;|                       |    38  mov     rbx, r15
;;|                       |    3b  mov     rdi, rbx
;;|                       |    3e  call    rax
;;|                       |    40  mov     rcx, [rbx+0x10]                  ; builtins
;;|                       |    44  mov     rcx, [rcx]                       ; builtin memory_grow
;;| 0x0040 memory.grow    |    47  xor     esi, esi
;;|                       |    49  mov     edx, eax
;;|                       |    4b  mov     rdi, rbx
;;|                       |    4e  call    rcx                              ; builtin memory_grow
;;| 0x0042 end            |    50  mov     rbx, [rsp]
;;|                       |    54  mov     r15, [rsp+8]
;;|                       |    59  add     rsp, 0x10
;;|                       |    5d  nop     [rax]
;;|                       |    60  pop     rbp
;;|                       |    61  ret
;;|                       |>   62  mov     rax, r15
;;|                       |    65  mov     rax, [rax+0x40]                  ; import 0
;;|                       |    69  mov     rsi, rbx
;;| (0x003a)              |    6c  call    rax                              ; 0 $import
;;|                       |    6e  jmp     0x2e
;;| ()                    |>   73  mov     rdi, r11                         ; uninterruptible
;;|                       |    76  call    qword ptr [r11+0x58]             ; uninterruptible
;;|                       |    7a  lea     rsp, [rbp-0x10]                  ; uninterruptible
;;|                       |    7e  jmp     qword ptr [rsp-8]                ; uninterruptible
;;|                       |    82  data: cc cc cc cc cc cc cc cc cc cc cc cc cc cc cc cc
;;|                       |    92  data: cc cc cc cc cc cc cc cc cc cc cc cc cc cc cc cc
;;|                       |    a2  data: cc cc cc cc cc cc
;;| (0x003a)              |>   a8  lea     r11, [0x2e]                      ; uninterruptible
;;|                       |    af  mov     rax, [rdi+8]                     ; uninterruptible
;;|                       |    b3  lea     r10, [rsp-0x10]                  ; uninterruptible
;;|                       |    b8  mov     [rsp-8], r11                     ; uninterruptible
;;|                       |    bd  mov     [rsp-0x10], rbp                  ; uninterruptible
;;|                       |    c2  mov     [rax+8], r10                     ; uninterruptible
;;|                       |    c6  mov     rsp, [rax]                       ; uninterruptible
;;|                       |    c9  call    qword ptr [rdi+0x10]             ; uninterruptible
;;|                       |    cc  mov     r11, [rsp]                       ; uninterruptible
;;|                       |    d0  test    byte ptr [r11+0x10], 0xff        ; uninterruptible
;;|                       |    d5  jne     0x73                             ; uninterruptible
;;|                       |    db  lea     rsp, [rbp-0x10]                  ; uninterruptible
;;|                       |    df  jmp     0x2e                             ; uninterruptible
