package io.sage4j.plan;

import static org.assertj.core.api.Assertions.assertThat;

import io.sage4j.AttentionSpec;
import io.sage4j.DType;
import io.sage4j.Variant;
import io.sage4j.numeric.AttentionShape;
import io.sage4j.numeric.BFloat16;
import io.sage4j.numeric.Float16;
import io.sage4j.numeric.Scheme;
import io.sage4j.plan.NativeAttention.Placed;
import io.sage4j.ptx.Arch;
import io.sage4j.ptx.kernel.PackedWork;
import io.sage4j.ptx.kernel.WgmmaAttentionSpec;
import io.sage4j.ptx.kernel.WorkProbe;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Packed sequences in the interpreter: what is made of K and V of all of them at once is, to the bit, what calls of their own make, and the
 * attention kernel, which the interpreter lacks, is told of each work tile once and rightly.
 */
class PackedAttentionTest {
    private static final int Q_HEADS = 4;
    private static final int KV_HEADS = 2;
    private static final float SM_SCALE = 0.25f;

    /** Sequences and their data, tokens outermost. */
    private record Data(int[] qStarts, int[] kStarts, DType type, int dim, short[] q, short[] k, short[] v) {
        static Data of(Random random, int[] qLens, int[] kLens, DType type, int dim) {
            int[] qStarts = starts(qLens);
            int[] kStarts = starts(kLens);
            return new Data(
                    qStarts,
                    kStarts,
                    type,
                    dim,
                    normal(random, type, qStarts[qLens.length] * Q_HEADS * dim),
                    normal(random, type, kStarts[kLens.length] * KV_HEADS * dim),
                    normal(random, type, kStarts[kLens.length] * KV_HEADS * dim));
        }

        private static int[] starts(int[] lengths) {
            int[] starts = new int[lengths.length + 1];
            for (int n = 0; n < lengths.length; n++) {
                starts[n + 1] = starts[n] + lengths[n];
            }
            return starts;
        }

        private static short[] normal(Random random, DType type, int count) {
            short[] values = new short[count];
            for (int n = 0; n < count; n++) {
                float value = (float) random.nextGaussian() + n % 5;
                values[n] = type == DType.FLOAT16 ? Float16.encode(value) : BFloat16.encode(value);
            }
            return values;
        }

        List<PackedWork.Sequence> sequences(AttentionSpec.Causal causal) {
            List<PackedWork.Sequence> sequences = new ArrayList<>();
            for (int n = 0; n + 1 < qStarts.length; n++) {
                int qoLen = qStarts[n + 1] - qStarts[n];
                int kvLen = kStarts[n + 1] - kStarts[n];
                if (qoLen > 0 && kvLen > 0) {
                    sequences.add(new PackedWork.Sequence(
                            qStarts[n], qoLen, kStarts[n], kvLen, causal.diagonal(qoLen, kvLen)));
                }
            }
            return sequences;
        }

        NativeAttention.Call call(InterpretedDevice device, Scheme scheme, PackedWork.Sequence s, boolean lse) {
            int qFirst = s == null ? 0 : s.qStart();
            int kFirst = s == null ? 0 : s.kvStart();
            int qoLen = s == null ? qStarts[qStarts.length - 1] : s.qoLen();
            int kvLen = s == null ? kStarts[kStarts.length - 1] : s.kvLen();
            long out = device.allocate((long) qoLen * Q_HEADS * dim * Short.BYTES);
            return new NativeAttention.Call(
                    new AttentionShape(1, Q_HEADS, KV_HEADS, qoLen, kvLen, dim),
                    scheme,
                    s == null ? 0 : s.diagonal(),
                    SM_SCALE,
                    type,
                    placed(device, q, Q_HEADS, qFirst, qoLen),
                    placed(device, k, KV_HEADS, kFirst, kvLen),
                    placed(device, v, KV_HEADS, kFirst, kvLen),
                    new Placed(out, 0, dim, (long) Q_HEADS * dim),
                    lse ? device.allocate((long) Q_HEADS * qoLen * Float.BYTES) : 0);
        }

