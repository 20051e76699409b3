#!/usr/bin/env bash
# Writes the modules that wgmma-check.py wants into a folder: scripts/wgmma-ptx.sh PTX_DIR
set -euo pipefail
[ $# -eq 1 ] || { sed -n 2p "$0"; exit 2; }
mkdir -p "$1"
cd "$(dirname "$0")/.." && out=$(cd "$OLDPWD" && cd "$1" && pwd)
for sums in f32:int8-fp8-sm90 fast:int8-fp8-sm90-fast f16:int8-fp8-sm90-f16acc pv16:int8-fp16-sm90; do
    for dim in 64 128; do
        for causal in 0 1; do
            for lse in 0 1; do
                options=(--variant "${sums#*:}")
                [ "$causal" = 0 ] || options+=(--causal)
                [ "$lse" = 0 ] || options+=(--lse)
                name=${sums%:*}_d${dim}_c${causal}_l${lse}
                ./sage4j ptx --kernel wgmma-attention "${options[@]}" --head-dim "$dim" -o "$out/wgmma_$name.ptx"
                # Whole pairs of channels, but no whole eights.
                ./sage4j ptx --kernel wgmma-attention "${options[@]}" --head-dim $((dim - 2)) -o "$out/wgmma_${name}_p.ptx"
                ./sage4j ptx --kernel wgmma-attention "${options[@]}" --head-dim "$dim" --narrow -o "$out/wgmma_${name}_u.ptx"
                ./sage4j ptx --kernel wgmma-attention-q "${options[@]}" --head-dim "$dim" -o "$out/wgmmaq_$name.ptx"
            done
        done
    done
done
for kernel in quantize-q quantize-kv; do
    for dim in 64 128; do
        ./sage4j ptx --kernel "$kernel" --variant int8-fp8-sm90 --head-dim "$dim" -o "$out/prep_${kernel}_d$dim.ptx"
    done
done
./sage4j ptx --kernel clear --variant int8-fp8-sm90 -o "$out/prep_clear.ptx"
for dim in 64 128; do
    ./sage4j ptx --kernel quantize-q --variant int8-fp8-sm90 --head-dim "$dim" --narrow -o "$out/prep_quantize-q_narrow_d$dim.ptx"
    ./sage4j ptx --kernel quantize-kv --variant int8-fp16-sm90 --head-dim "$dim" -o "$out/prep_quantize-kv_pv16_d$dim.ptx"
done
