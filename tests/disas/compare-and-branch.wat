;;! --tier lightbeam
;; A comparison stays in the flags for the branch behind it; eqz inverts it, and a float's order is looked at in one or two jumps.
(module
  (func (param $a i32) (param $b i32) (param $x f64) (param $y f64) (result i32)
    (block $out
      (br_if $out (i32.lt_s (local.get $a) (local.get $b)))
      (br_if $out (i32.eqz (i32.ge_u (local.get $a) (i32.const 100))))
      (br_if $out (i32.eqz (local.get $b)))
      (br_if $out (f64.lt (local.get $x) (local.get $y)))
      (br_if $out (f64.eq (local.get $x) (local.get $y)))
      (if (i32.and (local.get $a) (i32.const 1)) (then (return (i32.const 1)))))
    (i32.gt_s (local.get $a) (local.get $b))))
;;| --tier lightbeam
;;| function 0: (i32, i32, f64, f64) -> (i32)
;;| 56 bytes of wasm, 118 bytes of code by lightbeam, bounds=guard
;;| (prologue)             |     0  push    rbp
;;|                        |     1  mov     rbp, rsp
;;|                        |     4  sub     rsp, 0
;;|                        |     b  mov     r8, rsi
;;|                        |     e  mov     r9, rdx
;;|                        |    11  mov     r8d, r8d
;;|                        |    14  mov     r9d, r9d
;;|                        |    17  movaps  xmm14, xmm0
;;|                        |    1b  movaps  xmm13, xmm1
;;| 0x001c block
;;| 0x001e   local.get 0
;;| 0x0020   local.get 1
;;| 0x0022   i32.lt_s      |    1f  cmp     r8d, r9d
;;| 0x0023   br_if 0       |    22  jl      0x6b
;;| 0x0025   local.get 0
;;| 0x0027   i32.const 100
;;| 0x002a   i32.ge_u      |    28  cmp     r8d, 0x64
;;| 0x002b   i32.eqz
;;| 0x002c   br_if 0       |    2c  jb      0x6b
;;| 0x002e   local.get 1
;;| 0x0030   i32.eqz       |    32  test    r9d, r9d
;;| 0x0031   br_if 0       |    35  je      0x6b
;;| 0x0033   local.get 2
;;| 0x0035   local.get 3
;;| 0x0037   f64.lt        |    3b  ucomisd xmm13, xmm14
;;| 0x0038   br_if 0       |    40  ja      0x6b
;;| 0x003a   local.get 2
;;| 0x003c   local.get 3
;;| 0x003e   f64.eq        |    46  ucomisd xmm14, xmm13
;;| 0x003f   br_if 0       |    4b  jp      0x53
;;|                        |    4d  je      0x6b
;;| 0x0041   local.get 0
;;| 0x0043   i32.const 1
;;| 0x0045   i32.and       |>   53  mov     eax, r8d
;;|                        |    56  and     eax, 1
;;| 0x0046   if            |    59  test    eax, eax
;;|                        |    5b  je      0x6b
;;| 0x0048     i32.const 1
;;| 0x004a     return      |    61  mov     eax, 1
;;|                        |    66  jmp     0x74
;;| 0x004b   end
;;| 0x004c end
;;| 0x004d local.get 0
;;| 0x004f local.get 1
;;| 0x0051 i32.gt_s        |>   6b  cmp     r8d, r9d
;;|                        |    6e  setg    al
;;|                        |    71  movzx   eax, al
;;| 0x0052 end             |>   74  leave
;;|                        |    75  ret
