;; kind: validator
;; capabilities:
;; expect: trap: reads beyond the end of memory
(module
  (; prelude ;)
  (func (export "check") (param i32) (result i32)
    (i32.load (i32.const 0x7fff0000))))
