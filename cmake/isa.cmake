# core/ops/cpu/*.c is compiled once per instruction set; core/ops picks one at run time.
