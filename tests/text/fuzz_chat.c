/* libFuzzer target: conversations. The first byte is a sum: 0 to 2 choose a tokenizer (plain, one
 * that changes text, one that the input gives as a tokenizer.json), 4 turns thinking on. What
 * follows are strings that end in NUL: that tokenizer.json first, then messages:
 *   s..., u..., a...   a message of the system, the user, the assistant
 *   -..., !            one without a role, one without content
 *   anything else      a role of that name
 * What core/text/chat.h says is compared with what comes out: roles' tokens where the shape has
 * them and nowhere else, whatever the contents are. */
#include "core/base/alloc.h"
#include "core/text/chat.h"
#include "tests/text/byte_tokenizer.h"

#include <string.h>

enum { MESSAGES = 16, BEFORE = 2 /* ids that were there */ };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Tokens that tempt: parts of the roles' tokens, and merges up to the last character of one. */
static const char vocab[] =
    "\"th\":256,\"in\":257,\"ink\":258,\"think\":259,\"<think\":260,\"</\":261";
static const char merges[] = "\"t h\",\"i n\",\"in k\",\"th ink\",\"< think\",\"< /\"";

static const char plain_fields[] =
    "\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":false},"
    "\"added_tokens\":["
    "{\"id\":300,\"content\":\"<｜begin▁of▁sentence｜>\",\"special\":true},"
    "{\"id\":301,\"content\":\"<｜end▁of▁sentence｜>\",\"special\":true},"
    "{\"id\":302,\"content\":\"<｜User｜>\"},{\"id\":303,\"content\":\"<｜Assistant｜>\"},"
    "{\"id\":304,\"content\":\"<think>\"},{\"id\":305,\"content\":\"</think>\"},"
    "{\"id\":306,\"content\":\"</th\"},{\"id\":307,\"content\":\"k>\"},"
    "{\"id\":308,\"content\":\"<|EOT|>\",\"special\":true}]";

