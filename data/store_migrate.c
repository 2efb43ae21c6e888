#include "data/store_migrate.h"

#include "data/store_reader.h"

enum { application_id = 1164731758 }; /* "Elen" */

/* Bytes of an old store that a reader copies into memory. */
static const int64_t copy_max = INT64_C(1) << 30;

/* data/schema.sql, schema_2.sql and schema_4.sql, embedded at build time */
extern const unsigned char el_schema_sql[], el_schema_2_sql[], el_schema_4_sql[];

/* Version 0 is an empty file. */
static int make_first_version(struct el_store *s, struct el_error *err)
{
    int rc = el_sql_script(s, (const char *)el_schema_sql, err);
    if (rc == 0)
        rc = el_sql_exec(s, "PRAGMA application_id = 1164731758", err);
    return rc < 0 ? rc : el_sql_exec(s, "PRAGMA user_version = 1", err);
}

static int add_decisions(struct el_store *s, struct el_error *err)
{
    int rc = el_sql_script(s, (const char *)el_schema_2_sql, err);
    return rc < 0 ? rc : el_sql_exec(s, "PRAGMA user_version = 2", err);
}

/* What a training reports. A table of its own, so that a run may lose its last lines when the
 * training goes on from an earlier checkpoint: everything else that a run left stays. Lines of one
 * step keep the order in which they came. */
static const char metrics_sql[] = "CREATE TABLE metrics (\n"
                                  "    id   INTEGER PRIMARY KEY,\n"
                                  "    run  INTEGER NOT NULL REFERENCES runs (id),\n"
                                  "    step INTEGER NOT NULL CHECK (step >= 0),\n"
                                  "    line TEXT NOT NULL, -- a JSON object with this \"step\"\n"
                                  "    UNIQUE (run, step, line)\n"
                                  ") STRICT;\n";

static int add_metrics(struct el_store *s, struct el_error *err)
{
    int rc = el_sql_script(s, metrics_sql, err);
    return rc < 0 ? rc : el_sql_exec(s, "PRAGMA user_version = 3", err);
}

static int add_opinions(struct el_store *s, struct el_error *err)
{
    int rc = el_sql_script(s, (const char *)el_schema_4_sql, err);
    return rc < 0 ? rc : el_sql_exec(s, "PRAGMA user_version = 4", err);
}

el_migration_fn *const el_store_migrations[] = {make_first_version, add_decisions, add_metrics,
                                                add_opinions};
const int el_store_version = (int)(sizeof el_store_migrations / sizeof *el_store_migrations);

static int query_int(struct el_store *s, const char *sql, int64_t *out, struct el_error *err)
{
    struct el_sql q;
    int rc = el_sql_open(&q, s, sql, err);
    return rc < 0 ? rc : el_sql_one_int(&q, out, err);
}

static int version_of(struct el_store *s, int64_t *version, struct el_error *err)
{
    int64_t id = 0, tables = 0;
    int rc = query_int(s, "PRAGMA user_version", version, err);
    if (rc == 0)
        rc = query_int(s, "PRAGMA application_id", &id, err);
    if (rc == 0)
        rc = query_int(s, "SELECT COUNT(*) FROM sqlite_schema", &tables, err);
    if (rc < 0)
        return rc;
    int empty = *version == 0 && id == 0 && tables == 0;
    if ((!empty && id != application_id) || *version < 0)
        return el_error_set(err, EL_EFORMAT, "%s: an SQLite file, but not a store made by elenchus",
                            s->path);
    return 0;
}

/* Runs the one step that the file needs next; 1 while it needs another. */
static int one_step(struct el_store *s, el_migration_fn *const *table, int n_steps,
                    struct el_error *err)
{
    int64_t before = 0, after = 0;
    int rc = el_store_begin(s, err);
    if (rc < 0)
        return rc;
    rc = version_of(s, &before, err); /* again: another process may just have done it */
    if (rc == 0 && before < n_steps) {
        rc = table[before](s, err);
        if (rc == 0)
            rc = version_of(s, &after, err);
        if (rc == 0 && after != before + 1)
            rc = el_error_set(err, EL_EFORMAT, "%s: the step from version %d left version %d",
                              s->path, (int)before, (int)after);
    }
    if (rc < 0) {
        el_store_rollback(s);
        return rc;
    }
    rc = el_store_commit(s, err);
    return rc < 0 ? rc : before + 1 < n_steps;
}

