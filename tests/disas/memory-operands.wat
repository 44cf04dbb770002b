;;! --tier lightbeam
;; Locals and slots that are in the frame are operands where they are. Loads are instructions of their own.
(module
  (memory 1)
  (func $other (result i64) unreachable)
  (func (param $a i64) (param $b i64) (param $x f64) (result i64)
    (drop (f64.add (local.get $x) (f64.load (i32.const 16))))
    (i64.add (i64.mul (local.get $a) (local.get $b)) (call $other))
    (i64.sub (i64.load (i32.const 8)))))
;;| --tier lightbeam
;;| function 0 $other: () -> (i64)
;;| 3 bytes of wasm, 15 bytes of code by lightbeam, bounds=guard
;;| (prologue)         |     0  push    rbp
;;|                    |     1  mov     rbp, rsp
;;|                    |     4  sub     rsp, 0
;;| 0x0025 unreachable |     b  ud2                                      ; trap: unreachable
;;| 0x0026 end         |     d  leave
;;|                    |     e  ret
;;|
;;| function 1: (i64, i64, f64) -> (i64)
;;| 25 bytes of wasm, 83 bytes of code by lightbeam, bounds=guard
;;| (prologue)           |     0  push    rbp
;;|                      |     1  mov     rbp, rsp
;;|                      |     4  push    r14
;;|                      |     6  sub     rsp, 0x28
;;|                      |     d  mov     r14, rdi
;;|                      |    10  mov     [rbp-0x10], rsi
;;|                      |    14  mov     [rbp-0x18], rdx
;;|                      |    18  movsd   [rbp-0x20], xmm0
;;| 0x0029 local.get 2
;;| 0x002b i32.const 16
;;| 0x002d f64.load      |    1d  mov     r11, [r14+0x30]                  ; base of memory 0
;;|                      |    21  movsd   xmm1, [r11+0x10]                 ; trap: out of bounds memory access
;;| 0x0030 f64.add       |    27  addsd   xmm1, xmm0
;;| 0x0031 drop
;;| 0x0032 local.get 0
;;| 0x0034 local.get 1
;;| 0x0036 i64.mul       |    2b  mov     rax, rsi
;;|                      |    2e  imul    rax, rdx
;;| 0x0037 call 0 $other |    32  mov     [rbp-0x28], rax
;;|                      |    36  mov     rdi, r14
;;|                      |    39  call    0x3e                             ; 0 $other
;;| 0x0039 i64.add       |    3e  add     rax, [rbp-0x28]
;;| 0x003a i32.const 8
;;| 0x003c i64.load      |    42  mov     r11, [r14+0x30]                  ; base of memory 0
;;|                      |    46  mov     rcx, [r11+8]                     ; trap: out of bounds memory access
;;| 0x003f i64.sub       |    4a  sub     rax, rcx
;;| 0x0040 end           |    4d  mov     r14, [rbp-8]
;;|                      |    51  leave
;;|                      |    52  ret
