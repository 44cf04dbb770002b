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
;;|                    |    11  mov     esi, esi
;;|                    |    13  mov     edx, edx
;;| 0x0034 local.get 0
;;| 0x0036 local.get 1
;;| 0x0038 i32.div_s   |    15  mov     eax, esi
;;|                    |    17  cmp     dword ptr [rbp-0x10], 0
;;|                    |    1b  je      0x27
;;|                    |    21  cdq
;;|                    |    22  idiv    dword ptr [rbp-0x10]             ; trap: integer overflow
;;| 0x0039 end         |    25  leave
;;|                    |    26  ret
;;| (0x0038)           |>   27  ud2                                      ; trap: integer divide by zero
;;|
;;| function 1 $convert: (f64) -> (i32)
;;| 5 bytes of wasm, 47 bytes of code by lightbeam, bounds=guard
;;| (prologue)             |     0  push    rbp
;;|                        |     1  mov     rbp, rsp
;;|                        |     4  sub     rsp, 0x10
;;|                        |     b  movsd   [rbp-8], xmm0
;;| 0x003c local.get 0
;;| 0x003e i32.trunc_f64_s |    10  cvttsd2si rax, xmm0
;;|                        |    15  movsxd  r11, eax
;;|                        |    18  cmp     r11, rax
;;|                        |    1b  jne     0x25
;;|                        |    21  mov     eax, eax
;;| 0x003f end             |    23  leave
;;|                        |    24  ret
;;| (0x003e)               |>   25  ucomisd xmm0, xmm0
;;|                        |    29  jp      0x2d
;;|                        |    2b  ud2                                      ; trap: integer overflow
;;|                        |>   2d  ud2                                      ; trap: invalid conversion to integer
;;|
;;| function 2 $indirect: (i32) -> (i32)
;;| 7 bytes of wasm, 109 bytes of code by lightbeam, bounds=guard
;;| (prologue)                    |     0  push    rbp
;;|                               |     1  mov     rbp, rsp
;;|                               |     4  push    r14
;;|                               |     6  sub     rsp, 8
;;|                               |     d  mov     r14, rdi
;;|                               |    10  mov     [rbp-0x10], esi
;;|                               |    13  mov     esi, esi
;;| 0x0042 local.get 0
;;| 0x0044 call_indirect (type 0) |    15  mov     eax, esi
;;|                               |    17  cmp     rax, [r14+0x38]                  ; length of table 0
;;|                               |    1b  jae     0x61
;;|                               |    21  mov     ecx, 0
;;|                               |    26  cmovae  rax, rcx
;;|                               |    2a  shl     rax, 5
;;|                               |    2e  add     rax, [r14+0x30]                  ; base of table 0
;;|                               |    32  mov     r11d, [r14+0x40]                 ; type 0
;;|                               |    36  cmp     [rax+0x10], r11d
;;|                               |    3a  jne     0x63
;;|                               |    40  mov     rcx, [rax]
;;|                               |    43  mov     r11d, 0
;;|                               |    49  cmovne  rcx, r11
;;|                               |    4d  mov     rax, [rax+8]
;;|                               |    51  mov     rdi, rax
;;|                               |    54  mov     rax, rcx
;;|                               |    57  call    rax
;;|                               |    59  mov     eax, eax
;;| 0x0047 end                    |    5b  mov     r14, [rbp-8]
;;|                               |    5f  leave
;;|                               |    60  ret
;;| (0x0044)                      |>   61  ud2                                      ; trap: undefined element
;;| (0x0044)                      |>   63  cmp     dword ptr [rax+0x10], 0xffffffff
;;|                               |    67  je      0x6b
;;|                               |    69  ud2                                      ; trap: indirect call type mismatch
;;|                               |>   6b  ud2                                      ; trap: uninitialized element
;;|
;;| function 3 $unreachable: () -> ()
;;| 3 bytes of wasm, 15 bytes of code by lightbeam, bounds=guard
;;| (prologue)         |     0  push    rbp
;;|                    |     1  mov     rbp, rsp
;;|                    |     4  sub     rsp, 0
;;| 0x004a unreachable |     b  ud2                                      ; trap: unreachable
;;| 0x004b end         |     d  leave
;;|                    |     e  ret
