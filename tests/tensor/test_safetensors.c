#include "core/base/alloc.h"
#include "core/base/io.h"
#include "core/tensor/safetensors.h"

#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static char folder[] = "/tmp/el_st_XXXXXX";

static const char *in_folder(const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

/* A file in memory: length, header text, n zero bytes of data. */
static struct el_buf file_of(const char *header, size_t data)
{
    struct el_buf b;
    uint64_t length = strlen(header);
    el_buf_init(&b);
    el_buf_add(&b, &length, sizeof length);
    el_buf_puts(&b, header);
    for (size_t i = 0; i < data; i++)
        el_buf_putc(&b, 0);
    return b;
}

static int parse(const char *header, size_t data, struct el_error *err)
{
    struct el_safetensors st;
    struct el_buf b = file_of(header, data);
    int rc = el_safetensors_parse(&st, "x.safetensors", b.data, b.len, err);
    if (rc == 0)
        el_safetensors_release(&st);
    el_buf_release(&b);
    return rc;
}

static void bf16_rounds_to_nearest_even(void **state)
{
    (void)state;
    /* 1 + 2^-8 lies halfway between 1 and 1 + 2^-7: the even one is 1 */
    assert_int_equal(el_bf16_round(1.0f), 0x3F80);
    assert_int_equal(el_bf16_round(1.00390625f), 0x3F80);
    assert_int_equal(el_bf16_round(1.01171875f), 0x3F82); /* halfway, even above */
    assert_int_equal(el_bf16_round(1.00390637f), 0x3F81); /* just above halfway */
    assert_int_equal(el_bf16_round(-0.0f), 0x8000);
    assert_int_equal(el_bf16_round(3.4028235e38f), 0x7F80);
    assert_true(isnan(el_bf16_widen(el_bf16_round(NAN))));
    uint32_t bits = 0x7F800001; /* a NaN whose payload lies below the kept bits */
    float quiet;
    memcpy(&quiet, &bits, sizeof quiet);
    assert_true(isnan(el_bf16_widen(el_bf16_round(quiet))));
}

static void every_bf16_survives(void **state)
{
    (void)state;
    for (uint32_t b = 0; b < 65536; b++) {
        float x = el_bf16_widen((uint16_t)b);
        if (!isnan(x))
            assert_int_equal(el_bf16_round(x), b);
    }
}

static void f16_widens_exactly(void **state)
{
    (void)state;
    assert_true(el_f16_widen(0x3C00) == 1.0f);
    assert_true(el_f16_widen(0xC000) == -2.0f);
    assert_true(el_f16_widen(0x7BFF) == 65504.0f);
    assert_true(el_f16_widen(0x0001) == 0x1p-24f);
    assert_true(el_f16_widen(0x03FF) == 1023 * 0x1p-24f);
    assert_true(el_f16_widen(0x0400) == 0x1p-14f);
    assert_true(el_f16_widen(0x3555) == 0x1.554p-2f);
    assert_true(isinf(el_f16_widen(0xFC00)) && el_f16_widen(0xFC00) < 0);
    assert_true(isnan(el_f16_widen(0x7C01)));
    assert_true(signbit(el_f16_widen(0x8000)));
}

static void e8m0_is_a_power_of_two(void **state)
{
    (void)state;
    float out[2];
    assert_true(el_e8m0_widen(0) == 0x1p-127f);
    assert_true(el_e8m0_widen(126) == 0.5f && el_e8m0_widen(127) == 1 && el_e8m0_widen(128) == 2);
    assert_true(el_e8m0_widen(254) == 0x1p127f);
    assert_true(isnan(el_e8m0_widen(255)));
    assert_int_equal(el_dtype_widen(EL_F8_E8M0, (uint8_t[]){130, 120}, 2, out), 0);
    assert_true(out[0] == 8 && out[1] == 0x1p-7f);
}

static void other_dtypes_are_not_widened(void **state)
{
    (void)state;
    float out[1] = {0};
    int64_t in[1] = {7};
    for (enum el_dtype t = 0; t < EL_DTYPES; t++) {
        int numbers = t == EL_F32 || t == EL_BF16 || t == EL_F16 || t == EL_F8_E8M0;
        assert_int_equal(el_dtype_widen(t, in, 1, out), numbers ? 0 : EL_EREFUSED);
    }
    assert_int_equal(el_dtype_narrow(EL_F16, out, 1, in), EL_EREFUSED);
}

static const float values[6] = {1, -2, 3.5f, 0, 1e-30f, 7};
static const int64_t ids[3] = {5, -1, 1LL << 40};
static const uint16_t halves[3] = {0x3F80, 0x4000, 0xC000};
static const struct el_st_tensor sample[] = {
    {.name = "b.weight", .dtype = EL_F32, .dims = 2, .shape = {2, 3}, .data = values},
    {.name = "a \"quoted\" \\ name", .dtype = EL_BF16, .dims = 1, .shape = {3}, .data = halves},
    {.name = "tokens", .dtype = EL_I64, .dims = 2, .shape = {1, 3}, .data = ids},
    {.name = "empty", .dtype = EL_F32, .dims = 2, .shape = {0, 4}, .data = values},
    {.name = "scalar", .dtype = EL_F32, .dims = 0, .data = values + 5},
};
static const struct el_st_meta sample_meta[] = {{"format", "pt"}, {"note", "line\nbreak"}};
enum { sample_n = sizeof sample / sizeof *sample };

static int write_sample(const char *path, struct el_error *err)
{
    return el_safetensors_write(path, sample, sample_n, sample_meta, 2, err);
}

static void what_is_written_is_read_back(void **state)
{
    (void)state;
    struct el_error err = {0};
    struct el_safetensors st;
    assert_int_equal(write_sample(in_folder("round"), &err), 0);
    assert_int_equal(el_safetensors_open(&st, in_folder("round"), &err), 0);
    assert_int_equal(st.n, sample_n);
    for (int i = 0; i < sample_n; i++) {
        const struct el_st_tensor *t = el_safetensors_find(&st, sample[i].name);
        assert_non_null(t);
        assert_int_equal(t->dtype, sample[i].dtype);
        assert_int_equal(t->dims, sample[i].dims);
        assert_memory_equal(t->shape, sample[i].shape, sizeof t->shape);
        assert_memory_equal(t->data, sample[i].data, t->bytes);
    }
    assert_null(el_safetensors_find(&st, "absent"));
    assert_string_equal(el_safetensors_metadata(&st, "note"), "line\nbreak");
    assert_null(el_safetensors_metadata(&st, "absent"));
    el_safetensors_release(&st);
}

static void the_header_is_aligned(void **state)
{
    (void)state;
    struct el_buf b;
    uint64_t length;
    el_buf_init(&b);
    assert_int_equal(write_sample(in_folder("aligned"), NULL), 0);
    assert_int_equal(el_file_read(in_folder("aligned"), 0, &b, NULL), 0);
    memcpy(&length, b.data, sizeof length);
    assert_int_equal(length % 8, 0);
    assert_int_equal(b.data[8], '{');
    assert_int_equal(b.len, 8 + length + 24 + 6 + 24 + 0 + 4);
    el_buf_release(&b);
}

static void the_size_is_known_before(void **state)
{
    (void)state;
    struct el_error err = {0};
    struct stat st;
    const char *path = in_folder("sized");
    for (int n = 1; n <= sample_n; n++)
        for (int metas = 0; metas <= 2; metas++) {
            struct el_st_size z;
            assert_int_equal(el_st_size_begin(&z, sample_meta, metas), 0);
            for (int i = 0; i < n; i++)
                assert_int_equal(el_st_size_add(&z, &sample[i]), 0);
            assert_int_equal(el_safetensors_write(path, sample, n, sample_meta, metas, &err), 0);
            assert_int_equal(stat(path, &st), 0);
            assert_int_equal(el_st_size_total(&z), st.st_size);
        }
}

static void need_names_what_it_expected(void **state)
{
    (void)state;
    struct el_error err = {0};
    struct el_safetensors st;
    const struct el_st_tensor *t;
    assert_int_equal(write_sample(in_folder("need"), &err), 0);
    assert_int_equal(el_safetensors_open(&st, in_folder("need"), &err), 0);
    int64_t right[2] = {2, 3}, wrong[2] = {3, 2};
    assert_int_equal(el_safetensors_need(&st, "b.weight", EL_F32, 2, right, &t, &err), 0);
    assert_int_equal(el_safetensors_need(&st, "b.weight", EL_F32, -1, NULL, &t, &err), 0);
    assert_int_equal(el_safetensors_need(&st, "b.weight", EL_F32, 2, wrong, &t, &err), EL_EFORMAT);
    assert_non_null(strstr(err.msg, "'b.weight' has the shape [2,3], expected [3,2]"));
    assert_int_equal(el_safetensors_need(&st, "b.weight", EL_I32, 2, right, &t, &err), EL_EFORMAT);
    assert_non_null(strstr(err.msg, "dtype F32, expected I32"));
    assert_int_equal(el_safetensors_need(&st, "zz", EL_I32, 2, right, &t, &err), EL_EFORMAT);
    assert_non_null(strstr(err.msg, "'zz' is missing"));
    el_safetensors_release(&st);
}

/* Names and bits of one value as the format has them. */
static const struct {
    const char *name;
    int bits;
} format_dtypes[] = {
    {"BOOL", 8},        {"F4", 4},      {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"U8", 8},
    {"I8", 8},          {"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8},
    {"F8_E5M2FNUZ", 8}, {"I16", 16},    {"U16", 16},    {"F16", 16},    {"BF16", 16},
    {"I32", 32},        {"U32", 32},    {"F32", 32},    {"C64", 64},    {"F64", 64},
    {"I64", 64},        {"U64", 64},
};

/* Eight values each: read, written and read again; a byte more or less is refused. */
static void every_dtype_of_the_format_is_known(void **state)
{
    (void)state;
    enum { n = sizeof format_dtypes / sizeof *format_dtypes };
    assert_int_equal(n, EL_DTYPES);
    for (int i = 0; i < n; i++) {
        struct el_safetensors st;
        struct el_error err = {0};
        char header[128];
        int bytes = format_dtypes[i].bits;
        snprintf(header, sizeof header,
                 "{\"a\":{\"dtype\":\"%s\",\"shape\":[2,4],\"data_offsets\":[0,%d]}}",
                 format_dtypes[i].name, bytes);
        struct el_buf b = file_of(header, (size_t)bytes);
        assert_int_equal(el_safetensors_parse(&st, "x", b.data, b.len, &err), 0);
        assert_int_equal(el_dtype_bits(st.tensors->dtype), format_dtypes[i].bits);
        assert_int_equal(st.tensors->bytes, bytes);
        assert_int_equal(el_safetensors_write(in_folder("dtype"), st.tensors, 1, NULL, 0, &err), 0);
        el_safetensors_release(&st);
        el_buf_release(&b);
        assert_int_equal(el_safetensors_open(&st, in_folder("dtype"), &err), 0);
        assert_string_equal(el_dtype_name(st.tensors->dtype), format_dtypes[i].name);
        assert_int_equal(st.tensors->bytes, bytes);
        el_safetensors_release(&st);
        for (int more = -1; more <= 1; more += 2) {
            snprintf(header, sizeof header,
                     "{\"a\":{\"dtype\":\"%s\",\"shape\":[2,4],\"data_offsets\":[0,%d]}}",
                     format_dtypes[i].name, bytes + more);
            assert_int_equal(parse(header, (size_t)(bytes + more), &err), EL_EFORMAT);
            assert_non_null(strstr(err.msg, format_dtypes[i].name));
        }
    }
}

#define T(name, dtype, shape, offsets)                                                             \
    "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}"

static void well_formed_headers(void **state)
{
    (void)state;
    assert_int_equal(parse("{}", 0, NULL), 0);
    assert_int_equal(parse("{}      ", 0, NULL), 0);
    assert_int_equal(parse("{\"__metadata__\":{}}", 0, NULL), 0);
    assert_int_equal(parse("{" T("a", "F32", "[2]", "[0,8]") "}", 8, NULL), 0);
    assert_int_equal(parse("{" T("a", "F64", "[]", "[0,8]") "}", 8, NULL), 0);
    assert_int_equal(parse("{" T("a", "F16", "[2,2]", "[0,8]") "}", 8, NULL), 0);
    assert_int_equal(parse("{" T("a", "I32", "[2]", "[0,8]") "}", 8, NULL), 0);
    assert_int_equal(parse("{" T("a", "U8", "[8]", "[0,8]") "}", 8, NULL), 0);
    assert_int_equal(parse("{" T("a", "F8_E4M3", "[8]", "[0,8]") "}", 8, NULL), 0);
    assert_int_equal(
        parse("{" T("b", "U8", "[4]", "[4,8]") "," T("a", "U8", "[4]", "[0,4]") "}", 8, NULL), 0);
    assert_int_equal(
        parse("{" T("b", "U8", "[0]", "[0,0]") "," T("a", "U8", "[4]", "[0,4]") "}", 4, NULL), 0);
}

static const struct {
    const char *header;
    size_t data;
    const char *says;
} malformed[] = {
    {"", 0, "JSON"},
    {"[]", 0, "must be a JSON object"},
    {"{\"a\":1}", 0, "'a': its header entry must be an object"},
    {"{\"a\":{}}", 0, "missing 'dtype'"},
    {"{} x", 0, "JSON"},
    {"{" T("a", "F31", "[2]", "[0,8]") "}", 8, "dtype 'F31' is unknown"},
    {"{" T("a", "BOOL ", "[8]", "[0,8]") "}", 8, "dtype 'BOOL ' is unknown"},
    {"{" T("a", "F4", "[3]", "[0,2]") "}", 2, "its 12 bits (dtype F4) are no whole bytes"},
    {"{" T("a", "F6_E2M3", "[2]", "[0,2]") "}", 2, "its 12 bits (dtype F6_E2M3) are no whole"},
    {"{\"a\":{\"dtype\":3,\"shape\":[2],\"data_offsets\":[0,8]}}", 8, "missing 'dtype'"},
    {"{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,8]}}", 8, "missing 'shape'"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2]}}", 8, "'data_offsets' must be two"},
    {"{" T("a", "F32", "2", "[0,8]") "}", 8, "missing 'shape'"},
    {"{" T("a", "F32", "[-2]", "[0,8]") "}", 8, "integers of 0 or more"},
    {"{" T("a", "F32", "[2.5]", "[0,8]") "}", 8, "integers of 0 or more"},
    {"{" T("a", "F32", "[1e300]", "[0,8]") "}", 8, "integers of 0 or more"},
    {"{" T("a", "F32", "[\"2\"]", "[0,8]") "}", 8, "integers of 0 or more"},
    {"{" T("a", "F32", "[4294967296,4294967296]", "[0,8]") "}", 8, "too large"},
    {"{" T("a", "F32", "[4503599627370496,1024]", "[0,0]") "}", 0, "too large"},
    {"{" T("a", "U8", "[1,1,1,1,1,1,1,1,8]", "[0,8]") "}", 8, "more than 8 dimensions"},
    {"{" T("a", "F32", "[2]", "[0,4]") "}", 4, "has 4 bytes of data"},
    {"{" T("a", "F32", "[2]", "[0,12]") "}", 12, "has 12 bytes of data"},
    {"{" T("a", "F32", "[2]", "[8,0]") "}", 8, "do not lie in"},
    {"{" T("a", "F32", "[2]", "[0,8]") "}", 7, "truncated"},
    {"{" T("a", "F32", "[2]", "[8,16]") "}", 8, "truncated"},
    {"{" T("a", "F32", "[2]", "[-8,0]") "}", 8, "must be two integers"},
    {"{" T("a", "F32", "[2]", "[0,8,8]") "}", 8, "must be two integers"},
    {"{" T("a", "F32", "[2]", "[0]") "}", 8, "must be two integers"},
    {"{" T("a", "F32", "[2]", "[0,9007199254740994]") "}", 8, "must be two integers"},
    {"{" T("a", "F32", "[2]", "[0,8]") "}", 9, "1 bytes at its end"},
    {"{" T("a", "U8", "[4]", "[0,4]") "," T("b", "U8", "[4]", "[3,7]") "}", 7, "overlaps"},
    {"{" T("a", "U8", "[4]", "[0,4]") "," T("b", "U8", "[4]", "[0,4]") "}", 4, "overlaps"},
    {"{" T("a", "U8", "[4]", "[0,4]") "," T("b", "U8", "[4]", "[5,9]") "}", 9, "1 bytes before"},
    {"{" T("a", "U8", "[4]", "[0,4]") "," T("a", "U8", "[4]", "[4,8]") "}", 8, "appears twice"},
    {"{\"a\":{\"dtype\":\"U8\",\"dtype\":\"I32\",\"shape\":[4],\"data_offsets\":[0,4]}}", 4,
     "once"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4],\"x\":1}}", 4, "once"},
    {"{\"__metadata__\":[]}", 0, "must be an object"},
    {"{\"__metadata__\":{\"k\":1}}", 0, "'k' must be a string"},
    {"{\"__metadata__\":{},\"__metadata__\":{}}", 0, "appears twice"},
};

