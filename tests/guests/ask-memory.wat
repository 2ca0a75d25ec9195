;; kind: agent
;; capabilities: memory
;; expect: the host's own answer: a fault with the code and message of its error
(module
  (import "gencode:plugin/memory@0.1.0" "get" (func $get (param i32 i32 i32)))
  (; prelude ;)
  (data (i32.const 2048) "key")
  ;; result<option<string>, host-error>: the error begins 4 bytes on, a fault 8 bytes into the answer.
  (func (export "run") (param i32) (result i32)
    (call $get (i32.const 2048) (i32.const 3) (i32.const 4096))
    (if (i32.load8_u (i32.const 4096))
      (then
        (i32.store8 (i32.const 1024) (i32.const 1))
        (memory.copy (i32.const 1032) (i32.const 4100) (i32.const 17))))
    (i32.const 1024)))
