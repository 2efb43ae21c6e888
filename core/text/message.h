/* One turn of a conversation, as every completion backend takes it. */
#ifndef EL_TEXT_MESSAGE_H
#define EL_TEXT_MESSAGE_H

/* Both strings belong to the caller. The content is untrusted. */
struct el_message {
    const char *role;    /* "system", "user" or "assistant" */
    const char *content; /* an assistant's may be "reasoning</think>answer" */
};

#endif
