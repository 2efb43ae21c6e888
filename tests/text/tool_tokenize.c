/* Runs the tokenizer on files, for tests/text/compare_tokenizers.py. Not a test by itself.
 *
 *   text_tool_tokenize TOKENIZER.json special|plain|decode|chat|think IN OUT [REPEAT]
 *
 * IN and OUT are lists of records: a length as 32 bits in the machine's order, then so many items.
 * special, plain: texts (bytes) to ids (32 bits each); decode: ids to bytes; chat, think: the
 * records of IN are the messages of one conversation, role and content in turn, and OUT holds its
 * ids without and with thinking. Prints the seconds that the fastest of REPEAT runs took. */
#include "core/base/alloc.h"
#include "core/base/io.h"
#include "core/text/chat.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct job {
    const struct el_tokenizer *t;
    const char *mode;
    struct el_buf in, out;
    struct el_tokens ids;
    struct el_buf text;
    struct el_error err;
};

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int put_record(struct el_buf *out, const void *items, uint32_t count, size_t size)
{
    int rc = el_buf_add(out, &count, sizeof count);
    return rc < 0 ? rc : el_buf_add(out, items, count * size);
}

/* The record at *at, of items of `size` bytes; moves *at behind it. */
static int get_record(const struct el_buf *in, size_t *at, size_t size, const char **items,
                      uint32_t *count)
{
    if (in->len - *at < sizeof *count)
        return EL_EFORMAT;
    memcpy(count, in->data + *at, sizeof *count);
    *at += sizeof *count;
    if ((in->len - *at) / size < *count)
        return EL_EFORMAT;
    *items = in->data + *at;
    *at += *count * size;
    return 0;
}

static int encode(struct job *j, const char *text, size_t n)
{
    int flags = strcmp(j->mode, "special") == 0 ? EL_ENCODE_SPECIAL : EL_ENCODE_PLAIN;
    j->ids.len = 0;
    int rc = el_tokenizer_encode(j->t, text, n, flags, &j->ids, &j->err);
    return rc < 0 ? rc : put_record(&j->out, j->ids.ids, (uint32_t)j->ids.len, sizeof *j->ids.ids);
}

static int decode(struct job *j, const char *items, size_t n)
{
    j->ids.len = 0;
    el_buf_clear(&j->text);
    for (size_t i = 0; i < n; i++) {
        int32_t id;
        memcpy(&id, items + i * sizeof id, sizeof id);
        if (el_tokens_push(&j->ids, id) < 0)
            return EL_ENOMEM;
    }
    int rc = el_tokenizer_decode(j->t, j->ids.ids, n, 0, &j->text);
    return rc < 0 ? rc : put_record(&j->out, j->text.data, (uint32_t)j->text.len, 1);
}

static int run_records(struct job *j)
{
    int is_decode = strcmp(j->mode, "decode") == 0, rc = 0;
    el_buf_clear(&j->out);
    for (size_t at = 0; at < j->in.len && rc == 0;) {
        const char *items;
        uint32_t count;
        rc = get_record(&j->in, &at, is_decode ? sizeof(int32_t) : 1, &items, &count);
        if (rc == 0)
            rc = is_decode ? decode(j, items, count) : encode(j, items, count);
    }
    return rc;
}

static int run_chat(struct job *j)
{
    enum { max = 64 };
    char *text[2 * max] = {0};
    struct el_message m[max];
    struct el_chat_format f;
    int n = 0, rc = el_chat_format_init(&f, j->t, &j->err);
    for (size_t at = 0; at < j->in.len && rc == 0 && n < 2 * max;) {
        const char *items;
        uint32_t count;
        rc = get_record(&j->in, &at, 1, &items, &count);
        if (rc == 0 && !(text[n++] = el_strndup(items, count)))
            rc = EL_ENOMEM;
    }
    for (int i = 0; i < n / 2; i++)
        m[i] = (struct el_message){text[2 * i], text[2 * i + 1]};
    j->ids.len = 0;
    el_buf_clear(&j->out);
    if (rc == 0)
        rc = el_chat_encode(&f, j->t, m, n / 2, strcmp(j->mode, "think") == 0, &j->ids, &j->err);
    for (int i = 0; i < n; i++)
        el_free(text[i]);
    return rc < 0 ? rc : put_record(&j->out, j->ids.ids, (uint32_t)j->ids.len, sizeof *j->ids.ids);
}

static int run(struct job *j, int repeat, double *best)
{
    int is_chat = strcmp(j->mode, "chat") == 0 || strcmp(j->mode, "think") == 0, rc = 0;
    for (int i = 0; i < repeat && rc == 0; i++) {
        double start = seconds();
        rc = is_chat ? run_chat(j) : run_records(j);
        double took = seconds() - start;
        *best = i == 0 || took < *best ? took : *best;
    }
    return rc;
}

static int write_file(const char *path, const struct el_buf *b)
{
    FILE *f = fopen(path, "wb");
    if (!f)
        return EL_EIO;
    size_t n = fwrite(b->data, 1, b->len, f);
    return fclose(f) == 0 && n == b->len ? 0 : EL_EIO;
}

static int work(struct job *j, char **argv, int repeat, double *took)
{
    struct el_tokenizer *t = NULL;
    int rc = el_tokenizer_load(argv[1], &t, &j->err);
    j->t = t;
    if (rc == 0)
        rc = el_file_read(argv[3], SIZE_MAX / 2, &j->in, &j->err);
    if (rc == 0)
        rc = run(j, repeat, took);
    if (rc == 0)
        rc = write_file(argv[4], &j->out);
    el_tokenizer_free(t);
    return rc;
}

int main(int argc, char **argv)
{
    struct job j = {.mode = argc > 2 ? argv[2] : ""};
    double took = 0;
    if (argc < 5) {
        fprintf(stderr, "usage: %s TOKENIZER special|plain|decode|chat|think IN OUT [REPEAT]\n",
                argv[0]);
        return 2;
    }
    el_buf_init(&j.in);
    el_buf_init(&j.out);
    el_buf_init(&j.text);
    el_tokens_init(&j.ids);
    int rc = work(&j, argv, argc > 5 ? atoi(argv[5]) : 1, &took);
    if (rc < 0)
        fprintf(stderr, "%s: %s\n", el_error_name(rc), j.err.msg);
    else
        printf("%.6f\n", took);
    el_buf_release(&j.in);
    el_buf_release(&j.out);
    el_buf_release(&j.text);
    el_tokens_release(&j.ids);
    return rc < 0;
}
