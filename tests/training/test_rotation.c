/* The last checkpoints of a run: how many stay, which one a run goes on from when the newest is
 * damaged, and what a kill between two renames leaves behind. */
#include "tests/training/runs.h"

#include "core/base/io.h"
#include "core/tensor/safetensors.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static char recipe[300], whole[300]; /* the recipe and the folder of its uninterrupted run */

static int setup(void **state)
{
    int rc = enter_folder(state);
    snprintf(recipe, sizeof recipe, "%s", write_recipe("r.json", NULL));
    snprintf(whole, sizeof whole, "%s", at("whole"));
    must(train(recipe, whole, -1, &err));
    return rc;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_state(const struct dirent *e)
{
    return strncmp(e->d_name, "state.", 6) == 0;
}

/* The folder's checkpoints, and what is left of writing them, are `expected`: names with blanks
 * between. */
static void has(const char *out, const char *expected)
{
    struct dirent **list;
    char found[500] = "";
    int n = scandir(out, &list, is_state, by_name);
    assert_true(n >= 0);
    for (int i = 0; i < n; i++) {
        size_t k = strlen(found);
        snprintf(found + k, sizeof found - k, "%s%s", i ? " " : "", list[i]->d_name);
        free(list[i]);
    }
    free(list);
    assert_string_equal(found, expected);
}

/* A run of its own, stopped after a step. */
static const char *stopped(const char *name, const char *path, int64_t step)
{
    struct el_error err = {0};
    assert_int_equal(train(path, at(name), step, &err), EL_EINTR);
    return at(name);
}

static void the_last_ones_stay(void **state)
{
    (void)state;
    static const struct {
        const char *limit, *files;
    } list[] = {{"1", "state.safetensors"},
                {"2", "state.10.safetensors state.safetensors"},
                {"3", "state.10.safetensors state.8.safetensors state.safetensors"},
                {"50", "state.10.safetensors state.2.safetensors state.4.safetensors "
                       "state.5.safetensors state.7.safetensors state.8.safetensors "
                       "state.safetensors"}};
    has(whole, list[1].files);
    for (int i = 0; i < 4; i++) {
        char name[20];
        snprintf(name, sizeof name, "limit%s", list[i].limit);
        must(train(write_recipe("limit.json", "save_total_limit", list[i].limit, NULL), at(name),
                   -1, &err));
        has(at(name), list[i].files);
        assert_true(same_file(in(whole, "model/model.safetensors"),
                              in(at(name), "model/model.safetensors")));
    }
}

/* Ways to damage a checkpoint. */
static void cut(struct el_buf *b)
{
    b->len = b->len / 2;
}

static void empty(struct el_buf *b)
{
    b->len = 0;
}

static void flip(struct el_buf *b) /* a bit of a moment, which no range check can find */
{
    b->data[b->len - 100] ^= 1;
}

static void rewind_position(struct el_buf *b) /* another one that could be */
{
    char *place = memmem(b->data, b->len, "\"position\":\"2 3 8 ", 18);
    assert_non_null(place);
    place[14] = '2';
}

static void damage(const char *file, void (*how)(struct el_buf *))
{
    struct el_buf b = read_text(file);
    how(&b);
    must(el_file_write(file, b.data, b.len, &err));
    el_buf_release(&b);
}

static void a_damaged_one_is_passed_over(void **state)
{
    (void)state;
    static void (*const ways[])(struct el_buf *) = {cut, empty, flip, rewind_position};
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        struct watch w = {.stop_at = -1, .choke_at = -1};
        char name[20];
        snprintf(name, sizeof name, "damaged%zu", i);
        const char *out = stopped(name, recipe, 8);
        has(out, "state.7.safetensors state.safetensors");
        damage(in(out, "state.safetensors"), ways[i]);
        must(train_until(recipe, out, &w, &err));
        assert_non_null(strstr(w.said, "passed over"));
        assert_non_null(strstr(w.said, in(out, "state.safetensors")));
        assert_non_null(strstr(w.said, "resuming at step 7 of 11"));
        same_run(whole, out);
        has(out, "state.10.safetensors state.safetensors");
    }
}

static const char *position_of(const char *file, char *out, size_t size)
{
    struct el_safetensors st;
    must(el_safetensors_open(&st, file, &err));
    snprintf(out, size, "%s", el_safetensors_metadata(&st, "position"));
    el_safetensors_release(&st);
    return out;
}

/* The indexer's updates stand behind the others' where they differ. One number is for both, as in
 * every checkpoint of before they were counted apart. */
static void updates_are_counted_by_group(void **state)
{
    (void)state;
    struct el_recipe r;
    struct el_weights *w;
    struct el_stream s;
    struct el_trainer t;
    const struct el_state_owner owner = {"x", 4};
    const struct el_run_state at_first = {1, 2, 3, 4, 5, 6};
    const char *file = at("counted.safetensors");
    static const struct {
        int64_t main, indexer;
        const char *position;
    } list[] = {{9, 9, "1 2 3 4 5 6 9"}, {9, 0, "1 2 3 4 5 6 9 0"}, {0, 7, "1 2 3 4 5 6 0 7"}};
    must(el_recipe_load(recipe, NULL, &r, &err));
    must(el_weights_create(&r.model, el_device_host(), r.seed, &w, &err));
    el_stream_init(&s, w->device, el_ops_cpu(), 1);
    const struct el_trainer_options o = {8, 1, 8, r.adamw};
    must(el_trainer_init(&t, w, &s, &o, &err));
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        struct el_run_state back;
        char found[200];
        t.opt.step[EL_PARAMS_MAIN] = list[i].main;
        t.opt.step[EL_PARAMS_INDEXER] = list[i].indexer;
        must(el_state_save(&at_first, &t, &owner, file, NULL, &err));
        assert_string_equal(position_of(file, found, sizeof found), list[i].position);
        t.opt.step[EL_PARAMS_MAIN] = t.opt.step[EL_PARAMS_INDEXER] = -1;
        must(el_state_load(&back, &t, &owner, file, &err));
        assert_int_equal(t.opt.step[EL_PARAMS_MAIN], list[i].main);
        assert_int_equal(t.opt.step[EL_PARAMS_INDEXER], list[i].indexer);
    }
    el_trainer_release(&t);
    el_stream_release(&s);
    el_weights_free(w);
    el_recipe_release(&r);
}

