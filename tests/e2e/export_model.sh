#!/bin/sh
# A model in other number formats and other files, as its users meet it.
. "$(dirname "$0")/lib.sh"

greedy()
{
    status 0 "$program" generate --model "$1" --prompt 'x' --temperature 0 --max-tokens 12
}

# The model itself as one file and as many: the same completions, the same files again.
convert()
{
    to=$1
    shift
    status 0 "$program" export --model "$from" --out "$work/$to" "$@"
}
from=$tiny
convert f32 --dtype f32
convert many --dtype f32 --shard-size 20KB
says err 'files'
[ -e "$work/many/model.safetensors.index.json" ] || fail 'no index'
[ ! -e "$work/many/model.safetensors" ] || fail 'an index and one file'
same "$work/many/tokenizer.json" "$tiny/tokenizer.json"
greedy "$tiny"
mv "$work/out" "$work/expected"
for name in f32 many; do
    greedy "$work/$name"
    same "$work/out" "$work/expected"
done
from=$work/many
convert joined --dtype f32
same "$work/joined/model.safetensors" "$work/f32/model.safetensors"

# FP8: what is FP8 already stays as it is; its values are exact as F32.
from=$tiny
convert fp8 --dtype fp8
convert float --dtype fp8 --scales float --shard-size 20KiB
from=$work/float
convert again --dtype fp8 --scales float
says err 'FP8 matrices were taken over'
from=$work/fp8
convert wide --dtype f32
convert bf16
greedy "$work/fp8"
mv "$work/out" "$work/expected"
for name in wide bf16; do
    greedy "$work/$name"
    same "$work/out" "$work/expected"
done

# A disk that fills up (a limit on the size of files stands in for it): a message, and no folder.
limited()
{
    trap '' XFSZ # so that the write fails, as on a full disk
    ulimit -f 64 # blocks of 512 bytes
    exec "$@"
}
rc=0
(limited "$program" export --model "$tiny" --out "$work/full") >"$work/out" 2>"$work/err" || rc=$?
[ $rc -eq 1 ] || fail "status $rc on a full disk"
says err 'model.safetensors'
says err 'cannot write'
left=$(find "$work" -name 'full*')
[ -z "$left" ] || fail "left behind: $left"

# What is there is never written over.
status 1 "$program" export --model "$tiny" --out "$work/fp8"
says err 'is there already'

status 2 "$program" export --model "$tiny"
says err '--out'
status 2 "$program" export --model "$tiny" --out "$work/x" --dtype int4
says err "'int4': expected f32, bf16 or fp8"
status 2 "$program" export --model "$tiny" --out "$work/x" --dtype fp8 --scales e5m2
says err 'expected ue8m0 or float'
status 2 "$program" export --model "$tiny" --out "$work/x" --scales float
says err '--scales belongs to --dtype fp8'
for size in 0 -1 x 5XB 1e30; do
    status 2 "$program" export --model "$tiny" --out "$work/x" --shard-size=$size
    says err 'expected a size'
done
status 2 "$program" export --model "$tiny" --store "$work/x.db" --out "$work/x"
says err 'do not go together'
status 2 "$program" export --store "$work/x.db" --what dv --dtype f32
says err 'belong to --model'
status 1 "$program" export --model "$work" --out "$work/x"
[ ! -e "$work/x" ] || fail 'a folder came of a failure'
