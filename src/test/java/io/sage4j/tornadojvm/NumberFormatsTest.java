package io.sage4j.tornadojvm;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import uk.ac.manchester.tornado.api.math.TornadoMath;
import uk.ac.manchester.tornado.api.types.BFloat16;
import uk.ac.manchester.tornado.api.types.FP8;
import uk.ac.manchester.tornado.api.types.HalfFloat;
import uk.ac.manchester.tornado.api.types.arrays.Int8Array;
import uk.ac.manchester.tornado.api.types.vectors.Half2;
import uk.ac.manchester.tornado.api.utils.QuantizationUtils;

/** Small floats against their definitions: nearest value, ties away from zero, by search over all values. */
class NumberFormatsTest {
    private static Float decode(int bits, boolean e4m3) {
        return e4m3 ? FP8.e4m3ToFloat((byte) bits) : FP8.e5m2ToFloat((byte) bits);
    }

    @Test
    void decodingFollowsTheDefinition() {
        for (int bits = 0; bits < 128; bits++) {
            double e4 = bits >> 3 == 0
                    ? (bits & 7) / 8.0 * Math.pow(2, -6)
                    : (1 + (bits & 7) / 8.0) * Math.pow(2, (bits >> 3) - 7);
            double e5 = bits >> 2 == 0
                    ? (bits & 3) / 4.0 * Math.pow(2, -14)
                    : (1 + (bits & 3) / 4.0) * Math.pow(2, (bits >> 2) - 15);
            assertThat(decode(bits, true)).isEqualTo((Float) (bits == 127 ? Float.NaN : (float) e4));
            assertThat(decode(bits | 128, true)).isEqualTo((Float) (bits == 127 ? Float.NaN : (float) -e4));
            Float expected = bits < 124 ? (float) e5 : bits == 124 ? Float.POSITIVE_INFINITY : Float.NaN;
            assertThat(decode(bits, false)).isEqualTo(expected);
            assertThat(decode(bits | 128, false)).isEqualTo((Float) (-expected));
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void encodingTakesTheNearestValueAndTheLargerOfTwo(boolean e4m3) {
        int top = e4m3 ? 126 : 123;
        for (int bits = 0; bits < top; bits++) {
            float low = decode(bits, e4m3);
            float high = decode(bits + 1, e4m3);
            float middle = (low + high) / 2;
            assertThat(encode(low, e4m3)).isEqualTo(bits);
            // half a unit is added in float, so just below half the smallest value the sum is rounded up to a whole
            // unit
            assertThat(encode(Math.nextDown(middle), e4m3)).isEqualTo(bits == 0 ? 1 : bits);
            assertThat(encode(middle * 0.9999999f, e4m3)).isEqualTo(bits);
            assertThat(encode(middle, e4m3)).isEqualTo(bits + 1);
            assertThat(encode(Math.nextUp(middle), e4m3)).isEqualTo(bits + 1);
            assertThat(encode(-high, e4m3)).isEqualTo(bits + 1 | 128);
        }
        float beyond = e4m3 ? 1e9f : 60000;
        assertThat(encode(e4m3 ? 449 : 61439, e4m3)).isEqualTo(top);
        assertThat(encode(e4m3 ? beyond : 61440, e4m3)).isEqualTo(e4m3 ? 126 : 124);
        assertThat(encode(Float.NEGATIVE_INFINITY, e4m3)).isEqualTo(e4m3 ? 254 : 252);
        assertThat(encode(Float.NaN, e4m3)).isEqualTo(127);
        assertThat(encode(-0f, e4m3)).isZero();
        assertThat(encode(Float.MIN_VALUE, e4m3)).isZero();
    }

    private static int encode(float value, boolean e4m3) {
        return (e4m3 ? FP8.e4m3FromFloat(value) : FP8.e5m2FromFloat(value)) & 0xff;
    }

    @Test
    void bfloat16RoundsToNearestWithTiesAwayFromZero() {
        for (int bits = 0; bits < 0x7f80; bits += 7) {
            float low = BFloat16.bf16ToFloat((short) bits);
            assertThat(low).isEqualTo(Float.intBitsToFloat(bits << 16));
            assertThat(BFloat16.bf16FromFloat(Float.intBitsToFloat((bits << 16) + 0x7fff)))
                    .isEqualTo((short) bits);
            assertThat(BFloat16.bf16FromFloat(Float.intBitsToFloat((bits << 16) + 0x8000)))
                    .isEqualTo((short) (bits + 1));
        }
        assertThat(BFloat16.bf16FromFloat(Float.MAX_VALUE)).isEqualTo((short) 0x7f80);
        assertThat(BFloat16.bf16FromFloat(Float.NEGATIVE_INFINITY)).isEqualTo((short) 0xff80);
        assertThat(BFloat16.bf16ToFloat(BFloat16.bf16FromFloat(Float.NaN))).isNaN();
        assertThat(BFloat16.BF16_MAX).isEqualTo(BFloat16.bf16ToFloat((short) 0x7f7f));
    }

    @Test
    void halvesRoundOnceToNearestEven() {
        assertThat(new HalfFloat(1 + 1f / 2048).getHalfFloatValue()).isEqualTo((short) 0x3c00);
        assertThat(new HalfFloat(1 + 3f / 2048).getHalfFloatValue()).isEqualTo((short) 0x3c02);
        assertThat(new HalfFloat(65520f).getFloat32()).isInfinite();
        HalfFloat a = new HalfFloat(3f);
        HalfFloat b = new HalfFloat(-7f);
        assertThat(HalfFloat.add(a, b).getFloat32()).isEqualTo(-4);
        assertThat(HalfFloat.sub(a, b).getFloat32()).isEqualTo(10);
        assertThat(HalfFloat.mult(a, b).getFloat32()).isEqualTo(-21);
        assertThat(HalfFloat.div(a, b).getFloat32()).isEqualTo(new HalfFloat(-3 / 7f).getFloat32());
        assertThat(TornadoMath.min(a, b).getFloat32()).isEqualTo(-7);
        assertThat(TornadoMath.max(a, b).getFloat32()).isEqualTo(3);
        assertThat(a).hasToString("HalfFloat: 3.0000");
    }

    @Test
    void pairsComputeByElementAndFuseWithOneRounding() {
        Half2 a = Half2.fromFloats(1.5f, -2);
        Half2 b = Half2.fromFloats(4, 0.5f);
        assertThat(Half2.add(a, b)).hasToString("{5.500,-1.500}");
        assertThat(Half2.sub(a, b)).hasToString("{-2.500,-2.500}");
        assertThat(Half2.mult(a, b)).hasToString("{6.000,-1.000}");
        assertThat(Half2.div(a, b)).hasToString("{0.375,-4.000}");
        assertThat(Half2.mult(a, new HalfFloat(2f))).hasToString("{3.000,-4.000}");
        assertThat(Half2.dot(a, b).getFloat32()).isEqualTo(5);
        Half2 result = new Half2();
        Half2.add(a, b, result);
        assertThat(result).hasToString("{5.500,-1.500}");
        // 2049/2048 squared is 1 + 2^-10 + 2^-22; minus 1 it is above 2^-10 only if the product is not rounded
        Half2 x = Half2.fromFloats(1 + 1f / 1024, 1);
        Half2 fused = Half2.fma(x, x, Half2.fromFloats(-1, 0));
        assertThat(Half2.lowFloat(fused)).isEqualTo(new HalfFloat(2f / 1024 + 1f / (1 << 20)).getFloat32());
    }

    @Test
    void fusedHalvesMatchExactArithmetic() {
        long seed = 77;
        System.out.println("seed " + seed);
        Random random = new Random(seed);
        for (int i = 0; i < 200_000; i++) {
            HalfFloat a = new HalfFloat((short) random.nextInt());
            HalfFloat b = new HalfFloat((short) random.nextInt());
            HalfFloat c = new HalfFloat((short) random.nextInt());
            float product = a.getFloat32() * b.getFloat32();
            if (Float.isFinite(product) && Float.isFinite(c.getFloat32())) {
                java.math.BigDecimal exact = new java.math.BigDecimal(a.getFloat32())
                        .multiply(new java.math.BigDecimal(b.getFloat32()))
                        .add(new java.math.BigDecimal(c.getFloat32()));
                float fused = Half2.lowFloat(Half2.fma(new Half2(a, a), new Half2(b, b), new Half2(c, c)));
                if (exact.abs().doubleValue() < 65500) {
                    java.math.BigDecimal error =
                            exact.subtract(new java.math.BigDecimal(fused)).abs();
                    for (float other : new float[] {neighbour(fused, 1), neighbour(fused, -1)}) {
                        assertThat(error)
                                .as("%s * %s + %s", a, b, c)
                                .isLessThanOrEqualTo(exact.subtract(new java.math.BigDecimal(other))
                                        .abs());
                    }
                }
            }
        }
    }

    private static float neighbour(float half, int direction) {
        short bits = Float.floatToFloat16(half);
        if ((bits & 0x7fff) == 0) {
            return Float.float16ToFloat((short) (direction > 0 ? 0x0001 : 0x8001));
        }
        return Math.clamp(Float.float16ToFloat((short) (bits + direction)), -65504f, 65504f);
    }

    @Test
    void mathFollowsJava() {
        assertThat(TornadoMath.fract(-1.25f)).isEqualTo(0.75f);
        assertThat(TornadoMath.clamp(5, 0, 3)).isEqualTo(3);
        assertThat(TornadoMath.clamp(Float.NaN, 0f, 1f)).isNaN();
        assertThat(TornadoMath.log2(8f)).isEqualTo(3);
        assertThat(TornadoMath.exp(1f)).isEqualTo((float) Math.E);
        assertThat(TornadoMath.floor(-1.5f)).isEqualTo(-2);
        assertThat(TornadoMath.min(Float.NaN, 1f)).isNaN();
        assertThat(TornadoMath.max(-0f, 0f)).isEqualTo(0f);
        assertThat(TornadoMath.signum(-3f)).isEqualTo(-1);
        assertThat(TornadoMath.asinh(2f)).isEqualTo(1.4436355f);
        assertThat(TornadoMath.acosh(2f)).isEqualTo(1.316958f);
        assertThat(TornadoMath.sinpi(0.5f)).isEqualTo(1);
        assertThat(TornadoMath.abs((byte) -3)).isEqualTo((byte) 3);
    }

    @Test
    void packedDotProducts() {
        Int8Array a = Int8Array.fromElements((byte) 1, (byte) -2, (byte) 3, (byte) 127, (byte) 2);
        assertThat(QuantizationUtils.dp4a(a, 0, a, 0, 5)).isEqualTo(16148);
        assertThat(QuantizationUtils.dp4a(a, 1, new byte[] {9, 1, 1, 1, 1}, 1, 0))
                .isEqualTo(130);
        assertThat(QuantizationUtils.dp4a_packed(0x80FF7F01, 0x80FF7F01, -1)).isEqualTo(32514);
        assertThat(QuantizationUtils.dequantizeFusedResult(7, 0.5f, 3f)).isEqualTo(10.5f);
    }
}