        private Placed placed(InterpretedDevice device, short[] values, int heads, int first, int tokens) {
            MemorySegment segment = device.segment((long) tokens * heads * dim * Short.BYTES);
            MemorySegment.copy(values, first * heads * dim, segment, ValueLayout.JAVA_SHORT, 0, tokens * heads * dim);
            return new Placed(device.global.map(segment), 0, dim, (long) heads * dim);
        }
    }

    private static InterpretedDevice later() {
        return InterpretedDevice.later(Arch.SM_90A, 3, 1L << 20);
    }

    private static Random random() {
        long seed = new Random().nextLong();
        System.out.println("PackedAttentionTest seed " + seed);
        return new Random(seed);
    }

    @ParameterizedTest
    @CsvSource({
        "int8-fp8-sm90, FLOAT16, 64, false",
        "int8-fp8-sm90, BFLOAT16, 128, true",
        "int8-fp16-sm90, FLOAT16, 72, true",
        "int8-fp16-sm90, BFLOAT16, 8, false",
        "int8-fp8-sm90-fast, FLOAT16, 104, false",
    })
    void whatIsMadeOfAllAtOnceIsWhatCallsOfTheirOwnMake(String variant, DType type, int dim, boolean smoothV) {
        Scheme scheme = Variant.of(variant).scheme().withSmoothV(smoothV);
        // More tiles than are joined at once, one token, whole tiles, sequences without queries or keys.
        Data data =
                Data.of(random(), new int[] {130, 1, 0, 64, 5, 200}, new int[] {129, 1, 70, 0, 2177, 256}, type, dim);
        List<PackedWork.Sequence> sequences = data.sequences(AttentionSpec.Causal.NONE);
        boolean fp8 = scheme.pv().scalesV();
        int paddedDim = dim <= 64 ? 64 : 128;
        try (InterpretedDevice device = later()) {
            PackedAttention.Tables tables = run(device, data.call(device, scheme, null, true), sequences);
            MemorySegment content = device.allocated.get(tables.address());
            long[] sums = LongStream.range(0, sequences.size())
                    .map(n -> 0x500 + 16 * n)
                    .toArray();
            tables.write(content.asSlice(0, tables.bytes()), sums);
            long at = (long) device.argumentsOf.get("attend").get(12 - (fp8 ? 0 : 1) + (smoothV ? 1 : 0))
                    - tables.address();
            assertThat(content.asSlice(at, sums.length * 8L).toArray(ValueLayout.JAVA_LONG))
                    .as("addresses of the sums")
                    .isEqualTo(sums);
            device.run();
            assertThat(device.steps).containsExactly("quantize-kv", "lse-correction", "attend");
            assertThat(device.overlapping).as("behind another kernel").isEmpty();
            int tile = 0;
            for (int n = 0; n < sequences.size(); n++) {
                PackedWork.Sequence s = sequences.get(n);
                try (InterpretedDevice alone = later()) {
                    NativeAttention.run(alone, data.call(alone, scheme, s, true));
                    alone.run();
                    int tiles = KV_HEADS * Math.ceilDiv(s.kvLen(), 128);
                    String what = "sequence " + n + " ";
                    int kMean = 14;
                    int codes = 15 + (smoothV ? 1 : 0) + (fp8 ? 2 : 0);
                    same(what + "K", device, alone, codes, tile, tiles, 128L * paddedDim);
                    same(what + "K scale", device, alone, codes + 1, tile, tiles, 4L * Float.BYTES);
                    same(what + "V", device, alone, codes + 2, tile, tiles, 128L * paddedDim * (fp8 ? 1 : 2));
                    same(what + "K mean", device, alone, kMean, KV_HEADS * n, KV_HEADS, 4L * paddedDim);
                    if (smoothV) {
                        same(what + "V mean", device, alone, kMean + 1, KV_HEADS * n, KV_HEADS, 4L * paddedDim);
                    }
                    if (fp8) {
                        int vScale = kMean + 1 + (smoothV ? 1 : 0);
                        same(what + "V scale", device, alone, vScale, KV_HEADS * n, KV_HEADS, 4L * paddedDim);
                    }
                    long rows = (long) Q_HEADS * Float.BYTES;
                    byte[] correction = device.argument("lse-correction", 10)
                            .asSlice(rows * s.qStart(), rows * s.qoLen())
                            .toArray(ValueLayout.JAVA_BYTE);
                    assertThat(correction)
                            .as(what + "correction")
                            .isEqualTo(alone.argument("lse-correction", 10)
                                    .asSlice(0, rows * s.qoLen())
                                    .toArray(ValueLayout.JAVA_BYTE));
                    tile += tiles;
                }
            }
        }
    }

