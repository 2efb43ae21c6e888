/* The items in the rubric of a problem. */
#include "rewards/rubric.h"

#include "core/base/alloc.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { ITEMS = 64 };

static char *skip_blanks(char *s)
{
    while (*s == ' ' || *s == '\t')
        s++;
    return s;
}

/* "1. ", "2) ", "- ", "* " */
static char *skip_bullet(char *s)
{
    size_t digits = 0;
    while (isdigit((unsigned char)s[digits]))
        digits++;
    if (s[digits] && strchr(digits ? ".)" : "-*", s[digits]) && s[digits + 1] == ' ')
        s = skip_blanks(s + digits + 1);
    return s;
}

/* "[2.5] "; without a number in brackets *points stays. */
static char *skip_points(char *s, double *points)
{
    char *end;
    if (*s != '[')
        return s;
    double value = strtod(s + 1, &end);
    if (end == s + 1 || *end != ']')
        return s;
    *points = value;
    return skip_blanks(end + 1);
}

/* Where the pattern of a line begins, "/...": at the first slash behind a blank that the line's
 * last character, a slash too, can close. NULL: the line is no item. */
static char *find_pattern(char *line)
{
    size_t n = strlen(line);
    while (n && isspace((unsigned char)line[n - 1]))
        line[--n] = 0;
    if (n < 4 || line[n - 1] != '/')
        return NULL;
    for (char *s = line; (s = strchr(s, '/')) && s < line + n - 2; s++) {
        int bang = s > line && s[-1] == '!';
        if (s - bang > line && (s[-bang - 1] == ' ' || s[-bang - 1] == '\t')) {
            line[n - 1] = 0;
            return s;
        }
    }
    return NULL;
}

/* Cuts the line into its parts, in place. */
static int read_line(char *line, struct el_rubric_item *out)
{
    char *slash = find_pattern(line);
    if (!slash)
        return 0;
    *out = (struct el_rubric_item){.part = EL_RUBRIC_PROOF, .points = 1, .pattern = slash + 1};
    out->absent = slash[-1] == '!';
    slash[-1 - out->absent] = 0;
    out->name = skip_points(skip_bullet(skip_blanks(line)), &out->points);
    return 1;
}

static int read_lines(char *text, struct el_rubric_item *items, struct el_error *err)
{
    int n = 0;
    for (char *line = text, *next; line; line = next) {
        next = strchr(line, '\n');
        if (next)
            *next++ = 0;
        struct el_rubric_item item;
        if (!read_line(line, &item))
            continue;
        if (n == ITEMS)
            return el_error_set(err, EL_ELIMIT, "a rubric of more than %d items", ITEMS);
        items[n++] = item;
    }
    return n;
}

int el_rubric_read(const char *text, struct el_rubric **out, struct el_error *err)
{
    struct el_rubric_item items[ITEMS];
    char *copy = el_strdup(text);
    *out = NULL;
    if (!copy)
        return el_error_set(err, EL_ENOMEM, "out of memory for a rubric");
    int n = read_lines(copy, items, err);
    int rc = n > 0 ? el_rubric_create(items, n, out, err) : n;
    el_free(copy);
    return rc;
}
