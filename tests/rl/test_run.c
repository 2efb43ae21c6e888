/* Whole runs with the small model: sampler and trainer agree, a run that was stopped ends like one
 * that was not, and what must be refused is. */
#include "core/base/alloc.h"
#include "data/store.h"
#include "data/world.h"

#include "tests/rl/runs.h"

static void cut_in_half(const char *out, const char *name)
{
    struct el_buf b = read_file(out, name);
    struct el_error err = {0};
    char path[300];
    snprintf(path, sizeof path, "%s/%s", out, name);
    assert_int_equal(el_file_write(path, b.data, b.len / 2, &err), 0);
    el_buf_release(&b);
}

/* Equal but for what a clock says. */
static void same_metrics(const char *a, const char *b, int lines)
{
    for (int i = 0; i < lines; i++) {
        cJSON *pair[2] = {metrics(a, i), metrics(b, i)};
        for (int k = 0; k < 2; k++) {
            static const char *const clocks[] = {"step_time", "time/sampling", "time/judging",
                                                 "time/reference", "time/training"};
            for (size_t c = 0; c < sizeof clocks / sizeof *clocks; c++)
                cJSON_DeleteItemFromObject(pair[k], clocks[c]);
        }
        assert_true(cJSON_Compare(pair[0], pair[1], 1));
        cJSON_Delete(pair[0]);
        cJSON_Delete(pair[1]);
    }
}

/* A bit of the digest of the recipe that a checkpoint belongs to. */
static void change_owner(const char *out, const char *name)
{
    struct el_error err = {0};
    char path[300];
    struct el_buf b = read_file(out, name);
    char *owner = memmem(b.data, b.len, "\"recipe\":\"", 10);
    assert_non_null(owner);
    owner[10] ^= 1;
    snprintf(path, sizeof path, "%s/%s", out, name);
    assert_int_equal(el_file_write(path, b.data, b.len, &err), 0);
    el_buf_release(&b);
}

/* ---- Tests ---- */

static void stopped_and_resumed(void **state)
{
    (void)state;
    struct el_error err = {0};
    const char *path = recipe("whole.json", "\"prompts_per_step\":8,\"max_completion_length\":200");
    parts_shown = 0;
    must_train(path, at("whole"));
    assert_in_range(parts_shown, 24, 200); /* 24 samples a step, in two steps */
    assert_int_equal(train(path, at("parts"), 2, 1, &err), EL_EINTR);
    assert_non_null(strstr(err.msg, "interrupted after step 1"));
    must_train(path, at("parts"));
    same_file(at("whole"), at("parts"), "state.safetensors");
    same_file(at("whole"), at("parts"), "model/model.safetensors");
    same_file(at("whole"), at("parts"), "model/training.json");
    same_metrics(at("whole"), at("parts"), 2);
    /* a finished run stays as it is */
    must_train(path, at("parts"));
    same_file(at("whole"), at("parts"), "state.safetensors");
    /* one whose newest checkpoint is damaged goes on from the one before */
    cut_in_half(at("parts"), "state.safetensors");
    must_train(path, at("parts"));
    same_file(at("whole"), at("parts"), "state.safetensors");
    same_file(at("whole"), at("parts"), "state.1.safetensors");
    same_file(at("whole"), at("parts"), "model/model.safetensors");
    same_metrics(at("whole"), at("parts"), 2);
    /* a damaged name of its recipe is damage, too */
    change_owner(at("parts"), "state.safetensors");
    must_train(path, at("parts"));
    same_file(at("whole"), at("parts"), "state.safetensors");
    /* another recipe may not go on from here */
    assert_int_equal(train(recipe("other.json", "\"beta\":0.03"), at("parts"), 1, -1, &err),
                     EL_EREFUSED);
    assert_non_null(strstr(err.msg, "another recipe"));
}

static int count_line(void *user, int64_t step, const char *line, struct el_error *err)
{
    int *n = user;
    (void)err;
    assert_int_equal(step, ++*n);
    assert_non_null(strstr(line, "\"reward\":"));
    return 0;
}

static void check_record(const char *path)
{
    struct el_error err = {0};
    struct el_store *s = NULL;
    struct el_run run;
    int lines = 0;
    assert_int_equal(el_store_open(path, EL_STORE_READONLY, &s, &err), 0);
    assert_int_equal(el_store_metric_each(s, 1, count_line, &lines, &err), 0);
    assert_int_equal(lines, 2);
    assert_int_equal(el_store_run_get(s, 1, &run, &err), 0);
    assert_true(run.kind == EL_RUN_TRAIN && run.done && run.seed == 5);
    el_run_release(&run);
    el_store_close(s);
}

