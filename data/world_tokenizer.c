/* Layout of the vocabulary
 *     0, 1          begin and end of sentence
 *     2..257        the 256 bytes, in the order of their spelling's code points
 *     258..         merges: the numbers 10..199, then *x *y .\n
 *     then          added tokens: role and thinking marks, then the phrases below */
#include "data/world_tokenizer.h"

#include "core/base/error.h"
#include "core/base/json.h"
#include "data/world.h"

#include <string.h>

/* Phrases of the world and of configs/prompts/small, each one token. Lines that end an item carry
 * their newline; what stands at the end of a proof, a statement or an analysis does not, so that
 * trimming such a text does not change its tokens. */
static const char *const phrases[] = {
    /* problems */
    "Show that ", "(1) ", "(2) ", "(3) ", "; ", " for some x,y", " for an x", " divides x*x+",
    "some of ", " add up to ",
    /* proofs */
    "## Solution\n", "\n## Self Evaluation\n", "x=", ", y=", "take ", "So all claims hold.",
    /* analyses */
    "Here is my evaluation of the solution:\n", " right.\n", " wrong.\n", " again.\n", "missing ",
    "total ", " of ", "bad witness.\n", "not addressed.\n", "malformed.\n", "no closing.\n",
    "Based on my evaluation, the final overall score should be:\n", "\\boxed{0}", "\\boxed{0.5}",
    "\\boxed{1}",
    /* meta-analyses */
    "Here is my analysis of the \"solution evaluation\":\n", "real.\n", "not real.\n",
    "misstated.\n", "no issue claimed.\n", "the score fits.\n", "the score does not fit.\n",
    "Based on my analysis, I will rate the \"solution evaluation\" as:\n",
    /* prompts */
    "Prove: ", "Verify: ", "Rate: ", "Refine: ", "\nProof:\n", "\nReview:\n", "Find: ", "Drill"};

/* As in DeepSeek's files, only the first two are marked special. */
static const char *const marks[] = {"<｜begin▁of▁sentence｜>",
                                    "<｜end▁of▁sentence｜>",
                                    "<｜User｜>",
                                    "<｜Assistant｜>",
                                    "<think>",
                                    "</think>"};

static const char *const other_merges[][2] = {{"*", "x"}, {"*", "y"}, {".", "Ċ"}};

static const char *const patterns[] = {
    "\\p{N}{1,3}", "[一-龥぀-ゟ゠-ヿ]+",
    "[!\"#$%&'()*+,\\-./"
    ":;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}"
    "]+| ?[\\p{P}\\p{S}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"};

#define COUNT(a) (sizeof(a) / sizeof(a)[0])
enum { BYTES = 256, FIRST_NUMBER = 10, NUMBERS = EL_WORLD_MAX + 1 - FIRST_NUMBER };

int el_world_tokenizer_size(void)
{
    return (int)(COUNT(marks) + BYTES + NUMBERS + COUNT(other_merges) + COUNT(phrases));
}

struct writer {
    struct el_buf *out;
    int rc; /* the first failure; nothing is written after it */
    int id; /* of the next token */
};

static void put(struct writer *w, const char *text)
{
    if (w->rc >= 0)
        w->rc = el_buf_puts(w->out, text);
}

static void put_number(struct writer *w, int v)
{
    if (w->rc >= 0)
        w->rc = el_buf_printf(w->out, "%d", v);
}

static void put_string(struct writer *w, const char *text)
{
    if (w->rc >= 0)
        w->rc = el_json_quote(w->out, text, strlen(text));
}

/* The character that spells byte b in byte-level files: itself where it prints, else U+0100 and
 * up in order. */
static int spelling_of(int b)
{
    int hidden = 0;
    for (int i = 0; i < BYTES; i++) {
        int prints = (i >= 33 && i <= 126) || (i >= 161 && i <= 172) || i >= 174;
        if (i == b)
            return prints ? b : 256 + hidden;
        hidden += !prints;
    }
    return -1;
}

static void put_entry(struct writer *w, const char *token)
{
    put(w, w->id ? ",\n      " : "\n      ");
    put_string(w, token);
    put(w, ": ");
    put_number(w, w->id++);
}

static void put_bytes(struct writer *w)
{
    int byte_of[BYTES + 68 + 1]; /* by code point; 68 bytes do not print */
    memset(byte_of, -1, sizeof byte_of);
    for (int b = 0; b < BYTES; b++)
        byte_of[spelling_of(b)] = b;
    for (int c = 0; c < BYTES + 68; c++) {
        char token[3] = {(char)c, 0, 0};
        if (byte_of[c] < 0)
            continue;
        if (c >= 0x80) {
            token[0] = (char)(0xc0 | c >> 6);
            token[1] = (char)(0x80 | (c & 0x3f));
        }
        put_entry(w, token);
    }
}

