;;! --tier lightbeam
;; The same for select: cmp and cmov.
(module
  (func (param $a i32) (param $b i32) (result i32)
    (select (local.get $a) (local.get $b) (i32.lt_u (local.get $a) (local.get $b))))
  (func (param $a i64) (param $x f64) (param $y f64) (result f64)
    (select (local.get $x) (local.get $y) (i64.eqz (local.get $a)))))
;;| --tier lightbeam
;;| function 0: (i32, i32) -> (i32)
;;| 12 bytes of wasm, 35 bytes of code by lightbeam, bounds=guard
;;| (prologue)         |     0  push    rbp
;;|                    |     1  mov     rbp, rsp
;;|                    |     4  sub     rsp, 0
;;|                    |     b  mov     r8, rsi
;;|                    |     e  mov     r9, rdx
;;|                    |    11  mov     r8d, r8d
;;|                    |    14  mov     r9d, r9d
;;| 0x0022 local.get 0
;;| 0x0024 local.get 1
;;| 0x0026 local.get 0
;;| 0x0028 local.get 1
;;| 0x002a i32.lt_u    |    17  cmp     r8d, r9d
;;| 0x002b select      |    1a  mov     eax, r9d
;;|                    |    1d  cmovb   eax, r8d
;;| 0x002c end         |    21  leave
;;|                    |    22  ret
;;|
;;| function 1: (i64, f64, f64) -> (f64)
;;| 10 bytes of wasm, 48 bytes of code by lightbeam, bounds=guard
;;| (prologue)         |     0  push    rbp
;;|                    |     1  mov     rbp, rsp
;;|                    |     4  sub     rsp, 0x20
;;|                    |     b  mov     [rbp-8], rsi
;;|                    |     f  movsd   [rbp-0x10], xmm0
;;|                    |    14  movsd   [rbp-0x18], xmm1
;;| 0x002f local.get 1
;;| 0x0031 local.get 2
;;| 0x0033 local.get 0
;;| 0x0035 i64.eqz     |    19  cmp     qword ptr [rbp-8], 0
;;| 0x0036 select      |    1e  movsd   xmm0, [rbp-0x18]
;;|                    |    23  jne     0x2e
;;|                    |    29  movsd   xmm0, [rbp-0x10]
;;| 0x0037 end         |>   2e  leave
;;|                    |    2f  ret
