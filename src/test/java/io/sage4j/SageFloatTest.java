package io.sage4j;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sage4j.cuda.FakeDriver;
import io.sage4j.numeric.Numbers;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** FP32 tensors of the host on backend cuda, on a driver that computes nothing: what the kernels would get, and what comes back. */
@SuppressWarnings("restricted")
class SageFloatTest {
    private static final int HEADS = 2;
    private static final int TOKENS = 5;
    private static final int DIM = 64;
    private static final int SIZE = HEADS * TOKENS * DIM;
    private static final float SM_SCALE = 0.3f;
    private static final AttentionSpec SPEC = AttentionSpec.builder()
            .variant(Variant.of("int8-fp8-sm90"))
            .smScale(SM_SCALE)
            .build();

    private final FakeDriver fake = new FakeDriver();
    private final Sage sage = FakeSage.open(fake);

    /** What the kernels found in their tensors, and the score factor; they write halves 1, 2, 3 ... as the output. */
    private short[] q;

    private short[] k;
    private short[] v;
    private float scoreScale;

    @AfterEach
    void nothingIsLeft() {
        sage.close();
        assertThat(fake.thrown).isEmpty();
        assertThat(fake.live()).isEmpty();
        fake.close();
    }

    private static MemorySegment memory(FakeDriver.Launch launch, int argument, int elements) {
        long address = ByteBuffer.wrap(launch.arguments().get(argument))
                .order(ByteOrder.LITTLE_ENDIAN)
                .getLong();
        return MemorySegment.ofAddress(address).reinterpret(2L * elements);
    }

    private void watch(int outElements) {
        fake.onLaunch = launch -> {
            if (launch.kernel().equals("sage_quantize_kv")) {
                k = memory(launch, 0, SIZE).toArray(ValueLayout.JAVA_SHORT);
                v = memory(launch, 7, SIZE).toArray(ValueLayout.JAVA_SHORT);
            } else if (launch.kernel().equals("sage_wgmma_attention")) {
                q = memory(launch, 0, outElements).toArray(ValueLayout.JAVA_SHORT);
                MemorySegment out = memory(launch, 8, outElements);
                for (int n = 0; n < outElements; n++) {
                    out.setAtIndex(ValueLayout.JAVA_SHORT, n, Float.floatToFloat16(n + 1));
                }
                scoreScale = ByteBuffer.wrap(launch.arguments().get(17))
                        .order(ByteOrder.LITTLE_ENDIAN)
                        .getFloat();
            }
        };
    }

    private static float[] numbers(long seed, float factor) {
        Random random = new Random(seed);
        float[] numbers = new float[SIZE];
        for (int n = 0; n < SIZE; n++) {
            numbers[n] = (float) random.nextGaussian() * factor;
        }
        numbers[0] = 4 * factor;
        return numbers;
    }

    private static short[] rounded(float[] numbers, int exponent) {
        short[] halves = new short[numbers.length];
        for (int n = 0; n < halves.length; n++) {
            halves[n] = Float.floatToFloat16((float) (numbers[n] * Math.scalb(1.0, exponent)));
        }
        return halves;
    }

    @ParameterizedTest
    @CsvSource({
        "0, 0, 0, float32 rounded to float16",
        "20, 0, 0, 'float32 rounded to float16, q times 2^-9 before'",
        "0, -20, 0, 'float32 rounded to float16, k times 2^31 before'",
        "0, 0, 14, 'float32 rounded to float16, v times 2^-3 before'",
        "-60, 100, -140, 'float32 rounded to float16, q times 2^71 before, k times 2^-89 before, v times 2^151 before'",
    })
    void kernelsGetHalvesAndTheOutputIsWidened(int ofQ, int ofK, int ofV, String inputs) {
        long[] shape = {1, HEADS, TOKENS, DIM};
        float[] queries = numbers(1, Math.scalb(1f, ofQ));
        float[] keys = numbers(2, Math.scalb(1f, ofK));
        float[] values = numbers(3, Math.scalb(1f, ofV));
        watch(SIZE);
        AttentionResult r =
                sage.attend(Tensor.of(queries, shape), Tensor.of(keys, shape), Tensor.of(values, shape), SPEC);
        assertThat(r.inputs()).isEqualTo(inputs);
        int qExponent = exponent(ofQ);
        int kExponent = exponent(ofK);
        assertThat(q).isEqualTo(rounded(queries, qExponent));
        assertThat(k).isEqualTo(rounded(keys, kExponent));
        assertThat(v).isEqualTo(rounded(values, exponent(ofV)));
        assertThat(scoreScale).isEqualTo(Math.scalb(SM_SCALE, -qExponent - kExponent) * Numbers.LOG2E);
        assertThat(r.output().dtype()).isEqualTo(DType.FLOAT32);
        float[] out = r.output().toFloatArray();
        for (int n = 0; n < SIZE; n++) {
            assertThat(out[n]).isEqualTo((float) ((n + 1) * Math.scalb(1.0, -exponent(ofV))));
        }
    }

