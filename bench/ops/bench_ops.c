/* Times each op at the shapes of a small model and prints FLOP/s and bytes per second with the
 * share of this machine's own ceilings, measured in the same run. For a change of an op: before and
 * after. Usage: bench_ops [backend] [threads] [op] */
#include "bench/cases.h"

#include <omp.h>
#include <stdio.h>
#include <stdlib.h>

static void show(void *user, const struct el_bench *b, const struct el_bench_figure *f)
{
    struct el_buf *line = user;
    el_buf_clear(line);
    if (el_bench_line(line, b, f, NULL) == 0)
        puts(line->data);
    fflush(stdout);
}

static int measure(struct el_bench *b, struct el_error *err)
{
    static const struct el_bench_attention shape = {.heads = 8,
                                                    .latent = 64,
                                                    .rope = 16,
                                                    .index_heads = 4,
                                                    .index_dim = 32,
                                                    .topk = 64,
                                                    .train_sequences = 24,
                                                    .train_length = 320,
                                                    .decode_sequences = 64,
                                                    .decode_length = 320};
    int rc = el_bench_machine_init(&b->machine, b->s->ops, b->machine.threads, err);
    if (rc < 0)
        return rc;
    printf("%s, backend %s, %d threads, load %.1f, ceilings %.1f GFLOP/s and %.1f GB/s\n",
           b->machine.cpu, b->machine.isa, b->machine.threads, b->machine.load,
           b->machine.flop_rate * 1e-9, b->machine.byte_rate * 1e-9);
    rc = el_bench_attention(b, &shape, err);
    if (rc == 0)
        rc = el_bench_rows(b, err);
    return rc < 0 ? rc : el_bench_gemm_shapes(b, err);
}

int main(int argc, char **argv)
{
    const struct el_ops *ops = argc > 1 ? el_ops_find(argv[1]) : el_ops_cpu();
    int threads = argc > 2 ? atoi(argv[2]) : omp_get_num_procs();
    if (!ops || threads < 1) {
        fprintf(stderr,
                "usage: bench_ops [avx512 | avx2 | generic | ref] [threads] [op]; this processor "
                "lacks the backend, or threads is not a positive number\n");
        return 2;
    }
    struct el_stream s;
    struct el_bench b;
    struct el_buf line;
    struct el_error err = {0};
    el_stream_init(&s, el_device_host(), ops, threads);
    el_bench_init(&b, &s, 1);
    el_buf_init(&line);
    b.only = argc > 3 ? argv[3] : NULL;
    b.show = show;
    b.user = &line;
    int rc = measure(&b, &err);
    if (rc < 0)
        fprintf(stderr, "bench_ops: %s\n", err.msg);
    el_buf_release(&line);
    el_bench_release(&b);
    el_stream_release(&s);
    return rc < 0;
}
