/* Whole runs of the tiny recipe: stopped and resumed, out of disk, out of memory, with damaged
 * checkpoints; micro-batches; gradients written out. */
#include "tests/training/runs.h"

#include "core/base/alloc.h"
#include "core/base/io.h"
#include "core/base/json.h"
#include "core/tensor/safetensors.h"
#include "data/world_tokenizer.h"
#include "training/run.h"

#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <cmocka.h>

static const char *recipe, *whole; /* the recipe and the folder of its uninterrupted run */

static int setup(void **state)
{
    static char kept[2][300];
    int rc = enter_folder(state);
    snprintf(kept[0], sizeof kept[0], "%s", write_recipe("r.json", NULL));
    snprintf(kept[1], sizeof kept[1], "%s", at("whole"));
    recipe = kept[0];
    whole = kept[1];
    struct watch w = {.stop_at = -1, .choke_at = -1};
    must(train_until(recipe, whole, &w, &err));
    assert_int_equal(w.last_step, 11);
    return rc;
}

static void every_step_is_logged_once(void **state)
{
    (void)state;
    struct el_buf text = read_text(in(whole, "metrics.jsonl"));
    int step = 0, attempts = 0;
    for (char *save, *line = strtok_r(text.data, "\n", &save); line;
         line = strtok_r(NULL, "\n", &save)) {
        cJSON *o = cJSON_Parse(line);
        if (cJSON_HasObjectItem(o, "attempts")) {
            assert_int_equal(step, 5);
            assert_int_equal(cJSON_GetObjectItem(o, "attempts")->valueint, 6);
            attempts++;
        } else {
            assert_int_equal(cJSON_GetObjectItem(o, "step")->valueint, ++step);
            assert_true(cJSON_GetObjectItem(o, "grad_norm")->valuedouble > 0);
        }
        cJSON_Delete(o);
    }
    assert_int_equal(step, 11);
    assert_int_equal(attempts, 1);
    el_buf_release(&text);
}

/* Each call stops after one step; a call that begins with the attempts is stopped there. */
static void stopped_after_every_step(void **state)
{
    (void)state;
    const char *out = at("steps");
    int calls = 0, rc;
    do {
        struct watch w = {.stop_at = 0, .choke_at = -1};
        struct el_error err = {0};
        char kept[300];
        snprintf(kept, sizeof kept, "%s", out);
        out = at("steps");
        rc = train_until(recipe, kept, &w, &err);
        if (rc < 0 && rc != EL_EINTR)
            fail_msg("%s", err.msg);
        if (rc == EL_EINTR)
            assert_non_null(strstr(err.msg, "interrupted"));
        calls++;
    } while (rc < 0 && calls < 50);
    assert_int_equal(calls, 12);
    same_run(whole, at("steps"));
}

static void stopped_within_the_attempts(void **state)
{
    (void)state;
    struct el_error err = {0};
    assert_int_equal(train(recipe, at("tries"), 5, &err), EL_EINTR);
    struct el_buf before = read_text(at("tries/state.safetensors"));
    el_stop_requested = 1;
    assert_int_equal(train(recipe, at("tries"), -1, &err), EL_EINTR);
    assert_false(el_path_exists(at("tries/attempts.try.jsonl")));
    /* killed between the attempts' line in the metrics and the checkpoint behind it */
    struct el_buf log = read_text(at("tries/metrics.jsonl"));
    el_buf_puts(&log, "{\"step\":5,\"stage\":\"try\",\"attempts\":6}\n{\"step\":6,\"st");
    write_text(at("tries/metrics.jsonl"), log.data);
    assert_int_equal(train(recipe, at("tries"), -1, &err), 0);
    same_run(whole, at("tries"));
    el_buf_release(&before);
    el_buf_release(&log);
}

