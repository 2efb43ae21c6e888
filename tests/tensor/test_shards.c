#include "core/base/alloc.h"
#include "core/base/io.h"
#include "core/tensor/shards.h"
#include "core/tensor/st_index.h"
#include "core/tensor/stored.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

static char folder[] = "/tmp/el_shards_XXXXXX";
static const char *const names[] = {"model.safetensors", "model.safetensors.index.json",
                                    "a.safetensors", "b.safetensors"};

static const char *in_folder(const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static int parse(const char *json, struct el_error *err)
{
    struct el_st_index x;
    char *copy = el_alloc(strlen(json)); /* without a zero, so that a sanitizer sees its end */
    memcpy(copy, json, strlen(json));
    int rc = el_st_index_parse(&x, "index", copy, strlen(json), err);
    el_free(copy);
    if (rc == 0)
        el_st_index_release(&x);
    return rc;
}

static void an_index_is_sorted(void **state)
{
    (void)state;
    static const char json[] = "{\"metadata\":{\"total_size\":7},\"weight_map\":{\"z\":\"two\","
                               "\"a\":\"two\",\"m\":\"one\",\"\":\"three\"}}";
    struct el_st_index x;
    assert_int_equal(el_st_index_parse(&x, "index", json, strlen(json), NULL), 0);
    assert_int_equal(x.n, 4);
    assert_int_equal(x.n_files, 3);
    static const char *const tensors[] = {"", "a", "m", "z"};
    static const char *const files[] = {"three", "two", "one", "two"};
    for (int i = 0; i < 4; i++) {
        assert_string_equal(x.places[i].tensor, tensors[i]);
        assert_string_equal(x.files[x.places[i].file], files[i]);
    }
    el_st_index_release(&x);
    assert_int_equal(parse("{\"weight_map\":{}}", NULL), 0);
}

static void malformed_indexes_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *json, *says;
    } cases[] = {
        {"", "not valid JSON"},
        {"[]", "missing field 'weight_map' (an object)"},
        {"{}", "missing field 'weight_map'"},
        {"{\"weight_map\":[]}", "missing field 'weight_map'"},
        {"{\"weight_map\":null}", "missing field 'weight_map'"},
        {"{\"weight_map\":{\"a\":1}}", "weight_map: 'a' must be a string"},
        {"{\"weight_map\":{\"a\":null}}", "weight_map: 'a' must be a string"},
        {"{\"weight_map\":{\"a\":\"\"}}", "'' is not the name of a file"},
        {"{\"weight_map\":{\"a\":\"../x\"}}", "'../x' is not the name of a file in its folder"},
        {"{\"weight_map\":{\"a\":\"/x\"}}", "'/x' is not the name of a file"},
        {"{\"weight_map\":{\"a\":\".x\"}}", "'.x' is not the name of a file"},
        {"{\"weight_map\":{\"a\":\"x\",\"b\":\"y\",\"a\":\"y\"}}", "'a' appears twice"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct el_error err = {0};
        if (parse(cases[i].json, &err) != EL_EFORMAT || !strstr(err.msg, cases[i].says) ||
            strncmp(err.msg, "index: ", 7) != 0)
            fail_msg("%s: '%s' lacks '%s'", cases[i].json, err.msg, cases[i].says);
    }
}

static void every_truncated_index_is_refused(void **state)
{
    (void)state;
    static const char json[] = "{\"metadata\":{},\"weight_map\":{\"a\":\"x\",\"b\":\"y\"}}";
    for (size_t n = 0; n < strlen(json); n++) {
        char cut[sizeof json] = {0};
        memcpy(cut, json, n);
        assert_int_equal(parse(cut, NULL), EL_EFORMAT);
    }
    assert_int_equal(parse(json, NULL), 0);
}

static void an_index_has_a_limit_of_files(void **state)
{
    (void)state;
    for (int more = 0; more < 2; more++) {
        struct el_error err = {0};
        struct el_buf b;
        el_buf_init(&b);
        el_buf_puts(&b, "{\"weight_map\":{");
        for (int i = 0; i < EL_ST_MAX_SHARDS + more; i++)
            el_buf_printf(&b, "%s\"t%d\":\"f%d\"", i ? "," : "", i, i);
        el_buf_puts(&b, "}}");
        assert_int_equal(parse(b.data, &err), more ? EL_ELIMIT : 0);
        el_buf_release(&b);
    }
}

