/* Speculative decoding with an MTP layer: whatever the layer guesses, tokens, log-probabilities,
 * traces and logits are those of ordinary decoding, bit for bit. */
#include "core/model/mtp.h"
#include "tests/run/engine_fixture.h"

enum { JOBS = 40 };

/* A model and its MTP layer. */
struct pair {
    struct golden_case g;
    struct el_weights *mtp;
    struct el_stream s;
};

static void scale(struct el_weights *w, float factor)
{
    const struct el_config *c = &w->config;
    float *head = w->view.lm_head;
    for (int64_t i = 0; i < (int64_t)c->vocab_size * c->hidden_size; i++)
        head[i] *= factor;
}

/* sameness: heads are multiplied by it. At 0 all tokens are equally likely for both, and as both
 * draw with the same number, all drafts are right; at 1 the two have nothing in common. */
static void open_pair(struct pair *p, float sameness)
{
    golden_open(&p->g, "mtp", el_device_host());
    golden_must(el_mtp_load(GOLDEN_DIR "mtp", p->g.w, &p->mtp, NULL, &err));
    scale(p->g.w, sameness);
    scale(p->mtp, sameness);
    el_stream_init(&p->s, el_device_host(), el_ops_cpu(), 2);
}

static void close_pair(struct pair *p)
{
    el_stream_release(&p->s);
    el_weights_free(p->mtp);
    golden_close(&p->g);
}

static struct el_engine_stats run(struct pair *p, struct el_engine_options o,
                                  const struct job *jobs, int n, int ahead, struct outcome *out)
{
    struct el_engine e;
    golden_must(el_engine_init(&e, p->g.w, &p->s, &o, &err));
    run_jobs(&e, jobs, n, ahead, out);
    struct el_engine_stats stats = e.stats;
    el_engine_release(&e);
    return stats;
}

static void the_same_for_every_batch(void **state)
{
    (void)state;
    static const struct {
        int sequences, rows, ahead;
    } shapes[] = {{1, 1, 1}, {1, 2, 1}, {1, 64, 1}, {8, 8, 20}, {8, 11, 20}, {16, 64, 40}};
    static struct job jobs[JOBS];
    static struct outcome right[JOBS], out[JOBS];
    for (int k = 0; k < 4; k++) {
        enum el_attention mode = k & 1 ? EL_ATTENTION_MQA : EL_ATTENTION_DENSE;
        struct pair p;
        open_pair(&p, k < 2 ? 0 : 1);
        make_jobs(jobs, JOBS, p.g.vocab, 60, 5);
        run(&p, engine_options(mode, 8, 64), jobs, JOBS, 20, right);
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
            struct el_engine_options o = engine_options(mode, shapes[i].sequences, shapes[i].rows);
            o.mtp = p.mtp;
            o.mtp_before_norm = (int)i & 1;
            struct el_engine_stats stats = run(&p, o, jobs, JOBS, shapes[i].ahead, out);
            same_outcomes(right, out, JOBS, "with drafts");
            print_message("%-5s same %d, batch %2d of %2d rows: %lld of %lld drafts were right\n",
                          el_attention_name(mode), k < 2, shapes[i].sequences, shapes[i].rows,
                          (long long)stats.accepted, (long long)stats.drafted);
            if (shapes[i].rows == 1)
                assert_int_equal(stats.drafted, 0); /* there is never room for one */
            else if (k < 2)
                assert_true(stats.accepted == stats.drafted && stats.drafted > 0);
            else
                assert_true(stats.accepted < stats.drafted / 2 && stats.accepted > 0);
        }
        close_pair(&p);
    }
}

/* A packed cache of the layer beside one of the model. FP8 rotates heads whose width is a power of
 * two: both indexers have 24 values and use the first 16. */
static void the_same_with_fp8(void **state)
{
    (void)state;
    static struct job jobs[JOBS];
    static struct outcome right[JOBS], out[JOBS];
    for (int k = 0; k < 4; k++) {
        struct pair p;
        open_pair(&p, k < 2 ? 0 : 1);
        p.g.w->config.index_head_dim = p.mtp->config.index_head_dim = 16;
        struct el_engine_options o =
            engine_options(k & 1 ? EL_ATTENTION_MQA : EL_ATTENTION_DENSE, 8, 64);
        o.fp8 = 1;
        make_jobs(jobs, JOBS, p.g.vocab, 60, 5);
        run(&p, o, jobs, JOBS, 20, right);
        o.mtp = p.mtp;
        struct el_engine_stats stats = run(&p, o, jobs, JOBS, 20, out);
        same_outcomes(right, out, JOBS, "with drafts and FP8");
        assert_in_range(stats.accepted, 1, k < 2 ? stats.drafted : stats.drafted / 2);
        if (k < 2) /* the layer's own keys do not matter to equal draws */
            assert_int_equal(stats.accepted, stats.drafted);
        close_pair(&p);
    }
}

/* The host device, counting what an engine takes of it. */
static size_t taken;

