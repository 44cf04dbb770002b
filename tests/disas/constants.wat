;;! --tier lightbeam
;; Constants are folded where they meet, and are immediates where the instruction has room for one.
(module
  (func (param $x i32) (param $y i64) (result i64)
    (local.set $x (i32.add (local.get $x) (i32.mul (i32.const 6) (i32.const 7))))
    (local.set $y (i64.and (local.get $y) (i64.const -16)))
    (local.set $y (i64.xor (local.get $y) (i64.const 0x123456789abcdef)))
    (i64.shl (i64.add (local.get $y) (i64.extend_i32_u (local.get $x))) (i64.const 3))))
;;| --tier lightbeam
;;| function 0: (i32, i64) -> (i64)
;;| 43 bytes of wasm, 50 bytes of code by lightbeam, bounds=guard
;;| (prologue)                         |     0  push    rbp
;;|                                    |     1  mov     rbp, rsp
;;|                                    |     4  sub     rsp, 0
;;|                                    |     b  mov     r9d, esi
;;|                                    |     e  mov     r8, rdx
;;| 0x001a local.get 0
;;| 0x001c i32.const 6
;;| 0x001e i32.const 7
;;| 0x0020 i32.mul
;;| 0x0021 i32.add                     |    11  add     r9d, 0x2a
;;| 0x0022 local.set 0
;;| 0x0024 local.get 1
;;| 0x0026 i64.const -16
;;| 0x0028 i64.and                     |    15  and     r8, 0xfffffffffffffff0
;;| 0x0029 local.set 1
;;| 0x002b local.get 1
;;| 0x002d i64.const 81985529216486895
;;| 0x0037 i64.xor                     |    19  mov     r11, 0x123456789abcdef
;;|                                    |    23  xor     r8, r11
;;| 0x0038 local.set 1
;;| 0x003a local.get 1
;;| 0x003c local.get 0
;;| 0x003e i64.extend_i32_u            |    26  mov     eax, r9d
;;| 0x003f i64.add                     |    29  add     rax, r8
;;| 0x0040 i64.const 3
;;| 0x0042 i64.shl                     |    2c  shl     rax, 3
;;| 0x0043 end                         |    30  leave
;;|                                    |    31  ret
