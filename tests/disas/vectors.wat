;;! --tier lightbeam
;; Without AVX an operation overwrites its first operand, and a constant is an operand in memory behind the code.
(module
  (memory 1)
  (func (param $p i32) (result v128)
    (i32x4.add (v128.load (local.get $p)) (v128.const i32x4 1 2 3 4)))
  (func (param $x f64) (result f64)
    (f64.mul (f64.sqrt (local.get $x)) (f64.const 2.5))))
;;| --tier lightbeam
;;| function 0: (i32) -> (v128)
;;| 29 bytes of wasm, 64 bytes of code by lightbeam, bounds=guard
;;| (prologue)                              |     0  push    rbp
;;|                                         |     1  mov     rbp, rsp
;;|                                         |     4  push    r14
;;|                                         |     6  sub     rsp, 8
;;|                                         |     d  mov     r14, rdi
;;|                                         |    10  mov     [rbp-0x10], esi
;;|                                         |    13  mov     esi, esi
;;| 0x0024 local.get 0
;;| 0x0026 v128.load                        |    15  mov     r11, [r14+0x30]                  ; base of memory 0
;;|                                         |    19  movups  xmm0, [r11+rsi]                  ; trap: out of bounds memory access
;;| 0x002a v128.const i32x4 0x1 0x2 0x3 0x4
;;| 0x003c i32x4.add                        |    1e  paddd   xmm0, [0x30]
;;| 0x003f end                              |    26  mov     r14, [rbp-8]
;;|                                         |    2a  leave
;;|                                         |    2b  ret
;;|                                         |    2c  data: cc cc cc cc
;;|                                         |    30  data: 01 00 00 00 02 00 00 00 03 00 00 00 04 00 00 00
;;|
;;| function 1: (f64) -> (f64)
;;| 15 bytes of wasm, 48 bytes of code by lightbeam, bounds=guard
;;| (prologue)           |     0  push    rbp
;;|                      |     1  mov     rbp, rsp
;;|                      |     4  sub     rsp, 0x10
;;|                      |     b  movsd   [rbp-8], xmm0
;;| 0x0042 local.get 0
;;| 0x0044 f64.sqrt      |    10  movaps  xmm1, xmm0
;;|                      |    13  sqrtsd  xmm1, xmm1
;;| 0x0045 f64.const 2.5
;;| 0x004e f64.mul       |    17  mulsd   xmm1, [0x28]
;;| 0x004f end           |    1f  movaps  xmm0, xmm1
;;| (0x004f)             |    22  leave
;;|                      |    23  ret
;;|                      |    24  data: cc cc cc cc
;;|                      |    28  data: 00 00 00 00 00 00 04 40