/* A run that is finished only writes its model again. */
static void a_finished_run_stays(void **state)
{
    (void)state;
    struct el_error err = {0};
    struct watch w = {.stop_at = -1, .choke_at = -1};
    assert_int_equal(train(recipe, at("twice"), 8, &err), EL_EINTR);
    assert_int_equal(train(recipe, at("twice"), -1, &err), 0);
    assert_int_equal(remove(at("twice/model/model.safetensors")), 0);
    char out[300];
    snprintf(out, sizeof out, "%s", at("twice"));
    assert_int_equal(train_until(recipe, out, &w, &err), 0);
    assert_int_equal(w.last_step, 0);
    same_run(whole, at("twice"));
}

/* A second training of the folder begins while the first is under way. */
static void intrude(struct el_progress *p, int64_t done, int64_t total, const char *note)
{
    struct el_error err = {0};
    (void)total;
    (void)note;
    if (done == 3) {
        assert_int_equal(train(recipe, at("busy"), -1, &err), EL_EBUSY);
        assert_non_null(strstr(err.msg, at("busy")));
        assert_int_equal(symlink("busy", at("link")), 0); /* another name of the folder */
        assert_int_equal(train(recipe, at("link"), -1, &err), EL_EBUSY);
        *(int *)p->user += 1;
    }
}

static void a_folder_has_one_training(void **state)
{
    (void)state;
    int intrusions = 0;
    struct el_progress progress = {intrude, &intrusions};
    const struct el_train_options o = {
        .recipe = recipe, .out = at("busy"), .threads = 1, .progress = &progress};
    must(el_train(&o, &err));
    assert_int_equal(intrusions, 1);
    same_run(whole, at("busy"));
}

static void a_full_disk_keeps_the_checkpoint(void **state)
{
    (void)state;
    struct watch w = {.stop_at = -1, .choke_at = 3};
    struct el_error err = {0};
    struct rlimit old;
    getrlimit(RLIMIT_FSIZE, &old);
    void (*before)(int) = signal(SIGXFSZ, SIG_IGN);
    int rc = train_until(recipe, at("full"), &w, &err);
    setrlimit(RLIMIT_FSIZE, &old);
    signal(SIGXFSZ, before);
    assert_int_equal(rc, EL_EIO);
    assert_int_equal(w.last_step, 4);
    assert_non_null(strstr(err.msg, "state.safetensors"));
    struct watch again = {.stop_at = 3, .choke_at = -1};
    assert_int_equal(train_until(recipe, at("full"), &again, &err), EL_EINTR);
    assert_int_equal(again.last_step, 3); /* it went on from step 2 */
    assert_int_equal(train(recipe, at("full"), -1, &err), 0);
    same_run(whole, at("full"));
}

static void refused(const char *what, int code, const char *says)
{
    struct el_error err = {0};
    struct el_buf before = read_text(at("damaged/state.safetensors"));
    int rc = train(recipe, at("damaged"), -1, &err);
    struct el_buf after = read_text(at("damaged/state.safetensors"));
    if (rc != code || !strstr(err.msg, says) || !strstr(err.msg, "damaged/state.safetensors"))
        fail_msg("%s: %d, '%s'", what, rc, err.msg);
    assert_int_equal(before.len, after.len);
    assert_memory_equal(before.data, after.data, after.len);
    el_buf_release(&before);
    el_buf_release(&after);
}

static void put_state(const struct el_buf *b, size_t n)
{
    must(el_file_write(at("damaged/state.safetensors"), b->data, n, &err));
}

/* Replaces text in the header by text of the same length. */
static void edit(struct el_buf *b, const char *from, const char *to)
{
    char *place = memmem(b->data, b->len, from, strlen(from));
    assert_non_null(place);
    assert_int_equal(strlen(from), strlen(to));
    memcpy(place, to, strlen(to));
}

