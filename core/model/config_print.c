#include "core/model/config.h"

#include "core/base/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/model/config_keys.h"

/* The shortest decimal form that reads back as the same double. */
static int put_real(struct el_buf *b, double v)
{
    char text[40];
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, v);
        if (strtod(text, NULL) == v)
            break;
    }
    return el_buf_puts(b, text);
}

static int put_key(struct el_buf *b, const struct el_config_key *k, const struct el_config *c)
{
    const void *at = (const char *)c + k->field;
    int rc = el_buf_printf(b, "  \"%s\": ", k->key);
    if (rc < 0)
        return rc;
    if (k->kind == EL_KEY_BOOL)
        rc = el_buf_puts(b, *(const int *)at ? "true" : "false");
    else if (k->kind == EL_KEY_INT)
        rc = el_buf_printf(b, "%d", *(const int *)at);
    else
        rc = put_real(b, *(const double *)at);
    return rc < 0 ? rc : el_buf_puts(b, ",\n");
}

static int put_yarn_real(struct el_buf *b, const char *key, double v)
{
    int rc = el_buf_printf(b, "    \"%s\": ", key);
    if (rc == 0)
        rc = put_real(b, v);
    return rc < 0 ? rc : el_buf_puts(b, ",\n");
}

static int put_rope_scaling(struct el_buf *b, const struct el_yarn *y)
{
    if (!y->present)
        return el_buf_puts(b, "  \"rope_scaling\": null,\n");
    int rc = el_buf_puts(b, "  \"rope_scaling\": {\n    \"type\": \"yarn\",\n");
    if (rc == 0)
        rc = put_yarn_real(b, "factor", y->factor);
    if (rc == 0)
        rc = put_yarn_real(b, "beta_fast", y->beta_fast);
    if (rc == 0)
        rc = put_yarn_real(b, "beta_slow", y->beta_slow);
    if (rc == 0)
        rc = put_yarn_real(b, "mscale", y->mscale);
    if (rc == 0)
        rc = put_yarn_real(b, "mscale_all_dim", y->mscale_all_dim);
    if (rc == 0)
        rc = el_buf_printf(b, "    \"original_max_position_embeddings\": %d\n  },\n",
                           y->original_max_position_embeddings);
    return rc;
}

static int put_config(struct el_buf *b, const struct el_config *c)
{
    int rc = el_buf_puts(b, "{\n  \"architectures\": [\"DeepseekV32ForCausalLM\"],\n"
                            "  \"model_type\": \"deepseek_v32\",\n");
    for (const struct el_config_key *k = el_config_keys; k->key && rc == 0; k++)
        rc = put_key(b, k, c);
    if (rc == 0)
        rc = put_rope_scaling(b, &c->yarn);
    if (rc == 0)
        rc = el_buf_printf(b,
                           "  \"eos_token_id\": %d,\n"
                           "  \"hidden_act\": \"silu\",\n"
                           "  \"scoring_func\": \"sigmoid\",\n"
                           "  \"topk_method\": \"noaux_tc\",\n"
                           "  \"attention_bias\": false,\n"
                           "  \"torch_dtype\": \"%s\"\n}\n",
                           c->eos_token_id, c->dtype);
    return rc;
}

char *el_config_print(const struct el_config *c)
{
    struct el_buf b;
    el_buf_init(&b);
    char *text = put_config(&b, c) == 0 ? el_buf_detach(&b) : NULL;
    el_buf_release(&b);
    return text;
}
