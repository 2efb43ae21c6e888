/* Malformed and unsupported tokenizer.json files: each is refused with a message that names the
 * field. Every file is a good one with one place changed. */
#include "core/base/alloc.h"
#include "core/base/json.h"
#include "core/text/tokenizer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

/* vocab: the bytes a, b, c, space, and three merges. */
static const char good[] =
    "{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,\"normalizer\":null,"
    "\"added_tokens\":["
    "{\"id\":7,\"content\":\"<s>\",\"single_word\":false,\"lstrip\":false,\"rstrip\":false,"
    "\"normalized\":false,\"special\":true},"
    "{\"id\":9,\"content\":\"ca\",\"single_word\":false,\"lstrip\":false,\"rstrip\":false,"
    "\"normalized\":true,\"special\":false}],"
    "\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":["
    "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"b+\"},\"behavior\":\"Isolated\",\"invert\":false}"
    ","
    "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":true,\"use_regex\":false}"
    "]},\"post_processor\":null,\"decoder\":{\"type\":\"ByteLevel\"},"
    "\"model\":{\"type\":\"BPE\",\"dropout\":null,\"unk_token\":null,"
    "\"continuing_subword_prefix\":null,\"end_of_word_suffix\":null,\"byte_fallback\":false,"
    "\"ignore_merges\":false,"
    "\"vocab\":{\"a\":0,\"b\":1,\"c\":2,\"\u0120\":3,\"aa\":4,\"aac\":5,\"\u0120a\":6},"
    "\"merges\":[\"a a\",[\"aa\",\"c\"],\"\u0120 a\"]}}";

static int parse(const char *json, struct el_tokenizer **t, struct el_error *err)
{
    *t = NULL;
    return el_tokenizer_parse("t.json", json, strlen(json), t, err);
}

/* The file with the first `from` replaced by `to`. */
static char *changed_in(const char *file, const char *from, const char *to)
{
    const char *at = strstr(file, from);
    if (!at)
        fail_msg("the good file has no '%s'", from);
    struct el_buf b;
    el_buf_init(&b);
    assert_int_equal(el_buf_add(&b, file, (size_t)(at - file)), 0);
    assert_int_equal(el_buf_puts(&b, to), 0);
    assert_int_equal(el_buf_puts(&b, at + strlen(from)), 0);
    return el_buf_detach(&b);
}

static char *changed(const char *from, const char *to)
{
    return changed_in(good, from, to);
}

static void expect_failure(const char *json, int code, const char *part)
{
    struct el_tokenizer *t;
    struct el_error err = {0};
    int rc = parse(json, &t, &err);
    if (rc != code || !strstr(err.msg, part) || strncmp(err.msg, "t.json", 6) != 0)
        fail_msg("expected %s with '%s', found %s with '%s'", el_error_name(code), part,
                 el_error_name(rc), err.msg);
    assert_null(t);
    assert_int_equal(parse(json, &t, NULL), code);
}

struct change {
    const char *from, *to;
    int code;
    const char *part; /* must stand in the message */
};

static void expect_failures(const struct change *c, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char *json = changed(c[i].from, c[i].to);
        expect_failure(json, c[i].code, c[i].part);
        el_free(json);
    }
}

#define EXPECT_FAILURES(list) expect_failures(list, sizeof list / sizeof *list)

static void encode(const struct el_tokenizer *t, const char *text, int flags, const char *want)
{
    struct el_tokens ids;
    struct el_error err = {0};
    el_tokens_init(&ids);
    if (el_tokenizer_encode(t, text, strlen(text), flags, &ids, &err) < 0)
        fail_msg("%s", err.msg);
    assert_int_equal(ids.len, strlen(want));
    for (size_t i = 0; i < ids.len; i++)
        assert_int_equal(ids.ids[i], want[i] - '0');
    el_tokens_release(&ids);
}