static void malformed_headers_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof malformed / sizeof *malformed; i++) {
        struct el_error err = {0};
        int rc = parse(malformed[i].header, malformed[i].data, &err);
        if (rc != EL_EFORMAT || !strstr(err.msg, malformed[i].says) ||
            !strstr(err.msg, "x.safetensors"))
            fail_msg("%s: code %d, '%s' lacks '%s'", malformed[i].header, rc, err.msg,
                     malformed[i].says);
    }
}

static void lengths_that_lie_are_refused(void **state)
{
    (void)state;
    struct el_safetensors st;
    struct el_error err = {0};
    struct el_buf b = file_of("{}", 0);
    uint64_t huge[] = {3, 1000, EL_ST_MAX_HEADER, EL_ST_MAX_HEADER + 1ull, UINT64_MAX};
    for (size_t i = 0; i < sizeof huge / sizeof *huge; i++) {
        memcpy(b.data, &huge[i], sizeof huge[i]);
        assert_int_equal(el_safetensors_parse(&st, "x", b.data, b.len, &err), EL_EFORMAT);
    }
    assert_non_null(strstr(err.msg, "at most 100000000"));
    el_buf_release(&b);
}

static void deep_nesting_is_refused(void **state)
{
    (void)state;
    struct el_buf b;
    el_buf_init(&b);
    for (int i = 0; i < 100000; i++)
        el_buf_putc(&b, '[');
    assert_int_equal(parse(b.data, 0, NULL), EL_EFORMAT);
    el_buf_release(&b);
}

