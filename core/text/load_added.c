#include "core/text/loader.h"

#include "core/base/alloc.h"
#include "core/base/buf.h"
#include "core/text/tokenizer.h"
#include "core/base/utf8.h"

#include <stdio.h>
#include <string.h>

enum { content_max = 1024 };

struct added_fields {
    const char *content;
    int id, special, normalized, single_word, lstrip, rstrip;
};

static int check_content(const char *content, const char *where, struct el_error *err)
{
    size_t n = strlen(content);
    if (n == 0 || n > content_max)
        return el_error_set(err, EL_EFORMAT, "%s: content must have 1 to %d bytes", where,
                            content_max);
    if (el_utf8_valid_prefix(content, n) != n)
        return el_error_set(err, EL_EFORMAT, "%s: content is not UTF-8", where);
    return 0;
}

static int read_fields(const cJSON *f, const char *where, int limit, struct added_fields *a,
                       struct el_error *err)
{
    int rc;
    if (!cJSON_IsObject(f))
        return el_error_set(err, EL_EFORMAT, "%s must be an object", where);
    if ((rc = el_json_str(f, where, "content", &a->content, err)) < 0 ||
        (rc = check_content(a->content, where, err)) < 0 ||
        (rc = el_json_bool_or(f, where, "special", &a->special, err)) < 0)
        return rc;
    /* As the `tokenizers` library makes them: only ordinary tokens follow the normalizer. */
    a->normalized = !a->special;
    if ((rc = el_json_bool_or(f, where, "normalized", &a->normalized, err)) < 0 ||
        (rc = el_json_bool_or(f, where, "single_word", &a->single_word, err)) < 0 ||
        (rc = el_json_bool_or(f, where, "lstrip", &a->lstrip, err)) < 0 ||
        (rc = el_json_bool_or(f, where, "rstrip", &a->rstrip, err)) < 0)
        return rc;
    a->id = el_load_id(cJSON_GetObjectItemCaseSensitive(f, "id"), where, a->content, limit, err);
    return a->id < 0 ? a->id : 0;
}

/* An added token may be one of the model's, spelled the same; otherwise its id must be free. Where
 * the model reads that spelling as other bytes, the id would decode to two texts. */
static int check_collision(const struct el_vocab *v, const struct added_fields *a,
                           const char *where, struct el_error *err)
{
    char scratch[content_max];
    int own = el_vocab_find_spelling(v, a->content, scratch);
    if (own >= 0 && own != a->id)
        return el_error_set(err, EL_EFORMAT, "%s: '%.80s' has id %d here and %d in model.vocab",
                            where, a->content, a->id, own);
    struct el_slice content = {a->content, strlen(a->content)};
    if (own >= 0 && el_slice_compare(v->texts[own], content) != 0)
        return el_error_set(err, EL_EREFUSED,
                            "%s: '%.80s' is also the spelling of other bytes in model.vocab", where,
                            a->content);
    if (v->flags[a->id] & EL_VOCAB_ADDED || (own < 0 && v->texts[a->id].data))
        return el_error_set(err, EL_EFORMAT, "%s: id %d of '%.80s' is taken already", where, a->id,
                            a->content);
    return 0;
}

static int looks_like_control(const char *content)
{
    size_t n = strlen(content);
    return n >= 2 && content[0] == '<' && content[n - 1] == '>';
}

/* A token that follows the normalizer is looked for in normal form. */
static int normalize_content(const struct el_normalizer *z, struct el_added_token *a,
                             struct el_error *err)
{
    struct el_normalizer_work w;
    const char *text;
    size_t n;
    el_normalizer_work_init(&w);
    int rc = el_normalizer_run(z, &w, a->content.data, a->content.len, &text, &n);
    if (rc == 0 && text != a->content.data) {
        a->own = el_strndup(text, n);
        a->content = (struct el_slice){a->own, n};
        rc = a->own ? 0 : EL_ENOMEM;
    }
    el_normalizer_work_release(&w);
    return rc < 0 ? el_error_set(err, rc, "out of memory for added_tokens") : 0;
}

static int load_one(struct el_tokenizer *t, const cJSON *f, size_t index, struct el_error *err)
{
    char where[48];
    snprintf(where, sizeof where, "added_tokens[%zu]", index);
    struct added_fields a = {0};
    int rc = read_fields(f, where, t->vocab.size, &a, err);
    if (rc == 0)
        rc = check_collision(&t->vocab, &a, where, err);
    if (rc < 0)
        return rc;
    int flags = EL_VOCAB_ADDED | (a.special ? EL_VOCAB_SPECIAL : 0);
    struct el_added_set *set = &t->added[a.normalized];
    struct el_added_token *token = &set->tokens[set->n++];
    *token = (struct el_added_token){
        .content = el_vocab_add_content(&t->vocab, a.id, a.content, flags),
        .id = a.id,
        .control = a.special || looks_like_control(a.content),
        .single_word = a.single_word,
        .lstrip = a.lstrip,
        .rstrip = a.rstrip,
    };
    return a.normalized ? normalize_content(&t->normalizer, token, err) : 0;
}

static int check_distinct(const struct el_added_set sets[2], struct el_error *err)
{
    for (int k = 0; k < 2; k++)
        for (size_t i = 0; i < sets[k].n; i++) {
            const struct el_added_token *t = &sets[k].tokens[i];
            int twice = k == 1 && el_added_get(&sets[0], t->content);
            twice |= i > 0 && el_slice_compare(t[-1].content, t->content) == 0;
            if (twice)
                return el_error_set(err, EL_EFORMAT, "added_tokens: '%.*s' stands there twice",
                                    (int)(t->content.len < 80 ? t->content.len : 80),
                                    t->content.data);
        }
    return 0;
}

int el_load_added(struct el_tokenizer *t, const cJSON *root, struct el_error *err)
{
    const cJSON *added = cJSON_GetObjectItemCaseSensitive(root, "added_tokens"), *f;
    size_t n = (size_t)cJSON_GetArraySize(added), index = 0;
    if (el_added_init(&t->added[0], n) < 0 || el_added_init(&t->added[1], n) < 0)
        return el_error_set(err, EL_ENOMEM, "out of memory for added_tokens");
    cJSON_ArrayForEach(f, added)
    {
        int rc = load_one(t, f, index++, err);
        if (rc < 0)
            return rc;
    }
    el_added_index(&t->added[0]);
    el_added_index(&t->added[1]);
    return check_distinct(t->added, err);
}
