#!/bin/sh
# Import and export: what goes out comes in again; the totals of the published ratings.
. "$(dirname "$0")/lib.sh"

cat >"$work/my.jsonl" <<'END'
{"statement": "Show that 2 is even.", "external_id": "a"}
END
printf '{"broken\n' >"$work/broken.jsonl"
status 1 "$program" import "$work/broken.jsonl" --store "$work/b.db"
says err broken.jsonl
status 1 "$program" export --store "$work/nowhere.db" --what problems
says err nowhere.db

# A proof without "record" is not taken for a problem.
cat >"$work/proof.jsonl" <<'END'
{"statement": "Show that 2 is even.", "proof": "2=2*1", "score": 1}
END
status 0 "$program" import "$work/my.jsonl" --store "$work/a.db"
status 1 "$program" import "$work/proof.jsonl" --store "$work/a.db"
says err "$work/proof.jsonl line 1: field 'proof' has no place in a problem"
sed 's/{/{"record": "dv", /' "$work/proof.jsonl" >"$work/dv.jsonl"
status 0 "$program" import "$work/dv.jsonl" --store "$work/a.db"
says out 'scores     1 added'

# The help lists every field that is exported.
"$program" import --help | sed 's/[][;,]/ /g' >"$work/help"
for table in problems proofs analyses scores dv dmv; do
    status 0 "$program" export --store "$work/a.db" --what $table --format csv
    for field in $(head -n 1 "$work/out" | tr -d '\r' | tr ',' ' '); do
        grep -qw -- "$field" "$work/help" || fail "import --help does not list '$field' of $table"
    done
done

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