static void the_good_file_is_good(void **state)
{
    (void)state;
    struct el_tokenizer *t;
    struct el_error err = {0};
    if (parse(good, &t, &err) < 0)
        fail_msg("%s", err.msg);
    assert_int_equal(err.code, 0);
    assert_int_equal(el_tokenizer_vocab_size(t), 10);
    encode(t, "aac aab", EL_ENCODE_PLAIN, "5341");
    encode(t, "aca", EL_ENCODE_PLAIN, "09");
    encode(t, "b<s>b", EL_ENCODE_SPECIAL, "171");
    int32_t unused = 8;
    struct el_buf out;
    el_buf_init(&out);
    assert_int_equal(el_tokenizer_decode(t, &unused, 1, 0, &out), EL_EINVAL);
    el_buf_release(&out);
    el_tokenizer_free(t);
}

static void a_byte_without_a_token_is_refused(void **state)
{
    (void)state;
    struct el_tokenizer *t;
    struct el_tokens ids;
    struct el_error err = {0};
    assert_int_equal(parse(good, &t, &err), 0);
    el_tokens_init(&ids);
    assert_int_equal(el_tokens_push(&ids, 3), 0);
    assert_int_equal(el_tokenizer_encode(t, "aaca\xC3\xA9", 6, 0, &ids, &err), EL_EREFUSED);
    assert_non_null(strstr(err.msg, "0xC3"));
    assert_int_equal(ids.len, 1);
    assert_int_equal(el_tokenizer_encode(t, "<s>", 3, EL_ENCODE_PLAIN, &ids, &err), EL_EREFUSED);
    assert_non_null(strstr(err.msg, "0x3C"));
    el_tokens_release(&ids);
    el_tokenizer_free(t);
}

static void broken_json(void **state)
{
    (void)state;
    expect_failure("", EL_EFORMAT, "not valid JSON");
    expect_failure("[]", EL_EFORMAT, "must be an object");
    expect_failure("{}", EL_EFORMAT, "decoder");
    expect_failure("{\"model\":{}", EL_EFORMAT, "not valid JSON");
    struct el_error err = {0};
    struct el_tokenizer *t;
    assert_int_equal(el_tokenizer_load("/nonexistent/tokenizer.json", &t, &err), EL_EIO);
    assert_non_null(strstr(err.msg, "/nonexistent/tokenizer.json"));
    for (size_t n = 0; n + 1 < strlen(good); n++)
        assert_int_equal(el_tokenizer_parse("t", good, n, &t, &err), EL_EFORMAT);
}

static void model(void **state)
{
    (void)state;
    static const struct change list[] = {
        {"\"model\":", "\"modell\":", EL_EFORMAT, "'model'"},
        {"\"BPE\"", "\"Unigram\"", EL_EREFUSED, "model.type"},
        {"\"type\":\"BPE\",", "", EL_EFORMAT, "'type'"},
        {"\"dropout\":null", "\"dropout\":0.1", EL_EREFUSED, "model.dropout"},
        {"\"dropout\":null", "\"dropout\":\"x\"", EL_EFORMAT, "'dropout'"},
        {"prefix\":null", "prefix\":\"##\"", EL_EREFUSED, "continuing_subword_prefix"},
        {"suffix\":null", "suffix\":\"</w>\"", EL_EREFUSED, "end_of_word_suffix"},
        {"fallback\":false", "fallback\":true", EL_EREFUSED, "byte_fallback"},
        {"ignore_merges\":false", "ignore_merges\":1", EL_EFORMAT, "'ignore_merges'"},
        {"\"vocab\":", "\"vocabulary\":", EL_EFORMAT, "model.vocab"},
        {"\"a\":0", "\"a\":1", EL_EFORMAT, "id 1 of 'b' is taken"},
        {"\"a\":0", "\"b\":0", EL_EFORMAT, "spelled the same: 'b'"},
        {"\"a\":0", "\"\xC3\":0,\"\xC3\":8,\"a\":7", EL_EFORMAT, "spelled the same"},
        {"\"a\":0", "\"a\":-1", EL_EFORMAT, "the id of 'a'"},
        {"\"a\":0", "\"a\":0.5", EL_EFORMAT, "the id of 'a'"},
        {"\"a\":0", "\"a\":\"0\"", EL_EFORMAT, "the id of 'a'"},
        {"\"a\":0", "\"a\":1e300", EL_EFORMAT, "the id of 'a'"},
        {"\"a\":0", "\"a\":2000000000", EL_EFORMAT, "the id of 'a'"},
    };
    EXPECT_FAILURES(list);
}

