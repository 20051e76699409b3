package io.sage4j.cli;

import io.sage4j.Sage;
import io.sage4j.SageException;
import io.sage4j.Variant;
import io.sage4j.numeric.Granularity;
import io.sage4j.numeric.Scheme;
import picocli.CommandLine.Option;

/** How to compute attention: a named variant, and changes to it. */
final class VariantOptions {
    @Option(
            names = "--variant",
            paramLabel = "NAME",
            description =
                    "What to compute with, a name from 'sage4j variants'. Default: int8-fp8-f16acc; on backend cuda"
                            + " what 'sage4j devices' says is best for the GPU.")
    private String name;

    @Option(
            names = "--granularity",
            paramLabel = "WHICH",
            converter = Words.ToGranularity.class,
            description = "Rows of Q and K that share a scale: per-tensor, per-block, per-warp, per-thread, per-token."
                    + " Default: the variant's.")
    private Granularity granularity;

    @Option(
            names = "--smooth-k",
            negatable = true,
            description = "Subtract from K its mean over the tokens. Default: the variant's.")
    private Boolean smoothK;

    @Option(
            names = "--smooth-q",
            negatable = true,
            description = "Subtract from each block of Q its mean. Default: the variant's.")
    private Boolean smoothQ;

    @Option(
            names = "--smooth-v",
            negatable = true,
            description = "Subtract from V its mean over the tokens. Default: the variant's.")
    private Boolean smoothV;

    /** The variant that was asked for, where no backend takes part. */
    Variant variant() {
        return variant(Variant.INT8_FP8_F16ACC);
    }

    /** The variant that was asked for, or else another, with the changes. */
    Variant variant(Variant otherwise) {
        return changed(name == null ? otherwise : Variant.of(name));
    }

    /** The variant that was asked for, or else the backend's for a number of channels, with the changes. */
    Variant variant(Sage sage, int headDim) {
        return name == null ? changed(sage.variantFor(headDim)) : variant();
    }

    /** Whether nothing was asked for. */
    boolean isOpen() {
        return name == null && granularity == null && smoothK == null && smoothQ == null && smoothV == null;
    }

    private Variant changed(Variant variant) {
        if (!variant.isQuantized() && (granularity != null || isOn(smoothK) || isOn(smoothQ) || isOn(smoothV))) {
            throw new SageException("variant " + variant.name() + " quantizes nothing: --granularity, --smooth-k,"
                    + " --smooth-q and --smooth-v are for quantized variants");
        }
        Scheme scheme = variant.scheme();
        try {
            scheme = granularity == null ? scheme : scheme.withGranularity(granularity);
            scheme = smoothK == null ? scheme : scheme.withSmoothK(smoothK);
            scheme = smoothQ == null ? scheme : scheme.withSmoothQ(smoothQ);
            scheme = smoothV == null ? scheme : scheme.withSmoothV(smoothV);
        } catch (IllegalArgumentException e) {
            throw new SageException("variant " + variant.name() + " cannot be changed so: " + e.getMessage(), e);
        }
        return variant.with(scheme);
    }

    private static boolean isOn(Boolean option) {
        return Boolean.TRUE.equals(option);
    }
}
