package io.sage4j.ptx.kernel;

import io.sage4j.ptx.KernelBuilder;
import io.sage4j.ptx.Reg;
import io.sage4j.ptx.Type;

/** The parameters of {@link MmaAttention}, declared in the order in which it lists them; absent ones are null. */
final class AttentionParams {
    final Reg q;
    final Reg k;
    final Reg v;
    final Reg qScale;
    final Reg kScale;
    final Reg vScale;
    final Reg vMean;
    final Reg deltaS;
    final Reg out;
    final Reg outBatch;
    final Reg outHead;
    final Reg outToken;
    final Reg lse;
    final Reg correction;
    final Reg qoLen;
    final Reg kvLen;
    final Reg kvHeads;
    final Reg groupSize;
    final Reg channels;
    final Reg diagonal;
    final Reg scoreScale;
    final Reg heavy;

    AttentionParams(KernelBuilder builder, MmaAttentionSpec spec) {
        q = builder.param("q", Type.U64);
        k = builder.param("k", Type.U64);
        v = builder.param("v", Type.U64);
        qScale = builder.param("q_scale", Type.U64);
        kScale = builder.param("k_scale", Type.U64);
        vScale = spec.fp8() ? builder.param("v_scale", Type.U64) : null;
        vMean = spec.scheme().smoothV() ? builder.param("v_mean", Type.U64) : null;
        deltaS = spec.scheme().smoothQ() ? builder.param("delta_s", Type.U64) : null;
        out = builder.param("out", Type.U64);
        outBatch = builder.param("out_batch", Type.U64);
        outHead = builder.param("out_head", Type.U64);
        outToken = builder.param("out_token", Type.U64);
        lse = spec.lse() ? builder.param("lse", Type.U64) : null;
        correction = spec.lse() ? builder.param("correction", Type.U64) : null;
        qoLen = builder.param("qo_len", Type.U32);
        kvLen = builder.param("kv_len", Type.U32);
        kvHeads = builder.param("kv_heads", Type.U32);
        groupSize = builder.param("group_size", Type.U32);
        channels = builder.param("channels", Type.U32);
        diagonal = spec.causal() ? builder.param("diagonal", Type.S32) : null;
        scoreScale = builder.param("score_scale", Type.F32);
        heavy = spec.watch().param(builder);
    }
}
