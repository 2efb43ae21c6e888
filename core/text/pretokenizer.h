/* Cutting text into the pieces inside which merges happen: Split steps with PCRE2, one after the
 * other, each seeing one piece of the step before at a time. Private to core/text. */
#ifndef EL_TEXT_PRETOKENIZER_H
#define EL_TEXT_PRETOKENIZER_H

#include "core/base/buf.h"
#include "core/base/error.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

/* What becomes of the matches of a pattern; the names are those of the file format. */
enum el_split_behavior {
    EL_SPLIT_ISOLATED,
    EL_SPLIT_REMOVED,
    EL_SPLIT_MERGED_WITH_PREVIOUS,
    EL_SPLIT_MERGED_WITH_NEXT,
    EL_SPLIT_CONTIGUOUS,
};

struct el_split {
    pcre2_code *code;
    enum el_split_behavior behavior;
    int invert; /* the stretches between the matches count as matches, and the other way round */
};

enum { EL_SPLITS_MAX = 16 };

struct el_pretokenizer {
    pcre2_general_context *memory;
    struct el_split splits[EL_SPLITS_MAX];
    int n_splits;
    int byte_level_split; /* index of the split that ByteLevel makes itself, or n_splits */
    int add_prefix_space; /* before that split a space goes in front of pieces without one */
};

/* 0 or EL_ENOMEM; release is safe after either. */
int el_pretokenizer_init(struct el_pretokenizer *p);
void el_pretokenizer_release(struct el_pretokenizer *p);

/* Appends a step. literal: the pattern is a plain string. EL_EFORMAT says where the pattern is
 * wrong, EL_ELIMIT that there are too many steps. */
int el_pretokenizer_add(struct el_pretokenizer *p, const char *pattern, int literal,
                        enum el_split_behavior behavior, int invert, struct el_error *err);
/* Ends the steps with ByteLevel's own; use_regex cuts with the pattern of GPT-2. */
int el_pretokenizer_add_byte_level(struct el_pretokenizer *p, int add_prefix_space, int use_regex,
                                   struct el_error *err);

/* text[start..end) of the work's text. */
struct el_piece {
    size_t start, end;
};

struct el_piece_list {
    struct el_piece *v; /* [len] */
    size_t len, cap;
};

/* Memory for one call at a time, and its result. */
struct el_pretokenizer_work {
    const char *text;
    struct el_piece_list pieces; /* in order, none empty */
    struct el_piece_list next;
    struct el_buf prefixed;
    pcre2_match_data *match;
};
int el_pretokenizer_work_init(struct el_pretokenizer_work *w, const struct el_pretokenizer *p);
void el_pretokenizer_work_release(struct el_pretokenizer_work *w);

/* Fills w->text and w->pieces; they last until the next call, and text as long as the caller's.
 * text must be well-formed UTF-8. EL_ELIMIT: PCRE2 gave up. */
int el_pretokenizer_run(const struct el_pretokenizer *p, struct el_pretokenizer_work *w,
                        const char *text, size_t n, struct el_error *err);

#endif