static void *count_alloc(struct el_device *d, size_t bytes)
{
    (void)d;
    taken += bytes;
    return el_device_alloc(el_device_host(), bytes);
}

static size_t engine_bytes(struct pair *p, int fp8)
{
    struct el_device counting = *el_device_host();
    struct el_engine e;
    struct el_engine_options o = engine_options(EL_ATTENTION_MQA, 8, 64);
    o.fp8 = fp8;
    o.mtp = p->mtp;
    counting.alloc = count_alloc;
    p->g.w->device = p->mtp->device = &counting;
    taken = 0;
    golden_must(el_engine_init(&e, p->g.w, &p->s, &o, &err));
    el_engine_release(&e);
    p->g.w->device = p->mtp->device = el_device_host();
    return taken;
}

static void both_caches_are_packed(void **state)
{
    (void)state;
    struct pair p;
    open_pair(&p, 1);
    struct el_config *c = &p.g.w->config;
    c->index_head_dim = p.mtp->config.index_head_dim = 16;
    int64_t saved = el_cache_kv_bytes(c, EL_FORM_F32) + el_cache_index_bytes(c, EL_FORM_F32) -
                    el_cache_kv_bytes(c, EL_FORM_FP8) - el_cache_index_bytes(c, EL_FORM_FP8);
    assert_int_equal(saved, 4 * (16 + 8 + 16) - (16 + 4 + 2 * 8) - (16 + 4));
    assert_int_equal(engine_bytes(&p, 0) - engine_bytes(&p, 1),
                     4096 * (c->num_hidden_layers + 1) * saved);
    close_pair(&p);
}

/* What is accepted is a property of the sequence, not of the batch, where every draft finds room.
 */
static void acceptance_does_not_depend_on_the_batch(void **state)
{
    (void)state;
    static struct job jobs[JOBS];
    static struct outcome out[JOBS];
    struct pair p;
    struct el_engine_stats first = {0};
    open_pair(&p, 0.2f);
    make_jobs(jobs, JOBS, p.g.vocab, 60, 6);
    for (int sequences = 1; sequences <= 16; sequences *= 4) {
        struct el_engine_options o = engine_options(EL_ATTENTION_MQA, sequences, 4096);
        o.mtp = p.mtp;
        struct el_engine_stats stats = run(&p, o, jobs, JOBS, JOBS, out);
        if (sequences == 1)
            first = stats;
        assert_int_equal(stats.drafted, first.drafted);
        assert_int_equal(stats.accepted, first.accepted);
        assert_int_equal(stats.decode_tokens, first.decode_tokens);
    }
    assert_in_range(first.accepted, 1, first.drafted - 1);
    close_pair(&p);
}

/* Fewer passes are the point of it. */
static void accepted_drafts_save_passes(void **state)
{
    (void)state;
    struct pair p;
    struct outcome right, out;
    struct job job = {.prompt = {3, 7, 5}, .n = 3, .key = 9};
    job.sampling = (struct el_sampling){.temperature = 1, .top_p = 1, .max_tokens = 60};
    open_pair(&p, 0);
    p.g.w->config.eos_token_id = -1;
    struct el_engine_options o = engine_options(EL_ATTENTION_MQA, 1, 8);
    struct el_engine_stats plain = run(&p, o, &job, 1, 1, &right);
    o.mtp = p.mtp;
    struct el_engine_stats fast = run(&p, o, &job, 1, 1, &out);
    same_outcomes(&right, &out, 1, "with drafts");
    assert_int_equal(plain.passes, 60);
    assert_int_equal(fast.accepted, fast.drafted); /* all tokens are equally likely for both */
    assert_in_range(fast.passes, 30, 32);
    assert_int_equal(fast.decode_tokens, plain.decode_tokens);
    close_pair(&p);
}

/* Everything a sequence carries, not only its tokens. */
static void same_sequence(const struct el_sequence *a, const struct el_sequence *b, int vocab,
                          int per_token, int selection)
{
    size_t drawn = (size_t)(a->n - a->n_prompt);
    assert_int_equal(a->n, b->n);
    assert_int_equal(a->finish, b->finish);
    assert_int_equal(a->computed, b->computed);
    assert_memory_equal(a->tokens, b->tokens, (size_t)a->n * sizeof *a->tokens);
    assert_memory_equal(a->logps, b->logps, drawn * sizeof *a->logps);
    assert_memory_equal(a->logits, b->logits, drawn * (size_t)vocab * sizeof *a->logits);
    assert_memory_equal(a->kept_start, b->kept_start, (drawn + 1) * sizeof *a->kept_start);
    assert_int_equal(a->n_kept, b->n_kept);
    if (a->n_kept)
        assert_memory_equal(a->kept, b->kept, a->n_kept * sizeof *a->kept);
    assert_memory_equal(a->routed, b->routed, (size_t)a->n * (size_t)per_token * sizeof *a->routed);
    assert_int_equal(a->selected_words, b->selected_words);
    assert_memory_equal(a->selected, b->selected,
                        (size_t)a->computed * (size_t)selection * (size_t)a->selected_words *
                            sizeof *a->selected);
}