/* Contents become others: "＜think＞" is "<think>" in normal form. */
static const char rich_fields[] =
    "\"normalizer\":{\"type\":\"NFKC\"},\"added_tokens\":["
    "{\"id\":300,\"content\":\"<｜begin▁of▁sentence｜>\",\"special\":true,\"rstrip\":true},"
    "{\"id\":301,\"content\":\"<｜end▁of▁sentence｜>\",\"special\":true,\"normalized\":true},"
    "{\"id\":302,\"content\":\"<｜User｜>\",\"normalized\":true},"
    "{\"id\":303,\"content\":\"<｜Assistant｜>\",\"normalized\":false},"
    "{\"id\":304,\"content\":\"<think>\",\"lstrip\":true,\"rstrip\":true},"
    "{\"id\":305,\"content\":\"</think>\",\"single_word\":true},"
    "{\"id\":306,\"content\":\"hink\",\"lstrip\":true},"
    "{\"id\":307,\"content\":\"\uFF1E\",\"normalized\":false}],"
    "\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":["
    "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"\\\\s+$|[^\\\\s\\\\p{L}]\"},"
    "\"behavior\":\"MergedWithNext\"},"
    "{\"type\":\"ByteLevel\",\"add_prefix_space\":false}]}";

struct conversation {
    struct el_message m[MESSAGES];
    char *text[MESSAGES]; /* what role and content point into */
    int n, thinking;
};

static void need(int condition)
{
    if (!condition)
        abort();
}

/* ---- Reading the input ---- */

/* The next string, a block of its own so that reading past its end is noticed. */
static char *next_string(const char **at, const char *end)
{
    size_t left = (size_t)(end - *at);
    const char *nul = left ? memchr(*at, 0, left) : NULL;
    size_t n = nul ? (size_t)(nul - *at) : left;
    char *copy = el_strndup(*at, n);
    need(copy != NULL);
    *at += nul ? n + 1 : n;
    return copy;
}

static struct el_message message_of(char *text)
{
    switch (text[0]) {
    case 's':
        return (struct el_message){"system", text + 1};
    case 'u':
        return (struct el_message){"user", text + 1};
    case 'a':
        return (struct el_message){"assistant", text + 1};
    case '-':
        return (struct el_message){NULL, text + 1};
    case '!':
        return (struct el_message){"user", NULL};
    default:
        return (struct el_message){text, text};
    }
}

static void read_messages(struct conversation *c, const char *at, const char *end)
{
    for (c->n = 0; at < end && c->n < MESSAGES; c->n++) {
        c->text[c->n] = next_string(&at, end);
        c->m[c->n] = message_of(c->text[c->n]);
    }
}

static void release_messages(struct conversation *c)
{
    for (int i = 0; i < c->n; i++)
        el_free(c->text[i]);
}

/* ---- What the header says ---- */

static int is_role(const struct el_message *m, const char *role)
{
    return m->role && strcmp(m->role, role) == 0;
}

static int last_user(const struct conversation *c)
{
    int last = -1;
    for (int i = 0; i < c->n; i++)
        last = is_role(&c->m[i], "user") ? i : last;
    return last;
}

static int is_legal(const struct conversation *c)
{
    int systems = 0;
    while (systems < c->n && is_role(&c->m[systems], "system"))
        systems++;
    for (int i = 0; i < c->n; i++) {
        const char *role = i < systems ? "system" : (i - systems) % 2 ? "assistant" : "user";
        if (!is_role(&c->m[i], role) || !c->m[i].content)
            return 0;
    }
    return systems < c->n;
}

/* The roles' tokens are written as a NUL, which no content has, and a letter. */
static void put_role(struct el_buf *b, char letter)
{
    need(el_buf_putc(b, 0) == 0 && el_buf_putc(b, letter) == 0);
}

static void put_text(struct el_buf *b, const char *text, size_t n)
{
    need(el_buf_add(b, text, n) == 0);
}

static void put_reply(struct el_buf *b, const char *content, int thinks)
{
    const char *close = strstr(content, "</think>");
    const char *answer = close ? close + strlen("</think>") : content;
    const char *thought = strncmp(content, "<think>", 7) == 0 ? content + 7 : content;
    if (thinks && close)
        put_text(b, thought, (size_t)(close - thought));
    if (thinks)
        put_role(b, '/');
    put_text(b, answer, strlen(answer));
    put_role(b, 'E');
}

static void put_shape(struct el_buf *b, const struct conversation *c)
{
    int last = c->thinking ? last_user(c) : -2;
    put_role(b, 'B');
    for (int i = 0; i < c->n; i++) {
        const char *content = c->m[i].content;
        int user = is_role(&c->m[i], "user");
        if (is_role(&c->m[i], "assistant")) {
            put_reply(b, content, i == last + 1);
            continue;
        }
        if (user)
            put_role(b, 'U');
        else if (i)
            put_text(b, "\n\n", 2);
        put_text(b, content, strlen(content));
        if (user)
            put_role(b, 'A');
        if (user)
            put_role(b, i == last ? 'T' : '/');
    }
}

/* ---- What came out ---- */

static char role_letter(const struct el_chat_format *f, int32_t id)
{
    return (char)(id == f->bos         ? 'B'
                  : id == f->eos       ? 'E'
                  : id == f->user      ? 'U'
                  : id == f->assistant ? 'A'
                  : id == f->think     ? 'T'
                  : id == f->think_end ? '/'
                                       : 0);
}

static void put_ids(struct el_buf *b, const struct el_chat_format *f, const struct el_tokenizer *t,
                    const struct el_tokens *ids, int exact)
{
    for (size_t i = BEFORE; i < ids->len; i++) {
        char letter = role_letter(f, ids->ids[i]);
        need(letter || !exact || !el_tokenizer_is_special(t, ids->ids[i]));
        if (letter)
            put_role(b, letter);
        else
            need(el_tokenizer_decode(t, &ids->ids[i], 1, 0, b) == 0);
    }
}

static void keep_roles(struct el_buf *b)
{
    size_t kept = 0;
    for (size_t i = 0; i < b->len; i++)
        if (!b->data[i]) {
            b->data[kept++] = 0;
            b->data[kept++] = b->data[++i];
        }
    b->len = kept;
}

static void compare(const struct conversation *c, const struct el_chat_format *f,
                    const struct el_tokenizer *t, const struct el_tokens *ids, int exact)
{
    struct el_buf want, got;
    el_buf_init(&want);
    el_buf_init(&got);
    put_shape(&want, c);
    put_ids(&got, f, t, ids, exact);
    if (!exact) {
        keep_roles(&want);
        keep_roles(&got);
    }
    need(want.len == got.len && memcmp(want.data, got.data, got.len) == 0);
    el_buf_release(&want);
    el_buf_release(&got);
}

static int encode(const struct conversation *c, const struct el_chat_format *f,
                  const struct el_tokenizer *t, struct el_tokens *ids)
{
    struct el_error err = {0};
    static const int32_t before[BEFORE] = {7, 11};
    el_tokens_init(ids);
    need(el_tokens_append(ids, before, BEFORE) == 0);
    int rc = el_chat_encode(f, t, c->m, c->n, c->thinking, ids, &err);
    need(rc <= 0 && err.code == rc && (err.msg[0] != 0) == (rc < 0));
    need(rc == 0 || ids->len == BEFORE);
    need(memcmp(ids->ids, before, sizeof before) == 0);
    return rc;
}

/* The conversation without its last reply opens the whole. */
static void check_prompt(const struct conversation *c, const struct el_chat_format *f,
                         const struct el_tokenizer *t, const struct el_tokens *whole)
{
    struct conversation prompt = *c;
    struct el_tokens ids;
    if (!is_role(&c->m[c->n - 1], "assistant"))
        return;
    prompt.n--;
    need(encode(&prompt, f, t, &ids) == 0);
    need(ids.len < whole->len && memcmp(ids.ids, whole->ids, ids.len * sizeof *ids.ids) == 0);
    el_tokens_release(&ids);
}

static void try_conversation(const struct conversation *c, const struct el_chat_format *f,
                             const struct el_tokenizer *t, int exact)
{
    struct el_tokens ids, again;
    int rc = encode(c, f, t, &ids);
    need(rc == 0 ? is_legal(c) : !exact || !is_legal(c));
    need(encode(c, f, t, &again) == rc && again.len == ids.len);
    need(memcmp(again.ids, ids.ids, ids.len * sizeof *ids.ids) == 0);
    if (rc == 0) {
        compare(c, f, t, &ids, exact);
        check_prompt(c, f, t, &ids);
    }
    el_tokens_release(&ids);
    el_tokens_release(&again);
}

static void try_file(const struct conversation *c, const char *json)
{
    struct el_tokenizer *t = NULL;
    struct el_chat_format f;
    struct el_error err = {0};
    if (el_tokenizer_parse("fuzz", json, strlen(json), &t, NULL) < 0)
        return;
    int rc = el_chat_format_init(&f, t, &err);
    need(rc <= 0 && err.code == rc && (err.msg[0] != 0) == (rc < 0));
    if (rc == 0)
        try_conversation(c, &f, t, 0);
    el_tokenizer_free(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static struct el_tokenizer *fixed[2];
    static struct el_chat_format format[2];
    if (n == 0)
        return 0;
    for (int i = 0; i < 2 && !fixed[i]; i++) {
        fixed[i] = byte_tokenizer_make(i ? rich_fields : plain_fields, merges, vocab);
        need(el_chat_format_init(&format[i], fixed[i], NULL) == 0);
    }
    const char *at = (const char *)data + 1, *end = (const char *)data + n;
    int kind = data[0] % 4;
    char *json = kind >= 2 ? next_string(&at, end) : NULL;
    struct conversation c = {.thinking = data[0] / 4 % 2};
    read_messages(&c, at, end);
    if (json)
        try_file(&c, json);
    else
        try_conversation(&c, &format[kind], fixed[kind], kind == 0);
    release_messages(&c);
    el_free(json);
    return 0;
}