static void every_truncation_is_refused(void **state)
{
    (void)state;
    struct el_buf b;
    el_buf_init(&b);
    assert_int_equal(write_sample(in_folder("whole"), NULL), 0);
    assert_int_equal(el_file_read(in_folder("whole"), 0, &b, NULL), 0);
    for (size_t n = 0; n < b.len; n++) {
        struct el_safetensors st;
        struct el_error err = {0};
        char *copy = el_alloc(n); /* its own block, so that a sanitizer sees reads past the end */
        memcpy(copy, b.data, n);
        assert_int_equal(el_safetensors_parse(&st, "cut", copy, n, &err), EL_EFORMAT);
        assert_non_null(strstr(err.msg, "cut: "));
        el_free(copy);
    }
    el_buf_release(&b);
}

static void files_that_are_none(void **state)
{
    (void)state;
    struct el_safetensors st;
    struct el_error err = {0};
    assert_int_equal(el_safetensors_open(&st, in_folder("absent"), &err), EL_EIO);
    assert_int_equal(el_safetensors_open(&st, folder, &err), EL_EIO);
    assert_int_equal(el_file_write(in_folder("zero"), "", 0, &err), 0);
    assert_int_equal(el_safetensors_open(&st, in_folder("zero"), &err), EL_EFORMAT);
    assert_non_null(strstr(err.msg, "too few"));
}

