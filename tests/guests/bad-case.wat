;; kind: validator
;; capabilities:
;; expect: garbage: a result that is neither ok nor an error
(module
  (; prelude ;)
  (func (export "check") (param i32) (result i32)
    (i32.store8 (i32.const 1024) (i32.const 7))
    (i32.const 1024)))