static int check_size(struct el_store *s, int64_t version, int n_steps, struct el_error *err)
{
    int64_t pages = 0, bytes = 0;
    int rc = query_int(s, "PRAGMA page_count", &pages, err);
    if (rc == 0)
        rc = query_int(s, "PRAGMA page_size", &bytes, err);
    if (rc < 0 || pages <= copy_max / bytes)
        return rc;
    return el_error_set(err, EL_EREFUSED,
                        "%s: store version %d is older than %d, and larger than the %d MiB that "
                        "are read through memory; open it once for writing",
                        s->path, (int)version, n_steps, (int)(copy_max >> 20));
}

/* The copy in memory is brought up to date in place of the file. */
static int migrate_copy(struct el_store *s, int64_t version, el_migration_fn *const *table,
                        int n_steps, struct el_error *err)
{
    int rc = check_size(s, version, n_steps, err);
    if (rc == 0)
        rc = el_store_copy_reader(s, err);
    if (rc < 0)
        return rc;
    s->flags &= ~EL_STORE_READONLY;
    rc = el_store_configure(s, err);
    while (rc == 0 && (rc = one_step(s, table, n_steps, err)) == 1)
        rc = 0;
    s->flags |= EL_STORE_READONLY;
    return rc < 0 ? rc : el_store_configure(s, err);
}

/* What version 4 has more than version 3, beside the file. The views of version 3 mean the same. */
static const char views_sql[] =
    "CREATE TEMP VIEW withdrawn AS "
    "SELECT s.id AS score "
    "FROM decisions AS d JOIN scores AS s ON s.proof = d.proof AND s.rater = d.rater "
    "WHERE s.rater_kind = 'label' AND d.score IS NOT s.id;\n"
    "CREATE TEMP VIEW opinions AS "
    "SELECT MAX(id) AS score FROM scores "
    "WHERE halves IS NOT NULL AND rater_kind IN ('adjudicated', 'human', 'oracle', 'label') "
    "AND id NOT IN (SELECT score FROM withdrawn) "
    "GROUP BY proof, analysis, rater_kind, rater;\n";

/* For SQLite a view is a change, even one that stands nowhere. */
static int add_views(struct el_store *s, struct el_error *err)
{
    int rc = el_sql_exec(s, "PRAGMA query_only = OFF", err);
    if (rc == 0)
        rc = el_sql_script(s, views_sql, err);
    return rc < 0 ? rc : el_sql_exec(s, "PRAGMA query_only = ON", err);
}

/* An old store that is opened for reading, which stays as it is. */
static int read_old(struct el_store *s, int64_t version, el_migration_fn *const *table, int n_steps,
                    struct el_error *err)
{
    if (version == 0)
        return el_error_set(err, EL_EFORMAT, "%s: an empty file; expected a store made by elenchus",
                            s->path);
    if (version == 3 && n_steps == 4)
        return add_views(s, err);
    return migrate_copy(s, version, table, n_steps, err);
}

int el_store_migrate(struct el_store *s, el_migration_fn *const *table, int n_steps,
                     struct el_error *err)
{
    int64_t version = 0;
    int rc = version_of(s, &version, err);
    if (rc < 0)
        return rc;
    if (version > n_steps)
        return el_error_set(err, EL_EREFUSED,
                            "%s: made by a newer program (store version %d, this one knows %d)",
                            s->path, (int)version, n_steps);
    if (version == n_steps)
        return 0;
    if (s->flags & EL_STORE_READONLY)
        return read_old(s, version, table, n_steps, err);
    while ((rc = one_step(s, table, n_steps, err)) == 1)
        ;
    return rc;
}
