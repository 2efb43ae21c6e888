#!/bin/sh
# Logits and completions of a model folder: the same whatever the batch and the number of threads.
. "$(dirname "$0")/lib.sh"

echo '[[0,5,9,12,300,17],[0,7,7,3,44,45]]' >"$work/two.json"
echo '[[0,7,7,3,44,45]]' >"$work/second.json"

# logits OUT OPTIONS...
logits()
{
    out=$1
    shift
    status 0 "$program" logits --model "$tiny" --tokens "$work/two.json" --out "$work/$out" "$@"
}
logits sparse --trace --greedy 4
for name in '"logits"' '"generated"' '"selected.0"' '"selected.1"' '"routed.1"'; do
    head -c 4096 "$work/sparse" | grep -qaF "$name" || fail "no tensor $name"
done
logits again --trace --greedy 4 --threads 1
same "$work/again" "$work/sparse"
# Six tokens are fewer than index_topk: sparse attention is dense attention.
# The headers say which attention it was; the tensors lie behind them.
bytes=$((6 * 502 * 4)) # of one sequence's logits
logits plain
logits dense --attention dense
for mode in plain dense; do
    tail -c $((2 * bytes)) "$work/$mode" >"$work/$mode.tensor"
done
same "$work/plain.tensor" "$work/dense.tensor"
# The second sequence alone: its logits are the second half of the batch's.
status 0 "$program" logits --model "$tiny" --tokens "$work/second.json" --out "$work/second"
tail -c $bytes "$work/plain" >"$work/half"
tail -c $bytes "$work/second" >"$work/alone"
same "$work/half" "$work/alone"

# FP8 is another arithmetic, says so, and is as reproducible.
logits fp8 --index-fp8 --greedy 4
head -c 4096 "$work/fp8" | grep -qaF '"fp8":"1"' || fail 'the header does not say fp8'
tail -c 4000 "$work/fp8" >"$work/fp8.end"
logits fp8.again --index-fp8 --greedy 4 --threads 1
same "$work/fp8.again" "$work/fp8"
logits fp8.off --greedy 4
tail -c 4000 "$work/fp8.off" >"$work/off.end"
cmp -s "$work/fp8.end" "$work/off.end" && fail '--index-fp8 has no effect'

echo '[[0,502]]' >"$work/bad.json"
status 1 "$program" logits --model "$tiny" --tokens "$work/bad.json" --out "$work/x"
says err 502
[ ! -e "$work/x" ] || fail 'a file was written for tokens outside of the vocabulary'

problem='Show that (1) 67=9*x+11*y for some x,y; (2) some of 16,20,35,37 add up to 71.'
generate()
{
    status 0 "$program" generate --model "$tiny" --max-tokens 24 --problem "$problem" --json "$@"
    grep '"text"' "$work/out" | sed 's/,$//; s/"cached_tokens": [0-9]*, //' >"$work/texts"
}
generate --n 3 --seed 4
[ "$(wc -l <"$work/texts")" -eq 3 ] || fail 'expected three completions'
head -n 1 "$work/texts" >"$work/first"
[ "$(sort -u "$work/texts" | wc -l)" -gt 1 ] || fail 'all samples are equal'
generate --n 1 --seed 4 --threads 1
same "$work/texts" "$work/first"
generate --n 1 --seed 4 --index-fp8
generate --n 1 --seed 5
cmp -s "$work/texts" "$work/first" && fail 'the seed has no effect'
status 1 "$program" generate --model "$tiny" --problem 'Show that there are infinitely many primes.'
says err 'small proof world'
# The mode is named, with the limit of masked MHA, which can be given.
status 0 "$program" generate --model "$tiny" --prompt x --max-tokens 2
says err '(dsa-mqa fp32 '
status 0 "$program" generate --model "$tiny" --prompt x --max-tokens 2 --n 2 --attention mha:48
says err '(dsa-mha:48 fp32 '
# A prompt of one's own is answered with a warning, by a model without a domain without one.
status 0 "$program" generate --model "$tiny" --prompt x --max-tokens 2
says err 'knows the small proof world alone'
cp -r "$tiny" "$work/anything"
rm "$work/anything/domain.json"
status 0 "$program" generate --model "$work/anything" --prompt x --max-tokens 2
grep -q warning "$work/err" && fail 'a model without a domain warns of one'

# A checkpoint without the MTP layer that its configuration announces: said, not silent.
cp -r "$tiny" "$work/announced"
sed 's/"num_nextn_predict_layers": 0/"num_nextn_predict_layers": 1/' "$tiny/config.json" \
    >"$work/announced/config.json"
text='config.json announces 1 MTP layer, of which the checkpoint holds no tensor'
status 0 "$program" generate --model "$work/announced" --prompt x --max-tokens 2
says err "$text"
status 0 "$program" info "$work/announced"
says err "$text"
status 0 "$program" info "$tiny"
[ ! -s "$work/err" ] || fail 'info has something to say about a plain model'
