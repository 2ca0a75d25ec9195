;; kind: agent
;; capabilities: clock
;; expect: host-calls
(module
  (import "gencode:plugin/clock@0.1.0" "now" (func $now (param i32)))
  (; prelude ;)
  (func (export "run") (param i32) (result i32)
    (loop $again
      (call $now (i32.const 2048))
      (br $again))
    unreachable))
