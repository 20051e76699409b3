#!/usr/bin/env bash
# Writes the mma.sync attention kernels that mma-time.py times into a folder: scripts/mma-ptx.sh PTX_DIR [sm_XX]
set -euo pipefail
[ $# -ge 1 ] || { sed -n 2p "$0"; exit 2; }
mkdir -p "$1"
out=$(cd "$1" && pwd)
cd "$(dirname "$0")/.."
for variant in int8-fp8-f16acc int8-fp8 int8-fp16 int8-fp16-f16f32 int4-fp8-f16acc int4-fp8; do
    for dim in 64 96 128; do
        ./sage4j ptx --kernel mma-attention --variant "$variant" --arch "${2:-sm_90a}" --head-dim "$dim" -o "$out/${variant}_d$dim.ptx"
        ./sage4j ptx --kernel mma-attention --variant "$variant" --arch "${2:-sm_90a}" --head-dim "$dim" --causal \
            -o "$out/${variant}_d${dim}_causal.ptx"
    done
done
