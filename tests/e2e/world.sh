#!/bin/sh
# The small world on the command line: stable output, JSON, export, tokenizer.
. "$(dirname "$0")/lib.sh"

status 0 "$program" world --split test --index 5 --count 2 --seed 3
cp "$work/out" "$work/first"
status 0 "$program" world --split test --index 5 --count 2 --seed 3
same "$work/out" "$work/first"
says out 'Show that (1)'
status 0 "$program" world --split test --index 6 --count 2 --seed 3
cmp -s "$work/out" "$work/first" && fail 'other problems look the same'

status 0 "$program" world --split large --count 10 --export "$work/problems.json"
[ "$(grep -c '"question"' "$work/problems.json")" -eq 10 ] || fail 'expected 10 problems'
status 0 "$program" world --write-tokenizer "$work/tokenizer.json"
same "$work/tokenizer.json" "$tiny/tokenizer.json"
status 2 "$program" world --split none
says err none

# Proofs for a store: added once, with the oracle's scores when asked for.
status 0 "$program" world --count 4 --store "$work/w.db"
says err '12 proofs added'
status 0 "$program" world --count 4 --store "$work/w.db" --scores
says err ' 0 proofs added'
status 0 "$program" export --store "$work/w.db" --what dv
[ "$(grep -c '"rater_kind": "oracle"' "$work/out")" -eq 12 ] || fail 'expected 12 labelled proofs'
status 2 "$program" world --scores