static const float values[6] = {1, -2, 3.5f, 0, 1e-30f, 7};
static const uint8_t codes[6] = {0x38, 0xB8, 0x7E, 0x01, 0x00, 0x40};
static const struct el_st_tensor first[] = {
    {.name = "f8", .dtype = EL_F8_E4M3, .dims = 2, .shape = {2, 3}, .data = codes},
    {.name = "x", .dtype = EL_F32, .dims = 2, .shape = {2, 3}, .data = values},
};
static const float scales[4] = {1, 2, 3.5f, 0};
static const struct el_st_tensor second[] = {
    {.name = "f8_scale_inv", .dtype = EL_F32, .dims = 2, .shape = {2, 2}, .data = scales},
    {.name = "i", .dtype = EL_I32, .dims = 1, .shape = {6}, .data = values},
};

static void write_text(const char *name, const char *text)
{
    assert_int_equal(el_file_write(in_folder(name), text, strlen(text), NULL), 0);
}

static void write_shards(void)
{
    assert_int_equal(el_safetensors_write(in_folder("a.safetensors"), first, 2, NULL, 0, NULL), 0);
    assert_int_equal(el_safetensors_write(in_folder("b.safetensors"), second, 2, NULL, 0, NULL), 0);
    write_text("model.safetensors.index.json",
               "{\"weight_map\":{\"f8\":\"a.safetensors\",\"x\":\"a.safetensors\","
               "\"f8_scale_inv\":\"b.safetensors\"}}");
}

static void the_files_are_one_set_of_tensors(void **state)
{
    (void)state;
    struct el_shards s;
    struct el_error err = {0};
    write_shards();
    if (el_shards_open(&s, folder, &err) < 0)
        fail_msg("%s", err.msg);
    assert_int_equal(s.n_files, 2);
    assert_int_equal(s.n, 4); /* "i" too, which the index does not mention */
    for (int i = 1; i < s.n; i++)
        assert_true(strcmp(s.tensors[i - 1].t->name, s.tensors[i].t->name) < 0);
    assert_ptr_equal(el_shards_find(&s, "x")->file, &s.files[0]);
    assert_ptr_equal(el_shards_find(&s, "i")->file, &s.files[1]);
    assert_null(el_shards_find(&s, "y"));
    el_shards_release(&s);
    /* a model.safetensors goes before the index */
    assert_int_equal(el_safetensors_write(in_folder("model.safetensors"), first, 1, NULL, 0, NULL),
                     0);
    assert_int_equal(el_shards_open(&s, folder, &err), 0);
    assert_int_equal(s.n, 1);
    el_shards_release(&s);
    unlink(in_folder("model.safetensors"));
}

static void what_the_index_says_must_hold(void **state)
{
    (void)state;
    struct el_shards s;
    struct el_error err = {0};
    write_shards();
    write_text("model.safetensors.index.json", "{\"weight_map\":{\"x\":\"b.safetensors\"}}");
    assert_int_equal(el_shards_open(&s, folder, &err), EL_EFORMAT);
    assert_non_null(strstr(err.msg, "index.json: tensor 'x' is not in b.safetensors"));
    write_text("model.safetensors.index.json", "{\"weight_map\":{\"x\":\"c.safetensors\"}}");
    assert_int_equal(el_shards_open(&s, folder, &err), EL_EIO);
    assert_non_null(strstr(err.msg, "c.safetensors"));
    write_shards();
    assert_int_equal(el_safetensors_write(in_folder("b.safetensors"), first, 2, NULL, 0, NULL), 0);
    write_text("model.safetensors.index.json",
               "{\"weight_map\":{\"x\":\"b.safetensors\",\"f8\":\"a.safetensors\"}}");
    assert_int_equal(el_shards_open(&s, folder, &err), EL_EFORMAT);
    assert_non_null(strstr(err.msg, "tensor 'f8' is in a.safetensors and in b.safetensors"));
}

static const struct el_fp8_format blocks = {.block_rows = 1, .block_columns = 2};

