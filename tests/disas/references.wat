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
;;|                        |    3d  mov     r11, [r11+0x70]                  ; base of the cage
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
;;|                        |    7a  mov     r11, [r11+0x70]                  ; base of the cage; uninterruptible
;;|                        |    7e  add     qword ptr [r11+rax], 0x100       ; uninterruptible
;;|                        |    86  mov     [rcx], eax                       ; uninterruptible
;;|                        |    88  mov     r11, [r14+8]                     ; store; uninterruptible
;;|                        |    8c  mov     r11, [r11+0x70]                  ; base of the cage; uninterruptible
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
;;|                        |    be  mov     r11, [r11+0x70]                  ; base of the cage; uninterruptible
;;|                        |    c2  sub     qword ptr [r11+rcx], 0x100       ; uninterruptible
;;|                        |    ca  cmp     qword ptr [r11+rcx], 0x100       ; uninterruptible
;;|                        |    d2  jb      0x16d                            ; uninterruptible
;;| 0x0035 local.get 0
;;| 0x0037 i32.const 3
;;| 0x0039 i32.mul         |>   d8  imul    eax, esi, 3
;;| 0x003a global.get 0    |    db  mov     r11, [r14+0x40]                  ; pointer to global 0
;;|                        |    df  mov     ecx, [r11]
;;|                        |    e2  mov     r11, [r14+8]                     ; store
;;|                        |    e6  mov     r11, [r11+0x70]                  ; base of the cage
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
;;|                        |   110  mov     r11, [rcx+0x58]                  ; activations: next
;;|                        |   114  cmp     r11, [rcx+0x60]                  ; activations: end
;;|                        |   118  je      0x137
;;|                        |   11a  mov     rdx, rax                         ; uninterruptible
;;|                        |   11d  add     rdx, [rcx+0x70]                  ; base of the cage; uninterruptible
;;|                        |   121  add     qword ptr [rdx], 0x101           ; uninterruptible
;;|                        |   128  mov     [r11], eax                       ; uninterruptible
;;|                        |   12b  add     qword ptr [rcx+0x58], 4          ; activations: next; uninterruptible
;;|                        |   130  pop     rdx
;;|                        |   131  pop     rcx
;;|                        |   132  jmp     0x4f
;;|                        |>  137  pop     rdx
;;|                        |   138  pop     rcx
;;|                        |   139  mov     esi, eax
;;|                        |   13b  mov     rdi, r14
;;|                        |   13e  mov     r11, [r14+0x10]                  ; builtins
;;|                        |   142  call    qword ptr [r11+0x98]             ; builtin activations_insert
;;|                        |   149  mov     eax, esi
;;|                        |   14b  mov     esi, [rbp-0x10]
;;|                        |   14e  jmp     0x4f
;;| (0x002f)               |>  153  ud2                                      ; trap: out of bounds table access
;;| (0x002f)               |>  155  mov     esi, edi                         ; uninterruptible
;;|                        |   157  mov     rdi, r14                         ; uninterruptible
;;|                        |   15a  mov     r11, [r14+0x10]                  ; builtins; uninterruptible
;;|                        |   15e  call    qword ptr [r11+0xa0]             ; builtin release_last; uninterruptible
;;|                        |   165  mov     esi, [rbp-0x10]
;;|                        |   168  jmp     0xa6
;;| (0x0033)               |>  16d  mov     esi, ecx                         ; uninterruptible
;;|                        |   16f  mov     rdi, r14                         ; uninterruptible
;;|                        |   172  mov     r11, [r14+0x10]                  ; builtins; uninterruptible
;;|                        |   176  call    qword ptr [r11+0xa0]             ; builtin release_last; uninterruptible
;;|                        |   17d  mov     esi, [rbp-0x10]
;;|                        |   180  jmp     0xd8
;;| (0x003a)               |>  185  push    rax
;;|                        |   186  push    rdx
;;|                        |   187  mov     rax, [r14+8]                     ; store
;;|                        |   18b  mov     r11, [rax+0x58]                  ; activations: next
;;|                        |   18f  cmp     r11, [rax+0x60]                  ; activations: end
;;|                        |   193  je      0x1b2
;;|                        |   195  mov     rdx, rcx                         ; uninterruptible
;;|                        |   198  add     rdx, [rax+0x70]                  ; base of the cage; uninterruptible
;;|                        |   19c  add     qword ptr [rdx], 0x101           ; uninterruptible
;;|                        |   1a3  mov     [r11], ecx                       ; uninterruptible
;;|                        |   1a6  add     qword ptr [rax+0x58], 4          ; activations: next; uninterruptible
;;|                        |   1ab  pop     rdx
;;|                        |   1ac  pop     rax
;;|                        |   1ad  jmp     0xf8
;;|                        |>  1b2  pop     rdx
;;|                        |   1b3  pop     rax
;;|                        |   1b4  mov     esi, ecx
;;|                        |   1b6  mov     rdi, r14
;;|                        |   1b9  mov     r11, [r14+0x10]                  ; builtins
;;|                        |   1bd  call    qword ptr [r11+0x98]             ; builtin activations_insert
;;|                        |   1c4  mov     ecx, esi
;;|                        |   1c6  mov     esi, [rbp-0x10]
;;|                        |   1c9  jmp     0xf8
;;| --tier lightbeam --bounds explicit
;;| function 0: (i32, i32) -> (i32)
;;| 23 bytes of wasm, 557 bytes of code by lightbeam, bounds=explicit
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
;;|                        |    20  jae     0x153
;;|                        |    26  mov     ecx, 0
;;|                        |    2b  cmovae  rax, rcx
;;|                        |    2f  shl     rax, 2
;;|                        |    33  add     rax, [r14+0x30]                  ; base of table 0
;;|                        |    37  mov     eax, [rax]
;;|                        |    39  mov     r11, [r14+8]                     ; store
;;|                        |    3d  mov     ecx, 0
;;|                        |    42  cmp     rax, [r11+0x78]                  ; length of the cage
;;|                        |    46  cmovb   rcx, rax
;;|                        |    4a  mov     r11, [r11+0x70]                  ; base of the cage
;;|                        |    4e  add     r11, rcx
;;|                        |    51  test    dword ptr [r11], 1
;;|                        |    58  je      0x155
;;| 0x002f table.set 0     |>   5e  mov     ecx, esi
;;|                        |    60  cmp     rcx, 0xa
;;|                        |    64  jae     0x1a8
;;|                        |    6a  mov     edi, 0
;;|                        |    6f  cmovae  rcx, rdi
;;|                        |    73  shl     rcx, 2
;;|                        |    77  add     rcx, [r14+0x30]                  ; base of table 0
;;|                        |    7b  mov     edi, [rcx]
;;|                        |    7d  cmp     edi, eax
;;|                        |    7f  je      0xd4
;;|                        |    85  mov     r11, [r14+8]                     ; store; uninterruptible
;;|                        |    89  mov     r8d, 0                           ; uninterruptible
;;|                        |    8f  cmp     rax, [r11+0x78]                  ; length of the cage; uninterruptible
;;|                        |    93  cmovb   r8, rax                          ; uninterruptible
;;|                        |    97  mov     r11, [r11+0x70]                  ; base of the cage; uninterruptible
;;|                        |    9b  add     r11, r8                          ; uninterruptible
;;|                        |    9e  add     qword ptr [r11], 0x100           ; uninterruptible
;;|                        |    a5  mov     [rcx], eax                       ; uninterruptible
;;|                        |    a7  mov     r11, [r14+8]                     ; store; uninterruptible
;;|                        |    ab  mov     r8d, 0                           ; uninterruptible
;;|                        |    b1  cmp     rdi, [r11+0x78]                  ; length of the cage; uninterruptible
;;|                        |    b5  cmovb   r8, rdi                          ; uninterruptible
;;|                        |    b9  mov     r11, [r11+0x70]                  ; base of the cage; uninterruptible
;;|                        |    bd  add     r11, r8                          ; uninterruptible
;;|                        |    c0  sub     qword ptr [r11], 0x100           ; uninterruptible
;;|                        |    c7  cmp     qword ptr [r11], 0x100           ; uninterruptible
;;|                        |    ce  jb      0x1aa                            ; uninterruptible
;;| 0x0031 ref.null extern
;;| 0x0033 global.set 0    |>   d4  mov     rax, [r14+0x40]                  ; pointer to global 0
;;|                        |    d8  mov     ecx, [rax]
;;|                        |    da  test    ecx, ecx
;;|                        |    dc  je      0x114
;;|                        |    e2  mov     dword ptr [rax], 0               ; uninterruptible
;;|                        |    e8  mov     r11, [r14+8]                     ; store; uninterruptible
;;|                        |    ec  mov     edi, 0                           ; uninterruptible
;;|                        |    f1  cmp     rcx, [r11+0x78]                  ; length of the cage; uninterruptible
;;|                        |    f5  cmovb   rdi, rcx                         ; uninterruptible
;;|                        |    f9  mov     r11, [r11+0x70]                  ; base of the cage; uninterruptible
;;|                        |    fd  add     r11, rdi                         ; uninterruptible
;;|                        |   100  sub     qword ptr [r11], 0x100           ; uninterruptible
;;|                        |   107  cmp     qword ptr [r11], 0x100           ; uninterruptible
;;|                        |   10e  jb      0x1c2                            ; uninterruptible
;;| 0x0035 local.get 0
;;| 0x0037 i32.const 3
;;| 0x0039 i32.mul         |>  114  imul    eax, esi, 3
;;| 0x003a global.get 0    |   117  mov     r11, [r14+0x40]                  ; pointer to global 0
;;|                        |   11b  mov     ecx, [r11]
;;|                        |   11e  mov     r11, [r14+8]                     ; store
;;|                        |   122  mov     edi, 0
;;|                        |   127  cmp     rcx, [r11+0x78]                  ; length of the cage
;;|                        |   12b  cmovb   rdi, rcx
;;|                        |   12f  mov     r11, [r11+0x70]                  ; base of the cage
;;|                        |   133  add     r11, rdi
;;|                        |   136  test    dword ptr [r11], 1
;;|                        |   13d  je      0x1da
;;| 0x003c ref.is_null     |>  143  test    ecx, ecx
;;|                        |   145  sete    cl
;;|                        |   148  movzx   ecx, cl
;;| 0x003d i32.add         |   14b  add     eax, ecx
;;| 0x003e end             |   14d  mov     r14, [rbp-8]
;;|                        |   151  leave
;;|                        |   152  ret
;;| (0x002d)               |>  153  ud2                                      ; trap: out of bounds table access
;;| (0x002d)               |>  155  push    rcx
;;|                        |   156  push    rdx
;;|                        |   157  mov     rcx, [r14+8]                     ; store
;;|                        |   15b  mov     r11, [rcx+0x58]                  ; activations: next
;;|                        |   15f  cmp     r11, [rcx+0x60]                  ; activations: end
;;|                        |   163  je      0x18c
;;|                        |   165  mov     edx, 0                           ; uninterruptible
;;|                        |   16a  cmp     rax, [rcx+0x78]                  ; length of the cage; uninterruptible
;;|                        |   16e  cmovb   rdx, rax                         ; uninterruptible
;;|                        |   172  add     rdx, [rcx+0x70]                  ; base of the cage; uninterruptible
;;|                        |   176  add     qword ptr [rdx], 0x101           ; uninterruptible
;;|                        |   17d  mov     [r11], eax                       ; uninterruptible
;;|                        |   180  add     qword ptr [rcx+0x58], 4          ; activations: next; uninterruptible
;;|                        |   185  pop     rdx
;;|                        |   186  pop     rcx
;;|                        |   187  jmp     0x5e
;;|                        |>  18c  pop     rdx
;;|                        |   18d  pop     rcx
;;|                        |   18e  mov     esi, eax
;;|                        |   190  mov     rdi, r14
;;|                        |   193  mov     r11, [r14+0x10]                  ; builtins
;;|                        |   197  call    qword ptr [r11+0x98]             ; builtin activations_insert
;;|                        |   19e  mov     eax, esi
;;|                        |   1a0  mov     esi, [rbp-0x10]
;;|                        |   1a3  jmp     0x5e
;;| (0x002f)               |>  1a8  ud2                                      ; trap: out of bounds table access
;;| (0x002f)               |>  1aa  mov     esi, edi                         ; uninterruptible
;;|                        |   1ac  mov     rdi, r14                         ; uninterruptible
;;|                        |   1af  mov     r11, [r14+0x10]                  ; builtins; uninterruptible
;;|                        |   1b3  call    qword ptr [r11+0xa0]             ; builtin release_last; uninterruptible
;;|                        |   1ba  mov     esi, [rbp-0x10]
;;|                        |   1bd  jmp     0xd4
;;| (0x0033)               |>  1c2  mov     esi, ecx                         ; uninterruptible
;;|                        |   1c4  mov     rdi, r14                         ; uninterruptible
;;|                        |   1c7  mov     r11, [r14+0x10]                  ; builtins; uninterruptible
;;|                        |   1cb  call    qword ptr [r11+0xa0]             ; builtin release_last; uninterruptible
;;|                        |   1d2  mov     esi, [rbp-0x10]
;;|                        |   1d5  jmp     0x114
;;| (0x003a)               |>  1da  push    rax
;;|                        |   1db  push    rdx
;;|                        |   1dc  mov     rax, [r14+8]                     ; store
;;|                        |   1e0  mov     r11, [rax+0x58]                  ; activations: next
;;|                        |   1e4  cmp     r11, [rax+0x60]                  ; activations: end
;;|                        |   1e8  je      0x211
;;|                        |   1ea  mov     edx, 0                           ; uninterruptible
;;|                        |   1ef  cmp     rcx, [rax+0x78]                  ; length of the cage; uninterruptible
;;|                        |   1f3  cmovb   rdx, rcx                         ; uninterruptible
;;|                        |   1f7  add     rdx, [rax+0x70]                  ; base of the cage; uninterruptible
;;|                        |   1fb  add     qword ptr [rdx], 0x101           ; uninterruptible
;;|                        |   202  mov     [r11], ecx                       ; uninterruptible
;;|                        |   205  add     qword ptr [rax+0x58], 4          ; activations: next; uninterruptible
;;|                        |   20a  pop     rdx
;;|                        |   20b  pop     rax
;;|                        |   20c  jmp     0x143
;;|                        |>  211  pop     rdx
;;|                        |   212  pop     rax
;;|                        |   213  mov     esi, ecx
;;|                        |   215  mov     rdi, r14
;;|                        |   218  mov     r11, [r14+0x10]                  ; builtins
;;|                        |   21c  call    qword ptr [r11+0x98]             ; builtin activations_insert
;;|                        |   223  mov     ecx, esi
;;|                        |   225  mov     esi, [rbp-0x10]
;;|                        |   228  jmp     0x143
