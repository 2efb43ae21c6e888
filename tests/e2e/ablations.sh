#!/bin/sh
# The arms of scripts/ablations at the smallest size: each differs from "all" in what it says, the table
# has them side by side, and the same command adds nothing to what is finished.
. "$(dirname "$0")/lib.sh"

sed 's/"prompts_per_step": [0-9]*/"prompts_per_step": 6/
    s/"num_generations": [0-9]*/"num_generations": 4/
    s/"max_completion_length": [0-9]*/"max_completion_length": 120/
    s/"world": [0-9]*/"world": 24/; s/"mini_batches": [0-9]*/"mini_batches": 3/
    s/"batch_rows": [0-9]*/"batch_rows": 1024/
    s/"top_p": [0-9.]*/"top_p": 0.95/' configs/train/off-policy.json >"$work/recipe.json"

run()
{
    status 0 scripts/ablations --program "$program" --recipe "$work/recipe.json" --steps 1 \
        --threads 1 --out "$work/abl" "$@"
}

# What an arm changes.
run --seeds 1 --held-out 0
differs() # arm, lines that are not those of "all"
{
    [ "$(diff "$work/abl/all.json" "$work/abl/$1.json" | grep -c '^>')" -eq "$2" ] ||
        fail "arm $1: expected $2 other lines"
}
differs no-unbiased-kl 1
differs no-off-policy-mask 1
differs no-keep-routing 1
differs no-keep-sampling-mask 1
differs none 4
says "$work/abl/none.json" '"use_bias_correction_kl": false'
says "$work/abl/none.json" '"off_policy_mask_threshold": null'
says "$work/abl/none.json" '"keep_routing": false'
says "$work/abl/none.json" '"keep_sampling_mask": false'
says "$work/abl/none.json" '"max_steps": 1,'

# Two arms, two seeds, held-out proofs; what is there stays.
before=$(cksum <"$work/abl/all-1/state.safetensors")
run --arms "all none" --seeds "1 2" --held-out 2
[ "$(cksum <"$work/abl/all-1/state.safetensors")" = "$before" ] || fail 'a finished run has changed'
says out 'rewards/true/mean'
says out 'all: 2 models'
says out 'verifier/balanced_accuracy'
says "$work/abl/training.html" 'mean of 2 runs'
[ "$(grep -c '^# ' "$work/abl/ablations.dat")" -eq 2 ] || fail 'expected data of two arms'
if command -v gnuplot >/dev/null; then
    says "$work/abl/ablations.svg" '</svg>'
else
    says err 'No plot'
fi
status 1 scripts/ablations --program "$program" --arms nonsense --out "$work/no"
says err "unknown arm 'nonsense'"
status 1 scripts/ablations --program "$program" --speed 9
says err "unknown argument '--speed'"
