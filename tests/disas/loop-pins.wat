;;! --tier lightbeam
;; A loop without calls in a function with calls: its locals are in registers from its head to its exits, and those it wrote go home there.
(module
  (memory 1)
  (func $f (param f64))
  (func (param $p i32) (param $end i32) (local $sum f64) (local $product f64)
    (local.set $product (f64.const 1))
    (loop $again
      (local.set $sum (f64.add (local.get $sum) (f64.load (local.get $p))))
      (local.set $product (f64.mul (local.get $product) (f64.load offset=8 (local.get $p))))
      (local.set $p (i32.add (local.get $p) (i32.const 16)))
      (br_if $again (i32.lt_u (local.get $p) (local.get $end))))
    (call $f (f64.sub (local.get $sum) (local.get $product)))))
;;| --tier lightbeam
;;| function 0 $f: (f64) -> ()
;;| 2 bytes of wasm, 18 bytes of code by lightbeam, bounds=guard
;;| (prologue) |     0  push    rbp
;;|            |     1  mov     rbp, rsp
;;|            |     4  sub     rsp, 0x10
;;|            |     b  movsd   [rbp-8], xmm0
;;| 0x0023 end |    10  leave
;;|            |    11  ret
;;|
;;| function 1: (i32, i32) -> ()
;;| 59 bytes of wasm, 154 bytes of code by lightbeam, bounds=guard
;;| (prologue)                 |     0  push    rbp
;;|                            |     1  mov     rbp, rsp
;;|                            |     4  push    r14
;;|                            |     6  push    r15
;;|                            |     8  push    rbx
;;|                            |     9  push    r12
;;|                            |     b  sub     rsp, 0x10
;;|                            |    12  mov     r14, rdi
;;|                            |    15  mov     r15, [rdi+0x30]                  ; base of memory 0
;;|                            |    19  mov     ebx, esi
;;|                            |    1b  mov     r12d, edx
;;|                            |    1e  xorps   xmm15, xmm15
;;|                            |    22  movups  [rbp-0x30], xmm15
;;| 0x0028 f64.const 1.0
;;| 0x0031 local.set 3         |    27  mov     r11, 0x3ff0000000000000
;;|                            |    31  mov     [rbp-0x30], r11
;;| 0x0033 loop                |    35  movsd   xmm6, [rbp-0x28]
;;|                            |    3a  movsd   xmm7, [rbp-0x30]
;;| 0x0035   local.get 2
;;| 0x0037   local.get 0
;;| 0x0039   f64.load          |>   3f  movsd   xmm0, [r15+rbx]                  ; trap: out of bounds memory access
;;| 0x003c   f64.add           |    45  movaps  xmm15, xmm6
;;|                            |    49  movaps  xmm6, xmm0
;;|                            |    4c  addsd   xmm6, xmm15
;;| 0x003d   local.set 2
;;| 0x003f   local.get 3
;;| 0x0041   local.get 0
;;| 0x0043   f64.load offset=8 |    51  movsd   xmm0, [r15+rbx+8]                ; trap: out of bounds memory access
;;| 0x0046   f64.mul           |    58  movaps  xmm15, xmm7
;;|                            |    5c  movaps  xmm7, xmm0
;;|                            |    5f  mulsd   xmm7, xmm15
;;| 0x0047   local.set 3
;;| 0x0049   local.get 0
;;| 0x004b   i32.const 16
;;| 0x004d   i32.add           |    64  add     ebx, 0x10
;;| 0x004e   local.set 0
;;| 0x0050   local.get 0
;;| 0x0052   local.get 1
;;| 0x0054   i32.lt_u          |    67  cmp     ebx, r12d
;;| 0x0055   br_if 0           |    6a  jb      0x3f
;;| 0x0057 end                 |    6c  movsd   [rbp-0x28], xmm6
;;|                            |    71  movsd   [rbp-0x30], xmm7
;;| 0x0058 local.get 2
;;| 0x005a local.get 3
;;| 0x005c f64.sub             |    76  movsd   xmm0, [rbp-0x28]
;;|                            |    7b  subsd   xmm0, [rbp-0x30]
;;| 0x005d call 0 $f           |    80  mov     rdi, r14
;;|                            |    83  call    0x88                             ; 0 $f
;;| 0x005f end                 |    88  mov     r14, [rbp-8]
;;|                            |    8c  mov     r15, [rbp-0x10]
;;|                            |    90  mov     rbx, [rbp-0x18]
;;|                            |    94  mov     r12, [rbp-0x20]
;;|                            |    98  leave
;;|                            |    99  ret
