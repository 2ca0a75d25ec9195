;; kind: validator
;; capabilities:
;; expect: result-too-large: 400,000 findings, all empty
(module
  (; prelude ;)
  (func (export "check") (param i32) (result i32)
    ;; 48 bytes each, and zero.
    (drop (memory.grow (i32.const 300)))
    (i32.store (i32.const 1028) (i32.const 131072))
    (i32.store (i32.const 1032) (i32.const 400000))
    (i32.const 1024)))
