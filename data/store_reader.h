/* Inside data/ only: a store opened for reading alone.
 *
 * SQLite reads a file in WAL mode with the help of two files beside it, PATH-wal and PATH-shm, and
 * a connection that may write takes them away again at its end. So a reader opens the file like a
 * writer and forbids itself to write. Where PATH itself cannot be written, or the two cannot be
 * made, as in a folder that is read-only, the file is read into memory as a whole, provided that
 * nothing is in the log. (SQLite's own way, immutable=1, gives wrong answers when somebody who may
 * write there begins to: what is in memory cannot change, and a change while it was being read is
 * noticed.) */
#ifndef EL_DATA_STORE_READER_H
#define EL_DATA_STORE_READER_H

#include "data/store_sql.h"

/* Sets s->db, and s->image where it reads that. EL_EBUSY when somebody wrote meanwhile, EL_EIO when
 * the log has contents and cannot be used: that of somebody who still writes, or was killed. */
int el_store_open_reader(struct el_store *s, struct el_error *err);

/* Replaces s->db by a copy in memory that can be changed, with what is committed now; the file is
 * closed. The new connection is not configured yet. On failure s->db is as it was: EL_EBUSY while
 * somebody writes, EL_EFORMAT for a damaged file, EL_ENOMEM. */
int el_store_copy_reader(struct el_store *s, struct el_error *err);

#endif
