/* A long prompt through a model with random weights, for scripts/long_context. Not a test by
 * itself.
 *
 *   run_tool_long_context CONFIG TOKENS LIMIT
 *
 * Prefills TOKENS - 8 tokens in pieces, decodes 8, prints times and how much memory the process
 * held at most beyond the weights. Exit code 1 when that is above LIMIT bytes. */
#include "core/base/clock.h"
#include "core/base/rng.h"
#include "core/run/engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 448, LAST = 8 };

/* Bytes of a line of /proc/self/status, -1: not there. */
static double status_bytes(const char *name)
{
    char line[256];
    double kib = -1;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, name, strlen(name)) == 0)
            kib = strtod(line + strlen(name), NULL);
    if (f)
        fclose(f);
    return kib < 0 ? -1 : kib * 1024;
}

/* The peak starts anew; elsewhere than on Linux it stays what it was. */
static void forget_peak(void)
{
    FILE *f = fopen("/proc/self/clear_refs", "w");
    if (f) {
        fputs("5", f);
        fclose(f);
    }
}

static int run(struct el_engine *e, int tokens, struct el_error *err)
{
    double start = el_clock_seconds(), shown = start;
    int done = 0, left = 1;
    while (left > 0) {
        double step = el_clock_seconds();
        left = el_engine_step(e, err);
        if (left < 0)
            return left;
        int prefilled = (int)e->stats.prefill_tokens;
        if (prefilled >= tokens - LAST && done++ > 0)
            printf("decode: %.1f ms\n", 1e3 * (el_clock_seconds() - step));
        if (el_clock_seconds() - shown > 10 || (prefilled >= tokens - LAST && done == 1)) {
            shown = el_clock_seconds();
            printf("prefill: %d tokens in %.1f s\n", prefilled, shown - start);
        }
        fflush(stdout);
    }
    return 0;
}

static int long_context(const char *config, int tokens, double *weights, struct el_error *err)
{
    struct el_config c;
    struct el_weights *w = NULL;
    struct el_stream s;
    struct el_engine e;
    int32_t *prompt = calloc((size_t)tokens, sizeof *prompt);
    int rc = prompt ? el_config_load(config, &c, err) : EL_ENOMEM;
    if (rc == 0)
        rc = el_weights_create(&c, el_device_host(), 1, &w, err);
    if (rc < 0) {
        free(prompt);
        return rc;
    }
    struct el_rng r;
    el_rng_init(&r, 1);
    for (int i = 0; i < tokens; i++)
        prompt[i] = (int32_t)el_rng_below(&r, (uint32_t)c.vocab_size);
    *weights = status_bytes("VmRSS:");
    forget_peak();
    const struct el_sampling greedy = {.top_p = 1, .max_tokens = LAST};
    struct el_engine_options o = {.attention = EL_ATTENTION_MQA,
                                  .max_sequences = 1,
                                  .max_rows = ROWS,
                                  .context = tokens,
                                  .cache_tokens = tokens};
    el_stream_init(&s, el_device_host(), el_ops_cpu(), 0);
    rc = el_engine_init(&e, w, &s, &o, err);
    if (rc == 0) {
        e.eos = -1;
        rc = el_engine_add(&e, prompt, tokens - LAST, &greedy, 1, 0, NULL, NULL, err);
        if (rc == 0)
            rc = run(&e, tokens, err);
        el_engine_release(&e);
    }
    el_stream_release(&s);
    el_weights_free(w);
    free(prompt);
    return rc;
}

int main(int argc, char **argv)
{
    struct el_error err = {0};
    double weights = 0;
    int tokens = argc == 4 ? atoi(argv[2]) : 0;
    if (tokens < 2 * LAST) {
        fprintf(stderr, "usage: %s CONFIG TOKENS LIMIT\n", argv[0]);
        return 2;
    }
    if (long_context(argv[1], tokens, &weights, &err) < 0) {
        fprintf(stderr, "%s\n", err.msg);
        return 1;
    }
    double beyond = status_bytes("VmHWM:") - weights, limit = strtod(argv[3], NULL);
    printf("%d tokens: at most %.0f MB beyond %.0f MB of weights\n", tokens, beyond / 1e6,
           weights / 1e6);
    return beyond > limit;
}
