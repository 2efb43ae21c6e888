/* Files: a write is whole or not at all, whatever stops it. */
#include "core/base/alloc.h"
#include "core/base/io.h"
#include "core/base/progress.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static char dir[64];

static const char *at(const char *name)
{
    static char path[2][300];
    static int turn;
    turn = !turn;
    snprintf(path[turn], sizeof path[turn], "%s/%s", dir, name);
    return path[turn];
}

static int setup(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/el-io-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int count_files(void)
{
    int n = 0;
    DIR *d = opendir(dir);
    for (struct dirent *e = readdir(d); e; e = readdir(d))
        n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

static int teardown(void **state)
{
    (void)state;
    char command[100];
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command);
}

static void holds(const char *path, const char *text, size_t n)
{
    struct el_buf b;
    struct el_error err = {0};
    el_buf_init(&b);
    if (el_file_read(path, 0, &b, &err) < 0)
        fail_msg("%s", err.msg);
    assert_int_equal(b.len, n);
    assert_memory_equal(b.data, text, n);
    el_buf_release(&b);
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    static char big[300000];
    for (size_t i = 0; i < sizeof big; i++)
        big[i] = (char)(i * 7 % 256);
    for (size_t n = 0; n <= sizeof big; n = n ? n * 67 : 1) {
        assert_int_equal(el_file_write(at("a"), big, n, NULL), 0);
        holds(at("a"), big, n);
    }
    assert_int_equal(count_files(), 1);
}

static void reading_appends(void **state)
{
    (void)state;
    struct el_buf b;
    el_buf_init(&b);
    el_buf_puts(&b, "front ");
    assert_int_equal(el_file_write(at("a"), "back", 4, NULL), 0);
    assert_int_equal(el_file_read(at("a"), 0, &b, NULL), 0);
    assert_string_equal(b.data, "front back");
    el_buf_release(&b);
}

/* The old file gets the other name only when the new one is whole. */
static void the_old_file_may_be_kept(void **state)
{
    (void)state;
    struct el_atomic_file f;
    char old[300];
    snprintf(old, sizeof old, "%s/old", dir);
    assert_int_equal(el_file_write(at("k"), "one", 3, NULL), 0);
    for (int commit = 0; commit < 2; commit++) {
        assert_int_equal(el_atomic_open(&f, at("k"), NULL), 0);
        f.keep = old;
        assert_int_equal(el_atomic_write(&f, "three", 5, NULL), 0);
        assert_false(el_path_exists(old));
        if (commit)
            assert_int_equal(el_atomic_commit(&f, NULL), 0);
        else
            el_atomic_discard(&f);
        holds(at("k"), commit ? "three" : "one", commit ? 5 : 3);
    }
    holds(old, "one", 3);
    /* nothing to keep */
    assert_int_equal(unlink(at("k")), 0);
    assert_int_equal(el_atomic_open(&f, at("k"), NULL), 0);
    f.keep = old;
    assert_int_equal(el_atomic_commit(&f, NULL), 0);
    holds(at("k"), "", 0);
    holds(old, "one", 3);
    assert_int_equal(unlink(at("k")), 0);
    assert_int_equal(unlink(old), 0);
}

static void refusals_name_the_file(void **state)
{
    (void)state;
    struct el_buf b;
    struct el_error err = {0};
    el_buf_init(&b);
    assert_int_equal(el_file_read(at("none"), 0, &b, &err), EL_EIO);
    assert_non_null(strstr(err.msg, at("none")));
    assert_non_null(strstr(err.msg, "No such file"));
    assert_int_equal(el_file_read(dir, 0, &b, &err), EL_EIO);
    assert_non_null(strstr(err.msg, dir));
    assert_int_equal(el_file_write(at("none/x"), "", 0, &err), EL_EIO);
    assert_non_null(strstr(err.msg, at("none/x: cannot create: No such file")));
    assert_int_equal(el_file_write(dir, "", 0, &err), EL_EIO); /* a folder is in the way */
    assert_non_null(strstr(err.msg, dir));
    el_buf_release(&b);
}

static void a_limit_holds_exactly(void **state)
{
    (void)state;
    struct el_buf b;
    struct el_error err = {0};
    el_buf_init(&b);
    assert_int_equal(el_file_write(at("a"), "12345", 5, NULL), 0);
    assert_int_equal(el_file_read(at("a"), 5, &b, &err), 0);
    el_buf_clear(&b);
    assert_int_equal(el_file_read(at("a"), 4, &b, &err), EL_ELIMIT);
    assert_non_null(strstr(err.msg, at("a")));
    assert_non_null(strstr(err.msg, "4 bytes"));
    el_buf_release(&b);
}

/* A device without space: /dev/full accepts to be opened, never to be written. */
static void a_full_device_is_reported(void **state)
{
    (void)state;
    struct el_atomic_file f;
    struct el_error err = {0};
    if (access("/dev/full", W_OK) < 0)
        skip();
    assert_int_equal(el_file_write(at("a"), "old", 3, NULL), 0);
    assert_int_equal(el_atomic_open(&f, at("a"), &err), 0);
    FILE *full = fopen("/dev/full", "w");
    assert_non_null(full);
    assert_int_equal(dup2(fileno(full), f.fd), f.fd);
    fclose(full);
    assert_int_equal(el_atomic_write(&f, "new", 3, &err), EL_EIO);
    assert_non_null(strstr(err.msg, "No space"));
    el_atomic_discard(&f);
    el_atomic_discard(&f);
    holds(at("a"), "old", 3);
    assert_int_equal(count_files(), 1);
}

/* A disk that fills up in the middle of a write, by the limit on file sizes. */
static void a_disk_that_fills_up_keeps_the_old_file(void **state)
{
    (void)state;
    static char big[100000];
    struct el_error err = {0};
    struct rlimit old, tight;
    assert_int_equal(el_file_write(at("a"), "old", 3, NULL), 0);
    void (*before)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    tight = old;
    tight.rlim_cur = 70000;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    int rc = el_file_write(at("a"), big, sizeof big, &err);
    int fits = el_file_write(at("b"), big, 70000, NULL);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    signal(SIGXFSZ, before);
    assert_int_equal(rc, EL_EIO);
    assert_non_null(strstr(err.msg, at("a: cannot write: ")));
    assert_int_equal(fits, 0);
    holds(at("a"), "old", 3);
    assert_int_equal(count_files(), 2);
}

static void pieces_appear_together(void **state)
{
    (void)state;
    struct el_atomic_file f;
    assert_int_equal(el_atomic_open(&f, at("a"), NULL), 0);
    assert_int_equal(el_atomic_write(&f, "one ", 4, NULL), 0);
    assert_false(el_path_exists(at("a")));
    assert_int_equal(el_atomic_write(&f, "two", 3, NULL), 0);
    assert_int_equal(el_atomic_commit(&f, NULL), 0);
    holds(at("a"), "one two", 7);
    assert_int_equal(el_atomic_open(&f, at("a"), NULL), 0);
    assert_int_equal(el_atomic_write(&f, "three", 5, NULL), 0);
    el_atomic_discard(&f);
    holds(at("a"), "one two", 7);
    assert_int_equal(count_files(), 1);
}

static void is_link(const char *path, const char *to)
{
    char text[300] = "";
    assert_true(readlink(path, text, sizeof text - 1) > 0);
    assert_string_equal(text, to);
}

static void a_symbolic_link_stays(void **state)
{
    (void)state;
    struct el_error err = {0};
    assert_int_equal(el_dir_make(at("sub"), NULL), 0);
    assert_int_equal(el_file_write(at("sub/file"), "old", 3, NULL), 0);
    assert_int_equal(symlink("sub/link", at("chain")), 0);
    assert_int_equal(symlink("file", at("sub/link")), 0);
    assert_int_equal(el_file_write(at("chain"), "new!", 4, NULL), 0);
    holds(at("sub/file"), "new!", 4);
    is_link(at("chain"), "sub/link");
    is_link(at("sub/link"), "file");
    /* nothing there yet */
    assert_int_equal(symlink(at("sub/missing"), at("dangling")), 0);
    assert_int_equal(el_atomic_try(at("dangling"), NULL), 0);
    assert_false(el_path_exists(at("dangling")));
    assert_int_equal(el_file_write(at("dangling"), "made", 4, NULL), 0);
    holds(at("sub/missing"), "made", 4);
    is_link(at("dangling"), at("sub/missing"));
    assert_int_equal(symlink("none/x", at("nowhere")), 0);
    assert_int_equal(el_file_write(at("nowhere"), "", 0, &err), EL_EIO);
    assert_non_null(strstr(err.msg, at("nowhere: cannot create: No such file")));
    assert_int_equal(symlink("loop", at("loop")), 0);
    assert_int_equal(el_file_write(at("loop"), "", 0, &err), EL_EIO);
    assert_non_null(strstr(err.msg, at("loop: cannot follow: Too many")));
    assert_int_equal(count_files(), 5);
}

/* What a writer leaves, and the file itself, are where the link points to. */
static void a_link_is_swept_and_removed_at_its_target(void **state)
{
    (void)state;
    assert_int_equal(el_dir_make(at("sub"), NULL), 0);
    assert_int_equal(el_file_write(at("sub/file"), "old", 3, NULL), 0);
    assert_int_equal(el_file_write(at("sub/file.tmp.1"), "", 0, NULL), 0);
    assert_int_equal(symlink("sub/file", at("link")), 0);
    el_atomic_sweep(at("link"));
    assert_false(el_path_exists(at("sub/file.tmp.1")));
    assert_int_equal(el_file_remove(at("link"), NULL), 0);
    assert_false(el_path_exists(at("sub/file")));
    is_link(at("link"), "sub/file");
}

static void is_fifo(const char *path)
{
    struct stat st;
    assert_int_equal(lstat(path, &st), 0);
    assert_true(S_ISFIFO(st.st_mode));
}

struct fifo {
    char path[300];
    struct el_buf got;
};

static void *read_fifo(void *arg)
{
    struct fifo *r = arg;
    if (el_file_read(r->path, 0, &r->got, NULL) < 0)
        el_buf_puts(&r->got, "unreadable");
    return NULL;
}

static void a_fifo_is_written_directly(void **state)
{
    (void)state;
    static char big[300000];
    struct fifo r;
    pthread_t thread;
    for (size_t i = 0; i < sizeof big; i++)
        big[i] = (char)(i * 7 % 251);
    snprintf(r.path, sizeof r.path, "%s/fifo", dir);
    el_buf_init(&r.got);
    assert_int_equal(mkfifo(at("fifo"), 0600), 0);
    assert_int_equal(el_atomic_try(at("fifo"), NULL), 0); /* without a reader, at once */
    assert_int_equal(pthread_create(&thread, NULL, read_fifo, &r), 0);
    assert_int_equal(el_file_write(at("fifo"), big, sizeof big, NULL), 0);
    pthread_join(thread, NULL);
    assert_int_equal(r.got.len, sizeof big);
    assert_memory_equal(r.got.data, big, sizeof big);
    is_fifo(at("fifo"));
    assert_int_equal(count_files(), 1);
    el_buf_release(&r.got);
}

/* Neither a FIFO without a reader nor a reader that does not read keeps a writer that is to stop.
 */
static void a_stop_ends_the_wait_for_a_reader(void **state)
{
    (void)state;
    static const char big[300000];
    struct el_error err = {0};
    assert_int_equal(mkfifo(at("fifo"), 0600), 0);
    el_stop_requested = 1;
    assert_int_equal(el_file_write(at("fifo"), big, 1, &err), EL_EINTR);
    assert_non_null(strstr(err.msg, at("fifo")));
    int reader = open(at("fifo"), O_RDONLY | O_NONBLOCK);
    assert_true(reader >= 0);
    assert_int_equal(el_file_write(at("fifo"), big, 1, NULL), 0); /* it is taken */
    assert_int_equal(el_file_write(at("fifo"), big, sizeof big, &err), EL_EINTR);
    el_stop_requested = 0;
    close(reader);
    is_fifo(at("fifo"));
}

static void a_reader_that_leaves_is_reported(void **state)
{
    (void)state;
    struct el_atomic_file f;
    struct el_error err = {0};
    assert_int_equal(mkfifo(at("fifo"), 0600), 0);
    int reader = open(at("fifo"), O_RDONLY | O_NONBLOCK);
    assert_int_equal(el_atomic_open(&f, at("fifo"), NULL), 0);
    assert_int_equal(el_atomic_write(&f, "x", 1, NULL), 0);
    close(reader);
    void (*before)(int) = signal(SIGPIPE, SIG_IGN);
    assert_int_equal(el_atomic_write(&f, "x", 1, &err), EL_EIO);
    signal(SIGPIPE, before);
    assert_non_null(strstr(err.msg, at("fifo: cannot write: Broken pipe")));
    el_atomic_discard(&f);
    is_fifo(at("fifo"));
}

/* A node of our own: what is in /dev is no place for a test. */
static void a_device_stays_a_device(void **state)
{
    (void)state;
    static const char big[10000];
    struct stat st;
    struct el_error err = {0};
    if (mknod(at("null"), S_IFCHR | 0600, (1 << 8) + 3) < 0 ||
        mknod(at("full"), S_IFCHR | 0600, (1 << 8) + 7) < 0)
        skip();
    int fd = open(at("null"), O_WRONLY);
    if (fd < 0)
        skip(); /* a file system without devices */
    close(fd);
    assert_int_equal(el_file_write(at("null"), big, sizeof big, &err), 0);
    assert_int_equal(el_file_write(at("full"), big, sizeof big, &err), EL_EIO);
    assert_non_null(strstr(err.msg, at("full: cannot write: No space")));
    static const char *const names[] = {"null", "full"};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(stat(at(names[i]), &st), 0);
        assert_true(S_ISCHR(st.st_mode));
    }
    assert_int_equal(count_files(), 2);
}

