#!/usr/bin/env bash
# Tunes the states beside this file: bash tests/golden/states/make.sh GOSLING, from anywhere; some minutes on a processor.
set -euo pipefail
gosling="$(realpath "$1")"
here="$(cd "$(dirname "$0")" && pwd)"
scratch="$(mktemp -d)"
tune() {
  local name=$1 bench=$2 rate=$3 leading=$4
  "$gosling" tune --preset cpu --quiet --runs "$scratch" \
    --set "name=\"$name\"" --set "data.source=Mini($bench)" \
    --set "training.learning_rate=$rate" --set training.steps=60 --set training.batch=8 \
    --set training.validate_every=0 --set training.select_by=LastStep --set "data.leading_token=$leading" \
    --set evaluation.before=false --set evaluation.after=false
  "$gosling" export "$scratch/$name-0001" --to st -o "$here/$name.st" --force
}
for run in gsm8k:0.1 gsm8k:0.8 arc:0.3 arc:1.6 mmlu:0.1 mmlu:1.6 winogrande:0.3 winogrande:0.8; do
  tune "${run%:*}-${run#*:}" "${run%:*}" "${run#*:}" Zero
done
# As states are trained where nobody says otherwise: nothing stands in front of texts.
for run in gsm8k:0.4 arc:0.8 mmlu:0.4 winogrande:0.4; do
  tune "${run%:*}-${run#*:}-nothing" "${run%:*}" "${run#*:}" Nothing
done
rm -r "$scratch"
