;; kind: validator
;; capabilities:
;; expect: memory: 63.5 MiB of memory and 1 MiB of tables
(module
  (; prelude ;)
  (table $first 65536 funcref)
  (table $second 1 funcref)
  (func (export "check") (param i32) (result i32)
    (if (i32.eq (i32.const -1) (memory.grow (i32.const 1008))) (then (return (i32.const 1024))))
    (if (i32.eq (i32.const -1) (table.grow $second (ref.null func) (i32.const 65000)))
      (then unreachable))
    (i32.const 1024)))
