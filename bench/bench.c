#include "bench/bench.h"

#include "bench/ceiling.h"
#include "core/base/alloc.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

/* "model name" of the first processor; where the kernel does not tell, the kind of machine. */
static void cpu_name(char *out, size_t size)
{
    struct utsname u;
    snprintf(out, size, "%s", uname(&u) == 0 ? u.machine : "unknown");
    FILE *f = fopen("/proc/cpuinfo", "r");
    if (!f)
        return;
    char line[256];
    while (fgets(line, sizeof line, f)) {
        char *value = strchr(line, ':');
        if (!value || strncmp(line, "model name", 10) != 0)
            continue;
        value[strcspn(value, "\n")] = 0;
        snprintf(out, size, "%s", value + 1 + (value[1] == ' '));
        break;
    }
    fclose(f);
}

int el_bench_machine_init(struct el_bench_machine *m, const struct el_ops *ops, int threads,
                          struct el_error *err)
{
    *m = (struct el_bench_machine){
        .isa = ops->name, .threads = threads, .bf16 = el_ops_bf16_name(ops)};
    cpu_name(m->cpu, sizeof m->cpu);
    if (getloadavg(&m->load, 1) != 1)
        m->load = -1;
    m->flop_rate = el_bench_flop_ceiling(m->isa, threads);
    m->bf16_rate =
        strcmp(m->bf16, m->isa) == 0 ? m->flop_rate : el_bench_bf16_ceiling(m->bf16, threads);
    return el_bench_bandwidth(threads, &m->byte_rate, err);
}

void el_bench_init(struct el_bench *b, struct el_stream *s, int repeats)
{
    *b = (struct el_bench){.s = s, .repeats = repeats, .slice = 0.25};
    b->machine.isa = s->ops->name;
    b->machine.threads = s->threads;
}

void el_bench_release(struct el_bench *b)
{
    el_bench_drop(b, NULL);
    el_bench_peer_release(&b->peer);
    for (int i = 0; i < b->n_figures; i++)
        el_free(b->figures[i].ops);
    el_free(b->figures);
    el_free(b->blocks);
    memset(b, 0, sizeof *b);
}

static void *no_memory(struct el_bench *b)
{
    if (!b->failed)
        b->failed = el_error_set(&b->error, EL_ENOMEM, "out of memory for a benchmark's arrays");
    return NULL;
}

static void *block(struct el_bench *b, size_t bytes)
{
    if (b->n_blocks == b->block_room) {
        int room = 2 * b->block_room + 16;
        void **more = el_realloc(b->blocks, (size_t)room * sizeof *more);
        if (!more)
            return no_memory(b);
        b->blocks = more;
        b->block_room = room;
    }
    void *p = el_device_alloc(b->s->device, bytes);
    if (!p)
        return no_memory(b);
    b->blocks[b->n_blocks++] = p;
    return p;
}

float *el_bench_noise(struct el_bench *b, size_t n)
{
    float *x = block(b, n * sizeof *x);
    uint32_t r = 12345;
    for (size_t i = 0; x && i < n; i++) {
        r = r * 1664525u + 1013904223u;
        x[i] = (float)(int32_t)r / 2147483648.0f;
    }
    return x;
}

int32_t *el_bench_ints(struct el_bench *b, size_t n)
{
    return block(b, n * sizeof(int32_t));
}

int el_bench_drop(struct el_bench *b, struct el_error *err)
{
    while (b->n_blocks)
        el_device_release(b->s->device, b->blocks[--b->n_blocks]);
    int failed = b->failed;
    b->failed = 0;
    return failed ? el_error_set(err, failed, "%s", b->error.msg) : 0;
}

int el_bench_add(struct el_bench *b, const struct el_bench_figure *f, struct el_error *err)
{
    if (b->n_figures == b->room) {
        int room = 2 * b->room + 16;
        struct el_bench_figure *more = el_realloc(b->figures, (size_t)room * sizeof *more);
        if (!more)
            return el_error_set(err, EL_ENOMEM, "out of memory for a figure");
        b->figures = more;
        b->room = room;
    }
    struct el_bench_figure copy = *f;
    if (f->ops) {
        copy.ops = el_alloc(sizeof *copy.ops);
        if (!copy.ops)
            return el_error_set(err, EL_ENOMEM, "out of memory for a figure");
        *copy.ops = *f->ops;
    }
    b->figures[b->n_figures++] = copy;
    if (b->show)
        b->show(b->user, b, &copy);
    return 0;
}

int el_bench_beside(struct el_bench *b, const struct el_bench_job *job, struct el_bench_figure *f,
                    struct el_error *err, const char *work, ...)
{
    char all[sizeof b->peer.work], what[160];
    if (!b->peer.command || !work)
        return el_bench_repeat(job, 1, b->repeats, &f->times, err);
    va_list list;
    va_start(list, work);
    vsnprintf(what, sizeof what, work, list);
    va_end(list);
    snprintf(all, sizeof all, "%s --dtype %s --threads %d", what, f->bf16 ? "bf16" : "fp32",
             b->s->threads);
    int rc = el_bench_race(&b->peer, all, job, b->repeats, &f->times, &f->beside, err);
    if (rc < 0 || f->beside.times.n)
        return rc;
    return el_bench_repeat(job, 1, b->repeats, &f->times, err);
}

struct op_job {
    struct el_bench *b;
    enum el_op op;
    const void *args;
};

static int run_op(void *user, double *seconds, struct el_error *err)
{
    const struct op_job *j = user;
    *seconds = el_bench_op_seconds(j->b->s, j->op, j->args, j->b->slice);
    return el_stream_check(j->b->s, err);
}

static int time_op(struct el_bench *b, enum el_op op, const void *args, const char *what,
                   const char *work)
{
    struct op_job op_job = {b, op, args};
    struct el_bench_job job = {run_op, &op_job};
    struct el_bench_figure f = {.work = el_bench_work_of(op, args), .bf16 = op == EL_OP_gemm_bf16};
    snprintf(f.name, sizeof f.name, "%s, %s", el_op_name(op), what);
    int rc = el_bench_beside(b, &job, &f, &b->error, work ? "%s" : NULL, work);
    return rc < 0 ? rc : el_bench_add(b, &f, &b->error);
}

void el_bench_op(struct el_bench *b, enum el_op op, const void *args, const char *what)
{
    el_bench_op_beside(b, op, args, what, NULL);
}

void el_bench_op_beside(struct el_bench *b, enum el_op op, const void *args, const char *what,
                        const char *work)
{
    if (b->failed || (b->only && strcmp(b->only, el_op_name(op)) != 0))
        return;
    int rc = time_op(b, op, args, what, work);
    b->failed = rc < 0 ? rc : 0;
}
