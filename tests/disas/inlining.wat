;;! --tier cranelift --calls slots
;; Small functions stand in place of their calls, within each other; a load stays in the function that it is in.
(module
  (memory 1)
  (func $load (param $at i32) (result i32) (i32.load offset=8 (local.get $at)))
  (func $larger (param $a i32) (param $b i32) (result i32)
    (if (i32.gt_s (call $load (local.get $a)) (local.get $b)) (then (return (local.get $a))))
    (local.get $b))
  (func (param $x i32) (result i32)
    (i32.add (local.get $x) (call $larger (local.get $x) (call $load (i32.const 100))))))
;;| --tier cranelift --calls slots
;;| function 0 $load: (i32) -> (i32)
;;| 7 bytes of wasm, 25 bytes of code by cranelift, bounds=guard
;;| (prologue)               |     0  push    rbp
;;|                          |     1  mov     rbp, rsp
;;|                          |     4  mov     r8, rsi
;;|                          |     7  mov     rsi, [rdi+0x30]                  ; base of memory 0
;;|                          |     b  mov     rdi, r8
;;| 0x0026 local.get 0
;;| 0x0028 i32.load offset=8 |     e  mov     edi, edi
;;|                          |    10  mov     eax, [rsi+rdi+8]                 ; trap: out of bounds memory access
;;| 0x002b end               |    14  nop     [rax]
;;|                          |    17  pop     rbp
;;|                          |    18  ret
;;|
;;| function 1 $larger: (i32, i32) -> (i32)
;;| 17 bytes of wasm, 40 bytes of code by cranelift, bounds=guard
;;| (prologue)           |     0  push    rbp
;;|                      |     1  mov     rbp, rsp
;;|                      |     4  mov     rdi, [rdi+0x30]                  ; base of memory 0
;;| 0x0028 i32.load offset=8 (in 0 $load)
;;|                      |     8  mov     r8d, esi
;;|                      |     b  mov     rax, rsi
;;|                      |     e  mov     edi, [rdi+r8+8]                  ; trap: out of bounds memory access
;;| 0x002e local.get 0
;;| 0x0030 call 0 $load
;;| 0x0032 local.get 1
;;| 0x0034 i32.gt_s
;;| 0x0035 if            |    13  cmp     edi, edx
;;|                      |    15  jg      0x23
;;|                      |    1b  mov     rax, rdx
;;| 0x0037   local.get 0
;;| 0x0039   return
;;| 0x003a end
;;| 0x003b local.get 1
;;| 0x003d end           |    1e  nop     [rax]
;;|                      |    21  pop     rbp
;;|                      |    22  ret
;;| (0x0039)             |>   23  nop     [rax]
;;|                      |    26  pop     rbp
;;|                      |    27  ret
;;|
;;| function 2: (i32) -> (i32)
;;| 14 bytes of wasm, 38 bytes of code by cranelift, bounds=guard
;;| (prologue)            |     0  push    rbp
;;|                       |     1  mov     rbp, rsp
;;|                       |     4  mov     r9, [rdi+0x30]                   ; base of memory 0
;;| 0x0028 i32.load offset=8 (in 0 $load)
;;|                       |     8  mov     edi, [r9+0x6c]                   ; trap: out of bounds memory access
;;| 0x0028 i32.load offset=8 (in 0 $load)
;;|                       |     c  mov     eax, esi
;;|                       |     e  mov     eax, [r9+rax+8]                  ; trap: out of bounds memory access
;;| 0x0035 if (in 1 $larger)
;;|                       |    13  cmp     eax, edi
;;|                       |    15  jle     0x1e
;;|                       |    1b  mov     rdi, rsi
;;| 0x0040 local.get 0
;;| 0x0042 local.get 0
;;| 0x0044 i32.const 100
;;| 0x0047 call 0 $load
;;| 0x0049 call 1 $larger
;;| 0x004b i32.add        |>   1e  lea     eax, [rsi+rdi]
;;| 0x004c end            |    21  nop     [rax]
;;|                       |    24  pop     rbp
;;|                       |    25  ret
