;;! --tier lightbeam
;; Only the instruction's own offset, and a constant index, are part of the address.
(module
  (memory 1)
  (func $may-wrap (param $p i32) (result i32)
    (i32.load offset=4 (i32.add (local.get $p) (i32.const 12))))
  (func $cannot (param $p i32) (result i32)
    (i32.load offset=4 (i32.add (i32.and (local.get $p) (i32.const 0xffff)) (i32.const 12))))
  (func $shifted (param $p i32) (result i32)
    (i32.load (i32.add (i32.shr_u (local.get $p) (i32.const 1)) (i32.const 12))))
  (func $constant (result i32)
    (i32.load offset=8 (i32.const 0xfffffff8))))
;;| --tier lightbeam
;;| function 0 $may-wrap: (i32) -> (i32)
;;| 10 bytes of wasm, 39 bytes of code by lightbeam, bounds=guard
;;| (prologue)               |     0  push    rbp
;;|                          |     1  mov     rbp, rsp
;;|                          |     4  push    r14
;;|                          |     6  sub     rsp, 8
;;|                          |     d  mov     r14, rdi
;;|                          |    10  mov     [rbp-0x10], esi
;;|                          |    13  mov     esi, esi
;;| 0x0025 local.get 0
;;| 0x0027 i32.const 12
;;| 0x0029 i32.add           |    15  lea     eax, [rsi+0xc]
;;| 0x002a i32.load offset=4 |    18  mov     r11, [r14+0x30]                  ; base of memory 0
;;|                          |    1c  mov     eax, [r11+rax+4]                 ; trap: out of bounds memory access
;;| 0x002d end               |    21  mov     r14, [rbp-8]
;;|                          |    25  leave
;;|                          |    26  ret
;;|
;;| function 1 $cannot: (i32) -> (i32)
;;| 15 bytes of wasm, 47 bytes of code by lightbeam, bounds=guard
;;| (prologue)               |     0  push    rbp
;;|                          |     1  mov     rbp, rsp
;;|                          |     4  push    r14
;;|                          |     6  sub     rsp, 8
;;|                          |     d  mov     r14, rdi
;;|                          |    10  mov     [rbp-0x10], esi
;;|                          |    13  mov     esi, esi
;;| 0x0030 local.get 0
;;| 0x0032 i32.const 65535
;;| 0x0036 i32.and           |    15  mov     eax, esi
;;|                          |    17  and     eax, 0xffff
;;| 0x0037 i32.const 12
;;| 0x0039 i32.add           |    1d  add     eax, 0xc
;;| 0x003a i32.load offset=4 |    20  mov     r11, [r14+0x30]                  ; base of memory 0
;;|                          |    24  mov     eax, [r11+rax+4]                 ; trap: out of bounds memory access
;;| 0x003d end               |    29  mov     r14, [rbp-8]
;;|                          |    2d  leave
;;|                          |    2e  ret
;;|
;;| function 2 $shifted: (i32) -> (i32)
;;| 13 bytes of wasm, 43 bytes of code by lightbeam, bounds=guard
;;| (prologue)          |     0  push    rbp
;;|                     |     1  mov     rbp, rsp
;;|                     |     4  push    r14
;;|                     |     6  sub     rsp, 8
;;|                     |     d  mov     r14, rdi
;;|                     |    10  mov     [rbp-0x10], esi
;;|                     |    13  mov     esi, esi
;;| 0x0040 local.get 0
;;| 0x0042 i32.const 1
;;| 0x0044 i32.shr_u    |    15  mov     eax, esi
;;|                     |    17  shr     eax, 1
;;| 0x0045 i32.const 12
;;| 0x0047 i32.add      |    1a  add     eax, 0xc
;;| 0x0048 i32.load     |    1d  mov     r11, [r14+0x30]                  ; base of memory 0
;;|                     |    21  mov     eax, [r11+rax]                   ; trap: out of bounds memory access
;;| 0x004b end          |    25  mov     r14, [rbp-8]
;;|                     |    29  leave
;;|                     |    2a  ret
;;|
;;| function 3 $constant: () -> (i32)
;;| 7 bytes of wasm, 36 bytes of code by lightbeam, bounds=guard
;;| (prologue)               |     0  push    rbp
;;|                          |     1  mov     rbp, rsp
;;|                          |     4  push    r14
;;|                          |     6  sub     rsp, 8
;;|                          |     d  mov     r14, rdi
;;| 0x004e i32.const -8
;;| 0x0050 i32.load offset=8 |    10  mov     eax, 0xfffffff8
;;|                          |    15  mov     r11, [r14+0x30]                  ; base of memory 0
;;|                          |    19  mov     eax, [r11+rax+8]                 ; trap: out of bounds memory access
;;| 0x0053 end               |    1e  mov     r14, [rbp-8]
;;|                          |    22  leave
;;|                          |    23  ret
