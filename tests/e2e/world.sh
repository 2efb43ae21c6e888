#!/bin/sh
# The small world on the command line: stable output, JSON, export, tokenizer.
. "$(dirname "$0")/lib.sh"

status 0 "$program" world --split test --index 5 --count 2 --seed 3
cp "$work/out" "$work/first"
status 0 "$program" world --split test --index 5 --count 2 --seed 3
same "$work/out" "$work/first"
says out 'Show that (1)'
says out 'a right proof that searches'
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
says out 'proofs    12 added: 0 4, 0.5 4, 1 4'
status 0 "$program" world --count 4 --store "$work/w.db" --scores
says out 'proofs    0 added'
says out 'scores    12 added'
status 0 "$program" export --store "$work/w.db" --what dv
[ "$(grep -c '"rater_kind": "oracle"' "$work/out")" -eq 12 ] || fail 'expected 12 labelled proofs'
status 2 "$program" world --scores

# Proofs that search.
status 0 "$program" world --count 4 --store "$work/s.db" --checked 1 --false-starts 1
says out 'proofs    12 added: 0 4, 0.5 4, 1 4'
status 0 "$program" export --store "$work/s.db" --what proofs
[ "$(grep -c ' wrong\.' "$work/out")" -eq 12 ] || fail 'expected 12 proofs that give attempts up'
status 2 "$program" world --store "$work/s.db" --false-starts 1
says err 'goes with --checked'
status 2 "$program" world --checked 1

# Lists that are taken from wrongly.
status 0 "$program" world --count 40 --store "$work/u.db" --unlisted 1
status 0 "$program" world --count 40 --store "$work/v.db"
for s in u v; do
    status 0 "$program" export --store "$work/$s.db" --what proofs --out "$work/$s.jsonl"
done
cmp -s "$work/u.jsonl" "$work/v.jsonl" && fail 'expected other flaws with --unlisted'
status 2 "$program" world --store "$work/u.db" --reused 1
says err 'goes with --unlisted'
status 2 "$program" world --unlisted 1

# A copy without the scores gets the same by --label.
db=$work/d.db
status 0 "$program" world --split train --count 9 --analyses 3 --scores --store "$db" --json
says out '{"proofs": [9, 9, 9], "analyses": [27, 27, 27], "scores": 108}'
for table in problems proofs analyses dv dmv; do
    status 0 "$program" export --store "$db" --what $table --out "$work/$table.jsonl"
done
[ "$(wc -l <"$work/dmv.jsonl")" -eq 81 ] || fail 'expected 81 labelled analyses'
unwritable "$program" export --store "$db" --what dmv
status 0 "$program" import "$work/problems.jsonl" "$work/proofs.jsonl" "$work/analyses.jsonl" \
    --store "$work/bare.db"
status 1 "$program" world --label --store "$work/bare.db" --set world-test
says err "'world-test'; there are those of: world-train"
status 1 "$program" export --store "$work/bare.db" --what proofs --set world-test
says err "'world-test'; there are those of: world-train"
[ ! -s "$work/out" ] || fail 'records of a set that is not there'
# Only this set is scored: the other one has proofs, too.
status 0 "$program" world --split test --count 1 --store "$work/bare.db"
status 0 "$program" world --label --store "$work/bare.db" --set world-train --json
says out '{"proofs": [9, 9, 9], "analyses": [27, 27, 27], "outside": 0}'
for table in dv dmv; do
    status 0 "$program" export --store "$work/bare.db" --what $table --out "$work/again.jsonl"
    same "$work/again.jsonl" "$work/$table.jsonl"
done

# A model judges it: greedy replies do not depend on the seed, sampled ones do. The
# intervals are bootstrapped with the seed and left out.
for seed in 1 2; do
    for temperature in 0 1; do
        status 0 "$program" eval "$db" --roles models/small --limit 27 --seed $seed \
            --temperature $temperature --json
        sed 's/,"lo":[^}]*//g' "$work/out" >"$work/judged.$temperature.$seed"
    done
done
grep -q '"lo"\|^$' "$work/judged.0.1" && fail 'expected values without intervals'
same "$work/judged.0.1" "$work/judged.0.2"
! cmp -s "$work/judged.1.1" "$work/judged.1.2" || fail 'replies at temperature 1 ignore the seed'
status 2 "$program" eval "$db" --roles models/small --top-p 0
status 2 "$program" world --label
status 1 "$program" world --label --store "$work/nowhere.db"
says err nowhere.db
