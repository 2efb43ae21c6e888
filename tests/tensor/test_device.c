#include "core/base/alloc.h"
#include "core/tensor/device.h"

#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void is_aligned_and_zeroed(struct el_device *d)
{
    for (size_t bytes = 0; bytes < 9000; bytes += 257) {
        char *p = el_device_alloc(d, bytes), copy[9000];
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % 64, 0);
        memset(copy, 1, sizeof copy);
        d->copy_out(d, copy, p, bytes);
        for (size_t i = 0; i < bytes; i++)
            assert_int_equal(copy[i], 0);
        el_device_release(d, p);
    }
    el_device_release(d, NULL);
}

static void copies_round_trip(struct el_device *d)
{
    char in[1000], out[1000];
    for (int i = 0; i < 1000; i++)
        in[i] = (char)(i * 7);
    char *a = el_device_alloc(d, sizeof in), *b = el_device_alloc(d, 10);
    d->copy_in(d, a, in, sizeof in);
    d->copy_in(d, b, in, 10);
    d->copy_out(d, out, a, sizeof out);
    assert_memory_equal(in, out, sizeof in);
    memset(out, 0, sizeof out);
    d->copy_out(d, out, a + 500, 100);
    assert_memory_equal(in + 500, out, 100);
    d->copy_in(d, a, NULL, 0);
    el_device_release(d, a);
    d->copy_out(d, out, b, 10);
    assert_memory_equal(in, out, 10);
    el_device_release(d, b);
}

static void host(void **state)
{
    (void)state;
    struct el_device *d = el_device_host();
    assert_string_equal(d->name, "host");
    is_aligned_and_zeroed(d);
    copies_round_trip(d);
    assert_null(el_device_alloc(d, SIZE_MAX));
    el_device_free(d); /* static: nothing happens */
    el_device_free(NULL);
    assert_ptr_equal(d, el_device_host());
}

static void guard(void **state)
{
    (void)state;
    struct el_device *d = el_device_guard_create();
    assert_non_null(d);
    is_aligned_and_zeroed(d);
    copies_round_trip(d);
    assert_null(el_device_alloc(d, SIZE_MAX));
    assert_null(el_device_alloc(d, SIZE_MAX / 4));
    assert_non_null(el_device_alloc(d, 100)); /* freed with the device */
    el_device_free(d);
}

enum touch { TOUCH_SHUT, TOUCH_OPEN, TOUCH_PAST_END, TOUCH_AFTER_LEAVE, TOUCH_NESTED };

/* Runs in a child process: touches a block of 64 bytes and exits with 0 if it survives. */
static void touch_in_child(struct el_device *d, volatile char *p, enum touch how)
{
    signal(SIGSEGV, SIG_DFL); /* not the sanitizer's handler */
    if (how != TOUCH_SHUT)
        d->enter(d);
    if (how == TOUCH_NESTED) {
        d->enter(d);
        d->leave(d);
    }
    if (how == TOUCH_AFTER_LEAVE)
        d->leave(d);
    p[how == TOUCH_PAST_END ? 64 : 63] = 1;
    _exit(0);
}

/* The signal that ended the child, 0 when it survived. */
static int touch(enum touch how)
{
    struct el_device *d = el_device_guard_create();
    char *p = el_device_alloc(d, 64);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        touch_in_child(d, p, how);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    el_device_free(d);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void guard_faults_outside_ops(void **state)
{
    (void)state;
    assert_int_equal(touch(TOUCH_SHUT), SIGSEGV);
    assert_int_equal(touch(TOUCH_OPEN), 0);
    assert_int_equal(touch(TOUCH_PAST_END), SIGSEGV);
    assert_int_equal(touch(TOUCH_AFTER_LEAVE), SIGSEGV);
    assert_int_equal(touch(TOUCH_NESTED), 0);
}

static void memory_allocated_inside_an_op_is_open(void **state)
{
    (void)state;
    struct el_device *d = el_device_guard_create();
    d->enter(d);
    char *p = el_device_alloc(d, 10);
    p[9] = 5;
    d->leave(d);
    char c = 0;
    d->copy_out(d, &c, p + 9, 1);
    assert_int_equal(c, 5);
    el_device_free(d);
}

static void allocation_failure(void **state)
{
    (void)state;
    el_alloc_fail_after(1);
    assert_null(el_device_alloc(el_device_host(), 10));
    assert_null(el_device_guard_create());
    el_alloc_fail_after(2);
    struct el_device *d = el_device_guard_create();
    assert_non_null(d);
    assert_null(el_device_alloc(d, 10));
    el_alloc_fail_after(0);
    assert_non_null(el_device_alloc(d, 10));
    el_device_free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(host),
        cmocka_unit_test(guard),
        cmocka_unit_test(guard_faults_outside_ops),
        cmocka_unit_test(memory_allocated_inside_an_op_is_open),
        cmocka_unit_test(allocation_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
