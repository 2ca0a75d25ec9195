;; kind: validator
;; capabilities:
;; expect: an empty report
(module
  (; prelude ;)
  (func (export "check") (param i32) (result i32) (i32.const 1024)))
