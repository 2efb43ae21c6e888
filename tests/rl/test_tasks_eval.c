/* Tasks drawn from D_v and D_mv, and judging judges: over a store of the small world in memory. */
#include "core/base/json.h"
#include "data/world_store.h"
#include "training/rl/role_arms.h"
#include "training/rl/tasks.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/rl/scripted.h"

static char folder[64];
static struct el_store *store;
static struct el_prompt_set *prompts;

static int enter(void **state)
{
    (void)state;
    char path[100];
    struct el_error err = {0};
    struct el_world_stored added = {0};
    const struct el_world_store_plan plan = {
        .split = EL_WORLD_TEST, .problems = 12, .analyses = 3, .scores = 1, .seed = 4};
    strcpy(folder,
           access("/dev/shm", W_OK) == 0 ? "/dev/shm/el-tasks-XXXXXX" : "/tmp/el-tasks-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/s.db", folder);
    int rc = el_store_open(path, EL_STORE_CREATE, &store, &err);
    if (rc == 0)
        rc = el_world_store(store, &plan, &added, NULL, &err);
    return rc == 0 ? el_prompt_set_load(EL_SOURCE_DIR "/configs/prompts/small", &prompts, &err)
                   : rc;
}

static int leave(void **state)
{
    (void)state;
    static const char *const names[] = {"s.db", "s.db-wal", "s.db-shm"};
    el_store_close(store);
    el_prompt_set_free(prompts);
    for (int i = 0; i < 3; i++) {
        char path[100];
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    return rmdir(folder);
}

/* ---- Tasks ---- */

static struct el_rl_recipe recipe_of(const double *share, const double *balance)
{
    struct el_rl_recipe r = {.seed = 3, .prompts_per_step = 8};
    memcpy(r.share, share, sizeof r.share);
    memcpy(r.label_balance, balance, sizeof r.label_balance);
    return r;
}

static void draws(void **state)
{
    (void)state;
    const double share[EL_ROLES] = {1, 2, 1, 1}, balance[3] = {1, 1, 2};
    struct el_rl_recipe r = recipe_of(share, balance);
    struct el_rl_tasks t;
    struct el_error err = {0};
    int role[EL_ROLES] = {0}, label[3] = {0}, n = 4000;
    assert_int_equal(el_rl_tasks_init(&t, &r, prompts, store, NULL, &err), 0);
    for (int i = 0; i < n; i++) {
        struct el_rl_task x, again;
        assert_int_equal(el_rl_tasks_draw(&t, i / 8, i % 8, &x, &err), 0);
        assert_int_equal(el_rl_tasks_draw(&t, i / 8, i % 8, &again, &err), 0);
        assert_string_equal(x.prompt.data, again.prompt.data);
        assert_true(x.in_world && strstr(x.prompt.data, x.statement));
        assert_true(!x.proof == (x.role == EL_ROLE_GENERATOR));
        assert_true(!!x.analysis == (x.role == EL_ROLE_META_VERIFIER || x.role == EL_ROLE_REFINER));
        int judges = x.role == EL_ROLE_VERIFIER || x.role == EL_ROLE_META_VERIFIER;
        assert_true(judges == (x.label != EL_SCORE_NONE));
        if (x.role == EL_ROLE_REFINER) /* what is refined was found wanting */
            assert_null(strstr(strrchr(x.analysis, '\\'), "boxed{1}"));
        role[x.role]++;
        label[judges ? x.label : 0] += judges;
        el_rl_task_release(&x);
        el_rl_task_release(&again);
    }
    assert_true(abs(role[EL_ROLE_VERIFIER] - 1600) < 120 && abs(role[EL_ROLE_REFINER] - 800) < 100);
    int judged = label[0] + label[1] + label[2];
    assert_true(abs(label[2] - judged / 2) < 120 && abs(label[0] - judged / 4) < 120);
    el_rl_tasks_release(&t);
}

/* A run with a store of its own proves problems of the split it names. */
static void problems_are_of_the_split(void **state)
{
    (void)state;
    const double share[EL_ROLES] = {[EL_ROLE_GENERATOR] = 1}, balance[3] = {1, 1, 1};
    struct el_rl_recipe r = recipe_of(share, balance);
    struct el_error err = {0};
    r.world = 3;
    for (int split = EL_WORLD_TRAIN; split <= EL_WORLD_VALID; split++) {
        struct el_rl_tasks t;
        r.split = (enum el_world_split)split;
        assert_int_equal(el_rl_tasks_init(&t, &r, prompts, store, NULL, &err), 0);
        for (int i = 0; i < 40; i++) {
            struct el_rl_task x;
            assert_int_equal(el_rl_tasks_draw(&t, 0, i, &x, &err), 0);
            for (int k = 0; k < x.problem.n_claims; k++)
                assert_int_equal(el_world_claim_split(&x.problem.claim[k]), split);
            el_rl_task_release(&x);
        }
        el_rl_tasks_release(&t);
    }
}

/* How many of the first 20 prompts of step 5 another seed of r, the tasks' recipe, changes. */
static int seeds_differ(const struct el_rl_tasks *t, struct el_rl_recipe *r)
{
    int different = 0;
    for (int i = 0; i < 20; i++) {
        struct el_rl_task x[2];
        for (int k = 0; k < 2; k++) {
            r->seed = 3 + (uint64_t)k;
            assert_int_equal(el_rl_tasks_draw(t, 5, i, &x[k], NULL), 0);
        }
        different += strcmp(x[0].prompt.data, x[1].prompt.data) != 0;
        for (int k = 0; k < 2; k++)
            el_rl_task_release(&x[k]);
    }
    return different;
}

/* The seed, the step and the place in it decide; the digest names the data. */
static void identity(void **state)
{
    (void)state;
    const double share[EL_ROLES] = {0, 1, 0, 0}, both[EL_ROLES] = {0, 1, 1, 0}, even[3] = {1, 1, 1};
    struct el_rl_recipe r = recipe_of(share, even), other = recipe_of(both, even);
    struct el_rl_tasks t, u;
    struct el_error err = {0};
    assert_int_equal(el_rl_tasks_init(&t, &r, prompts, store, NULL, &err), 0);
    assert_int_equal(el_rl_tasks_init(&u, &other, prompts, store, NULL, &err), 0);
    assert_string_not_equal(t.digest, u.digest);
    assert_true(seeds_differ(&t, &r) > 10);
    el_rl_tasks_release(&t);
    el_rl_tasks_release(&u);
}

/* Other seeds bring other problems to prove, and other numbers for all that a run makes itself. */
static void problems_of_a_seed(void **state)
{
    (void)state;
    const double share[EL_ROLES] = {[EL_ROLE_GENERATOR] = 1}, even[3] = {1, 1, 1};
    struct el_rl_recipe r = recipe_of(share, even);
    struct el_rl_tasks t;
    struct el_error err = {0};
    assert_int_equal(el_rl_tasks_init(&t, &r, prompts, store, NULL, &err), 0);
    assert_true(seeds_differ(&t, &r) > 15);
    el_rl_tasks_release(&t);
    for (r.seed = 1; r.seed < 100; r.seed++) {
        uint64_t first = el_rl_first_problem(&r, EL_RL_PROGRAMMED);
        assert_true(first >> 24 == el_rl_first_problem(&r, EL_RL_TO_PROVE) >> 24);
        assert_true(first + 3000000 < el_rl_first_problem(&r, EL_RL_ATTEMPTED));
        assert_true(first < (uint64_t)1 << 53);
    }
}

/* A store of problems from elsewhere, in two copies that know different things. */
static void add_problems(struct el_store *s)
{
    const struct el_problem list[] = {
        {.set = "a", .external_id = "1", .statement = "Find x.", .answer = "7"},
        {.set = "b",
         .external_id = "1",
         .statement = "Find x.",
         .rubric = "1. The sum: /x *[+] *1/",
         .reference = "Since $x+1=8$."},
        {.set = "a", .external_id = "2", .statement = "Show y.", .reference = "Trivial."}};
    int64_t id = 0, proof = 0;
    for (int i = 0; i < 3; i++)
        assert_true(el_store_problem_add(s, &list[i], &id, NULL, NULL) >= 0);
    const struct el_proof y = {.problem = id, .text = "So y.", .author = {0, "somebody", ""}};
    assert_true(el_store_proof_add(s, &y, &proof, NULL) >= 0);
    const struct el_score c = {.proof = proof,
                               .rater_kind = EL_RATER_HUMAN,
                               .rater = "me",
                               .raw = 1,
                               .scale_max = 1,
                               .halves = EL_SCORE_ONE,
                               .blind = EL_BLIND_UNKNOWN,
                               .origin = ""};
    assert_true(el_store_score_add(s, &c, &id, NULL) >= 0);
}

static struct el_store *open_imported(void)
{
    char path[100];
    struct el_store *s = NULL;
    struct el_error err = {0};
    snprintf(path, sizeof path, "%s/imported.db", folder);
    assert_int_equal(el_store_open(path, EL_STORE_CREATE, &s, &err), 0);
    add_problems(s);
    return s;
}

static void close_imported(struct el_store *s)
{
    static const char *const ends[] = {"", "-wal", "-shm"};
    el_store_close(s);
    for (int i = 0; i < 3; i++) {
        char path[100];
        snprintf(path, sizeof path, "%s/imported.db%s", folder, ends[i]);
        unlink(path);
    }
}

static void imported(void **state)
{
    (void)state;
    const double share[EL_ROLES] = {1, 1, 0, 0}, even[3] = {1, 1, 1};
    struct el_rl_recipe r = recipe_of(share, even);
    struct el_store *s = open_imported();
    struct el_prompt_set *full = NULL;
    struct el_rl_tasks t;
    struct el_rl_task x;
    struct el_error err = {0};
    int seen[2] = {0}, shown = 0;
    assert_int_equal(el_prompt_set_load(EL_SOURCE_DIR "/configs/prompts/full", &full, &err), 0);
    r.rewards.proof_weight = 1;
    r.rewards.final_answer_weight = 1;
    r.rewards.problem_rubrics = 1;
    r.show_reference = 1;
    if (el_rl_tasks_init(&t, &r, full, s, NULL, &err) < 0)
        fail_msg("%s", err.msg);
    assert_int_equal(t.n_problems, 2); /* copies are one problem */
    for (int i = 0; i < 100; i++) {
        assert_int_equal(el_rl_tasks_draw(&t, 0, i, &x, &err), 0);
        int first = strcmp(x.statement, "Find x.") == 0;
        if (first) {
            assert_string_equal(x.answer, "7");
            assert_string_equal(x.rubric, "1. The sum: /x *[+] *1/");
            assert_non_null(x.items);
        } else {
            assert_true(!x.answer && !x.items);
        }
        int judge = x.role == EL_ROLE_VERIFIER;
        assert_true(!!strstr(x.prompt.data, "Trivial.") == judge); /* never to who proves */
        shown += judge;
        seen[first] += !judge;
        el_rl_task_release(&x);
    }
    assert_true(shown > 20 && seen[0] > 5 && seen[1] > 5);
    el_rl_tasks_release(&t);
    r.rewards.proof_weight = 0; /* outcomes alone: what cannot be checked is not asked */
    assert_int_equal(el_rl_tasks_init(&t, &r, full, s, NULL, &err), 0);
    assert_int_equal(t.n_provable, 1);
    el_rl_tasks_release(&t);
    r.oracle = 1; /* said before the first step, not when such a task is drawn */
    assert_int_equal(el_rl_tasks_init(&t, &r, full, s, NULL, &err), EL_EREFUSED);
    assert_non_null(strstr(err.msg, "the oracle knows only the small world"));
    assert_non_null(strstr(err.msg, "Show y."));
    r.share[EL_ROLE_VERIFIER] = 0;
    assert_int_equal(el_rl_tasks_init(&t, &r, full, s, NULL, &err), EL_EREFUSED);
    assert_non_null(strstr(err.msg, "Find x."));
    close_imported(s);
    el_prompt_set_free(full);
}

/* Scores of proofs alone: who is trained on analyses gives way, unless nobody else is left. */
static void imports_without_scored_analyses(void **state)
{
    (void)state;
    const double all[EL_ROLES] = {1, 1, 1, 1}, meta[EL_ROLES] = {0, 1, 0.5, 0},
                 alone[EL_ROLES] = {0, 0, 1, 1}, even[3] = {1, 1, 1};
    struct el_rl_recipe r = recipe_of(all, even);
    struct el_store *s = open_imported();
    struct el_rl_tasks t;
    struct el_error err = {0};
    r.rewards.proof_weight = 1;
    assert_int_equal(el_rl_tasks_init(&t, &r, prompts, s, NULL, &err), 0);
    assert_non_null(strstr(t.dropped, "roles left out: meta_verifier, refiner ("));
    assert_non_null(strstr(t.dropped, "D_mv is empty: no analysis has a score"));
    for (int i = 0; i < 60; i++) {
        struct el_rl_task x;
        assert_int_equal(el_rl_tasks_draw(&t, 0, i, &x, &err), 0);
        assert_true(x.role == EL_ROLE_VERIFIER || x.role == EL_ROLE_GENERATOR);
        el_rl_task_release(&x);
    }
    el_rl_tasks_release(&t);
    r = recipe_of(meta, even);
    assert_int_equal(el_rl_tasks_init(&t, &r, prompts, s, NULL, &err), 0);
    assert_non_null(strstr(t.dropped, "roles left out: meta_verifier ("));
    assert_true(t.share[EL_ROLE_VERIFIER] == 1 && t.share[EL_ROLE_META_VERIFIER] == 0);
    el_rl_tasks_release(&t);
    r = recipe_of(alone, even);
    assert_int_equal(el_rl_tasks_init(&t, &r, prompts, s, NULL, &err), EL_ENOTFOUND);
    assert_non_null(strstr(err.msg, "D_mv is empty: no analysis has a score"));
    assert_non_null(strstr(err.msg, "no role that can do without"));
    close_imported(s);
    /* where there are analyses, nobody is left out */
    r = recipe_of(all, even);
    assert_int_equal(el_rl_tasks_init(&t, &r, prompts, store, NULL, &err), 0);
    assert_string_equal(t.dropped, "");
    assert_memory_equal(t.share, all, sizeof all);
    el_rl_tasks_release(&t);
}

/* A token for a byte, but of what is called y there are too many. */
static int count_bytes(void *user, const char *prompt, struct el_error *err)
{
    const char *uncountable = user;
    return uncountable && strstr(prompt, uncountable) ? el_error_set(err, EL_ELIMIT, "too many")
                                                      : (int)strlen(prompt);
}

static int no_token(void *user, const char *prompt, struct el_error *err)
{
    (void)user, (void)prompt;
    return el_error_set(err, EL_EREFUSED, "byte 255 has no token");
}

static size_t longest_prompt(const struct el_rl_tasks *t)
{
    size_t longest = 0;
    for (int i = 0; i < 400; i++) {
        struct el_rl_task x;
        assert_int_equal(el_rl_tasks_draw(t, 0, i, &x, NULL), 0);
        longest = x.prompt.len > longest ? x.prompt.len : longest;
        el_rl_task_release(&x);
    }
    return longest;
}

/* Prompt and completion have to fit, in every role that is shown an example. */
static void too_long_for_the_model(void **state)
{
    (void)state;
    const double all[EL_ROLES] = {0, 1, 1, 1}, even[3] = {1, 1, 1};
    struct el_rl_recipe r = recipe_of(all, even);
    struct el_rl_room room = {.tokens = count_bytes, .context = 1 << 20};
    struct el_rl_tasks t;
    struct el_error err = {0};
    r.sampling.max_tokens = 100;
    assert_int_equal(el_rl_tasks_init(&t, &r, prompts, store, &room, &err), 0);
    size_t before = t.data[1].n, longest = longest_prompt(&t);
    char digest[EL_DIGEST_HEX];
    assert_int_equal(t.data[1].left_out[EL_LEFT_OUT_TOO_LONG], 0);
    strcpy(digest, t.digest);
    el_rl_tasks_release(&t);
    room.context = (int)longest + 100; /* the longest that was drawn just fits */
    assert_int_equal(el_rl_tasks_init(&t, &r, prompts, store, &room, &err), 0);
    assert_true(longest_prompt(&t) == longest);
    el_rl_tasks_release(&t);
    room.context--;
    assert_int_equal(el_rl_tasks_init(&t, &r, prompts, store, &room, &err), 0);
    assert_true(t.data[1].left_out[EL_LEFT_OUT_TOO_LONG] > 0 && t.data[1].n > 0);
    assert_int_equal(t.data[1].n + t.data[1].left_out[EL_LEFT_OUT_TOO_LONG], before);
    assert_true(longest_prompt(&t) < longest);
    assert_string_not_equal(t.digest, digest);
    el_rl_tasks_release(&t);
    room.context = 120;
    assert_int_equal(el_rl_tasks_init(&t, &r, prompts, store, &room, &err), EL_ENOTFOUND);
    assert_non_null(strstr(err.msg, "D_v: none of "));
    assert_non_null(strstr(err.msg, "it takes 120 tokens, max_completion_length keeps 100 of"));
    room.tokens = no_token;
    assert_int_equal(el_rl_tasks_init(&t, &r, prompts, store, &room, &err), EL_EREFUSED);
    assert_non_null(strstr(err.msg, "the problem \"Show that"));
    assert_non_null(strstr(err.msg, "byte 255 has no token"));
}

static void problems_too_long_for_the_model(void **state)
{
    (void)state;
    const double share[EL_ROLES] = {1, 0, 0, 0}, even[3] = {1, 1, 1};
    struct el_rl_recipe r = recipe_of(share, even);
    char uncountable[] = "Show y.";
    const struct el_rl_room room = {.tokens = count_bytes, .user = uncountable, .context = 1000};
    struct el_rl_tasks t;
    struct el_error err = {0};
    struct el_store *s = open_imported();
    r.rewards.proof_weight = 1;
    r.sampling.max_tokens = 100;
    assert_int_equal(el_rl_tasks_init(&t, &r, prompts, s, &room, &err), 0);
    assert_true(t.n_problems == 2 && t.n_provable == 1 && t.too_long == 1);
    el_rl_tasks_release(&t);
    r.sampling.max_tokens = 999;
    assert_int_equal(el_rl_tasks_init(&t, &r, prompts, s, &room, &err), EL_ENOTFOUND);
    assert_non_null(strstr(err.msg, "problems to prove: none of 2 fits the model: it takes 1000"));
    close_imported(s);
}

/* The run's own data stay what they are, and what of them does not fit is counted. */
static void own_data_without_room(void **state)
{
    (void)state;
    const double judges[EL_ROLES] = {0, 1, 1, 1}, even[3] = {1, 1, 1};
    struct el_rl_recipe r = recipe_of(judges, even);
    struct el_rl_room room = {.tokens = count_bytes, .context = 1 << 20};
    struct el_rl_tasks t;
    struct el_error err = {0};
    char digest[EL_DIGEST_HEX];
    r.world = 3;
    r.sampling.max_tokens = 100;
    assert_int_equal(el_rl_tasks_init(&t, &r, prompts, store, &room, &err), 0);
    for (int i = 0; i < EL_ROLES; i++)
        assert_int_equal(t.own[i].no_room, 0);
    room.context = (int)longest_prompt(&t) + 99;
    strcpy(digest, t.digest);
    el_rl_tasks_release(&t);
    assert_int_equal(el_rl_tasks_init(&t, &r, prompts, store, &room, &err), 0);
    size_t without = 0;
    for (int i = 0; i < EL_ROLES; i++) {
        assert_true(t.own[i].no_room < t.own[i].asked || !(judges[i] > 0));
        without += t.own[i].no_room;
    }
    assert_true(without > 0 && t.own[EL_ROLE_REFINER].asked == t.n_refinable);
    assert_int_equal(t.data[1].left_out[EL_LEFT_OUT_TOO_LONG], 0);
    assert_string_equal(t.digest, digest);
    el_rl_tasks_release(&t);
    room.context = 120;
    assert_int_equal(el_rl_tasks_init(&t, &r, prompts, store, &room, &err), EL_ENOTFOUND);
    assert_non_null(strstr(err.msg, "D_v: none of "));
    room.anyhow = 1;
    assert_int_equal(el_rl_tasks_init(&t, &r, prompts, store, &room, &err), 0);
    assert_int_equal(t.own[EL_ROLE_VERIFIER].no_room, t.data[0].n);
    el_rl_tasks_release(&t);
}

/* Prompts about what a refiner is given are long. */
static int count_refinable(void *user, const char *prompt, struct el_error *err)
{
    const struct el_rl_tasks *t = user;
    (void)err;
    for (size_t i = 0; i < t->n_refinable; i++)
        if (strstr(prompt, t->data[1].item[t->refinable[i]].analysis))
            return 1000;
    return 10;
}

/* What the refiner is never given does not help it. */
static void nothing_to_refine_has_room(void **state)
{
    (void)state;
    const double refiner[EL_ROLES] = {[EL_ROLE_REFINER] = 1}, even[3] = {1, 1, 1};
    struct el_rl_recipe r = recipe_of(refiner, even);
    struct el_rl_tasks all, t;
    struct el_rl_room room = {.tokens = count_refinable, .user = &all, .context = 1100};
    struct el_error err = {0};
    r.world = 3;
    r.sampling.max_tokens = 100;
    assert_int_equal(el_rl_tasks_init(&all, &r, prompts, store, NULL, &err), 0);
    assert_int_equal(el_rl_tasks_init(&t, &r, prompts, store, &room, &err), 0);
    assert_int_equal(t.own[EL_ROLE_REFINER].no_room, 0);
    el_rl_tasks_release(&t);
    room.context--;
    assert_int_equal(el_rl_tasks_init(&t, &r, prompts, store, &room, &err), EL_ENOTFOUND);
    el_rl_tasks_release(&all);
    assert_non_null(strstr(err.msg, "D_mv for the refiner: none of "));
}

/* Of problems without end the first are looked at, however few a step takes: what does not fit in
 * the first step says nothing about the next. */
static void own_problems_without_room(void **state)
{
    (void)state;
    const double share[EL_ROLES] = {[EL_ROLE_GENERATOR] = 1}, even[3] = {1, 1, 1};
    struct el_rl_recipe r = recipe_of(share, even);
    struct el_rl_room room = {.tokens = count_bytes, .context = 1 << 20};
    struct el_rl_tasks t;
    struct el_error err = {0};
    size_t longest = 0, shortest = SIZE_MAX, first = 0;
    r.world = 3;
    r.prompts_per_step = 1;
    r.sampling.max_tokens = 100;
    assert_int_equal(el_rl_tasks_init(&t, &r, prompts, store, &room, &err), 0);
    for (int i = 0; i < EL_RL_OWN_PROBLEMS; i++) {
        struct el_rl_task x;
        assert_int_equal(el_rl_tasks_draw(&t, i, 0, &x, &err), 0);
        longest = x.prompt.len > longest ? x.prompt.len : longest;
        shortest = x.prompt.len < shortest ? x.prompt.len : shortest;
        first = i == 0 ? x.prompt.len : first;
        el_rl_task_release(&x);
    }
    el_rl_tasks_release(&t);
    for (int less = 0; less < 2; less++) {
        room.context = (int)longest + 100 - less;
        assert_int_equal(el_rl_tasks_init(&t, &r, prompts, store, &room, &err), 0);
        size_t without = t.own[EL_ROLE_GENERATOR].no_room;
        assert_true(less ? without > 0 : without == 0);
        el_rl_tasks_release(&t);
    }
    assert_true(shortest < first);
    room.context = (int)shortest + 100;
    assert_int_equal(el_rl_tasks_init(&t, &r, prompts, store, &room, &err), 0);
    el_rl_tasks_release(&t);
    room.context = 101;
    assert_int_equal(el_rl_tasks_init(&t, &r, prompts, store, &room, &err), EL_ENOTFOUND);
    assert_non_null(strstr(err.msg, "problems to prove: none of 64 fits the model"));
}

static void nothing_there(void **state)
{
    (void)state;
    const double share[EL_ROLES] = {0, 1, 0, 0}, even[3] = {1, 1, 1};
    struct el_rl_recipe r = recipe_of(share, even);
    struct el_rl_tasks t;
    struct el_error err = {0};
    r.set = el_strdup("nobody");
    assert_int_equal(el_rl_tasks_init(&t, &r, prompts, store, NULL, &err), EL_ENOTFOUND);
    assert_true(strlen(err.msg) > 0);
    el_free(r.set);
}

/* ---- Judging judges ---- */

static int asks_about(const char *prompt, const struct el_dataset_item *x)
{
    struct el_buf text;
    const struct el_role_input in = {.statement = el_slice_str(x->statement),
                                     .proof = el_slice_str(x->proof),
                                     .analysis = el_slice_str(x->analysis ? x->analysis : "")};
    el_buf_init(&text);
    assert_int_equal(el_role_prompt(x->analysis ? EL_ROLE_META_VERIFIER : EL_ROLE_VERIFIER, prompts,
                                    &in, &text, NULL),
                     0);
    int same = strcmp(text.data, prompt) == 0;
    el_buf_release(&text);
    return same;
}

/* What a perfect judge of either role would reply, out of the prompt. */
static const char *perfect(void *user, const char *prompt, int again)
{
    static char reply[4096];
    const struct el_dataset *d = user;
    struct el_world_problem p;
    struct el_world_report truth;
    struct el_world_review review;
    struct el_buf text;
    (void)again;
    for (size_t i = 0; i < d[0].n + d[1].n; i++) {
        const struct el_dataset_item *x = i < d[0].n ? &d[0].item[i] : &d[1].item[i - d[0].n];
        if (!asks_about(prompt, x))
            continue;
        el_buf_init(&text);
        assert_int_equal(el_world_problem_parse(x->statement, strlen(x->statement), &p, NULL), 0);
        el_world_judge_proof(&p, x->proof, strlen(x->proof), &truth);
        if (x->analysis) {
            el_world_judge_analysis(&truth, x->analysis, strlen(x->analysis), &review);
            assert_int_equal(
                el_world_meta_true(&truth, &review, x->analysis, strlen(x->analysis), &text, NULL),
                0);
        } else {
            assert_int_equal(el_world_analysis_true(&truth, &text), 0);
        }
        snprintf(reply, sizeof reply, "%s", text.data);
        el_buf_release(&text);
        return reply;
    }
    fail_msg("no item for \"%s\"", prompt);
    return NULL;
}

static const char *always_one(void *user, const char *prompt, int again)
{
    (void)user, (void)again;
    return strncmp(prompt, "Verify", 6) == 0
               ? "Here is my evaluation of the solution:\nBased on my evaluation, the final "
                 "overall score should be:\n\\boxed{1}"
               : "hm";
}

static void report(const char *(*answer)(void *, const char *, int), struct el_role_report *out)
{
    static struct scripted s;
    struct el_dataset d[2];
    struct el_error err = {0};
    assert_int_equal(el_dataset_load(&d[0], store, EL_DATASET_DV, NULL, &err), 0);
    assert_int_equal(el_dataset_load(&d[1], store, EL_DATASET_DMV, NULL, &err), 0);
    scripted_open(&s, answer, d);
    const struct el_role_eval e = {.backend = &s.base,
                                   .prompts = prompts,
                                   .dv = &d[0],
                                   .dmv = &d[1],
                                   .sampling = {.temperature = 1, .top_p = 1, .max_tokens = 9},
                                   .samples = 2,
                                   .resamples = 50};
    if (el_role_eval(&e, out, &err) < 0)
        fail_msg("%s", err.msg);
    assert_int_equal(out->analyses, 2 * (int64_t)d[0].n);
    assert_int_equal(out->ratings, 2 * (int64_t)d[1].n);
    assert_int_equal(out->problems, 12);
    el_dataset_release(&d[0]);
    el_dataset_release(&d[1]);
    scripted_close(&s);
}

static void near(double x, double expected)
{
    if (!(fabs(x - expected) < 1e-12))
        fail_msg("%.9g, expected %.9g", x, expected);
}

static void perfect_judge(void **state)
{
    (void)state;
    struct el_role_report r;
    report(perfect, &r);
    for (int k = 0; k < EL_ROLE_METRICS; k++) {
        int bad =
            k == EL_ROLE_V_INVENTED || k == EL_ROLE_V_PASSED_BAD || k == EL_ROLE_M_FALSE_ALARM;
        near(r.metric[k].value, bad ? 0 : 1);
        near(r.metric[k].lo, bad ? 0 : 1);
    }
    near(r.verifier_balanced.value, 1);
    near(r.meta_balanced.value, 1);
}

/* A judge that praises everything says nothing false, names nothing, and passes what is wrong. */
static void flatterer(void **state)
{
    (void)state;
    struct el_role_report r;
    struct el_buf text;
    report(always_one, &r);
    near(r.metric[EL_ROLE_V_FORMAT].value, 1);
    near(r.metric[EL_ROLE_V_ACCURACY].value, 1.0 / 3);
    near(r.verifier_balanced.value, 1.0 / 3);
    near(r.metric[EL_ROLE_V_QUALITY].value, 1);
    near(r.metric[EL_ROLE_V_RECALL].value, 0);
    near(r.metric[EL_ROLE_V_INVENTED].value, 0);
    near(r.metric[EL_ROLE_V_PASSED_BAD].value, 1);
    near(r.metric[EL_ROLE_M_FORMAT].value, 0);
    near(r.metric[EL_ROLE_M_ACCURACY].value, 0);
    near(r.metric[EL_ROLE_M_CAUGHT].value, 0);
    el_buf_init(&text);
    assert_int_equal(el_role_report_text(&r, &text), 0);
    assert_non_null(strstr(text.data, "verifier/balanced_accuracy"));
    el_buf_clear(&text);
    assert_int_equal(el_role_report_json(&r, &text), 0);
    assert_non_null(strstr(text.data, "\"verifier/defect_recall\":{\"value\":0"));
    el_buf_release(&text);
}

/* Perfect about proofs of the first problem; there is no room for the rest. */
static const char *short_of_room(void *user, const char *prompt, int again)
{
    const struct el_dataset *d = user;
    const char *reply = perfect(user, prompt, again);
    for (size_t i = 0; i < d[0].n; i++)
        if (asks_about(prompt, &d[0].item[i]))
            return strcmp(d[0].item[i].problem_key, d[0].item[0].problem_key) == 0 ? reply : NULL;
    return NULL;
}

static const char *no_room(void *user, const char *prompt, int again)
{
    (void)user, (void)prompt, (void)again;
    return NULL;
}

/* What does not fit is not asked, is counted, and is in no mean. */
static void too_long_to_judge(void **state)
{
    (void)state;
    static struct scripted s;
    struct el_dataset d[2];
    struct el_role_report r;
    struct el_error err = {0};
    struct el_buf text;
    char said[200];
    int64_t fit = 0;
    assert_int_equal(el_dataset_load(&d[0], store, EL_DATASET_DV, NULL, &err), 0);
    assert_int_equal(el_dataset_load(&d[1], store, EL_DATASET_DMV, NULL, &err), 0);
    for (size_t i = 0; i < d[0].n; i++)
        fit += strcmp(d[0].item[i].problem_key, d[0].item[0].problem_key) == 0;
    scripted_open(&s, short_of_room, d);
    struct el_role_eval e = {.backend = &s.base,
                             .prompts = prompts,
                             .dv = &d[0],
                             .dmv = &d[1],
                             .sampling = {.temperature = 1, .top_p = 1, .max_tokens = 9},
                             .samples = 2,
                             .resamples = 50};
    assert_int_equal(el_role_eval(&e, &r, &err), 0);
    assert_int_equal(r.asked[0], fit);
    assert_int_equal(r.too_long[0], (int64_t)d[0].n - fit);
    assert_true(r.asked[1] == 0 && r.too_long[1] == (int64_t)d[1].n);
    assert_true(r.analyses == 2 * fit && r.ratings == 0 && r.problems == 1);
    assert_true(s.seen[0].full); /* nor what would be cut off */
    near(r.metric[EL_ROLE_V_FORMAT].value, 1);
    near(r.metric[EL_ROLE_V_ACCURACY].lo, 1);
    el_buf_init(&text);
    assert_int_equal(el_role_report_text(&r, &text), 0);
    snprintf(said, sizeof said, "%d proofs to judge and 0 analyses to rate over 1 problem, 2 rep",
             (int)fit);
    assert_non_null(strstr(text.data, said));
    snprintf(said, sizeof said, "\nD_v: %d items; left out: %d as too long for the model\n",
             (int)fit, (int)((int64_t)d[0].n - fit));
    assert_non_null(strstr(text.data, said));
    assert_null(strstr(text.data, "meta_verifier"));
    el_buf_clear(&text);
    assert_int_equal(el_role_report_json(&r, &text), 0);
    snprintf(said, sizeof said, "\"analyses_too_long\":%d,", (int)d[1].n);
    assert_non_null(strstr(text.data, said));
    el_buf_release(&text);
    scripted_close(&s);
    scripted_open(&s, no_room, d);
    s.base.context_limit = 10;
    assert_int_equal(el_role_eval(&e, &r, &err), EL_ENOTFOUND);
    assert_non_null(strstr(err.msg, "fits the model: it takes 10 tokens, of which 9 are kept"));
    scripted_close(&s);
    el_dataset_release(&d[0]);
    el_dataset_release(&d[1]);
}

/* Several models: means over them, intervals over them, each of them. */
static void models_together(void **state)
{
    (void)state;
    static const char *const models[] = {"m1", "m\"2", "m3", "alone"};
    struct el_role_report r[4];
    struct el_buf out;
    el_buf_init(&out);
    for (int i = 0; i < 4; i++) {
        r[i] = (struct el_role_report){.problems = 5, .analyses = 10, .asked = {10}};
        r[i].too_long[0] = i == 1 ? 3 : 0;
        for (int k = 0; k < EL_ROLE_METRICS; k++)
            r[i].metric[k].value = k < EL_ROLE_M_FORMAT ? 0.1 * (i + 1) : NAN;
        r[i].verifier_balanced.value = 0.2 * (i + 1);
        r[i].meta_balanced.value = NAN;
    }
    const struct el_role_arm arms[] = {{"three", models, r, 3}, {"one", models + 3, r + 3, 1}};
    assert_int_equal(el_role_arms_text(arms, 2, &out), 0);
    assert_non_null(strstr(out.data, "Each model: 10 proofs to judge and 0 analyses to rate over"));
    assert_non_null(strstr(out.data, "\nthree: 3 models: m1, m\"2, m3\nm\"2:\nD_v: 10 items; left "
                                     "out: 3 as too long for the model\n  verifier/format"));
    /* 0.2 +- 4.3027 * 0.1 / sqrt(3) */
    assert_non_null(strstr(out.data,
                           "  verifier/accuracy               0.200  [-0.048, 0.448]  0.100 "
                           "0.200 0.300\n"));
    assert_non_null(strstr(out.data, "  verifier/balanced_accuracy      0.400  [-0.097, 0.897]"));
    assert_null(strstr(out.data, "meta_verifier"));
    assert_null(strstr(out.data, "nan"));
    el_buf_clear(&out);
    assert_int_equal(el_role_arms_json(arms, 2, &out), 0);
    cJSON *o = cJSON_Parse(out.data);
    assert_non_null(o);
    const cJSON *list = cJSON_GetObjectItem(o, "arms");
    const cJSON *three = cJSON_GetArrayItem(list, 0), *one = cJSON_GetArrayItem(list, 1);
    const cJSON *v = cJSON_GetObjectItem(three, "verifier/balanced_accuracy");
    assert_true(fabs(cJSON_GetObjectItem(v, "value")->valuedouble - 0.4) < 1e-6);
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(three, "models")), 3);
    v = cJSON_GetObjectItem(one, "verifier/format");
    assert_true(cJSON_IsNull(cJSON_GetObjectItem(v, "lo")));
    cJSON_Delete(o);
    el_buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(imports_without_scored_analyses),
        cmocka_unit_test(too_long_for_the_model),
        cmocka_unit_test(problems_too_long_for_the_model),
        cmocka_unit_test(own_data_without_room),
        cmocka_unit_test(nothing_to_refine_has_room),
        cmocka_unit_test(own_problems_without_room),
        cmocka_unit_test(draws),
        cmocka_unit_test(problems_are_of_the_split),
        cmocka_unit_test(identity),
        cmocka_unit_test(problems_of_a_seed),
        cmocka_unit_test(imported),
        cmocka_unit_test(nothing_there),
        cmocka_unit_test(perfect_judge),
        cmocka_unit_test(flatterer),
        cmocka_unit_test(too_long_to_judge),
        cmocka_unit_test(models_together),
    };
    return cmocka_run_group_tests(tests, enter, leave);
}
