package io.sage4j.tornadojvm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import uk.ac.manchester.tornado.api.KernelContext;
import uk.ac.manchester.tornado.api.TaskGraph;
import uk.ac.manchester.tornado.api.enums.MMAShape;
import uk.ac.manchester.tornado.api.types.BFloat16;
import uk.ac.manchester.tornado.api.types.FP8;
import uk.ac.manchester.tornado.api.types.HalfFloat;
import uk.ac.manchester.tornado.api.types.arrays.BFloat16Array;
import uk.ac.manchester.tornado.api.types.arrays.ByteArray;
import uk.ac.manchester.tornado.api.types.arrays.FP8Array;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.HalfFloatArray;
import uk.ac.manchester.tornado.api.types.arrays.IntArray;

/**
 * Every kind of warp matrix product against a plain one, with tiles packed the way TornadoVM's own GEMM tests pack them,
 * and the fragments themselves against the tables of the PTX ISA.
 */
class MatrixOperationTest {
    private static final int M = 16;
    private static final int N = 8;

    private static void run(TaskGraph graph) {
        Kernels.run(graph, Kernels.grid(32, 32));
    }

    /* ---- halves and bfloat16: 16 x 8 x k ---- */

    /** Two column panels beside each other, found by byte offsets; k in steps of 16. */
    static void halves(KernelContext context, HalfFloatArray a, HalfFloatArray b, FloatArray c, int k) {
        int[] aTile = context.allocateIntLocalArray(M * 16 / 2);
        int[] bTiles = context.allocateIntLocalArray(2 * 16 * N / 2);
        float[] left = context.mmaFragment(0);
        float[] right = context.mmaFragment(0);
        for (int step = 0; step < k; step += 16) {
            for (int i = context.localIdx; i < M * 8; i += 32) {
                int at = i / 8 * k + step + i % 8 * 2;
                aTile[i] = pair(a.get(at).getHalfFloatValue(), a.get(at + 1).getHalfFloatValue());
            }
            for (int i = context.localIdx; i < 2 * 16 * 4; i += 32) {
                int at = (step + i % 64 / 4) * 2 * N + i / 64 * N + i % 4 * 2;
                bTiles[i] = pair(b.get(at).getHalfFloatValue(), b.get(at + 1).getHalfFloatValue());
            }
            context.localBarrier();
            HalfFloat[] fragment = context.mmaLoadA(aTile, 16);
            left = context.mma(fragment, context.mmaLoadB(bTiles, 16), left, MMAShape.M16N8K16);
            right = context.mma(fragment, context.mmaLoadB(bTiles, 16, 16 * 16), right, MMAShape.M16N8K16);
            context.localBarrier();
        }
        context.mmaStore(left, c, 0, 0, 2 * N);
        context.mmaStore(right, c, 0, N, 2 * N);
    }

    private static int pair(short low, short high) {
        return (low & 0xffff) | high << 16;
    }

    @ParameterizedTest
    @ValueSource(ints = {16, 48})
    void halvesMatchAPlainProduct(int k) {
        Random random = seeded(1 + k);
        HalfFloatArray a = new HalfFloatArray(M * k);
        HalfFloatArray b = new HalfFloatArray(k * 2 * N);
        for (int i = 0; i < a.getSize(); i++) {
            a.set(i, new HalfFloat((float) random.nextGaussian()));
        }
        for (int i = 0; i < b.getSize(); i++) {
            b.set(i, new HalfFloat((float) random.nextGaussian()));
        }
        FloatArray c = new FloatArray(M * 2 * N);
        run(new TaskGraph("g").task("t", MatrixOperationTest::halves, new KernelContext(), a, b, c, k));
        for (int row = 0; row < M; row++) {
            for (int column = 0; column < 2 * N; column++) {
                double sum = 0;
                for (int i = 0; i < k; i++) {
                    sum += (double) a.get(row * k + i).getFloat32()
                            * b.get(i * 2 * N + column).getFloat32();
                }
                assertThat((double) c.get(row * 2 * N + column)).isCloseTo(sum, within(1e-6 * (1 + Math.abs(sum))));
            }
        }
    }

