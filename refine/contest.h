/* The problems of a competition. */
#ifndef EL_REFINE_CONTEST_H
#define EL_REFINE_CONTEST_H

#include "core/base/error.h"
#include "data/dataset.h"
#include "data/store.h"
#include "refine/map.h"

struct el_contest {
    struct el_problem *problems; /* (n), as stored: with id and key */
    char (*keys)[EL_DIGEST_HEX]; /* (n): the same keys, for the run's identity */
    int n, cap;
    struct el_map by_id; /* row of a problem -> its place */
};

void el_contest_init(struct el_contest *c);
void el_contest_release(struct el_contest *c);

/* Reads problems and adds them to the store, all or none. `source` is
 *   world:SPLIT:COUNT[:START]   problems START.. (default 0) of the small world
 *   FILE                        a JSON array of {"question", "id"}: the shape contests use;
 *                               "problem" or "statement" is read for "question", "answer" is kept,
 *                               other fields are ignored, a missing id is the place in the file
 *   FILE.db or FILE.db#SET      the problems (of one set) of a store
 * A problem that appears twice counts once; two problems of a file with one id are refused.
 * EL_EFORMAT names file and entry; EL_ENOTFOUND when there are no problems. */
int el_contest_read(struct el_contest *c, const char *source, struct el_store *store,
                    struct el_error *err);

/* What is wrong with a source as it is written, before anything is read: EL_EINVAL for a world:...
 * that is none of those above, else 0. */
int el_contest_check_source(const char *source, struct el_error *err);

/* The problems with these keys, in this order, out of the store. */
int el_contest_load(struct el_contest *c, struct el_store *store, const char *const *keys, int n,
                    struct el_error *err);

/* Refuses what the model cannot honestly answer: a model folder with domain.json
 * {"domain": "small-proof-world"} takes only problems that the world's parser reads. EL_EREFUSED
 * with a message that shows how to bind a model that can; 0 for a folder without domain.json;
 * EL_EFORMAT for a domain.json that cannot be read or names an unknown domain. */
int el_contest_check_domain(const struct el_contest *c, const char *model, struct el_error *err);

/* 1 when the model folder's domain.json says that it knows the small proof world alone, 0 for a
 * folder without domain.json; EL_EFORMAT as above. */
int el_contest_model_is_of_world(const char *model, struct el_error *err);

/* Items whose problem the world's parser does not read: what such a model says of them means
 * nothing. */
size_t el_dataset_outside_world(const struct el_dataset *d);

/* el_contest_check_domain for a statement that is no stored problem; the message begins with
 * `what`. */
int el_statement_check_domain(const char *statement, const char *what, const char *model,
                              struct el_error *err);

/* 1 when every problem is one of the small world, so that there is an oracle. */
int el_contest_is_world(const struct el_contest *c);

#endif
