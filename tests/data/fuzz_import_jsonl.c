/* Any bytes as a file to import, into a store in memory: never a crash, and what was imported
 * exports and comes back. */
#include "data/export.h"
#include "data/import.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int append(void *user, const void *bytes, size_t n, struct el_error *err)
{
    (void)err;
    return el_buf_add(user, bytes, n);
}

static void come_back(struct el_store *s, enum el_export_what what)
{
    struct el_buf b;
    struct el_import_report r = {0};
    el_buf_init(&b);
    int64_t n = el_export(s, what, EL_EXPORT_JSONL, NULL, append, &b, NULL);
    if (n < 0 || (n > 0 && el_import_text(s, "again", b.data, b.len, NULL, &r, NULL) < 0) ||
        r.problems + r.proofs + r.analyses + r.scores != 0)
        abort();
    el_buf_release(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct el_store *s; /* opening one for every input would take most of the time */
    struct el_import_options o = {.keep_going = 1};
    struct el_import_report r = {0};
    if (!s && el_store_open(":memory:", EL_STORE_CREATE, &s, NULL) < 0)
        abort();
    if (el_store_begin(s, NULL) < 0)
        abort();
    if (el_import_text(s, "f", (const char *)data, size, &o, &r, NULL) == 0)
        for (int what = EL_EXPORT_PROBLEMS; what <= EL_EXPORT_SCORES; what++)
            come_back(s, (enum el_export_what)what);
    el_store_rollback(s);
    return 0;
}
