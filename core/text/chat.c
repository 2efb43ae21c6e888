#include "core/text/chat.h"

#include <string.h>

static const char think_open[] = "<think>", think_close[] = "</think>";

static int find_token(const struct el_tokenizer *t, const char *name, int32_t *id,
                      struct el_error *err)
{
    int found = el_tokenizer_id(t, name);
    if (found == EL_ENOMEM)
        return el_error_set(err, found, "out of memory for the token '%s'", name);
    if (found < 0)
        return el_error_set(err, found, "the tokenizer has no token '%s'", name);
    if (el_tokenizer_reaches(t, found))
        return el_error_set(err, EL_EREFUSED,
                            "the tokenizer makes its token '%s' of plain text: contents could "
                            "forge it",
                            name);
    *id = found;
    return 0;
}

int el_chat_format_init(struct el_chat_format *f, const struct el_tokenizer *t,
                        struct el_error *err)
{
    const struct {
        const char *name;
        int32_t *id;
    } tokens[] = {
        {"<｜begin▁of▁sentence｜>", &f->bos},
        {"<｜end▁of▁sentence｜>", &f->eos},
        {"<｜User｜>", &f->user},
        {"<｜Assistant｜>", &f->assistant},
        {think_open, &f->think},
        {think_close, &f->think_end},
    };
    for (size_t i = 0; i < sizeof tokens / sizeof *tokens; i++) {
        int rc = find_token(t, tokens[i].name, tokens[i].id, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* One call of el_chat_encode. */
struct chat {
    const struct el_chat_format *f;
    const struct el_tokenizer *t;
    struct el_tokens *out;
    struct el_error *err;
};

static int put_token(struct chat *c, int32_t id)
{
    if (el_tokens_push(c->out, id) < 0)
        return el_error_set(c->err, EL_ENOMEM, "out of memory for a conversation");
    return 0;
}

static int put_text(struct chat *c, const char *text, size_t n)
{
    return el_tokenizer_encode(c->t, text, n, EL_ENCODE_PLAIN, c->out, c->err);
}

static int check_message(const struct el_message *m, int i, struct el_error *err)
{
    if (!m[i].role || !m[i].content)
        return el_error_set(err, EL_EINVAL, "message %d: role and content must be given", i);
    const char *before = i ? m[i - 1].role : "system";
    int is_system = strcmp(m[i].role, "system") == 0;
    int is_assistant = strcmp(m[i].role, "assistant") == 0;
    if (!is_system && !is_assistant && strcmp(m[i].role, "user") != 0)
        return el_error_set(err, EL_EINVAL,
                            "message %d: role must be system, user or assistant, not '%.80s'", i,
                            m[i].role);
    int fits = is_system      ? strcmp(before, "system") == 0
               : is_assistant ? strcmp(before, "user") == 0
                              : strcmp(before, "user") != 0;
    if (!fits)
        return el_error_set(err, EL_EINVAL, "message %d: '%s' cannot follow '%s'", i, m[i].role,
                            i ? before : "nothing");
    return 0;
}

/* Index of the last user message. */
static int check_messages(const struct el_message *m, int n, struct el_error *err)
{
    int last_user = -1;
    for (int i = 0; i < n; i++) {
        int rc = check_message(m, i, err);
        if (rc < 0)
            return rc;
        last_user = strcmp(m[i].role, "user") == 0 ? i : last_user;
    }
    if (last_user < 0)
        return el_error_set(err, EL_EINVAL, "a conversation needs a user message");
    return last_user;
}

/* The system messages as one text, because merges may cross from one to the next. Returns how
 * many there are. */
static int put_system(struct chat *c, const struct el_message *m, int n)
{
    struct el_buf text;
    el_buf_init(&text);
    int i, rc = 0;
    for (i = 0; i < n && strcmp(m[i].role, "system") == 0 && rc == 0; i++) {
        rc = i ? el_buf_puts(&text, "\n\n") : 0;
        rc = rc < 0 ? rc : el_buf_puts(&text, m[i].content);
    }
    if (rc < 0)
        el_error_set(c->err, rc, "out of memory for the system message");
    else
        rc = put_text(c, text.data, text.len);
    el_buf_release(&text);
    return rc < 0 ? rc : i;
}

static int put_user(struct chat *c, const char *content, int thinks)
{
    int rc = put_token(c, c->f->user);
    if (rc == 0)
        rc = put_text(c, content, strlen(content));
    if (rc == 0)
        rc = put_token(c, c->f->assistant);
    return rc < 0 ? rc : put_token(c, thinks ? c->f->think : c->f->think_end);
}

/* thinks: the user message before it opened the reasoning with <think>. */
static int put_assistant(struct chat *c, const char *content, int thinks)
{
    const char *close = strstr(content, think_close);
    const char *answer = close ? close + strlen(think_close) : content;
    int rc = 0;
    if (close && strncmp(content, think_open, strlen(think_open)) == 0)
        content += strlen(think_open);
    if (thinks && close)
        rc = put_text(c, content, (size_t)(close - content));
    if (thinks && rc == 0)
        rc = put_token(c, c->f->think_end);
    if (rc == 0)
        rc = put_text(c, answer, strlen(answer));
    return rc < 0 ? rc : put_token(c, c->f->eos);
}

static int put_conversation(struct chat *c, const struct el_message *m, int n, int last_thought)
{
    int rc = put_token(c, c->f->bos);
    int i = rc < 0 ? rc : put_system(c, m, n);
    if (i < 0)
        return i;
    for (; i < n && rc == 0; i++) {
        if (strcmp(m[i].role, "user") == 0)
            rc = put_user(c, m[i].content, i == last_thought);
        else
            rc = put_assistant(c, m[i].content, i == last_thought + 1);
    }
    return rc;
}

int el_chat_encode(const struct el_chat_format *f, const struct el_tokenizer *t,
                   const struct el_message *m, int n, int thinking, struct el_tokens *out,
                   struct el_error *err)
{
    struct chat c = {f, t, out, err};
    size_t before = out->len;
    int last_user = check_messages(m, n, err);
    if (last_user < 0)
        return last_user;
    int rc = put_conversation(&c, m, n, thinking ? last_user : -2);
    if (rc < 0)
        out->len = before;
    return rc;
}
