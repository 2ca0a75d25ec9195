;; kind: validator
;; capabilities:
;; expect: an empty report; 1,000 lines of 4 KiB, and one that says how many were dropped
(module
  (import "gencode:plugin/log@0.1.0" "write" (func $write (param i32 i32 i32 i32)))
  (; prelude ;)
  (data (i32.const 2048) "info")
  (func (export "check") (param i32) (result i32)
    (local $n i32)
    (memory.fill (i32.const 8192) (i32.const 0x61) (i32.const 8192))
    (loop $next
      (call $write (i32.const 2048) (i32.const 4) (i32.const 8192) (i32.const 8192))
      (local.set $n (i32.add (local.get $n) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $n) (i32.const 5000))))
    (i32.const 1024)))
