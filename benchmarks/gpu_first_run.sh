#!/usr/bin/env bash
# The first half hour on a new card, in 25 minutes: each piece in order, each under a timeout of its own, and every result
# written as it comes. A stage that fails or runs out of time is told, and the next one goes on.
#
#   benchmarks/gpu_first_run.sh [FOLDER]     results and logs (default: benchmarks/results/first-run)
#
# It runs on a processor too, with a small network, so that it is known to work before a card is at hand: what needs a card
# is skipped there. PYTHON names the interpreter (default: .venv/bin/python if there is one, else python3).
set -uo pipefail
cd "$(dirname "$0")/.."

folder=${1:-benchmarks/results/first-run}
if [ -z "${PYTHON:-}" ]; then
    PYTHON=python3
    [ -x .venv/bin/python ] && PYTHON=.venv/bin/python
fi
export PYTHONPATH=$PWD${PYTHONPATH:+:$PYTHONPATH}
mkdir -p "$folder"
summary=$folder/summary.txt
: >"$summary"
began=$SECONDS
limit=$((25 * 60))

card=$("$PYTHON" -c 'import torch; print(torch.cuda.get_device_name() if torch.cuda.is_available() else "")' 2>/dev/null)
if [ -n "$card" ]; then
    device=cuda accelerators=(eager cuda_graphs compile) fast=cuda_graphs architecture=sd15-perflow size=512 seconds=5
else
    device=cpu accelerators=(eager) fast=eager architecture=tiny-perflow size=64 seconds=0.3
fi

tell() { printf '%s\n' "$*" | tee -a "$summary"; }

# stage NAME SECONDS COMMAND...: run a command under a timeout, keep its output, and write one line about it.
stage() {
    local name=$1 most=$2 left=$((limit - (SECONDS - began))) start=$SECONDS status
    shift 2
    if [ "$left" -lt 10 ]; then
        tell "left out   $name: the 25 minutes are over"
        return
    fi
    [ "$most" -gt "$left" ] && most=$left
    timeout --kill-after=10 "$most" "$@" >"$folder/$name.log" 2>&1
    status=$?
    case $status in
    0) tell "done       $name in $((SECONDS - start)) s" ;;
    124 | 137) tell "timed out  $name after $most s" ;;
    *) tell "failed     $name with status $status: $(tail -n 1 "$folder/$name.log" | cut -c1-200)" ;;
    esac
}

# on_card NAME SECONDS COMMAND...: a stage that needs a card.
on_card() {
    if [ "$device" = cuda ]; then stage "$@"; else tell "skipped    $1: it needs an NVIDIA card"; fi
}

# gpu_tests NAME SECONDS EXPRESSION: the tests of one piece, by pytest's -k.
gpu_tests() { on_card "$1" "$2" "$PYTHON" -m pytest -q -rs -p no:cacheprovider -m gpu -k "$3"; }

# has ACCELERATOR: true if it works here.
has() {
    "$PYTHON" -c 'import sys
from pipeline.accelerators.accelerator_table import ACCELERATORS
sys.exit(bool(ACCELERATORS[sys.argv[1]].missing()))' "$1" 2>/dev/null
}

where() { # where NAME SECONDS ACCELERATOR MORE...
    local name=$1 most=$2 accelerator=$3
    shift 3
    stage "$name" "$most" "$PYTHON" -m benchmarks.where --accelerator "$accelerator" --seconds "$seconds" --results "$folder" "$@"
}

bench() { # bench NAME SECONDS MEASUREMENTS MORE...
    local name=$1 most=$2 only=$3
    shift 3
    stage "$name" "$most" "$PYTHON" -m daemon bench --architecture "$architecture" --size "$size" --seconds "$seconds" \
        --only "$only" --results "$folder/$name" "$@"
}

tell "$(date -u +%Y-%m-%dT%H:%MZ)  ${card:-no card: a processor with a small network}"
all=$(IFS=,; echo "${accelerators[*]}")
[ "$device" = cuda ] && all=cuda_graphs,compile,eager

# A: does it work?
stage doctor 30 "$PYTHON" -m daemon doctor
captures='captured or uncaptured or capture or recorded or overlaps or waits'
tensorrt='(tensorrt or hot_sizes) and not eight_bits'
gpu_tests gpu-captures 90 "($captures) and not tensorrt and not onnxruntime"
gpu_tests gpu-tensorrt 120 "$tensorrt"
gpu_tests gpu-onnxruntime 60 'onnxruntime'
gpu_tests gpu-eight-bits 120 'eight_bits'
gpu_tests gpu-sums 45 'sums_in_half'
gpu_tests gpu-priority 45 'before_the_decoder'
gpu_tests gpu-rest 90 "not (($captures) or ($tensorrt) or onnxruntime or eight_bits or sums_in_half or before_the_decoder)"
for accelerator in "${accelerators[@]}"; do
    where "where-shipped-$accelerator" 50 "$accelerator" --size "$([ "$device" = cuda ] && echo 256 || echo 64)"
done

if [ "$device" = cuda ]; then
    where where-shipped-sums 45 cuda_graphs --size 256 --precision float16_sums
fi
for accelerator in tensorrt tensorrt_rtx; do
    if [ "$device" = cuda ] && has "$accelerator"; then
        where "where-shipped-$accelerator" 60 "$accelerator" --size 256
    else
        tell "skipped    where-shipped-$accelerator: it does not work here"
    fi
done

# B: a published network with random weights, which is as fast as real ones.
bench forward 150 forward --accelerators "$fast" --steps 4
bench latency 150 latency --accelerators "$all" --steps 4
bench quality 100 quality --accelerators "$fast" --steps 4 --pictures 3

on_card eight-bits 75 "$PYTHON" -m daemon bench --only eight_bits --pictures 8 --json "$folder/eight-bits.json"

# C: rivals, the gain of each part, and a show.
bench rivals 150 rivals --accelerators "$fast" --steps 4
bench ablation 200 ablation --accelerators "$fast" --steps 4
stage show 120 "$PYTHON" -m daemon bench --quick --only stream,delay,message --json "$folder/show.json"

tell "all in $((SECONDS - began)) s; logs and figures are in $folder"
! grep -q '^failed' "$summary"
