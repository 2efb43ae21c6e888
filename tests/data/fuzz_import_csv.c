/* Any bytes as CSV: never a crash; every field is a string inside the reader's buffer. */
#include "data/import_csv.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct el_csv c;
    int rc, errors = 0;
    el_csv_init(&c, "f", (const char *)data, size);
    do {
        rc = el_csv_next(&c, NULL);
        for (int i = 0; rc == 1 && i < c.n_fields; i++)
            if (c.start[i] + strlen(el_csv_field(&c, i)) >= c.text.len)
                abort();
        errors += rc < 0;
    } while (rc != 0 && errors < 1000);
    el_csv_release(&c);
    return 0;
}
