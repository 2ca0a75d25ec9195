;; kind: agent
;; capabilities: memory
;; expect: value-too-large: a note of 20 MiB
(module
  (import "gencode:plugin/memory@0.1.0" "put" (func $put (param i32 i32 i32 i32 i32)))
  (; prelude ;)
  (func (export "run") (param i32) (result i32)
    (drop (memory.grow (i32.const 330)))
    (call $put (i32.const 2048) (i32.const 3) (i32.const 65536) (i32.const 20971520) (i32.const 2064))
    (i32.const 1024)))