static void allocation_failures(void **state)
{
    (void)state;
    char path[256];
    snprintf(path, sizeof path, "%s", in_folder("alloc"));
    int rc = EL_ENOMEM;
    for (long n = 1; rc != 0; n++) {
        struct el_safetensors st;
        struct el_error err = {0};
        el_alloc_fail_after(n);
        rc = write_sample(path, &err);
        if (rc == 0)
            rc = el_safetensors_open(&st, path, &err);
        el_alloc_fail_after(0);
        if (rc == 0)
            el_safetensors_release(&st);
        else
            assert_int_equal(rc, EL_ENOMEM);
        assert_in_range(n, 1, 100);
    }
}

static void a_full_disk_leaves_the_old_file(void **state)
{
    (void)state;
    struct el_error err = {0};
    struct el_buf before, after;
    struct rlimit old, small;
    char path[256], *big = el_alloc_array(1 << 16, 1);
    snprintf(path, sizeof path, "%s", in_folder("full"));
    struct el_st_tensor t = {
        .name = "big", .dtype = EL_U8, .dims = 1, .shape = {1 << 16}, .data = big};
    el_buf_init(&before);
    el_buf_init(&after);
    assert_int_equal(write_sample(path, &err), 0);
    assert_int_equal(el_file_read(path, 0, &before, &err), 0);

    getrlimit(RLIMIT_FSIZE, &old);
    small = old;
    small.rlim_cur = 30000;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    int rc = el_safetensors_write(path, &t, 1, NULL, 0, &err);
    setrlimit(RLIMIT_FSIZE, &old);

    assert_int_equal(rc, EL_EIO);
    assert_non_null(strstr(err.msg, "cannot write"));
    assert_int_equal(el_file_read(path, 0, &after, &err), 0);
    assert_int_equal(before.len, after.len);
    assert_memory_equal(before.data, after.data, before.len);
    el_buf_release(&before);
    el_buf_release(&after);
    el_free(big);
}

