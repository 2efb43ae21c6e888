/* The ids of the Hugging Face `tokenizers` library; golden/make_golden.py made the files. */
#include "core/base/alloc.h"
#include "core/base/json.h"
#include "core/text/tokenizer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static const char tokenizer_path[] = EL_SOURCE_DIR "/tests/text/golden/tokenizer.json";
static const char cases_path[] = EL_SOURCE_DIR "/tests/text/golden/cases.json";

static cJSON *load_cases(void)
{
    struct el_error err = {0};
    cJSON *cases = NULL;
    if (el_json_load(cases_path, &cases, &err) < 0)
        fail_msg("%s", err.msg);
    return cases;
}

static const char *text_of(const cJSON *c)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(c, "text"));
}

static void expect_ids(const struct el_tokenizer *t, const cJSON *c, const char *key, int flags,
                       const char *what)
{
    const cJSON *want = cJSON_GetObjectItemCaseSensitive(c, key), *id;
    struct el_error err = {0};
    struct el_tokens got;
    el_tokens_init(&got);
    const char *text = text_of(c);
    if (el_tokenizer_encode(t, text, strlen(text), flags, &got, &err) < 0)
        fail_msg("%s, '%s': %s", what, text, err.msg);
    size_t i = 0;
    cJSON_ArrayForEach(id, want)
    {
        if (i >= got.len || got.ids[i] != id->valueint)
            fail_msg("%s, '%s' (%s): id %zu of %zu is %d, expected %d", what, text, key, i, got.len,
                     i < got.len ? got.ids[i] : -1, id->valueint);
        i++;
    }
    assert_int_equal(got.len, i);
    el_tokens_release(&got);
}

static void expect_round_trip(const struct el_tokenizer *t, const char *text)
{
    struct el_tokens ids;
    struct el_buf back;
    el_tokens_init(&ids);
    el_buf_init(&back);
    assert_int_equal(el_tokenizer_encode(t, text, strlen(text), EL_ENCODE_SPECIAL, &ids, NULL), 0);
    assert_int_equal(el_tokenizer_decode(t, ids.ids, ids.len, 0, &back), 0);
    assert_string_equal(back.data, text);
    el_buf_release(&back);
    el_tokens_release(&ids);
}

static void deepseek_shape(void **state)
{
    (void)state;
    struct el_error err = {0};
    struct el_tokenizer *t = NULL;
    if (el_tokenizer_load(tokenizer_path, &t, &err) < 0)
        fail_msg("%s", err.msg);
    cJSON *all = load_cases();
    const cJSON *c, *cases = cJSON_GetObjectItemCaseSensitive(all, "cases");
    assert_true(cJSON_GetArraySize(cases) > 100);
    cJSON_ArrayForEach(c, cases)
    {
        expect_ids(t, c, "special", EL_ENCODE_SPECIAL, "golden");
        expect_ids(t, c, "plain", EL_ENCODE_PLAIN, "golden");
        expect_round_trip(t, text_of(c));
    }
    cJSON_Delete(all);
    el_tokenizer_free(t);
}

static void set_item(cJSON *object, const char *key, cJSON *value)
{
    assert_true(cJSON_ReplaceItemInObjectCaseSensitive(object, key, value));
}

static struct el_tokenizer *make_variant(const cJSON *base, const cJSON *variant)
{
    cJSON *whole = cJSON_Duplicate(base, 1);
    cJSON *model = cJSON_GetObjectItemCaseSensitive(whole, "model");
    cJSON *merges = cJSON_GetObjectItemCaseSensitive(model, "merges");
    set_item(whole, "pre_tokenizer",
             cJSON_Duplicate(cJSON_GetObjectItemCaseSensitive(variant, "pre_tokenizer"), 1));
    set_item(model, "ignore_merges",
             cJSON_Duplicate(cJSON_GetObjectItemCaseSensitive(variant, "ignore_merges"), 1));
    if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(variant, "repeat_first_merge")))
        cJSON_AddItemToArray(merges, cJSON_Duplicate(merges->child, 1));
    char *json = cJSON_PrintUnformatted(whole);
    struct el_error err = {0};
    struct el_tokenizer *t = NULL;
    if (el_tokenizer_parse("variant", json, strlen(json), &t, &err) < 0)
        fail_msg("%s", err.msg);
    cJSON_free(json);
    cJSON_Delete(whole);
    return t;
}

static void variants_of_the_pre_tokenizer(void **state)
{
    (void)state;
    cJSON *all = load_cases();
    const cJSON *base = cJSON_GetObjectItemCaseSensitive(all, "variant_tokenizer"), *v, *c;
    const cJSON *variants = cJSON_GetObjectItemCaseSensitive(all, "variants");
    assert_true(cJSON_GetArraySize(variants) > 20);
    cJSON_ArrayForEach(v, variants)
    {
        struct el_tokenizer *t = make_variant(base, v);
        cJSON_ArrayForEach(c, cJSON_GetObjectItemCaseSensitive(v, "cases"))
        {
            expect_ids(t, c, "ids", EL_ENCODE_SPECIAL,
                       cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(v, "name")));
        }
        el_tokenizer_free(t);
    }
    cJSON_Delete(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deepseek_shape),
        cmocka_unit_test(variants_of_the_pre_tokenizer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
