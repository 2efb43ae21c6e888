/* The patterns of the reply parsers. They work on bytes, not on characters, so that invalid UTF-8
 * is nothing special. Every repetition is of one class of bytes and possessive: matching never
 * backtracks into it, and the time is linear in the text, compiled or interpreted. */
#include "roles/reply_scan.h"
#include "core/base/alloc.h"

#include <string.h>

/* Between two words of a key phrase: blanks, line breaks, quoted lines, emphasis marks, and the
 * bytes of U+00A0. Longer gaps are no phrase. */
#define GAP   "[\\s*_>\\xc2\\xa0]{1,64}+"
#define COMMA "[\\s*_>,\\xc2\\xa0]{1,64}+"
/* The same with quotation marks: straight, escaped, TeX, and the bytes of curly ones and of
 * guillemets. */
#define QUOTE "[\\s*_>\"'`\\\\\\xc2\\xa0\\xab\\xbb\\xe2\\x80\\x98-\\x9f]{1,64}+"
/* In "self-evaluation": a blank, or a hyphen or dash with the bytes of U+2010 to U+2013. */
#define HYPHEN     "[ \\t\\xc2\\xa0\\xe2\\x80\\x90-\\x93-]{0,8}+"
#define WORD_BEGIN "(?<![a-z0-9])"
#define WORD_END   "(?![a-z0-9])"

/* A heading is alone on its line: "## NAME", or "**NAME**"; a colon may stand inside or outside the
 * emphasis, closing #s are allowed. */
#define BLANK "[ \\t]*+"
#define HEADING(NAME)                                                                              \
    "^[ \\t]{0,3}+(?:#{1,4}+" BLANK "[*_]{0,3}+" BLANK NAME BLANK "[:.]?+" BLANK                   \
    "[*_]{0,3}+" BLANK "[:.]?+" BLANK "#*+"                                                        \
    "|[*_]{1,3}+" BLANK NAME BLANK "[:.]?+" BLANK "[*_]{1,3}+" BLANK "[:.]?+)" BLANK "$"

static const char *const pattern_source[EL_PATTERNS] = {
    [EL_PATTERN_EVALUATION] = WORD_BEGIN "here" GAP "is" GAP "my" GAP "evaluation" GAP "of" GAP
                                         "the" GAP "solution" WORD_END,
    [EL_PATTERN_VERDICT] =
        WORD_BEGIN "based" GAP "on" GAP "my" GAP "evaluation" COMMA "the" GAP "final" GAP
                   "overall?" GAP "score" GAP "should" GAP "be" WORD_END,
    [EL_PATTERN_META_ANALYSIS] = WORD_BEGIN "here" GAP "is" GAP "my" GAP "analysis" GAP "of" GAP
                                            "the" QUOTE "solution" GAP "evaluation" WORD_END,
    [EL_PATTERN_META_VERDICT] =
        WORD_BEGIN "based" GAP "on" GAP "my" GAP "analysis" COMMA "i" GAP "will" GAP "rate" GAP
                   "the" QUOTE "solution" GAP "evaluation" QUOTE "as" WORD_END,
    [EL_PATTERN_SOLUTION] = HEADING("solution"),
    [EL_PATTERN_SELF_EVALUATION] = HEADING("self" HYPHEN "evaluation"),
    [EL_PATTERN_BOX] = "\\\\boxed\\s*+\\{",
};

struct el_reply_parser {
    pcre2_general_context *general; /* PCRE2 allocates through core/base/alloc.h */
    pcre2_match_context *limits;
    pcre2_code *code[EL_PATTERNS];
};

static void *take(size_t size, void *user)
{
    (void)user;
    return el_alloc(size);
}

static void give(void *p, void *user)
{
    (void)user;
    el_free(p);
}

static int compile(struct el_reply_parser *p, enum el_pattern which, pcre2_compile_context *context,
                   struct el_error *err)
{
    PCRE2_UCHAR reason[128];
    PCRE2_SIZE offset;
    int code;