/* As with --out /dev/stdout >>FILE: what is in FILE stays. */
static void what_standard_output_leads_to_goes_on(void **state)
{
    (void)state;
    fflush(stdout);
    int keep = dup(STDOUT_FILENO), fd = open(at("own"), O_WRONLY | O_CREAT, 0666);
    assert_int_equal(write(fd, "front ", 6), 6);
    assert_int_equal(dup2(fd, STDOUT_FILENO), STDOUT_FILENO);
    int rc = el_file_write(at("own"), "mine ", 5, NULL);
    ssize_t w = write(STDOUT_FILENO, "back", 4);
    dup2(keep, STDOUT_FILENO);
    close(keep);
    close(fd);
    assert_int_equal(rc, 0);
    assert_int_equal(w, 4);
    holds(at("own"), "front mine back", 15);
    assert_int_equal(count_files(), 1);
}

struct reader {
    const char *path;
    atomic_int stop;
    long reads, torn;
};

/* Every version is one letter, repeated by a length that the letter decides. */
static size_t version_length(int v)
{
    return 20000 + 5000 * (size_t)v;
}

static void *read_on(void *arg)
{
    struct reader *r = arg;
    while (!atomic_load(&r->stop)) {
        struct el_buf b;
        el_buf_init(&b);
        int bad = el_file_read(r->path, 0, &b, NULL) < 0 || !b.len;
        int v = bad ? 0 : b.data[0] - 'a';
        bad = bad || b.len != version_length(v);
        for (size_t i = 0; i < b.len && !bad; i++)
            bad = b.data[i] != 'a' + v;
        r->torn += bad;
        r->reads++;
        el_buf_release(&b);
    }
    return NULL;
}

