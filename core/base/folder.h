/* A folder of files that appears complete or not at all.
 *
 * Files are written into PATH.tmp.<pid>, and commit renames that to PATH when all of them are on
 * the disk. What a killed writer left behind is removed by the next one for the same PATH: a writer
 * holds a lock on its folder, which the kernel drops when the process ends, however it ends. */
#ifndef EL_BASE_FOLDER_H
#define EL_BASE_FOLDER_H

#include "core/base/error.h"

struct el_atomic_folder {
    char *path, *tmp; /* files belong into tmp: plain files only, no folders */
    int fd;           /* of tmp, locked */
};

/* Folders above PATH are made if need be. EL_EINVAL when PATH is there already and is not an empty
 * folder. On failure there is nothing to discard. */
int el_atomic_folder_open(struct el_atomic_folder *f, const char *path, struct el_error *err);
/* Copies the plain file from_dir/name, as it is, into the folder; 1 when it did, 0 when there is no
 * such file. */
int el_atomic_folder_copy(struct el_atomic_folder *f, const char *from_dir, const char *name,
                          struct el_error *err);
/* Publishes the folder; its files must be synced (el_file_write, el_atomic_commit). On failure
 * everything is removed, as by discard. Either one ends the handle. */
int el_atomic_folder_commit(struct el_atomic_folder *f, struct el_error *err);
void el_atomic_folder_discard(struct el_atomic_folder *f);

#endif
