/* Normalisation in three passes over a small buffer: spelling, fractions, braces. */
#include "rewards/answer.h"

#include "core/base/braces.h"

#include <ctype.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

enum { ELEMENTS = 16, DEPTH = 32, BOX_MAX = 8192 /* bytes: keeps hostile texts cheap */ };

/* Bytes that stand for \{ and \}, which mean something where { and } do not. */
enum { SET_OPEN = 1, SET_CLOSE = 2 };

struct text {
    char s[EL_ANSWER_BYTES + 1];
    size_t n;
    int full;
};

static void put(struct text *t, char c)
{
    if (t->n == EL_ANSWER_BYTES)
        t->full = 1;
    else
        t->s[t->n++] = c;
    t->s[t->n] = 0;
}

static void put_all(struct text *t, const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        put(t, s[i]);
}

/* -------------------------------------------------------------------------------- the box */

int el_answer_boxed(const char *text, size_t n, size_t *at, size_t *len)
{
    static const char box[] = "\\boxed";
    for (size_t i = n; i-- > 0;) {
        size_t open = i + sizeof box - 1;
        if (open > n || memcmp(text + i, box, sizeof box - 1) != 0)
            continue;
        while (open < n && isspace((unsigned char)text[open]))
            open++;
        size_t room = n - open < BOX_MAX ? n - open : BOX_MAX;
        size_t end = room && text[open] == '{' ? el_braces_close(text + open, room) : 0;
        if (end == 0)
            continue;
        *at = open + 1;
        *len = end - 2;
        return 1;
    }
    return 0;
}

/* ------------------------------------------------------------------------------- spelling */

static int is_one_of(const char *s, size_t n, const char *const *list)
{
    for (; *list; list++)
        if (strlen(*list) == n && memcmp(*list, s, n) == 0)
            return 1;
    return 0;
}

static const char *const silent[] = {"left",   "right",        "big",       "Big",  "bigl",
                                     "bigr",   "Bigl",         "Bigr",      "quad", "qquad",
                                     "limits", "displaystyle", "textstyle", NULL};
static const char *const wrappers[] = {"text",         "textbf",     "textit", "textrm", "mathrm",
                                       "mathbf",       "mathit",     "mathsf", "mbox",   "emph",
                                       "operatorname", "boldsymbol", NULL};
static const struct {
    const char *from, *to;
} aliases[] = {{"dfrac", "\\frac"}, {"tfrac", "\\frac"}, {"cfrac", "\\frac"}, {"cdot", "*"},
               {"times", "*"},      {"le", "\\leq"},     {"ge", "\\geq"},     {"ne", "\\neq"},
               {"lbrace", "\1"},    {"rbrace", "\2"},    {"degree", ""}};

struct speller {
    struct text *out;
    char dropped[DEPTH]; /* whether the brace that is open at this depth was left out */
    int depth, drop_next;
};

static void put_command(struct speller *sp, const char *name, size_t n)
{
    if (is_one_of(name, n, silent))
        return;
    if (is_one_of(name, n, wrappers)) {
        sp->drop_next = 1;
        return;
    }
    for (size_t i = 0; i < sizeof aliases / sizeof *aliases; i++)
        if (strlen(aliases[i].from) == n && memcmp(aliases[i].from, name, n) == 0) {
            put_all(sp->out, aliases[i].to, strlen(aliases[i].to));
            return;
        }
    put(sp->out, '\\');
    put_all(sp->out, name, n);
}

static void put_brace(struct speller *sp, char c)
{
    if (c == '{') {
        int drop = sp->drop_next;
        sp->drop_next = 0;
        if (sp->depth < DEPTH)
            sp->dropped[sp->depth] = (char)drop;
        sp->depth++;
        if (!drop)
            put(sp->out, c);
        return;
    }
    sp->depth -= sp->depth > 0;
    if (sp->depth >= DEPTH || !sp->dropped[sp->depth])
        put(sp->out, c);
}

/* A backslash and what belongs to it; returns how many bytes. */
static size_t spell_command(struct speller *sp, const char *s, size_t n)
{
    size_t len = 1;
    while (len < n && isalpha((unsigned char)s[len]))
        len++;
    if (len > 1) {
        put_command(sp, s + 1, len - 1);
        return len;
    }
    if (n > 1 && (s[1] == '{' || s[1] == '}'))
        put(sp->out, s[1] == '{' ? SET_OPEN : SET_CLOSE);
    else if (n > 1 && !strchr(",;:! ()[]\\%$", s[1]))
        put(sp->out, s[1]);
    return n > 1 ? 2 : 1;
}

