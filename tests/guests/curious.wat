;; kind: handler
;; capabilities: memory, ask-user, clock, random
;; expect: nothing wrong; it takes a note, the time and a chance, asks the user, and leaves an empty report
(module
  (import "gencode:plugin/memory@0.1.0" "put" (func $put (param i32 i32 i32 i32 i32)))
  (import "gencode:plugin/ask-user@0.1.0" "ask" (func $ask (param i32 i32 i32 i32 i32 i32 i32)))
  (import "gencode:plugin/clock@0.1.0" "now" (func $now (param i32)))
  (import "gencode:plugin/random@0.1.0" "bytes" (func $bytes (param i32 i32)))
  (; prelude ;)
  (data (i32.const 2048) "note")
  (data (i32.const 2064) "Which colour?")
  (data (i32.const 2096) "blue")
  (func (export "run") (param i32) (result i32)
    (call $now (i32.const 4096))
    (call $bytes (i32.const 8) (i32.const 4096))
    (call $put (i32.const 2048) (i32.const 4) (i32.const 2096) (i32.const 4) (i32.const 4096))
    (if (i32.load8_u (i32.const 4096)) (then unreachable))
    (call $ask
      (i32.const 2064) (i32.const 13) (i32.const 2064) (i32.const 0) (i32.const 2096) (i32.const 4)
      (i32.const 4128))
    (if (i32.load8_u (i32.const 4128)) (then unreachable))
    ;; What the user said is kept.
    (call $put
      (i32.const 2048) (i32.const 4)
      (i32.load (i32.const 4132)) (i32.load (i32.const 4136))
      (i32.const 4096))
    (if (i32.load8_u (i32.const 4096)) (then unreachable))
    (i32.const 1024)))
