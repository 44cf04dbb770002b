;;! --tier lightbeam
;;! --tier cranelift
;; References are in the frame during a call, where the call's stack map finds them: a local's home and an operand's slot.
(module
  (func $f (import "" "f") (param externref) (result externref))
  (func (param $r externref) (result externref)
    (call $f (local.get $r))
    (drop (call $f (local.get $r)))))
;;| --tier lightbeam
;;| function 1: (externref) -> (externref)
;;| 11 bytes of wasm, 56 bytes of code by lightbeam, bounds=guard
;;| (prologue)         |     0  push    rbp
;;|                    |     1  mov     rbp, rsp
;;|                    |     4  push    r14
;;|                    |     6  sub     rsp, 0x18
;;|                    |     d  mov     r14, rdi
;;|                    |    10  mov     [rbp-0x10], esi
;;|                    |    13  mov     esi, esi
;;| 0x0021 local.get 0
;;| 0x0023 call 0 $f   |    15  mov     rdi, [r14+0x38]                  ; context of import 0
;;|                    |    19  call    qword ptr [r14+0x30]             ; 0 $f; references in [rbp-0x10]
;;|                    |    1d  mov     eax, eax
;;| 0x0025 local.get 0
;;| 0x0027 call 0 $f   |    1f  mov     [rbp-0x18], eax
;;|                    |    22  mov     esi, [rbp-0x10]
;;|                    |    25  mov     rdi, [r14+0x38]                  ; context of import 0
;;|                    |    29  call    qword ptr [r14+0x30]             ; 0 $f; references in [rbp-0x10] [rbp-0x18]
;;|                    |    2d  mov     eax, eax
;;| 0x0029 drop
;;| 0x002a end         |    2f  mov     eax, [rbp-0x18]
;;| (0x002a)           |    32  mov     r14, [rbp-8]
;;|                    |    36  leave
;;|                    |    37  ret
;;| --tier cranelift
;;| function 1: (externref) -> (externref)
;;| 11 bytes of wasm, 71 bytes of code by cranelift, bounds=guard
;;| (prologue)         |     0  push    rbp
;;|                    |     1  mov     rbp, rsp
;;|                    |     4  sub     rsp, 0x20
;;|                    |     8  mov     [rsp+0x10], r12
;;|                    |     d  mov     [rsp+0x18], r13
;;|                    |    12  mov     [rsp+8], esi
;;|                    |    16  mov     r13, [rdi+0x30]                  ; import 0
;;|                    |    1a  mov     r12, [rdi+0x38]                  ; context of import 0
;;|                    |    1e  mov     rdi, r12
;;| 0x0021 local.get 0
;;| 0x0023 call 0 $f   |    21  call    r13                              ; 0 $f; references in [rbp-0x18]
;;|                    |    24  mov     [rsp], eax
;;|                    |    27  mov     esi, [rsp+8]
;;|                    |    2b  mov     rdi, r12
;;| 0x0025 local.get 0
;;| 0x0027 call 0 $f   |    2e  call    r13                              ; 0 $f; references in [rbp-0x20]
;;|                    |    31  mov     eax, [rsp]
;;| 0x0029 drop
;;| 0x002a end         |    34  mov     r12, [rsp+0x10]
;;|                    |    39  mov     r13, [rsp+0x18]
;;|                    |    3e  add     rsp, 0x20
;;|                    |    42  mov     rsp, rbp
;;|                    |    45  pop     rbp
;;|                    |    46  ret
