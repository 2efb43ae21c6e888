/* Inside data/ only: versions of the store's file format.
 *
 * PRAGMA user_version holds the version, PRAGMA application_id says that the file is ours. Step n
 * of the table takes a file from version n to n + 1; each step is one transaction, so a kill leaves
 * a file of one version or the next. */
#ifndef EL_DATA_STORE_MIGRATE_H
#define EL_DATA_STORE_MIGRATE_H

#include "data/store.h"

/* Changes the tables and sets user_version; runs inside a transaction that the caller owns. */
typedef int el_migration_fn(struct el_store *s, struct el_error *err);

/* Brings the file to version n_steps by the steps it has not had. Of a file that is opened
 * read-only a copy in memory is brought there; version 3, which lacks views alone, gets temporary
 * ones instead and keeps its number. EL_EFORMAT: not a store. EL_EREFUSED: the file is newer than
 * the table, or old and too large for memory (1 GiB). */
int el_store_migrate(struct el_store *s, el_migration_fn *const *table, int n_steps,
                     struct el_error *err);

/* The table of this program. */
extern el_migration_fn *const el_store_migrations[];
extern const int el_store_version;

#endif