/* The store gets the run and its lines, once, whenever it was stopped, and wherever it went on. */
static void recorded(void **state)
{
    (void)state;
    struct el_error err = {0};
    int64_t stop = 1;
    struct el_progress progress = {on_step, &stop};
    struct el_rl_options o = {.recipe =
                                  recipe("record.json", "\"data\":{\"world\":12},\"roles\":{"
                                                        "\"verifier\":1},\"judge\":\"oracle\""),
                              .out = at("record"),
                              .record = at("record.db"),
                              .threads = 1,
                              .over = {.seed = -1},
                              .progress = &progress};
    assert_int_equal(el_rl_train(&o, &err), EL_EINTR);
    el_stop_requested = 0;
    o.progress = NULL;
    for (int i = 0; i < 2; i++) {
        if (el_rl_train(&o, &err) < 0)
            fail_msg("%s", err.msg);
        check_record(o.record);
        cut_in_half(o.out, "state.safetensors");
    }
    /* the same run in another folder: its lines take their place, those it has not got stay */
    o.out = at("record-again");
    stop = 1;
    o.progress = &progress;
    assert_int_equal(el_rl_train(&o, &err), EL_EINTR);
    el_stop_requested = 0;
    check_record(o.record);
    assert_int_equal(unlink(at("record-again/metrics.jsonl")), 0);
    o.progress = NULL;
    if (el_rl_train(&o, &err) < 0)
        fail_msg("%s", err.msg);
    check_record(o.record);
}

/* What a finished run could not record is added when it is called again. */
static void recorded_after_the_last_checkpoint(void **state)
{
    (void)state;
    struct el_error err = {0};
    struct el_store *s = NULL;
    int lines = 0;
    struct el_rl_options o = {.recipe = recipe("late.json",
                                               "\"data\":{\"world\":12},\"roles\":{\"verifier\":1},"
                                               "\"judge\":\"oracle\",\"save_steps\":2"),
                              .out = at("late"),
                              .record = at("nowhere/late.db"),
                              .threads = 1,
                              .over = {.seed = -1}};
    assert_true(el_rl_train(&o, &err) < 0);
    assert_non_null(strstr(err.msg, "late.db"));
    assert_int_equal(access(at("late/model/training.json"), F_OK), -1);
    o.record = at("late.db");
    if (el_rl_train(&o, &err) < 0 || el_store_open(o.record, EL_STORE_READONLY, &s, &err) < 0)
        fail_msg("%s", err.msg);
    assert_int_equal(access(at("late/model/training.json"), F_OK), 0);
    assert_int_equal(el_store_metric_each(s, 1, count_line, &lines, &err), 0);
    assert_int_equal(lines, 2);
    struct el_run run;
    assert_int_equal(el_store_run_get(s, 1, &run, &err), 0);
    assert_true(run.done);
    el_run_release(&run);
    el_store_close(s);
}

static void sampler_and_trainer_agree(void **state)
{
    (void)state;
    double updates = 0;
    for (int i = 0; i < 2; i++) { /* of the run before */
        cJSON *line = metrics(at("whole"), i);
        if (!isnan(value(line, "grad_norm"))) {
            assert_true(value(line, "sampling/sampling_logp_difference/max") == 0);
            assert_true(value(line, "trained/rows") < value(line, "trained/tokens"));
            assert_true(fabs(value(line, "sampling/importance_sampling_ratio/mean") - 1) < 0.05);
            updates += value(line, "updates");
        }
        assert_true(value(line, "rewards/format/mean") <= 1);
        cJSON_Delete(line);
    }
    assert_true(updates > 0);
}

