#include "core/text/pattern.h"

#include <ctype.h>
#include <string.h>

/* White space in Oniguruma, as the inside of a class. A range stands last, so that a hyphen behind
 * it is a hyphen. */
#define SPACE_SET                                                                                  \
    "\\x{85}\\x{A0}\\x{1680}\\x{202F}\\x{205F}\\x{3000} "                                          \
    "\\x{2028}\\x{2029}\\t-\\r\\x{2000}-\\x{200A}"

/* Patterns that take quadratic time on a long run that matches nearly to its end, and others that
 * find the same. A match of the first that starts inside a run can be made longer to the left,
 * down to the run's beginning or to where the search begins. */
static const struct rewrite {
    const char *from, *to;
} rewrites[] = {
    {"\\s+$", "(?:\\G|(?<![" SPACE_SET "]))[" SPACE_SET "]+$"},
};

struct scanner {
    const char *start, *p; /* p moves on */
    struct el_buf *out;
    struct el_error *err;
    int depth;          /* of classes */
    const char *hyphen; /* behind the last one in a class that may make a range */
};

static int put(struct scanner *s, const char *text, size_t n)
{
    if (el_buf_add(s->out, text, n) < 0)
        return el_error_set(s->err, EL_ENOMEM, "out of memory for the pattern");
    return 0;
}

static int put_string(struct scanner *s, const char *text)
{
    return put(s, text, strlen(text));
}

/* Copies n bytes of the pattern. */
static int pass(struct scanner *s, size_t n)
{
    const char *at = s->p;
    s->p += n;
    return put(s, at, n);
}

static int refuse(struct scanner *s, size_t n)
{
    n = strnlen(s->p, n);
    while (s->p[n] && (s->p[n] & 0xC0) == 0x80)
        n++;
    return el_error_set(s->err, EL_EREFUSED, "the pattern holds '%.*s' at byte %zu, %s", (int)n,
                        s->p, (size_t)(s->p - s->start), "which is not supported");
}

static size_t hex_digits(const char *p, size_t max)
{
    size_t n = 0;
    while (n < max && isxdigit((unsigned char)p[n]))
        n++;
    return n;
}

/* \x41, \x{41}, \u0041. Two digits from 80 on are a byte in Oniguruma. */
static int put_number(struct scanner *s)
{
    int braces = s->p[1] == 'x' && s->p[2] == '{', is_u = s->p[1] == 'u';
    const char *digits = s->p + 2 + braces;
    size_t n = hex_digits(digits, braces ? 6 : is_u ? 4 : 2);
    int whole = braces ? n > 0 && digits[n] == '}' : is_u ? n == 4 : n == 2 && digits[0] < '8';
    if (!whole)
        return refuse(s, 8);
    int rc = put_string(s, "\\x{");
    rc = rc < 0 ? rc : put(s, digits, n);
    s->p = digits + n + braces;
    return rc < 0 ? rc : put_string(s, "}");
}

/* \p{L}, \P{Lu}, \p{^N}. Names of scripts mean other sets in the two engines. */
static int put_property(struct scanner *s)
{
    static const char one[] = "CLMNPSZ";
    static const char *const two[] = {"cfnos", "lmotu", "cen", "dlo", "cdefios", "ckmo", "lps"};
    const char *name = s->p + 3 + (s->p[2] == '{' && s->p[3] == '^');
    const char *group = s->p[2] == '{' && *name ? strchr(one, *name) : NULL;
    size_t n = !group                                                           ? 0
               : name[1] == '}'                                                 ? 1
               : name[1] && strchr(two[group - one], name[1]) && name[2] == '}' ? 2
                                                                                : 0;
    if (!n) {
        const char *end = s->p[2] == '{' ? strchr(s->p, '}') : NULL;
        return refuse(s, end && end - s->p < 40 ? (size_t)(end - s->p) + 1 : 3);
    }
    return pass(s, (size_t)(name - s->p) + n + 1);
}

static int put_space(struct scanner *s, int negated)
{
    /* Behind a hyphen the set would become the end of a range; the complement is no set to add. */
    if (s->depth && (negated || s->p == s->hyphen))
        return refuse(s, 2);
    s->p += 2;
    if (s->depth)
        return put_string(s, SPACE_SET);
    return put_string(s, negated ? "[^" SPACE_SET "]" : "[" SPACE_SET "]");
}

static int put_escape(struct scanner *s)
{
    char c = s->p[1];
    if (c == 's' || c == 'S')
        return put_space(s, c == 'S');
    if (c == 'p' || c == 'P')
        return put_property(s);
    if (c == 'x' || c == 'u')
        return put_number(s);
    if (c == 'v') {
        s->p += 2;
        return put_string(s, "\\x{0B}");
    }
    if (isalnum((unsigned char)c) && !strchr(s->depth ? "dDtnrfae" : "dDtnrfaeAz", c))
        return refuse(s, 2);
    return pass(s, c ? 2 : 1);
}

static int put_in_class(struct scanner *s)
{
    if (*s->p == '\\')
        return put_escape(s);
    if (*s->p == '&' && s->p[1] == '&')
        return refuse(s, 2);
    if (*s->p == '[') {
        if (s->p[1] == ':' || s->p[1] == '^' || s->p[1] == ']' || s->p == s->hyphen)
            return refuse(s, 2);
        s->p++;
        s->depth++;
        return 0;
    }
    if (*s->p == ']') {
        s->p++;
        s->depth--;
        return s->depth ? 0 : put_string(s, "]");
    }
    if (*s->p == '-')
        s->hyphen = s->p + 1;
    return pass(s, 1);
}

static int open_class(struct scanner *s)
{
    size_t n = s->p[1] == '^' ? 2 : 1;
    if (s->p[n] == ']')
        return refuse(s, n + 1);
    s->depth = 1;
    return pass(s, n);
}

static int put_group(struct scanner *s)
{
    static const char *const known[] = {"(?:", "(?i:", "(?=", "(?!", "(?<=", "(?<!", "(?>"};
    if (s->p[1] != '?' && s->p[1] != '*')
        return pass(s, 1);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strncmp(s->p, known[i], strlen(known[i])) == 0)
            return pass(s, strlen(known[i]));
    return refuse(s, 4);
}

/* {n}, {n,} or {n,m}; any other brace is a character. */
static int put_braces(struct scanner *s)
{
    size_t low = strspn(s->p + 1, "0123456789"), n = 1 + low;
    if (s->p[n] == ',')
        n += 1 + strspn(s->p + n + 1, "0123456789");
    if (s->p[n] != '}') {
        s->p++;
        return put_string(s, "\\{");
    }
    if (!low || s->p[n + 1] == '+' || s->p[n + 1] == '?')
        return refuse(s, n + 2);
    return pass(s, n + 1);
}

static int put_next(struct scanner *s)
{
    if (s->depth)
        return put_in_class(s);
    switch (*s->p) {
    case '\\':
        return put_escape(s);
    case '[':
        return open_class(s);
    case '(':
        return put_group(s);
    case '{':
        return put_braces(s);
    default:
        return pass(s, 1);
    }
}

int el_pattern_translate(const char *pattern, struct el_buf *out, struct el_error *err)
{
    struct scanner s = {.start = pattern, .p = pattern, .out = out, .err = err};
    for (size_t i = 0; i < sizeof rewrites / sizeof *rewrites; i++)
        if (strcmp(pattern, rewrites[i].from) == 0)
            return put_string(&s, rewrites[i].to);
    int rc = 0;
    while (*s.p && rc == 0)
        rc = put_next(&s);
    return rc;
}
