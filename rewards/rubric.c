#include "rewards/rubric.h"

#include "core/base/alloc.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

static const char *const part_names[EL_RUBRIC_PARTS] = {"reply", "proof", "analysis"};

int el_rubric_part_find(const char *name)
{
    for (int i = 0; i < EL_RUBRIC_PARTS; i++)
        if (strcmp(part_names[i], name) == 0)
            return i;
    return -1;
}

/* ---------------------------------------------------------------------------------- items */

struct item {
    pcre2_code *code;
    enum el_rubric_part part;
    double points;
    int absent;
};

struct el_rubric {
    pcre2_general_context *general; /* PCRE2 allocates through core/base/alloc.h */
    pcre2_compile_context *compile;
    pcre2_match_context *limits;
    struct item *item;
    int n;
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

static int add_item(struct el_rubric *r, const struct el_rubric_item *from, struct el_error *err)
{
    PCRE2_UCHAR reason[128];
    PCRE2_SIZE offset;
    int code;
    struct item *to = &r->item[r->n];
    if (!(from->points > 0) || !isfinite(from->points))
        return el_error_set(err, EL_EFORMAT, "rubric item '%.60s': points must be positive",
                            from->name);
    *to = (struct item){.part = from->part, .points = from->points, .absent = from->absent};
    to->code = pcre2_compile((PCRE2_SPTR)from->pattern, PCRE2_ZERO_TERMINATED,
                             PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_MULTILINE |
                                 PCRE2_NEVER_BACKSLASH_C,
                             &code, &offset, r->compile);
    if (to->code) {
        r->n++;
        return 0;
    }
    pcre2_get_error_message(code, reason, sizeof reason);
    return el_error_set(err, code == PCRE2_ERROR_HEAP_FAILED ? EL_ENOMEM : EL_EFORMAT,
                        "rubric item '%.60s': pattern, at offset %zu: %s", from->name,
                        (size_t)offset, (const char *)reason);
}

static int make_contexts(struct el_rubric *r)
{
    r->general = pcre2_general_context_create(take, give, NULL);
    if (!r->general)
        return 0;
    r->compile = pcre2_compile_context_create(r->general);
    r->limits = pcre2_match_context_create(r->general);
    if (!r->compile || !r->limits)
        return 0;
    pcre2_set_match_limit(r->limits, 1000000);
    pcre2_set_depth_limit(r->limits, 10000);
    pcre2_set_heap_limit(r->limits, 4096); /* KiB */
    return 1;
}

int el_rubric_create(const struct el_rubric_item *items, int n, struct el_rubric **out,
                     struct el_error *err)
{
    struct el_rubric *r = el_alloc_array(1, sizeof *r);
    int rc = 0;
    if (r)
        r->item = el_alloc_array((size_t)n + 1, sizeof *r->item);
    if (!r || !r->item || !make_contexts(r))
        rc = el_error_set(err, EL_ENOMEM, "out of memory for a rubric");
    for (int i = 0; i < n && rc == 0; i++)
        rc = add_item(r, &items[i], err);
    if (rc < 0)
        el_rubric_free(r);
    else
        *out = r;
    return rc;
}

void el_rubric_free(struct el_rubric *r)
{
    if (!r)
        return;
    for (int i = 0; i < r->n; i++)
        pcre2_code_free(r->item[i].code);
    pcre2_match_context_free(r->limits);
    pcre2_compile_context_free(r->compile);
    pcre2_general_context_free(r->general);
    el_free(r->item);
    el_free(r);
}

int el_rubric_check(const struct el_rubric *r, const struct el_rubric_text part[EL_RUBRIC_PARTS],
                    struct el_rubric_points *points, struct el_error *err)
{
    pcre2_match_data *match = pcre2_match_data_create(1, r->general);
    int rc = match ? 0 : EL_ENOMEM;
    for (int i = 0; i < r->n && rc == 0; i++) {
        const struct item *item = &r->item[i];
        const struct el_rubric_text *text = &part[item->part];
        if (!text->data)
            continue;
        int found =
            pcre2_match(item->code, (PCRE2_SPTR)text->data, text->n, 0, 0, match, r->limits);
        rc = found == PCRE2_ERROR_NOMEMORY ? EL_ENOMEM : 0;
        points->of += item->points;
        if (item->absent ? found == PCRE2_ERROR_NOMATCH : found >= 0)
            points->earned += item->points;
    }
    pcre2_match_data_free(match);
    return rc < 0 ? el_error_set(err, rc, "out of memory for a rubric") : 0;
}

double el_rubric_share(const struct el_rubric_points *points)
{
    return points->of > 0 ? points->earned / points->of : NAN;
}