/* Truncated sampling: with its mask replayed there is no difference, without it there is. */
static void sampling_mask(void **state)
{
    (void)state;
    double difference[2], ratio[2];
    for (int keep = 0; keep < 2; keep++) {
        char changes[300];
        const char *out = at(keep ? "keep" : "drop");
        snprintf(changes, sizeof changes,
                 "\"top_p\":0.8,\"prompts_per_step\":10,\"max_completion_length\":240,"
                 "\"max_steps\":1,\"mini_batches\":1,\"keep_sampling_mask\":%s,"
                 "\"judge\":\"oracle\",\"data\":{\"world\":24},\"roles\":{\"verifier\":1,"
                 "\"generator\":1}",
                 keep ? "true" : "false");
        must_train(recipe(keep ? "keep.json" : "drop.json", changes), out);
        cJSON *line = metrics(out, 0);
        difference[keep] = value(line, "sampling/sampling_logp_difference/max");
        ratio[keep] = value(line, "sampling/importance_sampling_ratio/mean");
        assert_true(value(line, "top_p_kept_vocab_per_token") >= 1);
        /* policy and reference are the same model, under the same mask */
        assert_true(value(line, "kl") == 0);
        /* the oracle as judge pays the true reward */
        assert_true(fabs(value(line, "reward") - value(line, "rewards/true/mean")) < 1e-6);
        cJSON_Delete(line);
    }
    assert_true(difference[1] == 0 && ratio[1] == 1);
    assert_true(difference[0] > 0 && ratio[0] < 1);
}

/* One step on the same rollouts, all of it in the first update; its line of metrics. */
static cJSON *one_step(const char *name, const char *changes)
{
    char all[500], file[50];
    snprintf(all, sizeof all,
             "\"prompts_per_step\":16,\"max_completion_length\":200,\"max_steps\":1,"
             "\"mini_batches\":1,\"judge\":\"oracle\","
             "\"data\":{\"world\":24},\"roles\":{\"verifier\":1,\"generator\":1}%s%s",
             changes[0] ? "," : "", changes);
    snprintf(file, sizeof file, "%s.json", name);
    must_train(recipe(file, all), at(name));
    return metrics(at(name), 0);
}

/* A truncated completion stays in its group's baseline and out of the loss; a second pass over the
 * rollouts trains on weights that have moved, and on routes that have when they are not replayed;
 * without a reference there is no KL to speak of. */
static void fields_of_a_step(void **state)
{
    (void)state;
    cJSON *plain = one_step("plain", "");
    cJSON *masked = one_step("masked", "\"mask_truncated_completions\":true");
    cJSON *twice = one_step("twice", "\"num_iterations\":2,\"keep_routing\":false,\"beta\":0,"
                                     "\"learning_rate\":1e-3");
    const char *tokens = "trained/tokens", *min = "sampling/importance_sampling_ratio/min";
    cJSON *cut = one_step("cut", "\"mini_batches\":3");
    double cut_off = value(plain, "completions/clipped_ratio");
    assert_true(cut_off > 0 && cut_off < 1 && value(plain, "grad_norm") > 0);
    assert_true(value(masked, "completions/clipped_ratio") == cut_off);
    assert_true(value(masked, "reward") == value(plain, "reward"));
    assert_true(value(masked, "reward_std") == value(plain, "reward_std"));
    assert_true(value(masked, tokens) > 0 && value(masked, tokens) < value(plain, tokens));
    assert_true(value(plain, "trajectory_staleness") == 0 && value(plain, min) == 1);
    assert_true(value(plain, "updates") == 1 && value(twice, "updates") == 2);
    assert_true(value(twice, "trajectory_staleness") == 0.5 && value(twice, min) < 1);
    assert_true(value(twice, tokens) == 2 * value(plain, tokens));
    /* mini-batches leave nothing out */
    assert_true(value(cut, tokens) == value(plain, tokens) && value(cut, "updates") == 3);
    assert_true(value(twice, "sampling/routed_rows_differ/first") == 0);
    assert_true(value(twice, "sampling/routed_rows_differ") > 0);
    assert_true(value(twice, "sampling/routed_experts_differ") > 0);
    assert_true(isnan(value(plain, "sampling/routed_rows_differ")));
    assert_true(value(plain, "kl") == 0 && isnan(value(twice, "kl")));
    cJSON_Delete(plain);
    cJSON_Delete(masked);
    cJSON_Delete(twice);
    cJSON_Delete(cut);
}

/* The reference is the start, not the policy of the step: after an update there is a distance. */
static void distance_from_the_start(void **state)
{
    (void)state;
    must_train(recipe("far.json", "\"prompts_per_step\":16,\"max_completion_length\":200,"
                                  "\"mini_batches\":1,\"judge\":\"oracle\",\"learning_rate\":1e-3,"
                                  "\"data\":{\"world\":24},\"roles\":{\"verifier\":1,"
                                  "\"generator\":1}"),
               at("far"));
    for (int i = 0; i < 2; i++) {
        cJSON *line = metrics(at("far"), i);
        assert_true(value(line, "updates") == 1);
        assert_true(i ? value(line, "kl") > 1e-6 : value(line, "kl") == 0);
        assert_true(value(line, "sampling/sampling_logp_difference/max") == 0);
        cJSON_Delete(line);
    }
}

