#!/bin/sh
# Measurements of a tiny model: every kind prints its figures, JSON has them too, mistakes are named.
. "$(dirname "$0")/lib.sh"

bench()
{
    status 0 "$program" bench "$@" --model "$tiny" --repeat 1 --sequences 4 --steps 2 --tokens 32 \
        --length 16 --json "$work/json"
    says "$work/json" '"flop_ceiling": '
    says "$work/json" '"figures": '
}
bench train --stage sparse --ops
says out 'train, sparse, 32 tokens in sequences of 16'
says out 'index_loss'
says "$work/json" '"name": "train, sparse, 32 tokens in sequences of 16"'
grep -q '"name": "train, dense' "$work/json" && fail '--stage has no effect'
bench decode --prompt 20
says out 'decode, dense, 4 sequences at 20, 2 steps'
says out 'decode, mqa, 4 sequences at 20, 2 steps'
bench prefill --prompt 40 --attention mqa
says out 'prefill, mqa, one prompt of 40'
says "$work/json" '"name": "sharing, mqa, 4 completions / one", "ratio": '
bench prefill --prompt 40 --attention mha
says out 'prefill, mha, one prompt of 40'
bench prefill --prompt 40 --attention dense
says out 'prefill, dense mha, one prompt of 40'
says out 'masked MHA, dense mha, tokens of a prompt up to'
bench attention --context 96 --queries 8
says out 'decode at 96, dense'
says out 'prefill of 8 at 96, DSA, indexer alone'
says "$work/json" '"name": "decode at 96, dense / DSA", "ratio": '
says "$work/json" '"context": 96, "memory": '

status 2 "$program" bench decode --context 2000
status 2 "$program" bench walk
says err walk
status 2 "$program" bench train --model "$tiny" --config x.json
status 2 "$program" bench decode --attention mha
status 1 "$program" bench train --model "$tiny" --length 5000 --tokens 5000 --repeat 1
says err '5000'
status 1 "$program" bench train --config "$work/none.json"
says err none.json
[ ! -s "$work/out" ] || fail 'something was measured before the configuration was read'
