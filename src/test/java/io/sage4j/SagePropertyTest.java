package io.sage4j;

import static org.assertj.core.api.Assertions.assertThat;

import io.sage4j.AttentionSpec.Causal;
import io.sage4j.backend.Backends;
import io.sage4j.numeric.AttentionShape;
import io.sage4j.numeric.BFloat16;
import io.sage4j.numeric.Float16;
import io.sage4j.oracle.AttentionInputs;
import io.sage4j.oracle.ExactAttention;
import io.sage4j.oracle.Metrics;
import io.sage4j.oracle.ScoreMask;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.BitSet;
import java.util.List;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.ShrinkingMode;

/**
 * Calls of every kind at once, against exact attention: any strides at any address, with NaN in the gaps between rows, all
 * broadcasts of a mask, an output whose gaps must stay, sizes of 0 and 1. Not with a TornadoVM SDK, which compiles for seconds per try.
 */
class SagePropertyTest {
    private static final int[] DIMS = {1, 2, 7, 16, 33, 64, 129};
    private static final byte GAP = 0x7F; // A NaN in each of the types.
    private static final byte OUT_GAP = 0x5A;

    private Random random;

    private record Placed(MemorySegment memory, Tensor tensor) {}

    private int size(int most) {
        return random.nextInt(6) == 0 ? random.nextInt(2) : random.nextInt(most);
    }

    private float[] numbers(DType type, int count) {
        float[] numbers = new float[count];
        for (int n = 0; n < count; n++) {
            float x = (float) random.nextGaussian();
            numbers[n] = switch (type) {
                case FLOAT16 -> Float16.round(x);
                case BFLOAT16 -> BFloat16.round(x);
                default -> x;
            };
        }
        return numbers;
    }

    private static void put(MemorySegment memory, long index, DType type, float x) {
        switch (type) {
            case FLOAT32 -> memory.set(ValueLayout.JAVA_FLOAT_UNALIGNED, index * 4, x);
            case FLOAT16 -> memory.set(ValueLayout.JAVA_SHORT_UNALIGNED, index * 2, Float16.encode(x));
            case BFLOAT16 -> memory.set(ValueLayout.JAVA_SHORT_UNALIGNED, index * 2, BFloat16.encode(x));
            case BOOL -> memory.set(ValueLayout.JAVA_BYTE, index, (byte) (x == 0 ? 0 : random(x)));
        }
    }

    /** Any byte but 0 is true. */
    private static int random(float x) {
        return x > 0 ? 1 : -128;
    }

    /** Memory for [batch, heads, tokens, dim] in a layout, with gaps, filled with one byte. */
    private Placed place(DType type, Layout layout, long batch, long heads, long tokens, long dim, byte fill) {
        long[] shape =
                layout == Layout.HND ? new long[] {batch, heads, tokens, dim} : new long[] {batch, tokens, heads, dim};
        long row = dim + random.nextInt(2) * random.nextInt(9);
        long second = row * Math.max(shape[2], 1) + random.nextInt(2) * random.nextInt(9);
        long first = second * Math.max(shape[1], 1) + random.nextInt(3);
        MemorySegment memory = Arena.ofAuto()
                .allocate((first * batch + dim + 1) * type.bytes() + 1, 64)
                .asSlice(random.nextInt(2))
                .fill(fill);
        return new Placed(memory, Tensor.of(memory, type, shape, new long[] {first, second, row, 1}));
    }

    private Tensor filled(float[] values, DType type, Layout layout, int batch, int heads, int tokens, int dim) {
        Placed placed = place(type, layout, batch, heads, tokens, dim, GAP);
        Tensor t = placed.tensor;
        int next = 0;
        for (int b = 0; b < batch; b++) {
            for (int h = 0; h < heads; h++) {
                for (int n = 0; n < tokens; n++) {
                    long at = b * t.stride(0) + h * t.stride(layout.headAxis()) + n * t.stride(layout.tokenAxis());
                    for (int c = 0; c < dim; c++) {
                        put(placed.memory, at + c, type, values[next++]);
                    }
                }
            }
        }
        return t;
    }

    private ScoreMask mask(AttentionSpec.Builder spec, AttentionShape s) {
        DType type = DType.values()[random.nextInt(4)];
        int[] full = {s.batch(), s.qHeads(), s.qoLen(), s.kvLen()};
        int[] size = new int[4];
        for (int i = 0; i < 4; i++) {
            size[i] = random.nextBoolean() ? full[i] : 1;
        }
        float[] values = numbers(type, size[0] * size[1] * size[2] * size[3]);
        for (int n = 0; n < values.length; n++) {
            values[n] = random.nextInt(4) != 0 ? values[n] : type == DType.BOOL ? 0 : Float.NEGATIVE_INFINITY;
        }
        spec.mask(filled(values, type, Layout.HND, size[0], size[1], size[2], size[3]));
        boolean bool = type == DType.BOOL;
        return new ScoreMask() {
            private float value(int b, int h, int i, int j) {
                return values[((b % size[0] * size[1] + h % size[1]) * size[2] + i % size[2]) * size[3] + j % size[3]];
            }

            @Override
            public boolean hides(int b, int h, int i, int j) {
                float value = value(b, h, i, j);
                return bool ? value == 0 : value == Float.NEGATIVE_INFINITY;
            }

            @Override
            public float addend(int b, int h, int i, int j) {
                return bool ? 0 : value(b, h, i, j);
            }
        };
    }