static int stop_at(void *user, struct el_sequence *q, int32_t token)
{
    (void)user;
    return token % 16 == 3 && q->n > q->n_prompt + 4;
}

static void finish_all(struct el_engine *e, const struct job *jobs, int n, struct el_sequence **out)
{
    for (int i = 0; i < n; i++)
        golden_must(el_engine_add(e, jobs[i].prompt, jobs[i].n, &jobs[i].sampling, jobs[i].key, 1,
                                  &out[i], NULL, &err));
    int left = 1;
    while (left > 0) {
        golden_must(left = el_engine_step(e, &err));
        for (struct el_sequence *q; (q = el_engine_take(e));)
            *(struct el_sequence **)q->user = q;
    }
}

static void traces_and_logits_are_the_same(void **state)
{
    (void)state;
    static const float sameness[] = {0, 0.2f, 1};
    static struct job jobs[JOBS];
    struct el_sequence *a[JOBS], *b[JOBS];
    for (int k = 0; k < 6; k++) {
        struct pair p;
        struct el_engine e;
        struct el_engine_options o = engine_options(EL_ATTENTION_MQA, 8, 40);
        open_pair(&p, sameness[k / 2]);
        p.g.w->config.eos_token_id = 3;
        make_jobs(jobs, JOBS, p.g.vocab, 60, 7);
        o.logits = 1;
        o.trace = EL_TRACE_ROUTED | EL_TRACE_SELECTED;
        for (int drafts = 0; drafts < 2; drafts++) {
            o.mtp = drafts ? p.mtp : NULL;
            golden_must(el_engine_init(&e, p.g.w, &p.s, &o, &err));
            e.on_token = k & 1 ? stop_at : NULL;
            finish_all(&e, jobs, JOBS, drafts ? b : a);
            el_engine_release(&e);
        }
        const struct el_config *c = &p.g.w->config;
        for (int i = 0; i < JOBS; i++) {
            same_sequence(a[i], b[i], c->vocab_size, c->num_experts_per_tok, c->num_hidden_layers);
            el_sequence_free(a[i]);
            el_sequence_free(b[i]);
        }
        close_pair(&p);
    }
}

/* A layer whose logits are no numbers gives no drafts, and nothing else changes. */
static void a_layer_of_nonsense_gives_no_drafts(void **state)
{
    (void)state;
    static struct job jobs[JOBS];
    static struct outcome right[JOBS], out[JOBS];
    struct pair p;
    open_pair(&p, 1);
    make_jobs(jobs, JOBS, p.g.vocab, 60, 8);
    struct el_engine_options o = engine_options(EL_ATTENTION_MQA, 8, 64);
    run(&p, o, jobs, JOBS, 20, right);
    scale(p.mtp, NAN);
    o.mtp = p.mtp;
    struct el_engine_stats stats = run(&p, o, jobs, JOBS, 20, out);
    same_outcomes(right, out, JOBS, "without drafts");
    assert_int_equal(stats.drafted, 0);
    close_pair(&p);
}

static void a_layer_of_another_model_is_refused(void **state)
{
    (void)state;
    struct pair p;
    struct el_engine e;
    struct el_error err = {0};
    open_pair(&p, 1);
    struct el_engine_options o = engine_options(EL_ATTENTION_MQA, 1, 1);
    o.mtp = p.g.w; /* no MTP layer at all */
    assert_int_equal(el_engine_init(&e, p.g.w, &p.s, &o, &err), EL_EINVAL);
    assert_non_null(strstr(err.msg, "the MTP layer is not of this model"));
    close_pair(&p);
}

static void allocation_failures(void **state)
{
    (void)state;
    static struct job jobs[3];
    static struct outcome right[3];
    struct pair p;
    open_pair(&p, 0);
    struct el_engine_options o = engine_options(EL_ATTENTION_MQA, 2, 20);
    make_jobs(jobs, 3, p.g.vocab, 60, 12);
    for (int i = 0; i < 3; i++)
        jobs[i].sampling = (struct el_sampling){.temperature = 1, .top_p = 0.7, .max_tokens = 12};
    o.trace = EL_TRACE_ROUTED;
    run(&p, o, jobs, 3, 3, right);
    o.mtp = p.mtp;
    int failures = fail_each_of_run(p.g.w, &p.s, &o, jobs, 3, right, "after a failed allocation");
    assert_true(failures > 20);
    close_pair(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_for_every_batch),
        cmocka_unit_test(the_same_with_fp8),
        cmocka_unit_test(both_caches_are_packed),
        cmocka_unit_test(acceptance_does_not_depend_on_the_batch),
        cmocka_unit_test(accepted_drafts_save_passes),
        cmocka_unit_test(traces_and_logits_are_the_same),
        cmocka_unit_test(a_layer_of_nonsense_gives_no_drafts),
        cmocka_unit_test(a_layer_of_another_model_is_refused),
        cmocka_unit_test(allocation_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
