;; kind: validator
;; capabilities:
;; expect: memory: 40 MiB in each of two memories are 80 MiB
(module
  (; prelude ;)
  (memory $second 1)
  (func (export "check") (param i32) (result i32)
    (drop (memory.grow (i32.const 640)))
    (if (i32.eq (i32.const -1) (memory.grow $second (i32.const 640)))
      (then unreachable))
    (i32.const 1024)))
