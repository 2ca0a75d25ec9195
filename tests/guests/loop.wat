;; kind: validator
;; capabilities:
;; expect: cpu, or deadline if that is shorter
(module
  (; prelude ;)
  (func (export "check") (param i32) (result i32)
    (loop $forever (br $forever))
    unreachable))