/* A learning rate that blows the weights up in the first of two updates: the second finds that out,
 * and nothing is saved. */
static void nan_stops_the_run(void **state)
{
    (void)state;
    struct el_error err = {0};
    const char *path = recipe(
        "wild.json", "\"learning_rate\":1e39,\"prompts_per_step\":8,\"max_completion_length\":240,"
                     "\"judge\":\"oracle\",\"data\":{\"world\":24},"
                     "\"roles\":{\"verifier\":1,\"generator\":1}");
    assert_int_equal(train(path, at("wild"), 1, -1, &err), EL_ENUMERIC);
    if (!strstr(err.msg, "step 1 (last good checkpoint: none yet)"))
        fail_msg("%s", err.msg);
    char file[300];
    snprintf(file, sizeof file, "%s/state.safetensors", at("wild"));
    assert_false(el_path_exists(file));
    snprintf(file, sizeof file, "%s/model", at("wild"));
    assert_false(el_path_exists(file));
}

/* Tensors of the indexer, and others, that differ from those of the start. */
static void count_changed(const char *dir, int changed[2])
{
    struct el_weights *w[2] = {NULL};
    struct el_error err = {0};
    if (el_weights_load(EL_SOURCE_DIR "/models/small", el_device_host(), &w[0], NULL, NULL, &err) <
            0 ||
        el_weights_load(dir, el_device_host(), &w[1], NULL, NULL, &err) < 0)
        fail_msg("%s", err.msg);
    changed[0] = changed[1] = 0;
    for (int i = 0; i < w[0]->layout.n; i++) {
        const struct el_tensor_info *t = &w[0]->layout.tensors[i];
        size_t bytes = (size_t)t->count * sizeof(float);
        changed[(t->flags & EL_TENSOR_INDEXER) != 0] +=
            memcmp(w[0]->data + t->offset, w[1]->data + t->offset, bytes) != 0;
    }
    el_weights_free(w[0]);
    el_weights_free(w[1]);
}

/* Selected sets are those of sampling until the weights move; live or replayed, the mismatch shows.
 * With indexer_kl_weight 0 the indexer stays as it was, otherwise it goes on learning. */
static void selected_sets(void **state)
{
    (void)state;
    static const char *const kinds[] = {"live", "replay", "unrecorded"};
    double objective[3];
    for (int i = 0; i < 3; i++) {
        char changes[500];
        int changed[2];
        snprintf(changes, sizeof changes,
                 "\"selected_sets\":\"%s\",\"indexer_kl_weight\":%d,\"learning_rate\":1e-3,"
                 "\"prompts_per_step\":8,\"max_completion_length\":240,\"max_steps\":1,"
                 "\"judge\":\"oracle\",\"data\":{\"world\":24},\"roles\":{\"verifier\":1,"
                 "\"generator\":1}",
                 kinds[i], i != 1);
        must_train(recipe("sets.json", changes), at(kinds[i]));
        cJSON *line = metrics(at(kinds[i]), 0);
        double first = value(line, "sampling/selected_rows_differ/first");
        double rows = value(line, "sampling/selected_rows_differ");
        double keys = value(line, "sampling/selected_keys_differ");
        assert_true(value(line, "sampling/sampling_logp_difference/max") == 0);
        assert_true(i == 2 ? isnan(first) && isnan(rows) && isnan(keys)
                           : first == 0 && rows > 0 && keys > 0 && keys <= rows && rows <= 1);
        objective[i] = value(line, "sampling/importance_sampling_ratio/mean");
        cJSON_Delete(line);
        char model[300];
        snprintf(model, sizeof model, "%s/model", at(kinds[i]));
        count_changed(model, changed);
        assert_true(changed[0] > 10 && (i == 1 ? changed[1] == 0 : changed[1] > 4));
    }
    assert_true(objective[0] == objective[2] && objective[0] != objective[1]);
}

struct own_data {
    int problems, proofs, remarks;
};

static int see_problem(void *user, const struct el_problem *row, struct el_error *err)
{
    struct own_data *seen = user;
    struct el_world_problem p;
    assert_string_equal(row->set, "world-valid");
    int rc = el_world_problem_parse(row->statement, strlen(row->statement), &p, err);
    for (int i = 0; rc == 0 && i < p.n_claims; i++)
        assert_int_equal(el_world_claim_split(&p.claim[i]), EL_WORLD_VALID);
    seen->problems++;
    return rc;
}

