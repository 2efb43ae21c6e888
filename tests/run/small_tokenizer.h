/* A tokenizer.json of as few tokens as a conversation needs, ten: for golden models, whose
 * vocabulary is small, and where opening a model is repeated for every allocation of it. */
#ifndef EL_TESTS_RUN_SMALL_TOKENIZER_H
#define EL_TESTS_RUN_SMALL_TOKENIZER_H

static const char small_tokenizer[] =
    "{\"decoder\":{\"type\":\"ByteLevel\"},\"added_tokens\":["
    "{\"id\":0,\"content\":\"<｜begin▁of▁sentence｜>\"},{\"id\":1,\"content\":\"<"
    "｜end▁of▁sentence｜>\"},"
    "{\"id\":2,\"content\":\"<｜User｜>\"},{\"id\":3,\"content\":\"<｜Assistant｜>\"},"
    "{\"id\":4,\"content\":\"<think>\"},{\"id\":5,\"content\":\"</think>\"}],"
    "\"normalizer\":{\"type\":\"NFC\"},"
    "\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false},"
    "\"model\":{\"type\":\"BPE\",\"merges\":[\"a "
    "b\"],\"vocab\":{\"a\":6,\"b\":7,\"ab\":8,\"c\":9}}}";

#endif
