package io.sage4j.ptx.kernel;

import io.sage4j.DType;
import io.sage4j.SageException;
import io.sage4j.numeric.Granularity;
import io.sage4j.numeric.PvFormat;
import io.sage4j.numeric.QkFormat;
import io.sage4j.numeric.ScaleGroups;
import io.sage4j.numeric.Scheme;
import io.sage4j.numeric.TileShape;
import io.sage4j.ptx.Arch;
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
            return WgmmaAttention.kernel(o.wgmma(false));
        }
    },
    /** Quantized attention on Hopper, from Q as it is. */
    WGMMA_ATTENTION_Q("attention with wgmma that quantizes Q itself; sm_90a") {
        @Override
        Kernel generate(Options o) {
            return WgmmaAttention.kernel(o.wgmma(true));
        }
    },
    /** The same of packed sequences. */
    WGMMA_ATTENTION_PACKED("the same of sequences that lie behind each other, for all of them at once; sm_90a") {
        @Override
        Kernel generate(Options o) {
            return WgmmaAttention.kernel(o.wgmma(true).ofSequences());
        }
    },
    /** The one for a call with the keys of rows split. */
    WGMMA_ATTENTION_PARTS("the same on parts of the keys, for few rows; sm_90a") {
        @Override
        Kernel generate(Options o) {
            return WgmmaAttention.kernel(o.wgmma(true).inParts());
        }
    },
    /** What joins the parts. */
    WGMMA_JOIN_PARTS("joins the parts of rows whose keys were split; from sm_90 on") {
        @Override
        Kernel generate(Options o) {
            return JoinParts.kernel(JoinParts.Spec.of(o.wgmma(true)));
        }
    },
    /** Quantized attention on any GPU. */
    MMA_ATTENTION("attention with mma.sync; FP16 PV from sm_80 on, FP8 PV from sm_89 on") {
        @Override
        Kernel generate(Options o) {
            return MmaAttention.kernel(new MmaAttentionSpec(
                    o.scheme,
                    o.paddedDim(),
                    MmaTarget.of(o.arch, o.scheme, o.paddedDim(), o.lse),
                    o.causal,
                    o.lse,
                    false,
                    o.type,
                    o.pairedStores));
        }
    },
    /** Mean of K over the tokens. */
    K_MEAN("mean of K over the tokens; from sm_80 on") {
        @Override
        Kernel generate(Options o) {
            return KMean.kernel(o.type, o.paddedDim());
        }
    },
    /** Mean of Q over the tokens of each block. */
    Q_MEAN("mean of Q over the 128 tokens of each block, for smooth Q; from sm_80 on") {
        @Override
        Kernel generate(Options o) {
            return KMean.ofBlocks(o.type, o.paddedDim());
        }
    },
    /** What smooth Q took from the scores. */
    DELTA_S("what smooth Q took from the scores; from sm_80 on") {
        @Override
        Kernel generate(Options o) {
            return DeltaS.kernel(o.type, o.paddedDim(), o.scheme.smoothK(), o.pairedStores);
        }
    },
    /** Q to INT8 or INT4. */
    QUANTIZE_Q("Q to INT8 or INT4, for the attention kernel of the variant's tiles; from sm_80 on") {
        @Override
        Kernel generate(Options o) {
            requireCodes(o.scheme);
            Granularity granularity = o.scheme.granularity();
            QkTarget target = o.isWgmma()
                    ? QkTarget.wgmmaQ(granularity)
                    : QkTarget.mma(ScaleGroups.ofQ(granularity, TileShape.MMA_SYNC, 0), o.code());
            QuantizeQk.Centre centre = o.scheme.smoothQ() ? QuantizeQk.Centre.BLOCK : QuantizeQk.Centre.NONE;
            return QuantizeQk.kernel(o.type, target, o.paddedDim(), centre, o.loads());
        }
    },
    /** K to INT8 or INT4. */
    QUANTIZE_K("K to INT8 or INT4, for the attention kernel of the variant's tiles; from sm_80 on") {
        @Override
        Kernel generate(Options o) {
            requireCodes(o.scheme);
            Granularity granularity = o.scheme.granularity();
            QkTarget target = o.isWgmma()
                    ? QkTarget.wgmmaK(granularity)
                    : QkTarget.mma(ScaleGroups.ofK(granularity, TileShape.MMA_SYNC, 0), o.code());
            QuantizeQk.Centre centre = o.scheme.smoothK() ? QuantizeQk.Centre.HEAD : QuantizeQk.Centre.NONE;
            return QuantizeQk.kernel(o.type, target, o.paddedDim(), centre, o.loads());
        }
    },
    /** Scales of V. */
    V_SCALE("scale of each channel of V, for FP8 PV; from sm_80 on") {
        @Override
        Kernel generate(Options o) {
            if (o.scheme.pv().ofV() != PvFormat.E4M3) {
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
            PvFormat format = o.scheme.pv().ofV();
            VTarget target = o.isWgmma() ? VTarget.wgmma(format) : VTarget.mma(format);
            return QuantizeV.kernel(o.type, o.paddedDim(), target, o.scheme.smoothV(), o.pairedStores);
        }
    },
    /** Counters to 0. */
    CLEAR("counters to 0; from sm_90 on") {
        @Override
        Kernel generate(Options o) {
            return Clear.kernel();
        }
    },
    /** K and V to their codes, each read once. */
    QUANTIZE_KV(
            "K and V to the codes of the Hopper attention kernel, each read once; from sm_89 on, with FP16 PV from sm_80 on") {
        @Override
        Kernel generate(Options o) {
            return QuantizeKv.kernel(o.quantizeKv());
        }
    },
    /** The same of packed sequences. */
    QUANTIZE_KV_PACKED(
            "the same of sequences that lie behind each other, each with means and scales of its own; from sm_89 on") {
        @Override
        Kernel generate(Options o) {
            return QuantizeKv.kernel(o.quantizeKv().ofSequences());
        }
    },
    /** What smooth K takes from the log-sum-exp. */
    LSE_CORRECTION("what smooth K takes from the log-sum-exp; from sm_80 on") {
        @Override
        Kernel generate(Options o) {
            return LseCorrection.kernel(o.type, o.paddedDim());
        }
    };

    private static final int MAX_DIM = MmaAttentionSpec.MAX_DIM;
    private static final int WGMMA_DIM = 128;

    private final String summary;

    NativeKernel(String summary) {
        this.summary = summary;
    }

    /**
     * Which code to generate.
     *
     * @param arch target
     * @param scheme numeric scheme
     * @param headDim channels, 1 to 256; 1 to 128 on Hopper tiles
     * @param causal whether the diagonal hides keys
     * @param lse whether the log-sum-exp is written
     * @param type FP16 or BF16: of the input of a quantizer, of the output of attention
     * @param pairedStores whether strides and channels allow wide accesses
     */
    public record Options(
            Arch arch, Scheme scheme, int headDim, boolean causal, boolean lse, DType type, boolean pairedStores) {
        /** @throws SageException if head_dim or the type is none that native kernels have */
        public Options {
            int most = scheme.tiles().equals(TileShape.WGMMA) ? WGMMA_DIM : MAX_DIM;
            if (headDim < 1 || headDim > most) {
                throw new SageException("head_dim is " + headDim + ", the native kernels take 1.." + most);
            }
            if (type != DType.FLOAT16 && type != DType.BFLOAT16) {
                throw new SageException("type is " + type + ", the native kernels take float16 or bfloat16");
            }
        }

        private boolean isWgmma() {
            return scheme.tiles().equals(TileShape.WGMMA);
        }

        private QuantizeQk.Loads loads() {
            return pairedStores ? QuantizeQk.Loads.WIDE : QuantizeQk.Loads.NARROW;
        }

        private WgmmaAttentionSpec.Stores stores() {
            if (!pairedStores) {
                return WgmmaAttentionSpec.Stores.SINGLE;
            }
            return headDim % 8 == 0 ? WgmmaAttentionSpec.Stores.WIDE : WgmmaAttentionSpec.Stores.PAIRED;
        }

        private WgmmaAttentionSpec wgmma(boolean quantizesQ) {
            return new WgmmaAttentionSpec(scheme, paddedDim(), causal, lse, type, stores(), quantizesQ);
        }

        private QuantizeKv.Spec quantizeKv() {
            requireCodes(scheme);
            if (!isWgmma()) {
                throw new IllegalArgumentException("it writes for Hopper tiles only, not for " + scheme.tiles());
            }
            return QuantizeKv.Spec.of(scheme, type, paddedDim(), pairedStores);
        }

        private QkCode code() {
            return QkCode.of(scheme.qk(), arch);
        }

        private int paddedDim() {
            if (isWgmma()) {
                return headDim <= WGMMA_DIM / 2 ? WGMMA_DIM / 2 : WGMMA_DIM;
            }
            return MmaTarget.paddedDim(headDim);
        }
    }

    abstract Kernel generate(Options options);

    /** The Hopper kernels know INT8 without smooth Q only: any other scheme would get codes that are not its own. */
    private static void requireCodes(Scheme scheme) {
        boolean wgmma = scheme.tiles().equals(TileShape.WGMMA);
        if (wgmma && scheme.qk() != QkFormat.INT8) {
            throw new IllegalArgumentException("on Hopper tiles it quantizes to INT8, not to " + scheme.qk());
        }
        if (wgmma && scheme.smoothQ()) {
            throw new IllegalArgumentException("on Hopper tiles it quantizes without smooth Q");
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
