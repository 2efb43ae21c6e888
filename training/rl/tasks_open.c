/* Tasks of a store's file for the model in a folder, whose room is known without its weights: a run
 * and whoever compares a finished one with its data now come to the same digest. */
#include "training/rl/tasks.h"

#include "core/base/alloc.h"
#include "core/base/io.h"
#include "core/run/local.h"
#include "core/text/chat.h"

#include <limits.h>

/* Reads prompts as the model does. */
struct reader {
    struct el_tokenizer *tokenizer;
    struct el_chat_format chat;
    struct el_tokens ids; /* scratch */
    int context;
};

static int open_text(struct reader *r, const char *tokenizer, const char *config,
                     struct el_error *err)
{
    struct el_config c;
    int rc = el_config_load(config, &c, err);
    if (rc < 0)
        return rc;
    r->context = el_local_context(&c);
    rc = el_tokenizer_load(tokenizer, &r->tokenizer, err);
    return rc < 0 ? rc : el_chat_format_init(&r->chat, r->tokenizer, err);
}

static int open_reader(struct reader *r, const char *dir, struct el_error *err)
{
    char *tokenizer = el_path_join(dir, "tokenizer.json");
    char *config = el_path_join(dir, "config.json");
    *r = (struct reader){0};
    el_tokens_init(&r->ids);
    int rc = tokenizer && config ? open_text(r, tokenizer, config, err)
                                 : el_error_set(err, EL_ENOMEM, "out of memory for paths");
    el_free(tokenizer);
    el_free(config);
    return rc;
}

static void close_reader(struct reader *r)
{
    el_tokenizer_free(r->tokenizer);
    el_tokens_release(&r->ids);
}

static int count_tokens(void *user, const char *prompt, struct el_error *err)
{
    struct reader *r = user;
    const struct el_message m = {"user", prompt};
    r->ids.len = 0;
    int rc = el_chat_encode(&r->chat, r->tokenizer, &m, 1, 0, &r->ids, err);
    if (rc == 0 && r->ids.len > INT_MAX / 2)
        rc = el_error_set(err, EL_ELIMIT, "a prompt of %zu tokens", r->ids.len);
    return rc < 0 ? rc : (int)r->ids.len;
}

int el_rl_tasks_open(struct el_rl_tasks *t, const struct el_rl_recipe *r,
                     const struct el_prompt_set *prompts, const char *path, const char *model,
                     int anyhow, struct el_error *err)
{
    struct el_store *s = NULL;
    struct reader reader;
    int rc = open_reader(&reader, model, err);
    const struct el_rl_room room = {count_tokens, &reader, reader.context, anyhow};
    if (rc == 0)
        rc = el_store_open(path, EL_STORE_READONLY, &s, err);
    if (rc == 0)
        rc = el_rl_tasks_init(t, r, prompts, s, &room, err);
    el_store_close(s);
    close_reader(&reader);
    return rc;
}
