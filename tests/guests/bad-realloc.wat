;; kind: validator
;; capabilities:
;; expect: garbage: its allocator points beyond the end of memory
(module
  (memory (export "memory") 2)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 0x7fff0000))
  (func (export "describe") (result i32) (i32.const 1024))
  (func (export "check") (param i32) (result i32) (i32.const 1024)))
