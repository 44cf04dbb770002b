;;! --tier lightbeam
;; The same for select: cmp and cmov.
(module
  (func (param $a i32) (param $b i32) (result i32)
    (select (local.get $a) (local.get $b) (i32.lt_u (local.get $a) (local.get $b))))
  (func (param $a i64) (param $x f64) (param $y f64) (result f64)
    (select (local.get $x) (local.get $y) (i64.eqz (local.get $a)))))
;;| --tier lightbeam
;;| function 0: (i32, i32) -> (i32)
;;| 12 bytes of wasm, 29 bytes of code by lightbeam, bounds=guard
;;| (prologue)         |     0  push    rbp
;;|                    |     1  mov     rbp, rsp
;;|                    |     4  sub     rsp, 0
;;|                    |     b  mov     r8d, esi
;;|                    |     e  mov     r9d, edx
;;| 0x0022 local.get 0
;;| 0x0024 local.get 1
;;| 0x0026 local.get 0
;;| 0x0028 local.get 1
;;| 0x002a i32.lt_u    |    11  cmp     r8d, r9d
;;| 0x002b select      |    14  mov     eax, r9d
;;|                    |    17  cmovb   eax, r8d
;;| 0x002c end         |    1b  leave
;;|                    |    1c  ret
;;|
;;| function 1: (i64, f64, f64) -> (f64)
;;| 10 bytes of wasm, 45 bytes of code by lightbeam, bounds=guard
;;| (prologue)         |     0  push    rbp
;;|                    |     1  mov     rbp, rsp
;;|                    |     4  sub     rsp, 0x20
;;|                    |     b  mov     [rbp-8], rsi
;;|                    |     f  movsd   [rbp-0x10], xmm0
;;|                    |    14  movsd   [rbp-0x18], xmm1
;;| 0x002f local.get 1
;;| 0x0031 local.get 2
;;| 0x0033 local.get 0
;;| 0x0035 i64.eqz     |    19  test    rsi, rsi
;;| 0x0036 select      |    1c  movaps  xmm2, xmm1
;;|                    |    1f  jne     0x28
;;|                    |    25  movaps  xmm2, xmm0
;;| 0x0037 end         |>   28  movaps  xmm0, xmm2
;;| (0x0037)           |    2b  leave
;;|                    |    2c  ret
