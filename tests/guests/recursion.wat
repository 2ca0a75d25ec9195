;; kind: validator
;; capabilities:
;; expect: stack
(module
  (; prelude ;)
  (func $deeper (param $n i64) (result i64)
    (i64.add (local.get $n) (call $deeper (i64.add (local.get $n) (i64.const 1)))))
  (func (export "check") (param i32) (result i32)
    (drop (call $deeper (i64.const 0)))
    (i32.const 1024)))
