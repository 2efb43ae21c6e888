#include "core/text/loader.h"

#include "core/base/alloc.h"
#include "core/base/io.h"
#include "core/text/tokenizer.h"

#include <string.h>

enum { file_bytes_max = 1 << 28 };

static int check_decoder(const cJSON *root, struct el_error *err)
{
    const cJSON *f = cJSON_GetObjectItemCaseSensitive(root, "decoder");
    const char *type;
    int rc = el_json_str(f, "decoder", "type", &type, err);
    if (rc < 0)
        return rc;
    if (strcmp(type, "ByteLevel") != 0)
        return el_error_set(err, EL_EREFUSED, "decoder: type '%.80s' is not supported", type);
    return 0;
}

static int load_parts(struct el_tokenizer *t, const cJSON *root, struct el_error *err)
{
    int rc;
    if (!cJSON_IsObject(root))
        return el_error_set(err, EL_EFORMAT, "must be an object");
    if ((rc = el_load_normalizer(t, root, err)) < 0 || (rc = check_decoder(root, err)) < 0 ||
        (rc = el_load_pretokenizer(t, root, err)) < 0 || (rc = el_load_model(t, root, err)) < 0)
        return rc;
    return el_load_added(t, root, err);
}

int el_tokenizer_parse(const char *name, const char *json, size_t n, struct el_tokenizer **out,
                       struct el_error *err)
{
    cJSON *root;
    int rc = el_json_parse(name, json, n, &root, err);
    if (rc < 0)
        return rc;
    struct el_tokenizer *t = el_alloc_array(1, sizeof *t);
    if (t)
        rc = load_parts(t, root, err);
    else
        rc = el_error_set(err, EL_ENOMEM, "out of memory for a tokenizer");
    cJSON_Delete(root);
    if (rc < 0) {
        el_tokenizer_free(t);
        el_error_prefix(err, "%s", name);
        return rc;
    }
    *out = t;
    return 0;
}

int el_tokenizer_load(const char *path, struct el_tokenizer **out, struct el_error *err)
{
    struct el_buf b;
    el_buf_init(&b);
    int rc = el_file_read(path, file_bytes_max, &b, err);
    if (rc == 0)
        rc = el_tokenizer_parse(path, b.data, b.len, out, err);
    el_buf_release(&b);
    return rc;
}

void el_tokenizer_free(struct el_tokenizer *t)
{
    if (!t)
        return;
    el_vocab_release(&t->vocab);
    el_bpe_release(&t->bpe);
    el_pretokenizer_release(&t->pretokenizer);
    el_added_release(&t->added[0]);
    el_added_release(&t->added[1]);
    el_free(t);
}
