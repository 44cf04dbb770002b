;;! --tier lightbeam
;;! --tier cranelift
;; References are in the frame during a call, where the call's stack map finds them: a local's home and an operand's slot.
(module
  (func $f (import "" "f") (param externref) (result externref))
  (func (param $r externref) (result externref)
    (call $f (local.get $r))
    (drop (call $f (local.get $r)))))
;;| --tier lightbeam
;;| function 1: (externref) -> (externref)
;;| 11 bytes of wasm, 252 bytes of code by lightbeam, bounds=guard
;;| (prologue)         |     0  push    rbp
;;|                    |     1  mov     rbp, rsp
;;|                    |     4  push    r14
;;|                    |     6  sub     rsp, 0x18
;;|                    |     d  mov     r14, rdi
;;|                    |    10  mov     [rbp-0x10], esi
;;|                    |    13  mov     esi, esi
;;| 0x0021 local.get 0
;;| 0x0023 call 0 $f   |    15  mov     rdi, [r14+0x38]                  ; context of import 0
;;|                    |    19  cmp     dword ptr [rdi+4], 0
;;|                    |    1d  je      0x28
;;|                    |    23  jmp     0x80
;;|                    |>   28  call    qword ptr [r14+0x30]             ; 0 $f; references in [rbp-0x10]
;;|                    |>   2c  mov     eax, eax
;;| 0x0025 local.get 0
;;| 0x0027 call 0 $f   |    2e  mov     [rbp-0x18], eax
;;|                    |    31  mov     esi, [rbp-0x10]
;;|                    |    34  mov     rdi, [r14+0x38]                  ; context of import 0
;;|                    |    38  cmp     dword ptr [rdi+4], 0
;;|                    |    3c  je      0x47
;;|                    |    42  jmp     0xc0
;;|                    |>   47  call    qword ptr [r14+0x30]             ; 0 $f; references in [rbp-0x10] [rbp-0x18]
;;|                    |>   4b  mov     eax, eax
;;| 0x0029 drop
;;| 0x002a end         |    4d  mov     eax, [rbp-0x18]
;;| (0x002a)           |    50  mov     r14, [rbp-8]
;;|                    |    54  leave
;;|                    |    55  ret
;;| ()                 |>   56  mov     rdi, r11                         ; uninterruptible
;;|                    |    59  jmp     qword ptr [r11+0x50]             ; uninterruptible
;;|                    |    5d  data: cc cc cc cc cc cc cc cc cc cc cc cc cc cc cc cc
;;|                    |    6d  data: cc cc cc cc cc cc cc cc cc cc cc cc cc cc cc cc
;;|                    |    7d  data: cc cc cc
;;| (0x0023)           |>   80  lea     r11, [0x2c]                      ; uninterruptible
;;|                    |    87  mov     rax, [rdi+8]                     ; uninterruptible
;;|                    |    8b  lea     r10, [rsp-0x10]                  ; uninterruptible
;;|                    |    90  mov     [rsp-8], r11                     ; uninterruptible
;;|                    |    95  mov     [rsp-0x10], rbp                  ; uninterruptible
;;|                    |    9a  mov     [rax+8], r10                     ; uninterruptible
;;|                    |    9e  mov     rsp, [rax]                       ; uninterruptible
;;|                    |    a1  call    qword ptr [rdi+0x10]             ; uninterruptible
;;|                    |    a4  mov     r11, [rsp]                       ; uninterruptible
;;|                    |    a8  test    byte ptr [r11+0x10], 7           ; uninterruptible
;;|                    |    ad  jne     0x56                             ; uninterruptible
;;|                    |    b3  lea     rsp, [rbp-0x20]                  ; uninterruptible
;;|                    |    b7  jmp     0x2c                             ; uninterruptible
;;|                    |    bc  data: cc cc cc cc
;;| (0x0027)           |>   c0  lea     r11, [0x4b]                      ; uninterruptible
;;|                    |    c7  mov     rax, [rdi+8]                     ; uninterruptible
;;|                    |    cb  lea     r10, [rsp-0x10]                  ; uninterruptible
;;|                    |    d0  mov     [rsp-8], r11                     ; uninterruptible
;;|                    |    d5  mov     [rsp-0x10], rbp                  ; uninterruptible
;;|                    |    da  mov     [rax+8], r10                     ; uninterruptible
;;|                    |    de  mov     rsp, [rax]                       ; uninterruptible
;;|                    |    e1  call    qword ptr [rdi+0x10]             ; uninterruptible
;;|                    |    e4  mov     r11, [rsp]                       ; uninterruptible
;;|                    |    e8  test    byte ptr [r11+0x10], 7           ; uninterruptible
;;|                    |    ed  jne     0x56                             ; uninterruptible
;;|                    |    f3  lea     rsp, [rbp-0x20]                  ; uninterruptible
;;|                    |    f7  jmp     0x4b                             ; uninterruptible
;;| --tier cranelift
;;| function 1: (externref) -> (externref)
;;| 11 bytes of wasm, 300 bytes of code by cranelift, bounds=guard
;;| (prologue)         |     0  push    rbp
;;|                    |     1  mov     rbp, rsp
;;|                    |     4  sub     rsp, 0x30
;;|                    |     8  mov     [rsp+0x10], rbx
;;|                    |     d  mov     [rsp+0x18], r12
;;|                    |    12  mov     [rsp+0x20], r13
;;|                    |    17  mov     [rsp+8], esi
;;|                    |    1b  mov     rax, [rdi+0x38]                  ; context of import 0
;;|                    |    1f  mov     ebx, [rax+4]
;;|                    |    22  mov     r12, rax
;;| 0x0021 local.get 0
;;| 0x0023 call 0 $f   |    25  test    ebx, ebx
;;|                    |    27  je      0x6a
;;|                    |    2d  mov     r13, rdi
;;|                    |    30  mov     rdi, r12
;;|                    |    33  jmp     0xb0
;;|                    |>   38  mov     [rsp], eax
;;| 0x0025 local.get 0
;;| 0x0027 call 0 $f   |    3b  test    ebx, ebx
;;|                    |    3d  je      0x7b
;;|                    |    43  mov     esi, [rsp+8]
;;|                    |    47  mov     rdi, r12
;;|                    |    4a  jmp     0xf0
;;|                    |>   4f  mov     eax, [rsp]
;;| 0x0029 drop
;;| 0x002a end         |    52  mov     rbx, [rsp+0x10]
;;|                    |    57  mov     r12, [rsp+0x18]
;;|                    |    5c  mov     r13, [rsp+0x20]
;;|                    |    61  add     rsp, 0x30
;;|                    |    65  nop     [rax]
;;|                    |    68  pop     rbp
;;|                    |    69  ret
;;|                    |>   6a  mov     rax, [rdi+0x30]                  ; import 0
;;|                    |    6e  mov     r13, rdi
;;|                    |    71  mov     rdi, r12
;;| (0x0023)           |    74  call    rax                              ; 0 $f; references in [rbp-0x28]
;;|                    |    76  jmp     0x38
;;|                    |>   7b  mov     esi, [rsp+8]
;;|                    |    7f  mov     rdi, r13
;;|                    |    82  mov     rax, [rdi+0x30]
;;|                    |    86  mov     rdi, r12
;;| (0x0027)           |    89  call    rax                              ; references in [rbp-0x30]
;;|                    |    8b  jmp     0x4f
;;| ()                 |>   90  mov     rdi, r11                         ; uninterruptible
;;|                    |    93  jmp     qword ptr [r11+0x50]             ; uninterruptible
;;|                    |    97  data: cc cc cc cc cc cc cc cc cc cc cc cc cc cc cc cc
;;|                    |    a7  data: cc cc cc cc cc cc cc cc cc
;;| (0x0023)           |>   b0  lea     r11, [0x38]                      ; uninterruptible
;;|                    |    b7  mov     rax, [rdi+8]                     ; uninterruptible
;;|                    |    bb  lea     r10, [rsp-0x10]                  ; uninterruptible
;;|                    |    c0  mov     [rsp-8], r11                     ; uninterruptible
;;|                    |    c5  mov     [rsp-0x10], rbp                  ; uninterruptible
;;|                    |    ca  mov     [rax+8], r10                     ; uninterruptible
;;|                    |    ce  mov     rsp, [rax]                       ; uninterruptible
;;|                    |    d1  call    qword ptr [rdi+0x10]             ; uninterruptible
;;|                    |    d4  mov     r11, [rsp]                       ; uninterruptible
;;|                    |    d8  test    byte ptr [r11+0x10], 7           ; uninterruptible
;;|                    |    dd  jne     0x90                             ; uninterruptible
;;|                    |    e3  lea     rsp, [rbp-0x30]                  ; uninterruptible
;;|                    |    e7  jmp     0x38                             ; uninterruptible
;;|                    |    ec  data: cc cc cc cc
;;| (0x0027)           |>   f0  lea     r11, [0x4f]                      ; uninterruptible
;;|                    |    f7  mov     rax, [rdi+8]                     ; uninterruptible
;;|                    |    fb  lea     r10, [rsp-0x10]                  ; uninterruptible
;;|                    |   100  mov     [rsp-8], r11                     ; uninterruptible
;;|                    |   105  mov     [rsp-0x10], rbp                  ; uninterruptible
;;|                    |   10a  mov     [rax+8], r10                     ; uninterruptible
;;|                    |   10e  mov     rsp, [rax]                       ; uninterruptible
;;|                    |   111  call    qword ptr [rdi+0x10]             ; uninterruptible
;;|                    |   114  mov     r11, [rsp]                       ; uninterruptible
;;|                    |   118  test    byte ptr [r11+0x10], 7           ; uninterruptible
;;|                    |   11d  jne     0x90                             ; uninterruptible
;;|                    |   123  lea     rsp, [rbp-0x30]                  ; uninterruptible
;;|                    |   127  jmp     0x4f                             ; uninterruptible