static void merges(void **state)
{
    (void)state;
    static const struct change list[] = {
        {"\"merges\":[", "\"merges\":7,\"x\":[", EL_EFORMAT, "model.merges must be"},
        {"\"a a\"", "\"aa\"", EL_EFORMAT, "model.merges[0]: expected two tokens"},
        {"\"a a\"", "\"a a a\"", EL_EFORMAT, "model.merges[0]: expected two tokens"},
        {"\"a a\"", "\"a  a\"", EL_EFORMAT, "model.merges[0]: expected two tokens"},
        {"\"a a\"", "\"a x\"", EL_EFORMAT, "model.merges[0]: 'x' is not in"},
        {"\"a a\"", "\"x a\"", EL_EFORMAT, "model.merges[0]: 'x' is not in"},
        {"\"a a\"", "\"a b\"", EL_EFORMAT, "model.merges[0]: 'ab' is not in"},
        {"\"a a\"", "7", EL_EFORMAT, "model.merges[0]: expected"},
        {"[\"aa\",\"c\"]", "[\"aa\"]", EL_EFORMAT, "model.merges[1]: expected"},
        {"[\"aa\",\"c\"]", "[\"aa\",\"c\",\"c\"]", EL_EFORMAT, "model.merges[1]: expected"},
        {"[\"aa\",\"c\"]", "[\"aa\",3]", EL_EFORMAT, "model.merges[1]: expected"},
        {"[\"aa\",\"c\"]", "{\"aa\":3,\"c\":4}", EL_EFORMAT, "model.merges[1]: expected"},
    };
    EXPECT_FAILURES(list);
}

static void added_tokens(void **state)
{
    (void)state;
    static const struct change list[] = {
        {"\"added_tokens\":[", "\"added_tokens\":3,\"x\":[", EL_EFORMAT, "added_tokens must be"},
        {"\"added_tokens\":[", "\"added_tokens\":[1,", EL_EFORMAT, "added_tokens[0] must be"},
        {"\"content\":\"ca\"", "\"content\":7", EL_EFORMAT, "added_tokens[1]: field 'content'"},
        {"\"content\":\"ca\",", "", EL_EFORMAT, "added_tokens[1]: missing field 'content'"},
        {"\"content\":\"ca\"", "\"content\":\"\"", EL_EFORMAT, "added_tokens[1]: content"},
        {"\"content\":\"ca\"", "\"content\":\"\xFF\"", EL_EFORMAT, "content is not UTF-8"},
        {"\"content\":\"ca\"", "\"content\":\"<s>\"", EL_EFORMAT, "'<s>' stands there twice"},
        {"\"content\":\"ca\"", "\"content\":\"aa\"", EL_EFORMAT, "id 9 here and 4 in model.vocab"},
        {"\"id\":9", "\"id\":7", EL_EFORMAT, "added_tokens[1]: id 7 of 'ca' is taken"},
        {"\"id\":9", "\"id\":2", EL_EFORMAT, "added_tokens[1]: id 2 of 'ca' is taken"},
        {"\"id\":9", "\"id\":\"9\"", EL_EFORMAT, "added_tokens[1]: the id of 'ca'"},
        {"\"id\":9", "\"id\":-9", EL_EFORMAT, "added_tokens[1]: the id of 'ca'"},
        {"\"id\":9", "\"id\":8.5", EL_EFORMAT, "added_tokens[1]: the id of 'ca'"},
        {"\"id\":9", "\"id\":2000000000", EL_EFORMAT, "added_tokens[1]: the id of 'ca'"},
        {"\"id\":9", "\"idd\":9", EL_EFORMAT, "added_tokens[1]: the id of 'ca'"},
        {"word\":false", "word\":0", EL_EFORMAT, "added_tokens[0]: field 'single_word'"},
        {"lstrip\":false", "lstrip\":\"\"", EL_EFORMAT, "added_tokens[0]: field 'lstrip'"},
        {"rstrip\":false", "rstrip\":[]", EL_EFORMAT, "added_tokens[0]: field 'rstrip'"},
        {"special\":true", "special\":3", EL_EFORMAT, "added_tokens[0]: field 'special'"},
        {"normalized\":false", "normalized\":3", EL_EFORMAT, "added_tokens[0]: field 'normalized'"},
    };
    EXPECT_FAILURES(list);
}

