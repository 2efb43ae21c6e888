#!/bin/sh
# Import and export: what goes out comes in again; the totals of the published ratings.
. "$(dirname "$0")/lib.sh"

cat >"$work/my.jsonl" <<'END'
{"question": "Show that 2 is even.", "id": "a"}
END
printf '{"broken\n' >"$work/broken.jsonl"
status 1 "$program" import "$work/broken.jsonl" --store "$work/b.db"
says err broken.jsonl
status 1 "$program" export --store "$work/nowhere.db" --what problems
says err nowhere.db

data=../shared/data
[ -d $data ] || skip "$data is not there"
status 0 "$program" import $data/deepseek-math-v2/inputs/* $data/deepseek-math-v2/outputs/* \
    --store "$work/r.db"
status 0 "$program" eval "$work/r.db" --ratings
for total in 93/126 35/42 118/120 208/210 130/210 65/72 0.703; do
    says out $total
done
cp "$work/out" "$work/totals"
for table in problems proofs scores; do
    status 0 "$program" export --store "$work/r.db" --what $table --out "$work/$table.jsonl"
done
status 0 "$program" import "$work/problems.jsonl" "$work/proofs.jsonl" "$work/scores.jsonl" \
    --store "$work/again.db"
status 0 "$program" eval "$work/again.db" --ratings
same "$work/out" "$work/totals"
