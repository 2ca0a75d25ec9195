;; kind: validator
;; capabilities:
;; expect: garbage: the result itself is beyond the end of memory
(module
  (; prelude ;)
  (func (export "check") (param i32) (result i32) (i32.const 0x7ffffffc)))
