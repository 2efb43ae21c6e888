#include "rewards/language.h"

#include "core/base/utf8.h"

#include <ctype.h>
#include <stdint.h>
#include <string.h>

enum script {
    LATIN = 1,
    GREEK = 2,
    CYRILLIC = 4,
    HEBREW = 8,
    ARABIC = 16,
    DEVANAGARI = 32,
    KANA = 64,
    HAN = 128,
    HANGUL = 256,
    OTHER = 512, /* letters of scripts that are no target */
};

/* Blocks of the Unicode standard; the first that holds a character decides. Signs inside the blocks
 * (times, division, the ano teleia, ...) are letters to nobody. */
static const struct {
    uint32_t first, last;
    enum script script;
} ranges[] = {{'A', 'Z', LATIN},          {'a', 'z', LATIN},          {0xC0, 0xD6, LATIN},
              {0xD8, 0xF6, LATIN},        {0xF8, 0x24F, LATIN},       {0x370, 0x373, GREEK},
              {0x376, 0x377, GREEK},      {0x37B, 0x37D, GREEK},      {0x386, 0x386, GREEK},
              {0x388, 0x3FF, GREEK},      {0x400, 0x52F, CYRILLIC},   {0x531, 0x58F, OTHER},
              {0x5D0, 0x5EA, HEBREW},     {0x620, 0x64A, ARABIC},     {0x671, 0x6D3, ARABIC},
              {0x904, 0x939, DEVANAGARI}, {0x93A, 0x94F, DEVANAGARI}, {0x980, 0xDFF, OTHER},
              {0xE01, 0x10FF, OTHER},     {0x1100, 0x11FF, HANGUL},   {0x1E00, 0x1EFF, LATIN},
              {0x1F00, 0x1FFF, GREEK},    {0x3041, 0x3096, KANA},     {0x30A1, 0x30FA, KANA},
              {0x3400, 0x4DBF, HAN},      {0x4E00, 0x9FFF, HAN},      {0xAC00, 0xD7A3, HANGUL},
              {0xF900, 0xFAFF, HAN},      {0x20000, 0x323AF, HAN}};

struct el_language {
    const char *name;
    int scripts;
};

static const struct el_language languages[] = {
    {"en", LATIN}, {"de", LATIN},  {"fr", LATIN},      {"es", LATIN},     {"it", LATIN},
    {"pt", LATIN}, {"zh", HAN},    {"ja", HAN | KANA}, {"ko", HANGUL},    {"ru", CYRILLIC},
    {"el", GREEK}, {"ar", ARABIC}, {"he", HEBREW},     {"hi", DEVANAGARI}};

const struct el_language *el_language_find(const char *name)
{
    for (size_t i = 0; i < sizeof languages / sizeof *languages; i++)
        if (strcmp(languages[i].name, name) == 0)
            return &languages[i];
    return NULL;
}