static void put_vocab(struct writer *w)
{
    put(w, "    \"vocab\": {");
    for (size_t i = 0; i < 2; i++)
        put_entry(w, marks[i]);
    put_bytes(w);
    for (int n = FIRST_NUMBER; n <= EL_WORLD_MAX; n++) {
        char digits[4] = {0};
        int at = 0;
        if (n >= 100)
            digits[at++] = (char)('0' + n / 100);
        digits[at++] = (char)('0' + n / 10 % 10);
        digits[at] = (char)('0' + n % 10);
        put_entry(w, digits);
    }
    for (size_t i = 0; i < COUNT(other_merges); i++) {
        char token[8] = "";
        strcat(strcat(token, other_merges[i][0]), other_merges[i][1]);
        put_entry(w, token);
    }
    put(w, "\n    },\n");
}

/* 1ab becomes 1a b, as the merge of 1a ranks before that of ab; in 110 that of 10 ranks before
 * that of 11. */
static void put_merges(struct writer *w)
{
    put(w, "    \"merges\": [");
    for (int n = FIRST_NUMBER; n <= EL_WORLD_MAX; n++) {
        int cut = n == 110 ? 100 : 10;
        put(w, n > FIRST_NUMBER ? ",\n      \"" : "\n      \"");
        put_number(w, n / cut);
        put(w, " ");
        put_number(w, n % cut);
        put(w, "\"");
    }
    for (size_t i = 0; i < COUNT(other_merges); i++) {
        put(w, ",\n      \"");
        put(w, other_merges[i][0]);
        put(w, " ");
        put(w, other_merges[i][1]);
        put(w, "\"");
    }
    put(w, "\n    ]\n");
}

static void put_added(struct writer *w, int id, const char *content, int special)
{
    put(w, id ? ",\n    {\"id\": " : "\n    {\"id\": ");
    put_number(w, id);
    put(w, ", \"content\": ");
    put_string(w, content);
    put(w, ", \"single_word\": false, \"lstrip\": false, \"rstrip\": false, "
           "\"normalized\": false, \"special\": ");
    put(w, special ? "true}" : "false}");
}

static void put_all_added(struct writer *w)
{
    int id = 2 + BYTES + NUMBERS + (int)COUNT(other_merges);
    put(w, "  \"added_tokens\": [");
    put_added(w, 0, marks[0], 1);
    put_added(w, 1, marks[1], 1);
    for (size_t i = 2; i < COUNT(marks); i++)
        put_added(w, id++, marks[i], 0);
    for (size_t i = 0; i < COUNT(phrases); i++)
        put_added(w, id++, phrases[i], 0);
    put(w, "\n  ],\n");
}

static void put_pretokenizer(struct writer *w)
{
    put(w, "  \"pre_tokenizer\": {\"type\": \"Sequence\", \"pretokenizers\": [");
    for (size_t i = 0; i < COUNT(patterns); i++) {
        put(w, "\n    {\"type\": \"Split\", \"pattern\": {\"Regex\": ");
        put_string(w, patterns[i]);
        put(w, "}, \"behavior\": \"Isolated\", \"invert\": false},");
    }
    put(w, "\n    {\"type\": \"ByteLevel\", \"add_prefix_space\": false, \"trim_offsets\": true, "
           "\"use_regex\": false}\n  ]},\n");
}

int el_world_tokenizer_json(struct el_buf *out)
{
    struct writer w = {.out = out};
    put(&w, "{\n  \"version\": \"1.0\",\n  \"truncation\": null,\n  \"padding\": null,\n");
    put_all_added(&w);
    put(&w, "  \"normalizer\": null,\n");
    put_pretokenizer(&w);
    put(&w, "  \"post_processor\": null,\n  \"decoder\": {\"type\": \"ByteLevel\", "
            "\"add_prefix_space\": false, \"trim_offsets\": true, \"use_regex\": false},\n");
    put(&w, "  \"model\": {\n    \"type\": \"BPE\", \"dropout\": null, \"unk_token\": null,\n"
            "    \"continuing_subword_prefix\": null, \"end_of_word_suffix\": null,\n"
            "    \"fuse_unk\": false, \"byte_fallback\": false,\n");
    put_vocab(&w);
    put_merges(&w);
    put(&w, "  }\n}\n");
    return w.rc < 0 ? w.rc : 0;
}
