/* Unicode normalisation (Unicode Standard Annex #15): NFC, NFD, NFKC and NFKD, one or several in
 * turn, as the `tokenizers` library has them: by the tables of Unicode 9, characters that are
 * younger stand for themselves. The tables are utf8proc's. Private to core/text. */
#ifndef EL_TEXT_NORMALIZER_H
#define EL_TEXT_NORMALIZER_H

#include "core/base/buf.h"

#include <stdint.h>

enum { EL_FORMS_MAX = 8 };

/* Zeroed: text stays as it is. */
struct el_normalizer {
    struct el_form {
        int compat;  /* K: compatibility variants become the characters that they stand for */
        int compose; /* C, else D */
    } forms[EL_FORMS_MAX];
    int n;
};

/* Memory for one call at a time, and its result. */
struct el_normalizer_work {
    struct el_buf text[2]; /* the results of the forms in turn */
    uint32_t *chars;       /* [2 * cap]: a stretch of characters with their classes, and scratch */
    size_t len, cap;
};
void el_normalizer_work_init(struct el_normalizer_work *w);
void el_normalizer_work_release(struct el_normalizer_work *w);

/* Points *out at the normal form of text[0..n), well-formed UTF-8: in w until the next call, or
 * text itself. O(n) for any text. Text between two ASCII characters is taken at once, with some 16
 * bytes of memory for each byte. 0 or EL_ENOMEM. */
int el_normalizer_run(const struct el_normalizer *z, struct el_normalizer_work *w, const char *text,
                      size_t n, const char **out, size_t *out_n);

#endif
