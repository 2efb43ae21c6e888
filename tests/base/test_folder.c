/* Folders appear complete or not at all, and what killed writers leave is removed. */
#include "core/base/alloc.h"
#include "core/base/folder.h"
#include "core/base/io.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

static char dir[64];

static const char *at(const char *name)
{
    static char path[4][300];
    static int turn;
    turn = (turn + 1) % 4;
    snprintf(path[turn], sizeof path[turn], "%s/%s", dir, name);
    return path[turn];
}

static int setup(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/el-folder-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    char command[100];
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command);
}

static int count(const char *path)
{
    char command[400];
    snprintf(command, sizeof command, "ls -A '%s' | wc -l", path);
    FILE *p = popen(command, "r");
    int n = -1;
    assert_int_equal(fscanf(p, "%d", &n), 1);
    pclose(p);
    return n;
}

static void put(const struct el_atomic_folder *f, const char *name)
{
    char *path = el_path_join(f->tmp, name);
    assert_int_equal(el_file_write(path, name, strlen(name), NULL), 0);
    el_free(path);
}

static void open_at(struct el_atomic_folder *f, const char *path)
{
    struct el_error err = {0};
    if (el_atomic_folder_open(f, path, &err) < 0)
        fail_msg("%s", err.msg);
}

static void a_folder_appears_complete(void **state)
{
    (void)state;
    struct el_atomic_folder f;
    open_at(&f, at("deep/er/new/"));
    put(&f, "a");
    put(&f, "b");
    assert_false(el_path_exists(at("deep/er/new")));
    assert_int_equal(el_atomic_folder_commit(&f, NULL), 0);
    assert_int_equal(count(at("deep/er")), 1);
    assert_int_equal(count(at("deep/er/new")), 2);
}

static void discarding_leaves_nothing(void **state)
{
    (void)state;
    struct el_atomic_folder f;
    open_at(&f, at("new"));
    put(&f, "a");
    el_atomic_folder_discard(&f);
    el_atomic_folder_discard(&f);
    assert_int_equal(count(dir), 0);
}

static void what_is_there_stays(void **state)
{
    (void)state;
    struct el_atomic_folder f;
    struct el_error err = {0};
    mkdir(at("full"), 0777);
    assert_int_equal(el_file_write(at("full/x"), "", 0, NULL), 0);
    assert_int_equal(el_file_write(at("file"), "", 0, NULL), 0);
    assert_int_equal(symlink("nowhere", at("link")), 0);
    static const char *const names[] = {"full", "file", "link"};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(el_atomic_folder_open(&f, at(names[i]), &err), EL_EINVAL);
        assert_non_null(strstr(err.msg, "is there already"));
    }
    assert_int_equal(el_atomic_folder_open(&f, "", &err), EL_EINVAL);
    assert_int_equal(el_atomic_folder_open(&f, at("file/x"), &err), EL_EIO);
    assert_int_equal(count(dir), 3);
    mkdir(at("empty"), 0777);
    open_at(&f, at("empty"));
    put(&f, "a");
    assert_int_equal(el_atomic_folder_commit(&f, NULL), 0);
    assert_int_equal(count(at("empty")), 1);
}

static void messages_name_the_folder_that_was_asked_for(void **state)
{
    (void)state;
    struct el_atomic_folder f, other;
    struct el_error err = {0};
    char path[300];
    open_at(&f, at("new"));
    snprintf(path, sizeof path, "%s/none/x", f.tmp);
    assert_int_equal(el_file_write(path, "", 0, &err), EL_EIO);
    assert_non_null(strstr(err.msg, at("new/none/x: cannot create: ")));
    assert_int_equal(el_atomic_folder_open(&other, at("new"), &err), EL_EIO); /* ours, in use */
    assert_non_null(strstr(err.msg, at("new: cannot make folder: ")));
    el_atomic_folder_discard(&f);
}