static int starts(const char *s, size_t n, const char *with)
{
    size_t k = strlen(with);
    return k <= n && memcmp(s, with, k) == 0;
}

/* Bytes at s that mean nothing; 0 when they do. */
static size_t noise(const char *s, size_t n)
{
    static const char *const list[] = {"^{\\circ}", "^\\circ", "\xc2\xb0", "\xc2\xa0", "{,}", NULL};
    if (isspace((unsigned char)*s) || *s == '$' || *s == '~')
        return 1;
    for (int i = 0; list[i]; i++)
        if (starts(s, n, list[i]))
            return strlen(list[i]);
    return 0;
}

static void spell(const char *s, size_t n, struct text *out)
{
    struct speller sp = {.out = out};
    for (size_t i = 0; i < n;) {
        size_t skip = noise(s + i, n - i);
        if (skip) {
            i += skip;
        } else if (s[i] == '\\') {
            i += spell_command(&sp, s + i, n - i);
        } else {
            if (s[i] == '{' || s[i] == '}')
                put_brace(&sp, s[i]);
            else
                put(out, s[i]);
            i++;
        }
    }
    while (out->n && strchr(".,;:", out->s[out->n - 1]))
        out->s[--out->n] = 0;
}

/* ------------------------------------------------------------------------------ fractions */

/* Length of an argument of \frac: a group, a command, or one byte; 0 at the end. */
static size_t argument(const char *s, size_t n)
{
    if (n == 0)
        return 0;
    if (*s == '{')
        return el_braces_close(s, n);
    size_t len = 1;
    while (*s == '\\' && len < n && isalpha((unsigned char)s[len]))
        len++;
    return len;
}

/* One number, one letter or one command needs no parentheses. */
static int is_simple(const char *s, size_t n)
{
    size_t digits = 0;
    while (digits < n && (isdigit((unsigned char)s[digits]) || s[digits] == '.'))
        digits++;
    return n > 0 && (digits == n || argument(s, n) == n);
}

static void put_argument(struct text *out, const char *s, size_t n)
{
    if (*s == '{') {
        s++;
        n -= 2;
    }
    int simple = is_simple(s, n);
    if (!simple)
        put(out, '(');
    put_all(out, s, n);
    if (!simple)
        put(out, ')');
}

/* Outermost fractions; those inside their arguments are for the next round. */
static int fractions(const struct text *in, struct text *out)
{
    int found = 0;
    *out = (struct text){.full = in->full};
    for (size_t i = 0; i < in->n;) {
        const char *s = in->s + i;
        size_t left = in->n - i, above = 0, below = 0;
        if (starts(s, left, "\\frac") && !(left > 5 && isalpha((unsigned char)s[5]) && left > 6 &&
                                           isalpha((unsigned char)s[6]))) {
            above = argument(s + 5, left - 5);
            below = above ? argument(s + 5 + above, left - 5 - above) : 0;
        }
        if (below == 0) {
            put(out, *s);
            i++;
            continue;
        }
        put_argument(out, s + 5, above);
        put(out, '/');
        put_argument(out, s + 5 + above, below);
        i += 5 + above + below;
        found = 1;
    }
    return found;
}

static void drop_small_braces(struct text *t)
{
    size_t to = 0;
    for (size_t i = 0; i < t->n; i++) {
        if (t->s[i] == '{' && i + 2 < t->n && t->s[i + 2] == '}' && !strchr("{}\\", t->s[i + 1])) {
            t->s[to++] = t->s[i + 1];
            i += 2;
        } else {
            t->s[to++] = t->s[i];
        }
    }
    t->s[t->n = to] = 0;
}

/* "5x for all x": what stands behind "for all", in a list the last element's, says where. */
static void drop_range(struct text *t)
{
    static const char *const words[] = {"\\forall", "forall", "forevery", "foreach", "forany"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        char *at = strstr(t->s, words[i]);
        if (!at || at == t->s || (*words[i] != '\\' && at[-1] == '\\'))
            continue; /* all there is, or the word within the command */
        while (at > t->s && strchr(",;", at[-1]))
            at--;
        *at = 0;
        t->n = (size_t)(at - t->s);
    }
}

/* 0 when it is too long. */
static int normalise(const char *s, size_t n, struct text *out)
{
    struct text a = {0};
    spell(s, n, &a);
    *out = a;
    for (int round = 0; round < DEPTH && fractions(&a, out); round++)
        a = *out;
    drop_small_braces(out);
    drop_range(out);
    return !out->full;
}

/* ------------------------------------------------------------------------------ comparison */

struct rational {
    int64_t above, below;
};

