package io.sage4j.ptx.kernel;

import io.sage4j.DType;
import io.sage4j.SageException;
import io.sage4j.numeric.Granularity;
import io.sage4j.numeric.OperandLayout;
import io.sage4j.numeric.PvFormat;
import io.sage4j.numeric.QkFormat;
import io.sage4j.numeric.ScaleGroups;
import io.sage4j.numeric.Scheme;
import io.sage4j.numeric.TileShape;
import io.sage4j.ptx.Kernel;
import java.util.Arrays;
import java.util.Locale;
import java.util.stream.Collectors;

/** The native kernels by name. */
public enum NativeKernel {
    /** Quantized attention on Hopper. */
    WGMMA_ATTENTION("attention with wgmma; sm_90a") {
        @Override
        Kernel generate(Options o) {
            return WgmmaAttention.kernel(
                    new WgmmaAttentionSpec(o.scheme, o.paddedDim(), o.causal, o.lse, o.type, o.pairedStores));
        }
    },
    /** Quantized attention on any GPU. */
    MMA_ATTENTION("attention with mma.sync; FP16 PV from sm_80 on, FP8 PV from sm_89 on") {
        @Override
        Kernel generate(Options o) {
            return MmaAttention.kernel(
                    new MmaAttentionSpec(o.scheme, o.paddedDim(), o.causal, o.lse, false, o.type, o.pairedStores));
        }
    },
    /** Mean of K over the tokens. */
    K_MEAN("mean of K over the tokens; from sm_80 on") {
        @Override
        Kernel generate(Options o) {
            return KMean.kernel(o.type, o.paddedDim());
        }
    },
    /** Q to INT8. */
    QUANTIZE_Q("Q to INT8, for the attention kernel of the variant's tiles; from sm_80 on") {
        @Override
        Kernel generate(Options o) {
            requireInt8(o.scheme);
            Granularity granularity = o.scheme.granularity();
            QkTarget target = o.isWgmma()
                    ? QkTarget.wgmmaQ(granularity)
                    : QkTarget.mma(ScaleGroups.ofQ(granularity, TileShape.MMA_SYNC, 0));
            return QuantizeQk.kernel(o.type, target, o.paddedDim(), false, o.pairedStores);
        }
    },
    /** K to INT8. */
    QUANTIZE_K("K to INT8, for the attention kernel of the variant's tiles; from sm_80 on") {
        @Override
        Kernel generate(Options o) {
            requireInt8(o.scheme);
            Granularity granularity = o.scheme.granularity();
            QkTarget target = o.isWgmma()
                    ? QkTarget.wgmmaK(granularity)
                    : QkTarget.mma(ScaleGroups.ofK(granularity, TileShape.MMA_SYNC, 0));
            return QuantizeQk.kernel(o.type, target, o.paddedDim(), o.scheme.smoothK(), o.pairedStores);
        }
    },
    /** Scales of V. */
    V_SCALE("scale of each channel of V, for FP8 PV; from sm_80 on") {
        @Override
        Kernel generate(Options o) {
            if (o.scheme.pv() != PvFormat.E4M3) {
                throw new IllegalArgumentException("it scales V for E4M3, not for " + o.scheme.pv());
            }
            return ChannelScale.kernel(o.type, o.paddedDim(), o.scheme.smoothV(), o.scheme.vRange());
        }
    },
    /** V to FP8 or FP16. */
    QUANTIZE_V(
            "V transposed, for the attention kernel of the variant's tiles; to FP16 from sm_80 on, to FP8 from sm_89 on") {
        @Override
        Kernel generate(Options o) {
            requireKnownTiles(o.scheme);
            VTarget target = o.isWgmma() ? VTarget.wgmma(o.scheme.pv()) : VTarget.mma(o.scheme.pv());
            return QuantizeV.kernel(o.type, o.paddedDim(), target, o.scheme.smoothV(), o.pairedStores);
        }
    },
    /** What smooth K takes from the log-sum-exp. */
    LSE_CORRECTION("what smooth K takes from the log-sum-exp; from sm_80 on") {
        @Override
        Kernel generate(Options o) {
            return LseCorrection.kernel(o.type, o.paddedDim());
        }
    };

    private static final int MAX_DIM = 128;

    private final String summary;

    NativeKernel(String summary) {
        this.summary = summary;
    }

    /**
     * Which code to generate.
     *
     * @param scheme numeric scheme
     * @param headDim channels, 1 to 128
     * @param causal whether the diagonal hides keys
     * @param lse whether the log-sum-exp is written
     * @param type FP16 or BF16: of the input of a quantizer, of the output of attention
     * @param pairedStores whether strides and channels allow wide accesses
     */
    public record Options(Scheme scheme, int headDim, boolean causal, boolean lse, DType type, boolean pairedStores) {
        /** @throws SageException if head_dim or the type is none that native kernels have */
        public Options {
            if (headDim < 1 || headDim > MAX_DIM) {
                throw new SageException("head_dim is " + headDim + ", the native kernels take 1.." + MAX_DIM);
            }
            if (type != DType.FLOAT16 && type != DType.BFLOAT16) {
                throw new SageException("type is " + type + ", the native kernels take float16 or bfloat16");
            }
        }

        private boolean isWgmma() {
            return scheme.tiles().equals(TileShape.WGMMA);
        }

        private int paddedDim() {
            if (isWgmma()) {
                return headDim <= MAX_DIM / 2 ? MAX_DIM / 2 : MAX_DIM;
            }
            return Math.ceilDiv(headDim, OperandLayout.DIM_UNIT) * OperandLayout.DIM_UNIT;
        }
    }

    abstract Kernel generate(Options options);

    /** The quantizers of Q and K know INT8 only: any other scheme would get codes that are not its own. */
    private static void requireInt8(Scheme scheme) {
        if (scheme.qk() != QkFormat.INT8) {
            throw new IllegalArgumentException("it quantizes to INT8, not to " + scheme.qk());
        }
        if (scheme.smoothQ()) {
            throw new IllegalArgumentException("it quantizes without smooth Q");
        }
        if (scheme.granularity() == Granularity.PER_TOKEN || scheme.granularity() == Granularity.PER_TENSOR) {
            throw new IllegalArgumentException("it has one scale a thread, warp or block, not " + scheme.granularity());
        }
        requireKnownTiles(scheme);
    }

    private static void requireKnownTiles(Scheme scheme) {
        if (!scheme.tiles().equals(TileShape.MMA_SYNC) && !scheme.tiles().equals(TileShape.WGMMA)) {
            throw new IllegalArgumentException(
                    "it writes for tiles " + TileShape.MMA_SYNC + " or " + TileShape.WGMMA + ", not " + scheme.tiles());
        }
    }

    /**
     * The kernel.
     *
     * @throws SageException if it cannot do what the options ask, with the reason
     */
    public Kernel kernel(Options options) {
        try {
            return generate(options);
        } catch (IllegalArgumentException e) {
            throw new SageException("kernel " + this + " cannot be generated so: " + e.getMessage(), e);
        }
    }

    /** One line for people. */
    public String summary() {
        return summary;
    }

    /**
     * The kernel of a name.
     *
     * @throws SageException if there is none
     */
    public static NativeKernel of(String name) {
        return Arrays.stream(values())
                .filter(k -> k.toString().equals(name))
                .findFirst()
                .orElseThrow(() -> new SageException("unknown kernel '" + name + "', expected one of "
                        + Arrays.stream(values()).map(NativeKernel::toString).collect(Collectors.joining(", "))));
    }

    @Override
    public String toString() {
        return name().toLowerCase(Locale.ROOT).replace('_', '-');
    }
}
