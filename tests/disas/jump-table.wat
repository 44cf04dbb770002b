;;! --tier lightbeam
;;! --tier cranelift
;; A jump table holds distances from its start, and is told from code.
(module
  (func (param $i i32) (result i32)
    (block $default
      (block $b
        (block $a
          (br_table $a $b $a $default (local.get $i)))
        (return (i32.const 10)))
      (return (i32.const 20)))
    (i32.const 30)))
;;| --tier lightbeam
;;| function 0: (i32) -> (i32)
;;| 27 bytes of wasm, 92 bytes of code by lightbeam, bounds=guard
;;| (prologue)                    |     0  push    rbp
;;|                               |     1  mov     rbp, rsp
;;|                               |     4  sub     rsp, 0x10
;;|                               |     b  mov     [rbp-8], esi
;;|                               |     e  mov     esi, esi
;;| 0x0019 block
;;| 0x001b   block
;;| 0x001d     block
;;| 0x001f       local.get 0
;;| 0x0021       br_table 0 1 0 2 |    10  mov     eax, esi
;;|                               |    12  cmp     eax, 3
;;|                               |    15  jae     0x49
;;|                               |    1b  mov     r11d, 0
;;|                               |    21  cmovae  eax, r11d
;;|                               |    25  lea     r11, [0x50]
;;|                               |    2c  movsxd  rax, [r11+rax*4]
;;|                               |    30  add     rax, r11
;;|                               |    33  jmp     rax
;;| 0x0027     end
;;| 0x0028     i32.const 10
;;| 0x002a     return             |>   35  mov     eax, 0xa
;;|                               |    3a  jmp     0x4e
;;| 0x002b   end
;;| 0x002c   i32.const 20
;;| 0x002e   return               |>   3f  mov     eax, 0x14
;;|                               |    44  jmp     0x4e
;;| 0x002f end
;;| 0x0030 i32.const 30
;;| 0x0032 end                    |>   49  mov     eax, 0x1e
;;| (0x0032)                      |>   4e  leave
;;|                               |    4f  ret
;;|                               |    50  jump table: 0x35 0x3f 0x35
;;| --tier cranelift
;;| function 0: (i32) -> (i32)
;;| 27 bytes of wasm, 86 bytes of code by cranelift, bounds=guard
;;| (prologue)                    |     0  push    rbp
;;|                               |     1  mov     rbp, rsp
;;| 0x0019 block
;;| 0x001b   block
;;| 0x001d     block
;;| 0x001f       local.get 0
;;| 0x0021       br_table 0 1 0 2 |     4  mov     edi, 3
;;|                               |     9  mov     r8d, esi
;;|                               |     c  cmp     r8d, edi
;;|                               |     f  cmovb   edi, r8d
;;|                               |    13  lea     rcx, [0x23]
;;|                               |    1a  movsxd  rax, [rcx+rdi*4]
;;|                               |    1e  add     rcx, rax
;;|                               |    21  jmp     rcx
;;|                               |    23  jump table: 0x42 0x38 0x42 0x4c
;;|                               |    33  jmp     0x42
;;| 0x0027     end
;;| 0x0028     i32.const 10
;;| 0x002a     return
;;| 0x002b   end
;;| 0x002c   i32.const 20         |>   38  mov     eax, 0x14
;;| 0x002e   return               |    3d  nop     [rax]
;;|                               |    40  pop     rbp
;;|                               |    41  ret
;;| (0x0028)                      |>   42  mov     eax, 0xa
;;| (0x002a)                      |    47  nop     [rax]
;;|                               |    4a  pop     rbp
;;|                               |    4b  ret
;;| 0x002f end
;;| 0x0030 i32.const 30           |>   4c  mov     eax, 0x1e
;;| 0x0032 end                    |    51  nop     [rax]
;;|                               |    54  pop     rbp
;;|                               |    55  ret