static void damaged_checkpoints_are_refused(void **state)
{
    (void)state;
    struct el_error err = {0};
    assert_int_equal(train(recipe, at("damaged"), 4, &err), EL_EINTR);
    assert_int_equal(remove(at("damaged/state.2.safetensors")), 0); /* nothing to fall back to */
    struct el_buf good = read_text(at("damaged/state.safetensors"));
    const size_t cuts[] = {0, 4, 8, 50, good.len / 2, good.len - 1};
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
        put_state(&good, cuts[i]);
        refused("cut off", EL_EFORMAT, "");
    }
    static const char *const edits[][3] = {
        {"\"position\":\"0 4 4 ", "\"position\":\"9 4 4 ", "stage 9 of 4"},
        {"\"position\":\"0 4 4 ", "\"position\":\"0 -4 4", "position"},
        {"\"position\":\"0 4 4 ", "\"position\":\"0 x 4 ", "position"},
        {"\"position\":\"0 4 4 ", "\"position\":\"00 4 4", "position"},
        {"\"position\"", "\"positiom\"", "position"},
        {"adam.v", "adam.w", "adam.v"},
        {"\"F32\"", "\"I32\"", "weights"},
    };
    for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
        struct el_buf b;
        el_buf_init(&b);
        el_buf_add(&b, good.data, good.len);
        edit(&b, edits[i][0], edits[i][1]);
        put_state(&b, b.len);
        refused(edits[i][1], EL_EFORMAT, edits[i][2]);
        el_buf_release(&b);
    }
    put_state(&good, good.len);
    el_buf_release(&good);
    assert_int_equal(train(recipe, at("damaged"), -1, &err), 0);
    same_run(whole, at("damaged"));
}

static void a_foreign_recipe_is_refused(void **state)
{
    (void)state;
    struct el_error err = {0};
    const char *other = write_recipe("other.json", "seed", "4", NULL);
    struct el_buf before = read_text(in(whole, "state.safetensors"));
    assert_int_equal(train(other, whole, -1, &err), EL_EREFUSED);
    assert_non_null(strstr(err.msg, in(whole, "state.safetensors")));
    assert_non_null(strstr(err.msg, "another recipe"));
    struct el_buf after = read_text(in(whole, "state.safetensors"));
    assert_memory_equal(before.data, after.data, before.len);
    el_buf_release(&before);
    el_buf_release(&after);
}

/* As a checkpoint of before there were digests. */
static void forget_digest(struct el_buf *b)
{
    if (memmem(b->data, b->len, "\"digest\"", 8))
        edit(b, "\"digest\"", "\"digits\"");
}

/* Writes a value over the first float of a tensor in the checkpoint of folder "nan". */
static void poison(const char *tensor, float value)
{
    struct el_recipe r;
    struct el_layout l;
    struct el_buf b = read_text(at("nan/state.safetensors"));
    uint64_t header;
    memcpy(&header, b.data, sizeof header);
    must(el_recipe_load(recipe, NULL, &r, &err));
    must(el_layout_init(&l, &r.model, &err));
    int i = el_layout_find(&l, tensor);
    assert_true(i >= 0);
    char *place = b.data + 8 + header + (size_t)l.tensors[i].offset * sizeof value;
    memcpy(place, &value, sizeof value);
    forget_digest(&b);
    must(el_file_write(at("nan/state.safetensors"), b.data, b.len, &err));
    el_layout_release(&l);
    el_recipe_release(&r);
    el_buf_release(&b);
}

static void says(const struct el_error *err, const char *const *what)
{
    for (; *what; what++)
        if (!strstr(err->msg, *what))
            fail_msg("'%s' does not say %s", err->msg, *what);
}

