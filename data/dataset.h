/* D_v = {(X, Y, s)} and D_mv = {(X, Y, V, ms)}, read from a store for training.
 *
 * Who scored does not matter: the small world's oracle, imported marks of people, experts,
 * automatic labels. The label of a pair follows the view `labels` of data/schema_2.sql: verdicts of
 * models and imported automatic ratings never count; of one rater the latest score of a row counts;
 * the most trusted rater kind present decides, by the lower median of its opinions.
 *
 * Merging. A store may hold the same text several times (samples of a model that happen to be
 * equal). Rows with equal problem, proof text and, in D_mv, analysis text are one item: the
 * opinions on all of them are taken together and the rule is applied once. Where nothing is merged
 * the labels are those of the views dv and dmv, and of `elenchus export`.
 *
 * Order. Items ascend by problem key, then proof key, then analysis key. Keys are digests, so the
 * order depends neither on when a row came into the store nor on its id, and neighbours in it are
 * unrelated but for the problem. */
#ifndef EL_DATA_DATASET_H
#define EL_DATA_DATASET_H

#include "data/store.h"

enum el_dataset_what { EL_DATASET_DV, EL_DATASET_DMV };
/* "D_v", "D_mv". */
const char *el_dataset_name(enum el_dataset_what what);

enum { el_dataset_raters = 4 }; /* EL_RATER_ADJUDICATED .. EL_RATER_LABEL, the kinds that label */

struct el_dataset_item;

/* All zero: everything. */
struct el_dataset_filter {
    unsigned raters;             /* bits 1u << EL_RATER_x: only scores of these kinds count, as if
                                    the store had no others; 0: all four */
    const char *set;             /* of the problem */
    const char *author;          /* of the proof; copies by others do not count */
    const char *analysis_author; /* the same of the analysis, D_mv only */
    size_t proof_min, proof_max; /* bytes of the proof, both ends included; max 0: no limit */
    size_t analysis_min, analysis_max; /* D_mv only */
    /* Whether the model has room for what is made of an item: 1, 0, or negative with a message.
     * NULL: for all. Asked of what the rest of the filter lets pass. */
    int (*fits)(void *user, const struct el_dataset_item *item, struct el_error *err);
    void *fits_user;
};

/* Reads "human,adjudicated" into the bits of a filter. EL_EINVAL names the word that is none of
 * adjudicated, human, oracle, label. */
int el_dataset_raters_parse(const char *text, unsigned *bits, struct el_error *err);

struct el_dataset_item {
    const char *statement, *proof;
    const char *analysis;            /* NULL in D_v */
    char problem_key[EL_DIGEST_HEX]; /* keys of the store; of merged rows the lowest */
    char proof_key[EL_DIGEST_HEX];
    char analysis_key[EL_DIGEST_HEX]; /* "" in D_v */
    int halves;                       /* the label: s in D_v, ms in D_mv; 0, 1 or 2 */
    enum el_rater_kind rater_kind;    /* of the opinions that decided */
    int opinions;                     /* how many those were */
    int copies;                       /* rows of the store that this item stands for */
    char *memory;
};

/* Why a labelled pair is no item: the first of these that applies. */
enum el_dataset_left_out {
    EL_LEFT_OUT_SET,
    EL_LEFT_OUT_PROOF_LENGTH,
    EL_LEFT_OUT_ANALYSIS_LENGTH,
    EL_LEFT_OUT_AUTHOR,
    EL_LEFT_OUT_RATER,
    EL_LEFT_OUT_TOO_LONG, /* for the model: it does not fit */
    EL_LEFT_OUT_REASONS
};

struct el_dataset {
    enum el_dataset_what what;
    struct el_dataset_item *item; /* (n), owned with their strings */
    size_t n, cap;
    size_t by_class[3];                 /* items by label in halves */
    size_t by_rater[el_dataset_raters]; /* items by rater kind */
    size_t merged;                      /* rows beyond the first of their item */
    size_t disputed;                    /* items whose deciding opinions differ */
    size_t labelled; /* distinct labelled pairs before the filter: n + left_out */
    size_t left_out[EL_LEFT_OUT_REASONS];
};

/* Loads all items that pass the filter (NULL: all). EL_ENOTFOUND when none does: the message says
 * how many labelled pairs there are and what left them out. EL_EINVAL for a filter that cannot be
 * (bits of kinds that never label, analysis fields for D_v). On failure there is nothing to
 * release. */
int el_dataset_load(struct el_dataset *d, struct el_store *s, enum el_dataset_what what,
                    const struct el_dataset_filter *f, struct el_error *err);
void el_dataset_release(struct el_dataset *d);

/* Fingerprint of everything that training can see, in order: which of the two, keys, texts, labels
 * and rater kinds. */
void el_dataset_digest(const struct el_dataset *d, char out[EL_DIGEST_HEX]);

/* Appends what it holds for people, in one line without a newline:
 *     D_v: 812 items (score 0: 300, 0.5: 200, 1: 312; by oracle 700, human 112), 24 copies merged,
 *     3 disputed; left out: 40 by length of the proof
 * 0 or EL_ENOMEM. */
int el_dataset_describe(const struct el_dataset *d, struct el_buf *out);

#endif
