#!/bin/sh
# Automatic labelling: cost, labels in D_v, explanations, another rule, the grid; stopped and
# resumed; proofs and runs that are refused. The model is the shipped one where it is there, else one
# of seconds of training, whose replies do not parse: the bookkeeping is the same.
. "$(dirname "$0")/lib.sh"

model=models/small
[ -f $model/model.safetensors ] || model=$tiny

# label STORE OPTIONS...; what a model is asked with goes with a model alone
label()
{
    store=$1
    shift
    case " $* " in
    *' --model '*) set -- --max-tokens 256 --seed 3 "$@" ;;
    esac
    "$program" label "$store" "$@"
}

# lines NAME: how many lines the last command printed
lines()
{
    wc -l <"$work/out" >"$work/$1.lines"
}

status 0 "$program" world --split test --count 4 --store "$work/a.db"
cp "$work/a.db" "$work/b.db"
status 0 label "$work/a.db" --model $model --n 4 --m 2
says out 'labelled '
says out 'Against exact truth'
says err 'expected cost: 48 analyses'
cp "$work/out" "$work/report"
status 0 label "$work/a.db"
same "$work/out" "$work/report"
status 0 label "$work/a.db" --model $model --n 4 --m 2 --cpu-threads 1
says err 'nothing to do'
same "$work/out" "$work/report"

# Labels are D_v; every decision can be explained.
status 0 "$program" export --store "$work/a.db" --what dv
lines dv
status 0 label "$work/a.db" --json
labelled=$(sed -n 's/.*"labelled": \([0-9]*\).*/\1/p' "$work/out")
[ "$(cat "$work/dv.lines")" -eq "$labelled" ] || fail "$labelled labels, but not in D_v"
[ "$model" = "$tiny" ] || [ "$labelled" -gt 0 ] || fail 'no proof was labelled'
cp "$work/out" "$work/whole.json"
for proof in 1 2 3; do
    status 0 label "$work/a.db" --explain $proof
    says out because
    says out 'analysis 3: '
    status 0 label "$work/a.db" --explain $proof --json
    cat "$work/out" >>"$work/whole.json"
done

# Who has no label waits for a person.
status 0 label "$work/a.db" --queued
lines queued
[ "$(cat "$work/queued.lines")" -eq $((12 - labelled)) ] || fail 'a proof is neither labelled nor queued'
status 0 label "$work/a.db" --queued --json
says out ']'

for what in '' --json '--queued --json' '--explain 1'; do
    # shellcheck disable=SC2086 # words
    unwritable "$program" label "$work/a.db" $what
done

# Stopped by SIGINT, in which case the message says how to go on.
"$program" label "$work/b.db" --max-tokens 256 --seed 3 --model $model --n 4 --m 2 \
    >"$work/out" 2>"$work/err" &
pid=$!
until grep -q 'expected cost' "$work/err" || ! kill -0 $pid; do sleep 0.01; done
kill -INT $pid 2>/dev/null || true
rc=0
wait $pid || rc=$?
[ $rc -eq 1 ] || [ $rc -eq 0 ] || fail "status $rc after SIGINT"
[ $rc -eq 0 ] || says err 'same command again'
status 0 label "$work/b.db" --model $model --n 4 --m 2
status 0 label "$work/b.db" --json
cp "$work/out" "$work/again.json"
for proof in 1 2 3; do
    status 0 label "$work/b.db" --explain $proof --json
    cat "$work/out" >>"$work/again.json"
done
same "$work/whole.json" "$work/again.json"

# Another rule under the same name asks for what is missing alone; the grid examines everything.
status 0 label "$work/a.db" --model $model --n 6 --m 2 --k 3 --discard
says err 'expected cost: 24 analyses'
says out 'queued 0'
status 0 label "$work/a.db" --queued
says err 'no proof waits'
status 0 label "$work/a.db" --model $model --n 6 --m 2 --grid --resamples 100
says out 'Best: '
status 0 label "$work/a.db" --n 6 --m 2 --grid --resamples 100 --json
says out reaches_goal

# Refused: what a run of this name does not have, what is not there, what goes not together.
status 1 label "$work/a.db" --model $model --temperature 0.5
says err verifier
status 1 label "$work/a.db" --model $model --seed 18446744073709551615
says err 18446744073709551615
status 1 label "$work/a.db" --model $model --run other --set nowhere
says err 'no proofs to label'
says err "'nowhere'; there are those of: world-test"
status 1 label "$work/a.db" --queued --set nowhere
says err "'nowhere'; there are those of: world-test"
status 1 label "$work/a.db" --explain 99
says err 99
status 1 label "$work/a.db" --run nosuch
says err nosuch
status 2 label "$work/a.db" --model $model --k 9
says err '--k is 9, and --n is 8'
status 2 label "$work/a.db" --model $model --explain 1
status 2 "$program" label
status 0 "$program" label --help
says out Examples

# Without --model nothing is asked or decided: options that would change that are refused.
# in_vain TEXT OPTIONS...
in_vain()
{
    text=$1
    shift
    status 2 label "$work/a.db" "$@"
    says err "$1 has no effect on $text"
    [ ! -s "$work/out" ] || fail "an error was printed on stdout: $*"
}
for option in '--n 4' '--m 2' '--k 1' '--lowest any' '--confirm 0.5' '--discard' '--set world-test' \
    '--proofs-of a' '--without world' '--all' '--limit 3' '--retries 1' '--temperature 0.5' \
    '--top-p 0.5' '--top-k 5' '--max-tokens 256' '--seed 3' '--prompts configs' '--thinking' \
    '--attention mqa' '--compute fp32' '--batch 4' '--context 64' '--cpu-threads 1'; do
    # shellcheck disable=SC2086 # words
    in_vain 'the report of what is stored: it goes with --model' $option
done
in_vain 'the report of what is stored: it goes with --model or --grid' --n 4
in_vain '--grid without --model: it goes with --model' --k 3 --grid
in_vain '--explain: it goes with --model or --queued' --set world-test --explain 1
in_vain '--explain' --resamples 100 --explain 1
in_vain '--queued' --run label --queued
status 0 label "$work/a.db" --run label --resamples 100 --json
status 0 label "$work/a.db" --run label --explain 1
status 0 label "$work/a.db" --queued --set world-test
status 0 label "$work/a.db" --n 1 --m 1 --grid --resamples 100

# A label that a stricter rule has taken back stays so in a copy of the store.
status 0 "$program" world --split test --count 2 --store "$work/w.db"
for k in 1 3; do # with this seed the model gives one
    status 0 label "$work/w.db" --model $model --n 3 --m 2 --k $k --seed 4
done
for what in problems proofs analyses scores; do
    status 0 "$program" export --store "$work/w.db" --what $what --out "$work/$what.jsonl"
done
status 0 "$program" import "$work/problems.jsonl" "$work/proofs.jsonl" "$work/analyses.jsonl" \
    "$work/scores.jsonl" --store "$work/copy.db"
for store in w copy; do
    status 0 "$program" export --store "$work/$store.db" --what dv --format csv
    mv "$work/out" "$work/$store.dv"
done
same "$work/w.dv" "$work/copy.dv"