static void stored_values_are_read_in_pieces(void **state)
{
    (void)state;
    static const float want[6] = {1, -1, 2 * 448.0f, 0x1p-9f * 3.5f, 0, 0};
    struct el_shards s;
    struct el_stored f8;
    struct el_stored_reader r;
    int64_t shape[2] = {2, 3};
    write_shards();
    assert_int_equal(el_shards_open(&s, folder, NULL), 0);
    assert_int_equal(el_stored_find(&f8, &s, "f8", 2, shape, &blocks, NULL), 0);
    assert_int_equal(el_stored_reader_init(&r, 6, NULL), 0);
    for (int from = 0; from <= 6; from++) {
        for (int to = from; to <= 6; to++) {
            float out[7] = {0};
            out[to - from] = 99;
            assert_int_equal(el_stored_read(&r, &f8, from, (size_t)(to - from), out, NULL), 0);
            for (int i = from; i < to; i++)
                assert_true(out[i - from] == want[i]);
            assert_true(out[to - from] == 99);
        }
    }
    el_stored_reader_release(&r);
    el_shards_release(&s);
}

static void what_cannot_be_read_is_refused(void **state)
{
    (void)state;
    struct el_shards s;
    struct el_stored x;
    struct el_error err = {0};
    int64_t shape[2] = {6, 0};
    write_shards();
    assert_int_equal(el_shards_open(&s, folder, NULL), 0);
    assert_int_equal(el_stored_find(&x, &s, "i", 1, shape, &blocks, &err), EL_EREFUSED);
    assert_non_null(strstr(err.msg, "'i' is stored as I32, only F32, BF16, F16 and F8_E4M3"));
    assert_int_equal(el_stored_find(&x, &s, "j", 1, shape, &blocks, &err), EL_EFORMAT);
    assert_non_null(strstr(err.msg, "'j' is missing, expected shape [6]"));
    assert_int_equal(el_stored_init(&x, &s, el_shards_find(&s, "f8"), NULL, &err), EL_EFORMAT);
    assert_non_null(strstr(err.msg, "no quantization_config"));
    el_shards_release(&s);
}

/* One row of blocks is longer than what is read at a time. */
enum { rows = 2, columns = 5000 };

static void put_scale(void *at, enum el_dtype type, int i, int exponent)
{
    uint16_t bf16 = (uint16_t)((exponent + 127) << 7), f16 = (uint16_t)((exponent + 15) << 10);
    if (type == EL_BF16)
        memcpy((char *)at + 2 * i, &bf16, sizeof bf16);
    else if (type == EL_F16)
        memcpy((char *)at + 2 * i, &f16, sizeof f16);
    else if (type == EL_F8_E8M0)
        ((uint8_t *)at)[i] = (uint8_t)(exponent + 127);
    else
        ((float *)at)[i] = ldexpf(1, exponent);
}

/* Powers of two, which all of them hold. */
static void scales_have_any_of_four_dtypes(void **state)
{
    (void)state;
    static const enum el_dtype types[] = {EL_F32, EL_BF16, EL_F16, EL_F8_E8M0};
    static const struct el_fp8_format single = {.block_rows = 1, .block_columns = 1};
    static uint8_t one[rows * columns];
    static float stored[rows * columns], out[rows * columns];
    memset(one, 0x38, sizeof one);
    for (size_t k = 0; k < sizeof types / sizeof *types; k++) {
        struct el_shards s;
        struct el_stored x;
        struct el_stored_reader r;
        struct el_st_tensor t[2] = {
            {.name = "w", .dtype = EL_F8_E4M3, .dims = 2, .shape = {rows, columns}, .data = one},
            {.name = "w_scale_inv", .dims = 2, .shape = {rows, columns}, .data = stored}};
        t[1].dtype = types[k];
        for (int i = 0; i < rows * columns; i++)
            put_scale(stored, types[k], i, i * 7 % 29 - 14);
        assert_int_equal(el_safetensors_write(in_folder("model.safetensors"), t, 2, NULL, 0, NULL),
                         0);
        assert_int_equal(el_shards_open(&s, folder, NULL), 0);
        assert_int_equal(el_stored_init(&x, &s, el_shards_find(&s, "w"), &single, NULL), 0);
        assert_int_equal(el_stored_reader_init(&r, columns, NULL), 0);
        assert_int_equal(el_stored_read_scales(&x, 3, rows * columns - 3, out, NULL), 0);
        for (int i = 3; i < rows * columns; i++)
            assert_true(out[i - 3] == ldexpf(1, i * 7 % 29 - 14));
        assert_int_equal(el_stored_read(&r, &x, 2600, columns, out, NULL), 0);
        for (int i = 0; i < columns; i++)
            assert_true(out[i] == ldexpf(1, (i + 2600) * 7 % 29 - 14));
        el_stored_reader_release(&r);
        el_shards_release(&s);
    }
    unlink(in_folder("model.safetensors"));
}

