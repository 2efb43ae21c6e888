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

# Outputs that are no files: a FIFO gets the text and stays, a link stays and its file is replaced.
export_dv()
{
    "$program" export --store "$work/a.db" --what dv "$@"
}
status 0 export_dv
cp "$work/out" "$work/dv.out"
mkfifo "$work/fifo"
cat "$work/fifo" >"$work/got" &
reader=$!
status 0 export_dv --out "$work/fifo"
wait $reader
same "$work/got" "$work/dv.out"
[ -p "$work/fifo" ] || fail 'a FIFO was replaced'
export_dv --out /dev/stdout 2>"$work/err" | cat >"$work/got"
same "$work/got" "$work/dv.out"
echo first >"$work/got"
export_dv --out /dev/stdout >>"$work/got" 2>"$work/err"
[ "$(head -n 1 "$work/got")" = first ] || fail 'what stood before standard output is gone'
sed 1d "$work/got" | cmp - "$work/dv.out" || fail 'not all of it is in standard output'
export_dv --out /dev/stdout 2>"$work/err" | head -c 10 >"$work/got"
[ "$(cat "$work/got")" = "$(head -c 10 "$work/dv.out")" ] || fail 'not what a short reader takes'
ln -s target "$work/link"
status 0 export_dv --out "$work/link"
[ -h "$work/link" ] || fail 'a link was replaced'
same "$work/target" "$work/dv.out"
# Nobody reads: an interrupt ends it.
"$program" export --store "$work/a.db" --what dv --out "$work/fifo" 2>"$work/err" &
writer=$!
sleep 0.5
kill -TERM $writer
rc=0
wait $writer || rc=$?
[ $rc -eq 1 ] || fail "status $rc of an interrupted export"
says err "$work/fifo: stopped"
if mknod "$work/device" c 1 3 2>"$work/err" && : 2>"$work/err" >"$work/device"; then
    status 0 export_dv --out "$work/device"
    [ -c "$work/device" ] || fail 'a device was replaced'
fi

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
