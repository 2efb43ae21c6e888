/* Export: rows of the store as JSON (an array), JSONL or CSV (RFC 4180, with a header line). Row
 * ids never leave the store: references are keys, equal in every store. What is written here,
 * el_import_file reads back; importing problems, proofs, analyses and scores in this order makes an
 * equal copy. D_v and D_mv records are self-contained: {statement, proof, (analysis,) score, ...}.
 *
 * Every record begins with "record": "problem" | "proof" | "analysis" | "score" | "dv" | "dmv".
 * Scores are 0, 0.5, 1 or null. `extra` is a JSON object, in CSV its text. In CSV nothing is an
 * empty field and the empty string is "". */
#ifndef EL_DATA_EXPORT_H
#define EL_DATA_EXPORT_H

#include "data/store.h"

enum el_export_what {
    EL_EXPORT_PROBLEMS,
    EL_EXPORT_PROOFS,
    EL_EXPORT_ANALYSES,
    EL_EXPORT_SCORES,
    EL_EXPORT_DV,
    EL_EXPORT_DMV
};
/* "problems", "proofs", "analyses", "scores", "dv", "dmv"; -1 for an unknown name. */
const char *el_export_what_name(enum el_export_what what);
int el_export_what_from_name(const char *name);

enum el_export_format { EL_EXPORT_JSON, EL_EXPORT_JSONL, EL_EXPORT_CSV };
/* "json", "jsonl", "csv"; -1 for an unknown name. */
int el_export_format_from_name(const char *name);

/* Takes the next bytes; a negative return (with its message in err) ends the export. */
typedef int el_export_write_fn(void *user, const void *bytes, size_t n, struct el_error *err);

/* Rows in the order they were added; set NULL: all sets. Returns the number of records. */
int64_t el_export(struct el_store *s, enum el_export_what what, enum el_export_format format,
                  const char *set, el_export_write_fn *write, void *user, struct el_error *err);

#endif