/* They are in nobody's way before somebody wants their numbers. */
static void other_dtypes_are_refused_where_they_are_read(void **state)
{
    (void)state;
    int64_t shape[2] = {6, 0};
    for (enum el_dtype t = 0; t < EL_DTYPES; t++) {
        struct el_shards s;
        struct el_stored x;
        struct el_error err = {0};
        static const int64_t zeros[6];
        struct el_st_tensor list[2] = {second[1], first[1]};
        char says[128];
        if (t == EL_F32 || t == EL_BF16 || t == EL_F16 || t == EL_F8_E4M3 || el_dtype_size(t) == 0)
            continue;
        list[0].dtype = t, list[0].data = zeros;
        assert_int_equal(
            el_safetensors_write(in_folder("model.safetensors"), list, 2, NULL, 0, NULL), 0);
        assert_int_equal(el_shards_open(&s, folder, NULL), 0);
        assert_int_equal(el_stored_init(&x, &s, el_shards_find(&s, "x"), NULL, NULL), 0);
        assert_int_equal(el_stored_find(&x, &s, "i", 1, shape, NULL, &err), EL_EREFUSED);
        snprintf(says, sizeof says, "model.safetensors: tensor 'i' is stored as %s, only",
                 el_dtype_name(t));
        assert_non_null(strstr(err.msg, says));
        el_shards_release(&s);
    }
    unlink(in_folder("model.safetensors"));
}

static void a_file_that_shrank_is_an_error(void **state)
{
    (void)state;
    struct el_safetensors st;
    struct el_error err = {0};
    float out[6];
    write_shards();
    assert_int_equal(el_safetensors_open(&st, in_folder("a.safetensors"), NULL), 0);
    const struct el_st_tensor *t = el_safetensors_find(&st, "x");
    assert_int_equal(el_safetensors_read(&st, t, 4, out, 20, &err), 0);
    assert_memory_equal(out, values + 1, 20);
    assert_int_equal(truncate(in_folder("a.safetensors"), (off_t)st.map_bytes - 8), 0);
    assert_int_equal(el_safetensors_read(&st, t, 0, out, 16, &err), 0);
    assert_int_equal(el_safetensors_read(&st, t, 0, out, 17, &err), EL_EIO);
    assert_non_null(strstr(err.msg, "a.safetensors: nothing at byte"));
    el_safetensors_release(&st);
}

/* Files, and descriptors left for them. Few of both, so that any hard limit has room for the files:
 * the lowest ones that can be had, whatever this process has inherited. */
enum { MANY = 12, FEW = 5 };

/* A limit of descriptors that leaves FEW at most. */
static rlim_t few_more(void)
{
    int next = dup(0);
    if (next < 0 || close(next) < 0)
        fail_msg("no descriptor is left for the test itself");
    return (rlim_t)next + FEW;
}

static const char *one_of_many(int i)
{
    static char name[32];
    snprintf(name, sizeof name, "s%03d.safetensors", i);
    return name;
}

static void write_many(void)
{
    struct el_buf b;
    el_buf_init(&b);
    for (int i = 0; i < MANY; i++) {
        char name[16];
        float value = (float)i;
        snprintf(name, sizeof name, "t%d", i);
        struct el_st_tensor t = {.name = name, .dtype = EL_F32, .data = &value};
        assert_int_equal(el_safetensors_write(in_folder(one_of_many(i)), &t, 1, NULL, 0, NULL), 0);
        el_buf_printf(&b, "%s\"%s\":\"%s\"", i ? "," : "{\"weight_map\":{", name, one_of_many(i));
    }
    el_buf_puts(&b, "}}");
    write_text("model.safetensors.index.json", b.data);
    el_buf_release(&b);
}

