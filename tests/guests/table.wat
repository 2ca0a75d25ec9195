;; kind: validator
;; capabilities:
;; expect: table: 65,536 elements are the most
(module
  (; prelude ;)
  (table $table 1 funcref)
  (func (export "check") (param i32) (result i32)
    (loop $more
      (br_if $more (i32.ne (i32.const -1) (table.grow $table (ref.null func) (i32.const 1000)))))
    unreachable))
