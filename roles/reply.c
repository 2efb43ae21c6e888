/* Names of failures, thinking, and the frame that all reply parsers share. */
#include "roles/reply_scan.h"

#include <string.h>

static const char *const failure_name[EL_REPLY_FAILURES] = {
    [EL_REPLY_OK] = "none",
    [EL_REPLY_MISSING_THINK_END] = "missing_think_end",
    [EL_REPLY_MISSING_SOLUTION_HEADER] = "missing_solution_header",
    [EL_REPLY_MISSING_SELF_EVALUATION_HEADER] = "missing_self_evaluation_header",
    [EL_REPLY_MISSING_KEY_PHRASE] = "missing_key_phrase",
    [EL_REPLY_NO_BOXED_SCORE] = "no_boxed_score",
    [EL_REPLY_ILLEGAL_SCORE] = "illegal_score",
    [EL_REPLY_TRUNCATED] = "truncated",
    [EL_REPLY_EMPTY] = "empty",
};

const char *el_reply_failure_name(enum el_reply_failure failure)
{
    return (unsigned)failure < EL_REPLY_FAILURES ? failure_name[failure] : "unknown";
}

int el_reply_failure_from_name(const char *name)
{
    for (int i = 0; i < EL_REPLY_FAILURES; i++)
        if (strcmp(name, failure_name[i]) == 0)
            return i;
    return -1;
}

int el_reply_format(const struct el_reply *reply)
{
    return reply->failure == EL_REPLY_OK;
}

struct el_slice el_reply_slice(struct el_span span, const char *text)
{
    return span.len ? el_slice_of(text + span.off, span.len) : el_slice_of("", 0);
}

/* The index behind the last `tag` in text, 0 when there is none. */
static size_t behind_last(const char *text, size_t n, const char *tag)
{
    const size_t len = strlen(tag);

    for (size_t i = n; i >= len; i--)
        if (text[i - 1] == tag[len - 1] && memcmp(text + i - len, tag, len) == 0)
            return i;
    return 0;
}

enum el_reply_failure el_reply_strip_thinking(const char *text, size_t n, int expect_thinking,
                                              size_t *begin)
{
    static const char open[] = "<think>";
    struct el_slice rest;

    *begin = n ? behind_last(text, n, "</think>") : 0;
    if (n == 0)
        return expect_thinking ? EL_REPLY_MISSING_THINK_END : EL_REPLY_OK;
    rest = el_slice_trim(el_slice_of(text + *begin, n - *begin));
    if ((expect_thinking && *begin == 0) ||
        (rest.len >= strlen(open) && memcmp(rest.data, open, strlen(open)) == 0)) {
        *begin = n;
        return EL_REPLY_MISSING_THINK_END;
    }
    return EL_REPLY_OK;
}

typedef int parse_answer(const struct el_scan *s, size_t from, struct el_reply *reply);

/* Rules 1, 2 and 6; `answer` does the rest. */
static int parse(parse_answer *answer, const struct el_reply_parser *p, const char *text, size_t n,
                 const struct el_reply_context *ctx, struct el_reply *reply, struct el_error *err)
{
    static const struct el_reply_context plain = {EL_REPLY_ENDED, 0};
    struct el_scan s;
    size_t begin;
    int rc;

    ctx = ctx ? ctx : &plain;
    *reply = (struct el_reply){.halves = EL_SCORE_NONE};
    rc = el_scan_init(&s, p, text, n, err);
    if (rc)
        return rc;
    reply->text_failure = el_reply_strip_thinking(s.text, s.n, ctx->expect_thinking, &begin);
    reply->answer = el_scan_trim(&s, begin, s.n);
    if (reply->text_failure == EL_REPLY_OK && reply->answer.len == 0)
        reply->text_failure = EL_REPLY_EMPTY;
    if (reply->text_failure == EL_REPLY_OK)
        rc = answer(&s, begin, reply);
    el_scan_release(&s);
    if (rc < 0) {
        *reply = (struct el_reply){.halves = EL_SCORE_NONE};
        return el_error_set(err, rc, "parsing a reply of %zu bytes: out of memory", n);
    }
    reply->failure = ctx->finish == EL_REPLY_CUT_OFF ? EL_REPLY_TRUNCATED : reply->text_failure;
    return 0;
}

static int verifier_answer(const struct el_scan *s, size_t from, struct el_reply *reply)
{
    return el_scan_analysis(s, EL_PATTERN_EVALUATION, EL_PATTERN_VERDICT, from, reply);
}

static int meta_answer(const struct el_scan *s, size_t from, struct el_reply *reply)
{
    return el_scan_analysis(s, EL_PATTERN_META_ANALYSIS, EL_PATTERN_META_VERDICT, from, reply);
}

int el_reply_parse_generator(const struct el_reply_parser *p, const char *text, size_t n,
                             const struct el_reply_context *ctx, struct el_reply *reply,
                             struct el_error *err)
{
    return parse(el_scan_generator, p, text, n, ctx, reply, err);
}

int el_reply_parse_verifier(const struct el_reply_parser *p, const char *text, size_t n,
                            const struct el_reply_context *ctx, struct el_reply *reply,
                            struct el_error *err)
{
    return parse(verifier_answer, p, text, n, ctx, reply, err);
}

int el_reply_parse_meta_verifier(const struct el_reply_parser *p, const char *text, size_t n,
                                 const struct el_reply_context *ctx, struct el_reply *reply,
                                 struct el_error *err)
{
    return parse(meta_answer, p, text, n, ctx, reply, err);
}
