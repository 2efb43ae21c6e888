/* Masked MHA in the engine: where it is used, how its limit is found, that it says what the
 * absorbed form says. (That a sequence does not depend on its company: test_engine_batches.) */
#include "core/run/mha_limit.h"
#include "tests/run/engine_fixture.h"

enum { JOBS = 24, LONGEST = 90 };

/* How often the op ran; bench's hook sees every op. */
static void count_mha(void *user, enum el_op op, const void *args)
{
    (void)args;
    *(int *)user += op == EL_OP_attn_mha;
}

static void same_within(const struct outcome *a, const struct outcome *b, int n)
{
    for (int i = 0; i < n; i++) {
        assert_int_equal(a[i].n, b[i].n);
        assert_memory_equal(a[i].tokens, b[i].tokens, (size_t)a[i].n * sizeof(int32_t));
        if (fabs(a[i].logp - b[i].logp) > 1e-3 * (1 + fabs(b[i].logp)))
            fail_msg("job %d: log-probability %.9g, absorbed %.9g", i, a[i].logp, b[i].logp);
    }
}

static int outcomes_with(const struct el_weights *w, enum el_attention mode, int limit,
                         const struct job *jobs, struct outcome *out)
{
    struct el_engine e;
    struct el_stream s;
    int ran = 0;
    el_stream_init(&s, el_device_host(), el_ops_cpu(), 2);
    s.watch = count_mha;
    s.watch_user = &ran;
    struct el_engine_options o = engine_options(mode, 8, 60);
    o.mha_limit = limit;
    golden_must(el_engine_init(&e, w, &s, &o, &err));
    run_jobs(&e, jobs, JOBS, JOBS, out);
    el_engine_release(&e);
    el_stream_release(&s);
    return ran;
}

static void it_says_what_the_absorbed_form_says(void **state)
{
    (void)state;
    static struct job jobs[JOBS];
    static struct outcome absorbed[JOBS], masked[JOBS];
    struct golden_case g;
    golden_open(&g, "base", el_device_host());
    make_jobs(jobs, JOBS, g.w->config.vocab_size, LONGEST, 11);
    for (int i = 0; i < JOBS; i++)
        jobs[i].sampling = (struct el_sampling){.top_p = 1, .max_tokens = 6};
    for (int mode = EL_ATTENTION_DENSE; mode <= EL_ATTENTION_MQA; mode++) {
        assert_int_equal(outcomes_with(g.w, (enum el_attention)mode, 0, jobs, absorbed), 0);
        assert_true(outcomes_with(g.w, (enum el_attention)mode, 128, jobs, masked) > 0);
        same_within(masked, absorbed, JOBS);
    }
    golden_close(&g);
}

static void short_limits_leave_long_prompts_alone(void **state)
{
    (void)state;
    static struct job jobs[JOBS];
    static struct outcome out[JOBS];
    struct golden_case g;
    golden_open(&g, "base", el_device_host());
    make_jobs(jobs, JOBS, g.w->config.vocab_size, LONGEST, 12);
    /* prompts of up to 16 tokens have no whole block before their last token */
    assert_int_equal(outcomes_with(g.w, EL_ATTENTION_MQA, 16, jobs, out), 0);
    assert_int_equal(outcomes_with(g.w, EL_ATTENTION_MHA, 16, jobs, out), 0); /* none measured */
    golden_close(&g);
}

/* Masked MHA pays up to `most` tokens, but not in the tries of `hiccups`, a bit each. */
struct script {
    int most, tries;
    unsigned hiccups;
    int tried[32];
};

static int scripted(void *user, int n)
{
    struct script *s = user;
    assert_in_range(s->tries, 0, 31);
    int hiccup = (int)(s->hiccups >> s->tries & 1);
    s->tried[s->tries++] = n;
    return n <= s->most && !hiccup;
}

static const int lengths[] = {64,   96,   128,  192,  256,  384,  512,   768,  1024,
                              1536, 2048, 3072, 4096, 6144, 8192, 12288, 16384};
enum { LENGTHS = sizeof lengths / sizeof *lengths };

/* The lengths that are to be tried for `longest`, it being the last; how many. */
static int lengths_to(int longest, int *out)
{
    int n = 0;
    for (int i = 0; i < LENGTHS && lengths[i] < longest && longest >= 64; i++)
        out[n++] = lengths[i];
    if (longest >= 64)
        out[n++] = longest;
    return n;
}

