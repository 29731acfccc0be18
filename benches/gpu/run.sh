#!/bin/sh
# All measurements of README.md in this folder: run.sh PROGRAM, a gosling built
# with --features fast-gpu, on a machine with one GPU.
set -u
gosling=${1:?the program}
step() {
    echo "== $*"
    timeout 90 "$gosling" speed --device gpu "$@"
}
timeout 120 "$gosling" selftest --device gpu
for precision in f16 f32; do
    step --shape 0.1b --batch 8 --tokens 512 --precision $precision --kernels
    step --shape 0.1b --batch 1 --tokens 512 --precision $precision --kernels
    step --shape 0.4b --batch 4 --tokens 512 --precision $precision
    step --shape 0.1b --batch 8 --tokens 512 --precision $precision --answers
    step --shape 0.1b --batch 8 --tokens 512 --precision $precision --recompute
    step --batch 32 --tokens 128 --precision $precision --kernels
done
