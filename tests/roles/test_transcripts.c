/* Paired transcripts: transcripts/NAME.in is what a model wrote, byte for byte, and NAME.out is
 * what the parser must say about it:
 *
 *     ROLE stop|length answer|thinking
 *     failure NAME
 *     text NAME              the failure without regard to the finish reason
 *     score 0|0.5|1|-
 *     proof "..."            with C escapes
 *     analysis "..."
 *
 * A new case is a new pair of files. */
#include "core/base/io.h"
#include "roles/role.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define FOLDER EL_SOURCE_DIR "/tests/roles/transcripts"

static void read_into(const char *name, const char *suffix, struct el_buf *out)
{
    char path[512];
    struct el_error err = {0};

    snprintf(path, sizeof path, FOLDER "/%s%s", name, suffix);
    if (el_file_read(path, 0, out, &err))
        fail_msg("%s", err.msg);
}

static void put_escaped(struct el_buf *b, struct el_slice v)
{
    static const char special[] = "\n\r\t\"\\", letter[] = "nrt\"\\";

    for (size_t i = 0; i < v.len; i++) {
        const unsigned char c = (unsigned char)v.data[i];
        const char *at = c ? strchr(special, c) : NULL;

        if (at)
            el_buf_printf(b, "\\%c", letter[at - special]);
        else
            el_buf_printf(b, c >= 32 && c < 127 ? "%c" : "\\x%02x", c);
    }
}

static void render(const char *settings, const char *text, const struct el_reply *r,
                   struct el_buf *b)
{
    el_buf_printf(b, "%s\nfailure %s\ntext %s\nscore %s\nproof \"", settings,
                  el_reply_failure_name(r->failure), el_reply_failure_name(r->text_failure),
                  el_score_text(r->halves));
    put_escaped(b, el_reply_slice(r->proof, text));
    el_buf_puts(b, "\"\nanalysis \"");
    put_escaped(b, el_reply_slice(r->analysis, text));
    el_buf_puts(b, "\"\n");
}

static void check(const struct el_reply_parser *parser, const char *name)
{
    char role[32], finish[16], thinking[16], settings[80];
    struct el_buf in, want, got;
    struct el_reply_context ctx;
    struct el_reply reply;

    el_buf_init(&in);
    el_buf_init(&want);
    el_buf_init(&got);
    read_into(name, ".in", &in);
    read_into(name, ".out", &want);
    if (sscanf(want.data, "%31s %15s %15s", role, finish, thinking) != 3 ||
        el_role_from_name(role) < 0)
        fail_msg("%s.out: expected 'ROLE stop|length answer|thinking'", name);
    ctx.finish = strcmp(finish, "length") ? EL_REPLY_ENDED : EL_REPLY_CUT_OFF;
    ctx.expect_thinking = strcmp(thinking, "thinking") == 0;
    assert_int_equal(
        el_role_parse(el_role_from_name(role), parser, in.data, in.len, &ctx, &reply, NULL), 0);
    snprintf(settings, sizeof settings, "%s %s %s", role, finish, thinking);
    render(settings, in.data, &reply, &got);
    if (strcmp(got.data, want.data) != 0)
        fail_msg("%s\n--- want ---\n%s--- got ---\n%s", name, want.data, got.data);
    el_buf_release(&in);
    el_buf_release(&want);
    el_buf_release(&got);
}

static void every_transcript(void **state)
{
    struct el_reply_parser *parser;
    struct dirent *entry;
    DIR *dir = opendir(FOLDER);
    int n = 0;

    (void)state;
    assert_non_null(dir);
    assert_int_equal(el_reply_parser_create(&parser, NULL), 0);
    while ((entry = readdir(dir))) {
        const size_t len = strlen(entry->d_name);
        char name[256];

        if (len < 4 || strcmp(entry->d_name + len - 3, ".in") != 0)
            continue;
        snprintf(name, sizeof name, "%.*s", (int)(len - 3), entry->d_name);
        check(parser, name);
        n++;
    }
    closedir(dir);
    el_reply_parser_free(parser);
    print_message("%d transcripts\n", n);
    assert_true(n >= 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_transcript)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