static void nan_stops_the_run(void **state)
{
    (void)state;
    static const char *const tensors[] = {"model.layers.1.self_attn.o_proj.weight",
                                          "model.layers.1.mlp.experts.2.up_proj.weight",
                                          "model.embed_tokens.weight", "lm_head.weight"};
    struct el_error err = {0};
    assert_int_equal(train(recipe, at("nan"), 3, &err), EL_EINTR);
    struct el_buf good = read_text(at("nan/state.safetensors"));
    for (int i = 0; i < 8; i++) {
        must(el_file_write(at("nan/state.safetensors"), good.data, good.len, &err));
        poison(tensors[i / 2], i % 2 ? INFINITY : NAN);
        struct el_buf before = read_text(at("nan/state.safetensors"));
        assert_int_equal(train(recipe, at("nan"), -1, &err), EL_ENUMERIC);
        says(&err, (const char *const[]){"stage sft", "step 4", tensors[i / 2],
                                         at("nan/state.safetensors"), NULL});
        struct el_buf after = read_text(at("nan/state.safetensors"));
        assert_memory_equal(before.data, after.data, before.len);
        el_buf_release(&before);
        el_buf_release(&after);
    }
    el_buf_release(&good);
}

/* A learning rate that blows the weights up in a step that is saved: the checkpoint before it
 * stays. */
static void an_explosion_is_not_saved(void **state)
{
    (void)state;
    struct el_error err = {0};
    const char *wild = write_recipe("wild.json", "stages.0.lr", "1e39", "stages.0.warmup", "0",
                                    "checkpoint_every", "1", NULL);
    assert_int_equal(train(wild, at("wild"), -1, &err), EL_ENUMERIC);
    assert_non_null(strstr(err.msg, "state.safetensors"));
    assert_false(el_path_exists(at("wild/state.safetensors")));
}

static void dump(const char *path, const char *file)
{
    const struct el_train_options o = {
        .recipe = path, .out = at("dump"), .threads = 1, .dump_gradients = file};
    must(el_train(&o, &err));
}

struct first_step {
    struct el_recipe r;
    struct el_tokenizer *tokenizer;
    struct el_chat_format chat;
    struct el_attempts none;
    struct el_source source;
};

static void open_first(struct first_step *f, const char *path)
{
    memset(f, 0, sizeof *f);
    must(el_recipe_load(path, NULL, &f->r, &err));
    must(el_tokenizer_load(in(whole, "tokenizer.json"), &f->tokenizer, &err));
    must(el_chat_format_init(&f->chat, f->tokenizer, &err));
    el_attempts_init(&f->none);
    f->source = (struct el_source){
        .recipe = &f->r, .tokenizer = f->tokenizer, .chat = &f->chat, .attempts = &f->none};
    el_source_enter(&f->source, f->r.stage);
}

static void close_first(struct first_step *f)
{
    el_tokenizer_free(f->tokenizer);
    el_recipe_release(&f->r);
}

/* The first step done by hand. Returns its loss; gradients stay in t. */
static double step_by_hand(struct first_step *f, struct el_trainer *t)
{
    struct el_encoded e;
    struct el_step_stats stats = {0};
    struct el_micro_batch b = {.stage = EL_STAGE_DENSE, .kl_weight = 1};
    el_encoded_init(&e);
    for (;;) {
        must(el_source_next(&f->source, &e, &err));
        if (el_pack_add(&t->pack, e.tokens.ids, e.weight, (int)e.tokens.len,
                        t->w->config.vocab_size, NULL) < 0)
            break;
        for (size_t i = 1; i < e.tokens.len; i++)
            b.lm_denominator += e.weight[i];
    }
    b.kl_denominator = t->pack.rows;
    must(el_trainer_accumulate(t, &b, &stats, &err));
    assert_int_equal(stats.tokens, t->pack.rows);
    assert_true(stats.targets == b.lm_denominator && stats.targets > 0);
    el_encoded_release(&e);
    return stats.lm_loss;
}

