;;! --tier lightbeam
;; The memory's base has a register where there are enough accesses to pay for it, and is loaded for each where not.
(module
  (memory 1)
  (func $once (param $p i32) (result i32) (i32.load (local.get $p)))
  (func $often (param $p i32) (result i32)
    (i32.store offset=8 (local.get $p) (i32.load (local.get $p)))
    (i32.store offset=12 (local.get $p) (i32.load offset=4 (local.get $p)))
    (i32.load offset=16 (local.get $p))))
;;| --tier lightbeam
;;| function 0 $once: (i32) -> (i32)
;;| 7 bytes of wasm, 35 bytes of code by lightbeam, bounds=guard
;;| (prologue)         |     0  push    rbp
;;|                    |     1  mov     rbp, rsp
;;|                    |     4  push    r14
;;|                    |     6  sub     rsp, 8
;;|                    |     d  mov     r14, rdi
;;|                    |    10  mov     [rbp-0x10], esi
;;|                    |    13  mov     esi, esi
;;| 0x001f local.get 0
;;| 0x0021 i32.load    |    15  mov     r11, [r14+0x30]                  ; base of memory 0
;;|                    |    19  mov     eax, [r11+rsi]                   ; trap: out of bounds memory access
;;| 0x0024 end         |    1d  mov     r14, [rbp-8]
;;|                    |    21  leave
;;|                    |    22  ret
;;|
;;| function 1 $often: (i32) -> (i32)
;;| 27 bytes of wasm, 50 bytes of code by lightbeam, bounds=guard
;;| (prologue)                 |     0  push    rbp
;;|                            |     1  mov     rbp, rsp
;;|                            |     4  push    r15
;;|                            |     6  sub     rsp, 8
;;|                            |     d  mov     r15, [rdi+0x30]                  ; base of memory 0
;;|                            |    11  mov     r8d, esi
;;| 0x0027 local.get 0
;;| 0x0029 local.get 0
;;| 0x002b i32.load            |    14  mov     eax, [r15+r8]                    ; trap: out of bounds memory access
;;| 0x002e i32.store offset=8  |    18  mov     [r15+r8+8], eax                  ; trap: out of bounds memory access
;;| 0x0031 local.get 0
;;| 0x0033 local.get 0
;;| 0x0035 i32.load offset=4   |    1d  mov     eax, [r15+r8+4]                  ; trap: out of bounds memory access
;;| 0x0038 i32.store offset=12 |    22  mov     [r15+r8+0xc], eax                ; trap: out of bounds memory access
;;| 0x003b local.get 0
;;| 0x003d i32.load offset=16  |    27  mov     eax, [r15+r8+0x10]               ; trap: out of bounds memory access
;;| 0x0040 end                 |    2c  mov     r15, [rbp-8]
;;|                            |    30  leave
;;|                            |    31  ret
