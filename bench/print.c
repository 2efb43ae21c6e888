/* Figures as text and as JSON. */
#include "bench/bench.h"

#include "core/base/json.h"

#include <stdlib.h>
#include <string.h>

/* A rate with a share of the ceiling where there is one. */
static int rate(struct el_buf *out, double amount, double seconds, double ceiling, const char *unit)
{
    if (amount <= 0)
        return el_buf_printf(out, "%*s", ceiling > 0 ? 24 : 16, "");
    int rc = el_buf_printf(out, " %7.1f %-7s", amount / seconds * 1e-9, unit);
    if (rc == 0 && ceiling > 0)
        rc = el_buf_printf(out, " %6.1f%%", 100 * amount / seconds / ceiling);
    return rc;
}

static int duration(struct el_buf *out, double seconds)
{
    if (seconds < 1e-2)
        return el_buf_printf(out, " %9.1f us", seconds * 1e6);
    return el_buf_printf(out, " %9.1f ms", seconds * 1e3);
}

/* "12.3 MB": three digits. */
static int amount(struct el_buf *out, double n, const char *unit)
{
    static const char prefix[] = {' ', 'k', 'M', 'G', 'T', 'P'};
    int p = 0;
    for (; n >= 999.5 && p < 5; p++)
        n /= 1000;
    return el_buf_printf(out, " %5.*f %c%s",
                         n >= 100 || p == 0 ? 0
                         : n >= 10          ? 1
                                            : 2,
                         n, prefix[p], unit);
}

/* What the figure's FLOP/s are a share of. */
static double flop_ceiling(const struct el_bench *b, const struct el_bench_figure *f)
{
    return f->bf16 ? b->machine.bf16_rate : b->machine.flop_rate;
}

static int timed_line(struct el_buf *out, const struct el_bench *b, const struct el_bench_figure *f)
{
    int rc = duration(out, f->times.median);
    if (rc == 0)
        rc = amount(out, f->work.flop, "FLOP");
    if (rc == 0)
        rc = amount(out, f->work.bytes, "B");
    if (rc == 0)
        rc = rate(out, f->work.flop, f->times.median, flop_ceiling(b, f), "GFLOP/s");
    if (rc == 0)
        rc = rate(out, f->work.bytes, f->times.median, b->machine.byte_rate, "GB/s");
    if (rc == 0 && f->items > 0)
        rc = el_buf_printf(out, "  %.0f %s/s", f->items / f->times.median, f->unit);
    if (rc == 0 && f->memory > 0)
        rc = amount(out, f->memory, "B held");
    return rc;
}

/* "    PyTorch 2.15, compiled: 162.8 ms, 3.22 times as long [2.93, 3.52]" */
static int beside_line(struct el_buf *out, const struct el_bench_beside *p)
{
    int rc = el_buf_printf(out, "\n    %s:", p->name);
    if (rc == 0)
        rc = duration(out, p->times.median);
    return rc < 0 ? rc
                  : el_buf_printf(out, ", %.2f times as long [%.2f, %.2f]", p->ratio, p->lowest,
                                  p->highest);
}

int el_bench_line(struct el_buf *out, const struct el_bench *b, const struct el_bench_figure *f,
                  struct el_error *err)
{
    int rc = el_buf_printf(out, "%-54s", f->name);
    if (rc == 0)
        rc = f->times.n ? timed_line(out, b, f) : el_buf_printf(out, " %9.3f", f->ratio);
    if (rc == 0 && f->beside.times.n)
        rc = beside_line(out, &f->beside);
    return rc < 0 ? el_error_set(err, rc, "out of memory for a line of text") : 0;
}

struct row {
    enum el_op op;
    double seconds;
};

static int longer_first(const void *a, const void *b)
{
    double x = ((const struct row *)a)->seconds, y = ((const struct row *)b)->seconds;
    return (x < y) - (x > y);
}

int el_bench_ops_table(struct el_buf *out, const struct el_bench *b,
                       const struct el_bench_figure *f, struct el_error *err)
{
    struct row rows[EL_OP_COUNT];
    double total = 0;
    for (int op = 0; op < EL_OP_COUNT; op++) {
        rows[op] = (struct row){(enum el_op)op, f->ops ? f->ops->seconds[op] : 0};
        total += rows[op].seconds;
    }
    qsort(rows, EL_OP_COUNT, sizeof *rows, longer_first);
    int rc = 0;
    for (int i = 0; i < EL_OP_COUNT && rows[i].seconds > 0 && rc == 0; i++) {
        enum el_op op = rows[i].op;
        const struct el_bench_work *w = &f->ops->work[op];
        rc = el_buf_printf(out, "    %-16s %7lld runs %5.1f%%", el_op_name(op),
                           (long long)f->ops->runs[op], 100 * rows[i].seconds / total);
        if (rc == 0)
            rc = duration(out, rows[i].seconds);
        if (rc == 0)
            rc = rate(out, w->flop, rows[i].seconds,
                      op == EL_OP_gemm_bf16 ? b->machine.bf16_rate : b->machine.flop_rate,
                      "GFLOP/s");
        if (rc == 0)
            rc = rate(out, w->bytes, rows[i].seconds, b->machine.byte_rate, "GB/s");
        if (rc == 0)
            rc = el_buf_putc(out, '\n');
    }
    return rc < 0 ? el_error_set(err, rc, "out of memory for a table") : 0;
}

