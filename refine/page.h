/* What all pages share: one file that holds its own style sheet and refers to nothing outside, for
 * light and dark backgrounds. The colours of refine/svg.h are in it. */
#ifndef EL_REFINE_PAGE_H
#define EL_REFINE_PAGE_H

#include "core/base/buf.h"

/* All return 0 or EL_ENOMEM. */

/* From the doctype to <body>; the title is escaped. */
int el_page_begin(struct el_buf *out, const char *title);
int el_page_end(struct el_buf *out);
/* Appends s escaped. */
int el_page_text(struct el_buf *out, const char *s);

#endif
