/* Training steps give the same bits on every instruction set with fused multiply-add: each table of
 * this processor is compared with a digest that is written down here. */
#include "tests/model/golden_case.h"

#include "core/train/trainer.h"

/* Two steps of each stage over a golden case's tokens; the digest of the weights they end with. */
static void train(const char *name, const struct el_ops *ops, char *digest)
{
    struct golden_case g;
    struct el_stream s;
    struct el_trainer t;
    golden_open(&g, name, el_device_host());
    el_stream_init(&s, g.w->device, ops, 2);
    const struct el_trainer_options o = {g.rows, g.b, 24, {0.9, 0.95, 1e-8, 0.1, 1}};
    golden_must(el_trainer_init(&t, g.w, &s, &o, &err));
    float *weight = el_alloc_array((size_t)g.t, sizeof *weight);
    for (int i = 0; i < g.t; i++)
        weight[i] = 1;
    for (int step = 0; step < 6; step++) {
        const struct el_micro_batch m = {(enum el_stage)(step / 2), g.rows - g.b, g.rows, 1};
        const struct el_update u = {m.stage, 1e-2, 1e-3};
        struct el_step_stats stats = {0};
        double norm;
        el_pack_clear(&t.pack);
        for (int i = 0; i < g.b; i++)
            golden_must(el_pack_add(&t.pack, g.tokens + i * g.t, weight, g.t, g.vocab, &err));
        golden_must(el_trainer_accumulate(&t, &m, &stats, &err));
        golden_must(el_trainer_update(&t, &u, &norm, NULL, &err));
    }
    golden_must(el_weights_digest(g.w, &err));
    strcpy(digest, g.w->digest);
    el_free(weight);
    el_trainer_release(&t);
    el_stream_release(&s);
    golden_close(&g);
}

/* Computed with AVX2 and glibc 2.36 (whose logf, pow, cos and sin take part). */
static const struct {
    const char *name, *digest;
} known[] = {
    {"base", "6027424973b5ca841c09c048bc000c3b"},
    {"ungrouped_tied", "679656649871b146d84a13f026b5ea19"},
};

static void same_bits_everywhere(void **state)
{
    (void)state;
    static const char *const tables[] = {"avx2", "avx512"};
    int found = 0;
    for (size_t t = 0; t < sizeof tables / sizeof *tables; t++) {
        const struct el_ops *ops = el_ops_find(tables[t]);
        for (size_t i = 0; ops && i < sizeof known / sizeof *known; i++) {
            char digest[EL_DIGEST_HEX];
            train(known[i].name, ops, digest);
            if (strcmp(digest, known[i].digest) != 0)
                fail_msg("%s on %s: %s, expected %s", known[i].name, tables[t], digest,
                         known[i].digest);
            found++;
        }
    }
    if (!found)
        skip();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(same_bits_everywhere)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