/* U+00E9 spells the byte 0xE9: as an added token the same id would mean two texts. */
static void an_added_token_with_two_texts(void **state)
{
    (void)state;
    char *json = changed("\"a\":0", "\"\xC3\xA9\":8,\"a\":0");
    struct el_tokenizer *t;
    struct el_error err = {0};
    assert_int_equal(parse(json, &t, &err), 0);
    el_tokenizer_free(t);
    char *at = strstr(json, "\"id\":9,\"content\":\"ca\"");
    memcpy(at, "\"id\":8,\"content\":\"\xC3\xA9\"", strlen("\"id\":9,\"content\":\"ca\""));
    expect_failure(json, EL_EREFUSED, "added_tokens[1]: '\xC3\xA9' is also the spelling");
    el_free(json);
}

static void pre_tokenizer(void **state)
{
    (void)state;
    static const struct change list[] = {
        {"\"pre_tokenizer\":", "\"pre\":", EL_EFORMAT, "pre_tokenizer: missing field 'type'"},
        {"\"Sequence\"", "\"Whitespace\"", EL_EREFUSED, "type 'Whitespace' is not supported"},
        {"\"Sequence\"", "\"ByteLevel\"", EL_EFORMAT, "pre_tokenizer: missing field 'add_prefix"},
        {"\"Sequence\"", "7", EL_EFORMAT, "pre_tokenizer: field 'type'"},
        {"\"pretokenizers\":", "\"steps\":", EL_EFORMAT, "'pretokenizers'"},
        {"\"Split\"", "\"Punctuation\"", EL_EREFUSED, "pretokenizers[0]: type 'Punctuation'"},
        {"\"Split\"", "\"Digits\"", EL_EFORMAT, "[0]: missing field 'individual_digits'"},
        {"\"Split\"", "\"Digits\",\"individual_digits\":2", EL_EFORMAT,
         "pretokenizers[0]: field 'individual_digits'"},
        {"\"Split\"", "\"ByteLevel\"", EL_EREFUSED, "pretokenizers[0]: the last step"},
        {"\"ByteLevel\"", "\"Split\"", EL_EREFUSED, "pretokenizers[1]: the last step"},
        {"\"Regex\":\"b+\"", "\"Regex\":\"(b\"", EL_EFORMAT, "pretokenizers[0]: the pattern is"},
        {"\"Regex\":\"b+\"", "\"Regex\":\"\\\\C\"", EL_EREFUSED, "[0]: the pattern holds '\\C'"},
        {"\"Regex\":\"b+\"", "\"Regex\":\"b\\\\w\"", EL_EREFUSED, "[0]: the pattern holds '\\w'"},
        {"\"Regex\":\"b+\"", "\"Regex\":\"\xFF\"", EL_EFORMAT, "pretokenizers[0]: the pattern is"},
        {"\"Regex\":\"b+\"", "\"Regex\":\"\"", EL_EFORMAT, "pretokenizers[0]: pattern must"},
        {"\"Regex\":\"b+\"", "\"Regex\":1", EL_EFORMAT, "pretokenizers[0]: pattern must"},
        {"{\"Regex\":\"b+\"}", "\"b+\"", EL_EFORMAT, "pretokenizers[0]: pattern must"},
        {"\"Isolated\"", "\"isolated\"", EL_EFORMAT, "pretokenizers[0]: unknown behavior"},
        {"\"behavior\":\"Isolated\",", "", EL_EFORMAT, "missing field 'behavior'"},
        {"\"invert\":false", "\"invert\":0", EL_EFORMAT, "pretokenizers[0]: field 'invert'"},
        {"space\":false", "space\":1", EL_EFORMAT, "[1]: field 'add_prefix_space'"},
        {"use_regex\":false", "use_regex\":1", EL_EFORMAT, "[1]: field 'use_regex'"},
        {"\"decoder\":{\"type\":\"ByteLevel\"}", "\"decoder\":{\"type\":\"Fuse\"}", EL_EREFUSED,
         "decoder: type 'Fuse'"},
        {"\"decoder\":{\"type\":\"ByteLevel\"}", "\"decoder\":null", EL_EFORMAT, "decoder"},
    };
    EXPECT_FAILURES(list);
}