/* digits[.digits] into above / below; returns the bytes read, 0 when it is no number or too big. */
static size_t read_decimal(const char *s, size_t n, struct rational *out)
{
    const int64_t most = 100000000000000000; /* 1e17: ten times it still fits */
    size_t i = 0, digits = 0;
    int point = 0;
    *out = (struct rational){0, 1};
    for (; i < n && (isdigit((unsigned char)s[i]) || (s[i] == '.' && !point)); i++) {
        if (s[i] == '.') {
            point = 1;
            continue;
        }
        if (out->above >= most || out->below >= most)
            return 0;
        out->above = 10 * out->above + (s[i] - '0');
        out->below *= point ? 10 : 1;
        digits++;
    }
    return digits ? i : 0;
}

/* [sign]decimal[/decimal]; small enough for products of two to be compared exactly. */
static int read_number(const char *s, size_t n, struct rational *out)
{
    const int64_t most = 100000000; /* of the parts of a fraction */
    size_t sign = n > 0 && (*s == '-' || *s == '+'), at = sign;
    size_t len = read_decimal(s + at, n - at, out);
    at += len;
    if (len && at < n && s[at] == '/') {
        struct rational under;
        len = read_decimal(s + at + 1, n - at - 1, &under);
        at += 1 + len;
        if (len == 0 || under.above == 0 || under.above > most || under.below > most ||
            out->above > most || out->below > most)
            return 0;
        out->above *= under.below;
        out->below *= under.above;
    }
    if (sign && *s == '-')
        out->above = -out->above;
    return len > 0 && at == n;
}

static int is_word(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isalpha((unsigned char)s[i]))
            return 0;
    return n > 1;
}

/* Bytes of the command at s, backslash and letters; *names: it may be part of a name. Without
 * blanks "\sin x" is "\sinx", so what begins like a function or a relation is one. */
static size_t read_command(const char *s, size_t n, int *names)
{
    static const char *const none[] = {
        "sin",  "cos",   "tan",    "cot",  "sec",  "csc",  "log",    "ln",   "lg",    "exp",
        "sqrt", "frac",  "leq",    "geq",  "le",   "ge",   "lt",     "gt",   "ne",    "neq",
        "in",   "equiv", "sim",    "cong", "mid",  "sum",  "subset", "prod", "binom", "times",
        "cdot", "pm",    "approx", "div",  "bmod", "pmod", "mod",    "not",  "notin", "forall"};
    size_t i = 1;
    while (i < n && isalpha((unsigned char)s[i]))
        i++;
    *names = i > 1;
    for (size_t k = 0; k < sizeof none / sizeof *none; k++)
        if (strlen(none[k]) < i && memcmp(s + 1, none[k], strlen(none[k])) == 0)
            *names = 0;
    return i;
}

/* Letters, digits, subscripts, primes, arguments, tuples of them: f(x), a_1, (x,y). What computes
 * or relates is none. */
static int is_name(const char *s, size_t n)
{
    int names = n > 0 && (isalpha((unsigned char)*s) || *s == '\\' || *s == '(');
    for (size_t i = 0; i < n && names;) {
        if (s[i] == '\\')
            i += read_command(s + i, n - i, &names);
        else if (isalnum((unsigned char)s[i]) || strchr("_'{}(),", s[i]))
            i++;
        else
            names = 0;
    }
    return names;
}

/* "n=2" against "2": the bytes up to the only equals sign of a[0..n), if b has none; else 0. */
static size_t name_length(const char *a, size_t na, const char *b, size_t nb)
{
    const char *sign = memchr(a, '=', na);
    if (!sign || memchr(sign + 1, '=', na - (size_t)(sign + 1 - a)) || memchr(b, '=', nb) ||
        !is_name(a, (size_t)(sign - a)))
        return 0;
    return (size_t)(sign + 1 - a);
}

/* Single values. */
static int same_value(const char *a, size_t na, const char *b, size_t nb)
{
    struct rational x, y;
    size_t skip_a = name_length(a, na, b, nb), skip_b = name_length(b, nb, a, na);
    a += skip_a;
    na -= skip_a;
    b += skip_b;
    nb -= skip_b;
    if (read_number(a, na, &x) && read_number(b, nb, &y))
        return (__int128)x.above * y.below == (__int128)y.above * x.below;
    if (na != nb)
        return 0;
    return is_word(a, na) && is_word(b, nb) ? strncasecmp(a, b, na) == 0 : memcmp(a, b, na) == 0;
}

struct list {
    const char *s[ELEMENTS];
    size_t n[ELEMENTS];
    int count;
};

