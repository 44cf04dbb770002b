;;! --tier lightbeam
;; Traps are behind the function, so that a check is a jump that is not taken.
(module
  (table 10 funcref)
  (type $t (func (result i32)))
  (func $divide (param $a i32) (param $b i32) (result i32) (i32.div_s (local.get $a) (local.get $b)))
  (func $convert (param $x f64) (result i32) (i32.trunc_f64_s (local.get $x)))
  (func $indirect (param $i i32) (result i32) (call_indirect (type $t) (local.get $i)))
  (func $unreachable unreachable))
;;| --tier lightbeam
;;| function 0 $divide: (i32, i32) -> (i32)
;;| 7 bytes of wasm, 41 bytes of code by lightbeam, bounds=guard
;;| (prologue)         |     0  push    rbp
;;|                    |     1  mov     rbp, rsp
;;|                    |     4  sub     rsp, 0x10
;;|                    |     b  mov     [rbp-8], esi
;;|                    |     e  mov     [rbp-0x10], edx
;;| 0x0034 local.get 0
;;| 0x0036 local.get 1
;;| 0x0038 i32.div_s   |    11  mov     r11d, [rbp-0x10]
;;|                    |    15  mov     eax, [rbp-8]
;;|                    |    18  test    r11d, r11d
;;|                    |    1b  je      0x27
;;|                    |    21  cdq
;;|                    |    22  idiv    r11d                             ; trap: integer overflow
;;| 0x0039 end         |    25  leave
;;|                    |    26  ret
;;| (0x0038)           |>   27  ud2                                      ; trap: integer divide by zero
;;|
;;| function 1 $convert: (f64) -> (i32)
;;| 5 bytes of wasm, 52 bytes of code by lightbeam, bounds=guard
;;| (prologue)             |     0  push    rbp
;;|                        |     1  mov     rbp, rsp
;;|                        |     4  sub     rsp, 0x10
;;|                        |     b  movsd   [rbp-8], xmm0
;;| 0x003c local.get 0
;;| 0x003e i32.trunc_f64_s |    10  movsd   xmm0, [rbp-8]
;;|                        |    15  cvttsd2si rax, xmm0
;;|                        |    1a  movsxd  r11, eax
;;|                        |    1d  cmp     r11, rax
;;|                        |    20  jne     0x2a
;;|                        |    26  mov     eax, eax
;;| 0x003f end             |    28  leave
;;|                        |    29  ret
;;| (0x003e)               |>   2a  ucomisd xmm0, xmm0
;;|                        |    2e  jp      0x32
;;|                        |    30  ud2                                      ; trap: integer overflow
;;|                        |>   32  ud2                                      ; trap: invalid conversion to integer
;;|
;;| function 2 $indirect: (i32) -> (i32)
;;| 7 bytes of wasm, 89 bytes of code by lightbeam, bounds=guard
;;| (prologue)                    |     0  push    rbp
;;|                               |     1  mov     rbp, rsp
;;|                               |     4  push    r14
;;|                               |     6  sub     rsp, 8
;;|                               |     d  mov     r14, rdi
;;|                               |    10  mov     [rbp-0x10], esi
;;| 0x0042 local.get 0
;;| 0x0044 call_indirect (type 0) |    13  mov     eax, [rbp-0x10]
;;|                               |    16  cmp     rax, [r14+0x38]                  ; length of table 0
;;|                               |    1a  jae     0x4d
;;|                               |    20  mov     ecx, 0
;;|                               |    25  cmovae  rax, rcx
;;|                               |    29  shl     rax, 5
;;|                               |    2d  add     rax, [r14+0x30]                  ; base of table 0
;;|                               |    31  mov     r11d, [r14+0x40]                 ; type 0
;;|                               |    35  cmp     [rax+0x10], r11d
;;|                               |    39  jne     0x4f
;;|                               |    3f  mov     rdi, [rax+8]
;;|                               |    43  call    qword ptr [rax]
;;|                               |    45  mov     eax, eax
;;| 0x0047 end                    |    47  mov     r14, [rbp-8]
;;|                               |    4b  leave
;;|                               |    4c  ret
;;| (0x0044)                      |>   4d  ud2                                      ; trap: undefined element
;;| (0x0044)                      |>   4f  cmp     dword ptr [rax+0x10], 0xffffffff
;;|                               |    53  je      0x57
;;|                               |    55  ud2                                      ; trap: indirect call type mismatch
;;|                               |>   57  ud2                                      ; trap: uninitialized element
;;|
;;| function 3 $unreachable: () -> ()
;;| 3 bytes of wasm, 15 bytes of code by lightbeam, bounds=guard
;;| (prologue)         |     0  push    rbp
;;|                    |     1  mov     rbp, rsp
;;|                    |     4  sub     rsp, 0
;;| 0x004a unreachable |     b  ud2                                      ; trap: unreachable
;;| 0x004b end         |     d  leave
;;|                    |     e  ret