static uint32_t code_point(const char *s, size_t len)
{
    static const unsigned char mask[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    uint32_t c = (unsigned char)s[0] & mask[len];
    for (size_t i = 1; i < len; i++)
        c = c << 6 | ((unsigned char)s[i] & 0x3f);
    return c;
}

/* The script of the letter at s, 0 when there is none; *len its bytes (1 for malformed ones). */
static int letter_at(const char *s, size_t n, size_t *len)
{
    size_t bytes = el_utf8_length(s, n);
    *len = bytes ? bytes : 1;
    if (bytes == 0)
        return 0;
    uint32_t c = code_point(s, bytes);
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        if (c >= ranges[i].first && c <= ranges[i].last)
            return ranges[i].script;
    return 0;
}

/* ------------------------------------------------------------------------------- formulas */

static int starts(const char *s, size_t n, const char *with)
{
    size_t k = strlen(with);
    return k <= n && memcmp(s, with, k) == 0;
}

static const char *const closing[] = {"$$", "$", "\\)", "\\]"};
enum { CLOSINGS = 4, ENVIRONMENT_MAX = 8192 /* bytes: keeps hostile texts cheap */ };

/* A text that is read from left to right; where each way of closing a formula comes next, once that
 * was looked for (so that all searches together read the text a few times, not once each). */
struct reader {
    const char *text;
    size_t n, next[CLOSINGS]; /* n + 1: it does not come any more */
};

/* Bytes from s on up to the end of closing number k, looked for behind s[from]; 0 when it does not
 * come. */
static size_t up_to(struct reader *r, const char *s, size_t from, int k)
{
    size_t begin = (size_t)(s - r->text) + from, len = strlen(closing[k]);
    if (r->next[k] < begin) {
        const char *at =
            begin < r->n ? memmem(r->text + begin, r->n - begin, closing[k], len) : NULL;
        r->next[k] = at ? (size_t)(at - r->text) : r->n + 1;
    }
    return r->next[k] > r->n ? 0 : r->next[k] + len - (size_t)(s - r->text);
}

/* The same for any closing, near by. */
static size_t up_to_text(const char *s, size_t from, size_t n, const char *close)
{
    size_t room = n < ENVIRONMENT_MAX ? n : ENVIRONMENT_MAX;
    const char *at = room > from ? memmem(s + from, room - from, close, strlen(close)) : NULL;
    return at ? (size_t)(at - s) + strlen(close) : 0;
}

/* Bytes of \begin{X}...\end{X} at s where X is of formulas; 0 when it is not one. */
static size_t environment(const char *s, size_t n)
{
    static const char *const names[] = {"equation", "align",  "gather",  "multline",
                                        "cases",    "matrix", "pmatrix", "bmatrix",
                                        "vmatrix",  "split",  "array",   NULL};
    static const char begin[] = "\\begin{";
    if (!starts(s, n, begin))
        return 0;
    const char *name = s + sizeof begin - 1;
    size_t left = n - (sizeof begin - 1);
    for (int i = 0; names[i]; i++) {
        char end[32] = "\\end{";
        size_t k = strlen(names[i]);
        if (!starts(name, left, names[i]))
            continue;
        size_t star = k < left && name[k] == '*';
        if (k + star >= left || name[k + star] != '}')
            continue;
        strcat(end, names[i]);
        strcat(end, star ? "*}" : "}");
        return up_to_text(s, sizeof begin - 1, n, end);
    }
    return 0;
}

/* Bytes of the formula that begins at s; 0 when none does. One that is not closed is none: a stray
 * dollar sign does not hide the rest. A dollar sign closes in its own paragraph. */
static size_t formula(struct reader *r, const char *s, size_t n)
{
    if (starts(s, n, "$$"))
        return up_to(r, s, 2, 0);
    if (*s == '$') {
        size_t end = up_to(r, s, 1, 1);
        return end && memmem(s, end, "\n\n", 2) ? 0 : end;
    }
    if (starts(s, n, "\\("))
        return up_to(r, s, 2, 2);
    if (starts(s, n, "\\["))
        return up_to(r, s, 2, 3);
    return environment(s, n);
}

/* Bytes of the command at s, \name or \x, with its argument where that is no text; 0 when there is
 * none. */
static size_t command(const char *s, size_t n)
{
    static const char *const names[] = {"\\begin", "\\end",  "\\label", "\\ref",
                                        "\\eqref", "\\cite", "\\tag",   NULL};
    size_t len = 1;
    if (*s != '\\')
        return 0;
    while (len < n && isalpha((unsigned char)s[len]))
        len++;
    for (int i = 0; names[i] && len < n && s[len] == '{'; i++)
        if (strlen(names[i]) == len && memcmp(names[i], s, len) == 0) {
            size_t end = up_to_text(s, len, n, "}");
            return end ? end : len;
        }
    return len > 1 || n == 1 ? len : 2;
}

/* ---------------------------------------------------------------------------------- words */

static int is_function(const char *s, size_t n)
{
    static const char *const names[] = {"sin", "cos", "tan", "cot", "sec", "csc",  "log", "ln",
                                        "exp", "lim", "max", "min", "sup", "inf",  "gcd", "lcm",
                                        "mod", "det", "dim", "ker", "deg", "iff",  "QED", "arg",
                                        "sgn", "lg",  "Re",  "Im",  "tr",  "rank", "div", NULL};
    for (int i = 0; names[i]; i++)
        if (strlen(names[i]) == n && memcmp(names[i], s, n) == 0)
            return 1;
    return 0;
}

/* Counts the run of letters at s; returns its bytes. */
static size_t count_word(const struct el_language *l, const char *s, size_t n,
                         struct el_language_count *c)
{
    size_t at = 0, len;
    long letters = 0;
    int script = letter_at(s, n, &len);
    int each = script == HAN || script == KANA;
    while (at < n && letter_at(s + at, n - at, &len) == script) {
        at += len;
        letters++;
    }
    if (!each && (letters < 2 || is_function(s, at)))
        return at;
    c->words += each ? letters : 1;
    if (script & l->scripts)
        c->target += each ? letters : 1;
    return at;
}

struct el_language_count el_language_count(const struct el_language *l, const char *text, size_t n)
{
    struct el_language_count c = {0, 0};
    struct reader r = {.text = text, .n = n};
    for (size_t i = 0, len; i < n; i += len) {
        len = formula(&r, text + i, n - i);
        if (len == 0)
            len = command(text + i, n - i);
        if (len == 0 && letter_at(text + i, n - i, &len))
            len = count_word(l, text + i, n - i, &c);
    }
    return c;
}

double el_reward_language_consistency(const struct el_language *l, const char *text, size_t n)
{
    struct el_language_count c = el_language_count(l, text, n);
    return c.words ? (double)c.target / (double)c.words : 1;
}
