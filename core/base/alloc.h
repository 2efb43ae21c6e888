/* Memory: every allocation of the project, and of cJSON and PCRE2 for it, goes through these four:
 * tests can fail the Nth one (el_alloc_fail_after) and prove that nothing leaks. Thread-safe. */
#ifndef EL_BASE_ALLOC_H
#define EL_BASE_ALLOC_H

#include <stddef.h>

/* As malloc/calloc/realloc/free; NULL on failure. el_alloc_array checks n*size for overflow and
 * zeroes. el_free(NULL) is fine. el_realloc leaves the old block alone when it fails. */
void *el_alloc(size_t size);
void *el_alloc_array(size_t n, size_t size);
void *el_realloc(void *p, size_t size);
void el_free(void *p);
char *el_strdup(const char *s);
char *el_strndup(const char *s, size_t n);

/* Test control: the n-th allocation from now (1 = the next) and every later one return NULL, with
 * -n that one alone; 0 switches the fault off. el_alloc_count says how many were asked for since
 * the last call of el_alloc_fail_after. */
void el_alloc_fail_after(long n);
long el_alloc_count(void);

#endif
