/* Inside the page. Not for other rooms. */
#ifndef EL_REFINE_REPORT_PAGE_H
#define EL_REFINE_REPORT_PAGE_H

#include "refine/page.h"
#include "refine/report.h"
#include "refine/svg.h"

/* Appends the proof, defects that the small world's oracle finds marked, and their list. */
int el_page_exact_proof(const char *statement, const char *proof, struct el_buf *out);

/* Appends the problems with their threads' histories, about max_bytes of them. */
int el_page_problems(const struct el_report *r, struct el_store *s, size_t max_bytes,
                     struct el_buf *out, struct el_error *err);

#endif