static void remove_many(void)
{
    for (int i = 0; i < MANY; i++)
        unlink(in_folder(one_of_many(i)));
}

static void the_limit_of_descriptors_is_raised(void **state)
{
    (void)state;
    struct rlimit old, now;
    struct el_shards s;
    struct el_error err = {0};
    write_many();
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    now = (struct rlimit){few_more(), old.rlim_max};
    if (now.rlim_cur > old.rlim_max)
        now.rlim_cur = old.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &now), 0);
    if (el_shards_open(&s, folder, &err) < 0)
        fail_msg("%s", err.msg);
    assert_int_equal(s.n_files, MANY);
    for (int i = 0; i < MANY; i++) {
        char name[16];
        float value;
        snprintf(name, sizeof name, "t%d", i);
        const struct el_shard_tensor *t = el_shards_find(&s, name);
        assert_int_equal(el_safetensors_read(t->file, t->t, 0, &value, sizeof value, NULL), 0);
        assert_true(value == (float)i);
    }
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &now), 0);
    assert_true(now.rlim_cur == old.rlim_max);
    el_shards_release(&s);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    remove_many();
}

/* In a process of its own, since a lowered hard limit stays. Returns the line of what is wrong. */
static int run_out_of_descriptors(void)
{
    rlim_t limit = few_more();
    struct rlimit few = {limit, limit};
    struct el_shards s;
    struct el_error err = {0};
    char says[100];
    snprintf(says, sizeof says, ".safetensors: cannot open: all %d files", (int)limit);
    if (setrlimit(RLIMIT_NOFILE, &few) < 0)
        return __LINE__;
    if (el_shards_open(&s, folder, &err) != EL_ELIMIT)
        return __LINE__;
    if (!strstr(err.msg, says) || !strstr(err.msg, "'ulimit -n' raises the limit"))
        return __LINE__;
    write_shards();
    return el_shards_open(&s, folder, NULL) == 0 ? 0 : __LINE__; /* none was left open */
}

static void no_descriptors_left(void **state)
{
    (void)state;
    int status;
    write_many();
    pid_t child = fork();
    if (child == 0) {
        int line = run_out_of_descriptors();
        if (line)
            fprintf(stderr, "line %d\n", line);
        _exit(line ? 1 : 0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    remove_many();
}

static void allocation_failures(void **state)
{
    (void)state;
    int rc = EL_ENOMEM;
    write_shards();
    for (long n = 1; rc != 0; n++) {
        struct el_shards s;
        struct el_stored x = {0};
        struct el_stored_reader r = {0};
        struct el_error err = {0};
        el_alloc_fail_after(n);
        rc = el_shards_open(&s, folder, &err);
        if (rc == 0)
            rc = el_stored_init(&x, &s, el_shards_find(&s, "f8"), &blocks, &err);
        if (rc == 0)
            rc = el_stored_reader_init(&r, 4, &err);
        el_alloc_fail_after(0);
        assert_true(rc == 0 || (rc == EL_ENOMEM && err.msg[0]));
        el_stored_reader_release(&r);
        el_shards_release(&s);
        assert_in_range(n, 1, 100);
    }
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unlink(in_folder(names[i]));
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_index_is_sorted),
        cmocka_unit_test(malformed_indexes_are_refused),
        cmocka_unit_test(every_truncated_index_is_refused),
        cmocka_unit_test(an_index_has_a_limit_of_files),
        cmocka_unit_test(the_files_are_one_set_of_tensors),
        cmocka_unit_test(what_the_index_says_must_hold),
        cmocka_unit_test(stored_values_are_read_in_pieces),
        cmocka_unit_test(what_cannot_be_read_is_refused),
        cmocka_unit_test(scales_have_any_of_four_dtypes),
        cmocka_unit_test(other_dtypes_are_refused_where_they_are_read),
        cmocka_unit_test(a_file_that_shrank_is_an_error),
        cmocka_unit_test(the_limit_of_descriptors_is_raised),
        cmocka_unit_test(no_descriptors_left),
        cmocka_unit_test(allocation_failures),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
