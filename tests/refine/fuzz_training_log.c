/* Any bytes as the metrics of a training: never a crash, and what was read makes a table, JSON and
 * a page. */
#include "core/base/alloc.h"
#include "refine/training_report.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct el_training_log log;
    struct el_training_runs runs = {.run = &log, .n = 1};
    struct el_buf b;
    el_buf_init(&b);
    int rc = el_training_log_parse(&log, "f", (const char *)data, size, NULL);
    if (rc == 0) {
        log.name = el_strdup("f");
        if (!log.name || el_training_text(&runs, &b, NULL) < 0 ||
            el_training_json(&runs, &b, NULL) < 0 || el_training_html(&runs, &b, NULL) < 0)
            abort();
        if (memchr(b.data, 0, b.len))
            abort();
    }
    el_buf_release(&b);
    el_training_log_release(&log);
    return 0;
}