static void dumped_gradients_are_the_trainers(void **state)
{
    (void)state;
    struct first_step f;
    struct el_stream s;
    struct el_trainer t;
    struct el_weights *w = NULL;
    struct el_safetensors st;
    open_first(&f, recipe);
    must(el_weights_create(&f.r.model, el_device_host(), f.r.seed, &w, &err));
    el_stream_init(&s, w->device, el_ops_cpu(), 1);
    const struct el_trainer_options o = {256, 256, 512, f.r.adamw};
    must(el_trainer_init(&t, w, &s, &o, &err));
    float loss = (float)step_by_hand(&f, &t);
    dump(recipe, at("g.safetensors"));
    must(el_safetensors_open(&st, at("g.safetensors"), &err));
    assert_int_equal(st.n, w->layout.n + 2);
    assert_memory_equal(el_safetensors_find(&st, "loss.lm")->data, &loss, sizeof loss);
    for (int i = 0; i < w->layout.n; i++) {
        const struct el_tensor_info *info = &w->layout.tensors[i];
        const struct el_st_tensor *found = NULL;
        must(el_safetensors_need(&st, info->name, EL_F32, info->dims, info->shape, &found, &err));
        if (memcmp(found->data, t.opt.grad + info->offset, found->bytes) != 0)
            fail_msg("%s differs", info->name);
    }
    el_safetensors_release(&st);
    el_trainer_release(&t);
    el_stream_release(&s);
    el_weights_free(w);
    close_first(&f);
}

/* A recipe that goes on from a model: two sparse steps of rate 0 leave its weights as they are. */
static const char *write_second(const char *name, const char *start, const char *lr)
{
    char quoted[310];
    snprintf(quoted, sizeof quoted, "\"%s\"", start);
    cJSON *stages = cJSON_Parse("[{\"name\":\"on\",\"train\":\"sparse\",\"steps\":2,\"lr\":0}]");
    set_at(stages, "0.lr", lr);
    char *text = cJSON_PrintUnformatted(stages);
    const char *path = write_recipe(name, "model", NULL, "start", quoted, "stages", text,
                                    "checkpoint_every", "1", NULL);
    cJSON_free(text);
    cJSON_Delete(stages);
    return path;
}

static char *start_digest(const char *training_json)
{
    cJSON *o = NULL;
    must(el_json_load(training_json, &o, &err));
    const cJSON *digest = cJSON_GetObjectItem(o, "start_weights_digest");
    char *copy = digest ? el_strdup(digest->valuestring) : NULL;
    cJSON_Delete(o);
    return copy;
}

static void on_loading(struct el_progress *p, int64_t done, int64_t total, const char *note)
{
    (void)note;
    *(int *)p->user += done == total;
}

static void a_run_starts_from_a_model(void **state)
{
    (void)state;
    int models_read = 0;
    struct el_progress loading = {on_loading, &models_read};
    char start[300];
    snprintf(start, sizeof start, "%s", in(whole, "model"));
    const char *still = write_second("still.json", start, "0");
    const struct el_train_options o = {
        .recipe = still, .out = at("still"), .threads = 1, .loading = &loading};
    must(el_train(&o, &err));
    assert_int_equal(models_read, 1);
    assert_true(
        same_file(in(whole, "model/model.safetensors"), at("still/model/model.safetensors")));
    assert_true(same_file(in(whole, "model/config.json"), at("still/model/config.json")));
    char *found = start_digest(at("still/model/training.json"));
    struct el_buf before = read_text(in(whole, "model/training.json"));
    assert_non_null(found);
    assert_non_null(strstr(before.data, found)); /* as its weights_digest */
    assert_null(start_digest(in(whole, "model/training.json")));
    el_free(found);
    el_buf_release(&before);
    /* stopped between its steps and gone on with: the same bytes, and not those of the start */
    const char *second = write_second("second.json", start, "1e-2");
    must(train(second, at("through"), -1, &err));
    struct el_error why = {0};
    assert_int_equal(train(second, at("halted"), 1, &why), EL_EINTR);
    must(train(second, at("halted"), -1, &err));
    assert_true(
        same_file(at("through/model/model.safetensors"), at("halted/model/model.safetensors")));
    assert_false(
        same_file(at("still/model/model.safetensors"), at("halted/model/model.safetensors")));
}

