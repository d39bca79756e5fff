#!/bin/bash
# Trains the model anew, from speech to the file: recipe.sh FOLDER (about 1 hour on two cores, 2 GB of disk).
# SCALE=0.01 recipe.sh FOLDER goes through all stages in some minutes, to see that they work.
set -euo pipefail
folder=$1 scale=${SCALE:-1}
cd "$(dirname "$0")/../.."
mkdir -p "$folder"
export OMP_WAIT_POLICY=PASSIVE KMP_BLOCKTIME=0

run() { python -m "tools.micro_model.$1" "${@:2}"; }
of() { python -c "print(max($2, round($1 * $scale, 2)))"; }   # a number scaled, but at least so much
count() { of "$1" 100 | cut -d. -f1; }

run bank espeak "$folder/es_train.npz"  --count "$(count 9000)"  --seed 1
run bank espeak "$folder/es_train2.npz" --count "$(count 14000)" --seed 11
run bank flite  "$folder/fl_train.npz"  --count "$(count 1500)"  --seed 2
run bank flite  "$folder/fl_train2.npz" --count "$(count 2500)"  --seed 12
run bank espeak "$folder/dev.npz"       --count "$(count 400)"   --seed 5            # known voices, new phrases
run bank espeak "$folder/unseen.npz"    --count "$(count 400)"   --seed 3 --unseen
run bank flite  "$folder/fl_unseen.npz" --count "$(count 200)"   --seed 4 --unseen
train=("$folder"/{es,fl}_train{,2}.npz)
dev=$folder/dev.npz

run pretrain "$folder/encoder.pt" "${train[@]}" --minutes "$(of 14 0.3)" --duration 5
run scale_times "$folder/encoder.pt" "$folder/scaled.pt" "$dev"
run train "$folder/decoder.pt" "${train[@]}" --dev "$dev" --init "$folder/scaled.pt" --fresh-decoder \
    --minutes "$(of 10 0.3)" --duration 10 --batch 12 --replay 2 --decay 0.1 --aux 0 --guide 0.4
run train "$folder/micro-en.pt" "${train[@]}" --dev "$dev" --init "$folder/decoder.pt" \
    --minutes "$(of 25 0.3)" --duration 30 --edge 0.5 --batch 4 --chunked --replay 2 --warmup 20 --aux 0
run export "$folder/micro-en.pt" "$folder/micro-en-q8_0.bin" --kind q8_0
run evaluate "$folder/micro-en-q8_0.bin" "$dev" "$folder/unseen.npz" "$folder/fl_unseen.npz"
