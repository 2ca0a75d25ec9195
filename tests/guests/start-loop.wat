;; kind: validator
;; capabilities:
;; expect: cpu: it never gets as far as its own export
(module
  (; prelude ;)
  (func $start (loop $forever (br $forever)))
  (start $start)
  (func (export "check") (param i32) (result i32) (i32.const 1024)))