static void normalizer(void **state)
{
    (void)state;
#define NORMALIZER(json) "\"normalizer\":null", "\"normalizer\":" json
#define SEQUENCE(steps)  NORMALIZER("{\"type\":\"Sequence\",\"normalizers\":" steps "}")
#define NFC              "{\"type\":\"NFC\"}"
    static const struct change list[] = {
        {NORMALIZER("7"), EL_EFORMAT, "normalizer: "},
        {NORMALIZER("{}"), EL_EFORMAT, "normalizer: missing field 'type'"},
        {NORMALIZER("{\"type\":\"Lowercase\"}"), EL_EREFUSED, "normalizer: type 'Lowercase'"},
        {SEQUENCE("7"), EL_EFORMAT, "normalizer: field 'normalizers'"},
        {SEQUENCE("[" NFC ",7]"), EL_EFORMAT, "normalizer.normalizers[1]: "},
        {SEQUENCE("[{\"type\":\"Sequence\"}]"), EL_EREFUSED, "normalizer.normalizers[0]: type"},
        {SEQUENCE("[" NFC "," NFC "," NFC "," NFC "," NFC "," NFC "," NFC "," NFC "," NFC "]"),
         EL_ELIMIT, "normalizer.normalizers[8]: more than 8 steps"},
    };
    EXPECT_FAILURES(list);
}

static void too_many_steps(void **state)
{
    (void)state;
    struct el_buf b;
    el_buf_init(&b);
    for (int i = 0; i < 17; i++)
        assert_int_equal(el_buf_puts(&b, "{\"type\":\"Split\",\"pattern\":{\"String\":\"b\"},"
                                         "\"behavior\":\"Isolated\"},"),
                         0);
    assert_int_equal(el_buf_puts(&b, "{\"type\":\"Split\""), 0);
    char *json = changed("{\"type\":\"Split\"", b.data);
    expect_failure(json, EL_ELIMIT, "pretokenizers[16]: more than 16 steps");
    el_free(json);
    el_buf_release(&b);
}

static void an_empty_normalizer_is_none(void **state)
{
    (void)state;
    char *json =
        changed("\"normalizer\":null", "\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[]}");
    struct el_tokenizer *t;
    assert_int_equal(parse(json, &t, NULL), 0);
    encode(t, "aac", EL_ENCODE_PLAIN, "5");
    el_tokenizer_free(t);
    el_free(json);
}

