#!/bin/sh
# Competitions: a run, its report and page; stopped and resumed; a full disk; controls; problems and
# runs that are refused. The model is the shipped one where it is there, else one of seconds of
# training, whose replies do not parse: the bookkeeping is the same.
. "$(dirname "$0")/lib.sh"

model=models/small
[ -f $model/model.safetensors ] || model=$tiny
settings="--threads 3 --rounds 3 --analyses 2 --max-tokens 256 --seed 5"

# compete STORE RUN OPTIONS...
compete()
{
    store=$1 name=$2
    shift 2
    # shellcheck disable=SC2086 # a list of options
    "$program" compete world:test:3 --model "$model" --run "$name" --store "$store" $settings "$@"
}

status 0 compete "$work/a.db" whole
says out Pass@1
says err 'expected cost'
cp "$work/out" "$work/report"
status 0 "$program" eval "$work/a.db" --run whole --html "$work/page.html"
same "$work/out" "$work/report"
says "$work/page.html" '</html>'
grep -qE '(src|href)="https?:' "$work/page.html" && fail 'the page refers to the network'
status 0 "$program" eval "$work/a.db" --run whole --json
cp "$work/out" "$work/whole.json"
says out '"finished": true'

unwritable "$program" eval "$work/a.db" --run whole
unwritable "$program" eval "$work/a.db" --run whole --json
unwritable "$program" eval "$work/a.db" --run whole --against whole
# shellcheck disable=SC2086 # a list of options
unwritable "$program" compete world:test:3 --model "$model" --run whole --store "$work/a.db" $settings

# A run that is complete asks for nothing; other settings under its name are refused.
status 0 compete "$work/a.db" whole --cpu-threads 1
says err 'nothing to do'
same "$work/out" "$work/report"
status 1 compete "$work/a.db" whole --rounds 4
says err whole
# Problems of a run that is refused do not come into the store.
status 0 "$program" export --store "$work/a.db" --what problems --out "$work/problems"
# shellcheck disable=SC2086 # a list of options
status 1 "$program" compete world:test:5 --model "$model" --run whole --store "$work/a.db" $settings
says err 'other problems'
status 0 "$program" export --store "$work/a.db" --what problems --out "$work/still"
same "$work/still" "$work/problems"
# The largest seed is one like any other, and not the default.
status 0 compete "$work/a.db" last --threads 1 --rounds 1 --seed 18446744073709551615
status 1 compete "$work/a.db" last --threads 1 --rounds 1 --seed 1
says err '18446744073709551615'
# Replies in other bits: said of a run that goes on with another limit of masked MHA.
status 0 compete "$work/a.db" masked --threads 1 --rounds 1 --attention mha:300
says out '(dsa-mha:300 fp32 '
grep -q reproducible "$work/err" && fail 'a run that begins is warned of'
status 0 compete "$work/a.db" masked --threads 1 --rounds 1 --attention mha:300
grep -q reproducible "$work/err" && fail 'the same mode is warned of'
status 0 compete "$work/a.db" masked --threads 1 --rounds 1 --attention mha:200
says err "begun as 'dsa-mha:300 fp32 "
says err "goes on as 'dsa-mha:200 fp32 "
status 1 "$program" eval "$work/a.db" --run nosuch
says err whole
status 2 "$program" eval "$work/a.db" --run "a b"
status 2 "$program" eval "$work/a.db" --run whole --against "a b"

# Stopped by SIGINT, in which case the message says how to go on; and by a disk without room.
"$program" compete world:test:3 --model "$model" --run whole --store "$work/b.db" $settings \
    >"$work/out" 2>"$work/err" &
pid=$!
until [ -s "$work/b.db" ]; do sleep 0.01; done
kill -INT $pid
rc=0
wait $pid || rc=$?
[ $rc -eq 1 ] || [ $rc -eq 0 ] || fail "status $rc after SIGINT"
limited()
{
    trap '' XFSZ # so that the write fails, as on a full disk
    ulimit -f 300 # blocks of 512 bytes
    compete "$@"
}
rc=0
(limited "$work/c.db" whole) >"$work/out" 2>"$work/err" || rc=$?
[ $rc -eq 1 ] || fail "status $rc on a full disk"
says err "$work/c.db"
for stopped in b c; do
    status 0 compete "$work/$stopped.db" whole
    status 0 "$program" eval "$work/$stopped.db" --run whole --json
    same "$work/out" "$work/whole.json"
done

# The controls, in the same store, side by side with the run.
for control in shuffle resample; do
    status 0 compete "$work/a.db" $control --control $control
    status 0 "$program" eval "$work/a.db" --run whole --against $control
    says out $control
    cp "$work/out" "$work/compared"
    status 0 "$program" eval "$work/a.db" --run whole --against $control --html "$work/both.html"
    same "$work/out" "$work/compared"
    says "$work/both.html" "against $control (control $control)"
done

# The run's own proofs and analyses become D_v and D_mv, scored exactly.
status 0 "$program" world --label --store "$work/a.db"
status 0 "$program" world --label --store "$work/a.db"
says out 'proofs    0 scored'
for pair in proofs:dv analyses:dmv; do
    for table in ${pair%:*} ${pair#*:}; do
        status 0 "$program" export --store "$work/a.db" --what $table
        wc -l <"$work/out" >"$work/$table.lines"
    done
    same "$work/${pair%:*}.lines" "$work/${pair#*:}.lines"
done
[ "$model" = "$tiny" ] || [ "$(cat "$work/dmv.lines")" -gt 0 ] || fail 'no analysis was labelled'

# Where no prompt fits there is no proof, and nothing that is done; the run is kept.
for again in 1 2; do
    status 1 compete "$work/a.db" narrow --context 8
    says err "run 'narrow': no problem's prompt fits into the context"
    [ ! -s "$work/out" ] || fail 'a report of nothing'
done
status 0 "$program" eval "$work/a.db" --run narrow
says out '9 whose prompt did not fit'

# Problems outside the model's world are refused, with the way out.
echo '[{"id": "1", "question": "Show that there are infinitely many primes."}]' >"$work/p.json"
status 1 "$program" compete "$work/p.json" --model "$model" --run other --store "$work/a.db"
says err --model
status 1 "$program" compete world:test:1 --model "$work/nowhere" --run x --store "$work/a.db"
says err nowhere
status 2 "$program" compete world:test:1