static const int contexts[] = {20,   63,   64,   65,   95,   96,   100,  127,  128,  1000,
                               1023, 1024, 1025, 1535, 1536, 2048, 4004, 4096, 6144, 16384};
enum { CONTEXTS = sizeof contexts / sizeof *contexts };

/* The last length that pays is found, and two more are tried. */
static void the_search_ends_where_it_stops_to_pay(void **state)
{
    (void)state;
    for (int c = 0; c < CONTEXTS; c++) {
        int try[LENGTHS + 1], n = lengths_to(contexts[c], try);
        for (int most = 0; most <= contexts[c] + 1; most++) {
            struct script s = {.most = most};
            int paid = 0;
            while (paid < n && try[paid] <= most)
                paid++;
            assert_int_equal(el_mha_limit_find(scripted, &s, contexts[c]),
                             paid ? try[paid - 1] : 0);
            assert_int_equal(s.tries, paid + 2 < n ? paid + 2 : n);
            assert_memory_equal(s.tried, try, (size_t)s.tries * sizeof *try);
        }
    }
}

/* One that fails between two that pay is passed over, the very first one, too; two in a row are
 * the end; the last one, which no other follows, has to pay. */
static void hiccups_are_passed_over(void **state)
{
    (void)state;
    for (int c = 0; c < CONTEXTS; c++) {
        int try[LENGTHS + 1], n = lengths_to(contexts[c], try);
        for (int i = 0; i < n; i++) {
            struct script one = {.most = contexts[c], .hiccups = 1u << i}, two = one;
            int before = i ? try[i - 1] : 0;
            two.hiccups |= 2u << i;
            assert_int_equal(el_mha_limit_find(scripted, &one, contexts[c]),
                             i + 1 < n ? contexts[c] : before);
            assert_int_equal(el_mha_limit_find(scripted, &two, contexts[c]), before);
        }
    }
    struct script every_other = {.most = 4096, .hiccups = 0x555};
    assert_int_equal(el_mha_limit_find(scripted, &every_other, 4096), 4096);
}

static void the_limit_is_measured(void **state)
{
    (void)state;
    struct golden_case g;
    struct el_engine e;
    struct el_stream s;
    golden_open(&g, "base", el_device_host());
    el_stream_init(&s, el_device_host(), el_ops_cpu(), 1);
    for (int mode = EL_ATTENTION_DENSE; mode <= EL_ATTENTION_MHA; mode++) {
        struct el_engine_options o = engine_options((enum el_attention)mode, 4, 100);
        o.mha_limit = EL_MHA_MEASURE;
        golden_must(el_engine_init(&e, g.w, &s, &o, &err));
        int found = e.o.mha_limit;
        assert_true(found == 0 || found == 64 || found == 96 || found == o.context);
        assert_true(e.o.attention != EL_ATTENTION_MHA);
        static struct job jobs[JOBS];
        static struct outcome out[JOBS];
        make_jobs(jobs, JOBS, g.w->config.vocab_size, LONGEST, 13);
        run_jobs(&e, jobs, JOBS, JOBS, out);
        el_engine_release(&e);
    }
    el_stream_release(&s);
    golden_close(&g);
}

static void limits_that_cannot_be(void **state)
{
    (void)state;
    struct golden_case g;
    struct el_engine e;
    struct el_stream s;
    struct el_error err = {0};
    golden_open(&g, "base", el_device_host());
    el_stream_init(&s, el_device_host(), el_ops_cpu(), 1);
    struct el_engine_options o = engine_options(EL_ATTENTION_MQA, 4, 100);
    o.mha_limit = -2;
    assert_int_equal(el_engine_init(&e, g.w, &s, &o, &err), EL_EINVAL);
    o.mha_limit = 40;
    o.mtp = g.w;
    assert_int_equal(el_engine_init(&e, g.w, &s, &o, &err), EL_EINVAL);
    assert_non_null(strstr(err.msg, "MTP"));
    el_stream_release(&s);
    golden_close(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_says_what_the_absorbed_form_says),
        cmocka_unit_test(short_limits_leave_long_prompts_alone),
        cmocka_unit_test(the_search_ends_where_it_stops_to_pay),
        cmocka_unit_test(hiccups_are_passed_over),
        cmocka_unit_test(the_limit_is_measured),
        cmocka_unit_test(limits_that_cannot_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