    private static double tolerance(Variant variant, DType type) {
        if (variant.isQuantized()) {
            return 0.25;
        }
        return type == DType.FLOAT32 ? 1e-4 : type == DType.FLOAT16 ? 2e-3 : 1e-2;
    }

    @Property(tries = 60, shrinking = ShrinkingMode.OFF)
    void anyCallIsAttention(@ForAll long seed) {
        random = new Random(seed);
        int kvHeads = 1 + random.nextInt(2);
        AttentionShape s = new AttentionShape(
                1 + random.nextInt(2),
                kvHeads * (1 + random.nextInt(3)),
                kvHeads,
                size(70),
                size(140),
                DIMS[random.nextInt(DIMS.length)]);
        DType type = DType.values()[random.nextInt(3)];
        Layout layout = Layout.values()[random.nextInt(2)];
        Causal causal = Causal.values()[random.nextInt(3)];
        Variant variant = List.of(
                        Variant.of("naive"), Variant.of("flash"), Variant.of("int8-fp16"), Variant.of("int8-fp8"))
                .get(random.nextInt(4));
        float smScale = (float) (random.nextGaussian() / Math.sqrt(s.headDim()));
        AttentionSpec.Builder spec = AttentionSpec.builder()
                .variant(variant)
                .layout(layout)
                .causal(causal)
                .smScale(smScale)
                .lse(true);
        ScoreMask mask = random.nextBoolean() ? mask(spec, s) : ScoreMask.NONE;
        float[] q = numbers(type, s.batch() * s.qHeads() * s.qoLen() * s.headDim());
        float[] k = numbers(type, s.batch() * s.kvHeads() * s.kvLen() * s.headDim());
        float[] v = numbers(type, s.batch() * s.kvHeads() * s.kvLen() * s.headDim());
        AttentionInputs in = new AttentionInputs(s, q, k, v, causal.diagonal(s.qoLen(), s.kvLen()), smScale, mask);
        Placed out = place(type, layout, s.batch(), s.qHeads(), s.qoLen(), s.headDim(), OUT_GAP);
        AttentionResult result;
        try (Sage sage = Sage.open(Backends.javaKernels())) {
            result = sage.attend(
                    filled(q, type, layout, s.batch(), s.qHeads(), s.qoLen(), s.headDim()),
                    filled(k, type, layout, s.batch(), s.kvHeads(), s.kvLen(), s.headDim()),
                    filled(v, type, layout, s.batch(), s.kvHeads(), s.kvLen(), s.headDim()),
                    spec.build(),
                    out.tensor);
        }
        String what = variant.name() + " " + type + " " + layout + " " + causal + " " + s;
        ExactAttention.Result exact = ExactAttention.of(in);
        Tensor hnd = layout == Layout.NHD ? out.tensor.transpose(1, 2) : out.tensor;
        Metrics o = Metrics.of(exact.o(), hnd.toFloatArray());
        assertThat(o.nonFinite()).as("%s: %s", what, o).isZero();
        assertThat(o.relativeL1()).as("%s: %s", what, o).isLessThanOrEqualTo(tolerance(variant, type));
        Metrics lse = Metrics.of(exact.lse(), result.lse().orElseThrow().toFloatArray());
        assertThat(lse.nonFiniteAgree()).as("%s: lse %s", what, lse).isTrue();
        assertThat(lse.maxAbs()).as("%s: lse %s", what, lse).isLessThan(variant.isQuantized() ? 0.2 : 1e-3);
        assertGapsAreAsBefore(out, what);
    }

    private static void assertGapsAreAsBefore(Placed out, String what) {
        Tensor t = out.tensor;
        int unit = t.dtype().bytes();
        BitSet written = new BitSet();
        for (int i = 0; i < t.size(0); i++) {
            for (int j = 0; j < t.size(1); j++) {
                for (int k = 0; k < t.size(2); k++) {
                    int from = (int) (i * t.stride(0) + j * t.stride(1) + k * t.stride(2)) * unit;
                    written.set(from, from + (int) t.size(3) * unit);
                }
            }
        }
        byte[] bytes = out.memory.toArray(ValueLayout.JAVA_BYTE);
        for (int n = written.nextClearBit(0); n < bytes.length; n = written.nextClearBit(n + 1)) {
            assertThat(bytes[n])
                    .as("%s: byte %d of the output's memory", what, n)
                    .isEqualTo(OUT_GAP);
        }
    }
}
