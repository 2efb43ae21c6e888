/* The sampler and the trainer are one engine: log-probabilities reported at sampling equal those
 * recomputed by the training forward pass, bit for bit. Measured with the shipped model over more
 * than 10,000 sampled tokens; prints what it found. */
#include "core/base/alloc.h"
#include "core/run/local.h"
#include "core/train/trainer.h"
#include "data/world.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define MODEL EL_SOURCE_DIR "/models/small"

enum { problems = 24, samples = 4, wanted_tokens = 10000 };

struct tally {
    int tokens, different;
    double largest;
};

static void submit(struct el_backend *b, int64_t i, double temperature)
{
    struct el_world_problem p;
    struct el_buf text;
    struct el_error err = {0};
    el_buf_init(&text);
    el_buf_puts(&text, "Prove: ");
    el_world_problem(EL_WORLD_TEST, (uint64_t)(i / samples), &p);
    assert_int_equal(el_world_problem_text(&p, &text), 0);
    struct el_message m = {"user", text.data};
    struct el_request r = {.messages = &m,
                           .n_messages = 1,
                           .sampling = {.temperature = temperature, .top_p = 1, .max_tokens = 300},
                           .key = (uint64_t)i * 7919 + 1,
                           .want_trace = 1,
                           .tag = i};
    if (el_backend_submit(b, &r, &err) < 0)
        fail_msg("%s", err.msg);
    el_buf_release(&text);
}

/* Runs one completion through the trainer's forward pass, in a pack with others. */
static void flush(struct el_trainer *t, enum el_attention mode, double temperature,
                  const float *reported, struct tally *tally)
{
    struct el_error err = {0};
    int n = el_trainer_logprobs(t, mode, 1 / temperature, &err);
    if (n < 0)
        fail_msg("%s", err.msg);
    for (int i = 0; i < n; i++) {
        double d = fabs((double)t->logp[i] - reported[i]);
        tally->different += t->logp[i] != reported[i];
        tally->largest = d > tally->largest ? d : tally->largest;
    }
    tally->tokens += n;
    el_pack_clear(&t->pack);
}

static int add(struct el_trainer *t, const struct el_completion *c, float *reported, int at)
{
    float *weight = el_alloc_array((size_t)c->n_ids, sizeof *weight);
    assert_non_null(weight);
    for (int i = c->prompt_tokens; i < c->n_ids; i++)
        weight[i] = 1;
    int rc = el_pack_add(&t->pack, c->ids, weight, c->n_ids, t->w->config.vocab_size, NULL);
    el_free(weight);
    if (rc < 0)
        return 0;
    int n = c->n_ids - c->prompt_tokens;
    memcpy(reported + at, c->logps, (size_t)n * sizeof *reported);
    return n;
}

static void compare(struct el_weights *w, struct el_stream *s, enum el_attention mode,
                    double temperature)
{
    static float reported[8192];
    const struct el_local_options o = {
        .attention = mode, .batch = 37, .context = 512, .trace = 1, .threads = 2};
    const struct el_trainer_options to = {4096, 256, 512, {0.9, 0.95, 1e-8, 0, 1}};
    struct el_backend *b = NULL;
    struct el_trainer t;
    struct el_error err = {0};
    struct el_completion c;
    struct tally tally = {0};
    if (el_local_wrap(&o, w, MODEL "/tokenizer.json", &b, &err) < 0 ||
        el_trainer_init(&t, w, s, &to, &err) < 0)
        fail_msg("%s", err.msg);
    int64_t sent = 0, done = 0;
    int at = 0;
    while (done < problems * samples) {
        while (sent < problems * samples && el_backend_room(b))
            submit(b, sent++, temperature);
        assert_int_equal(el_backend_poll(b, &c, &err), 1);
        done++;
        int n = add(&t, &c, reported, at);
        if (!n) {
            flush(&t, mode, temperature, reported, &tally);
            n = add(&t, &c, reported, at = 0);
        }
        at += n;
        el_completion_release(&c);
    }
    flush(&t, mode, temperature, reported, &tally);
    printf("%s, temperature %g: %d tokens, %d differ, largest difference %g\n",
           el_attention_name(mode), temperature, tally.tokens, tally.different, tally.largest);
    assert_true(tally.tokens >= wanted_tokens);
    assert_int_equal(tally.different, 0);
    assert_true(tally.largest == 0);
    el_trainer_release(&t);
    el_backend_free(b);
}

static void sampler_and_trainer_agree_exactly(void **state)
{
    struct el_weights *w = NULL;
    struct el_stream s;
    struct el_error err = {0};
    (void)state;
    if (el_weights_load(MODEL, el_device_host(), &w, NULL, NULL, &err) < 0)
        fail_msg("%s", err.msg);
    /* the trainer runs with another number of threads than the sampler */
    el_stream_init(&s, w->device, el_ops_cpu(), 1);
    compare(w, &s, EL_ATTENTION_MQA, 1);
    compare(w, &s, EL_ATTENTION_MQA, 0.7);
    compare(w, &s, EL_ATTENTION_DENSE, 1);
    el_stream_release(&s);
    el_weights_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(sampler_and_trainer_agree_exactly)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