/* A model's folder with the small world's tokenizer, or with `tokenizer`. */
static void write_start(const struct el_weights *w, const char *dir, const char *tokenizer)
{
    char path[400];
    struct el_buf text;
    el_buf_init(&text);
    must(el_weights_save(w, dir, &err));
    assert_int_equal(el_world_tokenizer_json(&text), 0);
    snprintf(path, sizeof path, "%s/tokenizer.json", dir);
    write_text(path, tokenizer ? tokenizer : text.data);
    el_buf_release(&text);
}

/* Going on from what another start began would lie about where the weights come from. */
static void another_start_is_refused(void **state)
{
    (void)state;
    struct el_error why = {0};
    struct el_recipe r;
    must(el_recipe_load(recipe, NULL, &r, &err));
    for (uint64_t seed = 1; seed <= 2; seed++) {
        struct el_weights *w = NULL;
        must(el_weights_create(&r.model, el_device_host(), seed, &w, &err));
        write_start(w, at("begin"), NULL);
        el_weights_free(w);
        const char *second = write_second("begun.json", at("begin"), "1e-2");
        int rc = train(second, at("begun"), 1, &why);
        assert_int_equal(rc, seed == 1 ? EL_EINTR : EL_EREFUSED);
    }
    says(&why, (const char *const[]){"begun/state.safetensors", "starts from", NULL});
    el_recipe_release(&r);
}

/* MTP layers of a start are neither trained nor announced by what is written. */
static void a_start_loses_its_mtp_layers(void **state)
{
    (void)state;
    struct el_recipe r;
    struct el_weights *w = NULL;
    must(el_recipe_load(recipe, NULL, &r, &err));
    r.model.num_nextn_predict_layers = 2;
    must(el_weights_create(&r.model, el_device_host(), 1, &w, &err));
    write_start(w, at("ahead"), NULL);
    must(train(write_second("ahead.json", at("ahead"), "0"), at("behind"), -1, &err));
    struct el_buf before = read_text(at("ahead/config.json")),
                  after = read_text(at("behind/model/config.json"));
    assert_non_null(strstr(before.data, "\"num_nextn_predict_layers\": 2"));
    assert_non_null(strstr(after.data, "\"num_nextn_predict_layers\": 0"));
    el_buf_release(&before);
    el_buf_release(&after);
    el_weights_free(w);
    el_recipe_release(&r);
}

static void a_start_must_be_a_model_of_the_small_world(void **state)
{
    (void)state;
    struct el_error why = {0};
    const char *nowhere = write_second("nowhere.json", at("no-model"), "0");
    assert_int_equal(train(nowhere, at("refused"), -1, &why), EL_EIO);
    says(&why, (const char *const[]){"nowhere.json: start", at("no-model"), NULL});
    struct el_recipe r;
    struct el_weights *w = NULL;
    must(el_recipe_load(recipe, NULL, &r, &err));
    r.model.vocab_size = 50;
    must(el_weights_create(&r.model, el_device_host(), 1, &w, &err));
    must(el_weights_save(w, at("foreign"), &err));
    const char *foreign = write_second("foreign.json", at("foreign"), "0");
    assert_int_equal(train(foreign, at("refused"), -1, &why), EL_EREFUSED);
    says(&why, (const char *const[]){"foreign.json: start", "vocabulary of 50", NULL});
    el_weights_free(w);
    /* the right number of tokens is not enough: they must be the same */
    r.model.vocab_size = el_world_tokenizer_size();
    must(el_weights_create(&r.model, el_device_host(), 1, &w, &err));
    must(el_weights_save(w, at("mute"), &err));
    const char *mute = write_second("mute.json", at("mute"), "0");
    assert_int_equal(train(mute, at("refused"), -1, &why), EL_EIO);
    says(&why, (const char *const[]){"mute.json: start", "mute/tokenizer.json", NULL});
    write_start(w, at("other"), "{}");
    const char *other = write_second("other.json", at("other"), "0");
    assert_int_equal(train(other, at("refused"), -1, &why), EL_EREFUSED);
    says(&why, (const char *const[]){"other/tokenizer.json differs from", NULL});
    assert_false(el_path_exists(at("refused/state.safetensors")));
    el_weights_free(w);
    el_recipe_release(&r);
}

