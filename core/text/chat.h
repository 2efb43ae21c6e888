/* The chat shape of DeepSeek-V3.2 as token ids.
 *
 *   BOS system <User>u<Assistant></think>answer EOS <User>u<Assistant><think>
 *
 * - <User>u<Assistant> is followed by <think> after the last user message when thinking is on,
 *   otherwise by </think>.
 * - An assistant's content may be "reasoning</think>answer" (a leading "<think>" is taken off):
 *   the first </think> divides. The reasoning is kept only after the last user message with
 *   thinking on, as <think>reasoning</think>answer EOS; everywhere else it is dropped.
 * - So the ids of a conversation that ends in a user message open the ids of the same
 *   conversation with the assistant's reply added.
 * - Contents are untrusted: they are encoded EL_ENCODE_PLAIN, and every role token stands in the
 *   output because this function put it there. A tokenizer that makes one of plain text, by merges
 *   or as a whole piece with ignore_merges, has no format. */
#ifndef EL_TEXT_CHAT_H
#define EL_TEXT_CHAT_H

#include "core/text/message.h"
#include "core/text/tokenizer.h"

struct el_chat_format {
    int32_t bos, eos;
    int32_t user, assistant;
    int32_t think, think_end;
};

/* Looks the six tokens up by name. EL_ENOTFOUND names the one that is missing, EL_EREFUSED the one
 * that plain text may become; EL_ENOMEM. */
int el_chat_format_init(struct el_chat_format *f, const struct el_tokenizer *t,
                        struct el_error *err);

/* Appends the ids of m[0..n): any number of system messages (joined by an empty line), then user
 * and assistant in turn. Ending in a user message, the ids end where the model goes on writing.
 * EL_EINVAL names the message that is out of order or has an unknown role. A failure leaves out
 * as it was. */
int el_chat_encode(const struct el_chat_format *f, const struct el_tokenizer *t,
                   const struct el_message *m, int n, int thinking, struct el_tokens *out,
                   struct el_error *err);

#endif
