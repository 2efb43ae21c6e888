/* A growing list of token ids. */
#ifndef EL_TEXT_TOKENS_H
#define EL_TEXT_TOKENS_H

#include <stddef.h>
#include <stdint.h>

struct el_tokens {
    int32_t *ids; /* [len], NULL while cap is 0 */
    size_t len, cap;
};

void el_tokens_init(struct el_tokens *t);
void el_tokens_release(struct el_tokens *t); /* frees and re-initialises */

/* Both return 0 or EL_ENOMEM; one that fails leaves the list as it was. */
int el_tokens_push(struct el_tokens *t, int32_t id);
int el_tokens_append(struct el_tokens *t, const int32_t *ids, size_t n);

#endif
