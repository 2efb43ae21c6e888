/* Inside data/ only: a file as a sequence of records, each a JSON object, whatever the container:
 * a JSON array of objects, one JSON object, JSONL (one object a line), or CSV with a header line
 * (then every value is a string; an empty field is null, "" is the empty string). */
#ifndef EL_DATA_IMPORT_RECORD_H
#define EL_DATA_IMPORT_RECORD_H

#include "core/base/json.h"
#include "data/import_csv.h"

enum el_record_container { EL_RECORDS_ARRAY, EL_RECORDS_LINES, EL_RECORDS_CSV };

struct el_record_reader {
    const char *name;
    enum el_record_container container;
    const char *at, *end;
    int line;          /* of the current record */
    cJSON *tree;       /* of an array: the whole; otherwise the current record */
    const cJSON *item; /* of an array: the next record */
    int index;         /* of an array: records given so far */
    struct el_csv csv;
    cJSON *header;   /* array of strings */
    char where[512]; /* "FILE line 7" or "FILE record 7": opens messages about this record */
};

/* text must outlive the reader. EL_EFORMAT when the container as a whole cannot be read: an
 * array that is no JSON or no UTF-8, a CSV without header. */
int el_record_open(struct el_record_reader *r, const char *name, const char *text, size_t n,
                   struct el_error *err);
void el_record_close(struct el_record_reader *r);

/* 1: *out is the next record, owned by the reader until the next call; 0: the end; EL_EFORMAT: this
 * record is malformed (the message says where) and the next call goes on behind it; EL_ENOMEM. */
int el_record_next(struct el_record_reader *r, const cJSON **out, struct el_error *err);

#endif