/* A pattern that backtracks without end is an error and not a hang. */
static void a_hostile_pattern_is_stopped(void **state)
{
    (void)state;
    char *json = changed("\"Regex\":\"b+\"", "\"Regex\":\"(?:a|a|aa)+(?<!a)\"");
    struct el_tokenizer *t;
    struct el_tokens ids;
    struct el_error err = {0};
    char text[200];
    memset(text, 'a', sizeof text);
    assert_int_equal(parse(json, &t, &err), 0);
    el_tokens_init(&ids);
    assert_int_equal(el_tokenizer_encode(t, text, sizeof text, 0, &ids, &err), EL_ELIMIT);
    assert_non_null(strstr(err.msg, "pre_tokenizer"));
    assert_int_equal(ids.len, 0);
    el_tokens_release(&ids);
    el_tokenizer_free(t);
    el_free(json);
}

/* Two contents that the normalizer makes equal. */
static void added_tokens_with_one_normal_form(void **state)
{
    (void)state;
    char *nfc = changed(NORMALIZER(NFC));
    char *json = changed_in(nfc, "{\"id\":9,",
                            "{\"id\":8,\"content\":\"\u00E9\"},"
                            "{\"id\":10,\"content\":\"e\u0301\"},{\"id\":9,");
    expect_failure(json, EL_EFORMAT, "'\u00E9' stands there twice");
    el_free(json);
    el_free(nfc);
}

static int parse_and_encode(const char *json, struct el_tokens *ids, struct el_buf *text,
                            struct el_error *err)
{
    struct el_tokenizer *t;
    int rc = parse(json, &t, err);
    assert_int_equal(err->code, rc);
    if (rc < 0)
        return rc;
    rc = el_tokenizer_encode(t, "aac<s> ab\uFF42a", 13, EL_ENCODE_SPECIAL, ids, err);
    assert_int_equal(err->code, rc);
    if (rc == 0)
        rc = el_tokenizer_decode(t, ids->ids, ids->len, 0, text);
    int id = el_tokenizer_id(t, "aac");
    assert_true(id == 5 || id == EL_ENOMEM);
    el_tokenizer_free(t);
    return rc;
}

/* With a normalizer, \s in a pattern, a token that has another normal form and one that takes
 * white space. */
static char *rich(void)
{
    char *json = changed(NORMALIZER("{\"type\":\"NFKC\"}"));
    static const char *const changes[][2] = {
        {"\"content\":\"ca\"", "\"content\":\"\uFB01\""},
        {"\"rstrip\":false", "\"rstrip\":true"},
        {"\"b+\"", "\"b\\\\s\""},
    };
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        char *next = changed_in(json, changes[i][0], changes[i][1]);
        el_free(json);
        json = next;
    }
    return json;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    int rc = EL_ENOMEM;
    long n;
    char *json = rich();
    for (n = 1; rc < 0; n++) {
        struct el_error err = {0};
        struct el_tokens ids;
        struct el_buf text;
        el_tokens_init(&ids);
        el_buf_init(&text);
        el_alloc_fail_after(n);
        rc = parse_and_encode(json, &ids, &text, &err);
        el_alloc_fail_after(0);
        assert_true(rc == 0 || rc == EL_ENOMEM);
        assert_true(rc < 0 || strcmp(text.data, "aac<s>abba") == 0);
        el_buf_release(&text);
        el_tokens_release(&ids);
        assert_true(n < 10000);
    }
    assert_true(n > 30);
    el_free(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_good_file_is_good),
        cmocka_unit_test(a_byte_without_a_token_is_refused),
        cmocka_unit_test(broken_json),
        cmocka_unit_test(model),
        cmocka_unit_test(merges),
        cmocka_unit_test(added_tokens),
        cmocka_unit_test(an_added_token_with_two_texts),
        cmocka_unit_test(pre_tokenizer),
        cmocka_unit_test(normalizer),
        cmocka_unit_test(too_many_steps),
        cmocka_unit_test(added_tokens_with_one_normal_form),
        cmocka_unit_test(an_empty_normalizer_is_none),
        cmocka_unit_test(a_hostile_pattern_is_stopped),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