    private static PackedAttention.Tables run(
            InterpretedDevice device, NativeAttention.Call call, List<PackedWork.Sequence> sequences) {
        PackedWork.Device on =
                PackedWork.Device.of(call.shape(), call.scheme(), device.multiprocessors(), device.cacheBytes());
        return PackedAttention.run(device, call, new PackedWork(sequences, on));
    }

    /** Of {@code count} pieces from {@code first} on, those of quantize-kv's argument in both. */
    private static void same(
            String what,
            InterpretedDevice all,
            InterpretedDevice alone,
            int argument,
            int first,
            int count,
            long bytes) {
        byte[] here = all.argument("quantize-kv", argument)
                .asSlice(first * bytes, count * bytes)
                .toArray(ValueLayout.JAVA_BYTE);
        byte[] there = alone.argument("quantize-kv", argument)
                .asSlice(0, count * bytes)
                .toArray(ValueLayout.JAVA_BYTE);
        assertThat(here).as(what).isEqualTo(there);
    }

    @ParameterizedTest
    @CsvSource({"64, NONE, 3", "64, TOP_LEFT, 20", "128, BOTTOM_RIGHT, 9", "128, NONE, 40"})
    void theAttentionKernelGetsEachWorkTileOnceTheLongestFirst(int dim, AttentionSpec.Causal causal, int count) {
        Random random = random();
        int[] qLens = random.ints(count, 0, 1500).toArray();
        int[] kLens = random.ints(count, 0, 1500).toArray();
        qLens[0] = 1;
        kLens[1] = 1;
        qLens[2] = 0;
        Data data = Data.of(random, qLens, kLens, DType.FLOAT16, dim);
        List<PackedWork.Sequence> sequences = data.sequences(causal);
        Scheme scheme = Variant.of("int8-fp8-sm90").scheme();
        try (InterpretedDevice device = later()) {
            PackedAttention.Tables tables = run(device, data.call(device, scheme, null, false), sequences);
            MemorySegment content = device.allocated.get(tables.address());
            tables.write(content.asSlice(0, tables.bytes()), null);
            assertThat(device.overlapping).containsExactly("attend");
            PackedWork work = tables.work();
            int words = WorkProbe.PACKED_WORDS;
            MemorySegment found = device.segment((long) work.count() * words * Integer.BYTES);
            List<Object> arguments = new ArrayList<>(device.argumentsOf.get("attend"));
            arguments.add(device.global.map(found));
            boolean hides = sequences.stream().anyMatch(s -> s.diagonal() < s.kvLen() - 1);
            WgmmaAttentionSpec spec = new WgmmaAttentionSpec(
                    scheme, dim, hides, false, DType.FLOAT16, WgmmaAttentionSpec.Stores.WIDE, true);
            device.simulator.run(
                    WorkProbe.kernel(spec.ofSequences()), device.gridOf.get("attend"), 1, 1, arguments.toArray());
            List<List<Integer>> expected = new ArrayList<>();
            int kvTile = 0;
            for (int n = 0; n < sequences.size(); n++) {
                PackedWork.Sequence s = sequences.get(n);
                for (int head = 0; head < Q_HEADS; head++) {
                    for (int row = 0; row < s.qoLen(); row += spec.rows()) {
                        long last = Math.min(row + spec.rows(), s.qoLen()) - 1L;
                        long keys = Math.max(1, Math.min(s.kvLen(), last + s.diagonal() + 1));
                        int end = (int) Math.ceilDiv(keys, 128L);
                        expected.add(List.of(
                                head,
                                row / spec.rows(),
                                0,
                                end,
                                end,
                                n,
                                kvTile,
                                s.qoLen(),
                                s.kvLen(),
                                s.diagonal(),
                                s.qStart()));
                    }
                }
                kvTile += KV_HEADS * Math.ceilDiv(s.kvLen(), 128);
            }
            List<List<Integer>> actual = new ArrayList<>();
            for (int number = 0; number < work.count(); number++) {
                List<Integer> one = new ArrayList<>();
                for (int word = 0; word < words; word++) {
                    one.add(found.getAtIndex(ValueLayout.JAVA_INT, (long) number * words + word));
                }
                actual.add(one);
            }
            assertThat(actual).containsExactlyInAnyOrderElementsOf(expected);
            for (int number = 1; number < work.count(); number++) {
                boolean sameGroup = number % (work.rowTiles() * work.headGroup()) != 0;
                if (sameGroup) {
                    assertThat(actual.get(number).get(3))
                            .isLessThanOrEqualTo(actual.get(number - 1).get(3));
                }
            }
        }
    }

