/* Any bytes, every role: the parser ends with a named failure, its spans lie inside the text, and
 * its result obeys the rules of roles/reply.h. The first byte chooses role and context. */
#include "roles/role.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(int condition)
{
    if (!condition)
        abort();
}

static void check_span(struct el_span span, size_t n)
{
    need(span.off <= n && span.len <= n - span.off);
}

static void check(const struct el_reply *r, enum el_reply_end finish, size_t n)
{
    check_span(r->answer, n);
    check_span(r->proof, n);
    check_span(r->analysis, n);
    need((unsigned)r->text_failure < EL_REPLY_FAILURES);
    need(r->text_failure != EL_REPLY_TRUNCATED);
    need(r->failure == (finish == EL_REPLY_CUT_OFF ? EL_REPLY_TRUNCATED : r->text_failure));
    need(el_score_is_legal(r->halves) == (r->text_failure == EL_REPLY_OK));
    if (r->proof.len && r->analysis.len)
        need(r->proof.off + r->proof.len < r->analysis.off);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct el_reply_parser *parser;
    struct el_reply_context ctx;
    struct el_reply reply;

    if (size == 0)
        return 0;
    if (!parser)
        need(el_reply_parser_create(&parser, NULL) == 0);
    ctx.finish = data[0] & 4 ? EL_REPLY_CUT_OFF : EL_REPLY_ENDED;
    ctx.expect_thinking = data[0] >> 3 & 1;
    need(el_role_parse(data[0] & 3, parser, (const char *)data + 1, size - 1, &ctx, &reply, NULL) ==
         0);
    check(&reply, ctx.finish, size - 1);
    return 0;
}
