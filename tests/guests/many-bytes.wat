;; kind: agent
;; capabilities: memory
;; expect: boundary: notes of 1 MiB without end
(module
  (import "gencode:plugin/memory@0.1.0" "put" (func $put (param i32 i32 i32 i32 i32)))
  (; prelude ;)
  (func (export "run") (param i32) (result i32)
    (drop (memory.grow (i32.const 20)))
    (memory.fill (i32.const 65536) (i32.const 0x61) (i32.const 1048576))
    (loop $again
      (call $put (i32.const 65536) (i32.const 3) (i32.const 65536) (i32.const 1048576) (i32.const 2064))
      (br $again))
    unreachable))
