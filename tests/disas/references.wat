;; Reading a handle and writing one: no call on the fast paths, and slow ones behind the function that leave registers alone.
;;! --tier lightbeam --bounds guard
;;! --tier lightbeam --bounds explicit
(module
  (import "" "g" (global $g (mut externref)))
  (table $t 10 externref)
  (func (param i32 i32) (result i32)
    (table.set $t (local.get 0) (table.get $t (local.get 1)))
    (global.set $g (ref.null extern))
    ;; A number and a handle are in registers when the second barrier may call.
    (i32.add (i32.mul (local.get 0) (i32.const 3)) (ref.is_null (global.get $g)))))
;;| --tier lightbeam --bounds guard
;;| function 0: (i32, i32) -> (i32)
;;| 23 bytes of wasm, 462 bytes of code by lightbeam, bounds=guard
;;| (prologue)             |     0  push    rbp
;;|                        |     1  mov     rbp, rsp
;;|                        |     4  push    r14
;;|                        |     6  sub     rsp, 0x18
;;|                        |     d  mov     r14, rdi
;;|                        |    10  mov     [rbp-0x10], esi
;;|                        |    13  mov     [rbp-0x18], edx
;;|                        |    16  mov     esi, esi
;;|                        |    18  mov     edx, edx
;;| 0x0029 local.get 0
;;| 0x002b local.get 1
;;| 0x002d table.get 0     |    1a  mov     eax, edx
;;|                        |    1c  cmp     rax, 0xa
;;|                        |    20  jae     0x108
;;|                        |    26  mov     ecx, 0
;;|                        |    2b  cmovae  rax, rcx
;;|                        |    2f  shl     rax, 2
;;|                        |    33  add     rax, [r14+0x30]                  ; base of table 0
;;|                        |    37  mov     eax, [rax]
;;|                        |    39  mov     r11, [r14+8]                     ; store
;;|                        |    3d  mov     r11, [r11+0x78]                  ; base of the cage
;;|                        |    41  test    dword ptr [r11+rax], 1
;;|                        |    49  je      0x10a
;;| 0x002f table.set 0     |>   4f  mov     ecx, esi
;;|                        |    51  cmp     rcx, 0xa
;;|                        |    55  jae     0x153
;;|                        |    5b  mov     edi, 0
;;|                        |    60  cmovae  rcx, rdi
;;|                        |    64  shl     rcx, 2
;;|                        |    68  add     rcx, [r14+0x30]                  ; base of table 0
;;|                        |    6c  mov     edi, [rcx]
;;|                        |    6e  cmp     edi, eax
;;|                        |    70  je      0xa6
;;|                        |    76  mov     r11, [r14+8]                     ; store; uninterruptible
;;|                        |    7a  mov     r11, [r11+0x78]                  ; base of the cage; uninterruptible
;;|                        |    7e  add     qword ptr [r11+rax], 0x100       ; uninterruptible
;;|                        |    86  mov     [rcx], eax                       ; uninterruptible
;;|                        |    88  mov     r11, [r14+8]                     ; store; uninterruptible
;;|                        |    8c  mov     r11, [r11+0x78]                  ; base of the cage; uninterruptible
;;|                        |    90  sub     qword ptr [r11+rdi], 0x100       ; uninterruptible
;;|                        |    98  cmp     qword ptr [r11+rdi], 0x100       ; uninterruptible
;;|                        |    a0  jb      0x155                            ; uninterruptible
;;| 0x0031 ref.null extern
;;| 0x0033 global.set 0    |>   a6  mov     rax, [r14+0x40]                  ; pointer to global 0
;;|                        |    aa  mov     ecx, [rax]
;;|                        |    ac  test    ecx, ecx
;;|                        |    ae  je      0xd8
;;|                        |    b4  mov     dword ptr [rax], 0               ; uninterruptible
;;|                        |    ba  mov     r11, [r14+8]                     ; store; uninterruptible
;;|                        |    be  mov     r11, [r11+0x78]                  ; base of the cage; uninterruptible
;;|                        |    c2  sub     qword ptr [r11+rcx], 0x100       ; uninterruptible
;;|                        |    ca  cmp     qword ptr [r11+rcx], 0x100       ; uninterruptible
;;|                        |    d2  jb      0x16d                            ; uninterruptible
;;| 0x0035 local.get 0
;;| 0x0037 i32.const 3
;;| 0x0039 i32.mul         |>   d8  imul    eax, esi, 3
;;| 0x003a global.get 0    |    db  mov     r11, [r14+0x40]                  ; pointer to global 0
;;|                        |    df  mov     ecx, [r11]
;;|                        |    e2  mov     r11, [r14+8]                     ; store
;;|                        |    e6  mov     r11, [r11+0x78]                  ; base of the cage
;;|                        |    ea  test    dword ptr [r11+rcx], 1
;;|                        |    f2  je      0x185
;;| 0x003c ref.is_null     |>   f8  test    ecx, ecx
;;|                        |    fa  sete    cl
;;|                        |    fd  movzx   ecx, cl
;;| 0x003d i32.add         |   100  add     eax, ecx
;;| 0x003e end             |   102  mov     r14, [rbp-8]
;;|                        |   106  leave
;;|                        |   107  ret
;;| (0x002d)               |>  108  ud2                                      ; trap: out of bounds table access
;;| (0x002d)               |>  10a  push    rcx
;;|                        |   10b  push    rdx
;;|                        |   10c  mov     rcx, [r14+8]                     ; store
;;|                        |   110  mov     r11, [rcx+0x60]                  ; activations: next
;;|                        |   114  cmp     r11, [rcx+0x68]                  ; activations: end
;;|                        |   118  je      0x137
;;|                        |   11a  mov     rdx, rax                         ; uninterruptible
;;|                        |   11d  add     rdx, [rcx+0x78]                  ; base of the cage; uninterruptible
;;|                        |   121  add     qword ptr [rdx], 0x101           ; uninterruptible
;;|                        |   128  mov     [r11], eax                       ; uninterruptible
;;|                        |   12b  add     qword ptr [rcx+0x60], 4          ; activations: next; uninterruptible
;;|                        |   130  pop     rdx
;;|                        |   131  pop     rcx
;;|                        |   132  jmp     0x4f
;;|                        |>  137  pop     rdx
;;|                        |   138  pop     rcx
;;|                        |   139  mov     esi, eax
;;|                        |   13b  mov     rdi, r14
;;|                        |   13e  mov     r11, [r14+0x10]                  ; builtins
;;|                        |   142  call    qword ptr [r11+0x90]             ; builtin activations_insert
;;|                        |   149  mov     eax, esi
;;|                        |   14b  mov     esi, [rbp-0x10]
;;|                        |   14e  jmp     0x4f
;;| (0x002f)               |>  153  ud2                                      ; trap: out of bounds table access
;;| (0x002f)               |>  155  mov     esi, edi                         ; uninterruptible
;;|                        |   157  mov     rdi, r14                         ; uninterruptible
;;|                        |   15a  mov     r11, [r14+0x10]                  ; builtins; uninterruptible
;;|                        |   15e  call    qword ptr [r11+0x98]             ; builtin release_last; uninterruptible
;;|                        |   165  mov     esi, [rbp-0x10]
;;|                        |   168  jmp     0xa6
;;| (0x0033)               |>  16d  mov     esi, ecx                         ; uninterruptible
;;|                        |   16f  mov     rdi, r14                         ; uninterruptible
;;|                        |   172  mov     r11, [r14+0x10]                  ; builtins; uninterruptible
;;|                        |   176  call    qword ptr [r11+0x98]             ; builtin release_last; uninterruptible
;;|                        |   17d  mov     esi, [rbp-0x10]
;;|                        |   180  jmp     0xd8
;;| (0x003a)               |>  185  push    rax
;;|                        |   186  push    rdx
;;|                        |   187  mov     rax, [r14+8]                     ; store
;;|                        |   18b  mov     r11, [rax+0x60]                  ; activations: next
;;|                        |   18f  cmp     r11, [rax+0x68]                  ; activations: end
;;|                        |   193  je      0x1b2
;;|                        |   195  mov     rdx, rcx                         ; uninterruptible
;;|                        |   198  add     rdx, [rax+0x78]                  ; base of the cage; uninterruptible
;;|                        |   19c  add     qword ptr [rdx], 0x101           ; uninterruptible
;;|                        |   1a3  mov     [r11], ecx                       ; uninterruptible
;;|                        |   1a6  add     qword ptr [rax+0x60], 4          ; activations: next; uninterruptible
;;|                        |   1ab  pop     rdx
;;|                        |   1ac  pop     rax
;;|                        |   1ad  jmp     0xf8
;;|                        |>  1b2  pop     rdx
;;|                        |   1b3  pop     rax
;;|                        |   1b4  mov     esi, ecx
;;|                        |   1b6  mov     rdi, r14
;;|                        |   1b9  mov     r11, [r14+0x10]                  ; builtins
;;|                        |   1bd  call    qword ptr [r11+0x90]             ; builtin activations_insert
;;|                        |   1c4  mov     ecx, esi
;;|                        |   1c6  mov     esi, [rbp-0x10]
;;|                        |   1c9  jmp     0xf8
;;| --tier lightbeam --bounds explicit
;;| function 0: (i32, i32) -> (i32)
;;| 23 bytes of wasm, 578 bytes of code by lightbeam, bounds=explicit
;;| (prologue)             |     0  push    rbp
;;|                        |     1  mov     rbp, rsp
;;|                        |     4  push    r14
;;|                        |     6  sub     rsp, 0x18
;;|                        |     d  mov     r14, rdi
;;|                        |    10  mov     [rbp-0x10], esi
;;|                        |    13  mov     [rbp-0x18], edx
;;|                        |    16  mov     esi, esi
;;|                        |    18  mov     edx, edx
;;| 0x0029 local.get 0
;;| 0x002b local.get 1
;;| 0x002d table.get 0     |    1a  mov     eax, edx
;;|                        |    1c  cmp     rax, 0xa
;;|                        |    20  jae     0x162
;;|                        |    26  mov     ecx, 0
;;|                        |    2b  cmovae  rax, rcx
;;|                        |    2f  shl     rax, 2
;;|                        |    33  add     rax, [r14+0x30]                  ; base of table 0
;;|                        |    37  mov     eax, [rax]
;;|                        |    39  mov     r11, [r14+8]                     ; store
;;|                        |    3d  mov     ecx, 0
;;|                        |    42  cmp     rax, [r11+0x80]                  ; length of the cage
;;|                        |    49  cmovb   rcx, rax
;;|                        |    4d  mov     r11, [r11+0x78]                  ; base of the cage
;;|                        |    51  add     r11, rcx
;;|                        |    54  test    dword ptr [r11], 1
;;|                        |    5b  je      0x164
;;| 0x002f table.set 0     |>   61  mov     ecx, esi
;;|                        |    63  cmp     rcx, 0xa
;;|                        |    67  jae     0x1ba
;;|                        |    6d  mov     edi, 0
;;|                        |    72  cmovae  rcx, rdi
;;|                        |    76  shl     rcx, 2
;;|                        |    7a  add     rcx, [r14+0x30]                  ; base of table 0
;;|                        |    7e  mov     edi, [rcx]
;;|                        |    80  cmp     edi, eax
;;|                        |    82  je      0xdd
;;|                        |    88  mov     r11, [r14+8]                     ; store; uninterruptible
;;|                        |    8c  mov     r8d, 0                           ; uninterruptible
;;|                        |    92  cmp     rax, [r11+0x80]                  ; length of the cage; uninterruptible
;;|                        |    99  cmovb   r8, rax                          ; uninterruptible
;;|                        |    9d  mov     r11, [r11+0x78]                  ; base of the cage; uninterruptible
;;|                        |    a1  add     r11, r8                          ; uninterruptible
;;|                        |    a4  add     qword ptr [r11], 0x100           ; uninterruptible
;;|                        |    ab  mov     [rcx], eax                       ; uninterruptible
;;|                        |    ad  mov     r11, [r14+8]                     ; store; uninterruptible
;;|                        |    b1  mov     r8d, 0                           ; uninterruptible
;;|                        |    b7  cmp     rdi, [r11+0x80]                  ; length of the cage; uninterruptible
;;|                        |    be  cmovb   r8, rdi                          ; uninterruptible
;;|                        |    c2  mov     r11, [r11+0x78]                  ; base of the cage; uninterruptible
;;|                        |    c6  add     r11, r8                          ; uninterruptible
;;|                        |    c9  sub     qword ptr [r11], 0x100           ; uninterruptible
;;|                        |    d0  cmp     qword ptr [r11], 0x100           ; uninterruptible
;;|                        |    d7  jb      0x1bc                            ; uninterruptible
;;| 0x0031 ref.null extern
;;| 0x0033 global.set 0    |>   dd  mov     rax, [r14+0x40]                  ; pointer to global 0
;;|                        |    e1  mov     ecx, [rax]
;;|                        |    e3  test    ecx, ecx
;;|                        |    e5  je      0x120
;;|                        |    eb  mov     dword ptr [rax], 0               ; uninterruptible
;;|                        |    f1  mov     r11, [r14+8]                     ; store; uninterruptible
;;|                        |    f5  mov     edi, 0                           ; uninterruptible
;;|                        |    fa  cmp     rcx, [r11+0x80]                  ; length of the cage; uninterruptible
;;|                        |   101  cmovb   rdi, rcx                         ; uninterruptible
;;|                        |   105  mov     r11, [r11+0x78]                  ; base of the cage; uninterruptible
;;|                        |   109  add     r11, rdi                         ; uninterruptible
;;|                        |   10c  sub     qword ptr [r11], 0x100           ; uninterruptible
;;|                        |   113  cmp     qword ptr [r11], 0x100           ; uninterruptible
;;|                        |   11a  jb      0x1d4                            ; uninterruptible
;;| 0x0035 local.get 0
;;| 0x0037 i32.const 3
;;| 0x0039 i32.mul         |>  120  imul    eax, esi, 3
;;| 0x003a global.get 0    |   123  mov     r11, [r14+0x40]                  ; pointer to global 0
;;|                        |   127  mov     ecx, [r11]
;;|                        |   12a  mov     r11, [r14+8]                     ; store
;;|                        |   12e  mov     edi, 0
;;|                        |   133  cmp     rcx, [r11+0x80]                  ; length of the cage
;;|                        |   13a  cmovb   rdi, rcx
;;|                        |   13e  mov     r11, [r11+0x78]                  ; base of the cage
;;|                        |   142  add     r11, rdi
;;|                        |   145  test    dword ptr [r11], 1
;;|                        |   14c  je      0x1ec
;;| 0x003c ref.is_null     |>  152  test    ecx, ecx
;;|                        |   154  sete    cl
;;|                        |   157  movzx   ecx, cl
;;| 0x003d i32.add         |   15a  add     eax, ecx
;;| 0x003e end             |   15c  mov     r14, [rbp-8]
;;|                        |   160  leave
;;|                        |   161  ret
;;| (0x002d)               |>  162  ud2                                      ; trap: out of bounds table access
;;| (0x002d)               |>  164  push    rcx
;;|                        |   165  push    rdx
;;|                        |   166  mov     rcx, [r14+8]                     ; store
;;|                        |   16a  mov     r11, [rcx+0x60]                  ; activations: next
;;|                        |   16e  cmp     r11, [rcx+0x68]                  ; activations: end
;;|                        |   172  je      0x19e
;;|                        |   174  mov     edx, 0                           ; uninterruptible
;;|                        |   179  cmp     rax, [rcx+0x80]                  ; length of the cage; uninterruptible
;;|                        |   180  cmovb   rdx, rax                         ; uninterruptible
;;|                        |   184  add     rdx, [rcx+0x78]                  ; base of the cage; uninterruptible
;;|                        |   188  add     qword ptr [rdx], 0x101           ; uninterruptible
;;|                        |   18f  mov     [r11], eax                       ; uninterruptible
;;|                        |   192  add     qword ptr [rcx+0x60], 4          ; activations: next; uninterruptible
;;|                        |   197  pop     rdx
;;|                        |   198  pop     rcx
;;|                        |   199  jmp     0x61
;;|                        |>  19e  pop     rdx
;;|                        |   19f  pop     rcx
;;|                        |   1a0  mov     esi, eax
;;|                        |   1a2  mov     rdi, r14
;;|                        |   1a5  mov     r11, [r14+0x10]                  ; builtins
;;|                        |   1a9  call    qword ptr [r11+0x90]             ; builtin activations_insert
;;|                        |   1b0  mov     eax, esi
;;|                        |   1b2  mov     esi, [rbp-0x10]
;;|                        |   1b5  jmp     0x61
;;| (0x002f)               |>  1ba  ud2                                      ; trap: out of bounds table access
;;| (0x002f)               |>  1bc  mov     esi, edi                         ; uninterruptible
;;|                        |   1be  mov     rdi, r14                         ; uninterruptible
;;|                        |   1c1  mov     r11, [r14+0x10]                  ; builtins; uninterruptible
;;|                        |   1c5  call    qword ptr [r11+0x98]             ; builtin release_last; uninterruptible
;;|                        |   1cc  mov     esi, [rbp-0x10]
;;|                        |   1cf  jmp     0xdd
;;| (0x0033)               |>  1d4  mov     esi, ecx                         ; uninterruptible
;;|                        |   1d6  mov     rdi, r14                         ; uninterruptible
;;|                        |   1d9  mov     r11, [r14+0x10]                  ; builtins; uninterruptible
;;|                        |   1dd  call    qword ptr [r11+0x98]             ; builtin release_last; uninterruptible
;;|                        |   1e4  mov     esi, [rbp-0x10]
;;|                        |   1e7  jmp     0x120
;;| (0x003a)               |>  1ec  push    rax
;;|                        |   1ed  push    rdx
;;|                        |   1ee  mov     rax, [r14+8]                     ; store
;;|                        |   1f2  mov     r11, [rax+0x60]                  ; activations: next
;;|                        |   1f6  cmp     r11, [rax+0x68]                  ; activations: end
;;|                        |   1fa  je      0x226
;;|                        |   1fc  mov     edx, 0                           ; uninterruptible
;;|                        |   201  cmp     rcx, [rax+0x80]                  ; length of the cage; uninterruptible
;;|                        |   208  cmovb   rdx, rcx                         ; uninterruptible
;;|                        |   20c  add     rdx, [rax+0x78]                  ; base of the cage; uninterruptible
;;|                        |   210  add     qword ptr [rdx], 0x101           ; uninterruptible
;;|                        |   217  mov     [r11], ecx                       ; uninterruptible
;;|                        |   21a  add     qword ptr [rax+0x60], 4          ; activations: next; uninterruptible
;;|                        |   21f  pop     rdx
;;|                        |   220  pop     rax
;;|                        |   221  jmp     0x152
;;|                        |>  226  pop     rdx
;;|                        |   227  pop     rax
;;|                        |   228  mov     esi, ecx
;;|                        |   22a  mov     rdi, r14
;;|                        |   22d  mov     r11, [r14+0x10]                  ; builtins
;;|                        |   231  call    qword ptr [r11+0x90]             ; builtin activations_insert
;;|                        |   238  mov     ecx, esi
;;|                        |   23a  mov     esi, [rbp-0x10]
;;|                        |   23d  jmp     0x152