/* Tokens of the first n examples. */
static int tokens_of(const char *path, int n)
{
    struct first_step f;
    struct el_encoded e;
    int sum = 0;
    open_first(&f, path);
    el_encoded_init(&e);
    for (int i = 0; i < n; i++) {
        must(el_source_next(&f.source, &e, &err));
        sum += (int)e.tokens.len;
    }
    el_encoded_release(&e);
    close_first(&f);
    return sum;
}

/* One batch of the first 16 examples, or two of 8, with no room for the 17th in either case. */
static void micro_batches_add_up(void **state)
{
    (void)state;
    const char *path = recipe;
    int half = tokens_of(path, 8), all = tokens_of(path, 16);
    int big = half > all - half ? half : all - half;
    assert_true(tokens_of(path, 17) - all > 2 * big - all);
    char one[20], two[20], need[20];
    snprintf(one, sizeof one, "%d", all);
    snprintf(two, sizeof two, "%d", big);
    snprintf(need, sizeof need, "%d", big < 256 ? big : 256);
    path = write_recipe("one.json", "batch.tokens", one, "batch.max_sequence", need, NULL);
    dump(path, at("one.safetensors"));
    path = write_recipe("two.json", "batch.tokens", two, "batch.max_sequence", need,
                        "batch.micro_batches", "2", NULL);
    dump(path, at("two.safetensors"));
    struct el_safetensors a, b;
    must(el_safetensors_open(&a, at("one.safetensors"), &err));
    must(el_safetensors_open(&b, at("two.safetensors"), &err));
    assert_int_equal(a.n, b.n);
    double worst = 0;
    for (int i = 0; i < a.n; i++) {
        const float *x = a.tensors[i].data, *y = b.tensors[i].data;
        double size = 0, far = 0;
        for (size_t k = 0; k < a.tensors[i].bytes / sizeof *x; k++) {
            size = fmax(size, fabs((double)x[k]));
            far = fmax(far, fabs((double)x[k] - y[k]));
        }
        worst = size > 0 ? fmax(worst, far / size) : worst;
    }
    print_message("two batches of %d against one of %d: %.2g\n", big, all, worst);
    assert_true(worst < 1e-5);
    el_safetensors_release(&a);
    el_safetensors_release(&b);
}

static void export_needs_a_checkpoint(void **state)
{
    (void)state;
    struct el_error err = {0};
    struct el_train_options o = {
        .recipe = recipe, .out = at("nothing"), .threads = 1, .export_only = 1};
    assert_int_equal(el_train(&o, &err), EL_ENOTFOUND);
    assert_non_null(strstr(err.msg, "nothing/state.safetensors"));
    assert_int_equal(train(recipe, at("part"), 4, &err), EL_EINTR);
    struct el_buf before = read_text(at("part/metrics.jsonl"));
    o.out = at("part");
    assert_int_equal(el_train(&o, &err), 0);
    assert_true(el_path_exists(at("part/model/model.safetensors")));
    struct el_buf after = read_text(at("part/metrics.jsonl"));
    assert_string_equal(before.data, after.data);
    el_buf_release(&before);
    el_buf_release(&after);
    assert_int_equal(train(recipe, at("part"), -1, &err), 0);
    same_run(whole, at("part"));
}

/* All that an export needs is the checkpoint: what else the run has made may be another training's
 * that is under way, or lost. */
