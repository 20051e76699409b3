package io.sage4j.backend;

import static org.assertj.core.api.Assertions.assertThat;

import io.sage4j.AttentionResult;
import io.sage4j.AttentionSpec;
import io.sage4j.DType;
import io.sage4j.GpuStream;
import io.sage4j.Layout;
import io.sage4j.PackedResult;
import io.sage4j.Sage;
import io.sage4j.Tensor;
import io.sage4j.Variant;
import io.sage4j.cuda.CudaContext;
import io.sage4j.cuda.CudaGraph;
import io.sage4j.cuda.CudaStream;
import io.sage4j.cuda.DriverSearch;
import io.sage4j.numeric.Float16;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Packed sequences on a GPU: whichever way they are queued, side by side, behind each other in a graph or one by one from the host, each gives
 * the bits of a call of its own. Skipped where there is no GPU, unless {@code SAGE4J_REQUIRE_CUDA} is set.
 */
class CudaPackedTest {
    private static final short POISON = (short) 0xFFFF;

    @ParameterizedTest
    @CsvSource({
        "int8-fp8-sm90, NONE, HND, 64, false",
        "int8-fp8-sm90, BOTTOM_RIGHT, NHD, 128, true",
        "int8-fp16-sm90, TOP_LEFT, NHD, 72, false",
        "int8-fp16, NONE, NHD, 64, true"
    })
    void everyWayGivesTheBitsOfCallsOfTheirOwn(
            String variant, AttentionSpec.Causal causal, Layout layout, int dim, boolean lse) {
        NativeGpu.orSkip();
        long seed = new Random().nextLong();
        System.out.println("CudaPackedTest seed " + seed);
        Random random = new Random(seed);
        int[] qStarts = starts(random, 24);
        int[] kStarts = starts(random, 24);
        AttentionSpec spec = AttentionSpec.builder()
                .variant(Variant.of(variant))
                .causal(causal)
                .layout(layout)
                .lse(lse)
                .build();
        try (Sage sage = Sage.open(Backends.CUDA);
                CudaContext context =
                        DriverSearch.here().driver().orElseThrow().device(0).retainContext();
                CudaStream stream = context.newStream();
                GpuStream ours = sage.stream(stream.handle())) {
            Tensor q = normal(random, layout, 4, qStarts[24], dim);
            Tensor k = normal(random, layout, 2, kStarts[24], dim);
            Tensor v = normal(random, layout, 2, kStarts[24], dim);
            PackedResult expected = sage.attendPacked(q, k, v, qStarts, kStarts, spec);
            Tensor dq = sage.allocate(DType.FLOAT16, q.shape());
            Tensor dk = sage.allocate(DType.FLOAT16, k.shape());
            Tensor dv = sage.allocate(DType.FLOAT16, v.shape());
            Tensor out = sage.allocate(DType.FLOAT16, q.shape());
            List<Tensor> sums = lse ? new ArrayList<>() : null;
            for (AttentionResult sequence : expected.sequences()) {
                sequence.lse().ifPresent(t -> sums.add(sage.allocate(DType.FLOAT32, t.shape())));
            }
            sage.copy(q, dq);
            sage.copy(k, dk);
            sage.copy(v, dv);
            for (int run = 0; run < 3; run++) {
                poison(sage, out);
                sage.enqueuePacked(dq, dk, dv, qStarts, kStarts, spec, out, sums, ours);
                stream.synchronize();
                same(sage, expected, out, sums);
            }
            try (CudaGraph graph =
                    stream.capture(() -> sage.enqueuePacked(dq, dk, dv, qStarts, kStarts, spec, out, sums, ours))) {
                poison(sage, out);
                graph.launch(stream);
                stream.synchronize();
                same(sage, expected, out, sums);
            }
        }
    }

    /** What is queued before the sequences is done before them, and what is queued behind them waits for all: no copy sees half of it. */
    @Test
    void theStreamsOrderHolds() {
        NativeGpu.orSkip();
        long seed = new Random().nextLong();
        System.out.println("CudaPackedTest seed " + seed);
        Random random = new Random(seed);
        int[] starts = starts(random, 40);
        AttentionSpec spec =
                AttentionSpec.builder().variant(Variant.of("int8-fp8-sm90")).build();
        try (Sage sage = Sage.open(Backends.CUDA);
                GpuStream stream = sage.newStream()) {
            Tensor q = normal(random, Layout.HND, 8, starts[40], 128);
            Tensor dq = sage.allocate(DType.FLOAT16, q.shape());
            Tensor first = sage.allocate(DType.FLOAT16, q.shape());
            Tensor second = sage.allocate(DType.FLOAT16, q.shape());
            sage.copy(q, dq);
            sage.enqueuePacked(dq, dq, dq, starts, starts, spec, first, stream);
            stream.synchronize();
            byte[] once = bytes(sage, first);
            sage.enqueuePacked(first, first, first, starts, starts, spec, second, stream);
            stream.synchronize();
            byte[] twice = bytes(sage, second);
            for (int run = 0; run < 20; run++) {
                poison(sage, first);
                poison(sage, second);
                sage.enqueuePacked(dq, dq, dq, starts, starts, spec, first, stream);
                sage.enqueuePacked(first, first, first, starts, starts, spec, second, stream);
                stream.synchronize();
                assertThat(bytes(sage, first)).isEqualTo(once);
                assertThat(bytes(sage, second)).isEqualTo(twice);
            }
        }
    }

    private static void same(Sage sage, PackedResult expected, Tensor out, List<Tensor> sums) {
        assertThat(bytes(sage, out)).isEqualTo(bytes(sage, expected.output()));
        for (int i = 0; sums != null && i < sums.size(); i++) {
            Tensor sum = expected.sequences().get(i).lse().orElseThrow();
            if (sum.size() > 0) {
                assertThat(bytes(sage, sums.get(i))).as("lse of sequence %d", i).isEqualTo(bytes(sage, sum));
            }
        }
    }

    /** Starts of sequences from 0 to 700 tokens, empty ones among them. */
    private static int[] starts(Random random, int sequences) {
        int[] starts = new int[sequences + 1];
        for (int i = 0; i < sequences; i++) {
            starts[i + 1] = starts[i] + (i % 7 == 3 ? 0 : random.nextInt(1, 700));
        }
        return starts;
    }

    private static Tensor normal(Random random, Layout layout, int heads, int tokens, int dim) {
        Tensor t = layout == Layout.HND
                ? Tensor.allocate(DType.FLOAT16, 1, heads, tokens, dim)
                : Tensor.allocate(DType.FLOAT16, 1, tokens, heads, dim);
        for (long n = 0; n < t.size(); n++) {
            t.data().setAtIndex(ValueLayout.JAVA_SHORT, n, Float16.encode((float) random.nextGaussian()));
        }
        return t;
    }

    private static void poison(Sage sage, Tensor t) {
        Tensor host = Tensor.allocate(t.dtype(), t.shape());
        for (long n = 0; n < t.size(); n++) {
            host.data().setAtIndex(ValueLayout.JAVA_SHORT, n, POISON);
        }
        sage.copy(host, t);
    }

    private static byte[] bytes(Sage sage, Tensor t) {
        Tensor host = t;
        if (t.isOnDevice()) {
            host = Tensor.allocate(t.dtype(), t.shape());
            sage.copy(t, host);
        }
        return host.toSegment().toArray(ValueLayout.JAVA_BYTE);
    }
}
