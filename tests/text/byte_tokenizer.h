/* A tokenizer.json in which every byte is a token, spelled as one character: any text can be
 * encoded with it, for tests and fuzz targets. */
#ifndef EL_TESTS_TEXT_BYTE_TOKENIZER_H
#define EL_TESTS_TEXT_BYTE_TOKENIZER_H

#include "core/base/buf.h"
#include "core/text/tokenizer.h"

#include <stdlib.h>

/* Byte b has id b. `fields` stand beside the model, `merges` and `vocab` inside of it: what is
 * merged, and the tokens from id 256 on. */
static inline int byte_tokenizer_write(struct el_buf *b, const char *fields, const char *merges,
                                       const char *vocab)
{
    int rc = el_buf_printf(b,
                           "{\"decoder\":{\"type\":\"ByteLevel\"},%s,"
                           "\"model\":{\"type\":\"BPE\",\"merges\":[%s],\"vocab\":{%s",
                           fields, merges, vocab);
    unsigned shifted = 0x100;
    for (unsigned c = 0; c < 256 && rc == 0; c++) {
        int own = (c >= 0x21 && c <= 0x7E) || (c >= 0xA1 && c != 0xAD);
        rc = el_buf_printf(b, ",\"\\u%04x\":%u", own ? c : shifted++, c);
    }
    return rc < 0 ? rc : el_buf_puts(b, "}}}");
}

/* Ends the program when the file is not a good one. */
static inline struct el_tokenizer *byte_tokenizer_make(const char *fields, const char *merges,
                                                       const char *vocab)
{
    struct el_buf b;
    struct el_tokenizer *t = NULL;
    el_buf_init(&b);
    if (byte_tokenizer_write(&b, fields, merges, vocab) < 0 ||
        el_tokenizer_parse("fixed", b.data, b.len, &t, NULL) < 0)
        abort();
    el_buf_release(&b);
    return t;
}

#endif
