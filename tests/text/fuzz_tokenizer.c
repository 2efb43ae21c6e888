/* libFuzzer target. The first byte modulo 8 says what the rest is:
 *   4             a pattern: what passes the translation is compiled
 *   3             text for a fixed tokenizer that changes text; its ids must decode
 *   another even  up to the first NUL a tokenizer.json, and text for it
 *   another odd   text for a fixed tokenizer that must give the same bytes back
 * Seeds: golden/tokenizer.json behind a space. */
#include "core/base/alloc.h"
#include "core/text/chat.h"
#include "core/text/pretokenizer.h"
#include "tests/text/byte_tokenizer.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

#define GPT2 "\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false}"

/* A few added tokens. */
static const char plain_fields[] = GPT2 ",\"added_tokens\":["
                                        "{\"id\":300,\"content\":\"<s>\",\"special\":true},"
                                        "{\"id\":301,\"content\":\"a<\"},"
                                        "{\"id\":302,\"content\":\"a<s\"}]";

/* A normalizer, added tokens with every flag, other steps of the pre-tokenizer. */
static const char rich_fields[] =
    "\"normalizer\":{\"type\":\"NFKC\"},\"added_tokens\":["
    "{\"id\":300,\"content\":\"<s>\",\"special\":true,\"rstrip\":true},"
    "{\"id\":301,\"content\":\"ww\",\"single_word\":true,\"normalized\":false},"
    "{\"id\":302,\"content\":\"\uFB01\",\"lstrip\":true,\"rstrip\":true},"
    "{\"id\":303,\"content\":\" \\n\",\"rstrip\":true,\"normalized\":false}],"
    "\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":["
    "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"\\\\s+$|[^\\\\s\\\\p{L}]\"},"
    "\"behavior\":\"MergedWithNext\"},"
    "{\"type\":\"Digits\",\"individual_digits\":false},"
    "{\"type\":\"ByteLevel\",\"add_prefix_space\":false}]}";

static const char merges[] = "\"a a\",\"aa a\",\"\\u0120 a\"";
static const char vocab[] = "\"aa\":256,\"aaa\":257,\"\\u0120a\":258";

static void round_trip(const struct el_tokenizer *t, const char *text, size_t n, int exact)
{
    for (int flags = 0; flags < 2; flags++) { /* EL_ENCODE_PLAIN, EL_ENCODE_SPECIAL */
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

static void try_pattern(const char *data, size_t n)
{
    struct el_pretokenizer p;
    struct el_error err = {0};
    char *pattern = el_strndup(data, n);
    if (!pattern || el_pretokenizer_init(&p) < 0)
        abort();
    int rc = el_pretokenizer_add(&p, pattern, 0, EL_SPLIT_ISOLATED, 0, &err);
    if (rc != err.code)
        abort();
    el_pretokenizer_release(&p);
    el_free(pattern);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static struct el_tokenizer *plain, *rich;
    if (!plain) {
        plain = byte_tokenizer_make(plain_fields, merges, vocab);
        rich = byte_tokenizer_make(rich_fields, merges, vocab);
    }
    if (n == 0)
        return 0;
    const char *rest = (const char *)data + 1;
    int kind = data[0] % 8;
    if (kind == 4)
        try_pattern(rest, n - 1);
    else if (kind % 2 == 0)
        try_file(rest, n - 1);
    else
        round_trip(kind == 3 ? rich : plain, rest, n - 1, kind != 3);
    return 0;
}
