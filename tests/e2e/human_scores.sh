#!/bin/sh
# A verifier trained on scores that people gave: import, training, what comes out. The path is the
# point: the small model knows nothing of such proofs, and says so.
. "$(dirname "$0")/lib.sh"

# In the form of the Open Proof Corpus, with a judgment, which is no score of a person; then marks
# out of 7 in the form of published outputs.
cat >"$work/corpus.jsonl" <<'END'
{"proof_id": "a", "problem_id": "q1", "competition": "mine", "category": ["Numbers"], "problem": "Show that the sum of two odd numbers is even.", "proof": "Let them be 2a+1 and 2b+1. Their sum is 2(a+b+1), which is even.", "model": "m", "human_label": "correct", "human_solution": null, "llm_judgment": {"timestamp": "t", "result": {"summary": "It holds.", "issues": []}}}
{"proof_id": "b", "problem_id": "q1", "competition": "mine", "category": ["Numbers"], "problem": "Show that the sum of two odd numbers is even.", "proof": "1+1=2, which is even, and so on.", "model": "m", "human_label": "incorrect", "human_solution": null, "llm_judgment": null}
END
{
    printf '{"proof_id": "c", "problem_id": "q1", "competition": "mine", "category": ["Numbers"], '
    printf '"problem": "Show that the sum of two odd numbers is even.", "proof": "'
    for i in 1 2 3 4 5 6 7 8 9 10; do
        printf 'Take the numbers %s and %s+2, whatever they are, add them, and look at the last digit. ' $i $i
    done
    printf '", "model": "m", "human_label": "incorrect", "human_solution": null, "llm_judgment": null}\n'
} >>"$work/corpus.jsonl"
cat >"$work/marks.jsonl" <<'END'
{"question": "Show that 3 divides n(n+1)(n+2).", "problem_idx": "IMO2025-1", "model_prediction": {"proof": "One of three numbers in a row is a multiple of 3.", "average_automatic_rating": 0.5, "human_rating": 6}}
END
status 0 "$program" import "$work/corpus.jsonl" --store "$work/s.db" \
    --mapping configs/mappings/correct-incorrect.json
says out 'proofs     3 added'
status 0 "$program" import "$work/marks.jsonl" --store "$work/s.db" \
    --mapping configs/mappings/proofbench-7.json

# The recipe that 'train verifier' stands for, cut to what takes seconds.
sed -e 's/"prompts_per_step": 32/"prompts_per_step": 4/' -e 's/"num_generations": 8/"num_generations": 2/' \
    -e 's/"max_steps": 30/"max_steps": 3/' configs/train/verifier.json >"$work/verifier.json"
status 0 "$program" train "$work/verifier.json" --data "$work/s.db" --out "$work/human"
says err 'D_v: 3 items (score 0: 1, 0.5: 1, 1: 1; by human 3); left out: 1 as too long for the model'
says err 'roles left out: meta_verifier'
says err 'D_mv is empty: no analysis has a score'
says err '3 of 3 examples are not of it: the scores that it gives them mean nothing'
[ "$(grep -c '"drops/prompt":0,' "$work/human/metrics.jsonl")" -eq 3 ] || fail 'prompts were refused'
[ -s "$work/human/model/model.safetensors" ] || fail 'there is no model'
same "$work/human/model/domain.json" models/small/domain.json

# As a judge it is measured, with a warning.
status 0 "$program" eval "$work/s.db" --roles "$work/human/model" --temperature 0
says err 'knows the small proof world alone, and 4 of 4 proofs and analyses are not of it'
says out '3 proofs to judge and 0 analyses to rate over 2 problems'
says out 'D_v: 3 items; left out: 1 as too long for the model'

# The same command finds it finished.
cp "$work/human/state.safetensors" "$work/state"
status 0 "$program" train "$work/verifier.json" --data "$work/s.db" --out "$work/human"
same "$work/human/state.safetensors" "$work/state"

# What labels the data lack is said before the first step.
if grep -q 'warning: .* of D_v' "$work/err"; then fail 'a warning where all labels are there'; fi
sed -e 's/"correct"/"incorrect"/' "$work/corpus.jsonl" >"$work/wrong.jsonl"
status 0 "$program" import "$work/wrong.jsonl" --store "$work/wrong.db" \
    --mapping configs/mappings/correct-incorrect.json
sed 's/"max_steps": 3/"max_steps": 1/' "$work/verifier.json" >"$work/once.json"
status 0 "$program" train "$work/once.json" --data "$work/wrong.db" --out "$work/wrong"
says err 'warning: all 2 of D_v have score 0: the verifier can only learn to say 0'
status 0 "$program" import "$work/corpus.jsonl" --store "$work/two.db" \
    --mapping configs/mappings/correct-incorrect.json
status 0 "$program" train "$work/once.json" --data "$work/two.db" --out "$work/two"
says err 'warning: no item of D_v has score 0.5: label_balance leaves it out'

# What cannot be is explained: nothing that fits; a role that has nothing to learn from.
sed 's/"max_completion_length": 512/"max_completion_length": 1000/' "$work/verifier.json" >"$work/long.json"
status 1 "$program" train "$work/long.json" --data "$work/s.db" --out "$work/long"
says err 'D_v: none of 4 fits the model: it takes 1024 tokens, max_completion_length keeps 1000'
status 1 "$program" train meta-verifier --data "$work/s.db" --out "$work/meta"
says err 'no role that can do without analyses that have a score'
