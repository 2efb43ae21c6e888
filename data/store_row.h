/* Inside data/ only: what the row modules share. */
#ifndef EL_DATA_STORE_ROW_H
#define EL_DATA_STORE_ROW_H

#include "data/store_sql.h"

/* Moves n strings that point into a SQLite row (NULL ones stay NULL) into one block, *memory. */
int el_row_own(const char **const *fields, int n, char **memory, struct el_error *err);

/* Copies a key column into its array; a NULL or too long one becomes the empty string. */
void el_row_key(struct el_sql *q, int i, char out[EL_DIGEST_HEX]);

/* The key of a row by id, with `what` ("proof") in the message when there is none. sql selects the
 * key with the id as its only parameter. */
int el_row_key_of(struct el_store *s, const char *sql, const char *what, int64_t id,
                  char out[EL_DIGEST_HEX], struct el_error *err);

/* After an INSERT ... ON CONFLICT DO NOTHING: closes q after running it, then reads the id of the
 * row with this key by `select`. Returns 1 added, 0 was there, or a failure. */
int el_row_add(struct el_sql *q, const char *select, const char *key, int64_t *id,
               struct el_error *err);

/* Digest of optional text: absent and empty differ. */
void el_row_digest_text(struct el_digest *d, const char *text);
void el_row_digest_author(struct el_digest *d, const struct el_author *a);
void el_row_bind_author(struct el_sql *q, const struct el_author *a);
/* Columns i, i + 1, i + 2: author_kind, author, origin. */
void el_row_read_author(struct el_sql *q, int i, struct el_author *a);

/* EL_ENOTFOUND with "<path>: no <what> with id <id>". */
int el_row_missing(struct el_store *s, const char *what, int64_t id, struct el_error *err);

/* A reply is about to be stored for the job (data/store_refusal.c): a refusal of before is no
 * longer counted in drops; with `places` nor are those of jobs in whose place it stands (`in_place`
 * of struct el_job_result). Call it before the result is added. */
int el_row_forget_refusals(struct el_store *s, int64_t job, int places, struct el_error *err);
/* A run that takes a reply is not done, or not any more. */
int el_row_open_run(struct el_store *s, int64_t run, struct el_error *err);

/* Names of an enum: the index of name in names[0..n), or -1. */
int el_name_index(const char *const *names, int n, const char *name);

int64_t el_row_now(void);

#endif
