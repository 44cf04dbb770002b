;;! --tier lightbeam
;; A call in a try region has its handlers beside it; they begin with the frame alone, and load the payload.
(module
  (tag $t (param i32 i64))
  (func $f)
  (func (param $x i32) (result i32)
    (block $any
      (block $caught (result i32 i64)
        (try_table (catch $t $caught) (catch_all $any) (call $f))
        (return (local.get $x)))
      (drop)
      (return))
    (throw $t (i32.const 1) (i64.const 2))))
;;| --tier lightbeam
;;| function 0 $f: () -> ()
;;| 2 bytes of wasm, 13 bytes of code by lightbeam, bounds=guard
;;| (prologue) |     0  push    rbp
;;|            |     1  mov     rbp, rsp
;;|            |     4  sub     rsp, 0
;;| 0x002c end |     b  leave
;;|            |     c  ret
;;|
;;| function 1: (i32) -> (i32)
;;| 30 bytes of wasm, 147 bytes of code by lightbeam, bounds=guard
;;| (prologue)                                     |     0  push    rbp
;;|                                                |     1  mov     rbp, rsp
;;|                                                |     4  push    r14
;;|                                                |     6  push    rbx
;;|                                                |     7  push    r12
;;|                                                |     9  push    r13
;;|                                                |     b  push    r15
;;|                                                |     d  sub     rsp, 0x28
;;|                                                |    14  mov     r14, rdi
;;|                                                |    17  mov     [rbp-0x38], rdi
;;|                                                |    1b  mov     [rbp-0x30], esi
;;| 0x002f block
;;| 0x0031   block (type 3)
;;| 0x0033     try_table (catch 0 0) (catch_all 1)
;;| 0x003b       call 0 $f                         |    1e  mov     rdi, r14
;;|                                                |    21  call    0x26                             ; 0 $f; catches tag 0 at 0x78, all at 0x8d
;;| 0x003d     end
;;| 0x003e     local.get 0
;;| 0x0040     return                              |    26  mov     eax, [rbp-0x30]
;;|                                                |    29  jmp     0x62
;;| 0x0041   end
;;| 0x0042   drop
;;| 0x0043   return                                |>   2e  mov     eax, [rbp-0x40]
;;|                                                |    31  jmp     0x62
;;| 0x0044 end
;;| 0x0045 i32.const 1
;;| 0x0047 i64.const 2
;;| 0x0049 throw 0                                 |>   36  sub     rsp, 0x20
;;|                                                |    3a  mov     dword ptr [rsp], 1
;;|                                                |    41  mov     qword ptr [rsp+0x10], 2
;;|                                                |    4a  mov     rdi, r14
;;|                                                |    4d  mov     esi, 0
;;|                                                |    52  mov     rdx, rsp
;;|                                                |    55  mov     r11, [r14+0x10]                  ; builtins
;;|                                                |    59  call    qword ptr [r11+0x80]             ; builtin throw
;;|                                                |    60  ud2                                      ; trap: unreachable
;;| 0x004b end                                     |>   62  mov     r14, [rbp-8]
;;|                                                |    66  mov     rbx, [rbp-0x10]
;;|                                                |    6a  mov     r12, [rbp-0x18]
;;|                                                |    6e  mov     r13, [rbp-0x20]
;;|                                                |    72  mov     r15, [rbp-0x28]
;;|                                                |    76  leave
;;|                                                |    77  ret
;;| (0x0033)                                       |>   78  mov     r14, [rbp-0x38]
;;|                                                |    7c  mov     r11d, [rax]
;;|                                                |    7f  mov     [rbp-0x40], r11d
;;|                                                |    83  mov     r11, [rax+0x10]
;;|                                                |    87  mov     [rbp-0x48], r11
;;|                                                |    8b  jmp     0x2e
;;| (0x0033)                                       |>   8d  mov     r14, [rbp-0x38]
;;|                                                |    91  jmp     0x36
