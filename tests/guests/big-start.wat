;; kind: validator
;; capabilities:
;; expect: memory: it wants 100 MiB before it even starts
(module
  (memory (export "memory") 1600)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096))
  (func (export "describe") (result i32) (i32.const 1024))
  (func (export "check") (param i32) (result i32) (i32.const 1024)))
