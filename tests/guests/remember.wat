;; kind: validator
;; capabilities:
;; expect: an empty report every time; `panic` if it finds anything a call before it left
(module
  (; prelude ;)
  (global $calls (mut i32) (i32.const 0))
  (table $table 16 funcref)
  (elem declare func $check)
  (func $check (export "check") (param i32) (result i32)
    (local $at i32)
    (if (global.get $calls) (then unreachable))
    (global.set $calls (i32.const 1))
    (if (i32.eqz (ref.is_null (table.get $table (i32.const 7)))) (then unreachable))
    (table.set $table (i32.const 7) (ref.func $check))
    ;; 2 MiB: more than the pool keeps resident, so both ways of wiping are used.
    (if (i32.eq (i32.const -1) (memory.grow (i32.const 32))) (then unreachable))
    (local.set $at (i32.const 131072))
    (loop $next
      (if (i64.ne (i64.load (local.get $at)) (i64.const 0)) (then unreachable))
      (i64.store (local.get $at) (i64.const 0x5ec2e75ec2e75ec2))
      (local.set $at (i32.add (local.get $at) (i32.const 8)))
      (br_if $next (i32.lt_u (local.get $at) (i32.const 2228224))))
    (i32.const 1024)))
