/* Replies in: what a model wrote, parsed by the role it played.
 *
 * The text is hostile. It may hold any bytes; parsing takes time linear in its length; the only
 * error is EL_ENOMEM, everything else is a named failure in the result.
 *
 * Rules, in order
 *   1. Thinking. Everything up to and including the last "</think>" is dropped, always. If thinking
 *      was expected and there is no end tag, or what is left begins with "<think>", the failure is
 *      missing_think_end and nothing is parsed.
 *   2. Only blanks left: empty.
 *   3. Analysis (verifier, meta-verifier, and the generator's self-evaluation). Two key phrases:
 *        verifier       "Here is my evaluation of the solution:"
 *                       "Based on my evaluation, the final overall score should be:"
 *        meta-verifier  "Here is my analysis of the "solution evaluation":"
 *                       "Based on my analysis, I will rate the "solution evaluation" as:"
 *      Case, "overal" for "overall", blanks, line breaks, emphasis marks (* _), the comma, the
 *      colon and the kind of quotation marks do not matter. The LAST second phrase counts, and a
 *      first phrase must stand before it; otherwise missing_key_phrase.
 *   4. Score. The FIRST box after the last second phrase counts, boxes elsewhere do not. No box
 *      there: no_boxed_score. Its content must be 0, 0.5 or 1 in one of the usual spellings ("1.0",
 *      ".50", "1/2", "\frac12", "\dfrac{1}{2}", each possibly inside \text{} and the like or
 *      between dollar signs); otherwise illegal_score.
 *   5. Proof (generator, refiner). The first heading "Solution" (# to ####, or emphasised and alone
 *      on its line; an optional colon) opens the proof Y, text before it is ignored; none:
 *      missing_solution_header. Later "Solution" headings are part of Y. The LAST heading "Self
 *      Evaluation" with both key phrases and a legal score after it ends Y and opens the
 *      self-analysis Z. So a proof that carries such a heading or a verdict of its own keeps it in
 *      Y, where the verifier sees it as the claim of an author; it cannot replace the real
 *      verdict, which comes last. When no heading has a legal verdict after it, the last heading
 *      splits and the failure says what is wrong; no heading after "Solution":
 *      missing_self_evaluation_header. A blank Y: empty.
 *   6. A completion that was cut off at its length limit is `truncated`, whatever it holds; the
 *      spans and the score tell what could be parsed, `text_failure` what the text itself lacks.
 *
 * R_format of the reward is 1 exactly when failure is EL_REPLY_OK. */
#ifndef EL_ROLES_REPLY_H
#define EL_ROLES_REPLY_H

#include "core/base/error.h"
#include "rewards/score.h"
#include "roles/slice.h"

#include <stddef.h>

enum el_reply_failure {
    EL_REPLY_OK = 0,
    EL_REPLY_MISSING_THINK_END,
    EL_REPLY_MISSING_SOLUTION_HEADER,
    EL_REPLY_MISSING_SELF_EVALUATION_HEADER,
    EL_REPLY_MISSING_KEY_PHRASE,
    EL_REPLY_NO_BOXED_SCORE,
    EL_REPLY_ILLEGAL_SCORE,
    EL_REPLY_TRUNCATED,
    EL_REPLY_EMPTY,
    EL_REPLY_FAILURES /* how many there are */
};

/* "none", "missing_think_end", ..., "empty" and back. An unknown name gives -1, an unknown number
 * "unknown". Static storage. */
const char *el_reply_failure_name(enum el_reply_failure failure);
int el_reply_failure_from_name(const char *name);

/* Why the completion ended. */
enum el_reply_end {
    EL_REPLY_ENDED,   /* the model ended it, or a stop string did */
    EL_REPLY_CUT_OFF, /* the token limit cut it off */
};

/* What the caller knows about a completion beside its text. */
struct el_reply_context {
    enum el_reply_end finish;
    int expect_thinking; /* the text holds reasoning that must be closed by "</think>" */
};

/* Bytes [off, off + len) of the input; len 0 when absent. */
struct el_span {
    size_t off, len;
};

struct el_reply {
    enum el_reply_failure failure;
    enum el_reply_failure text_failure; /* as failure, but without regard to the finish reason */
    int halves;                         /* the boxed score (rewards/score.h); EL_SCORE_NONE unless
                                         * text_failure is EL_REPLY_OK */
    struct el_span answer;              /* all text after the thinking, trimmed */
    struct el_span proof;               /* Y, trimmed; generator and refiner only */
    struct el_span analysis; /* V or Z, trimmed: from its first key phrase to the end of the text;
                              * where that phrase is missing, all of the part it should be in */
};

/* 1 or 0: the reward's R_format. */
int el_reply_format(const struct el_reply *reply);

/* The bytes of a span of `text`, the input the reply was parsed from. An absent span gives an
 * empty view. */
struct el_slice el_reply_slice(struct el_span span, const char *text);

/* The compiled patterns. Immutable after creation: one parser may serve many threads. */
struct el_reply_parser;
int el_reply_parser_create(struct el_reply_parser **out, struct el_error *err);
void el_reply_parser_free(struct el_reply_parser *p); /* NULL is fine */

/* Rule 1 alone: where the answer begins. Returns EL_REPLY_OK or EL_REPLY_MISSING_THINK_END (then
 * *begin = n). Needs no parser and no memory. */
enum el_reply_failure el_reply_strip_thinking(const char *text, size_t n, int expect_thinking,
                                              size_t *begin);

/* Each parses text[0..n) (NULL with n 0 is fine) and fills *reply completely. 0 or EL_ENOMEM. ctx
 * NULL: finished by itself, no thinking expected. */
int el_reply_parse_generator(const struct el_reply_parser *p, const char *text, size_t n,
                             const struct el_reply_context *ctx, struct el_reply *reply,
                             struct el_error *err);
int el_reply_parse_verifier(const struct el_reply_parser *p, const char *text, size_t n,
                            const struct el_reply_context *ctx, struct el_reply *reply,
                            struct el_error *err);
int el_reply_parse_meta_verifier(const struct el_reply_parser *p, const char *text, size_t n,
                                 const struct el_reply_context *ctx, struct el_reply *reply,
                                 struct el_error *err);

/* The score in a box's content, as by rule 4 ("\frac12" -> 1); EL_SCORE_NONE when illegal. */
int el_reply_box_score(const char *content, size_t n);

#endif
