/* libFuzzer target. An even first byte: what follows, up to the first NUL, is a tokenizer.json and
 * the rest is text for it. An odd one: the rest is text for a fixed tokenizer, which must give the
 * same bytes back. Seeds: golden/tokenizer.json behind a space. */
#include "core/base/alloc.h"
#include "core/text/chat.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Every byte is a token, spelled as one character; a few merges and added tokens; the pre-tokenizer
 * of GPT-2. */
static int write_fixed(struct el_buf *b)
{
    int rc =
        el_buf_puts(b, "{\"decoder\":{\"type\":\"ByteLevel\"},\"pre_tokenizer\":{\"type\":"
                       "\"ByteLevel\",\"add_prefix_space\":false},\"added_tokens\":["
                       "{\"id\":300,\"content\":\"<s>\",\"special\":true},"
                       "{\"id\":301,\"content\":\"a<\"},{\"id\":302,\"content\":\"a<s\"}],"
                       "\"model\":{\"type\":\"BPE\",\"merges\":[\"a a\",\"aa a\",\"\\u0120 a\"],"
                       "\"vocab\":{\"aa\":256,\"aaa\":257,\"\\u0120a\":258");
    unsigned shifted = 0x100;
    for (unsigned c = 0; c < 256 && rc == 0; c++) {
        int own = (c >= 0x21 && c <= 0x7E) || (c >= 0xA1 && c != 0xAD);
        rc = el_buf_printf(b, ",\"\\u%04x\":%u", own ? c : shifted++, c);
    }
    return rc < 0 ? rc : el_buf_puts(b, "}}}");
}

static struct el_tokenizer *make_fixed(void)
{
    struct el_buf b;
    struct el_tokenizer *t = NULL;
    el_buf_init(&b);
    if (write_fixed(&b) < 0 || el_tokenizer_parse("fixed", b.data, b.len, &t, NULL) < 0)
        abort();
    el_buf_release(&b);
    return t;
}

static void round_trip(const struct el_tokenizer *t, const char *text, size_t n, int exact)
{
    for (int flags = 0; flags < 2; flags++) {
        struct el_tokens ids;
        struct el_buf back;
        struct el_error err = {0};
        el_tokens_init(&ids);
        el_buf_init(&back);
        int rc = el_tokenizer_encode(t, text, n, flags, &ids, &err);
        if (rc < 0 && (exact || err.code != rc || ids.len))
            abort();
        if (rc == 0 && el_tokenizer_decode(t, ids.ids, ids.len, 0, &back) < 0)
            abort();
        if (exact && (back.len != n || memcmp(back.data, text, n) != 0))
            abort();
        el_buf_release(&back);
        el_tokens_release(&ids);
    }
}

static void try_file(const char *data, size_t n)
{
    struct el_tokenizer *t = NULL;
    struct el_error err = {0};
    struct el_chat_format f;
    const char *nul = memchr(data, 0, n);
    size_t json = nul ? (size_t)(nul - data) : n;
    int rc = el_tokenizer_parse("fuzz", data, json, &t, &err);
    if (rc < 0 && (err.code != rc || t))
        abort();
    if (rc < 0)
        return;
    size_t rest = nul ? n - json - 1 : 0;
    round_trip(t, nul ? nul + 1 : "", rest < 64 ? rest : 64, 0);
    el_chat_format_init(&f, t, &err);
    el_tokenizer_free(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static struct el_tokenizer *fixed;
    if (!fixed)
        fixed = make_fixed();
    if (n == 0)
        return 0;
    if (data[0] & 1)
        round_trip(fixed, (const char *)data + 1, n - 1, 1);
    else
        try_file((const char *)data + 1, n - 1);
    return 0;
}
