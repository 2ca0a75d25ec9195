;; kind: validator
;; capabilities:
;; expect: garbage: one finding whose code is not UTF-8
(module
  (; prelude ;)
  (data (i32.const 2048) "\ff\fe\ff\fe")
  (func (export "check") (param i32) (result i32)
    (i32.store (i32.const 1028) (i32.const 4096))
    (i32.store (i32.const 1032) (i32.const 1))
    (i32.store (i32.const 4096) (i32.const 2048))
    (i32.store (i32.const 4100) (i32.const 4))
    (i32.const 1024)))