    static void swizzled(KernelContext context, HalfFloatArray a, HalfFloatArray b, FloatArray c) {
        int[] aTile = context.allocateIntLocalArray(2 * M * 16 / 2);
        HalfFloat[] bTiles = context.allocateHalfFloatLocalArray(2 * 16 * N);
        for (int i = context.localIdx; i < M * 8; i += 32) {
            aTile[M * 8 + i] =
                    pair(a.get(2 * i).getHalfFloatValue(), a.get(2 * i + 1).getHalfFloatValue());
        }
        for (int i = context.localIdx; i < 16 * N; i += 32) {
            context.swizzleStoreFp16Stride32(bTiles, i / N, i % N, N, b.get(i));
            context.mmaStoreBSwizzled(bTiles, i / N, i % N, N, b.get(i), 16 * N * 2);
        }
        context.localBarrier();
        HalfFloat[] fragment = context.mmaLoadA(aTile, 16, M * 32);
        float[] sum = context.mma(
                fragment, context.mmaLoadBSwizzled(bTiles, 16), context.mmaFragment(0.5f), MMAShape.M16N8K16);
        sum = context.mma(fragment, context.mmaLoadBSwizzled(bTiles, 16, 16 * N * 2), sum, MMAShape.M16N8K16);
        context.mmaStore(sum, c, 0, 0, N);
    }

    @Test
    void swizzledTilesAndByteOffsetsGiveTheSameProduct() {
        Random random = seeded(2);
        HalfFloatArray a = new HalfFloatArray(M * 16);
        HalfFloatArray b = new HalfFloatArray(16 * N);
        for (int i = 0; i < a.getSize(); i++) {
            a.set(i, new HalfFloat(random.nextInt(9) - 4f));
        }
        for (int i = 0; i < b.getSize(); i++) {
            b.set(i, new HalfFloat(random.nextInt(9) - 4f));
        }
        FloatArray c = new FloatArray(M * N);
        run(new TaskGraph("g").task("t", MatrixOperationTest::swizzled, new KernelContext(), a, b, c));
        for (int row = 0; row < M; row++) {
            for (int column = 0; column < N; column++) {
                float sum = 0.5f;
                for (int i = 0; i < 16; i++) {
                    sum += 2
                            * a.get(row * 16 + i).getFloat32()
                            * b.get(i * N + column).getFloat32();
                }
                assertThat(c.get(row * N + column)).isEqualTo(sum);
            }
        }
    }

    static void swizzledPlaces(KernelContext context, IntArray out) {
        int rows = 64;
        for (int row = 0; row < rows; row++) {
            for (int col = 0; col < 16; col++) {
                HalfFloat[] wide = context.allocateHalfFloatLocalArray(rows * 16);
                HalfFloat mark = new HalfFloat(1f);
                context.swizzleStoreFp16Stride32(wide, row, col, 16, mark);
                HalfFloat[] narrow = context.allocateHalfFloatLocalArray(rows * 16);
                context.swizzleStoreFp16Stride16(narrow, row, col, 16, mark);
                byte[] bytes = context.allocateByteLocalArray(rows * 16);
                context.swizzleStoreInt8(bytes, row, col, 16, (byte) 1);
                int found = 0;
                for (int i = 0; i < rows * 16; i++) {
                    found += wide[i] == mark ? i : 0;
                    found += narrow[i] == mark ? i << 10 : 0;
                    found += bytes[i] == 1 ? i << 20 : 0;
                }
                boolean back = context.swizzleLoadFp16Stride32(wide, row, col, 16) == mark
                        && context.swizzleLoadFp16Stride16(narrow, row, col, 16) == mark
                        && context.swizzleLoadInt8(bytes, row, col, 16) == 1;
                out.set(row * 16 + col, back ? found : -1);
            }
        }
    }

