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

status 2 "$program"
status 2 "$program" trian
says err "did you mean 'train'"
[ ! -s "$work/out" ] || fail 'an error was printed on stdout'
status 1 "$program" info "$work/nowhere"
says err "$work/nowhere"

if [ -w /dev/full ]; then
    rc=0
    "$program" world --count 3 >/dev/full 2>"$work/err" || rc=$?
    [ $rc -eq 1 ] || fail "status $rc where standard output cannot be written"
    says err 'standard output'
fi