static void readers_never_see_a_mixture(void **state)
{
    (void)state;
    static char text[60000];
    struct reader r = {.path = strdup(at("a"))};
    pthread_t thread;
    for (int i = 0; i < 60; i++) {
        int v = i % 6;
        memset(text, 'a' + v, version_length(v));
        assert_int_equal(el_file_write(r.path, text, version_length(v), NULL), 0);
        if (i == 0)
            assert_int_equal(pthread_create(&thread, NULL, read_on, &r), 0);
    }
    atomic_store(&r.stop, 1);
    pthread_join(thread, NULL);
    assert_true(r.reads > 0);
    assert_int_equal(r.torn, 0);
    free((char *)r.path);
}

static void folders(void **state)
{
    (void)state;
    struct el_error err = {0};
    assert_int_equal(el_dir_make(at("x/y//z/"), &err), 0);
    assert_true(el_path_exists(at("x/y/z")));
    assert_int_equal(el_dir_make(at("x/y"), &err), 0);
    assert_int_equal(el_file_write(at("x/file"), "", 0, NULL), 0);
    assert_int_equal(el_dir_make(at("x/file"), &err), EL_EIO);
    assert_non_null(strstr(err.msg, at("x/file")));
    assert_int_equal(el_dir_make(at("x/file/deeper"), &err), EL_EIO);
    assert_int_equal(el_dir_make("", &err), EL_EINVAL);
    assert_int_equal(el_dir_make("/", &err), 0);
    assert_int_equal(el_dir_make(".", &err), 0);
    assert_false(el_path_exists(at("nothing")));
}

