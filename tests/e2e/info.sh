#!/bin/sh
# What the 671B model needs, from its configuration alone.
. "$(dirname "$0")/lib.sh"

config=tests/model/config_671b.json
status 0 "$program" info $config --json
for field in '"parameters": 671877944064' '"indexer_parameters": 851524864' \
    '"mtp_parameters": 13477385728' \
    '"kv_bytes_per_token_and_layer": {"f32": 2304, "bf16": 1152, "fp8": 656}' \
    '"indexer_bytes_per_token_and_layer": {"f32": 512, "bf16": 256, "fp8": 132}' \
    '"cache_bytes_per_token": {"f32": 171776, "bf16": 85888, "fp8": 48068}' \
    '"context": 163840, "batch": 1' '"layers": 61'; do
    says out "$field"
done
status 0 "$program" info $config --context 131072 --batch 4
for text in '(671.88e9)' '(671.03e9)' '(685.36e9)' '1152 bytes    656 bytes' '256 bytes    132 bytes' '48068 bytes' \
    '131072 tokens x 4 sequences' 'DSA, absorbed MQA'; do
    says out "$text"
done

# A folder with the configuration in it is the same.
mkdir "$work/model"
cp $config "$work/model/config.json"
status 0 "$program" info "$work/model" --context 131072 --batch 4 --json
mv "$work/out" "$work/folder"
status 0 "$program" info $config --context 131072 --batch 4 --json
same "$work/out" "$work/folder"

sed 's/"fp8"/"awq"/' $config >"$work/awq.json"
status 1 "$program" info "$work/awq.json"
says err "'quant_method' is \"awq\""
status 1 "$program" info $config --context 163841
says err 'expected 1 to 163840'
