/* Loading on several threads: the same values, digest and errors as on one; files that change
 * meanwhile. */
#include "core/base/io.h"
#include "tests/model/checkpoint.h"
#include "tests/model/config_fixture.h"

#include <math.h>
#include <omp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

/* Embedding and head have 21 pieces each, most other tensors one. */
static struct el_config many_pieces(void)
{
    struct el_config c = small_config();
    c.vocab_size = 14001;
    c.hidden_size = 96;
    return c;
}

static void threads_change_nothing(void **state)
{
    (void)state;
    struct el_config c = many_pieces();
    struct el_weights *w = create(&c, 3);
    save(w);
    for (int threads = 1; threads <= 8; threads++) {
        omp_set_num_threads(threads);
        for (int again = 0; again < 3; again++) {
            struct el_weights *back = load(NULL);
            assert_memory_equal(w->data, back->data, (size_t)w->layout.total * sizeof(float));
            assert_string_equal(w->digest, back->digest);
            el_weights_free(back);
        }
    }
    el_weights_free(w);
}

/* More threads than pieces, and a device that shuts its memory. */
static void the_guard_device_is_loaded_by_threads(void **state)
{
    (void)state;
    struct el_config c = many_pieces();
    struct el_weights *w = create(&c, 4), *back;
    struct el_device *guard = el_device_guard_create();
    struct el_error err = {0};
    save(w);
    omp_set_num_threads(4);
    if (el_weights_load(folder, guard, &back, NULL, NULL, &err) < 0)
        fail_msg("%s", err.msg);
    assert_string_equal(w->digest, back->digest);
    el_weights_free(back);
    el_weights_free(w);
    el_device_free(guard);
}

/* Of several bad values the first in the order of the layout is reported, whoever finds his first.
 */
static void the_first_error_is_reported(void **state)
{
    (void)state;
    struct el_config c = many_pieces();
    struct list l = list_of(&c);
    float *embed = (float *)list_find(&l, "model.embed_tokens.weight")->data;
    float *head = (float *)list_find(&l, "lm_head.weight")->data;
    head[5] = NAN;
    list_write(&l, "model.safetensors", 0, l.n);
    for (int round = 0; round < 2; round++) {
        for (int threads = 1; threads <= 8; threads++) {
            omp_set_num_threads(threads);
            for (int again = 0; again < 5; again++)
                expect_refusal(EL_ENUMERIC, round ? "'model.embed_tokens.weight' holds nan at "
                                                    "index 1000000,"
                                                  : "'lm_head.weight' holds nan at index 5,");
        }
        embed[1000000] = embed[1100000] = NAN;
        list_write(&l, "model.safetensors", 0, l.n);
    }
    list_free(&l);
}

struct watch {
    int64_t last;
    off_t shorten_to;
};

/* Updates come in order and one at a time. */
static void on_update(struct el_progress *p, int64_t done, int64_t total, const char *note)
{
    struct watch *s = p->user;
    (void)note;
    if (s->last == 0 && s->shorten_to && truncate(path_in("model.safetensors"), s->shorten_to) < 0)
        abort();
    if (done <= s->last || done > total)
        abort();
    s->last = done;
}

static void progress_counts_every_value(void **state)
{
    (void)state;
    struct el_config c = many_pieces();
    struct el_weights *w = create(&c, 5), *back;
    save(w);
    for (int threads = 1; threads <= 4; threads++) {
        struct watch watch = {0};
        struct el_progress progress = {on_update, &watch};
        omp_set_num_threads(threads);
        assert_int_equal(el_weights_load(folder, el_device_host(), &back, NULL, &progress, NULL),
                         0);
        assert_int_equal(watch.last, w->layout.parameters);
        el_weights_free(back);
    }
    el_weights_free(w);
}

/* The file loses its end while it is loaded: an error, and no signal. */
static void a_file_that_shrinks_is_an_error(void **state)
{
    (void)state;
    struct el_config c = many_pieces();
    struct el_weights *w = create(&c, 6), *back;
    struct watch watch = {.shorten_to = 20000};
    struct el_progress progress = {on_update, &watch};
    struct el_error err = {0};
    save(w);
    omp_set_num_threads(1);
    assert_int_equal(el_weights_load(folder, el_device_host(), &back, NULL, &progress, &err),
                     EL_EIO);
    assert_non_null(strstr(err.msg, "model.safetensors: nothing at byte"));
    assert_non_null(strstr(err.msg, "it became shorter"));
    el_weights_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_change_nothing),
        cmocka_unit_test(the_guard_device_is_loaded_by_threads),
        cmocka_unit_test(the_first_error_is_reported),
        cmocka_unit_test(progress_counts_every_value),
        cmocka_unit_test(a_file_that_shrinks_is_an_error),
    };
    return cmocka_run_group_tests(tests, checkpoint_make_folder, checkpoint_remove_folder);
}