    @Test
    void swizzledPlacesFollowTheFormula() {
        IntArray out = new IntArray(64 * 16);
        Kernels.run(new TaskGraph("g").task("t", MatrixOperationTest::swizzledPlaces, new KernelContext(), out), null);
        for (int i = 0; i < out.getSize(); i++) {
            int offset = 2 * i;
            int wide = (offset ^ ((offset >> 7) & 0b111) << 4) / 2;
            int narrow = (offset ^ ((offset >> 6) & 0b111) << 3) / 2;
            int bytes = i ^ ((i >> 7) & 0b111) << 4;
            assertThat(out.get(i)).as("element %d", i).isEqualTo(wide | narrow << 10 | bytes << 20);
        }
    }

    static void bfloats(KernelContext context, BFloat16Array a, BFloat16Array b, FloatArray c) {
        int[] aTile = context.allocateIntLocalArray(M * 8);
        int[] bTile = context.allocateIntLocalArray(16 * 4);
        for (int i = context.localIdx; i < M * 8; i += 32) {
            aTile[i] = pair(a.get(2 * i), a.get(2 * i + 1));
        }
        for (int i = context.localIdx; i < 16 * 4; i += 32) {
            bTile[i] = pair(b.get(2 * i), b.get(2 * i + 1));
        }
        context.localBarrier();
        float[] sum = context.mmaBF16(
                context.mmaLoadA(aTile, 16), context.mmaLoadB(bTile, 16), context.mmaFragment(0), MMAShape.M16N8K16);
        context.mmaStore(sum, c, 0, 0, N);
    }

    @Test
    void bfloat16MatchesAPlainProduct() {
        Random random = seeded(3);
        BFloat16Array a = new BFloat16Array(M * 16);
        BFloat16Array b = new BFloat16Array(16 * N);
        for (int i = 0; i < a.getSize(); i++) {
            a.setFloat(i, (float) random.nextGaussian() * 1e20f); // far outside the range of halves
        }
        for (int i = 0; i < b.getSize(); i++) {
            b.setFloat(i, (float) random.nextGaussian());
        }
        FloatArray c = new FloatArray(M * N);
        run(new TaskGraph("g").task("t", MatrixOperationTest::bfloats, new KernelContext(), a, b, c));
        for (int row = 0; row < M; row++) {
            for (int column = 0; column < N; column++) {
                double sum = 0;
                for (int i = 0; i < 16; i++) {
                    sum += (double) BFloat16.bf16ToFloat(a.get(row * 16 + i))
                            * BFloat16.bf16ToFloat(b.get(i * N + column));
                }
                assertThat((double) c.get(row * N + column)).isCloseTo(sum, within(1e14 + 1e-6 * Math.abs(sum)));
            }
        }
    }

    /* ---- bytes: 16 x 8 x 32; two bytes adjacent in k make one 16-bit element of B ---- */

    private static int four(int b0, int b1, int b2, int b3) {
        return b0 & 0xff | (b1 & 0xff) << 8 | (b2 & 0xff) << 16 | b3 << 24;
    }

    static void integers(KernelContext context, ByteArray a, ByteArray b, IntArray c) {
        int[] aTile = context.allocateIntLocalArray(M * 8);
        int[] bTile = context.allocateIntLocalArray(16 * 4);
        for (int i = context.localIdx; i < M * 8; i += 32) {
            aTile[i] = four(a.get(4 * i), a.get(4 * i + 1), a.get(4 * i + 2), a.get(4 * i + 3));
        }
        for (int i = context.localIdx; i < 64; i += 32) {
            int k = i / 4 * 2;
            int n = i % 4 * 2;
            bTile[i] = four(b.get(k * N + n), b.get((k + 1) * N + n), b.get(k * N + n + 1), b.get((k + 1) * N + n + 1));
        }
        context.localBarrier();
        byte[] fragA = context.mmaLoadAInt8(aTile, 32);
        byte[] fragB = context.mmaLoadBInt8(bTile, 32);
        int[] sum = context.mmaInt8(fragA, fragB, context.mmaFragmentInt(7), MMAShape.M16N8K32);
        sum = context.mmaInt8(fragA, fragB, sum, MMAShape.M16N8K32);
        context.mmaStoreInt(sum, c, 0, 0, N);
    }