static void export_writes_the_model_alone(void **state)
{
    (void)state;
    struct el_error err = {0};
    static const char *const lost[] = {"alone/tokenizer.json", "alone/attempts.try.jsonl"};
    const struct el_train_options o = {
        .recipe = recipe, .out = at("alone"), .threads = 1, .export_only = 1};
    assert_int_equal(train(recipe, at("alone"), 8, &err), EL_EINTR);
    for (int i = 0; i < 2; i++)
        assert_int_equal(remove(at(lost[i])), 0);
    assert_int_equal(remove(at("alone/lock")), 0);
    must(el_train(&o, &err));
    assert_true(el_path_exists(at("alone/model/tokenizer.json")));
    for (int i = 0; i < 2; i++)
        assert_false(el_path_exists(at(lost[i])));
    assert_false(el_path_exists(at("alone/lock")));
    const struct el_train_options nothing = {
        .recipe = recipe, .out = at("never"), .threads = 1, .export_only = 1};
    assert_int_equal(el_train(&nothing, &err), EL_ENOTFOUND);
    assert_false(el_path_exists(at("never")));
}

static void a_sequence_must_fit_the_model(void **state)
{
    (void)state;
    struct el_error err = {0};
    const char *path = write_recipe("long.json", "model.max_position_embeddings", "128", NULL);
    assert_int_equal(train(path, at("long"), -1, &err), EL_EINVAL);
    says(&err, (const char *const[]){path, "max_sequence 256", "128", NULL});
    path = write_recipe("short.json", "batch.max_sequence", "3", NULL);
    assert_int_equal(train(path, at("short"), -1, &err), EL_ELIMIT);
    says(&err, (const char *const[]){"max_sequence", "3 tokens", NULL});
}

static void memory_may_end_anywhere(void **state)
{
    (void)state;
    char file[300], out[300];
    snprintf(file, sizeof file, "%s", at("m.safetensors"));
    snprintf(out, sizeof out, "%s", at("memory"));
    int rc = -1;
    for (long n = 1; rc < 0; n += 1 + n / 4) {
        struct el_error err = {0};
        const struct el_train_options o = {
            .recipe = recipe, .out = out, .threads = 1, .dump_gradients = file};
        assert_true(n < 10000000);
        el_alloc_fail_after(n);
        rc = el_train(&o, &err);
        el_alloc_fail_after(0);
        if (rc < 0 && (rc != EL_ENOMEM || !err.msg[0]))
            fail_msg("allocation %ld: %d, '%s'", n, rc, err.msg);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_step_is_logged_once),
        cmocka_unit_test(stopped_after_every_step),
        cmocka_unit_test(stopped_within_the_attempts),
        cmocka_unit_test(a_finished_run_stays),
        cmocka_unit_test(a_folder_has_one_training),
        cmocka_unit_test(a_full_disk_keeps_the_checkpoint),
        cmocka_unit_test(damaged_checkpoints_are_refused),
        cmocka_unit_test(a_foreign_recipe_is_refused),
        cmocka_unit_test(nan_stops_the_run),
        cmocka_unit_test(an_explosion_is_not_saved),
        cmocka_unit_test(dumped_gradients_are_the_trainers),
        cmocka_unit_test(a_run_starts_from_a_model),
        cmocka_unit_test(another_start_is_refused),
        cmocka_unit_test(a_start_loses_its_mtp_layers),
        cmocka_unit_test(a_start_must_be_a_model_of_the_small_world),
        cmocka_unit_test(micro_batches_add_up),
        cmocka_unit_test(export_needs_a_checkpoint),
        cmocka_unit_test(export_writes_the_model_alone),
        cmocka_unit_test(a_sequence_must_fit_the_model),
        cmocka_unit_test(memory_may_end_anywhere),
    };
    return cmocka_run_group_tests(tests, setup, leave_folder);
}