static int add_element(struct list *l, const char *s, size_t n)
{
    if (l->count == ELEMENTS)
        return 0;
    l->s[l->count] = s;
    l->n[l->count++] = n;
    return 1;
}

/* Splits at commas outside of all brackets; 0 when there are too many elements. */
static int split(const char *s, size_t n, struct list *out)
{
    size_t from = 0;
    int depth = 0;
    *out = (struct list){.count = 0};
    for (size_t i = 0; i < n; i++) {
        depth += s[i] == '(' || s[i] == '[' || s[i] == '{' || s[i] == SET_OPEN;
        depth -= s[i] == ')' || s[i] == ']' || s[i] == '}' || s[i] == SET_CLOSE;
        size_t gap = s[i] == ',' ? 1 : i > from && starts(s + i, n - i, "and") ? 3 : 0;
        if (depth != 0 || gap == 0)
            continue;
        if (i > from && !add_element(out, s + from, i - from))
            return 0;
        i += gap - 1;
        from = i + 1;
    }
    return from >= n || add_element(out, s + from, n - from);
}

/* Each element of either list is in the other. */
static int same_sets(const struct list *a, const struct list *b)
{
    for (int way = 0; way < 2; way++) {
        const struct list *x = way ? b : a, *y = way ? a : b;
        for (int i = 0; i < x->count; i++) {
            int found = 0;
            for (int k = 0; k < y->count && !found; k++)
                found = same_value(x->s[i], x->n[i], y->s[k], y->n[k]);
            if (!found)
                return 0;
        }
    }
    return 1;
}

static void drop_name(struct text *t, const struct text *other)
{
    size_t skip = name_length(t->s, t->n, other->s, other->n);
    memmove(t->s, t->s + skip, t->n - skip + 1);
    t->n -= skip;
}

static void drop_set_braces(struct text *t)
{
    if (t->n < 2 || t->s[0] != SET_OPEN || t->s[t->n - 1] != SET_CLOSE)
        return;
    memmove(t->s, t->s + 1, t->n - 2);
    t->s[t->n -= 2] = 0;
}

int el_answer_equal(const char *a, size_t na, const char *b, size_t nb)
{
    struct text x, y, whole;
    struct list left, right;
    if (!normalise(a, na, &x) || !normalise(b, nb, &y))
        return 0;
    whole = x;
    drop_name(&x, &y);
    drop_name(&y, &whole);
    drop_set_braces(&x);
    drop_set_braces(&y);
    if (x.n == 0 || y.n == 0)
        return 0;
    if (same_value(x.s, x.n, y.s, y.n))
        return 1;
    return split(x.s, x.n, &left) && split(y.s, y.n, &right) && left.count && right.count &&
           same_sets(&left, &right);
}

/* Words of two letters or more outside of $...$ and commands. */
static int words(const char *s)
{
    int count = 0, formula = 0;
    while (*s) {
        size_t n = 0;
        formula ^= *s == '$';
        int command = *s == '\\';
        s += command;
        while (isalpha((unsigned char)s[n]))
            n++;
        count += n > 1 && !command && !formula;
        s += n || command ? n : 1;
    }
    return count;
}

static int ends_in_word(const char *s, size_t n, const char *word)
{
    size_t k = strlen(word);
    while (n && isspace((unsigned char)s[n - 1]))
        n--;
    return n > k && memcmp(s + n - k, word, k) == 0 && isspace((unsigned char)s[n - k - 1]);
}

/* The part of a stored answer that is compared: of "The limit equals $x$." the formula; else all of
 * it.
 */
static const char *core_of(const char *stored, size_t *n)
{
    static const char *const verbs[] = {"is", "are", "be", "equals", "with"};
    const char *open = strchr(stored, '$'), *close = open ? strchr(open + 1, '$') : NULL;
    *n = strlen(stored);
    if (!close || close[1 + strspn(close + 1, ". \t\r\n")])
        return stored;
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (ends_in_word(stored, (size_t)(open - stored), verbs[i])) {
            *n = (size_t)(close - open - 1);
            return open + 1;
        }
    return stored;
}

int el_answer_checkable(const char *stored)
{
    struct text t;
    size_t n = 0;
    const char *core = stored ? core_of(stored, &n) : NULL;
    return core && normalise(core, n, &t) && t.n > 0 &&
           (core != stored || words(stored) <= EL_ANSWER_WORDS);
}

double el_reward_final_answer(const char *proof, size_t n, const char *stored)
{
    size_t at, len, core_n;
    if (!el_answer_checkable(stored))
        return NAN;
    const char *core = core_of(stored, &core_n);
    return el_answer_boxed(proof, n, &at, &len) && el_answer_equal(proof + at, len, core, core_n);
}
