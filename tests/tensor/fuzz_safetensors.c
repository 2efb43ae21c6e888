/* Any bytes: the parser refuses them or gives tensors that lie inside them. The seeds of a run are
 * best the golden files of tests/golden. */
#include "core/tensor/safetensors.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static unsigned sum_of(const struct el_st_tensor *t)
{
    const uint8_t *p = t->data;
    unsigned sum = 0;
    for (size_t i = 0; i < t->bytes; i++)
        sum += p[i];
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct el_safetensors st;
    struct el_error err = {0};
    volatile unsigned sum = 0;
    int rc = el_safetensors_parse(&st, "fuzz", data, n, &err);
    if (rc < 0) {
        if (!err.msg[0])
            abort();
        return 0;
    }
    for (int i = 0; i < st.n; i++) {
        sum += sum_of(&st.tensors[i]);
        if (el_safetensors_find(&st, st.tensors[i].name) != &st.tensors[i])
            abort();
    }
    el_safetensors_metadata(&st, "format");
    (void)sum; /* reading was the point */
    el_safetensors_release(&st);
    return 0;
}
