/* What the store tests share: a temporary folder with a store in it, and a few rows. */
#ifndef EL_TESTS_STORE_FIXTURE_H
#define EL_TESTS_STORE_FIXTURE_H

#include "data/store.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct fixture {
    char dir[64], path[96];
    struct el_store *store;
    struct el_error err;
};

static inline int fixture_make(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    strcpy(f->dir, "/tmp/el-store-XXXXXX");
    if (!mkdtemp(f->dir))
        return -1;
    snprintf(f->path, sizeof f->path, "%s/s.db", f->dir);
    *state = f;
    return el_store_open(f->path, EL_STORE_CREATE, &f->store, &f->err);
}

static inline int fixture_drop(void **state)
{
    struct fixture *f = *state;
    el_store_close(f->store);
    DIR *d = opendir(f->dir);
    for (struct dirent *e; d && (e = readdir(d));) {
        char path[400];
        snprintf(path, sizeof path, "%s/%s", f->dir, e->d_name);
        unlink(path);
    }
    if (d)
        closedir(d);
    rmdir(f->dir);
    free(f);
    return 0;
}

#define ok(expression) assert_return_code_message(f, (expression), #expression)

static inline void assert_return_code_message(const struct fixture *f, int rc, const char *what)
{
    if (rc < 0)
        fail_msg("%s: %d, %s", what, rc, f->err.msg);
}

static inline int64_t make_problem(struct fixture *f, const char *name)
{
    int64_t id = 0;
    struct el_problem p = {.set = "set", .external_id = name, .statement = "Prove it."};
    ok(el_store_problem_add(f->store, &p, &id, NULL, &f->err));
    return id;
}

static inline int64_t make_proof(struct fixture *f, int64_t problem, const char *origin)
{
    int64_t id = 0;
    struct el_proof p = {
        .problem = problem, .text = "Clear.", .author = {EL_AUTHOR_MODEL, "model", origin}};
    ok(el_store_proof_add(f->store, &p, &id, &f->err));
    return id;
}

static inline int64_t make_run(struct fixture *f, uint64_t seed)
{
    int64_t id = 0;
    struct el_run r = {.kind = EL_RUN_COMPETE,
                       .config = "{}",
                       .seed = seed,
                       .model_digest = "m",
                       .prompt_digest = "p",
                       .mode = "mqa",
                       .dtype = "fp32",
                       .isa = "avx2"};
    ok(el_store_run_add(f->store, &r, &id, &f->err));
    return id;
}

#endif
