#include "core/text/loader.h"

#include "core/base/alloc.h"

#include <math.h>
#include <string.h>

/* Tables are as long as the highest id, so ids may leave gaps (a large vocabulary cut down may keep
 * its ids), but not without bound: a small file must not ask for gigabytes. */
enum { gap_max = 1 << 18, tokens_max = 1 << 24 };

int el_load_id(const cJSON *field, const char *where, const char *token, int limit,
               struct el_error *err)
{
    double v = cJSON_IsNumber(field) ? field->valuedouble : NAN;
    if (v >= 0 && v < limit && v == floor(v))
        return (int)v;
    return el_error_set(err, EL_EFORMAT, "%s: the id of '%.80s' must be an integer from 0 to %d",
                        where, token, limit - 1);
}

/* What the tables must hold. */
struct sizes {
    size_t tokens, bytes;
    int limit; /* ids must be below it */
    int highest;
};

static int count_tokens(struct sizes *s, const cJSON *vocab, const cJSON *added,
                        struct el_error *err)
{
    const cJSON *f;
    cJSON_ArrayForEach(f, vocab)
    {
        s->tokens++;
        s->bytes += strlen(f->string);
    }
    size_t n_added = 0;
    cJSON_ArrayForEach(f, added)
    {
        const char *content = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(f, "content"));
        s->bytes += content ? strlen(content) : 0;
        n_added++;
    }
    if (s->tokens + n_added > tokens_max)
        return el_error_set(err, EL_ELIMIT, "model.vocab and added_tokens hold more than %d tokens",
                            tokens_max);
    s->limit = (int)(s->tokens + n_added) + gap_max;
    return 0;
}

static int find_highest(struct sizes *s, const cJSON *vocab, const cJSON *added,
                        struct el_error *err)
{
    const cJSON *f;
    s->highest = -1;
    cJSON_ArrayForEach(f, vocab)
    {
        int id = el_load_id(f, "model.vocab", f->string, s->limit, err);
        if (id < 0)
            return id;
        s->highest = id > s->highest ? id : s->highest;
    }
    cJSON_ArrayForEach(f, added)
    {
        const cJSON *id = cJSON_GetObjectItemCaseSensitive(f, "id");
        double v = cJSON_IsNumber(id) ? id->valuedouble : -1;
        if (v > s->highest && v < s->limit)
            s->highest = (int)v;
    }
    return 0;
}

static int load_vocab(struct el_vocab *v, const cJSON *vocab, const cJSON *added,
                      struct el_error *err)
{
    struct sizes s = {0};
    int rc = count_tokens(&s, vocab, added, err);
    if (rc == 0)
        rc = find_highest(&s, vocab, added, err);
    if (rc < 0)
        return rc;
    if (el_vocab_init(v, s.highest + 1, s.tokens, s.bytes) < 0)
        return el_error_set(err, EL_ENOMEM, "out of memory for %zu tokens", s.tokens);
    const cJSON *f;
    cJSON_ArrayForEach(f, vocab)
    {
        rc = el_vocab_add(v, (int32_t)f->valuedouble, f->string, err);
        if (rc < 0)
            return rc;
    }
    return el_vocab_index(v, err);
}

/* The two halves of one merge, pointing into the tree. Writes a NUL over the space of "a b". */
static int merge_halves(const cJSON *f, size_t index, const char *half[2], struct el_error *err)
{
    if (cJSON_IsString(f)) {
        char *space = strchr(f->valuestring, ' ');
        if (!space || strchr(space + 1, ' '))
            return el_error_set(err, EL_EFORMAT,
                                "model.merges[%zu]: expected two tokens and one space, found "
                                "'%.80s'",
                                index, f->valuestring);
        *space = 0;
        half[0] = f->valuestring;
        half[1] = space + 1;
        return 0;
    }
    if (!cJSON_IsArray(f) || cJSON_GetArraySize(f) != 2 || !cJSON_IsString(f->child) ||
        !cJSON_IsString(f->child->next))
        return el_error_set(err, EL_EFORMAT,
                            "model.merges[%zu]: expected \"a b\" or [\"a\", \"b\"]", index);
    half[0] = f->child->valuestring;
    half[1] = f->child->next->valuestring;
    return 0;
}

static int find_token(const struct el_vocab *v, const char *spelling, size_t index,
                      struct el_buf *scratch, struct el_error *err)
{
    scratch->len = 0;
    if (el_buf_reserve(scratch, strlen(spelling) + 1) < 0)
        return el_error_set(err, EL_ENOMEM, "out of memory for model.merges");
    int id = el_vocab_find_spelling(v, spelling, scratch->data);
    if (id < 0)
        return el_error_set(err, EL_EFORMAT, "model.merges[%zu]: '%.80s' is not in model.vocab",
                            index, spelling);
    return id;
}

