/* Rejection fine-tuning with the small model: what is kept, what a stopped run keeps of it, and
 * what must be refused. */
#include "tests/rl/runs.h"

#include "training/rl/batch.h"

#include <errno.h>

static void replace(const char *file, const char *text)
{
    struct el_error err = {0};
    assert_int_equal(el_file_write(file, text, strlen(text), &err), 0);
}

/* Rejection fine-tuning: what earned enough is kept, once and for all; the steps on it resume like
 * any other. */
static void rejection(void **state)
{
    (void)state;
    struct el_error err = {0};
    const char *path =
        recipe("rft.json", "\"rejection\":{\"steps\":2,\"sources\":{\"verifier\":\"" EL_SOURCE_DIR
                           "/models/small\"},\"min_reward\":{\"verifier\":0.5,"
                           "\"meta_verifier\":9}},\"judge\":\"oracle\",\"data\":{\"world\":24},"
                           "\"roles\":{\"verifier\":1,\"meta_verifier\":"
                           "1},\"max_steps\":4,\"save_steps\":2,\"batch_rows\":600");
    must_train(path, at("rft"));
    assert_int_equal(models_read, 3); /* reference, policy, what the verifier is sampled from */
    struct el_buf kept = read_file(at("rft"), "kept.jsonl");
    int lines = 0;
    for (const char *c = kept.data; (c = strchr(c, '\n')); c++)
        lines++;
    assert_in_range(lines, 2, 9); /* at most one for each of the 2 x 4 prompts, and the drops */
    assert_ptr_equal(strstr(kept.data, "{\"batches\":2,\"drops/judge\":0,"), kept.data);
    assert_non_null(strstr(kept.data, "\"role\":\"verifier\""));
    assert_null(strstr(kept.data, "\"role\":\"meta_verifier\"")); /* 9 is never earned */
    el_buf_release(&kept);
    cJSON *line = metrics(at("rft"), 3);
    assert_true(value(line, "loss_lm") > 0 && value(line, "targets") > 0);
    assert_true(isnan(value(line, "drops/prompt")));
    cJSON_Delete(line);
    line = metrics(at("rft"), 0); /* the oracle is not asked, and cannot fail */
    assert_true(value(line, "drops/prompt") == 0 && value(line, "drops/judge") == 0 &&
                value(line, "judge/asked") == 0);
    cJSON_Delete(line);
    struct el_error why = {0};
    assert_int_equal(train(path, at("rft2"), 2, 2, &why), 0); /* no "reward" in its notes */
    same_file(at("rft"), at("rft2"), "state.safetensors");
    same_file(at("rft"), at("rft2"), "model/model.safetensors");
    /* a line that does not belong is named */
    replace(at("rft2/kept.jsonl"), "{\"role\":\"poet\",\"prompt\":1,\"ids\":[1,2]}\n");
    assert_int_equal(train(path, at("rft2"), 1, -1, &err), EL_EFORMAT);
    assert_non_null(strstr(err.msg, "kept.jsonl: line 1: unknown role 'poet'"));
    replace(at("rft2/kept.jsonl"), "");
    assert_int_equal(train(path, at("rft2"), 1, -1, &err), EL_EFORMAT);
    assert_non_null(strstr(err.msg, "nothing to learn from"));
}

