#!/bin/sh
# The frame of the program: help, versions, exit codes 0, 1 and 2, unwritable output.
. "$(dirname "$0")/lib.sh"

status 0 "$program" --help
says out 'usage: elenchus COMMAND'
cp "$work/out" "$work/help"
status 0 "$program" --version
says out elenchus

commands=$(awk '/^  [a-z]/ { print $1 }' "$work/help")
[ "$(echo "$commands" | wc -l)" -ge 5 ] || fail "only these commands: $commands"
for file in cli/cmd_*.c; do
    name=${file#cli/cmd_}
    echo "$commands" | grep -qx "${name%.c}" || fail "--help does not name ${name%.c}"
done

for asked in -h help; do
    status 0 "$program" $asked
    same "$work/out" "$work/help"
done
status 2 "$program" help trian
says err "did you mean 'train'"
status 2 "$program" help train world
status 1 "$program" train --out "$work/none" -- -h # a name, behind "--"
says err -h

for command in $commands; do
    status 0 "$program" "$command" --help
    says out "usage: elenchus $command"
    [ ! -s "$work/err" ] || fail "$command --help writes to stderr"
    cp "$work/out" "$work/help"
    for asked in "$command -h" "help $command"; do
        # shellcheck disable=SC2086 # words
        status 0 "$program" $asked
        same "$work/out" "$work/help"
    done
    status 2 "$program" "$command" --no-such-option
    says err --no-such-option
done

# in_vain STATUS TEXT COMMAND...: ends so, with TEXT in the message and nothing printed or made.
in_vain()
{
    ends=$1
    text=$2
    shift 2
    status "$ends" "$program" "$@"
    says err "$text"
    [ ! -s "$work/out" ] || fail "an error was printed on stdout: $*"
    [ ! -e "$work/new" ] || fail "something was made: $*"
}
wrong()
{
    in_vain 2 "$@"
}
failed()
{
    in_vain 1 "$@"
}
for command in generate compete label bench; do
    status 0 "$program" "$command" --help
    says out mha:LENGTH
done
compete="compete world:test:1 --model models/small --store $work/new"
# shellcheck disable=SC2086 # words
{
    wrong "--feedback: 'bad'" $compete --run a --feedback bad
    wrong "--control: 'bad'" $compete --run a --control bad
    wrong --attention $compete --run a --attention bad
    wrong "'mha:0': expected mha:LENGTH" $compete --run a --attention mha:0
    wrong --compute $compete --run a --compute bad
    wrong 'a run needs a name' $compete --run ''
    wrong 'without blanks' $compete --run 'a b'
    wrong 'longer than 63 bytes' $compete --run "$(printf %070d 0)"
}
wrong world:SPLIT:COUNT compete world:foo:3 --model models/small --run a --store "$work/new"
wrong "SPLIT 'foo' is none of" compete world:foo:3 --model models/small --run a --store "$work/new"
for source in world:test:0 world:test world:test:1:x; do
    wrong 'COUNT must be' compete $source --model models/small --run a --store "$work/new"
done
wrong "'prooofs' is none of problems, proofs," export --store "$work/new" --what prooofs
wrong "'xml' is none of jsonl," export --store "$work/new" --what dv --format xml
wrong '--prompt is empty' generate --model models/small --prompt ''
wrong '--problem is empty' generate --model models/small --problem ' '
label="label $work/new --model models/small"
# shellcheck disable=SC2086 # words
{
    wrong "--lowest: 'bad'" $label --lowest bad
    wrong '0.5 or 1' $label --confirm 0.7
    wrong --attention $label --attention bad
    wrong "'mha:0': expected mha:LENGTH" $label --attention mha:0
    wrong --compute $label --compute bad
    wrong 'a run needs a name' $label --run ''
    wrong '--k is 2 unless given, and --n is 1' $label --n 1
    wrong '--k is 9, and --n is 8' $label --k 9
}
wrong "--isa: 'bad'" train configs/train/tiny.json --out "$work/new" --isa bad
wrong "--isa: 'bad'" bench gemm --isa bad
wrong "--isa: 'bad'" logits --model m --tokens t --out "$work/new" --isa bad
wrong 'recipes that train roles' train configs/train/tiny.json --out "$work/new" --model models/small
wrong 'a plan of several' train iterate --out "$work/new" --data "$work/a.db"
wrong --dump-gradients train verifier --out "$work/new" --dump-gradients "$work/g"
wrong 'exclude each other' world --export "$work/new" --store "$work/new"
wrong 'exclude each other' world --write-tokenizer "$work/new" --export "$work/new"
wrong 'go with --store' world --export "$work/new" --scores
wrong --json world --export "$work/new" --json
wrong 'goes with --problem' generate --model models/small --prompts "$work" --prompt x
wrong 'only one of' eval "$work/a.db" --run a --ratings
wrong 'takes one of' eval "$work/a.db"
wrong 'goes with --run' eval "$work/a.db" --ratings --against a
wrong 'goes with --run' eval "$work/a.db" --ratings --html "$work/new"

# What fails.
mkdir "$work/folder"
: >"$work/empty.db"
: >"$work/empty.json"
echo '[{"id": "1", "question": "Show that there are infinitely many primes."}]' >"$work/primes.json"
failed "$work/folder: a folder" eval "$work/folder" --run a
failed "$work/empty.db: an empty file" eval "$work/empty.db" --run a
failed "$work/folder: a folder" world --store "$work/folder"
failed "$work/folder: a folder" world --store "$work/folder" --json
failed "$work/folder: a folder" world --label --store "$work/folder" --json
failed "$work/none" bench decode --model "$work/none"
failed "$work/none" bench attention --model "$work/none" --context 128
failed "$work/folder: a folder" bench gemm --json "$work/folder"
failed "$work/none/out: cannot create: " bench gemm --json "$work/none/out"
failed "$work/none/out: cannot create: " logits --model "$work/folder" --tokens "$work/none" --out "$work/none/out"
failed "$work/none/g" train configs/train/tiny.json --out "$work/new" --dump-gradients "$work/none/g"
failed "$work/none/r.db" train verifier --out "$work/new" --store "$work/none/r.db"
failed "'nomodel': no such folder, nor " train verifier --out "$work/new" --model nomodel
mkdir "$work/here" "$work/here/verifier" # a folder is no recipe, whatever its name
(cd "$work/here" && status 1 "$program" train verifier --out verifier --model nomodel)
says err "'nomodel': no such folder, nor "
failed "--judge 'nomodel'" train verifier --out "$work/new" --judge nomodel
failed "--data '$work/none.db'" train verifier --out "$work/new" --data "$work/none.db"
failed 'no checkpoint to export' train configs/train/tiny.json --out "$work/new" --export
failed config.json train verifier --out "$work/new" --model "$work/folder"
sed '1s/{/{"start": "nomodel",/; /"model": {/,/},/d' configs/train/tiny.json >"$work/start.json"
failed 'start: ' train "$work/start.json" --out "$work/new"
failed "$work/none.jsonl" import "$work/none.jsonl" --store "$work/new"
failed "$work/folder" import "$work/folder" --store "$work/new"
failed 'expected verifier, meta-verifier, generator, rft, iterate' train nope --out "$work/new"
echo | failed 'the prompt from standard input is empty' generate --model models/small
printf '{"broken\n' >"$work/broken.jsonl"
failed 'no record was taken: all 1 are malformed' import "$work/broken.jsonl" --keep-going \
    --store "$work/new"
failed "$work/broken.jsonl line 1" import "$work/broken.jsonl" --store "$work/new"
if [ -f models/small/model.safetensors ]; then
    # compete PROBLEMS OPTIONS...
    set -- --model models/small --run a --store "$work/new"
    failed "--config 'nofile': no such file, nor " compete world:test:1 "$@" --config nofile
    failed "$work/none.json" compete "$work/none.json" "$@"
    failed "$work/empty.json" compete "$work/empty.json" "$@"
    failed "problem '1' is outside" compete "$work/primes.json" "$@"
    failed "$work/folder" compete world:test:1 "$@" --model "$work/folder"
    failed "$work/folder" compete world:test:1 "$@" --prompts "$work/folder"
    failed '--problem is outside' generate --model models/small --problem 'Show that 1=1.'
    failed 'elenchus world --split test' generate --model models/small --problem 'Show that 1=1.'
fi
says configs/compete/quick.json threads
sed 's/"threads": [0-9]*/"threads": 0/' configs/compete/quick.json >"$work/preset.json"
failed "$work/preset.json: threads is 0" compete world:test:1 --model models/small --run a \
    --store "$work/new" --config "$work/preset.json"

status 2 "$program"
status 2 "$program" trian
says err "did you mean 'train'"
[ ! -s "$work/out" ] || fail 'an error was printed on stdout'
status 1 "$program" info "$work/nowhere"
says err "$work/nowhere"

for command in --help --version 'world --help' 'world --count 3' 'world --count 3 --json'; do
    # shellcheck disable=SC2086 # words
    unwritable "$program" $command
done

# No output takes the place of a store, of its own input, or of files that are no training's.
status 0 "$program" world --split test --count 1 --store "$work/kept.db" --scores
cp "$work/kept.db" "$work/before.db"
ln -s kept.db "$work/link.db"
echo '[[1,2]]' >"$work/tokens.json"
for target in kept.db link.db; do
    for command in "export --store $work/kept.db --what dv --out" \
        'world --count 2 --export' 'world --write-tokenizer' 'bench gemm --json' \
        "logits --model models/small --tokens $work/tokens.json --out" \
        "eval $work/kept.db --run none --html" \
        "train configs/train/tiny.json --out $work/run --dump-gradients"; do
        # shellcheck disable=SC2086 # words are wanted
        failed 'is a store, which is not written over' $command "$work/$target"
    done
done
same "$work/kept.db" "$work/before.db"
failed "$work/kept.db: is a store; 'elenchus export --store" import "$work/kept.db" \
    --store "$work/new"
mkdir "$work/held"
: >"$work/held/lock"
cp "$work/kept.db" "$work/held"
failed 'is a store, which is not written over' train configs/train/tiny.json --out "$work/held" \
    --dump-gradients "$work/held/kept.db"
same "$work/held/kept.db" "$work/before.db"
# --store of a training adds to a store: it is not refused, the folder without a model is.
failed config.json train verifier --out "$work/new" --model "$work/folder" --store "$work/kept.db"
mkdir "$work/foreign"
echo mine >"$work/foreign/metrics.jsonl"
status 1 "$program" train configs/train/tiny.json --out "$work/foreign"
says err 'holds no training'
[ "$(cat "$work/foreign/metrics.jsonl")" = mine ] || fail 'a file was written over'
[ "$(ls "$work/foreign")" = metrics.jsonl ] || fail 'something was added'
status 1 "$program" logits --model models/small --tokens "$work/tokens.json" --out "$work/tokens.json"
says err '--out would write over --tokens'

# An option in the place of a value is a slip.
status 2 "$program" world --store --scores --count 1
says err "--store needs a value (FILE.db), and '--scores' follows"
[ ! -e ./--scores ] || fail 'a file named like an option'