    /** Measured: results/gpu/packed-h100.json. */
    @ParameterizedTest
    @CsvSource({
        "16, 128, 512, 512, 64, true",
        "16, 128, 2048, 2048, 16, true",
        "32, 128, 2048, 2048, 16, true",
        "16, 128, 1, 4096, 64, true",
        "8, 128, 300, 300, 3, true",
        "32, 128, 1, 16384, 8, false",
        "8, 128, 16, 8192, 4, false",
        "32, 64, 1, 16384, 8, false",
    })
    void oneLaunchIsTakenWhereItIsFaster(int heads, int dim, int qoLen, int kvLen, int count, boolean pays) {
        List<PackedWork.Sequence> sequences = new ArrayList<>();
        for (int n = 0; n < count; n++) {
            sequences.add(new PackedWork.Sequence(n * qoLen, qoLen, n * kvLen, kvLen, AttentionProblem.NOT_CAUSAL));
        }
        PackedWork.Device gpu = PackedWork.Device.of(
                new AttentionShape(1, heads, heads, qoLen * count, kvLen * count, dim),
                Variant.of("int8-fp8-sm90").scheme(),
                132,
                50L << 20);
        assertThat(new PackedWork(sequences, gpu).pays()).isEqualTo(pays);
    }

    /** The cache bounds the heads that are at work at a time, and long tiles are spread over the CTAs. */
    @Test
    void longSequencesGoByFewHeadsAndAllCtasHaveMuchTheSameToDo() {
        List<PackedWork.Sequence> sequences = new ArrayList<>();
        int start = 0;
        for (int length = 32; length <= 8192; length *= 2) {
            sequences.add(new PackedWork.Sequence(start, length, start, length, 1 << 28));
            start += length;
        }
        long tileBytes = 2 * 128 * 128;
        PackedWork wide =
                new PackedWork(sequences, new PackedWork.Device(32, 8, 128, 132, tileBytes, 64 * tileBytes * 1000));
        PackedWork narrow =
                new PackedWork(sequences, new PackedWork.Device(32, 8, 128, 132, tileBytes, 64 * tileBytes * 5));
        assertThat(wide.headGroup()).isEqualTo(32);
        assertThat(narrow.headGroup()).isEqualTo(5);
        double all = sequences.stream()
                .mapToDouble(s -> 32.0 * Math.ceilDiv(s.qoLen(), 128) * (Math.ceilDiv(s.kvLen(), 128) + 0.7))
                .sum();
        assertThat(wide.longest()).isBetween(all / 132, all / 132 * 1.06);
        assertThat(narrow.longest()).isBetween(all / 132, all / 132 * 1.2);
        // Of 9 sequences one has more tiles than are joined at once: nine counters for each of its heads.
        assertThat(wide.counters()).isEqualTo(1 + 16 * (7 + 2 * 9));
        assertThat(wide.kvTiles()).isEqualTo(1 + 1 + 1 + 2 + 4 + 8 + 16 + 32 + 64);
        assertThat(wide.items()).isEqualTo(16 * wide.kvTiles());
    }
}