/* Stopped while it samples, a run has what it kept, and ends like one that was not stopped. */
static void sampling_resumes(void **state)
{
    (void)state;
    struct el_error err = {0};
    const char *path =
        recipe("sift.json", "\"rejection\":{\"steps\":4,\"min_reward\":0.5},\"judge\":\"oracle\","
                            "\"data\":{\"world\":24},\"roles\":{\"verifier\":1},\"max_steps\":1");
    const char *part = at("sift/kept.part.jsonl");
    must_train(path, at("sifted"));
    stop_at_note = "rejection: 2 of 4";
    assert_int_equal(train(path, at("sift"), 1, -1, &err), EL_EINTR);
    assert_non_null(strstr(err.msg, "interrupted after batch 2 of 4 of rejection sampling"));
    assert_int_equal(access(at("sift/kept.jsonl"), F_OK), -1);
    struct el_buf half = read_file(at("sift"), "kept.part.jsonl");
    assert_ptr_equal(strstr(half.data, "{\"batches\":2,\"counts\":["), half.data);
    /* what another program did to it is named */
    replace(part, "{\"batches\":5,\"counts\":[]}\n");
    assert_int_equal(train(path, at("sift"), 1, -1, &err), EL_EFORMAT);
    assert_non_null(strstr(err.msg, "kept.part.jsonl: line 1: batches: expected 0..4"));
    replace(part, "{\"batches\":2,\"counts\":[1,2]}\n");
    assert_int_equal(train(path, at("sift"), 1, -1, &err), EL_EFORMAT);
    assert_non_null(strstr(err.msg, "counts: expected "));
    replace(part, "{\"batches\":2");
    assert_int_equal(train(path, at("sift"), 1, -1, &err), EL_EFORMAT);
    assert_non_null(strstr(err.msg, "kept.part.jsonl: line 1: expected the counts"));
    replace(part, half.data);
    /* another recipe may not go on from here */
    assert_int_equal(train(recipe("sift2.json", "\"rejection\":{\"steps\":4,\"min_reward\":0.4},"
                                                "\"judge\":\"oracle\",\"data\":{\"world\":24},"
                                                "\"roles\":{\"verifier\":1}"),
                           at("sift"), 1, -1, &err),
                     EL_EREFUSED);
    assert_non_null(strstr(err.msg, "kept.part.jsonl: was made by another recipe"));
    stop_at_note = "rejection: 3 of 4"; /* the first two are not made again */
    assert_int_equal(train(path, at("sift"), 1, -1, &err), EL_EINTR);
    stop_at_note = "rejection: 3 of 4";
    must_train(path, at("sift"));
    stop_at_note = NULL;
    assert_int_equal(access(part, F_OK), -1);
    same_file(at("sifted"), at("sift"), "kept.jsonl");
    same_file(at("sifted"), at("sift"), "model/model.safetensors");
    el_buf_release(&half);
}

/* What a folder has made for itself is of one recipe, from before the first checkpoint on. */
static void files_of_another_recipe(void **state)
{
    (void)state;
    struct el_error err = {0};
#define SIEVE(reward, world)                                                                       \
    "\"rejection\":{\"steps\":1,\"min_reward\":" reward "},\"judge\":\"oracle\",\"roles\":{"       \
    "\"verifier\":1},\"max_steps\":1,\"data\":{\"world\":" world "}"
    const char *strict = recipe("strict.json", SIEVE("9", "12")), *out = at("sieve");
    assert_int_equal(train(strict, out, 1, -1, &err), EL_ENOTFOUND);
    assert_non_null(strstr(err.msg, "no completion earned min_reward"));
    /* other data are refused, and what is there stays */
    assert_int_equal(train(recipe("more.json", SIEVE("0.5", "15")), out, 1, -1, &err), EL_EREFUSED);
    assert_non_null(strstr(err.msg, "data.db: was made by another recipe"));
    /* a lower threshold begins where the first try ended */
    must_train(recipe("mild.json", SIEVE("0.5", "12")), out);
    unlink(at("sieve/state.safetensors"));
    assert_int_equal(train(recipe("milder.json", SIEVE("0.4", "12")), out, 1, -1, &err),
                     EL_EREFUSED);
    assert_non_null(strstr(err.msg, "kept.jsonl: was made by another recipe"));
#undef SIEVE
}

enum { ROOM = 230 }; /* for some prompts and 120 tokens, not for all */

