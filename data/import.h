/* Import: files as they exist in the field, into the store.
 *
 * Every record is added whole or not at all, every file whole or not at all (unless keep_going).
 * Rows that are in the store already are counted, not added again. Where ratings come with a record
 * they become scores with a mapping (data/mapping.h). Malformed records are errors that name file
 * and line; with keep_going they are counted, reported one by one, and passed over.
 *
 * The format is seen from the fields of the first record:
 *
 *   deepseek-inputs   {id, question, answer, contest, problem_idx}
 *   deepseek-outputs  {question, problem_idx, model_prediction: {proof, average_automatic_rating,
 *                     human_rating}} and optionally solution, grading guidelines, type, level,
 *                     source. The set is problem_idx without its last part ("IMO2025-3": IMO2025;
 *                     "PB-Basic-001": ProofBench-Basic). human_rating is a human score, the average
 *                     an imported one without a mapping, by rater "average_automatic_rating".
 *   proofbench        CSV: Problem ID, Problem, Solution, Grading guidelines, Category, Level,
 *                     Short Answer, Source
 *   open-proof-corpus {proof_id, problem_id, competition, category, problem, proof, model,
 *                     human_label, human_solution, llm_judgment}. The label is a human score out of
 *                     1; a judgment becomes an analysis, and an imported score by rater
 *                     "llm_judgment": 1 when it lists no issue, else 0.
 *   elenchus          what data/export.h writes, in any container; also by hand: a record without
 *                     "record" is a problem, {"record": "dv", statement, proof, score} a labelled
 *                     proof. A field that the record has no place for is malformed, unless it is
 *                     null: nothing is dropped. (Other formats may hold more than is read.) */
#ifndef EL_DATA_IMPORT_H
#define EL_DATA_IMPORT_H

#include "data/mapping.h"
#include "data/store.h"

enum el_import_format {
    EL_IMPORT_AUTO,
    EL_IMPORT_DEEPSEEK_INPUTS,
    EL_IMPORT_DEEPSEEK_OUTPUTS,
    EL_IMPORT_PROOFBENCH,
    EL_IMPORT_OPEN_PROOF_CORPUS,
    EL_IMPORT_ELENCHUS
};
/* "auto", "deepseek-inputs", ...; -1 for an unknown name. */
const char *el_import_format_name(enum el_import_format format);
int el_import_format_from_name(const char *name);

struct el_import_options {
    enum el_import_format format;
    const char *set;                  /* NULL: what the file says */
    const struct el_mapping *mapping; /* NULL: el_mapping_default of each scale */
    double scale_max; /* of human ratings; 0: by set (CMO 21, IMO 7, Putnam 10, ProofBench 7) */
    int keep_going;
    void (*malformed)(void *user, const char *message); /* may be NULL; called for each */
    void *user;
};

/* Counts, added to what is there, so that one report may serve several files. */
struct el_import_report {
    enum el_import_format format;               /* of the last file */
    int64_t records, malformed;                 /* read well, passed over */
    int64_t problems, proofs, analyses, scores; /* rows added */
    int64_t existing;                           /* rows that were there already */
    int64_t conflicts; /* fields of known problems that differ from the stored ones, which stay */
};

/* On failure nothing of the file is in the store. opts NULL: all defaults. */
int el_import_file(struct el_store *s, const char *path, const struct el_import_options *opts,
                   struct el_import_report *report, struct el_error *err);
/* The same for a text in memory; `name` stands for the path in messages. */
int el_import_text(struct el_store *s, const char *name, const char *text, size_t n,
                   const struct el_import_options *opts, struct el_import_report *report,
                   struct el_error *err);

#endif
