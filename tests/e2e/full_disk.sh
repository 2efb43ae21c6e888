#!/bin/sh
# A disk that fills up while a checkpoint is written: the message names the file, the old checkpoint
# survives, and with room again the run ends as if nothing had happened. A limit on the size of files
# stands in for the full disk.
. "$(dirname "$0")/lib.sh"

status 0 "$program" train $recipe --out "$work/run" --dump-gradients "$work/gradients.safetensors"
[ -s "$work/gradients.safetensors" ] || fail 'no gradients were written'

"$program" train $recipe --out "$work/run" 2>"$work/err" &
pid=$!
until [ -s "$work/run/state.safetensors" ]; do sleep 0.01; done
kill -INT $pid
wait $pid || true
[ ! -e "$work/run/model" ] || fail 'the run ended before it was stopped'
cp "$work/run/state.safetensors" "$work/before"

limited()
{
    trap '' XFSZ # so that the write fails, as on a full disk
    ulimit -f 256 # blocks of 512 bytes
    exec "$@"
}
rc=0
(limited "$program" train $recipe --out "$work/run") >"$work/out" 2>"$work/err" || rc=$?
[ $rc -eq 1 ] || fail "status $rc on a full disk"
says err state.safetensors
same "$work/run/state.safetensors" "$work/before"
left=$(find "$work/run" -name '*.tmp*')
[ -z "$left" ] || fail "left behind: $left"

status 0 "$program" train $recipe --out "$work/run"
same "$work/run/state.safetensors" "$shared/tiny/state.safetensors"
same "$work/run/model/model.safetensors" "$tiny/model.safetensors"