    @Test
    void int8MatchesAPlainProductExactly() {
        Random random = seeded(4);
        ByteArray a = new ByteArray(M * 32);
        ByteArray b = new ByteArray(32 * N);
        for (int i = 0; i < a.getSize(); i++) {
            a.set(i, i == 0 ? -128 : (byte) random.nextInt());
        }
        for (int i = 0; i < b.getSize(); i++) {
            b.set(i, i == 0 ? -128 : (byte) random.nextInt());
        }
        IntArray c = new IntArray(M * N);
        run(new TaskGraph("g").task("t", MatrixOperationTest::integers, new KernelContext(), a, b, c));
        for (int row = 0; row < M; row++) {
            for (int column = 0; column < N; column++) {
                int sum = 7;
                for (int i = 0; i < 32; i++) {
                    sum += 2 * a.get(row * 32 + i) * b.get(i * N + column);
                }
                assertThat(c.get(row * N + column)).isEqualTo(sum);
            }
        }
    }

    static void floats8(KernelContext context, FP8Array a, FP8Array b, FloatArray c, boolean e4m3) {
        int[] aTile = context.allocateIntLocalArray(M * 8);
        int[] bTile = context.allocateIntLocalArray(16 * 4);
        for (int i = context.localIdx; i < M * 8; i += 32) {
            context.asyncCopyToLocal(aTile, i, a, 4 * i);
        }
        context.asyncCopyCommit();
        for (int i = context.localIdx; i < 64; i += 32) {
            int k = i / 4 * 2;
            int n = i % 4 * 2;
            bTile[i] = four(b.get(k * N + n), b.get((k + 1) * N + n), b.get(k * N + n + 1), b.get((k + 1) * N + n + 1));
        }
        context.asyncCopyWaitGroup(0);
        context.localBarrier();
        byte[] fragA = context.mmaLoadAFP8(aTile, 32);
        byte[] fragB = context.mmaLoadBFP8(bTile, 32);
        float[] zero = context.mmaFragment(0);
        float[] sum = e4m3
                ? context.mmaFP8E4M3(fragA, fragB, zero, MMAShape.M16N8K32)
                : context.mmaFP8E5M2(fragA, fragB, zero, MMAShape.M16N8K32);
        context.mmaStore(sum, c, 0, 0, N);
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void fp8MatchesAPlainProduct(boolean e4m3) {
        Random random = seeded(e4m3 ? 5 : 6);
        FP8Array a = new FP8Array(M * 32);
        FP8Array b = new FP8Array(32 * N);
        for (int i = 0; i < a.getSize(); i++) {
            a.set(i, finite(random, e4m3));
        }
        for (int i = 0; i < b.getSize(); i++) {
            b.set(i, finite(random, e4m3));
        }
        FloatArray c = new FloatArray(M * N);
        run(new TaskGraph("g").task("t", MatrixOperationTest::floats8, new KernelContext(), a, b, c, e4m3));
        for (int row = 0; row < M; row++) {
            for (int column = 0; column < N; column++) {
                double sum = 0;
                for (int i = 0; i < 32; i++) {
                    sum += value(a.get(row * 32 + i), e4m3) * value(b.get(i * N + column), e4m3);
                }
                assertThat(c.get(row * N + column)).isEqualTo((float) sum);
            }
        }
    }

    private static byte finite(Random random, boolean e4m3) {
        byte bits;
        do {
            bits = (byte) random.nextInt();
        } while (!Double.isFinite(value(bits, e4m3)));
        return bits;
    }

    private static double value(byte bits, boolean e4m3) {
        return e4m3 ? FP8.e4m3ToFloat(bits) : FP8.e5m2ToFloat(bits);
    }

    /* ---- fragments, against the tables of the PTX ISA ---- */

    /** Tiles that hold their own indices, so that a fragment tells where its elements come from. */
    static void origins(KernelContext context, IntArray halfA, IntArray halfB, IntArray byteA, IntArray byteB) {
        int lane = context.localIdx;
        int[] tile = context.allocateIntLocalArray(128);
        for (int i = lane; i < 128; i += 32) {
            tile[i] = pair((short) (2 * i), (short) (2 * i + 1));
        }
        int[] bytes = context.allocateIntLocalArray(128);
        for (int i = lane; i < 128; i += 32) {
            bytes[i] = four(4 * i, 4 * i + 1, 4 * i + 2, 4 * i + 3);
        }
        context.localBarrier();
        HalfFloat[] a16 = context.mmaLoadA(tile, 16);
        for (int i = 0; i < 8; i++) {
            halfA.set(lane * 8 + i, a16[i].getHalfFloatValue());
        }
        HalfFloat[] b16 = context.mmaLoadB(tile, 16);
        for (int i = 0; i < 4; i++) {
            halfB.set(lane * 4 + i, b16[i].getHalfFloatValue());
        }
        byte[] a8 = context.mmaLoadAInt8(bytes, 32);
        for (int i = 0; i < 16; i++) {
            byteA.set(lane * 16 + i, a8[i] & 0xff);
        }
        byte[] b8 = context.mmaLoadBInt8(bytes, 32);
        for (int i = 0; i < 8; i++) {
            byteB.set(lane * 8 + i, b8[i] & 0xff);
        }
    }

    @Test
    void fragmentsAreLaidOutAsPtxSays() {
        IntArray halfA = new IntArray(32 * 8);
        IntArray halfB = new IntArray(32 * 4);
        IntArray byteA = new IntArray(32 * 16);
        IntArray byteB = new IntArray(32 * 8);
        run(new TaskGraph("g")
                .task("t", MatrixOperationTest::origins, new KernelContext(), halfA, halfB, byteA, byteB));
        for (int lane = 0; lane < 32; lane++) {
            int groupId = lane >> 2;
            int threadInGroup = lane % 4;
            for (int i = 0; i < 8; i++) {
                boolean upper = i < 2 || i >= 4 && i < 6;
                int row = upper ? groupId : groupId + 8;
                int column = i < 4 ? threadInGroup * 2 + (i & 1) : threadInGroup * 2 + (i & 1) + 8;
                assertThat(halfA.get(lane * 8 + i))
                        .as("a%d of lane %d", i, lane)
                        .isEqualTo(row * 16 + column);
            }
            for (int i = 0; i < 4; i++) {
                int row = i < 2 ? threadInGroup * 2 + (i & 1) : threadInGroup * 2 + (i & 1) + 8;
                assertThat(halfB.get(lane * 4 + i))
                        .as("b%d of lane %d", i, lane)
                        .isEqualTo(row * 8 + groupId);
            }
            for (int i = 0; i < 16; i++) {
                boolean upper = i < 4 || i >= 8 && i < 12;
                int row = upper ? groupId : groupId + 8;
                int column = i < 8 ? threadInGroup * 4 + (i & 3) : threadInGroup * 4 + (i & 3) + 16;
                assertThat(byteA.get(lane * 16 + i))
                        .as("a%d of lane %d", i, lane)
                        .isEqualTo(row * 32 + column & 0xff);
            }
            for (int i = 0; i < 8; i++) {
                int row = i < 4 ? threadInGroup * 4 + (i & 3) : threadInGroup * 4 + (i & 3) + 16;
                int place = row / 2 * 16 + groupId * 2 + row % 2;
                assertThat(byteB.get(lane * 8 + i))
                        .as("b%d of lane %d", i, lane)
                        .isEqualTo(place);
            }
        }
    }

    /* ---- 8 x 8 ---- */

    static void eightByEight(KernelContext context, FloatArray a, FloatArray b, FloatArray c, FloatArray d) {
        context.matrixMultiply8x8(a, 1, 17, b, 0, 8, c, 0, 8, 16);
        float[] local = context.allocateFloatLocalArray(64);
        for (int i = context.localIdx; i < 64; i += 32) {
            local[i] = b.get(i);
        }
        context.localBarrier();
        context.simdgroupMatrixStore(
                context.simdgroupMatrixMultiplyAccumulate(
                        context.simdgroupMatrixLoad(a, 1, 17),
                        context.simdgroupMatrixLoad(local, 0, 8),
                        context.simdgroupMatrixMultiplyAccumulate(
                                context.simdgroupMatrixLoad(a, 9, 17),
                                context.simdgroupMatrixLoad(b, 64, 8),
                                context.simdgroupMatrixZero())),
                d,
                0,
                8);
    }

    @Test
    void eightByEightProductsMatch() {
        FloatArray a = new FloatArray(1 + 8 * 17);
        FloatArray b = new FloatArray(16 * 8);
        Random random = seeded(7);
        for (int i = 0; i < a.getSize(); i++) {
            a.set(i, random.nextInt(19) - 9f);
        }
        for (int i = 0; i < b.getSize(); i++) {
            b.set(i, random.nextInt(19) - 9f);
        }
        FloatArray c = new FloatArray(64);
        FloatArray d = new FloatArray(64);
        run(new TaskGraph("g").task("t", MatrixOperationTest::eightByEight, new KernelContext(), a, b, c, d));
        for (int i = 0; i < 64; i++) {
            float sum = 0;
            for (int k = 0; k < 16; k++) {
                sum += a.get(1 + i / 8 * 17 + k) * b.get(k * 8 + i % 8);
            }
            assertThat(c.get(i)).isEqualTo(sum);
            assertThat(d.get(i)).isEqualTo(sum);
        }
    }

    /* ---- misuse ---- */

    static void wrongShape(KernelContext context, int depth, MMAShape shape) {
        int[] tile = context.allocateIntLocalArray(128);
        HalfFloat[] a = context.mmaLoadA(tile, depth);
        context.mma(a, context.mmaLoadB(tile, 16), context.mmaFragment(0), shape);
    }

    static void outsideTile(KernelContext context) {
        context.mmaLoadA(context.allocateIntLocalArray(127), 16);
    }

    static void crookedOffset(KernelContext context) {
        context.mmaLoadB(context.allocateIntLocalArray(128), 16, 8);
    }

    @Test
    void misuseIsReported() {
        KernelContext context = new KernelContext();
        assertThatThrownBy(() -> run(
                        new TaskGraph("g").task("t", MatrixOperationTest::wrongShape, context, 32, MMAShape.M16N8K16)))
                .hasMessageContaining("tile depth 32, expected 16");
        assertThatThrownBy(() -> run(
                        new TaskGraph("g").task("t", MatrixOperationTest::wrongShape, context, 16, MMAShape.M16N8K32)))
                .hasMessageContaining("mma of shape M16N8K32, expected M16N8K16");
        assertThatThrownBy(() -> run(new TaskGraph("g").task("t", MatrixOperationTest::outsideTile, context)))
                .hasMessageContaining("127 out of bounds");
        assertThatThrownBy(() -> run(new TaskGraph("g").task("t", MatrixOperationTest::crookedOffset, context)))
                .hasMessageContaining("byte offset 8 is no multiple of 16");
        TaskGraph partial =
                new TaskGraph("g").task("t", MatrixOperationTest::wrongShape, context, 16, MMAShape.M16N8K16);
        assertThatThrownBy(() -> Kernels.run(partial, Kernels.grid(16, 16)))
                .hasMessageContaining("mma in a warp of only 16 work-items");
    }

    static void unawaited(KernelContext context, ByteArray in, IntArray out) {
        int[] tile = context.allocateIntLocalArray(3);
        context.asyncCopyToLocal(tile, 0, in, 0);
        context.asyncCopyCommit();
        context.asyncCopyToLocal(tile, 1, in, 4);
        context.asyncCopyCommit();
        out.set(0, tile[0]);
        context.asyncCopyWaitGroup(1);
        out.set(1, tile[0]);
        out.set(2, tile[1]);
        context.asyncCopyWaitGroup(0);
        out.set(3, tile[1]);
    }

    @Test
    void asynchronousCopiesArriveWhenWaitedFor() {
        ByteArray in = ByteArray.fromElements(new byte[] {1, 2, 3, -4, 5, 6, 7, 8});
        IntArray out = new IntArray(4);
        Kernels.run(new TaskGraph("g").task("t", MatrixOperationTest::unawaited, new KernelContext(), in, out), null);
        assertThat(out.toHeapArray()).containsExactly(0, 0xfc030201, 0, 0x08070605);
    }

    private static Random seeded(long seed) {
        System.out.println("seed " + seed);
        return new Random(seed);
    }
}
