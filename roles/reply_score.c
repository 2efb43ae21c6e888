/* The boxed score: which box counts, and what may stand in it (rule 4 of reply.h). */
#include "roles/reply_scan.h"

#include "core/base/braces.h"

#include <string.h>

enum {
    BOX_MAX = 256, /* a box with more bytes is no score */
    CORE_MAX = 64, /* the same after blanks are dropped */
};

/* Spelling that carries no meaning inside a box. */
static const char *const noise[] = {
    " ",
    "\t",
    "\n",
    "\v",
    "\f",
    "\r",
    "$",
    "~",
    "*",
    "\\,",
    "\\;",
    "\\:",
    "\\!",
    "\\ ",
    "\\(",
    "\\)",
    "\\displaystyle",
    "\\textstyle",
    "\xc2\xa0",
};

static const char *const wrapper[] = {
    "",         "\\text",   "\\textbf", "\\textit", "\\textrm",     "\\texttt", "\\mathrm",
    "\\mathbf", "\\mathit", "\\mathsf", "\\mathtt", "\\boldsymbol", "\\bm",     "\\emph",
};

static const char *const half[] = {"1/2", "{1}/{2}", "\xc2\xbd"};

static const char *const one_over_two[] = {"12", "{1}2", "1{2}", "{1}{2}"}; /* behind \frac */

static const char *const fraction[] = {"\\frac",  "\\dfrac",    "\\tfrac",
                                       "\\cfrac", "\\nicefrac", "\\sfrac"};

/* Length of the noise at p, 0 when there is none. */
static size_t noise_length(const char *p, size_t n)
{
    for (size_t i = 0; i < sizeof noise / sizeof *noise; i++) {
        const size_t len = strlen(noise[i]);

        if (len <= n && memcmp(p, noise[i], len) == 0)
            return len;
    }
    return 0;
}

/* Copies content without noise into core[CORE_MAX + 1]; 0 when it does not fit or holds NUL. */
static int drop_noise(const char *content, size_t n, char *core)
{
    size_t len = 0;

    for (size_t i = 0; i < n;) {
        const size_t skip = noise_length(content + i, n - i);

        i += skip;
        if (skip)
            continue;
        if (len == CORE_MAX || content[i] == '\0')
            return 0;
        core[len++] = content[i++];
    }
    core[len] = '\0';
    return 1;
}

/* Removes one \text{...} or {...} around the whole of core; 0 when there is none. */
static int unwrap(char *core)
{
    const size_t n = strlen(core);

    for (size_t i = 0; i < sizeof wrapper / sizeof *wrapper; i++) {
        const size_t w = strlen(wrapper[i]);

        if (strncmp(core, wrapper[i], w) || core[w] != '{' ||
            el_braces_close(core + w, n - w) != n - w)
            continue;
        memmove(core, core + w + 1, n - w - 2);
        core[n - w - 2] = '\0';
        return 1;
    }
    return 0;
}

/* `head` and then any number of zeros. */
static int is_padded(const char *core, const char *head)
{
    const size_t n = strlen(head);

    return strncmp(core, head, n) == 0 && strspn(core + n, "0") == strlen(core + n);
}

static int is_one_of(const char *core, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(core, list[i]) == 0)
            return 1;
    return 0;
}

static int is_half(const char *core)
{
    if (is_padded(core, "0.5") || is_padded(core, ".5"))
        return 1;
    if (is_one_of(core, half, sizeof half / sizeof *half))
        return 1;
    for (size_t i = 0; i < sizeof fraction / sizeof *fraction; i++) {
        const size_t n = strlen(fraction[i]);

        if (strncmp(core, fraction[i], n) == 0 &&
            is_one_of(core + n, one_over_two, sizeof one_over_two / sizeof *one_over_two))
            return 1;
    }
    return 0;
}

int el_reply_box_score(const char *content, size_t n)
{
    char core[CORE_MAX + 1];

    if (n > BOX_MAX || !drop_noise(content, n, core))
        return EL_SCORE_NONE;
    while (unwrap(core))
        ;
    if (strcmp(core, "0") == 0 || is_padded(core, "0."))
        return EL_SCORE_ZERO;
    if (strcmp(core, "1") == 0 || is_padded(core, "1."))
        return EL_SCORE_ONE;
    return is_half(core) ? EL_SCORE_HALF : EL_SCORE_NONE;
}

int el_scan_box(const struct el_scan *s, size_t from, int *halves)
{
    struct el_span box;
    size_t open, rest, end;
    int rc = el_scan_first(s, EL_PATTERN_BOX, from, s->n, &box);

    if (rc <= 0)
        return rc ? rc : EL_REPLY_NO_BOXED_SCORE;
    open = box.off + box.len - 1;
    rest = s->n - open;
    end = el_braces_close(s->text + open, rest < BOX_MAX + 2 ? rest : BOX_MAX + 2);
    if (end == 0)
        return rest < BOX_MAX + 2 ? EL_REPLY_NO_BOXED_SCORE : EL_REPLY_ILLEGAL_SCORE;
    *halves = el_reply_box_score(s->text + open + 1, end - 2);
    return *halves == EL_SCORE_NONE ? EL_REPLY_ILLEGAL_SCORE : EL_REPLY_OK;
}
