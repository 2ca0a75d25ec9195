;; kind: validator
;; capabilities:
;; expect: panic, with the message of its panic hook
(module
  (import "gencode:plugin/log@0.1.0" "write" (func $write (param i32 i32 i32 i32)))
  (; prelude ;)
  (data (i32.const 2048) "error")
  (data (i32.const 2064) "index out of bounds: the len is 3 but the index is 7")
  (func (export "check") (param i32) (result i32)
    (call $write (i32.const 2048) (i32.const 5) (i32.const 2064) (i32.const 52))
    unreachable))