/* Back over a stage of attempts, whose file and line in the metrics are made again. */
static void two_damaged_ones_are_passed_over(void **state)
{
    (void)state;
    char three[300];
    snprintf(three, sizeof three, "%s", write_recipe("three.json", "save_total_limit", "3", NULL));
    must(train(three, at("three"), -1, &err));
    const char *out = stopped("back", three, 6);
    has(out, "state.4.safetensors state.5.safetensors state.safetensors");
    damage(in(out, "state.safetensors"), cut);
    damage(in(out, "state.5.safetensors"), flip);
    struct watch w = {.stop_at = -1, .choke_at = -1};
    must(train_until(three, out, &w, &err));
    assert_non_null(strstr(w.said, "state.5.safetensors"));
    assert_non_null(strstr(w.said, "resuming at step 4 of 11"));
    same_run(at("three"), out);
}

/* The newest one's damage is the error, and nothing is touched. */
static void none_is_whole(void **state)
{
    (void)state;
    struct el_error err = {0};
    const char *out = stopped("none", recipe, 8);
    damage(in(out, "state.safetensors"), cut);
    damage(in(out, "state.7.safetensors"), cut);
    struct el_buf before = read_text(in(out, "state.safetensors"));
    assert_int_equal(train(recipe, out, -1, &err), EL_EFORMAT);
    assert_non_null(strstr(err.msg, in(out, "state.safetensors")));
    struct el_buf after = read_text(in(out, "state.safetensors"));
    assert_true(before.len == after.len && memcmp(before.data, after.data, before.len) == 0);
    has(out, "state.7.safetensors state.safetensors");
    el_buf_release(&before);
    el_buf_release(&after);
}

/* Whose it is comes before whether it is whole: a foreign run is refused, not passed over. */
static void a_foreign_one_is_refused(void **state)
{
    (void)state;
    struct el_error err = {0};
    const char *other = write_recipe("other.json", "seed", "4", NULL);
    const char *out = stopped("foreign", recipe, 8);
    assert_int_equal(train(other, out, -1, &err), EL_EREFUSED);
    damage(in(out, "state.safetensors"), cut);
    assert_int_equal(train(other, out, -1, &err), EL_EREFUSED);
    assert_non_null(strstr(err.msg, "another recipe"));
    has(out, "state.7.safetensors state.safetensors");
}

/* Killed when the one in place had got its number and the new one was not yet in place. */
static void killed_between_the_renames(void **state)
{
    (void)state;
    const char *out = stopped("between", recipe, 8);
    assert_int_equal(rename(in(out, "state.safetensors"), in(out, "state.8.safetensors")), 0);
    write_text(in(out, "state.safetensors.tmp.123"), "the next one");
    assert_int_equal(el_rotation_has(out, NULL), 1); /* there is one to export */
    const struct el_train_options o = {
        .recipe = recipe, .out = out, .threads = 1, .export_only = 1};
    must(el_train(&o, &err)); /* reads it, and changes nothing */
    has(out, "state.7.safetensors state.8.safetensors state.safetensors.tmp.123");
    must(train(recipe, out, -1, &err));
    same_run(whole, out);
    has(out, "state.10.safetensors state.safetensors");
}

/* Killed before the oldest went; names that are somebody else's stay. */
static void killed_before_the_oldest_went(void **state)
{
    (void)state;
    const char *out = at("before");
    must(train(recipe, out, -1, &err));
    write_text(in(out, "state.8.safetensors"), "old");
    write_text(in(out, "state.08.safetensors"), "not ours");
    write_text(in(out, "state.8.safetensors.bak"), "nor this");
    must(train(recipe, out, -1, &err));
    has(out, "state.08.safetensors state.10.safetensors state.8.safetensors.bak state.safetensors");
    same_run(whole, out);
}

/* A folder of before: one file, without a digest. */
static void a_single_file_goes_on(void **state)
{
    (void)state;
    const char *out = stopped("single", recipe, 8);
    assert_int_equal(remove(in(out, "state.7.safetensors")), 0);
    struct el_buf b = read_text(in(out, "state.safetensors"));
    char *place = memmem(b.data, b.len, "\"digest\"", 8);
    assert_non_null(place);
    memcpy(place, "\"digits\"", 8);
    must(el_file_write(in(out, "state.safetensors"), b.data, b.len, &err));
    el_buf_release(&b);
    must(train(recipe, out, -1, &err));
    same_run(whole, out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_ones_stay),
        cmocka_unit_test(a_damaged_one_is_passed_over),
        cmocka_unit_test(updates_are_counted_by_group),
        cmocka_unit_test(two_damaged_ones_are_passed_over),
        cmocka_unit_test(none_is_whole),
        cmocka_unit_test(a_foreign_one_is_refused),
        cmocka_unit_test(killed_between_the_renames),
        cmocka_unit_test(killed_before_the_oldest_went),
        cmocka_unit_test(a_single_file_goes_on),
    };
    return cmocka_run_group_tests(tests, setup, leave_folder);
}
