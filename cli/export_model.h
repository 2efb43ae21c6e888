/* elenchus export --model: a checkpoint in other number formats or other files. */
#ifndef EL_CLI_EXPORT_MODEL_H
#define EL_CLI_EXPORT_MODEL_H

struct cli_export_model {
    const char *model, *out;
    const char *dtype;      /* NULL: bf16 */
    const char *scales;     /* of FP8: "ue8m0" or "float"; NULL: ue8m0 */
    const char *shard_size; /* "5GB"; NULL: one file */
};

/* Returns the program's exit code, having printed what went wrong. */
int cli_export_model(const struct cli_export_model *how);

#endif
