;;! --tier cranelift
(module
  (table 64 externref)
  (table $short 63 externref)
  (func (param $i i32) (result externref) (table.get (i32.and (local.get $i) (i32.const 63))))
  (func (param $i i32) (result externref) (table.get $short (i32.and (local.get $i) (i32.const 63)))))
;;| --tier cranelift
;;| function 0: (i32) -> (externref)
;;| 9 bytes of wasm, 110 bytes of code by cranelift, bounds=guard
;;| (prologue)          |     0  push    rbp
;;|                     |     1  mov     rbp, rsp
;;|                     |     4  mov     rax, [rdi+0x30]                  ; base of table 0
;;| 0x0023 local.get 0
;;| 0x0025 i32.const 63
;;| 0x0027 i32.and      |     8  and     esi, 0x3f
;;| 0x0028 table.get 0  |     b  mov     eax, [rax+rsi*4]                 ; trap: out of bounds table access
;;|                     |     e  mov     rcx, [rdi+8]                     ; store
;;|                     |    12  mov     rcx, [rcx+0x78]                  ; base of the cage
;;|                     |    16  movzx   rdx, byte ptr [rcx+rax]
;;|                     |    1b  cmp     dl, 1
;;|                     |    1f  jne     0x2a
;;| 0x002a end          |>   25  nop     [rax]
;;|                     |    28  pop     rbp
;;|                     |    29  ret
;;| (0x0028)            |>   2a  mov     rdx, [rdi+8]                     ; store
;;|                     |    2e  mov     rsi, [rdx+0x60]                  ; activations: next
;;|                     |    32  mov     r8, [rdx+0x68]                   ; activations: end
;;|                     |    36  cmp     rsi, r8
;;|                     |    39  je      0x56
;;|                     |    3f  add     qword ptr [rcx+rax], 0x101       ; uninterruptible
;;|                     |    47  mov     [rsi], eax                       ; uninterruptible
;;|                     |    49  lea     rcx, [rsi+4]                     ; uninterruptible
;;|                     |    4d  mov     [rdx+0x60], rcx                  ; activations: next; uninterruptible
;;|                     |    51  jmp     0x25
;;|                     |>   56  mov     [rdx+0x14], eax
;;|                     |    59  mov     esi, [rdx+0x14]
;;|                     |    5c  mov     rcx, [rdi+0x10]                  ; builtins
;;|                     |    60  mov     rcx, [rcx+0x90]                  ; builtin activations_insert
;;|                     |    67  call    rcx                              ; builtin activations_insert
;;|                     |    69  jmp     0x25
;;|
;;| function 1: (i32) -> (externref)
;;| 9 bytes of wasm, 124 bytes of code by cranelift, bounds=guard
;;| (prologue)          |     0  push    rbp
;;|                     |     1  mov     rbp, rsp
;;| 0x002d local.get 0
;;| 0x002f i32.const 63
;;| 0x0031 i32.and      |     4  and     esi, 0x3f
;;| 0x0032 table.get 1  |     7  xor     rax, rax
;;|                     |     a  mov     rcx, [rdi+0x40]                  ; base of table 1
;;|                     |     e  lea     rcx, [rcx+rsi*4]
;;|                     |    12  cmp     rsi, 0x3f
;;|                     |    16  cmovae  rcx, rax
;;|                     |    1a  mov     eax, [rcx]                       ; trap: out of bounds table access
;;|                     |    1c  mov     rcx, [rdi+8]                     ; store
;;|                     |    20  mov     rcx, [rcx+0x78]                  ; base of the cage
;;|                     |    24  movzx   rdx, byte ptr [rcx+rax]
;;|                     |    29  cmp     dl, 1
;;|                     |    2d  jne     0x38
;;| 0x0034 end          |>   33  nop     [rax]
;;|                     |    36  pop     rbp
;;|                     |    37  ret
;;| (0x0032)            |>   38  mov     rdx, [rdi+8]                     ; store
;;|                     |    3c  mov     rsi, [rdx+0x60]                  ; activations: next
;;|                     |    40  mov     r8, [rdx+0x68]                   ; activations: end
;;|                     |    44  cmp     rsi, r8
;;|                     |    47  je      0x64
;;|                     |    4d  add     qword ptr [rcx+rax], 0x101       ; uninterruptible
;;|                     |    55  mov     [rsi], eax                       ; uninterruptible
;;|                     |    57  lea     rcx, [rsi+4]                     ; uninterruptible
;;|                     |    5b  mov     [rdx+0x60], rcx                  ; activations: next; uninterruptible
;;|                     |    5f  jmp     0x33
;;|                     |>   64  mov     [rdx+0x14], eax
;;|                     |    67  mov     esi, [rdx+0x14]
;;|                     |    6a  mov     rcx, [rdi+0x10]                  ; builtins
;;|                     |    6e  mov     rcx, [rcx+0x90]                  ; builtin activations_insert
;;|                     |    75  call    rcx                              ; builtin activations_insert
;;|                     |    77  jmp     0x33
