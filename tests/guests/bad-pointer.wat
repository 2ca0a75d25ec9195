;; kind: validator
;; capabilities:
;; expect: garbage: findings beyond the end of memory
(module
  (; prelude ;)
  (func (export "check") (param i32) (result i32)
    (i32.store (i32.const 1028) (i32.const 0x7fff0000))
    (i32.store (i32.const 1032) (i32.const 1000))
    (i32.const 1024)))