    /** What is 4 * 2^magnitude at most goes to 2^13, if FP16 does not hold it well. */
    private static int exponent(int magnitude) {
        return magnitude + 2 >= -10 && magnitude + 2 <= 15 ? 0 : 11 - magnitude;
    }

    @Test
    void gapsAreLeftOut() {
        try (Arena arena = Arena.ofConfined()) {
            long row = DIM + 3;
            long[] shape = {1, TOKENS, HEADS, DIM};
            long[] strides = {row * HEADS * TOKENS, row * HEADS, row, 1};
            MemorySegment memory = arena.allocate(4 * row * HEADS * TOKENS);
            MemorySegment results = arena.allocate(4 * row * HEADS * TOKENS);
            for (long n = 0; n < row * HEADS * TOKENS; n++) {
                // In the gaps what would be noticed.
                memory.setAtIndex(ValueLayout.JAVA_FLOAT, n, n % row < DIM ? n * 0.25f : Float.NaN);
                results.setAtIndex(ValueLayout.JAVA_FLOAT, n, -7);
            }
            Tensor in = Tensor.of(memory, DType.FLOAT32, shape, strides);
            Tensor out = Tensor.of(results, DType.FLOAT32, shape, strides);
            watch(SIZE);
            AttentionSpec inside = AttentionSpec.builder()
                    .variant(Variant.of("int8-fp8-sm90"))
                    .layout(Layout.NHD)
                    .build();
            sage.attend(in, in, in, inside, out);
            // Gathered head by head.
            for (int n = 0; n < SIZE; n++) {
                int head = n / DIM / TOKENS;
                long at = (long) (n / DIM % TOKENS * HEADS + head) * row + n % DIM;
                assertThat(q[n]).isEqualTo(Float.floatToFloat16(at * 0.25f));
                assertThat(results.getAtIndex(ValueLayout.JAVA_FLOAT, at)).isEqualTo(n + 1);
            }
            for (long n = 0; n < row * HEADS * TOKENS; n++) {
                if (n % row >= DIM) {
                    assertThat(results.getAtIndex(ValueLayout.JAVA_FLOAT, n)).isEqualTo(-7);
                }
            }
        }
    }

    @Test
    void halvesAreCopiedAsTheyAre() {
        Tensor t = Tensor.allocate(DType.FLOAT16, 1, HEADS, TOKENS, DIM);
        for (int n = 0; n < SIZE; n++) {
            t.data().setAtIndex(ValueLayout.JAVA_SHORT, n, (short) n);
        }
        watch(SIZE);
        AttentionResult r = sage.attend(t, t, t, SPEC);
        assertThat(r.inputs()).isEmpty();
        assertThat(q)
                .isEqualTo(t.data().toArray(ValueLayout.JAVA_SHORT))
                .isEqualTo(k)
                .isEqualTo(v);
        assertThat(scoreScale).isEqualTo(SM_SCALE * Numbers.LOG2E);
    }

    @Test
    void floatsInGpuMemoryAreRefused() {
        Tensor t = sage.allocate(DType.FLOAT32, 1, HEADS, TOKENS, DIM);
        assertThatThrownBy(() -> sage.attend(t, t, t, SPEC))
                .isInstanceOf(SageException.class)
                .hasMessage("backend cuda takes float16 and bfloat16 tensors in GPU memory, these are float32; convert"
                        + " them there, or pass them in host memory, from where they are rounded on the way");
    }

    @Test
    void withoutKeysTheOutputIsZero() {
        Tensor none = Tensor.allocate(DType.FLOAT32, 1, HEADS, 0, DIM);
        float[] out = new float[SIZE];
        Arrays.fill(out, 5);
        sage.attend(
                Tensor.of(new float[SIZE], 1, HEADS, TOKENS, DIM),
                none,
                none,
                SPEC,
                Tensor.of(out, 1, HEADS, TOKENS, DIM));
        assertThat(out).containsOnly(0);
    }
}
