/* CSV as in RFC 4180: fields between commas, rows between line breaks (LF or CRLF), a field in
 * double quotes may hold commas, line breaks and doubled quotes. Read from memory, row by row.
 *
 * Refused, with file and line: a quote inside an unquoted field, anything but a comma or a line
 * break after a closing quote, a quote that is never closed, NUL bytes. A byte-order mark at the
 * start and empty lines are passed over. */
#ifndef EL_DATA_IMPORT_CSV_H
#define EL_DATA_IMPORT_CSV_H

#include "core/base/buf.h"
#include "core/base/error.h"

enum { el_csv_fields_max = 1024 };

struct el_csv {
    const char *name; /* of the file, for messages */
    const char *at, *end;
    int line;     /* of `at`, from 1 */
    int row_line; /* where the current row began */
    struct el_buf text;
    int n_fields;
    size_t start[el_csv_fields_max]; /* of each field in text; each ends with a NUL */
    char quoted[el_csv_fields_max];  /* tells an empty string from nothing */
};

/* name and text must outlive the reader. */
void el_csv_init(struct el_csv *c, const char *name, const char *text, size_t n);
void el_csv_release(struct el_csv *c);

/* 1: a row, its fields valid until the next call; 0: the end; EL_EFORMAT or EL_ENOMEM. After
 * EL_EFORMAT the reader stands behind the line with the fault. */
int el_csv_next(struct el_csv *c, struct el_error *err);
const char *el_csv_field(const struct el_csv *c, int i);

#endif