static int see_proof(void *user, const struct el_proof *row, struct el_error *err)
{
    struct own_data *seen = user;
    (void)err;
    seen->proofs++;
    seen->remarks += row->author.kind != EL_AUTHOR_MODEL && strstr(row->text, "\ntotal ") != NULL;
    return 0;
}

/* The run's own data are of the split and in the style that the recipe names. */
static void own_data_of_the_valid_split(void **state)
{
    (void)state;
    struct el_error err = {0};
    struct el_store *s = NULL;
    struct own_data seen = {0};
    const char *path = recipe("valid.json", "\"data\":{\"world\":12,\"attempts\":3,\"split\":"
                                            "\"valid\",\"checked\":1,\"false_start\":0.5},"
                                            "\"max_steps\":1");
    char data[300];
    snprintf(data, sizeof data, "%s/data.db", at("valid"));
    must_train(path, at("valid"));
    assert_int_equal(el_store_open(data, EL_STORE_READONLY, &s, &err), 0);
    assert_int_equal(el_store_problem_each(s, NULL, see_problem, &seen, &err), 0);
    assert_int_equal(el_store_proof_each(s, 0, see_proof, &seen, &err), 0);
    assert_true(seen.problems >= 4 && seen.proofs >= 12 && seen.remarks >= 6);
    el_store_close(s);
}

/* Without steps that teach anything the weights stay those of the start. */
static void nothing_to_learn(void **state)
{
    (void)state;
    /* a length that no reply fits: every reward is 0 */
    must_train(recipe("flat.json",
                      "\"max_completion_length\":2,\"max_steps\":2,\"data\":{\"world\":"
                      "24},\"roles\":{\"verifier\":1},\"judge\":\"" EL_SOURCE_DIR
                      "/models/small\""),
               at("flat"));
    assert_int_equal(models_read, 3); /* reference, policy, judge */
    cJSON *line = metrics(at("flat"), 1);
    assert_true(value(line, "drops/zero_variance") == 4 && value(line, "reward") == 0);
    assert_true(value(line, "completions/clipped_ratio") == 1);
    assert_true(isnan(value(line, "grad_norm")) && isnan(value(line, "kl")));
    cJSON_Delete(line);
    struct el_buf ours = read_file(at("flat"), "model/model.safetensors");
    struct el_buf start = read_file(EL_SOURCE_DIR "/models/small", "model.safetensors");
    assert_true(ours.len == start.len && memcmp(ours.data, start.data, ours.len) == 0);
    el_buf_release(&ours);
    el_buf_release(&start);
}

/* Scores of people, of proofs that the model knows nothing of. */
static void add_marks(const char *path)
{
    struct el_store *s = NULL;
    struct el_error err = {0};
    int64_t problem = 0, proof = 0;
    static char long_proof[4000];
    memset(long_proof, 'x', sizeof long_proof - 1);
    const char *const proofs[] = {"Clear.", "It is even.", long_proof};
    const struct el_problem p = {
        .set = "a", .external_id = "1", .statement = "Show that 4 is even."};
    assert_int_equal(el_store_open(path, EL_STORE_CREATE, &s, &err), 0);
    assert_true(el_store_problem_add(s, &p, &problem, NULL, &err) >= 0);
    for (int i = 0; i < 3; i++) {
        const struct el_proof y = {
            .problem = problem, .text = proofs[i], .author = {0, "somebody", ""}};
        assert_true(el_store_proof_add(s, &y, &proof, &err) >= 0);
        const struct el_score c = {.proof = proof,
                                   .rater_kind = EL_RATER_HUMAN,
                                   .rater = "me",
                                   .raw = i % 2,
                                   .scale_max = 1,
                                   .halves = 2 * (i % 2),
                                   .blind = EL_BLIND_UNKNOWN,
                                   .origin = ""};
        assert_true(el_store_score_add(s, &c, NULL, &err) >= 0);
    }
    el_store_close(s);
}

