#!/bin/sh
# Measurements of a tiny model: every kind prints its figures, JSON has them too, mistakes are named.
. "$(dirname "$0")/lib.sh"

bench()
{
    case $1 in
    train) small='--tokens 32 --length 16' ;;
    decode) small='--sequences 4 --steps 2' ;;
    prefill) small='--sequences 4' ;;
    *) small= ;;
    esac
    # shellcheck disable=SC2086 # words
    status 0 "$program" bench "$@" --model "$tiny" --repeat 1 $small --json "$work/json"
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
bench decode --prompt 20 --attention mqa --index-fp8
says out 'decode, mqa fp8, 4 sequences at 20, 2 steps'
bench prefill --prompt 40 --attention mqa
says out 'prefill, mqa, one prompt of 40'
says "$work/json" '"name": "sharing, mqa, 4 completions / one", "ratio": '
bench prefill --prompt 40 --attention mha
says out 'prefill, mha, one prompt of 40'
bench prefill --prompt 40 --attention mha:48
says out 'prefill, mha, one prompt of 40'
says "$work/json" '"name": "masked MHA, mha, tokens of a prompt up to", "ratio": 48'
bench prefill --prompt 40 --attention dense
says out 'prefill, dense mha, one prompt of 40'
says out 'masked MHA, dense mha, tokens of a prompt up to'
bench attention --context 96 --queries 8
says out 'decode at 96, dense'
says out 'prefill of 8 at 96, DSA, indexer alone'
says "$work/json" '"name": "decode at 96, dense / DSA", "ratio": '
says "$work/json" '"context": 96, "memory": '

# belongs OPTION KIND...: this option of other kinds is refused, by name.
belongs()
{
    option=$1
    shift
    for kind; do
        # shellcheck disable=SC2086 # words
        status 2 "$program" bench $kind $option
        says err "${option%% *} belongs to "
        says err "no effect on $kind"
    done
}
belongs '--context 2000' gemm decode prefill train all
belongs '--queries 8' gemm decode prefill train all
belongs --index-fp8 gemm attention train all
belongs '--attention mqa' gemm attention train
belongs '--stage dense' gemm attention decode prefill
belongs '--sequences 4' attention train
belongs '--prompt 20' gemm attention train
belongs '--steps 2' gemm attention prefill train
belongs '--tokens 32' attention decode prefill
belongs '--length 16' gemm attention decode prefill
belongs '--peer x' attention
belongs --ops gemm attention
status 2 "$program" bench attention --queries 8
says err '--queries goes with --context'
status 2 "$program" bench walk
says err walk
status 2 "$program" bench train --model "$tiny" --config x.json
status 2 "$program" bench decode --attention mha
status 2 "$program" bench decode --attention mha:48
status 2 "$program" bench prefill --attention mha:0
says err "'mha:0': expected mha:LENGTH"
status 1 "$program" bench train --model "$tiny" --length 5000 --tokens 5000 --repeat 1
says err '5000'
status 1 "$program" bench train --config "$work/none.json"
says err none.json
[ ! -s "$work/out" ] || fail 'something was measured before the configuration was read'

# A peer finds the weights where --model says, or a copy that is gone afterwards.
cat >"$work/peer" <<'EOF'
#!/bin/sh
for last; do :; done
ls "$last/config.json" "$last/model.safetensors" >&2 || exit 1
echo "Peer $1"
while read -r line; do echo 0.5; done
EOF
chmod +x "$work/peer"
mkdir "$work/tmp"
TMPDIR=$work/tmp
export TMPDIR
bench decode --prompt 20 --attention mqa --peer "$work/peer"
says out 'Peer decode:     500.0 ms, '
says err "$tiny/model.safetensors"
says "$work/json" '"peer": {"name": "Peer decode", "seconds": 0.5, "ratio": '
status 0 "$program" bench train --stage dense --config "$tiny/config.json" --repeat 1 --tokens 32 \
    --length 16 --peer "$work/peer"
says out 'Peer train:     500.0 ms, '
says err "$work/tmp/elenchus-model-"
[ -z "$(ls "$work/tmp")" ] || fail 'the copy of the weights is still there'
status 1 "$program" bench decode --model "$tiny" --prompt 20 --repeat 1 --peer "$work/none"
says err "peer '$work/none decode "
status 2 "$program" bench attention --model "$tiny" --peer "$work/peer"
