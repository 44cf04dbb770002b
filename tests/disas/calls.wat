;;! --tier lightbeam --calls direct
;;! --tier lightbeam --calls slots
;;! --tier cranelift --calls slots
;; Of a function of the module, directly or through its slot; of an import; of a builtin.
(module
  (func $import (import "env" "work") (param i32))
  (memory 1)
  (func $own (param i32) (result i32) (local.get 0))
  (func (param $x i32) (result i32)
    (call $import (local.get $x))
    (memory.grow (call $own (local.get $x)))))
;;| --tier lightbeam --calls direct
;;| function 1 $own: (i32) -> (i32)
;;| 4 bytes of wasm, 20 bytes of code by lightbeam, bounds=guard
;;| (prologue)         |     0  push    rbp
;;|                    |     1  mov     rbp, rsp
;;|                    |     4  sub     rsp, 0x10
;;|                    |     b  mov     [rbp-8], esi
;;|                    |     e  mov     esi, esi
;;| 0x0031 local.get 0
;;| 0x0033 end         |    10  mov     eax, esi
;;| (0x0033)           |    12  leave
;;|                    |    13  ret
;;|
;;| function 2: (i32) -> (i32)
;;| 12 bytes of wasm, 68 bytes of code by lightbeam, bounds=guard
;;| (prologue)            |     0  push    rbp
;;|                       |     1  mov     rbp, rsp
;;|                       |     4  push    r14
;;|                       |     6  sub     rsp, 8
;;|                       |     d  mov     r14, rdi
;;|                       |    10  mov     [rbp-0x10], esi
;;|                       |    13  mov     esi, esi
;;| 0x0036 local.get 0
;;| 0x0038 call 0 $import |    15  mov     rdi, [r14+0x48]                  ; context of import 0
;;|                       |    19  call    qword ptr [r14+0x40]             ; 0 $import
;;| 0x003a local.get 0
;;| 0x003c call 1 $own    |    1d  mov     rdi, r14
;;|                       |    20  mov     esi, [rbp-0x10]
;;|                       |    23  call    0x28                             ; 1 $own
;;|                       |    28  mov     eax, eax
;;| 0x003e memory.grow    |    2a  mov     rdi, r14
;;|                       |    2d  mov     rdx, rax
;;|                       |    30  mov     esi, 0
;;|                       |    35  mov     r11, [r14+0x10]                  ; builtins
;;|                       |    39  call    qword ptr [r11]                  ; builtin memory_grow
;;|                       |    3c  mov     eax, eax
;;| 0x0040 end            |    3e  mov     r14, [rbp-8]
;;|                       |    42  leave
;;|                       |    43  ret
;;| --tier lightbeam --calls slots
;;| function 1 $own: (i32) -> (i32)
;;| 4 bytes of wasm, 20 bytes of code by lightbeam, bounds=guard
;;| (prologue)         |     0  push    rbp
;;|                    |     1  mov     rbp, rsp
;;|                    |     4  sub     rsp, 0x10
;;|                    |     b  mov     [rbp-8], esi
;;|                    |     e  mov     esi, esi
;;| 0x0031 local.get 0
;;| 0x0033 end         |    10  mov     eax, esi
;;| (0x0033)           |    12  leave
;;|                    |    13  ret
;;|
;;| function 2: (i32) -> (i32)
;;| 12 bytes of wasm, 69 bytes of code by lightbeam, bounds=guard
;;| (prologue)            |     0  push    rbp
;;|                       |     1  mov     rbp, rsp
;;|                       |     4  push    r14
;;|                       |     6  sub     rsp, 8
;;|                       |     d  mov     r14, rdi
;;|                       |    10  mov     [rbp-0x10], esi
;;|                       |    13  mov     esi, esi
;;| 0x0036 local.get 0
;;| 0x0038 call 0 $import |    15  mov     rdi, [r14+0x48]                  ; context of import 0
;;|                       |    19  call    qword ptr [r14+0x40]             ; 0 $import
;;| 0x003a local.get 0
;;| 0x003c call 1 $own    |    1d  mov     rdi, r14
;;|                       |    20  mov     esi, [rbp-0x10]
;;|                       |    23  call    qword ptr [0x29]                 ; slot of 1 $own
;;|                       |    29  mov     eax, eax
;;| 0x003e memory.grow    |    2b  mov     rdi, r14
;;|                       |    2e  mov     rdx, rax
;;|                       |    31  mov     esi, 0
;;|                       |    36  mov     r11, [r14+0x10]                  ; builtins
;;|                       |    3a  call    qword ptr [r11]                  ; builtin memory_grow
;;|                       |    3d  mov     eax, eax
;;| 0x0040 end            |    3f  mov     r14, [rbp-8]
;;|                       |    43  leave
;;|                       |    44  ret
;;| --tier cranelift --calls slots
;;| function 1 $own: (i32) -> (i32)
;;| 4 bytes of wasm, 12 bytes of code by cranelift, bounds=guard
;;| (prologue)         |     0  push    rbp
;;|                    |     1  mov     rbp, rsp
;;|                    |     4  mov     rax, rsi
;;| 0x0031 local.get 0
;;| 0x0033 end         |     7  mov     rsp, rbp
;;|                    |     a  pop     rbp
;;|                    |     b  ret
;;|
;;| function 2: (i32) -> (i32)
;;| 12 bytes of wasm, 85 bytes of code by cranelift, bounds=guard
;;| (prologue)            |     0  push    rbp
;;|                       |     1  mov     rbp, rsp
;;|                       |     4  sub     rsp, 0x10
;;|                       |     8  mov     [rsp], rbx
;;|                       |     c  mov     [rsp+8], r14
;;|                       |    11  mov     rbx, rsi
;;|                       |    14  mov     r14, rdi
;;|                       |    17  mov     rax, [rdi+0x40]                  ; import 0
;;|                       |    1b  mov     rdi, [rdi+0x48]                  ; context of import 0
;;| 0x0036 local.get 0
;;| 0x0038 call 0 $import |    1f  call    rax                              ; 0 $import
;;| 0x003a local.get 0
;;| 0x003c call 1 $own    |    21  mov     rax, [0x28]                      ; slot of 1 $own
;;|                       |    28  mov     rsi, rbx
;;|                       |    2b  mov     rbx, r14
;;|                       |    2e  mov     rdi, rbx
;;|                       |    31  call    rax
;;|                       |    33  mov     rcx, [rbx+0x10]                  ; builtins
;;|                       |    37  mov     rcx, [rcx]                       ; builtin memory_grow
;;| 0x003e memory.grow    |    3a  xor     esi, esi
;;|                       |    3c  mov     edx, eax
;;|                       |    3e  mov     rdi, rbx
;;|                       |    41  call    rcx                              ; builtin memory_grow
;;| 0x0040 end            |    43  mov     rbx, [rsp]
;;|                       |    47  mov     r14, [rsp+8]
;;|                       |    4c  add     rsp, 0x10
;;|                       |    50  mov     rsp, rbp
;;|                       |    53  pop     rbp
;;|                       |    54  ret
