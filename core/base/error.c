#include "core/base/error.h"

#include <stdio.h>
#include <string.h>

int el_error_vset(struct el_error *err, int code, const char *fmt, va_list ap)
{
    if (err) {
        char text[sizeof err->msg];
        vsnprintf(text, sizeof text, fmt, ap);
        memcpy(err->msg, text, sizeof text);
        err->code = code;
    }
    return code;
}

int el_error_set(struct el_error *err, int code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    el_error_vset(err, code, fmt, ap);
    va_end(ap);
    return code;
}

int el_error_prefix(struct el_error *err, const char *fmt, ...)
{
    if (!err)
        return EL_EINVAL;
    char prefix[sizeof err->msg], text[2 * sizeof err->msg + 4];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(prefix, sizeof prefix, fmt, ap);
    va_end(ap);
    snprintf(text, sizeof text, "%s: %s", prefix, err->msg);
    memcpy(err->msg, text, sizeof err->msg);
    err->msg[sizeof err->msg - 1] = 0;
    return err->code;
}

const char *el_error_name(int code)
{
    switch (code) {
    case EL_OK:
        return "EL_OK";
    case EL_EINVAL:
        return "EL_EINVAL";
    case EL_ENOMEM:
        return "EL_ENOMEM";
    case EL_EIO:
        return "EL_EIO";
    case EL_EFORMAT:
        return "EL_EFORMAT";
    case EL_ENOTFOUND:
        return "EL_ENOTFOUND";
    case EL_ELIMIT:
        return "EL_ELIMIT";
    case EL_EINTR:
        return "EL_EINTR";
    case EL_ENUMERIC:
        return "EL_ENUMERIC";
    case EL_EBUSY:
        return "EL_EBUSY";
    case EL_EREFUSED:
        return "EL_EREFUSED";
    default:
        return "EL_UNKNOWN";
    }
}
