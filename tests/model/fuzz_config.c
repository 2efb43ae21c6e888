/* Any text: refused, or a configuration that survives printing and reading, and whose sizes add up
 * without overflow. */
#include "core/base/alloc.h"
#include "core/model/estimate.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check_printing(const struct el_config *c)
{
    struct el_config back;
    char *text = el_config_print(c);
    if (el_config_parse("printed", text, strlen(text), &back, NULL) < 0)
        abort();
    char *again = el_config_print(&back);
    if (strcmp(text, again) != 0)
        abort();
    el_free(again);
    el_free(text);
}

static void check_use(const struct el_config *c)
{
    struct el_estimate e;
    if (c->num_hidden_layers > 64 || c->n_routed_experts > 64) /* a long list of tensors is slow */
        return;
    if (el_estimate_init(&e, c, 1, 1, NULL) < 0 || e.parameters <= 0 ||
        e.active_parameters > e.parameters || e.total_bytes[EL_FORM_F32] <= 0 ||
        e.weight_bytes[EL_FORM_FP8] <= 0 || e.cache_bytes[EL_FORM_FP8] <= 0)
        abort();
    if (c->qk_rope_head_dim <= 1024) {
        float table[2 * 512];
        el_config_rope_table(c, 1, table, table + 512);
        el_config_softmax_scale(c);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct el_config c;
    struct el_error err = {0};
    int rc = el_config_parse("fuzz", (const char *)data, n, &c, &err);
    if (rc < 0 && !err.msg[0])
        abort();
    if (rc < 0)
        return 0;
    check_printing(&c);
    check_use(&c);
    return 0;
}
