;; kind: validator
;; capabilities:
;; expect: memory
(module
  (; prelude ;)
  (func (export "check") (param i32) (result i32)
    (loop $more
      (br_if $more (i32.ne (i32.const -1) (memory.grow (i32.const 16)))))
    ;; What allocators of most languages do without memory: abort.
    unreachable))
