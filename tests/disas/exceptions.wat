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
;;| 30 bytes of wasm, 146 bytes of code by lightbeam, bounds=guard
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
;;|                                                |    1e  mov     esi, esi
;;| 0x002f block
;;| 0x0031   block (type 3)
;;| 0x0033     try_table (catch 0 0) (catch_all 1)
;;| 0x003b       call 0 $f                         |    20  mov     rdi, r14
;;|                                                |    23  call    0x28                             ; 0 $f; catches tag 0 at 0x77, all at 0x8c
;;| 0x003d     end
;;| 0x003e     local.get 0
;;| 0x0040     return                              |    28  mov     eax, [rbp-0x30]
;;|                                                |    2b  jmp     0x61
;;| 0x0041   end
;;| 0x0042   drop
;;| 0x0043   return                                |>   30  mov     eax, [rbp-0x40]
;;|                                                |    33  jmp     0x61
;;| 0x0044 end
;;| 0x0045 i32.const 1
;;| 0x0047 i64.const 2
;;| 0x0049 throw 0                                 |>   38  sub     rsp, 0x20
;;|                                                |    3c  mov     dword ptr [rsp], 1
;;|                                                |    43  mov     qword ptr [rsp+0x10], 2
;;|                                                |    4c  mov     rdi, r14
;;|                                                |    4f  mov     esi, 0
;;|                                                |    54  mov     rdx, rsp
;;|                                                |    57  mov     r11, [r14+0x10]                  ; builtins
;;|                                                |    5b  call    qword ptr [r11+0x78]             ; builtin throw
;;|                                                |    5f  ud2                                      ; trap: unreachable
;;| 0x004b end                                     |>   61  mov     r14, [rbp-8]
;;|                                                |    65  mov     rbx, [rbp-0x10]
;;|                                                |    69  mov     r12, [rbp-0x18]
;;|                                                |    6d  mov     r13, [rbp-0x20]
;;|                                                |    71  mov     r15, [rbp-0x28]
;;|                                                |    75  leave
;;|                                                |    76  ret
;;| (0x0033)                                       |>   77  mov     r14, [rbp-0x38]
;;|                                                |    7b  mov     r11d, [rax]
;;|                                                |    7e  mov     [rbp-0x40], r11d
;;|                                                |    82  mov     r11, [rax+0x10]
;;|                                                |    86  mov     [rbp-0x48], r11
;;|                                                |    8a  jmp     0x30
;;| (0x0033)                                       |>   8c  mov     r14, [rbp-0x38]
;;|                                                |    90  jmp     0x38
