#!/bin/sh
# scripts/arms at the smallest size: two recipes, two seeds, measured beside the start; what is finished
# is not done again.
. "$(dirname "$0")/lib.sh"

sed 's/"prompts_per_step": [0-9]*/"prompts_per_step": 4/
    s/"num_generations": [0-9]*/"num_generations": 4/
    s/"max_completion_length": [0-9]*/"max_completion_length": 120/
    s/"world": [0-9]*/"world": 24/; s/"attempts": [0-9]*/"attempts": 0/
    s/"batch_rows": [0-9]*/"batch_rows": 1024/
    s/"max_steps": [0-9]*/"max_steps": 1/
    s/"judge": "start"/"judge": "oracle"/' configs/train/verifier-score.json >"$work/score.json"
sed 's/"use_meta_reward": false/"use_meta_reward": true/' "$work/score.json" >"$work/meta.json"

run()
{
    status 0 scripts/arms --program "$program" --seeds "1 2" --held-out 2 --threads 1 \
        --out "$work/arms" "$@"
}

run with="$work/meta.json" without="$work/score.json"
says out 'start: 1 model'
says out 'with: 2 models'
says out 'without: 2 models'
says out 'temperature 0'
says out 'verifier/balanced_accuracy'
says "$work/arms/training.html" 'mean of 2 runs'
before=$(cksum <"$work/arms/with-1/state.safetensors")
run with="$work/meta.json" without="$work/score.json" --compete 1
[ "$(cksum <"$work/arms/with-1/state.safetensors")" = "$before" ] || fail 'a finished run has changed'
says out 'Competition of models/small'
says out 'Pass@1'

status 1 scripts/arms --program "$program" --seeds 1 --held-out 2 --threads 1 --out "$work/arms" \
    --start "$work/nowhere" with="$work/meta.json"
says err "$work/nowhere"
status 1 scripts/arms --program "$program" --out "$work/none"
says err 'no arms'
status 1 scripts/arms --program "$program" a="$work/nowhere.json"
says err 'nowhere.json is not there'
