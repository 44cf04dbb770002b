;;! --tier lightbeam
;; A comparison stays in the flags for the branch behind it; eqz inverts it, and a float's order is looked at in one or two jumps.
;; Of bits that are only asked for, nothing but flags is made.
(module
  (func (param $a i32) (param $b i32) (param $x f64) (param $y f64) (result i32)
    (block $out
      (br_if $out (i32.lt_s (local.get $a) (local.get $b)))
      (br_if $out (i32.eqz (i32.ge_u (local.get $a) (i32.const 100))))
      (br_if $out (i32.eqz (local.get $b)))
      (br_if $out (f64.lt (local.get $x) (local.get $y)))
      (br_if $out (f64.eq (local.get $x) (local.get $y)))
      (if (i32.and (local.get $a) (i32.const 1)) (then (return (i32.const 1)))))
    (i32.gt_s (local.get $a) (local.get $b)))
  (func (param $a i32) (param $b i32) (param $c i64) (param $d i64) (result i32)
    (block $out
      (br_if $out (i32.and (local.get $a) (local.get $b)))
      (br_if $out (i32.eqz (i32.and (i32.const 0x10000) (local.get $b))))
      (br_if $out (i64.eqz (i64.and (local.get $c) (i64.const 0x100000000))))
      (br_if $out (i64.eqz (i64.and (local.get $c) (local.get $d))))
      (return (select (i32.const 1) (local.get $a) (i32.and (i32.add (local.get $a) (i32.const 1)) (local.get $b)))))
    (i32.and (local.get $a) (local.get $b))))
;;| --tier lightbeam
;;| function 0: (i32, i32, f64, f64) -> (i32)
;;| 56 bytes of wasm, 111 bytes of code by lightbeam, bounds=guard
;;| (prologue)             |     0  push    rbp
;;|                        |     1  mov     rbp, rsp
;;|                        |     4  sub     rsp, 0
;;|                        |     b  mov     r8d, esi
;;|                        |     e  mov     r9d, edx
;;|                        |    11  movaps  xmm14, xmm0
;;|                        |    15  movaps  xmm13, xmm1
;;| 0x0025 block
;;| 0x0027   local.get 0
;;| 0x0029   local.get 1
;;| 0x002b   i32.lt_s      |    19  cmp     r8d, r9d
;;| 0x002c   br_if 0       |    1c  jl      0x64
;;| 0x002e   local.get 0
;;| 0x0030   i32.const 100
;;| 0x0033   i32.ge_u      |    22  cmp     r8d, 0x64
;;| 0x0034   i32.eqz
;;| 0x0035   br_if 0       |    26  jb      0x64
;;| 0x0037   local.get 1
;;| 0x0039   i32.eqz       |    2c  test    r9d, r9d
;;| 0x003a   br_if 0       |    2f  je      0x64
;;| 0x003c   local.get 2
;;| 0x003e   local.get 3
;;| 0x0040   f64.lt        |    35  ucomisd xmm13, xmm14
;;| 0x0041   br_if 0       |    3a  ja      0x64
;;| 0x0043   local.get 2
;;| 0x0045   local.get 3
;;| 0x0047   f64.eq        |    40  ucomisd xmm14, xmm13
;;| 0x0048   br_if 0       |    45  jp      0x4d
;;|                        |    47  je      0x64
;;| 0x004a   local.get 0
;;| 0x004c   i32.const 1
;;| 0x004e   i32.and       |>   4d  test    r8d, 1
;;| 0x004f   if            |    54  je      0x64
;;| 0x0051     i32.const 1
;;| 0x0053     return      |    5a  mov     eax, 1
;;|                        |    5f  jmp     0x6d
;;| 0x0054   end
;;| 0x0055 end
;;| 0x0056 local.get 0
;;| 0x0058 local.get 1
;;| 0x005a i32.gt_s        |>   64  cmp     r8d, r9d
;;|                        |    67  setg    al
;;|                        |    6a  movzx   eax, al
;;| 0x005b end             |>   6d  leave
;;|                        |    6e  ret
;;|
;;| function 1: (i32, i32, i64, i64) -> (i32)
;;| 61 bytes of wasm, 108 bytes of code by lightbeam, bounds=guard
;;| (prologue)                    |     0  push    rbp
;;|                               |     1  mov     rbp, rsp
;;|                               |     4  sub     rsp, 0x10
;;|                               |     b  mov     [rbp-8], r8
;;|                               |     f  mov     r8d, esi
;;|                               |    12  mov     r10, rcx
;;|                               |    15  mov     r9d, edx
;;| 0x005e block
;;| 0x0060   local.get 0
;;| 0x0062   local.get 1
;;| 0x0064   i32.and              |    18  test    r8d, r9d
;;| 0x0065   br_if 0              |    1b  jne     0x64
;;| 0x0067   i32.const 65536
;;| 0x006b   local.get 1
;;| 0x006d   i32.and              |    21  test    r9d, 0x10000
;;| 0x006e   i32.eqz
;;| 0x006f   br_if 0              |    28  je      0x64
;;| 0x0071   local.get 2
;;| 0x0073   i64.const 4294967296
;;| 0x0079   i64.and              |    2e  mov     r11, 0x100000000
;;|                               |    38  test    r10, r11
;;| 0x007a   i64.eqz
;;| 0x007b   br_if 0              |    3b  je      0x64
;;| 0x007d   local.get 2
;;| 0x007f   local.get 3
;;| 0x0081   i64.and              |    41  test    [rbp-8], r10
;;| 0x0082   i64.eqz
;;| 0x0083   br_if 0              |    45  je      0x64
;;| 0x0085   i32.const 1
;;| 0x0087   local.get 0
;;| 0x0089   local.get 0
;;| 0x008b   i32.const 1
;;| 0x008d   i32.add              |    4b  lea     eax, [r8+1]
;;| 0x008e   local.get 1
;;| 0x0090   i32.and              |    4f  test    eax, r9d
;;| 0x0091   select               |    52  mov     eax, 1
;;|                               |    57  mov     ecx, r8d
;;|                               |    5a  cmovne  ecx, eax
;;| 0x0092   return               |    5d  mov     eax, ecx
;;|                               |    5f  jmp     0x6a
;;| 0x0093 end
;;| 0x0094 local.get 0
;;| 0x0096 local.get 1
;;| 0x0098 i32.and                |>   64  mov     eax, r8d
;;|                               |    67  and     eax, r9d
;;| 0x0099 end                    |>   6a  leave
;;|                               |    6b  ret