/* The user hears what is not used, and that the scores mean nothing. */
static void human_scores(void **state)
{
    (void)state;
    char changes[500];
    add_marks(at("marks.db"));
    snprintf(changes, sizeof changes,
             "\"data\":{\"store\":\"%s\"},\"max_steps\":1,\"roles\":{\"verifier\":1,"
             "\"meta_verifier\":0.5}",
             at("marks.db"));
    struct el_buf said = said_by(recipe("marks.json", changes), at("marks"), 0);
    heard(&said, "D_v: 2 items (score 0: 1, 0.5: 0, 1: 1; by human 2); left out: 1 as too long for "
                 "the model");
    heard(&said, "roles left out: meta_verifier (");
    heard(&said, "models/small knows the small proof world alone, and 2 of 2 examples are not of "
                 "it: the scores that it gives them mean nothing");
    cJSON *line = metrics(at("marks"), 0);
    assert_true(value(line, "drops/prompt") == 0);
    cJSON_Delete(line);
    el_buf_release(&said);
    snprintf(changes, sizeof changes,
             "\"data\":{\"store\":\"%s\"},\"max_completion_length\":1020,\"roles\":{"
             "\"verifier\":1}",
             at("marks.db"));
    said = said_by(recipe("marks2.json", changes), at("marks2"), EL_ENOTFOUND);
    heard(&said, "D_v: none of 3 fits the model: it takes 1024 tokens, max_completion_length "
                 "keeps 1020 of them for the reply, and the shortest prompt has ");
    el_buf_release(&said);
    /* data of the run's own are of the model's world: nothing is said */
    said = said_by(recipe("own.json", "\"data\":{\"world\":12},\"max_steps\":1,\"judge\":"
                                      "\"oracle\",\"roles\":{\"verifier\":1}"),
                   at("own"), 0);
    assert_null(strstr(said.data, "mean nothing"));
    assert_null(strstr(said.data, "left out"));
    el_buf_release(&said);
}

/* Another training may run in the folder, or be about to make its data. */
static void export_writes_the_model_alone(void **state)
{
    (void)state;
    struct el_error err = {0};
    struct el_rl_options o = {.recipe = recipe("alone.json", "\"data\":{\"world\":12},\"roles\":{"
                                                             "\"verifier\":1},\"judge\":\"oracle\","
                                                             "\"max_steps\":1"),
                              .out = at("alone"),
                              .threads = 1,
                              .over = {.seed = -1}};
    if (el_rl_train(&o, &err) < 0)
        fail_msg("%s", err.msg);
    o.export_only = 1;
    assert_int_equal(unlink(at("alone/lock")), 0);
    assert_int_equal(unlink(at("alone/model/training.json")), 0);
    assert_int_equal(el_rl_train(&o, &err), 0);
    assert_int_equal(access(at("alone/model/training.json"), F_OK), 0);
    assert_int_equal(unlink(at("alone/data.db")), 0);
    assert_int_equal(el_rl_train(&o, &err), EL_ENOTFOUND);
    assert_non_null(strstr(err.msg, "alone/data.db: is not there"));
    assert_int_equal(access(at("alone/data.db"), F_OK), -1);
    assert_int_equal(access(at("alone/lock"), F_OK), -1);
    o.out = at("never");
    assert_int_equal(el_rl_train(&o, &err), EL_ENOTFOUND);
    assert_non_null(strstr(err.msg, "never/state.safetensors: there is no checkpoint to export"));
    assert_int_equal(access(o.out, F_OK), -1);
}

static void refusals(void **state)
{
    (void)state;
    struct el_error err = {0};
    const struct el_rl_options o = {.recipe = recipe("export.json", ""),
                                    .out = at("export"),
                                    .threads = 1,
                                    .export_only = 1,
                                    .over = {.seed = -1}};
    assert_int_equal(el_rl_train(&o, &err), EL_ENOTFOUND);
    assert_int_equal(train(recipe("nowhere.json", "\"data\":{\"store\":\"/nowhere/x.db\"}"),
                           at("nowhere"), 1, -1, &err),
                     EL_ENOTFOUND);
    assert_non_null(strstr(err.msg, "/nowhere/x.db"));
    assert_int_equal(
        train(recipe("model.json", "\"model\":\"/nowhere\""), at("nowhere"), 1, -1, &err), EL_EIO);
    assert_non_null(strstr(err.msg, "/nowhere"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stopped_and_resumed),
        cmocka_unit_test(sampler_and_trainer_agree),
        cmocka_unit_test(recorded),
        cmocka_unit_test(recorded_after_the_last_checkpoint),
        cmocka_unit_test(sampling_mask),
        cmocka_unit_test(fields_of_a_step),
        cmocka_unit_test(distance_from_the_start),
        cmocka_unit_test(nan_stops_the_run),
        cmocka_unit_test(selected_sets),
        cmocka_unit_test(own_data_of_the_valid_split),
        cmocka_unit_test(nothing_to_learn),
        cmocka_unit_test(human_scores),
        cmocka_unit_test(export_writes_the_model_alone),
        cmocka_unit_test(refusals),
    };
    return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
