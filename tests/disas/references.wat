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
;;| 23 bytes of wasm, 455 bytes of code by lightbeam, bounds=guard
;;| (prologue)             |     0  push    rbp
;;|                        |     1  mov     rbp, rsp
;;|                        |     4  push    r14
;;|                        |     6  sub     rsp, 0x18
;;|                        |     d  mov     r14, rdi
;;|                        |    10  mov     [rbp-0x10], esi
;;|                        |    13  mov     [rbp-0x18], edx
;;| 0x0029 local.get 0
;;| 0x002b local.get 1
;;| 0x002d table.get 0     |    16  mov     eax, [rbp-0x18]
;;|                        |    19  cmp     rax, 0xa
;;|                        |    1d  jae     0x107
;;|                        |    23  mov     ecx, 0
;;|                        |    28  cmovae  rax, rcx
;;|                        |    2c  shl     rax, 2
;;|                        |    30  add     rax, [r14+0x30]                  ; base of table 0
;;|                        |    34  mov     eax, [rax]
;;|                        |    36  mov     r11, [r14+8]                     ; store
;;|                        |    3a  mov     r11, [r11+0x68]                  ; base of the cage
;;|                        |    3e  test    dword ptr [r11+rax], 1
;;|                        |    46  je      0x109
;;| 0x002f table.set 0     |>   4c  mov     ecx, [rbp-0x10]
;;|                        |    4f  cmp     rcx, 0xa
;;|                        |    53  jae     0x14f
;;|                        |    59  mov     edx, 0
;;|                        |    5e  cmovae  rcx, rdx
;;|                        |    62  shl     rcx, 2
;;|                        |    66  add     rcx, [r14+0x30]                  ; base of table 0
;;|                        |    6a  mov     edx, [rcx]
;;|                        |    6c  cmp     edx, eax
;;|                        |    6e  je      0xa4
;;|                        |    74  mov     r11, [r14+8]                     ; store; uninterruptible
;;|                        |    78  mov     r11, [r11+0x68]                  ; base of the cage; uninterruptible
;;|                        |    7c  add     qword ptr [r11+rax], 0x100       ; uninterruptible
;;|                        |    84  mov     [rcx], eax                       ; uninterruptible
;;|                        |    86  mov     r11, [r14+8]                     ; store; uninterruptible
;;|                        |    8a  mov     r11, [r11+0x68]                  ; base of the cage; uninterruptible
;;|                        |    8e  sub     qword ptr [r11+rdx], 0x100       ; uninterruptible
;;|                        |    96  cmp     qword ptr [r11+rdx], 0x100       ; uninterruptible
;;|                        |    9e  jb      0x151                            ; uninterruptible
;;| 0x0031 ref.null extern
;;| 0x0033 global.set 0    |>   a4  mov     rax, [r14+0x40]                  ; pointer to global 0
;;|                        |    a8  mov     ecx, [rax]
;;|                        |    aa  test    ecx, ecx
;;|                        |    ac  je      0xd6
;;|                        |    b2  mov     dword ptr [rax], 0               ; uninterruptible
;;|                        |    b8  mov     r11, [r14+8]                     ; store; uninterruptible
;;|                        |    bc  mov     r11, [r11+0x68]                  ; base of the cage; uninterruptible
;;|                        |    c0  sub     qword ptr [r11+rcx], 0x100       ; uninterruptible
;;|                        |    c8  cmp     qword ptr [r11+rcx], 0x100       ; uninterruptible
;;|                        |    d0  jb      0x166                            ; uninterruptible
;;| 0x0035 local.get 0
;;| 0x0037 i32.const 3
;;| 0x0039 i32.mul         |>   d6  imul    eax, [rbp-0x10], 3
;;| 0x003a global.get 0    |    da  mov     r11, [r14+0x40]                  ; pointer to global 0
;;|                        |    de  mov     ecx, [r11]
;;|                        |    e1  mov     r11, [r14+8]                     ; store
;;|                        |    e5  mov     r11, [r11+0x68]                  ; base of the cage
;;|                        |    e9  test    dword ptr [r11+rcx], 1
;;|                        |    f1  je      0x17b
;;| 0x003c ref.is_null     |>   f7  test    ecx, ecx
;;|                        |    f9  sete    cl
;;|                        |    fc  movzx   ecx, cl
;;| 0x003d i32.add         |    ff  add     eax, ecx
;;| 0x003e end             |   101  mov     r14, [rbp-8]
;;|                        |   105  leave
;;|                        |   106  ret
;;| (0x002d)               |>  107  ud2                                      ; trap: out of bounds table access
;;| (0x002d)               |>  109  push    rcx
;;|                        |   10a  push    rdx
;;|                        |   10b  mov     rcx, [r14+8]                     ; store
;;|                        |   10f  mov     r11, [rcx+0x50]                  ; activations: next
;;|                        |   113  cmp     r11, [rcx+0x58]                  ; activations: end
;;|                        |   117  je      0x136
;;|                        |   119  mov     rdx, rax                         ; uninterruptible
;;|                        |   11c  add     rdx, [rcx+0x68]                  ; base of the cage; uninterruptible
;;|                        |   120  add     qword ptr [rdx], 0x101           ; uninterruptible
;;|                        |   127  mov     [r11], eax                       ; uninterruptible
;;|                        |   12a  add     qword ptr [rcx+0x50], 4          ; activations: next; uninterruptible
;;|                        |   12f  pop     rdx
;;|                        |   130  pop     rcx
;;|                        |   131  jmp     0x4c
;;|                        |>  136  pop     rdx
;;|                        |   137  pop     rcx
;;|                        |   138  mov     esi, eax
;;|                        |   13a  mov     rdi, r14
;;|                        |   13d  mov     r11, [r14+0x10]                  ; builtins
;;|                        |   141  call    qword ptr [r11+0x98]             ; builtin activations_insert
;;|                        |   148  mov     eax, eax
;;|                        |   14a  jmp     0x4c
;;| (0x002f)               |>  14f  ud2                                      ; trap: out of bounds table access
;;| (0x002f)               |>  151  mov     esi, edx                         ; uninterruptible
;;|                        |   153  mov     rdi, r14                         ; uninterruptible
;;|                        |   156  mov     r11, [r14+0x10]                  ; builtins; uninterruptible
;;|                        |   15a  call    qword ptr [r11+0xa0]             ; builtin release_last; uninterruptible
;;|                        |   161  jmp     0xa4
;;| (0x0033)               |>  166  mov     esi, ecx                         ; uninterruptible
;;|                        |   168  mov     rdi, r14                         ; uninterruptible
;;|                        |   16b  mov     r11, [r14+0x10]                  ; builtins; uninterruptible
;;|                        |   16f  call    qword ptr [r11+0xa0]             ; builtin release_last; uninterruptible
;;|                        |   176  jmp     0xd6
;;| (0x003a)               |>  17b  push    rax
;;|                        |   17c  push    rdx
;;|                        |   17d  mov     rax, [r14+8]                     ; store
;;|                        |   181  mov     r11, [rax+0x50]                  ; activations: next
;;|                        |   185  cmp     r11, [rax+0x58]                  ; activations: end
;;|                        |   189  je      0x1a8
;;|                        |   18b  mov     rdx, rcx                         ; uninterruptible
;;|                        |   18e  add     rdx, [rax+0x68]                  ; base of the cage; uninterruptible
;;|                        |   192  add     qword ptr [rdx], 0x101           ; uninterruptible
;;|                        |   199  mov     [r11], ecx                       ; uninterruptible
;;|                        |   19c  add     qword ptr [rax+0x50], 4          ; activations: next; uninterruptible
;;|                        |   1a1  pop     rdx
;;|                        |   1a2  pop     rax
;;|                        |   1a3  jmp     0xf7
;;|                        |>  1a8  pop     rdx
;;|                        |   1a9  pop     rax
;;|                        |   1aa  mov     [rbp-0x20], eax
;;|                        |   1ad  mov     esi, ecx
;;|                        |   1af  mov     rdi, r14
;;|                        |   1b2  mov     r11, [r14+0x10]                  ; builtins
;;|                        |   1b6  call    qword ptr [r11+0x98]             ; builtin activations_insert
;;|                        |   1bd  mov     ecx, eax
;;|                        |   1bf  mov     eax, [rbp-0x20]
;;|                        |   1c2  jmp     0xf7
;;| --tier lightbeam --bounds explicit
;;| function 0: (i32, i32) -> (i32)
;;| 23 bytes of wasm, 548 bytes of code by lightbeam, bounds=explicit
;;| (prologue)             |     0  push    rbp
;;|                        |     1  mov     rbp, rsp
;;|                        |     4  push    r14
;;|                        |     6  sub     rsp, 0x18
;;|                        |     d  mov     r14, rdi
;;|                        |    10  mov     [rbp-0x10], esi
;;|                        |    13  mov     [rbp-0x18], edx
;;| 0x0029 local.get 0
;;| 0x002b local.get 1
;;| 0x002d table.get 0     |    16  mov     eax, [rbp-0x18]
;;|                        |    19  cmp     rax, 0xa
;;|                        |    1d  jae     0x150
;;|                        |    23  mov     ecx, 0
;;|                        |    28  cmovae  rax, rcx
;;|                        |    2c  shl     rax, 2
;;|                        |    30  add     rax, [r14+0x30]                  ; base of table 0
;;|                        |    34  mov     eax, [rax]
;;|                        |    36  mov     r11, [r14+8]                     ; store
;;|                        |    3a  mov     ecx, 0
;;|                        |    3f  cmp     rax, [r11+0x70]                  ; length of the cage
;;|                        |    43  cmovb   rcx, rax
;;|                        |    47  mov     r11, [r11+0x68]                  ; base of the cage
;;|                        |    4b  add     r11, rcx
;;|                        |    4e  test    dword ptr [r11], 1
;;|                        |    55  je      0x152
;;| 0x002f table.set 0     |>   5b  mov     ecx, [rbp-0x10]
;;|                        |    5e  cmp     rcx, 0xa
;;|                        |    62  jae     0x1a2
;;|                        |    68  mov     edx, 0
;;|                        |    6d  cmovae  rcx, rdx
;;|                        |    71  shl     rcx, 2
;;|                        |    75  add     rcx, [r14+0x30]                  ; base of table 0
;;|                        |    79  mov     edx, [rcx]
;;|                        |    7b  cmp     edx, eax
;;|                        |    7d  je      0xd0
;;|                        |    83  mov     r11, [r14+8]                     ; store; uninterruptible
;;|                        |    87  mov     esi, 0                           ; uninterruptible
;;|                        |    8c  cmp     rax, [r11+0x70]                  ; length of the cage; uninterruptible
;;|                        |    90  cmovb   rsi, rax                         ; uninterruptible
;;|                        |    94  mov     r11, [r11+0x68]                  ; base of the cage; uninterruptible
;;|                        |    98  add     r11, rsi                         ; uninterruptible
;;|                        |    9b  add     qword ptr [r11], 0x100           ; uninterruptible
;;|                        |    a2  mov     [rcx], eax                       ; uninterruptible
;;|                        |    a4  mov     r11, [r14+8]                     ; store; uninterruptible
;;|                        |    a8  mov     esi, 0                           ; uninterruptible
;;|                        |    ad  cmp     rdx, [r11+0x70]                  ; length of the cage; uninterruptible
;;|                        |    b1  cmovb   rsi, rdx                         ; uninterruptible
;;|                        |    b5  mov     r11, [r11+0x68]                  ; base of the cage; uninterruptible
;;|                        |    b9  add     r11, rsi                         ; uninterruptible
;;|                        |    bc  sub     qword ptr [r11], 0x100           ; uninterruptible
;;|                        |    c3  cmp     qword ptr [r11], 0x100           ; uninterruptible
;;|                        |    ca  jb      0x1a4                            ; uninterruptible
;;| 0x0031 ref.null extern
;;| 0x0033 global.set 0    |>   d0  mov     rax, [r14+0x40]                  ; pointer to global 0
;;|                        |    d4  mov     ecx, [rax]
;;|                        |    d6  test    ecx, ecx
;;|                        |    d8  je      0x110
;;|                        |    de  mov     dword ptr [rax], 0               ; uninterruptible
;;|                        |    e4  mov     r11, [r14+8]                     ; store; uninterruptible
;;|                        |    e8  mov     edx, 0                           ; uninterruptible
;;|                        |    ed  cmp     rcx, [r11+0x70]                  ; length of the cage; uninterruptible
;;|                        |    f1  cmovb   rdx, rcx                         ; uninterruptible
;;|                        |    f5  mov     r11, [r11+0x68]                  ; base of the cage; uninterruptible
;;|                        |    f9  add     r11, rdx                         ; uninterruptible
;;|                        |    fc  sub     qword ptr [r11], 0x100           ; uninterruptible
;;|                        |   103  cmp     qword ptr [r11], 0x100           ; uninterruptible
;;|                        |   10a  jb      0x1b9                            ; uninterruptible
;;| 0x0035 local.get 0
;;| 0x0037 i32.const 3
;;| 0x0039 i32.mul         |>  110  imul    eax, [rbp-0x10], 3
;;| 0x003a global.get 0    |   114  mov     r11, [r14+0x40]                  ; pointer to global 0
;;|                        |   118  mov     ecx, [r11]
;;|                        |   11b  mov     r11, [r14+8]                     ; store
;;|                        |   11f  mov     edx, 0
;;|                        |   124  cmp     rcx, [r11+0x70]                  ; length of the cage
;;|                        |   128  cmovb   rdx, rcx
;;|                        |   12c  mov     r11, [r11+0x68]                  ; base of the cage
;;|                        |   130  add     r11, rdx
;;|                        |   133  test    dword ptr [r11], 1
;;|                        |   13a  je      0x1ce
;;| 0x003c ref.is_null     |>  140  test    ecx, ecx
;;|                        |   142  sete    cl
;;|                        |   145  movzx   ecx, cl
;;| 0x003d i32.add         |   148  add     eax, ecx
;;| 0x003e end             |   14a  mov     r14, [rbp-8]
;;|                        |   14e  leave
;;|                        |   14f  ret
;;| (0x002d)               |>  150  ud2                                      ; trap: out of bounds table access
;;| (0x002d)               |>  152  push    rcx
;;|                        |   153  push    rdx
;;|                        |   154  mov     rcx, [r14+8]                     ; store
;;|                        |   158  mov     r11, [rcx+0x50]                  ; activations: next
;;|                        |   15c  cmp     r11, [rcx+0x58]                  ; activations: end
;;|                        |   160  je      0x189
;;|                        |   162  mov     edx, 0                           ; uninterruptible
;;|                        |   167  cmp     rax, [rcx+0x70]                  ; length of the cage; uninterruptible
;;|                        |   16b  cmovb   rdx, rax                         ; uninterruptible
;;|                        |   16f  add     rdx, [rcx+0x68]                  ; base of the cage; uninterruptible
;;|                        |   173  add     qword ptr [rdx], 0x101           ; uninterruptible
;;|                        |   17a  mov     [r11], eax                       ; uninterruptible
;;|                        |   17d  add     qword ptr [rcx+0x50], 4          ; activations: next; uninterruptible
;;|                        |   182  pop     rdx
;;|                        |   183  pop     rcx
;;|                        |   184  jmp     0x5b
;;|                        |>  189  pop     rdx
;;|                        |   18a  pop     rcx
;;|                        |   18b  mov     esi, eax
;;|                        |   18d  mov     rdi, r14
;;|                        |   190  mov     r11, [r14+0x10]                  ; builtins
;;|                        |   194  call    qword ptr [r11+0x98]             ; builtin activations_insert
;;|                        |   19b  mov     eax, eax
;;|                        |   19d  jmp     0x5b
;;| (0x002f)               |>  1a2  ud2                                      ; trap: out of bounds table access
;;| (0x002f)               |>  1a4  mov     esi, edx                         ; uninterruptible
;;|                        |   1a6  mov     rdi, r14                         ; uninterruptible
;;|                        |   1a9  mov     r11, [r14+0x10]                  ; builtins; uninterruptible
;;|                        |   1ad  call    qword ptr [r11+0xa0]             ; builtin release_last; uninterruptible
;;|                        |   1b4  jmp     0xd0
;;| (0x0033)               |>  1b9  mov     esi, ecx                         ; uninterruptible
;;|                        |   1bb  mov     rdi, r14                         ; uninterruptible
;;|                        |   1be  mov     r11, [r14+0x10]                  ; builtins; uninterruptible
;;|                        |   1c2  call    qword ptr [r11+0xa0]             ; builtin release_last; uninterruptible
;;|                        |   1c9  jmp     0x110
;;| (0x003a)               |>  1ce  push    rax
;;|                        |   1cf  push    rdx
;;|                        |   1d0  mov     rax, [r14+8]                     ; store
;;|                        |   1d4  mov     r11, [rax+0x50]                  ; activations: next
;;|                        |   1d8  cmp     r11, [rax+0x58]                  ; activations: end
;;|                        |   1dc  je      0x205
;;|                        |   1de  mov     edx, 0                           ; uninterruptible
;;|                        |   1e3  cmp     rcx, [rax+0x70]                  ; length of the cage; uninterruptible
;;|                        |   1e7  cmovb   rdx, rcx                         ; uninterruptible
;;|                        |   1eb  add     rdx, [rax+0x68]                  ; base of the cage; uninterruptible
;;|                        |   1ef  add     qword ptr [rdx], 0x101           ; uninterruptible
;;|                        |   1f6  mov     [r11], ecx                       ; uninterruptible
;;|                        |   1f9  add     qword ptr [rax+0x50], 4          ; activations: next; uninterruptible
;;|                        |   1fe  pop     rdx
;;|                        |   1ff  pop     rax
;;|                        |   200  jmp     0x140
;;|                        |>  205  pop     rdx
;;|                        |   206  pop     rax
;;|                        |   207  mov     [rbp-0x20], eax
;;|                        |   20a  mov     esi, ecx
;;|                        |   20c  mov     rdi, r14
;;|                        |   20f  mov     r11, [r14+0x10]                  ; builtins
;;|                        |   213  call    qword ptr [r11+0x98]             ; builtin activations_insert
;;|                        |   21a  mov     ecx, eax
;;|                        |   21c  mov     eax, [rbp-0x20]
;;|                        |   21f  jmp     0x140
