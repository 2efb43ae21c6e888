#!/bin/sh
# An iteration whose first phase was killed, and whose model so far somebody has exported: it is not
# taken for finished, and the end is the same to the last byte.
. "$(dirname "$0")/lib.sh"

sed -e 's/"attempts": 20/"attempts": 0/' -e 's/"max_steps": [0-9]*/"max_steps": 4/' \
    -e 's/"save_steps": [0-9]*/"save_steps": 1/' \
    -e 's/"generator": 1/"generator": 0/' -e 's/"refiner": 1/"refiner": 0/' \
    -e 's|"prompts": *"[^"]*"|"prompts": "'"$work/prompts"'"|' configs/train/tiny-rl.json >"$work/recipe.json"
cp -R configs/prompts/small "$work/prompts"
cat >"$work/plan.json" <<END
{ "model": "models/small", "iterations": 2, "seed": 5,
  "phases": [ { "name": "first", "recipe": "$work/recipe.json" },
              { "name": "second", "recipe": "$work/recipe.json", "model": "first" } ] }
END
run()
{
    "$program" train "$work/plan.json" --threads 1 "$@"
}

status 0 run --out "$work/whole"

"$program" train "$work/plan.json" --threads 1 --out "$work/half" >"$work/log" 2>&1 &
child=$!
while [ ! -e "$work/half/1.first/state.safetensors" ] && kill -0 $child; do
    sleep 0.05
done
kill -9 $child
wait $child || true
seed=$(sed -n 's/.*"seed": *\([0-9]*\).*/\1/p' "$work/half/1.first/run.json")
[ ! -e "$work/half/1.first/model" ] || fail 'the first phase was killed too late for this test'
status 0 "$program" train "$work/recipe.json" --model models/small --seed "$seed" --threads 1 \
    --out "$work/half/1.first" --export
grep -q '"steps": *[123]\b' "$work/half/1.first/model/training.json" || fail 'the checkpoint is not of a step before the last'

status 0 run --out "$work/half"
says err 'iteration 1 of 2: first'
same "$work/half/1.first/model/model.safetensors" "$work/whole/1.first/model/model.safetensors"
same "$work/half/model/model.safetensors" "$work/whole/model/model.safetensors"

# What is finished is passed over, and the end stays as it is.
status 0 run --out "$work/half"
! grep -q 'iteration . of 2' "$work/err" || fail 'a finished phase ran again'
same "$work/half/model/model.safetensors" "$work/whole/model/model.safetensors"

# Each phase starts from the one that the plan names, each iteration from the last phase of the one
# before, and the end is the last one's model.
digest() # FOLDER FIELD
{
    sed -n 's/.*"'"$2"'": *"\([0-9a-f]*\)".*/\1/p' "$1/training.json"
}
follows() # FOLDER, FOLDER OF ITS START
{
    [ -n "$(digest "$2" weights_digest)" ] || fail "$2: no digest of its weights"
    [ "$(digest "$1" start_digest)" = "$(digest "$2" weights_digest)" ] || fail "$1 does not start from $2"
}
follows "$work/whole/1.first/model" models/small
follows "$work/whole/1.second/model" "$work/whole/1.first/model"
follows "$work/whole/2.first/model" "$work/whole/1.second/model"
follows "$work/whole/2.second/model" "$work/whole/2.first/model"
same "$work/whole/2.second/model/model.safetensors" "$work/whole/model/model.safetensors"

# The end may be the mean of what was trained and the start; the phases are the same.
sed 's/"seed": 5,/"seed": 5, "start_share": 0.5,/' "$work/plan.json" >"$work/mean.json"
"$program" train "$work/mean.json" --threads 1 --out "$work/mean" >"$work/log" 2>&1 &
child=$!
while [ ! -e "$work/mean/1.first" ] && kill -0 $child; do
    sleep 0.05
done
kill -9 $child
wait $child || true
rm -rf "$work/mean/1.first"
cp -R "$work/whole"/[12].* "$work/mean"
status 0 "$program" train "$work/mean.json" --threads 1 --out "$work/mean"
! grep -q 'iteration . of 2' "$work/err" || fail 'a finished phase ran again'
says "$work/mean/model/training.json" '"start_share": 0.5,'
[ "$(digest "$work/mean/model" trained_digest)" = "$(digest "$work/whole/2.second/model" weights_digest)" ] ||
    fail 'the mean is of something else'
! cmp -s "$work/mean/model/model.safetensors" "$work/whole/model/model.safetensors" || fail 'no mean'

# Its folder stands for those of its phases, in their order.
status 0 "$program" eval --training --apart "$work/whole" --html "$work/page.html"
[ "$(grep -o "[12]\.[a-z]*" "$work/out" | uniq | head -n 4 | tr '\n' ' ')" = '1.first 1.second 2.first 2.second ' ] ||
    fail "phases: $(cat "$work/out")"
[ -s "$work/page.html" ] || fail 'no page'

# Prompts that were changed behind a finished phase are not passed over, and neither is its start.
echo 'Be brief.' >>"$work/prompts/verify.txt"
status 1 run --out "$work/half"
says err "finished with something else than $work/prompts"
sed -i '$d' "$work/prompts/verify.txt"
sed -i 's/"weights_digest": "./"weights_digest": "x/' "$work/half/1.second/model/training.json"
status 1 run --out "$work/half"
says err "2.first: finished with something else than $work/half/1.second/model"

# Another seed is another plan.
status 1 run --out "$work/half" --seed 6
says err 'belongs to another plan'

# So is a recipe that was changed behind a finished phase.
sed -i 's/"learning_rate": [^,]*/"learning_rate": 1e-9/' "$work/recipe.json"
status 1 run --out "$work/half"
says err "finished with something else than $work/recipe.json"
