;;! --tier lightbeam --count-fuel
;;! --tier cranelift --count-fuel
;; The count is in r15, which no function saves. A stretch is paid for at its beginning: the function's and the loop's, behind
;; the conditional branch, and where the `if` ends; what is copied, besides. The memory's base has another register.
(module
  (memory 1)
  (func (param $p i32) (param $end i32) (result i32) (local $sum i32)
    (memory.copy (local.get $p) (i32.const 0) (local.get $end))
    (loop $again
      (if (i32.load (local.get $p)) (then (local.set $sum (i32.add (local.get $sum) (i32.const 1)))))
      (local.set $p (i32.add (local.get $p) (i32.const 4)))
      (br_if $again (i32.lt_u (local.get $p) (local.get $end))))
    (local.get $sum)))
;;| --tier lightbeam --count-fuel
;;| function 0: (i32, i32) -> (i32)
;;| 48 bytes of wasm, 190 bytes of code by lightbeam, bounds=guard
;;| (prologue)             |     0  push    rbp
;;|                        |     1  mov     rbp, rsp
;;|                        |     4  push    r14
;;|                        |     6  push    r13
;;|                        |     8  push    rbx
;;|                        |     9  push    r12
;;|                        |     b  sub     rsp, 0x10
;;|                        |    12  mov     r14, rdi
;;|                        |    15  mov     r13, [rdi+0x30]                  ; base of memory 0
;;|                        |    19  mov     [rbp-0x28], edx
;;|                        |    1c  mov     ebx, esi
;;|                        |    1e  xor     r12d, r12d
;;|                        |    21  mov     edx, edx
;;| 0x0021 local.get 0     |    23  add     r15, 5
;;|                        |    27  jb      0xb2
;;| 0x0023 i32.const 0
;;| 0x0025 local.get 1
;;| 0x0027 memory.copy     |    2d  mov     r11d, edx
;;|                        |    30  shr     r11, 6
;;|                        |    34  add     r15, r11
;;|                        |    37  jb      0xb4
;;|                        |    3d  mov     rdi, r14
;;|                        |    40  mov     r9, rdx
;;|                        |    43  mov     rcx, rbx
;;|                        |    46  mov     r8d, 0
;;|                        |    4c  lea     rsi, [r14+0x30]                  ; base of memory 0
;;|                        |    50  lea     rdx, [r14+0x30]                  ; base of memory 0
;;|                        |    54  mov     r11, [r14+0x10]                  ; builtins
;;|                        |    58  call    qword ptr [r11+0x10]             ; builtin memory_copy
;;| 0x002b loop
;;| 0x002d   local.get 0   |>   5c  add     r15, 3
;;|                        |    60  jb      0xb6
;;| 0x002f   i32.load      |    66  mov     eax, [r13+rbx]                   ; trap: out of bounds memory access
;;| 0x0032   if            |    6b  test    eax, eax
;;|                        |    6d  je      0x81
;;| 0x0034     local.get 2 |    73  add     r15, 4
;;|                        |    77  jb      0xb8
;;| 0x0036     i32.const 1
;;| 0x0038     i32.add     |    7d  add     r12d, 1
;;| 0x0039     local.set 2
;;| 0x003b   end
;;| 0x003c   local.get 0   |>   81  add     r15, 8
;;|                        |    85  jb      0xba
;;| 0x003e   i32.const 4
;;| 0x0040   i32.add       |    8b  add     ebx, 4
;;| 0x0041   local.set 0
;;| 0x0043   local.get 0
;;| 0x0045   local.get 1
;;| 0x0047   i32.lt_u      |    8e  cmp     ebx, [rbp-0x28]
;;| 0x0048   br_if 0       |    91  jb      0x5c
;;| 0x004a end             |    93  add     r15, 1
;;|                        |    97  jb      0xbc
;;| 0x004b local.get 2
;;| 0x004d end             |    9d  mov     eax, r12d
;;| (0x004d)               |    a0  mov     r14, [rbp-8]
;;|                        |    a4  mov     r13, [rbp-0x10]
;;|                        |    a8  mov     rbx, [rbp-0x18]
;;|                        |    ac  mov     r12, [rbp-0x20]
;;|                        |    b0  leave
;;|                        |    b1  ret
;;| (0x0021)               |>   b2  ud2                                      ; trap: fuel exhausted
;;| (0x0027)               |>   b4  ud2                                      ; trap: fuel exhausted
;;| (0x002d)               |>   b6  ud2                                      ; trap: fuel exhausted
;;| (0x0034)               |>   b8  ud2                                      ; trap: fuel exhausted
;;| (0x003c)               |>   ba  ud2                                      ; trap: fuel exhausted
;;| (0x004a)               |>   bc  ud2                                      ; trap: fuel exhausted
;;| --tier cranelift --count-fuel
;;| function 0: (i32, i32) -> (i32)
;;| 48 bytes of wasm, 249 bytes of code by cranelift, bounds=guard
;;| (prologue)             |     0  push    rbp
;;|                        |     1  mov     rbp, rsp
;;|                        |     4  sub     rsp, 0x20
;;|                        |     8  mov     [rsp], rbx
;;|                        |     c  mov     [rsp+8], r12
;;|                        |    11  mov     [rsp+0x10], r13
;;| 0x0021 local.get 0     |    16  mov     rax, r15
;;|                        |    19  add     rax, 5
;;|                        |    1d  jb      0xed
;;|                        |    23  mov     r15, rax
;;| 0x0023 i32.const 0
;;| 0x0025 local.get 1
;;| 0x0027 memory.copy     |    26  mov     rax, r15
;;|                        |    29  mov     r9d, edx
;;|                        |    2c  mov     r13, rdx
;;|                        |    2f  mov     rcx, r9
;;|                        |    32  shr     rcx, 6
;;|                        |    36  add     rax, rcx
;;|                        |    39  jb      0xef
;;|                        |    3f  mov     r15, rax
;;|                        |    42  mov     rax, [rdi+0x10]                  ; builtins
;;|                        |    46  mov     rax, [rax+0x10]                  ; builtin memory_copy
;;|                        |    4a  lea     rdx, [rdi+0x30]                  ; base of memory 0
;;|                        |    4e  mov     rbx, rdi
;;|                        |    51  mov     ecx, esi
;;|                        |    53  mov     r12, rsi
;;|                        |    56  xor     r8, r8
;;|                        |    59  mov     rsi, rdx
;;|                        |    5c  call    rax                              ; builtin memory_copy
;;|                        |    5e  xor     eax, eax
;;|                        |    60  mov     rcx, [rbx+0x30]                  ; base of memory 0
;;| 0x002b loop
;;| 0x002d   local.get 0   |>   64  mov     rdx, r15
;;|                        |    67  add     rdx, 3
;;|                        |    6b  jb      0xf1
;;|                        |    71  mov     r15, rdx
;;|                        |    74  mov     rsi, r12
;;| 0x002f   i32.load      |    77  mov     edx, esi
;;|                        |    79  mov     edx, [rcx+rdx]                   ; trap: out of bounds memory access
;;| 0x0032   if            |    7c  test    edx, edx
;;|                        |    7e  je      0x9a
;;| 0x0034     local.get 2 |    84  mov     rdx, r15
;;|                        |    87  add     rdx, 4
;;|                        |    8b  jb      0xf3
;;|                        |    91  mov     r15, rdx
;;|                        |    94  add     eax, 1
;;| 0x0036     i32.const 1
;;| 0x0038     i32.add
;;| 0x0039     local.set 2
;;| 0x003b   end
;;| 0x003c   local.get 0   |>   9a  mov     rdx, r15
;;|                        |    9d  add     rdx, 8
;;|                        |    a1  jb      0xf5
;;|                        |    a7  mov     r15, rdx
;;|                        |    aa  add     esi, 4
;;|                        |    b0  mov     rdx, r13
;;| 0x003e   i32.const 4
;;| 0x0040   i32.add
;;| 0x0041   local.set 0
;;| 0x0043   local.get 0
;;| 0x0045   local.get 1
;;| 0x0047   i32.lt_u
;;| 0x0048   br_if 0       |    b3  cmp     esi, edx
;;|                        |    b5  jae     0xc6
;;|                        |    bb  mov     r12, rsi
;;|                        |    be  mov     r13, rdx
;;|                        |    c1  jmp     0x64
;;| 0x004a end             |>   c6  mov     rcx, r15
;;|                        |    c9  add     rcx, 1
;;|                        |    cd  jb      0xf7
;;|                        |    d3  mov     r15, rcx
;;| 0x004b local.get 2
;;| 0x004d end             |    d6  mov     rbx, [rsp]
;;|                        |    da  mov     r12, [rsp+8]
;;|                        |    df  mov     r13, [rsp+0x10]
;;|                        |    e4  add     rsp, 0x20
;;|                        |    e8  nop     [rax]
;;|                        |    eb  pop     rbp
;;|                        |    ec  ret
;;| (0x0021)               |>   ed  ud2                                      ; trap: fuel exhausted
;;| (0x0027)               |>   ef  ud2                                      ; trap: fuel exhausted
;;| (0x002d)               |>   f1  ud2                                      ; trap: fuel exhausted
;;| (0x0034)               |>   f3  ud2                                      ; trap: fuel exhausted
;;| (0x003c)               |>   f5  ud2                                      ; trap: fuel exhausted
;;| (0x004a)               |>   f7  ud2                                      ; trap: fuel exhausted