static void a_path_is_found_here_or_in_root(void **state)
{
    (void)state;
    static const struct {
        const char *name, *root, *found;
    } cases[] = {{"/", "/no-such-root", "/"}, /* there */
                 {"no-such/name", NULL, "no-such/name"},
                 {"no-such/name", "root", "root/no-such/name"},
                 {"/no-such/name", "root", "/no-such/name"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *found = el_path_find(cases[i].name, cases[i].root);
        assert_string_equal(found, cases[i].found);
        el_free(found);
    }
}

static int copy(const char *name, struct el_error *err)
{
    char from[300], to[300];
    snprintf(from, sizeof from, "%s/from", dir);
    snprintf(to, sizeof to, "%s/to", dir);
    return el_file_copy(from, to, name, err);
}

static void a_file_is_copied_between_folders(void **state)
{
    (void)state;
    static const char text[] = "with\0zero";
    struct el_error err = {0};
    assert_int_equal(el_dir_make(at("from/sub"), &err), 0);
    assert_int_equal(el_file_write(at("from/a"), text, sizeof text, &err), 0);
    assert_int_equal(copy("a", &err), EL_EIO); /* nowhere to put it */
    assert_non_null(strstr(err.msg, at("to/a")));
    assert_int_equal(el_dir_make(at("to"), &err), 0);
    assert_int_equal(copy("a", &err), 1);
    holds(at("to/a"), text, sizeof text);
    assert_int_equal(el_file_write(at("from/a"), "", 0, &err), 0);
    assert_int_equal(copy("a", &err), 1);
    holds(at("to/a"), "", 0);
    /* neither a missing file nor a folder takes the place of what is there */
    assert_int_equal(unlink(at("from/a")), 0);
    assert_int_equal(copy("a", &err), 0);
    holds(at("to/a"), "", 0);
    assert_int_equal(copy("sub", &err), 0);
    assert_int_equal(copy("sub/a", &err), 0);
    assert_false(el_path_exists(at("to/sub")));
    /* what cannot be looked at is not taken for missing */
    assert_int_equal(symlink("loop", at("from/loop")), 0);
    assert_int_equal(copy("loop", &err), EL_EIO);
    assert_non_null(strstr(err.msg, at("from/loop")));
    /* a folder in its place stays, and nothing half-written beside it */
    assert_int_equal(el_file_write(at("from/b"), "b", 1, &err), 0);
    assert_int_equal(el_dir_make(at("to/b/full"), &err), 0);
    assert_int_equal(copy("b", &err), EL_EIO);
    assert_non_null(strstr(err.msg, at("to/b")));
    assert_true(el_path_exists(at("to/b/full")));
    char tmp[300];
    snprintf(tmp, sizeof tmp, "%s/to/b.tmp.%ld", dir, (long)getpid());
    assert_false(el_path_exists(tmp));
}

static void joined_paths(void **state)
{
    (void)state;
    char *a = el_path_join("a", "b"), *b = el_path_join("a/", "b");
    assert_string_equal(a, "a/b");
    assert_string_equal(b, "a/b");
    el_free(a);
    el_free(b);
}

static int write_and_read(struct el_error *err)
{
    struct el_buf b;
    el_buf_init(&b);
    int rc = el_file_write(at("a"), "new!", 4, err);
    if (rc == 0)
        rc = el_file_read(at("a"), 0, &b, err);
    el_buf_release(&b);
    char *path = rc == 0 ? el_path_join(dir, "more") : NULL;
    if (rc == 0 && !path)
        rc = el_error_set(err, EL_ENOMEM, "out of memory");
    if (rc == 0)
        rc = el_dir_make(path, err);
    el_free(path);
    return rc;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    int rc = -1;
    for (int n = 1; rc < 0; n++) {
        struct el_error err = {0};
        assert_true(n < 100);
        el_alloc_fail_after(0);
        assert_int_equal(el_file_write(at("a"), "old!", 4, NULL), 0);
        el_alloc_fail_after(n);
        rc = write_and_read(&err);
        long asked = el_alloc_count();
        el_alloc_fail_after(0);
        struct el_buf b;
        el_buf_init(&b);
        assert_int_equal(el_file_read(at("a"), 0, &b, NULL), 0);
        assert_true(strcmp(b.data, "old!") == 0 || strcmp(b.data, "new!") == 0);
        el_buf_release(&b);
        if (rc < 0) {
            assert_int_equal(rc, EL_ENOMEM);
            assert_true(err.msg[0]);
        } else if (asked >= n) {
            rc = -1; /* the folder is synced as well as memory allows */
        }
    }
    assert_int_equal(count_files(), 2);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(what_is_written_is_read),
        TEST(reading_appends),
        TEST(the_old_file_may_be_kept),
        TEST(refusals_name_the_file),
        TEST(a_limit_holds_exactly),
        TEST(a_full_device_is_reported),
        TEST(a_disk_that_fills_up_keeps_the_old_file),
        TEST(pieces_appear_together),
        TEST(a_symbolic_link_stays),
        TEST(a_link_is_swept_and_removed_at_its_target),
        TEST(a_fifo_is_written_directly),
        TEST(a_stop_ends_the_wait_for_a_reader),
        TEST(a_reader_that_leaves_is_reported),
        TEST(a_device_stays_a_device),
        TEST(what_standard_output_leads_to_goes_on),
        TEST(readers_never_see_a_mixture),
        TEST(folders),
        TEST(a_file_is_copied_between_folders),
        TEST(joined_paths),
        TEST(a_path_is_found_here_or_in_root),
        TEST(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