/* The small model with room for no more than so many tokens. */
static const char *short_sighted(int context)
{
    static const char *const files[] = {"model.safetensors", "tokenizer.json", "domain.json"};
    static char dir[300];
    struct el_error err = {0};
    struct el_buf text = read_file(EL_SOURCE_DIR "/models/small", "config.json");
    cJSON *config = cJSON_Parse(text.data);
    snprintf(dir, sizeof dir, "%s/context-%d", folder, context);
    assert_int_equal(el_dir_make(dir, &err), 0);
    for (int i = 0; i < 3; i++) {
        char from[400], to[400];
        snprintf(from, sizeof from, EL_SOURCE_DIR "/models/small/%s", files[i]);
        snprintf(to, sizeof to, "%s/%s", dir, files[i]);
        assert_true(symlink(from, to) == 0 || errno == EEXIST);
    }
    cJSON_SetNumberValue(cJSON_GetObjectItem(config, "max_position_embeddings"), context);
    char *out = cJSON_Print(config), path[400];
    snprintf(path, sizeof path, "%s/config.json", dir);
    assert_int_equal(el_file_write(path, out, strlen(out), &err), 0);
    cJSON_free(out);
    cJSON_Delete(config);
    el_buf_release(&text);
    return dir;
}

static struct el_buf short_run(const char *name, int context, int length, const char *more,
                               int expected)
{
    char changes[500], file[50];
    snprintf(changes, sizeof changes,
             "\"model\":\"%s\",\"max_completion_length\":%d,\"max_steps\":1,"
             "\"roles\":{\"verifier\":1}%s",
             short_sighted(context), length, more);
    snprintf(file, sizeof file, "%s.json", name);
    return said_by(recipe(file, changes), at(name), expected);
}

/* What can never fit is refused before anything is sampled, or as soon as the data are there. */
static void nothing_fits(void **state)
{
    (void)state;
    struct el_buf said = short_run("blind", 16, 16, "", EL_EREFUSED);
    heard(&said, "field 'max_completion_length' is 16: expected less than the 16 tokens that ");
    assert_int_equal(access(at("blind/data.db"), F_OK), -1);
    el_buf_release(&said);
    said = short_run("blind", 16, 15, "", EL_ENOTFOUND);
    heard(&said, "3 attempts of the start, 0 of them unreadable");
    heard(&said, "left out: 3 attempts whose prompts do not fit the model");
    heard(&said, "D_v: none of ");
    heard(&said, "it takes 16 tokens, max_completion_length keeps 15 of them");
    el_buf_release(&said);
}

/* A first checkpoint of what nothing fits, as if it were of before that was refused: the open run
 * finds a damaged one, which this replaces. */
static void begun_before(const struct el_rl_options *o)
{
    struct el_rl_run t;
    struct el_error err = {0};
    char path[300];
    assert_int_equal(el_dir_make(o->out, &err), 0);
    snprintf(path, sizeof path, "%s/state.safetensors", o->out);
    replace(path, "damaged");
    assert_int_equal(el_rl_run_open(&t, o, &err), EL_EFORMAT);
    const struct el_state_owner owner = {t.owner, 1};
    assert_int_equal(el_rotation_save(&t.checkpoints, &t.state, &t.trainer, &owner, &err), 0);
    el_rl_run_close(&t);
}

/* Runs that began before it was refused go on, and give their models out. */
static void what_has_begun_goes_on(void **state)
{
    (void)state;
    char changes[500];
    struct el_error err = {0};
    snprintf(changes, sizeof changes,
             "\"model\":\"%s\",\"max_completion_length\":16,\"max_steps\":1,\"roles\":{"
             "\"verifier\":1}",
             short_sighted(16));
    struct el_rl_options o = {.recipe = recipe("begun.json", changes),
                              .out = at("begun"),
                              .threads = 1,
                              .export_only = 1,
                              .over = {.seed = -1}};
    const struct el_rl_options opened = {
        .recipe = o.recipe, .out = o.out, .threads = 1, .over = {.seed = -1}};
    begun_before(&opened);
    if (el_rl_train(&o, &err) < 0)
        fail_msg("%s", err.msg);
    assert_int_equal(access(at("begun/model/config.json"), F_OK), 0);
    struct el_buf said = said_by(o.recipe, o.out, 0);
    heard(&said, "max_completion_length is 16, and ");
    heard(&said, "takes 16 tokens, prompt included: steps from here on drop every prompt");
    el_buf_release(&said);
    cJSON *line = metrics(o.out, 0);
    assert_true(value(line, "drops/prompt") == 4);
    cJSON_Delete(line);
}

