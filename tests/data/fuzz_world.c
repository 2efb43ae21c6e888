/* Any bytes as a problem, a proof, an analysis and a model's attempt. The first byte chooses. */
#include "core/base/buf.h"
#include "data/world.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char text[] = "Show that (1) 98=16*x+9*y for some x,y; (2) 7 divides x*x+4*x+9 for "
                           "an x; (3) some of 3,8,19,30 add up to 57.";
static const char proof[] = "(1) x=5, y=2.\n16*5=80.\n9*2=19.\n80+19=99.\n(2) x=1.\n1*1+4*1=5.\n"
                            "7*2=14.\n";

/* The true analysis of any proof names exactly its defects. */
static void check_proof(const struct el_world_problem *p, const char *s, size_t n)
{
    struct el_world_report r;
    struct el_world_review v;
    struct el_buf b;
    el_buf_init(&b);
    el_world_judge_proof(p, s, n, &r);
    if (el_world_analysis_true(&r, &b) >= 0) {
        el_world_judge_analysis(&r, b.data, b.len, &v);
        if (v.ms != 1 || v.missed || v.claimed != r.n_defects || v.score != r.score)
            abort();
    }
    el_buf_release(&b);
}

static void check_analysis(const struct el_world_problem *p, const char *s, size_t n)
{
    struct el_world_report r;
    struct el_world_review v;
    struct el_buf b;
    el_buf_init(&b);
    el_world_judge_proof(p, proof, strlen(proof), &r);
    el_world_judge_analysis(&r, s, n, &v);
    if (v.claimed != v.real + v.misstated + v.invented || v.missed > r.n_defects)
        abort();
    el_world_meta_true(&r, &v, s, n, &b, NULL);
    el_buf_release(&b);
}

static void check_attempt(const struct el_world_problem *p, const char *s, size_t n, int kind)
{
    static const struct el_world_prompts prompts = {"{statement}", "{statement}{proof}",
                                                    "{statement}{proof}{analysis}",
                                                    "{statement}{proof}{analysis}"};
    struct el_world_mix m;
    struct el_example e;
    char *copy = malloc(n + 1);
    if (!copy)
        return;
    memcpy(copy, s, n);
    copy[n] = 0;
    el_world_mix_init(&m, &prompts);
    m.checked = m.false_start = 0.5;
    m.look_up = 2;
    if (el_world_example_from_attempt(&m, p, copy, copy, (enum el_example_kind)kind, 1, &e, NULL) ==
        0)
        el_example_release(&e);
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct el_world_problem p, q;
    if (size < 1 || el_world_problem_parse(text, strlen(text), &p, NULL) < 0)
        return 0;
    const char *s = (const char *)data + 1;
    size_t n = size - 1;
    switch (data[0] % 4) {
    case 0:
        if (el_world_problem_parse(s, n, &q, NULL) == 0)
            check_proof(&q, proof, strlen(proof));
        break;
    case 1:
        check_proof(&p, s, n);
        break;
    case 2:
        check_analysis(&p, s, n);
        break;
    default:
        check_attempt(&p, s, n, data[0] / 4 % 5);
    }
    return 0;
}