/* Something came to stand there meanwhile. */
static void a_commit_that_fails_leaves_nothing(void **state)
{
    (void)state;
    struct el_atomic_folder f;
    struct el_error err = {0};
    open_at(&f, at("new"));
    put(&f, "a");
    mkdir(at("new"), 0777);
    assert_int_equal(el_file_write(at("new/x"), "", 0, NULL), 0);
    assert_int_equal(el_atomic_folder_commit(&f, &err), EL_EIO);
    assert_non_null(strstr(err.msg, at("new")));
    assert_int_equal(count(dir), 1);
    assert_int_equal(count(at("new")), 1);
}

static void leftovers_of_killed_writers_are_removed(void **state)
{
    (void)state;
    struct el_atomic_folder f;
    pid_t child = fork();
    if (child == 0) {
        if (el_atomic_folder_open(&f, at("new"), NULL) == 0)
            put(&f, "a");
        _exit(0);
    }
    waitpid(child, NULL, 0);
    assert_int_equal(count(dir), 1);
    mkdir(at("new.tmp.notes"), 0777); /* not ours */
    open_at(&f, at("new"));
    assert_int_equal(count(dir), 2);
    el_atomic_folder_discard(&f);
    assert_int_equal(count(dir), 1);
}

static void a_writer_at_work_is_left_alone(void **state)
{
    (void)state;
    struct el_atomic_folder f, other;
    int ready[2], go[2];
    char byte = 0;
    assert_int_equal(pipe(ready) | pipe(go), 0);
    pid_t child = fork();
    if (child == 0) {
        int ok = el_atomic_folder_open(&other, at("new"), NULL) == 0;
        put(&other, "a");
        ok = ok && write(ready[1], "r", 1) == 1 && read(go[0], &byte, 1) == 1;
        _exit(ok && el_atomic_folder_commit(&other, NULL) == 0 ? 0 : 1);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    open_at(&f, at("new"));
    assert_int_equal(count(dir), 2);
    el_atomic_folder_discard(&f);
    int status = -1;
    assert_int_equal(write(go[1], "g", 1), 1);
    waitpid(child, &status, 0);
    assert_int_equal(status, 0);
    assert_int_equal(count(at("new")), 1);
    for (int i = 0; i < 2; i++) {
        close(ready[i]);
        close(go[i]);
    }
}

static void files_are_copied_where_they_are(void **state)
{
    (void)state;
    struct el_atomic_folder f;
    struct el_buf b;
    el_buf_init(&b);
    assert_int_equal(el_file_write(at("a"), "12\0x", 4, NULL), 0);
    mkdir(at("b"), 0777);
    open_at(&f, at("new"));
    assert_int_equal(el_atomic_folder_copy(&f, dir, "a", NULL), 1);
    assert_int_equal(el_atomic_folder_copy(&f, dir, "b", NULL), 0);
    assert_int_equal(el_atomic_folder_copy(&f, dir, "c", NULL), 0);
    assert_int_equal(el_atomic_folder_commit(&f, NULL), 0);
    assert_int_equal(el_file_read(at("new/a"), 0, &b, NULL), 0);
    assert_int_equal(b.len, 4);
    assert_memory_equal(b.data, "12\0x", 4);
    el_buf_release(&b);
}

static void allocation_failures(void **state)
{
    (void)state;
    struct el_atomic_folder f;
    struct el_error err = {0};
    int rc = EL_ENOMEM;
    for (int n = 1; rc == EL_ENOMEM; n++) {
        el_alloc_fail_after(n);
        rc = el_atomic_folder_open(&f, at("new"), &err);
        el_alloc_fail_after(0);
        assert_int_equal(count(dir), rc == 0);
        assert_in_range(n, 1, 100);
    }
    assert_int_equal(rc, 0);
    el_atomic_folder_discard(&f);
}

#define FOLDER_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FOLDER_TEST(a_folder_appears_complete),
        FOLDER_TEST(discarding_leaves_nothing),
        FOLDER_TEST(what_is_there_stays),
        FOLDER_TEST(messages_name_the_folder_that_was_asked_for),
        FOLDER_TEST(a_commit_that_fails_leaves_nothing),
        FOLDER_TEST(leftovers_of_killed_writers_are_removed),
        FOLDER_TEST(a_writer_at_work_is_left_alone),
        FOLDER_TEST(files_are_copied_where_they_are),
        FOLDER_TEST(allocation_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
