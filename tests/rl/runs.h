/* Runs of a second with the small model, in a folder that goes when the tests end. */
#ifndef EL_TESTS_RL_RUNS_H
#define EL_TESTS_RL_RUNS_H

#include "training/rl/run.h"

#include "core/base/io.h"
#include "core/base/json.h"

#include <ftw.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static char folder[64];

static inline int enter_folder(void **state)
{
    (void)state;
    strcpy(folder, access("/dev/shm", W_OK) == 0 ? "/dev/shm/el-rl-XXXXXX" : "/tmp/el-rl-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static inline int remove_one(const char *path, const struct stat *st, int type,
                             struct FTW *at_level)
{
    (void)st, (void)type, (void)at_level;
    return remove(path);
}

static inline int leave_folder(void **state)
{
    (void)state;
    return nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static inline const char *at(const char *name)
{
    static char path[64][200];
    static int turn;
    turn = (turn + 1) % 64;
    snprintf(path[turn], sizeof path[turn], "%s/%s", folder, name);
    return path[turn];
}

/* A recipe of a second: its fields but those given, which replace them (a JSON object's inside). */
static inline const char *recipe(const char *name, const char *changes)
{
    char text[2000];
    struct el_error err = {0};
    cJSON *base = cJSON_Parse(
        "{\"roles\":{\"generator\":1,\"verifier\":1,\"meta_verifier\":1,\"refiner\":1},"
        "\"data\":{\"world\":12,\"attempts\":3},\"prompts_per_step\":4,\"num_generations\":3,"
        "\"max_completion_length\":120,\"beta\":0.02,\"learning_rate\":1e-4,\"mini_batches\":2,"
        "\"batch_rows\":1024,\"max_steps\":2,\"save_steps\":1,\"seed\":5}");
    snprintf(text, sizeof text, "{%s}", changes);
    cJSON *over = cJSON_Parse(text);
    assert_non_null(base);
    assert_non_null(over);
    cJSON_AddStringToObject(base, "model", EL_SOURCE_DIR "/models/small");
    cJSON_AddStringToObject(base, "prompts", EL_SOURCE_DIR "/configs/prompts/small");
    for (cJSON *item; (item = over->child);) {
        cJSON_DetachItemViaPointer(over, item);
        cJSON_DeleteItemFromObjectCaseSensitive(base, item->string);
        cJSON_AddItemToObject(base, item->string, item);
    }
    char *out = cJSON_Print(base);
    if (el_file_write(at(name), out, strlen(out), &err) < 0)
        fail_msg("%s", err.msg);
    cJSON_free(out);
    cJSON_Delete(base);
    cJSON_Delete(over);
    return at(name);
}

static int parts_shown;          /* notes from inside of steps */
static const char *stop_at_note; /* NULL: after a number of steps alone */

static inline void on_step(struct el_progress *p, int64_t done, int64_t total, const char *note)
{
    (void)total;
    parts_shown += strstr(note, "sampling: ") != NULL;
    if ((strstr(note, "reward") && done == *(const int64_t *)p->user) ||
        (stop_at_note && strstr(note, stop_at_note)))
        el_stop_requested = 1;
}

static int models_read;

static inline void on_loading(struct el_progress *p, int64_t done, int64_t total, const char *note)
{
    (void)p, (void)note;
    models_read += done == total;
}

/* Trains until `stop` steps are done (-1: to the end). */
static inline int train(const char *path, const char *out, int threads, int64_t stop,
                        struct el_error *err)
{
    struct el_progress progress = {on_step, &stop}, loading = {on_loading, NULL};
    const struct el_rl_options o = {.recipe = path,
                                    .out = out,
                                    .threads = threads,
                                    .over = {.seed = -1},
                                    .progress = &progress,
                                    .loading = &loading};
    models_read = 0;
    int rc = el_rl_train(&o, err);
    el_stop_requested = 0;
    return rc;
}

static inline void must_train(const char *path, const char *out)
{
    struct el_error err = {0};
    if (train(path, out, 1, -1, &err) < 0)
        fail_msg("%s", err.msg);
}

static inline struct el_buf read_file(const char *out, const char *name)
{
    struct el_buf b;
    struct el_error err = {0};
    char path[300];
    snprintf(path, sizeof path, "%s/%s", out, name);
    el_buf_init(&b);
    if (el_file_read(path, 0, &b, &err) < 0)
        fail_msg("%s", err.msg);
    return b;
}

static inline void same_file(const char *a, const char *b, const char *name)
{
    struct el_buf x = read_file(a, name), y = read_file(b, name);
    if (x.len != y.len || memcmp(x.data, y.data, x.len) != 0)
        fail_msg("%s differs between %s and %s", name, a, b);
    el_buf_release(&x);
    el_buf_release(&y);
}

/* Line `number` of the metrics; to be freed. */
static inline cJSON *metrics(const char *out, int number)
{
    struct el_buf b = read_file(out, "metrics.jsonl");
    char *line = b.data;
    for (int i = 0; i < number && line; i++)
        line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL;
    assert_non_null(line);
    *strchr(line, '\n') = 0;
    cJSON *o = cJSON_Parse(line);
    assert_non_null(o);
    el_buf_release(&b);
    return o;
}

static inline double value(const cJSON *line, const char *name)
{
    const cJSON *x = cJSON_GetObjectItemCaseSensitive(line, name);
    return cJSON_IsNumber(x) ? x->valuedouble : NAN;
}

static inline void hear(void *user, const char *line)
{
    struct el_buf *said = user;
    el_buf_printf(said, "%s\n", line);
}

static inline struct el_buf said_by(const char *path, const char *out, int expected)
{
    struct el_buf said;
    struct el_error err = {0};
    const struct el_rl_options o = {
        .recipe = path, .out = out, .threads = 1, .over = {.seed = -1}, .say = hear, .user = &said};
    el_buf_init(&said);
    int rc = el_rl_train(&o, &err);
    if (rc != expected)
        fail_msg("%d: %s", rc, err.msg);
    if (rc < 0)
        el_buf_puts(&said, err.msg);
    return said;
}

static inline void heard(struct el_buf *said, const char *text)
{
    if (!strstr(said->data, text))
        fail_msg("'%s' does not say '%s'", said->data, text);
}

#endif