static int json_ops(struct el_buf *out, const struct el_bench_tally *t)
{
    int rc = el_buf_puts(out, ", \"ops\": {");
    const char *comma = "";
    for (int op = 0; op < EL_OP_COUNT && rc == 0; op++) {
        if (!t->runs[op])
            continue;
        rc = el_buf_printf(out,
                           "%s\"%s\": {\"runs\": %lld, \"seconds\": %.9g, \"flop\": %.0f, "
                           "\"bytes\": %.0f}",
                           comma, el_op_name((enum el_op)op), (long long)t->runs[op],
                           t->seconds[op], t->work[op].flop, t->work[op].bytes);
        comma = ", ";
    }
    return rc < 0 ? rc : el_buf_putc(out, '}');
}

static int json_times(struct el_buf *out, const struct el_bench *b, const struct el_bench_figure *f)
{
    const struct el_bench_machine *m = &b->machine;
    double flops = f->work.flop / f->times.median, bytes = f->work.bytes / f->times.median;
    int rc = el_buf_printf(out,
                           ", \"seconds\": %.9g, \"fastest\": %.9g, \"slowest\": %.9g, "
                           "\"repeats\": %d, \"flop\": %.0f, \"bytes\": %.0f",
                           f->times.median, f->times.fastest, f->times.slowest, f->times.n,
                           f->work.flop, f->work.bytes);
    if (rc == 0 && flop_ceiling(b, f) > 0)
        rc = el_buf_printf(out, ", \"flop_share\": %.4f", flops / flop_ceiling(b, f));
    if (rc == 0 && m->byte_rate > 0)
        rc = el_buf_printf(out, ", \"byte_share\": %.4f", bytes / m->byte_rate);
    if (rc == 0 && f->items > 0)
        rc = el_buf_printf(out, ", \"items\": %.0f, \"unit\": \"%s\"", f->items, f->unit);
    if (rc == 0 && f->ops)
        rc = json_ops(out, f->ops);
    return rc;
}

static int json_beside(struct el_buf *out, const struct el_bench_beside *p)
{
    int rc = el_buf_puts(out, ", \"peer\": {\"name\": ");
    if (rc == 0)
        rc = el_json_quote(out, p->name, strlen(p->name));
    if (rc == 0)
        rc = el_buf_printf(
            out, ", \"seconds\": %.9g, \"ratio\": %.6g, \"lowest\": %.6g, \"highest\": %.6g}",
            p->times.median, p->ratio, p->lowest, p->highest);
    return rc;
}

static int json_figure(struct el_buf *out, const struct el_bench *b,
                       const struct el_bench_figure *f)
{
    int rc = el_buf_puts(out, "\n  {\"name\": ");
    if (rc == 0)
        rc = el_json_quote(out, f->name, strlen(f->name));
    if (rc == 0)
        rc = f->times.n ? json_times(out, b, f) : el_buf_printf(out, ", \"ratio\": %.6g", f->ratio);
    if (rc == 0 && f->context)
        rc = el_buf_printf(out, ", \"context\": %d", f->context);
    if (rc == 0 && f->memory > 0)
        rc = el_buf_printf(out, ", \"memory\": %.0f", f->memory);
    if (rc == 0 && f->beside.times.n)
        rc = json_beside(out, &f->beside);
    return rc < 0 ? rc : el_buf_putc(out, '}');
}

int el_bench_json(struct el_buf *out, const struct el_bench *b, const char *version,
                  struct el_error *err)
{
    const struct el_bench_machine *m = &b->machine;
    int rc = el_buf_puts(out, "{\"version\": ");
    if (rc == 0)
        rc = el_json_quote(out, version, strlen(version));
    if (rc == 0)
        rc = el_buf_puts(out, ", \"cpu\": ");
    if (rc == 0)
        rc = el_json_quote(out, m->cpu, strlen(m->cpu));
    if (rc == 0)
        rc = el_buf_printf(out,
                           ", \"isa\": \"%s\", \"threads\": %d, \"load\": %.2f,\n"
                           " \"flop_ceiling\": %.6g, \"byte_ceiling\": %.6g,\n"
                           " \"bf16\": \"%s\", \"bf16_ceiling\": %.6g,\n \"figures\": [",
                           m->isa, m->threads, m->load, m->flop_rate, m->byte_rate,
                           m->bf16 ? m->bf16 : m->isa, m->bf16_rate);
    for (int i = 0; i < b->n_figures && rc == 0; i++) {
        if (i > 0)
            rc = el_buf_putc(out, ',');
        if (rc == 0)
            rc = json_figure(out, b, &b->figures[i]);
    }
    if (rc == 0)
        rc = el_buf_puts(out, "]}\n");
    return rc < 0 ? el_error_set(err, rc, "out of memory for the results") : 0;
}
