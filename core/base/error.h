/* Errors: a negative return and a message in the caller's buffer.
 *
 * Invariants
 *   1. A function that can fail returns 0 (or a count >= 0) on success and one of the negative
 *      EL_E* codes on failure.
 *   2. On success the caller's struct el_error is untouched; on failure it holds a message that
 *      names the file, field or line and says what was expected.
 *   3. `err` may be NULL everywhere: the code is still returned, the message is lost.
 *   4. Library code never exits, prints or aborts on input.
 */
#ifndef EL_BASE_ERROR_H
#define EL_BASE_ERROR_H

#include <stdarg.h>

enum el_code {
    EL_OK = 0,
    EL_EINVAL = -1,    /* an argument or a configuration value is out of range */
    EL_ENOMEM = -2,    /* out of memory (or an injected allocation failure) */
    EL_EIO = -3,       /* the operating system refused: open, read, write, sync, rename */
    EL_EFORMAT = -4,   /* outside data is malformed */
    EL_ENOTFOUND = -5, /* a named thing does not exist */
    EL_ELIMIT = -6,    /* a limit was reached: context length, cache blocks, file size */
    EL_EINTR = -7,     /* the caller asked to stop; everything finished so far is saved */
    EL_ENUMERIC = -8,  /* NaN or Inf where a finite number is needed */
    EL_EBUSY = -9,     /* somebody else holds the resource */
    EL_EREFUSED = -10, /* well-formed, but this model or program cannot honestly do it */
};

struct el_error {
    int code;
    char msg[768];
};

/* Stores code and message and returns code, so that a failure is one statement:
 *     return el_error_set(err, EL_EFORMAT, "%s: missing key '%s'", path, key);
 * The message may quote err->msg itself (it is formatted before it is stored). */
int el_error_set(struct el_error *err, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
int el_error_vset(struct el_error *err, int code, const char *fmt, va_list ap)
    __attribute__((format(printf, 3, 0)));

/* Puts "<prefix>: " in front of the message that is already there; returns err->code (or
 * EL_EINVAL when err is NULL). For a caller that knows the file while the callee knew the line. */
int el_error_prefix(struct el_error *err, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* The name of a code for programs that read our output: "EL_EIO" and so on. Static storage. */
const char *el_error_name(int code);

#endif