    p->code[which] =
        pcre2_compile((PCRE2_SPTR)pattern_source[which], PCRE2_ZERO_TERMINATED,
                      PCRE2_CASELESS | PCRE2_MULTILINE | PCRE2_NEVER_UTF, &code, &offset, context);
    if (!p->code[which]) {
        pcre2_get_error_message(code, reason, sizeof reason);
        /* The patterns are constant and tested: the only reason left is memory. */
        return el_error_set(err, EL_ENOMEM, "reply pattern %d: %s", (int)which, (char *)reason);
    }
    /* Where the system forbids run-time code, matching is interpreted: slower, the same result. */
    pcre2_jit_compile(p->code[which], PCRE2_JIT_COMPLETE);
    return 0;
}

static int compile_all(struct el_reply_parser *p, struct el_error *err)
{
    pcre2_compile_context *context = pcre2_compile_context_create(p->general);
    int rc = context ? 0 : el_error_set(err, EL_ENOMEM, "reply patterns: out of memory");

    if (context)
        pcre2_set_newline(context, PCRE2_NEWLINE_ANYCRLF);
    for (int i = 0; rc == 0 && i < EL_PATTERNS; i++)
        rc = compile(p, i, context, err);
    pcre2_compile_context_free(context);
    return rc;
}

int el_reply_parser_create(struct el_reply_parser **out, struct el_error *err)
{
    struct el_reply_parser *p = el_alloc_array(1, sizeof *p);
    int rc;

    if (!p)
        return el_error_set(err, EL_ENOMEM, "reply parser: out of memory");
    p->general = pcre2_general_context_create(take, give, NULL);
    p->limits = p->general ? pcre2_match_context_create(p->general) : NULL;
    if (p->limits) {
        pcre2_set_match_limit(p->limits, 1000000);
        pcre2_set_depth_limit(p->limits, 10000);
        pcre2_set_heap_limit(p->limits, 4096); /* KiB */
        rc = compile_all(p, err);
    } else {
        rc = el_error_set(err, EL_ENOMEM, "reply parser: out of memory");
    }
    if (rc) {
        el_reply_parser_free(p);
        return rc;
    }
    *out = p;
    return 0;
}

void el_reply_parser_free(struct el_reply_parser *p)
{
    if (!p)
        return;
    for (int i = 0; i < EL_PATTERNS; i++)
        pcre2_code_free(p->code[i]);
    pcre2_match_context_free(p->limits);
    pcre2_general_context_free(p->general);
    el_free(p);
}

int el_scan_init(struct el_scan *s, const struct el_reply_parser *p, const char *text, size_t n,
                 struct el_error *err)
{
    *s = (struct el_scan){.parser = p, .text = text ? text : "", .n = text ? n : 0};
    s->match = pcre2_match_data_create(1, p->general);
    if (!s->match)
        return el_error_set(err, EL_ENOMEM, "parsing a reply of %zu bytes: out of memory", n);
    return 0;
}

void el_scan_release(struct el_scan *s)
{
    pcre2_match_data_free(s->match);
    s->match = NULL;
}

int el_scan_first(const struct el_scan *s, enum el_pattern pattern, size_t from, size_t to,
                  struct el_span *found)
{
    const PCRE2_SIZE *ends;
    int rc = pcre2_match(s->parser->code[pattern], (PCRE2_SPTR)s->text, s->n, from, 0, s->match,
                         s->parser->limits);

    if (rc < 0)
        return rc == PCRE2_ERROR_NOMEMORY ? EL_ENOMEM : 0;
    ends = pcre2_get_ovector_pointer(s->match);
    if (ends[0] >= to)
        return 0;
    *found = (struct el_span){ends[0], ends[1] - ends[0]};
    return 1;
}

int el_scan_last(const struct el_scan *s, enum el_pattern pattern, size_t from, size_t to,
                 struct el_span *found)
{
    struct el_span next;
    int any = 0, rc;

    /* No pattern matches the empty string, so `from` grows every time. */
    while ((rc = el_scan_first(s, pattern, from, to, &next)) > 0) {
        *found = next;
        from = next.off + next.len;
        any = 1;
    }
    return rc < 0 ? rc : any;
}

struct el_span el_scan_trim(const struct el_scan *s, size_t from, size_t to)
{
    struct el_slice v = el_slice_trim(el_slice_of(s->text + from, to - from));

    return (struct el_span){(size_t)(v.data - s->text), v.len};
}
