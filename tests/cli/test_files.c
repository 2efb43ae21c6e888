/* What commands ask of files before they work: outputs that can be written, folders of runs. */
#include "cli/output.h"
#include "cli/run_folder.h"
#include "core/base/alloc.h"
#include "core/base/io.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct el_error err;

/* A new folder in /tmp with the file `name` in it, unless that is NULL. */
static void make_folder(char path[64], const char *name)
{
    snprintf(path, 64, "/tmp/el_files_XXXXXX");
    assert_non_null(mkdtemp(path));
    char *file = name ? el_path_join(path, name) : NULL;
    if (file)
        assert_int_equal(el_file_write(file, "x", 1, &err), 0);
    el_free(file);
}

static void remove_folder(const char *path, const char *name)
{
    char *file = el_path_join(path, name);
    unlink(file);
    rmdir(path);
    el_free(file);
}

static void outputs_are_tried_and_left_alone(void **state)
{
    (void)state;
    char folder[64], path[128];
    struct el_buf text;
    glob_t found;
    make_folder(folder, "old");
    assert_int_equal(cli_output_check(NULL, &err), 0);
    snprintf(path, sizeof path, "%s/new", folder);
    assert_int_equal(cli_output_check(path, &err), 0);
    snprintf(path, sizeof path, "%s/old", folder);
    assert_int_equal(cli_output_check(path, &err), 0);
    el_buf_init(&text);
    assert_int_equal(el_file_read(path, 0, &text, &err), 0);
    assert_string_equal(text.data, "x");
    el_buf_release(&text);
    assert_int_equal(cli_output_check(folder, &err), EL_EIO);
    assert_non_null(strstr(err.msg, "a folder"));
    snprintf(path, sizeof path, "%s/none/new", folder);
    assert_int_equal(cli_output_check(path, &err), EL_EIO);
    assert_non_null(strstr(err.msg, path));
    snprintf(path, sizeof path, "%s/*", folder);
    assert_int_equal(glob(path, 0, NULL, &found), 0);
    assert_int_equal(found.gl_pathc, 1); /* nothing but "old" */
    globfree(&found);
    remove_folder(folder, "old");
}

/* Nobody writes to it and nobody reads: opened either way it would wait. */
static void a_fifo_is_an_output_and_is_not_opened(void **state)
{
    (void)state;
    char folder[64], path[128];
    make_folder(folder, NULL);
    snprintf(path, sizeof path, "%s/fifo", folder);
    assert_int_equal(mkfifo(path, 0600), 0);
    alarm(20);
    assert_int_equal(cli_output_check(path, &err), 0);
    assert_false(cli_is_store(path));
    alarm(0);
    remove_folder(folder, "fifo");
}

static void what_lies_in_a_run_is_told_by_its_name(void **state)
{
    (void)state;
    assert_true(cli_run_folder_holds("runs/a", "runs/a/m.db"));
    assert_true(cli_run_folder_holds("runs/a//", "runs/a/b/m.db"));
    assert_false(cli_run_folder_holds("runs/a", "runs/ab/m.db"));
    assert_false(cli_run_folder_holds("runs/a", "runs/a"));
    assert_false(cli_run_folder_holds("runs/a", "m.db"));
}

static void only_a_folder_without_a_run_is_dropped(void **state)
{
    (void)state;
    static const char *const dropped[] = {NULL, "lock"};
    char folder[64];
    for (int i = 0; i < 2; i++) {
        make_folder(folder, dropped[i]);
        assert_int_equal(cli_run_folder_has_state(folder, &err), EL_ENOTFOUND);
        cli_run_folder_drop(folder);
        assert_false(el_path_exists(folder));
    }
    cli_run_folder_drop(folder); /* it is not there: nothing to do */
    make_folder(folder, "state.safetensors");
    assert_int_equal(cli_run_folder_has_state(folder, &err), 0);
    cli_run_folder_drop(folder);
    assert_true(el_path_exists(folder));
    remove_folder(folder, "state.safetensors");
}

static void a_folder_in_use_stays(void **state)
{
    (void)state;
    char folder[64];
    make_folder(folder, NULL);
    char *lock = el_path_join(folder, "lock");
    int fd = el_file_lock(lock, folder, &err);
    assert_true(fd >= 0);
    cli_run_folder_drop(folder);
    assert_true(el_path_exists(lock));
    close(fd);
    el_free(lock);
    remove_folder(folder, "lock");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outputs_are_tried_and_left_alone),
        cmocka_unit_test(a_fifo_is_an_output_and_is_not_opened),
        cmocka_unit_test(what_lies_in_a_run_is_told_by_its_name),
        cmocka_unit_test(only_a_folder_without_a_run_is_dropped),
        cmocka_unit_test(a_folder_in_use_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
