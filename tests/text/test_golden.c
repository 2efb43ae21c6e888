/* The ids of the Hugging Face `tokenizers` library; golden/make_golden.py and make_designs.py made
 * the files. */
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

static const char designs_path[] = EL_SOURCE_DIR "/tests/text/golden/designs.json";

static cJSON *load_json(const char *path)
{
    struct el_error err = {0};
    cJSON *json = NULL;
    if (el_json_load(path, &json, &err) < 0)
        fail_msg("%s", err.msg);
    return json;
}

static const cJSON *get(const cJSON *object, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    if (!item)
        fail_msg("the file has no '%s'", key);
    return item;
}

static const char *text_of(const cJSON *c)
{
    return cJSON_GetStringValue(get(c, "text"));
}

static void expect_ids(const struct el_tokenizer *t, const char *text, const cJSON *want, int flags,
                       const char *what)
{
    const cJSON *id;
    struct el_error err = {0};
    struct el_tokens got;
    el_tokens_init(&got);
    if (el_tokenizer_encode(t, text, strlen(text), flags, &got, &err) < 0)
        fail_msg("%s, '%s': %s", what, text, err.msg);
    size_t i = 0;
    cJSON_ArrayForEach(id, want)
    {
        if (i >= got.len || got.ids[i] != id->valueint)
            fail_msg("%s, '%s': id %zu of %zu is %d, expected %d", what, text, i, got.len,
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
    cJSON *all = load_json(cases_path);
    const cJSON *c, *cases = get(all, "cases");
    assert_true(cJSON_GetArraySize(cases) > 100);
    cJSON_ArrayForEach(c, cases)
    {
        expect_ids(t, text_of(c), get(c, "special"), EL_ENCODE_SPECIAL, "special");
        expect_ids(t, text_of(c), get(c, "plain"), EL_ENCODE_PLAIN, "plain");
        expect_round_trip(t, text_of(c));
    }
    cJSON_Delete(all);
    el_tokenizer_free(t);
}

static void set_copy(cJSON *object, const char *key, const cJSON *value)
{
    assert_true(cJSON_ReplaceItemInObjectCaseSensitive(object, key, cJSON_Duplicate(value, 1)));
}

static struct el_tokenizer *parse(const cJSON *whole, const char *name)
{
    char *json = cJSON_PrintUnformatted(whole);
    struct el_error err = {0};
    struct el_tokenizer *t = NULL;
    if (el_tokenizer_parse(name, json, strlen(json), &t, &err) < 0)
        fail_msg("%s", err.msg);
    cJSON_free(json);
    return t;
}

static struct el_tokenizer *make_variant(const cJSON *base, const cJSON *variant)
{
    cJSON *whole = cJSON_Duplicate(base, 1);
    cJSON *model = cJSON_GetObjectItemCaseSensitive(whole, "model");
    cJSON *merges = cJSON_GetObjectItemCaseSensitive(model, "merges");
    set_copy(whole, "pre_tokenizer", get(variant, "pre_tokenizer"));
    set_copy(model, "ignore_merges", get(variant, "ignore_merges"));
    if (cJSON_IsTrue(get(variant, "repeat_first_merge")))
        cJSON_AddItemToArray(merges, cJSON_Duplicate(merges->child, 1));
    struct el_tokenizer *t = parse(whole, "variant");
    cJSON_Delete(whole);
    return t;
}

static void variants_of_the_pre_tokenizer(void **state)
{
    (void)state;
    cJSON *all = load_json(cases_path);
    const cJSON *base = get(all, "variant_tokenizer"), *v, *c;
    const cJSON *variants = get(all, "variants");
    assert_true(cJSON_GetArraySize(variants) > 20);
    cJSON_ArrayForEach(v, variants)
    {
        struct el_tokenizer *t = make_variant(base, v);
        cJSON_ArrayForEach(c, get(v, "cases"))
        {
            expect_ids(t, text_of(c), get(c, "ids"), EL_ENCODE_SPECIAL,
                       cJSON_GetStringValue(get(v, "name")));
        }
        el_tokenizer_free(t);
    }
    cJSON_Delete(all);
}

static struct el_tokenizer *make_design(const cJSON *base, const cJSON *design)
{
    cJSON *whole = cJSON_Duplicate(base, 1);
    const cJSON *field;
    cJSON_ArrayForEach(field, get(design, "fields"))
    {
        set_copy(whole, field->string, field);
    }
    set_copy(whole, "added_tokens", get(design, "added"));
    set_copy(cJSON_GetObjectItemCaseSensitive(whole, "model"), "ignore_merges",
             get(design, "ignore_merges"));
    struct el_tokenizer *t = parse(whole, "design");
    cJSON_Delete(whole);
    return t;
}

static void designs_of_published_tokenizers(void **state)
{
    (void)state;
    cJSON *all = load_json(designs_path);
    const cJSON *d, *texts = get(all, "texts");
    assert_true(cJSON_GetArraySize(texts) > 40);
    assert_true(cJSON_GetArraySize(get(all, "designs")) > 12);
    cJSON_ArrayForEach(d, get(all, "designs"))
    {
        struct el_tokenizer *t = make_design(get(all, "tokenizer"), d);
        const cJSON *text = texts->child, *ids;
        cJSON_ArrayForEach(ids, get(d, "ids"))
        {
            expect_ids(t, text->valuestring, ids, EL_ENCODE_SPECIAL,
                       cJSON_GetStringValue(get(d, "name")));
            text = text->next;
        }
        assert_null(text);
        el_tokenizer_free(t);
    }
    cJSON_Delete(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deepseek_shape),
        cmocka_unit_test(variants_of_the_pre_tokenizer),
        cmocka_unit_test(designs_of_published_tokenizers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
