#!/bin/sh
# All measurements of README.md in this folder: run.sh PROGRAM [FOLDER], a release
# build of gosling, on a machine with one GPU. Figures also go to the
# folder as JSON. Each line may take so many seconds at most.
set -u
gosling=${1:?the program}
folder=${2:-.}
mkdir -p "$folder"
n=0
bench() {
    n=$((n + 1))
    echo "== gosling bench $*"
    timeout 90 "$gosling" bench "$@" --device gpu --json "$folder/$n-$1.json"
}
timeout 120 "$gosling" selftest --device gpu
bench wkv
bench product
for precision in f16 f32; do
    bench step --shape 0.1b --batch 8 --tokens 512 --precision $precision
    bench step --shape 0.1b --batch 1 --tokens 512 --precision $precision
    bench step --shape 0.4b --batch 4 --tokens 512 --precision $precision
    bench step --shape 0.1b --batch 8 --tokens 512 --precision $precision --answers
    bench step --shape 0.1b --batch 8 --tokens 512 --precision $precision --recompute
    bench step --batch 32 --tokens 128 --precision $precision
    bench decode --shape 0.1b --precision $precision
done
bench eval
