#!/bin/sh
# Training from nothing; stopped by SIGINT and resumed; the model folder that comes out of it.
. "$(dirname "$0")/lib.sh"

rm -rf "$shared/tiny"
status 0 "$program" train $recipe --out "$shared/tiny"
says err '175/175 steps (100%)'
for file in config.json model.safetensors tokenizer.json domain.json training.json; do
    [ -s "$tiny/$file" ] || fail "$tiny/$file is missing"
done
says "$tiny/training.json" '"steps": 175'

# Every metric line is there once and in order.
awk -F'[:,]' '/"loss_lm"/ { if ($2 != last + 5) exit 1; last = $2 } END { exit last != 175 }' \
    "$shared/tiny/metrics.jsonl" || fail "steps are missing in $shared/tiny/metrics.jsonl"

# Stopped at about the middle, then resumed with another number of threads.
"$program" train $recipe --out "$work/run" --threads 1 2>"$work/err" &
pid=$!
tries=0
until grep -q '"step":60,' "$work/run/metrics.jsonl" 2>/dev/null; do
    tries=$((tries + 1))
    [ $tries -lt 6000 ] || fail 'step 60 does not come'
    sleep 0.01
done
kill -INT $pid
rc=0
wait $pid || rc=$?
[ $rc -eq 1 ] || fail "status $rc after SIGINT"
says err 'interrupted at step'
says err 'The same command goes on'
[ ! -e "$work/run/model" ] || fail 'the interrupted run has written a model'
status 0 "$program" train $recipe --out "$work/run" --threads 2
says err 'resuming at step'
same "$work/run/state.safetensors" "$shared/tiny/state.safetensors"
for file in config.json model.safetensors tokenizer.json training.json; do
    same "$work/run/model/$file" "$tiny/$file"
done

# A finished run is left as it is; a changed recipe is refused.
status 0 "$program" train $recipe --out "$work/run"
same "$work/run/state.safetensors" "$shared/tiny/state.safetensors"
sed 's/"seed": 7/"seed": 8/' $recipe >"$work/other.json"
status 1 "$program" train "$work/other.json" --out "$work/run"
says err 'another recipe'

# A damaged checkpoint is named, and the one before it taken; where there is none it is left alone.
head -c 100000 "$work/run/state.safetensors" >"$work/cut"
cp "$work/cut" "$work/run/state.safetensors"
status 0 "$program" train $recipe --out "$work/run"
says err "a damaged checkpoint is passed over: $work/run/state.safetensors"
says err 'resuming at step 170 of 175'
same "$work/run/state.safetensors" "$shared/tiny/state.safetensors"
same "$work/run/model/model.safetensors" "$tiny/model.safetensors"
rm "$work/run/state.170.safetensors"
mv "$work/cut" "$work/run/state.safetensors"
status 1 "$program" train $recipe --out "$work/run"
says err state.safetensors
[ "$(wc -c <"$work/run/state.safetensors")" -eq 100000 ] || fail 'the damaged checkpoint was changed'

# What they report: a table, JSON, a page of both runs over each other; half a line is named.
status 0 "$program" eval --training "$shared/tiny" --html "$work/one.html"
says out loss_lm
says out '35 steps up to 175'
says "$work/one.html" '</html>'
head -c 200 "$shared/tiny/metrics.jsonl" | head -n 1 >"$work/run/metrics.jsonl"
printf '{"step":99,"lo' >>"$work/run/metrics.jsonl"
status 0 "$program" eval --training "$shared/tiny" "$work/run" --html "$work/two.html" --json
says out '"name": "run"'
says out '"malformed_lines": [{"line": 2,'
says err 'metrics.jsonl: line 2 is left out'
says "$work/two.html" 'class="key"'
grep -qE '(src|href)=|<script' "$work/two.html" && fail 'the page refers to something outside'
# Runs that differ in their seed alone are one arm, and so are those that are said to be.
for seed in 7 8; do
    mkdir -p "$work/arm$seed"
    cp "$shared/tiny/metrics.jsonl" "$work/arm$seed"
    sed "s/\"seed\": 7/\"seed\": $seed/" "$shared/tiny/run.json" >"$work/arm$seed/run.json"
done
status 0 "$program" eval --training "$work/arm7" "$work/arm8" --html "$work/arms.html"
says out 'arm: mean of 2 runs, arm7, arm8, 35 steps up to 175'
says "$work/arms.html" 'mean of 2 runs'
status 0 "$program" eval --training "$work/arm7" "$work/arm8" --apart
says out 'arm8: '
status 0 "$program" eval --training --arm both "$work/arm7" "$work/arm8" --json
says out '"name": "both"'
says out '"seeds": 2'
status 1 "$program" eval --training --arm twice "$shared/tiny" "$work/arm7"
says err 'it would count twice'
status 2 "$program" eval --training --arm both
says err 'arm needs a name'
status 2 "$program" eval --training
status 2 "$program" eval --training "$shared/tiny" --run a
status 2 "$program" eval a.db b.db --run a
status 2 "$program" eval --training "$shared/tiny" --against a
status 1 "$program" eval --training "$work/nowhere"
says err "$work/nowhere/metrics.jsonl"

status 0 "$program" info "$tiny" --context 1024
says out 'absorbed MQA'
status 0 "$program" info "$tiny" --context 32 --json
says out '"attention": "dense"'