/* Of a step's samples: those that reached their length, all with all of it. */
static int uncut(struct el_rl_run *t, int64_t step)
{
    struct el_rl_batch b;
    struct el_error err = {0};
    int full = 0;
    const struct el_rl_player policy = {t->sampler, t->policy->digest};
    const struct el_rl_player player[EL_ROLES] = {policy, policy, policy, policy};
    assert_int_equal(el_rl_batch_init(&b, &t->recipe, &err), 0);
    assert_int_equal(el_rl_batch_sample(&b, &t->tasks, step, player, t->parser, NULL, &err), 0);
    for (int i = 0; i < b.p * b.g; i++) {
        const struct el_completion *c = &b.sample[i].completion;
        if (c->finish != EL_FINISH_LENGTH)
            continue;
        assert_int_equal(c->completion_tokens, t->recipe.sampling.max_tokens);
        full++;
    }
    el_rl_batch_release(&b);
    return full;
}

/* No completion is shorter than it may be because of the context. */
static void replies_are_whole(void **state)
{
    (void)state;
    enum { LENGTH = 60 };
    char changes[500];
    struct el_rl_run t;
    struct el_error err = {0};
    int full = 0;
    snprintf(changes, sizeof changes,
             "\"model\":\"%s\",\"max_completion_length\":%d,\"prompts_per_step\":8,"
             "\"data\":{\"world\":24},\"roles\":{\"verifier\":1}",
             short_sighted(ROOM - 120 + LENGTH), LENGTH);
    const struct el_rl_options o = {.recipe = recipe("uncut.json", changes),
                                    .out = at("uncut"),
                                    .threads = 1,
                                    .over = {.seed = -1}};
    assert_int_equal(el_rl_run_open(&t, &o, &err), 0);
    assert_true(t.tasks.own[EL_ROLE_VERIFIER].no_room > 0);
    for (int i = 0; i < 3; i++)
        full += uncut(&t, i);
    assert_true(full > 0);
    el_rl_run_close(&t);
}

/* A prompt of a run's own data whose replies the context might cut off is not sampled but counted,
 * in a step and by rejection sampling; the start says how many there are. */
static void prompts_without_room_are_counted(void **state)
{
    (void)state;
#define OWN ",\"data\":{\"world\":24},\"prompts_per_step\":8"
    struct el_buf said = short_run("short", ROOM, 120, OWN, 0);
    heard(&said, " items leave less than max_completion_length (120) of the model's ");
    heard(&said, "; where they are drawn they are dropped (drops/prompt)");
    el_buf_release(&said);
    cJSON *line = metrics(at("short"), 0);
    double dropped = value(line, "drops/prompt");
    assert_true(dropped > 0 && dropped < 8);
    cJSON_Delete(line);
    said =
        short_run("sieved", ROOM, 120,
                  OWN ",\"rejection\":{\"steps\":4,\"min_reward\":0.05},\"judge\":\"oracle\"", 0);
    heard(&said, " prompts that leave less than max_completion_length tokens of the model's");
    el_buf_release(&said);
#undef OWN
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rejection),
        cmocka_unit_test(sampling_resumes),
        cmocka_unit_test(files_of_another_recipe),
        cmocka_unit_test(nothing_fits),
        cmocka_unit_test(what_has_begun_goes_on),
        cmocka_unit_test(replies_are_whole),
        cmocka_unit_test(prompts_without_room_are_counted),
    };
    return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
