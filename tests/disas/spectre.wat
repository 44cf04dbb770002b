;;! --tier lightbeam --bounds explicit
;;! --tier lightbeam --bounds explicit --no-spectre
;;! --tier cranelift --bounds explicit
;;! --tier cranelift --bounds explicit --no-spectre
;; What a check guards is selected again under its outcome, so that nothing follows from a branch that was predicted wrong: the address
;; of an access, of an element, of a data segment's bytes; the entry of a jump table; the callee, whose type is another. Where
;; a comparison alone decides (Cranelift's tables and jump tables) there is no branch, with or without the flag.
(module
  (type $f (func (param i32) (result i32)))
  (type $open (sub (func (result i32))))
  (memory 1)
  (memory $large i64 1)
  (table $t 4 100 funcref)
  (table $e 4 100 externref)
  (data $d "0123456789abcdef")
  (func (param $p i32) (result i32) (i32.load (local.get $p)))
  (func (param $p i64) (result i32) (i32.load $large offset=16 (local.get $p)))
  (func (param $p i32) (memory.init $d (i32.const 0) (local.get $p) (i32.const 8)))
  (func (param $p i32) (result funcref) (table.get $t (local.get $p)))
  (func (param $p i32) (result i32) (call_indirect $t (type $f) (i32.const 7) (local.get $p)))
  (func (param $p i32) (result i32) (call_indirect $t (type $open) (local.get $p)))
  (func (param $p i32) (result i32) (return_call_indirect $t (type $f) (i32.const 7) (local.get $p)))
  (func (param $p i32)
    (block $b (block $a (br_table $a $b (local.get $p)) (unreachable)) (unreachable))))
;;| --tier lightbeam --bounds explicit
;;| function 0: (i32) -> (i32)
;;| 7 bytes of wasm, 62 bytes of code by lightbeam, bounds=explicit
;;| (prologue)         |     0  push    rbp
;;|                    |     1  mov     rbp, rsp
;;|                    |     4  push    r14
;;|                    |     6  sub     rsp, 8
;;|                    |     d  mov     r14, rdi
;;|                    |    10  mov     [rbp-0x10], esi
;;|                    |    13  mov     esi, esi
;;| 0x0049 local.get 0
;;| 0x004b i32.load    |    15  mov     eax, esi
;;|                    |    17  lea     r11, [rax+4]
;;|                    |    1b  cmp     r11, [r14+0x38]                  ; length of memory 0
;;|                    |    1f  ja      0x3c
;;|                    |    25  mov     ecx, 0
;;|                    |    2a  cmova   rax, rcx
;;|                    |    2e  mov     r11, [r14+0x30]                  ; base of memory 0
;;|                    |    32  mov     eax, [r11+rax]                   ; trap: out of bounds memory access
;;| 0x004e end         |    36  mov     r14, [rbp-8]
;;|                    |    3a  leave
;;|                    |    3b  ret
;;| (0x004b)           |>   3c  ud2                                      ; trap: out of bounds memory access
;;|
;;| function 1: (i64) -> (i32)
;;| 8 bytes of wasm, 84 bytes of code by lightbeam, bounds=explicit
;;| (prologue)                  |     0  push    rbp
;;|                             |     1  mov     rbp, rsp
;;|                             |     4  push    r14
;;|                             |     6  sub     rsp, 8
;;|                             |     d  mov     r14, rdi
;;|                             |    10  mov     [rbp-0x10], rsi
;;| 0x0051 local.get 0
;;| 0x0053 i32.load 1 offset=16 |    14  mov     rax, rsi
;;|                             |    17  mov     r11, [r14+0x48]                  ; length of memory 1
;;|                             |    1b  sub     r11, 0x14
;;|                             |    1f  jb      0x52
;;|                             |    25  mov     ecx, 0
;;|                             |    2a  cmovb   r11, rcx
;;|                             |    2e  cmp     rax, r11
;;|                             |    31  ja      0x52
;;|                             |    37  lea     rax, [rax+0x10]
;;|                             |    3b  mov     ecx, 0
;;|                             |    40  cmova   rax, rcx
;;|                             |    44  mov     r11, [r14+0x40]                  ; base of memory 1
;;|                             |    48  mov     eax, [r11+rax]                   ; trap: out of bounds memory access
;;| 0x0057 end                  |    4c  mov     r14, [rbp-8]
;;|                             |    50  leave
;;|                             |    51  ret
;;| (0x0053)                    |>   52  ud2                                      ; trap: out of bounds memory access
;;|
;;| function 2: (i32) -> ()
;;| 12 bytes of wasm, 110 bytes of code by lightbeam, bounds=explicit
;;| (prologue)           |     0  push    rbp
;;|                      |     1  mov     rbp, rsp
;;|                      |     4  push    r14
;;|                      |     6  sub     rsp, 8
;;|                      |     d  mov     r14, rdi
;;|                      |    10  mov     [rbp-0x10], esi
;;|                      |    13  mov     esi, esi
;;| 0x005a i32.const 0
;;| 0x005c local.get 0
;;| 0x005e i32.const 8
;;| 0x0060 memory.init 0 |    15  mov     eax, esi
;;|                      |    17  lea     r11, [rax+8]
;;|                      |    1b  cmp     r11, [r14+0x90]                  ; length of data 0
;;|                      |    22  ja      0x6a
;;|                      |    28  mov     r11, [r14+0x88]                  ; base of data 0
;;|                      |    2f  lea     rax, [rax+r11]
;;|                      |    33  mov     r11d, 0
;;|                      |    39  cmova   rax, r11
;;|                      |    3d  mov     ecx, 0
;;|                      |    42  lea     r11, [rcx+8]
;;|                      |    46  cmp     r11, [r14+0x38]                  ; length of memory 0
;;|                      |    4a  ja      0x6c
;;|                      |    50  mov     edx, 0
;;|                      |    55  cmova   rcx, rdx
;;|                      |    59  mov     rdx, [rax]
;;|                      |    5c  mov     r11, [r14+0x30]                  ; base of memory 0
;;|                      |    60  mov     [r11+rcx], rdx                   ; trap: out of bounds memory access
;;| 0x0064 end           |    64  mov     r14, [rbp-8]
;;|                      |    68  leave
;;|                      |    69  ret
;;| (0x0060)             |>   6a  ud2                                      ; trap: out of bounds memory access
;;| (0x0060)             |>   6c  ud2                                      ; trap: out of bounds memory access
;;|
;;| function 3: (i32) -> (funcref)
;;| 6 bytes of wasm, 62 bytes of code by lightbeam, bounds=explicit
;;| (prologue)         |     0  push    rbp
;;|                    |     1  mov     rbp, rsp
;;|                    |     4  push    r14
;;|                    |     6  sub     rsp, 8
;;|                    |     d  mov     r14, rdi
;;|                    |    10  mov     [rbp-0x10], esi
;;|                    |    13  mov     esi, esi
;;| 0x0067 local.get 0
;;| 0x0069 table.get 0 |    15  mov     eax, esi
;;|                    |    17  cmp     rax, [r14+0x58]                  ; length of table 0
;;|                    |    1b  jae     0x3c
;;|                    |    21  mov     ecx, 0
;;|                    |    26  cmovae  rax, rcx
;;|                    |    2a  shl     rax, 5
;;|                    |    2e  add     rax, [r14+0x50]                  ; base of table 0
;;|                    |    32  mov     rax, [rax+0x18]
;;| 0x006b end         |    36  mov     r14, [rbp-8]
;;|                    |    3a  leave
;;|                    |    3b  ret
;;| (0x0069)           |>   3c  ud2                                      ; trap: out of bounds table access
;;|
;;| function 4: (i32) -> (i32)
;;| 9 bytes of wasm, 114 bytes of code by lightbeam, bounds=explicit
;;| (prologue)                    |     0  push    rbp
;;|                               |     1  mov     rbp, rsp
;;|                               |     4  push    r14
;;|                               |     6  sub     rsp, 8
;;|                               |     d  mov     r14, rdi
;;|                               |    10  mov     [rbp-0x10], esi
;;|                               |    13  mov     esi, esi
;;| 0x006e i32.const 7
;;| 0x0070 local.get 0
;;| 0x0072 call_indirect (type 0) |    15  mov     eax, esi
;;|                               |    17  cmp     rax, [r14+0x58]                  ; length of table 0
;;|                               |    1b  jae     0x66
;;|                               |    21  mov     ecx, 0
;;|                               |    26  cmovae  rax, rcx
;;|                               |    2a  shl     rax, 5
;;|                               |    2e  add     rax, [r14+0x50]                  ; base of table 0
;;|                               |    32  mov     r11d, [r14+0x70]                 ; type 0
;;|                               |    36  cmp     [rax+0x10], r11d
;;|                               |    3a  jne     0x68
;;|                               |    40  mov     rcx, [rax]
;;|                               |    43  mov     r11d, 0
;;|                               |    49  cmovne  rcx, r11
;;|                               |    4d  mov     rax, [rax+8]
;;|                               |    51  mov     rdi, rax
;;|                               |    54  mov     rax, rcx
;;|                               |    57  mov     esi, 7
;;|                               |    5c  call    rax
;;|                               |    5e  mov     eax, eax
;;| 0x0075 end                    |    60  mov     r14, [rbp-8]
;;|                               |    64  leave
;;|                               |    65  ret
;;| (0x0072)                      |>   66  ud2                                      ; trap: undefined element
;;| (0x0072)                      |>   68  cmp     dword ptr [rax+0x10], 0xffffffff
;;|                               |    6c  je      0x70
;;|                               |    6e  ud2                                      ; trap: indirect call type mismatch
;;|                               |>   70  ud2                                      ; trap: uninitialized element
;;|
;;| function 5: (i32) -> (i32)
;;| 7 bytes of wasm, 146 bytes of code by lightbeam, bounds=explicit
;;| (prologue)                    |     0  push    rbp
;;|                               |     1  mov     rbp, rsp
;;|                               |     4  push    r14
;;|                               |     6  sub     rsp, 0x18
;;|                               |     d  mov     r14, rdi
;;|                               |    10  mov     [rbp-0x10], esi
;;|                               |    13  mov     esi, esi
;;| 0x0078 local.get 0
;;| 0x007a call_indirect (type 1) |    15  mov     eax, esi
;;|                               |    17  cmp     rax, [r14+0x58]                  ; length of table 0
;;|                               |    1b  jae     0x8c
;;|                               |    21  mov     ecx, 0
;;|                               |    26  cmovae  rax, rcx
;;|                               |    2a  shl     rax, 5
;;|                               |    2e  add     rax, [r14+0x50]                  ; base of table 0
;;|                               |    32  mov     [rbp-0x18], rax
;;|                               |    36  mov     esi, [rax+0x10]
;;|                               |    39  mov     edx, [r14+0x74]                  ; type 1
;;|                               |    3d  cmp     esi, edx
;;|                               |    3f  je      0x67
;;|                               |    45  cmp     esi, 0xffffffff
;;|                               |    48  je      0x8e
;;|                               |    4e  mov     rdi, r14
;;|                               |    51  mov     r11, [r14+0x10]                  ; builtins
;;|                               |    55  call    qword ptr [r11+0x88]             ; builtin is_subtype
;;|                               |    5c  test    eax, eax
;;|                               |    5e  je      0x90
;;|                               |    64  cmp     eax, 1
;;|                               |>   67  mov     rax, [rbp-0x18]
;;|                               |    6b  mov     rcx, [rax]
;;|                               |    6e  mov     r11d, 0
;;|                               |    74  cmovne  rcx, r11
;;|                               |    78  mov     rax, [rax+8]
;;|                               |    7c  mov     rdi, rax
;;|                               |    7f  mov     rax, rcx
;;|                               |    82  call    rax
;;|                               |    84  mov     eax, eax
;;| 0x007d end                    |    86  mov     r14, [rbp-8]
;;|                               |    8a  leave
;;|                               |    8b  ret
;;| (0x007a)                      |>   8c  ud2                                      ; trap: undefined element
;;| (0x007a)                      |>   8e  ud2                                      ; trap: uninitialized element
;;| (0x007a)                      |>   90  ud2                                      ; trap: indirect call type mismatch
;;|
;;| function 6: (i32) -> (i32)
;;| 9 bytes of wasm, 117 bytes of code by lightbeam, bounds=explicit
;;| (prologue)                           |     0  push    rbp
;;|                                      |     1  mov     rbp, rsp
;;|                                      |     4  push    r14
;;|                                      |     6  sub     rsp, 8
;;|                                      |     d  mov     r14, rdi
;;|                                      |    10  mov     [rbp-0x10], esi
;;|                                      |    13  mov     esi, esi
;;| 0x0080 i32.const 7
;;| 0x0082 local.get 0
;;| 0x0084 return_call_indirect (type 0) |    15  mov     eax, esi
;;|                                      |    17  cmp     rax, [r14+0x58]                  ; length of table 0
;;|                                      |    1b  jae     0x69
;;|                                      |    21  mov     ecx, 0
;;|                                      |    26  cmovae  rax, rcx
;;|                                      |    2a  shl     rax, 5
;;|                                      |    2e  add     rax, [r14+0x50]                  ; base of table 0
;;|                                      |    32  mov     r11d, [r14+0x70]                 ; type 0
;;|                                      |    36  cmp     [rax+0x10], r11d
;;|                                      |    3a  jne     0x6b
;;|                                      |    40  mov     rcx, [rax]
;;|                                      |    43  mov     r11d, 0
;;|                                      |    49  cmovne  rcx, r11
;;|                                      |    4d  mov     rax, [rax+8]
;;|                                      |    51  mov     rdi, rax
;;|                                      |    54  mov     rax, rcx
;;|                                      |    57  mov     esi, 7
;;|                                      |    5c  mov     r14, [rbp-8]                     ; uninterruptible
;;|                                      |    60  leave                                    ; uninterruptible
;;|                                      |    61  jmp     rax                              ; uninterruptible
;;| 0x0087 end                           |    63  mov     r14, [rbp-8]
;;|                                      |    67  leave
;;|                                      |    68  ret
;;| (0x0084)                             |>   69  ud2                                      ; trap: undefined element
;;| (0x0084)                             |>   6b  cmp     dword ptr [rax+0x10], 0xffffffff
;;|                                      |    6f  je      0x73
;;|                                      |    71  ud2                                      ; trap: indirect call type mismatch
;;|                                      |>   73  ud2                                      ; trap: uninitialized element
;;|
;;| function 7: (i32) -> ()
;;| 16 bytes of wasm, 64 bytes of code by lightbeam, bounds=explicit
;;| (prologue)              |     0  push    rbp
;;|                         |     1  mov     rbp, rsp
;;|                         |     4  sub     rsp, 0x10
;;|                         |     b  mov     [rbp-8], esi
;;|                         |     e  mov     esi, esi
;;| 0x008a block
;;| 0x008c   block
;;| 0x008e     local.get 0
;;| 0x0090     br_table 0 1 |    10  mov     eax, esi
;;|                         |    12  cmp     eax, 1
;;|                         |    15  jae     0x37
;;|                         |    1b  mov     r11d, 0
;;|                         |    21  cmovae  eax, r11d
;;|                         |    25  lea     r11, [0x3c]
;;|                         |    2c  movsxd  rax, [r11+rax*4]
;;|                         |    30  add     rax, r11
;;|                         |    33  jmp     rax
;;| 0x0094     unreachable
;;| 0x0095   end
;;| 0x0096   unreachable    |>   35  ud2                                      ; trap: unreachable
;;| 0x0097 end
;;| 0x0098 end              |>   37  leave
;;|                         |    38  ret
;;|                         |    39  data: cc cc cc
;;|                         |    3c  jump table: 0x35
;;| --tier lightbeam --bounds explicit --no-spectre
;;| function 0: (i32) -> (i32)
;;| 7 bytes of wasm, 53 bytes of code by lightbeam, bounds=explicit
;;| (prologue)         |     0  push    rbp
;;|                    |     1  mov     rbp, rsp
;;|                    |     4  push    r14
;;|                    |     6  sub     rsp, 8
;;|                    |     d  mov     r14, rdi
;;|                    |    10  mov     [rbp-0x10], esi
;;|                    |    13  mov     esi, esi
;;| 0x0049 local.get 0
;;| 0x004b i32.load    |    15  mov     eax, esi
;;|                    |    17  lea     r11, [rax+4]
;;|                    |    1b  cmp     r11, [r14+0x38]                  ; length of memory 0
;;|                    |    1f  ja      0x33
;;|                    |    25  mov     r11, [r14+0x30]                  ; base of memory 0
;;|                    |    29  mov     eax, [r11+rax]                   ; trap: out of bounds memory access
;;| 0x004e end         |    2d  mov     r14, [rbp-8]
;;|                    |    31  leave
;;|                    |    32  ret
;;| (0x004b)           |>   33  ud2                                      ; trap: out of bounds memory access
;;|
;;| function 1: (i64) -> (i32)
;;| 8 bytes of wasm, 66 bytes of code by lightbeam, bounds=explicit
;;| (prologue)                  |     0  push    rbp
;;|                             |     1  mov     rbp, rsp
;;|                             |     4  push    r14
;;|                             |     6  sub     rsp, 8
;;|                             |     d  mov     r14, rdi
;;|                             |    10  mov     [rbp-0x10], rsi
;;| 0x0051 local.get 0
;;| 0x0053 i32.load 1 offset=16 |    14  mov     rax, rsi
;;|                             |    17  mov     r11, [r14+0x48]                  ; length of memory 1
;;|                             |    1b  sub     r11, 0x14
;;|                             |    1f  jb      0x40
;;|                             |    25  cmp     rax, r11
;;|                             |    28  ja      0x40
;;|                             |    2e  lea     rax, [rax+0x10]
;;|                             |    32  mov     r11, [r14+0x40]                  ; base of memory 1
;;|                             |    36  mov     eax, [r11+rax]                   ; trap: out of bounds memory access
;;| 0x0057 end                  |    3a  mov     r14, [rbp-8]
;;|                             |    3e  leave
;;|                             |    3f  ret
;;| (0x0053)                    |>   40  ud2                                      ; trap: out of bounds memory access
;;|
;;| function 2: (i32) -> ()
;;| 12 bytes of wasm, 91 bytes of code by lightbeam, bounds=explicit
;;| (prologue)           |     0  push    rbp
;;|                      |     1  mov     rbp, rsp
;;|                      |     4  push    r14
;;|                      |     6  sub     rsp, 8
;;|                      |     d  mov     r14, rdi
;;|                      |    10  mov     [rbp-0x10], esi
;;|                      |    13  mov     esi, esi
;;| 0x005a i32.const 0
;;| 0x005c local.get 0
;;| 0x005e i32.const 8
;;| 0x0060 memory.init 0 |    15  mov     eax, esi
;;|                      |    17  lea     r11, [rax+8]
;;|                      |    1b  cmp     r11, [r14+0x90]                  ; length of data 0
;;|                      |    22  ja      0x57
;;|                      |    28  mov     r11, [r14+0x88]                  ; base of data 0
;;|                      |    2f  lea     rax, [rax+r11]
;;|                      |    33  mov     ecx, 0
;;|                      |    38  lea     r11, [rcx+8]
;;|                      |    3c  cmp     r11, [r14+0x38]                  ; length of memory 0
;;|                      |    40  ja      0x59
;;|                      |    46  mov     rdx, [rax]
;;|                      |    49  mov     r11, [r14+0x30]                  ; base of memory 0
;;|                      |    4d  mov     [r11+rcx], rdx                   ; trap: out of bounds memory access
;;| 0x0064 end           |    51  mov     r14, [rbp-8]
;;|                      |    55  leave
;;|                      |    56  ret
;;| (0x0060)             |>   57  ud2                                      ; trap: out of bounds memory access
;;| (0x0060)             |>   59  ud2                                      ; trap: out of bounds memory access
;;|
;;| function 3: (i32) -> (funcref)
;;| 6 bytes of wasm, 53 bytes of code by lightbeam, bounds=explicit
;;| (prologue)         |     0  push    rbp
;;|                    |     1  mov     rbp, rsp
;;|                    |     4  push    r14
;;|                    |     6  sub     rsp, 8
;;|                    |     d  mov     r14, rdi
;;|                    |    10  mov     [rbp-0x10], esi
;;|                    |    13  mov     esi, esi
;;| 0x0067 local.get 0
;;| 0x0069 table.get 0 |    15  mov     eax, esi
;;|                    |    17  cmp     rax, [r14+0x58]                  ; length of table 0
;;|                    |    1b  jae     0x33
;;|                    |    21  shl     rax, 5
;;|                    |    25  add     rax, [r14+0x50]                  ; base of table 0
;;|                    |    29  mov     rax, [rax+0x18]
;;| 0x006b end         |    2d  mov     r14, [rbp-8]
;;|                    |    31  leave
;;|                    |    32  ret
;;| (0x0069)           |>   33  ud2                                      ; trap: out of bounds table access
;;|
;;| function 4: (i32) -> (i32)
;;| 9 bytes of wasm, 86 bytes of code by lightbeam, bounds=explicit
;;| (prologue)                    |     0  push    rbp
;;|                               |     1  mov     rbp, rsp
;;|                               |     4  push    r14
;;|                               |     6  sub     rsp, 8
;;|                               |     d  mov     r14, rdi
;;|                               |    10  mov     [rbp-0x10], esi
;;|                               |    13  mov     esi, esi
;;| 0x006e i32.const 7
;;| 0x0070 local.get 0
;;| 0x0072 call_indirect (type 0) |    15  mov     eax, esi
;;|                               |    17  cmp     rax, [r14+0x58]                  ; length of table 0
;;|                               |    1b  jae     0x4a
;;|                               |    21  shl     rax, 5
;;|                               |    25  add     rax, [r14+0x50]                  ; base of table 0
;;|                               |    29  mov     r11d, [r14+0x70]                 ; type 0
;;|                               |    2d  cmp     [rax+0x10], r11d
;;|                               |    31  jne     0x4c
;;|                               |    37  mov     esi, 7
;;|                               |    3c  mov     rdi, [rax+8]
;;|                               |    40  call    qword ptr [rax]
;;|                               |    42  mov     eax, eax
;;| 0x0075 end                    |    44  mov     r14, [rbp-8]
;;|                               |    48  leave
;;|                               |    49  ret
;;| (0x0072)                      |>   4a  ud2                                      ; trap: undefined element
;;| (0x0072)                      |>   4c  cmp     dword ptr [rax+0x10], 0xffffffff
;;|                               |    50  je      0x54
;;|                               |    52  ud2                                      ; trap: indirect call type mismatch
;;|                               |>   54  ud2                                      ; trap: uninitialized element
;;|
;;| function 5: (i32) -> (i32)
;;| 7 bytes of wasm, 115 bytes of code by lightbeam, bounds=explicit
;;| (prologue)                    |     0  push    rbp
;;|                               |     1  mov     rbp, rsp
;;|                               |     4  push    r14
;;|                               |     6  sub     rsp, 0x18
;;|                               |     d  mov     r14, rdi
;;|                               |    10  mov     [rbp-0x10], esi
;;|                               |    13  mov     esi, esi
;;| 0x0078 local.get 0
;;| 0x007a call_indirect (type 1) |    15  mov     eax, esi
;;|                               |    17  cmp     rax, [r14+0x58]                  ; length of table 0
;;|                               |    1b  jae     0x6d
;;|                               |    21  shl     rax, 5
;;|                               |    25  add     rax, [r14+0x50]                  ; base of table 0
;;|                               |    29  mov     [rbp-0x18], rax
;;|                               |    2d  mov     esi, [rax+0x10]
;;|                               |    30  mov     edx, [r14+0x74]                  ; type 1
;;|                               |    34  cmp     esi, edx
;;|                               |    36  je      0x5b
;;|                               |    3c  cmp     esi, 0xffffffff
;;|                               |    3f  je      0x6f
;;|                               |    45  mov     rdi, r14
;;|                               |    48  mov     r11, [r14+0x10]                  ; builtins
;;|                               |    4c  call    qword ptr [r11+0x88]             ; builtin is_subtype
;;|                               |    53  test    eax, eax
;;|                               |    55  je      0x71
;;|                               |>   5b  mov     rax, [rbp-0x18]
;;|                               |    5f  mov     rdi, [rax+8]
;;|                               |    63  call    qword ptr [rax]
;;|                               |    65  mov     eax, eax
;;| 0x007d end                    |    67  mov     r14, [rbp-8]
;;|                               |    6b  leave
;;|                               |    6c  ret
;;| (0x007a)                      |>   6d  ud2                                      ; trap: undefined element
;;| (0x007a)                      |>   6f  ud2                                      ; trap: uninitialized element
;;| (0x007a)                      |>   71  ud2                                      ; trap: indirect call type mismatch
;;|
;;| function 6: (i32) -> (i32)
;;| 9 bytes of wasm, 92 bytes of code by lightbeam, bounds=explicit
;;| (prologue)                           |     0  push    rbp
;;|                                      |     1  mov     rbp, rsp
;;|                                      |     4  push    r14
;;|                                      |     6  sub     rsp, 8
;;|                                      |     d  mov     r14, rdi
;;|                                      |    10  mov     [rbp-0x10], esi
;;|                                      |    13  mov     esi, esi
;;| 0x0080 i32.const 7
;;| 0x0082 local.get 0
;;| 0x0084 return_call_indirect (type 0) |    15  mov     eax, esi
;;|                                      |    17  cmp     rax, [r14+0x58]                  ; length of table 0
;;|                                      |    1b  jae     0x50
;;|                                      |    21  shl     rax, 5
;;|                                      |    25  add     rax, [r14+0x50]                  ; base of table 0
;;|                                      |    29  mov     r11d, [r14+0x70]                 ; type 0
;;|                                      |    2d  cmp     [rax+0x10], r11d
;;|                                      |    31  jne     0x52
;;|                                      |    37  mov     esi, 7
;;|                                      |    3c  mov     rdi, [rax+8]
;;|                                      |    40  mov     rax, [rax]
;;|                                      |    43  mov     r14, [rbp-8]                     ; uninterruptible
;;|                                      |    47  leave                                    ; uninterruptible
;;|                                      |    48  jmp     rax                              ; uninterruptible
;;| 0x0087 end                           |    4a  mov     r14, [rbp-8]
;;|                                      |    4e  leave
;;|                                      |    4f  ret
;;| (0x0084)                             |>   50  ud2                                      ; trap: undefined element
;;| (0x0084)                             |>   52  cmp     dword ptr [rax+0x10], 0xffffffff
;;|                                      |    56  je      0x5a
;;|                                      |    58  ud2                                      ; trap: indirect call type mismatch
;;|                                      |>   5a  ud2                                      ; trap: uninitialized element
;;|
;;| function 7: (i32) -> ()
;;| 16 bytes of wasm, 52 bytes of code by lightbeam, bounds=explicit
;;| (prologue)              |     0  push    rbp
;;|                         |     1  mov     rbp, rsp
;;|                         |     4  sub     rsp, 0x10
;;|                         |     b  mov     [rbp-8], esi
;;|                         |     e  mov     esi, esi
;;| 0x008a block
;;| 0x008c   block
;;| 0x008e     local.get 0
;;| 0x0090     br_table 0 1 |    10  mov     eax, esi
;;|                         |    12  cmp     eax, 1
;;|                         |    15  jae     0x2d
;;|                         |    1b  lea     r11, [0x30]
;;|                         |    22  movsxd  rax, [r11+rax*4]
;;|                         |    26  add     rax, r11
;;|                         |    29  jmp     rax
;;| 0x0094     unreachable
;;| 0x0095   end
;;| 0x0096   unreachable    |>   2b  ud2                                      ; trap: unreachable
;;| 0x0097 end
;;| 0x0098 end              |>   2d  leave
;;|                         |    2e  ret
;;|                         |    2f  data: cc
;;|                         |    30  jump table: 0x2b
;;| --tier cranelift --bounds explicit
;;| function 0: (i32) -> (i32)
;;| 7 bytes of wasm, 51 bytes of code by cranelift, bounds=explicit
;;| (prologue)         |     0  push    rbp
;;|                    |     1  mov     rbp, rsp
;;| 0x0049 local.get 0
;;| 0x004b i32.load    |     4  mov     r8, [rdi+0x38]                   ; length of memory 0
;;|                    |     8  mov     r10d, esi
;;|                    |     b  sub     r8, 4
;;|                    |     f  cmp     r10, r8
;;|                    |    12  ja      0x31
;;|                    |    18  xor     rax, rax
;;|                    |    1b  mov     r11, r10
;;|                    |    1e  add     r11, [rdi+0x30]                  ; base of memory 0
;;|                    |    22  cmp     r10, r8
;;|                    |    25  cmova   r11, rax
;;|                    |    29  mov     eax, [r11]                       ; trap: out of bounds memory access
;;| 0x004e end         |    2c  nop     [rax]
;;|                    |    2f  pop     rbp
;;|                    |    30  ret
;;| (0x004b)           |>   31  ud2                                      ; trap: out of bounds memory access
;;|
;;| function 1: (i64) -> (i32)
;;| 8 bytes of wasm, 50 bytes of code by cranelift, bounds=explicit
;;| (prologue)                  |     0  push    rbp
;;|                             |     1  mov     rbp, rsp
;;| 0x0051 local.get 0
;;| 0x0053 i32.load 1 offset=16 |     4  mov     r9, [rdi+0x48]                   ; length of memory 1
;;|                             |     8  sub     r9, 0x14
;;|                             |     c  cmp     rsi, r9
;;|                             |     f  ja      0x30
;;|                             |    15  xor     rax, rax
;;|                             |    18  mov     rcx, [rdi+0x40]                  ; base of memory 1
;;|                             |    1c  lea     r11, [rcx+rsi+0x10]
;;|                             |    21  cmp     rsi, r9
;;|                             |    24  cmova   r11, rax
;;|                             |    28  mov     eax, [r11]                       ; trap: out of bounds memory access
;;| 0x0057 end                  |    2b  nop     [rax]
;;|                             |    2e  pop     rbp
;;|                             |    2f  ret
;;| (0x0053)                    |>   30  ud2                                      ; trap: out of bounds memory access
;;|
;;| function 2: (i32) -> ()
;;| 12 bytes of wasm, 60 bytes of code by cranelift, bounds=explicit
;;| (prologue)           |     0  push    rbp
;;|                      |     1  mov     rbp, rsp
;;| 0x005a i32.const 0
;;| 0x005c local.get 0
;;| 0x005e i32.const 8
;;| 0x0060 memory.init 0 |     4  mov     r11, [rdi+0x90]                  ; length of data 0
;;|                      |     b  mov     esi, esi
;;|                      |     d  lea     rax, [rsi+8]
;;|                      |    11  cmp     rax, r11
;;|                      |    14  ja      0x3a
;;|                      |    1a  xor     rcx, rcx
;;|                      |    1d  add     rsi, [rdi+0x88]                  ; base of data 0
;;|                      |    24  cmp     rax, r11
;;|                      |    27  cmova   rsi, rcx
;;|                      |    2b  mov     rax, [rsi]
;;|                      |    2e  mov     rcx, [rdi+0x30]                  ; base of memory 0
;;|                      |    32  mov     [rcx], rax                       ; trap: out of bounds memory access
;;| 0x0064 end           |    35  nop     [rax]
;;|                      |    38  pop     rbp
;;|                      |    39  ret
;;| (0x0060)             |>   3a  ud2                                      ; trap: out of bounds memory access
;;|
;;| function 3: (i32) -> (funcref)
;;| 6 bytes of wasm, 38 bytes of code by cranelift, bounds=explicit
;;| (prologue)         |     0  push    rbp
;;|                    |     1  mov     rbp, rsp
;;| 0x0067 local.get 0
;;| 0x0069 table.get 0 |     4  mov     r10d, esi
;;|                    |     7  xor     r9, r9
;;|                    |     a  mov     r8, r10
;;|                    |     d  shl     r8, 5
;;|                    |    11  add     r8, [rdi+0x50]                   ; base of table 0
;;|                    |    15  cmp     r10, [rdi+0x58]                  ; length of table 0
;;|                    |    19  cmovae  r8, r9
;;|                    |    1d  mov     rax, [r8+0x18]                   ; trap: out of bounds table access
;;| 0x006b end         |    21  nop     [rax]
;;|                    |    24  pop     rbp
;;|                    |    25  ret
;;|
;;| function 4: (i32) -> (i32)
;;| 9 bytes of wasm, 89 bytes of code by cranelift, bounds=explicit
;;| (prologue)                    |     0  push    rbp
;;|                               |     1  mov     rbp, rsp
;;| 0x006e i32.const 7
;;| 0x0070 local.get 0
;;| 0x0072 call_indirect (type 0) |     4  mov     rax, [rdi+0x50]                  ; base of table 0
;;|                               |     8  mov     rcx, [rdi+0x58]                  ; length of table 0
;;|                               |     c  mov     esi, esi
;;|                               |     e  xor     rdx, rdx
;;|                               |    11  mov     r8, rsi
;;|                               |    14  shl     r8, 5
;;|                               |    18  add     rax, r8
;;|                               |    1b  cmp     rsi, rcx
;;|                               |    1e  cmovae  rax, rdx
;;|                               |    22  mov     ecx, [rax+0x10]                  ; trap: undefined element
;;|                               |    25  mov     edx, [rdi+0x70]                  ; type 0
;;|                               |    28  cmp     ecx, edx
;;|                               |    2a  jne     0x4c
;;|                               |    30  mov     rsi, [rax]
;;|                               |    33  mov     rdi, [rax+8]
;;|                               |    37  xor     rax, rax
;;|                               |    3a  cmp     ecx, edx
;;|                               |    3c  cmove   rax, rsi
;;| (0x006e)                      |    40  mov     esi, 7
;;| (0x0072)                      |    45  call    rax
;;| 0x0075 end                    |    47  nop     [rax]
;;|                               |    4a  pop     rbp
;;|                               |    4b  ret
;;| (0x0072)                      |>   4c  cmp     ecx, 0xffffffff
;;|                               |    4f  je      0x57
;;|                               |    55  ud2                                      ; trap: indirect call type mismatch
;;|                               |>   57  ud2                                      ; trap: uninitialized element
;;|
;;| function 5: (i32) -> (i32)
;;| 7 bytes of wasm, 137 bytes of code by cranelift, bounds=explicit
;;| (prologue)                    |     0  push    rbp
;;|                               |     1  mov     rbp, rsp
;;|                               |     4  sub     rsp, 0x10
;;|                               |     8  mov     [rsp], rbx
;;| 0x0078 local.get 0
;;| 0x007a call_indirect (type 1) |     c  mov     rax, [rdi+0x50]                  ; base of table 0
;;|                               |    10  mov     rcx, [rdi+0x58]                  ; length of table 0
;;|                               |    14  mov     esi, esi
;;|                               |    16  xor     rdx, rdx
;;|                               |    19  mov     r8, rsi
;;|                               |    1c  shl     r8, 5
;;|                               |    20  lea     rbx, [rax+r8]
;;|                               |    24  cmp     rsi, rcx
;;|                               |    27  cmovae  rbx, rdx
;;|                               |    2b  mov     esi, [rbx+0x10]                  ; trap: undefined element
;;|                               |    2e  mov     edx, [rdi+0x74]                  ; type 1
;;|                               |    31  cmp     esi, edx
;;|                               |    33  sete    cl
;;|                               |    36  cmp     esi, edx
;;|                               |    38  jne     0x5d
;;|                               |>   3e  mov     rdx, [rbx]
;;|                               |    41  mov     rdi, [rbx+8]
;;|                               |    45  xor     rax, rax
;;|                               |    48  test    cl, cl
;;|                               |    4a  cmovne  rax, rdx
;;|                               |    4e  call    rax
;;| 0x007d end                    |    50  mov     rbx, [rsp]
;;|                               |    54  add     rsp, 0x10
;;|                               |    58  nop     [rax]
;;|                               |    5b  pop     rbp
;;|                               |    5c  ret
;;| (0x007a)                      |>   5d  cmp     esi, 0xffffffff
;;|                               |    60  je      0x85
;;|                               |    66  mov     rax, [rdi+0x10]                  ; builtins
;;|                               |    6a  mov     rax, [rax+0x88]                  ; builtin is_subtype
;;|                               |    71  call    rax                              ; builtin is_subtype
;;|                               |    73  test    eax, eax
;;|                               |    75  je      0x87
;;|                               |    7b  test    eax, eax
;;|                               |    7d  setne   cl
;;|                               |    80  jmp     0x3e
;;|                               |>   85  ud2                                      ; trap: uninitialized element
;;|                               |>   87  ud2                                      ; trap: indirect call type mismatch
;;|
;;| function 6: (i32) -> (i32)
;;| 9 bytes of wasm, 89 bytes of code by cranelift, bounds=explicit
;;| (prologue)                           |     0  push    rbp
;;|                                      |     1  mov     rbp, rsp
;;| 0x0080 i32.const 7
;;| 0x0082 local.get 0
;;| 0x0084 return_call_indirect (type 0) |     4  mov     rax, [rdi+0x50]                  ; base of table 0
;;|                                      |     8  mov     rcx, [rdi+0x58]                  ; length of table 0
;;|                                      |     c  mov     esi, esi
;;|                                      |     e  xor     rdx, rdx
;;|                                      |    11  mov     r8, rsi
;;|                                      |    14  shl     r8, 5
;;|                                      |    18  add     rax, r8
;;|                                      |    1b  cmp     rsi, rcx
;;|                                      |    1e  cmovae  rax, rdx
;;|                                      |    22  mov     ecx, [rax+0x10]                  ; trap: undefined element
;;|                                      |    25  mov     edx, [rdi+0x70]                  ; type 0
;;|                                      |    28  cmp     ecx, edx
;;|                                      |    2a  jne     0x4c
;;|                                      |    30  mov     rsi, [rax]
;;|                                      |    33  mov     rdi, [rax+8]
;;|                                      |    37  xor     r10, r10
;;|                                      |    3a  cmp     ecx, edx
;;|                                      |    3c  cmove   r10, rsi
;;| (0x0080)                             |    40  mov     esi, 7
;;| (0x0084)                             |    45  nop     [rax]                            ; uninterruptible
;;|                                      |    48  pop     rbp                              ; uninterruptible
;;|                                      |    49  jmp     r10                              ; uninterruptible
;;|                                      |>   4c  cmp     ecx, 0xffffffff
;;|                                      |    4f  je      0x57
;;|                                      |    55  ud2                                      ; trap: indirect call type mismatch
;;|                                      |>   57  ud2                                      ; trap: uninitialized element
;;| 0x0087 end
;;|
;;| function 7: (i32) -> ()
;;| 16 bytes of wasm, 52 bytes of code by cranelift, bounds=explicit
;;| (prologue)              |     0  push    rbp
;;|                         |     1  mov     rbp, rsp
;;|                         |     4  mov     r8, rsi
;;| 0x008a block
;;| 0x008c   block
;;| 0x008e     local.get 0
;;| 0x0090     br_table 0 1 |     7  mov     esi, 1
;;|                         |     c  mov     edi, r8d
;;|                         |     f  cmp     edi, esi
;;|                         |    11  cmovb   esi, edi
;;|                         |    14  lea     r9, [0x25]
;;|                         |    1b  movsxd  r10, [r9+rsi*4]
;;|                         |    1f  add     r9, r10
;;|                         |    22  jmp     r9
;;|                         |    25  jump table: 0x32 0x2d
;;| 0x0094     unreachable
;;| 0x0095   end
;;| 0x0096   unreachable
;;| 0x0097 end
;;| 0x0098 end              |>   2d  nop     [rax]
;;|                         |    30  pop     rbp
;;|                         |    31  ret
;;| (0x0096)                |>   32  ud2                                      ; trap: unreachable
;;| --tier cranelift --bounds explicit --no-spectre
;;| function 0: (i32) -> (i32)
;;| 7 bytes of wasm, 42 bytes of code by cranelift, bounds=explicit
;;| (prologue)         |     0  push    rbp
;;|                    |     1  mov     rbp, rsp
;;|                    |     4  mov     r9, rsi
;;| 0x0049 local.get 0
;;| 0x004b i32.load    |     7  mov     rsi, [rdi+0x38]                  ; length of memory 0
;;|                    |     b  mov     r8d, r9d
;;|                    |     e  sub     rsi, 4
;;|                    |    12  cmp     r8, rsi
;;|                    |    15  ja      0x28
;;|                    |    1b  mov     r9, [rdi+0x30]                   ; base of memory 0
;;|                    |    1f  mov     eax, [r9+r8]                     ; trap: out of bounds memory access
;;| 0x004e end         |    23  nop     [rax]
;;|                    |    26  pop     rbp
;;|                    |    27  ret
;;| (0x004b)           |>   28  ud2                                      ; trap: out of bounds memory access
;;|
;;| function 1: (i64) -> (i32)
;;| 8 bytes of wasm, 37 bytes of code by cranelift, bounds=explicit
;;| (prologue)                  |     0  push    rbp
;;|                             |     1  mov     rbp, rsp
;;| 0x0051 local.get 0
;;| 0x0053 i32.load 1 offset=16 |     4  mov     r8, [rdi+0x48]                   ; length of memory 1
;;|                             |     8  sub     r8, 0x14
;;|                             |     c  cmp     rsi, r8
;;|                             |     f  ja      0x23
;;|                             |    15  mov     r8, [rdi+0x40]                   ; base of memory 1
;;|                             |    19  mov     eax, [r8+rsi+0x10]               ; trap: out of bounds memory access
;;| 0x0057 end                  |    1e  nop     [rax]
;;|                             |    21  pop     rbp
;;|                             |    22  ret
;;| (0x0053)                    |>   23  ud2                                      ; trap: out of bounds memory access
;;|
;;| function 2: (i32) -> ()
;;| 12 bytes of wasm, 49 bytes of code by cranelift, bounds=explicit
;;| (prologue)           |     0  push    rbp
;;|                      |     1  mov     rbp, rsp
;;| 0x005a i32.const 0
;;| 0x005c local.get 0
;;| 0x005e i32.const 8
;;| 0x0060 memory.init 0 |     4  mov     r8d, esi
;;|                      |     7  lea     r9, [r8+8]
;;|                      |     b  cmp     r9, [rdi+0x90]                   ; length of data 0
;;|                      |    12  ja      0x2f
;;|                      |    18  mov     r9, [rdi+0x88]                   ; base of data 0
;;|                      |    1f  mov     r9, [r9+r8]
;;|                      |    23  mov     r10, [rdi+0x30]                  ; base of memory 0
;;|                      |    27  mov     [r10], r9                        ; trap: out of bounds memory access
;;| 0x0064 end           |    2a  nop     [rax]
;;|                      |    2d  pop     rbp
;;|                      |    2e  ret
;;| (0x0060)             |>   2f  ud2                                      ; trap: out of bounds memory access
;;|
;;| function 3: (i32) -> (funcref)
;;| 6 bytes of wasm, 38 bytes of code by cranelift, bounds=explicit
;;| (prologue)         |     0  push    rbp
;;|                    |     1  mov     rbp, rsp
;;| 0x0067 local.get 0
;;| 0x0069 table.get 0 |     4  mov     r10d, esi
;;|                    |     7  xor     r9, r9
;;|                    |     a  mov     r8, r10
;;|                    |     d  shl     r8, 5
;;|                    |    11  add     r8, [rdi+0x50]                   ; base of table 0
;;|                    |    15  cmp     r10, [rdi+0x58]                  ; length of table 0
;;|                    |    19  cmovae  r8, r9
;;|                    |    1d  mov     rax, [r8+0x18]                   ; trap: out of bounds table access
;;| 0x006b end         |    21  nop     [rax]
;;|                    |    24  pop     rbp
;;|                    |    25  ret
;;|
;;| function 4: (i32) -> (i32)
;;| 9 bytes of wasm, 80 bytes of code by cranelift, bounds=explicit
;;| (prologue)                    |     0  push    rbp
;;|                               |     1  mov     rbp, rsp
;;| 0x006e i32.const 7
;;| 0x0070 local.get 0
;;| 0x0072 call_indirect (type 0) |     4  mov     rax, [rdi+0x50]                  ; base of table 0
;;|                               |     8  mov     rcx, [rdi+0x58]                  ; length of table 0
;;|                               |     c  mov     esi, esi
;;|                               |     e  xor     rdx, rdx
;;|                               |    11  mov     r8, rsi
;;|                               |    14  shl     r8, 5
;;|                               |    18  add     rax, r8
;;|                               |    1b  cmp     rsi, rcx
;;|                               |    1e  cmovae  rax, rdx
;;|                               |    22  mov     ecx, [rax+0x10]                  ; trap: undefined element
;;|                               |    25  mov     edx, [rdi+0x70]                  ; type 0
;;|                               |    28  cmp     ecx, edx
;;|                               |    2a  jne     0x43
;;|                               |    30  mov     rcx, [rax]
;;|                               |    33  mov     rdi, [rax+8]
;;| (0x006e)                      |    37  mov     esi, 7
;;| (0x0072)                      |    3c  call    rcx
;;| 0x0075 end                    |    3e  nop     [rax]
;;|                               |    41  pop     rbp
;;|                               |    42  ret
;;| (0x0072)                      |>   43  cmp     ecx, 0xffffffff
;;|                               |    46  je      0x4e
;;|                               |    4c  ud2                                      ; trap: indirect call type mismatch
;;|                               |>   4e  ud2                                      ; trap: uninitialized element
;;|
;;| function 5: (i32) -> (i32)
;;| 7 bytes of wasm, 118 bytes of code by cranelift, bounds=explicit
;;| (prologue)                    |     0  push    rbp
;;|                               |     1  mov     rbp, rsp
;;|                               |     4  sub     rsp, 0x10
;;|                               |     8  mov     [rsp], rbx
;;| 0x0078 local.get 0
;;| 0x007a call_indirect (type 1) |     c  mov     rax, [rdi+0x50]                  ; base of table 0
;;|                               |    10  mov     rcx, [rdi+0x58]                  ; length of table 0
;;|                               |    14  mov     esi, esi
;;|                               |    16  xor     rdx, rdx
;;|                               |    19  mov     r8, rsi
;;|                               |    1c  shl     r8, 5
;;|                               |    20  lea     rbx, [rax+r8]
;;|                               |    24  cmp     rsi, rcx
;;|                               |    27  cmovae  rbx, rdx
;;|                               |    2b  mov     esi, [rbx+0x10]                  ; trap: undefined element
;;|                               |    2e  mov     edx, [rdi+0x74]                  ; type 1
;;|                               |    31  cmp     esi, edx
;;|                               |    33  jne     0x4f
;;|                               |>   39  mov     rcx, [rbx]
;;|                               |    3c  mov     rdi, [rbx+8]
;;|                               |    40  call    rcx
;;| 0x007d end                    |    42  mov     rbx, [rsp]
;;|                               |    46  add     rsp, 0x10
;;|                               |    4a  nop     [rax]
;;|                               |    4d  pop     rbp
;;|                               |    4e  ret
;;| (0x007a)                      |>   4f  cmp     esi, 0xffffffff
;;|                               |    52  je      0x72
;;|                               |    58  mov     rcx, [rdi+0x10]                  ; builtins
;;|                               |    5c  mov     rcx, [rcx+0x88]                  ; builtin is_subtype
;;|                               |    63  call    rcx                              ; builtin is_subtype
;;|                               |    65  test    eax, eax
;;|                               |    67  je      0x74
;;|                               |    6d  jmp     0x39
;;|                               |>   72  ud2                                      ; trap: uninitialized element
;;|                               |>   74  ud2                                      ; trap: indirect call type mismatch
;;|
;;| function 6: (i32) -> (i32)
;;| 9 bytes of wasm, 80 bytes of code by cranelift, bounds=explicit
;;| (prologue)                           |     0  push    rbp
;;|                                      |     1  mov     rbp, rsp
;;| 0x0080 i32.const 7
;;| 0x0082 local.get 0
;;| 0x0084 return_call_indirect (type 0) |     4  mov     rax, [rdi+0x50]                  ; base of table 0
;;|                                      |     8  mov     rcx, [rdi+0x58]                  ; length of table 0
;;|                                      |     c  mov     esi, esi
;;|                                      |     e  xor     rdx, rdx
;;|                                      |    11  mov     r8, rsi
;;|                                      |    14  shl     r8, 5
;;|                                      |    18  add     rax, r8
;;|                                      |    1b  cmp     rsi, rcx
;;|                                      |    1e  cmovae  rax, rdx
;;|                                      |    22  mov     ecx, [rax+0x10]                  ; trap: undefined element
;;|                                      |    25  mov     edx, [rdi+0x70]                  ; type 0
;;|                                      |    28  cmp     ecx, edx
;;|                                      |    2a  jne     0x43
;;|                                      |    30  mov     r10, [rax]
;;|                                      |    33  mov     rdi, [rax+8]
;;| (0x0080)                             |    37  mov     esi, 7
;;| (0x0084)                             |    3c  nop     [rax]                            ; uninterruptible
;;|                                      |    3f  pop     rbp                              ; uninterruptible
;;|                                      |    40  jmp     r10                              ; uninterruptible
;;|                                      |>   43  cmp     ecx, 0xffffffff
;;|                                      |    46  je      0x4e
;;|                                      |    4c  ud2                                      ; trap: indirect call type mismatch
;;|                                      |>   4e  ud2                                      ; trap: uninitialized element
;;| 0x0087 end
;;|
;;| function 7: (i32) -> ()
;;| 16 bytes of wasm, 52 bytes of code by cranelift, bounds=explicit
;;| (prologue)              |     0  push    rbp
;;|                         |     1  mov     rbp, rsp
;;|                         |     4  mov     r8, rsi
;;| 0x008a block
;;| 0x008c   block
;;| 0x008e     local.get 0
;;| 0x0090     br_table 0 1 |     7  mov     esi, 1
;;|                         |     c  mov     edi, r8d
;;|                         |     f  cmp     edi, esi
;;|                         |    11  cmovb   esi, edi
;;|                         |    14  lea     r9, [0x25]
;;|                         |    1b  movsxd  r10, [r9+rsi*4]
;;|                         |    1f  add     r9, r10
;;|                         |    22  jmp     r9
;;|                         |    25  jump table: 0x32 0x2d
;;| 0x0094     unreachable
;;| 0x0095   end
;;| 0x0096   unreachable
;;| 0x0097 end
;;| 0x0098 end              |>   2d  nop     [rax]
;;|                         |    30  pop     rbp
;;|                         |    31  ret
;;| (0x0096)                |>   32  ud2                                      ; trap: unreachable
