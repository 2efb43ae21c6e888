#include "core/ops/ops.h"

#include <omp.h>
#include <string.h>
#include <time.h>

void el_stream_init(struct el_stream *s, struct el_device *device, const struct el_ops *ops,
                    int threads)
{
    memset(s, 0, sizeof *s);
    s->device = device;
    s->ops = ops;
    s->threads = threads > 0 ? threads : omp_get_max_threads();
}

void el_stream_release(struct el_stream *s)
{
    if (s->device)
        el_device_release(s->device, s->ws);
    s->ws = NULL;
    s->ws_size = 0;
}

int el_stream_check(struct el_stream *s, struct el_error *err)
{
    int failed = s->failed;
    s->failed = 0;
    if (!failed)
        return 0;
    return el_error_set(err, failed, "op %s: no memory for a workspace of %zu bytes",
                        el_op_name(s->failed_op), s->failed_bytes);
}

/* Makes the workspace large enough for the op, or makes the stream fail. It grows by at least a
 * half, so that a context that gets longer step by step does not allocate at each step. */
static int reserve(struct el_stream *s, enum el_op op, const void *args)
{
    size_t need = s->ops->workspace[op] ? s->ops->workspace[op](s, args) : 0;
    if (need <= s->ws_size)
        return 0;
    size_t grown = s->ws_size + s->ws_size / 2;
    size_t size = need > grown ? need : grown;
    el_stream_release(s);
    s->ws = el_device_alloc(s->device, size);
    if (!s->ws && size > need)
        s->ws = el_device_alloc(s->device, size = need);
    if (!s->ws) {
        s->failed = EL_ENOMEM;
        s->failed_op = op;
        s->failed_bytes = size;
        return EL_ENOMEM;
    }
    s->ws_size = size;
    return 0;
}

static double now(const struct el_stream *s)
{
    struct timespec t;
    clock_gettime(s->threads == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void el_op_run(struct el_stream *s, enum el_op op, const void *args)
{
    if (s->failed || reserve(s, op, args) < 0)
        return;
    if (s->device->enter)
        s->device->enter(s->device);
    if (s->watch)
        s->watch(s->watch_user, op, args);
    double start = s->seconds ? now(s) : 0;
    s->ops->run[op](s, args);
    if (s->device->leave)
        s->device->leave(s->device);
    if (s->seconds)
        s->seconds[op] += now(s) - start;
}

const char *el_op_name(enum el_op op)
{
    static const char *const names[EL_OP_COUNT] = {
#define X(name) [EL_OP_##name] = #name,
        EL_OP_LIST(X)
#undef X
    };
    return (unsigned)op < EL_OP_COUNT ? names[op] : "unknown";
}