static int load_merge(const struct el_vocab *v, const cJSON *f, size_t index, struct el_merge *m,
                      struct el_buf scratch[2], struct el_error *err)
{
    const char *half[2] = {NULL, NULL};
    int rc = merge_halves(f, index, half, err);
    if (rc < 0)
        return rc;
    scratch[1].len = 0;
    if (el_buf_puts(&scratch[1], half[0]) < 0 || el_buf_puts(&scratch[1], half[1]) < 0)
        return el_error_set(err, EL_ENOMEM, "out of memory for model.merges");
    m->rank = (uint32_t)index;
    m->left = find_token(v, half[0], index, &scratch[0], err);
    m->right = m->left < 0 ? m->left : find_token(v, half[1], index, &scratch[0], err);
    m->id = m->right < 0 ? m->right : find_token(v, scratch[1].data, index, &scratch[0], err);
    return m->id < 0 ? m->id : 0;
}

static int is_version_line(const cJSON *f)
{
    return cJSON_IsString(f) && strncmp(f->valuestring, "#version", 8) == 0;
}

static int load_merges(const struct el_vocab *v, const cJSON *merges, struct el_merge *out,
                       size_t *n, struct el_error *err)
{
    struct el_buf scratch[2];
    el_buf_init(&scratch[0]);
    el_buf_init(&scratch[1]);
    const cJSON *f;
    size_t index = 0;
    int rc = 0;
    cJSON_ArrayForEach(f, merges)
    {
        if (!is_version_line(f))
            rc = load_merge(v, f, index, &out[(*n)++], scratch, err);
        if (rc < 0)
            break;
        index++;
    }
    el_buf_release(&scratch[0]);
    el_buf_release(&scratch[1]);
    return rc;
}

static int load_bpe(struct el_tokenizer *t, const cJSON *model, struct el_error *err)
{
    const cJSON *merges = cJSON_GetObjectItemCaseSensitive(model, "merges");
    int ignore_merges = 0;
    int rc = el_json_bool_or(model, "model", "ignore_merges", &ignore_merges, err);
    if (rc < 0)
        return rc;
    if (!cJSON_IsArray(merges))
        return el_error_set(err, EL_EFORMAT, "model.merges must be an array");
    struct el_merge *m = el_alloc_array((size_t)cJSON_GetArraySize(merges), sizeof *m);
    size_t n = 0;
    if (!m)
        return el_error_set(err, EL_ENOMEM, "out of memory for model.merges");
    rc = load_merges(&t->vocab, merges, m, &n, err);
    if (rc < 0) {
        el_free(m);
        return rc;
    }
    if (el_bpe_init(&t->bpe, &t->vocab, m, n, ignore_merges) < 0)
        return el_error_set(err, EL_ENOMEM, "out of memory for model.merges");
    return 0;
}

/* Options that would change the ids. unk_token and fuse_unk would not: a text with a byte that the
 * vocabulary lacks is refused. */
static int check_options(const cJSON *model, struct el_error *err)
{
    const char *type, *prefix = "", *suffix = "";
    int byte_fallback = 0, rc;
    double dropout = 0;
    if ((rc = el_json_str(model, "model", "type", &type, err)) < 0 ||
        (rc = el_json_str_or(model, "model", "continuing_subword_prefix", &prefix, err)) < 0 ||
        (rc = el_json_str_or(model, "model", "end_of_word_suffix", &suffix, err)) < 0 ||
        (rc = el_json_bool_or(model, "model", "byte_fallback", &byte_fallback, err)) < 0 ||
        (rc = el_json_double_or(model, "model", "dropout", &dropout, err)) < 0)
        return rc;
    if (strcmp(type, "BPE") != 0)
        return el_error_set(err, EL_EREFUSED, "model.type: only BPE can be read, not '%.80s'",
                            type);
    const char *refused = *prefix         ? "continuing_subword_prefix"
                          : *suffix       ? "end_of_word_suffix"
                          : byte_fallback ? "byte_fallback"
                          : dropout != 0  ? "dropout"
                                          : NULL;
    if (refused)
        return el_error_set(err, EL_EREFUSED, "model.%s is not supported", refused);
    return 0;
}

int el_load_model(struct el_tokenizer *t, const cJSON *root, struct el_error *err)
{
    const cJSON *model = cJSON_GetObjectItemCaseSensitive(root, "model");
    const cJSON *added = cJSON_GetObjectItemCaseSensitive(root, "added_tokens");
    if (!cJSON_IsObject(model))
        return el_error_set(err, EL_EFORMAT, "field 'model' must be an object");
    int rc = check_options(model, err);
    if (rc < 0)
        return rc;
    const cJSON *vocab = cJSON_GetObjectItemCaseSensitive(model, "vocab");
    if (!cJSON_IsObject(vocab))
        return el_error_set(err, EL_EFORMAT, "model.vocab must be an object");
    if (added && !cJSON_IsNull(added) && !cJSON_IsArray(added))
        return el_error_set(err, EL_EFORMAT, "added_tokens must be an array");
    rc = load_vocab(&t->vocab, vocab, added, err);
    return rc < 0 ? rc : load_bpe(t, model, err);
}
