;; kind: validator
;; capabilities:
;; expect: result-too-large: 2,000 findings that all share one message of 64 KiB
(module
  (; prelude ;)
  (func (export "check") (param i32) (result i32)
    (local $at i32)
    (drop (memory.grow (i32.const 16)))
    (local.set $at (i32.const 262144))
    (loop $next
      (i32.store offset=32 (local.get $at) (i32.const 131072))
      (i32.store offset=36 (local.get $at) (i32.const 65536))
      (local.set $at (i32.add (local.get $at) (i32.const 48)))
      (br_if $next (i32.lt_u (local.get $at) (i32.const 358144))))
    (i32.store (i32.const 1028) (i32.const 262144))
    (i32.store (i32.const 1032) (i32.const 2000))
    (i32.const 1024)))