static void a_short_stream_is_not_published(void **state)
{
    (void)state;
    struct el_st_writer w;
    struct el_error err = {0};
    char path[256];
    snprintf(path, sizeof path, "%s", in_folder("short"));
    assert_int_equal(el_st_writer_begin(&w, path, sample, 1, NULL, 0, &err), 0);
    assert_int_equal(el_st_writer_add(&w, values, 20, &err), 0);
    assert_int_equal(el_st_writer_commit(&w, &err), EL_EINVAL);
    assert_non_null(strstr(err.msg, "20 bytes"));
    assert_false(el_path_exists(path));
    el_st_writer_discard(&w); /* harmless now */
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

/* Fails when a test left a temporary file behind. */
static int remove_folder(void **state)
{
    static const char *const names[] = {"round", "aligned", "need", "whole",
                                        "zero",  "alloc",   "full", "dtype"};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unlink(in_folder(names[i]));
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bf16_rounds_to_nearest_even),
        cmocka_unit_test(every_bf16_survives),
        cmocka_unit_test(f16_widens_exactly),
        cmocka_unit_test(e8m0_is_a_power_of_two),
        cmocka_unit_test(other_dtypes_are_not_widened),
        cmocka_unit_test(every_dtype_of_the_format_is_known),
        cmocka_unit_test(what_is_written_is_read_back),
        cmocka_unit_test(the_header_is_aligned),
        cmocka_unit_test(the_size_is_known_before),
        cmocka_unit_test(need_names_what_it_expected),
        cmocka_unit_test(well_formed_headers),
        cmocka_unit_test(malformed_headers_are_refused),
        cmocka_unit_test(lengths_that_lie_are_refused),
        cmocka_unit_test(deep_nesting_is_refused),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(files_that_are_none),
        cmocka_unit_test(allocation_failures),
        cmocka_unit_test(a_full_disk_leaves_the_old_file),
        cmocka_unit_test(a_short_stream_is_not_published),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
