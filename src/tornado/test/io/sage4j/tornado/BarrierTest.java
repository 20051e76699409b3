package io.sage4j.tornado;

import static org.assertj.core.api.Assertions.assertThat;

import io.sage4j.AttentionSpec;
import io.sage4j.DType;
import io.sage4j.Sage;
import io.sage4j.Tensor;
import io.sage4j.Variant;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Barriers stay where all work-items of a work-group meet. TornadoVM's OpenCL and CUDA backends write the rest of a kernel twice behind
 * some conditions of several parts, its barriers too: then work-items of one warp wait for each other at different ones, for ever on an H100.
 */
class BarrierTest {
    private static final Pattern BLOCK = Pattern.compile("// BLOCK (\\d+)");

    @TempDir
    private Path folder;

    @Test
    void noKernelWithABarrierHasABlockTwice() throws IOException, InterruptedException {
        String source = PrintedKernels.of(Program.class, folder.resolve("kernels"));
        List<String> kernels = Stream.of(source.split("(?=__kernel )"))
                .filter(text -> text.startsWith("__kernel ") && text.contains("barrier("))
                .toList();
        assertThat(kernels).hasSizeGreaterThan(2 * Program.VARIANTS.size() * Program.TYPES.size());
        assertThat(kernels.stream()
                        .filter(BarrierTest::hasABlockTwice)
                        .map(text -> text.substring(0, text.indexOf('('))))
                .isEmpty();
    }

    private static boolean hasABlockTwice(String kernel) {
        List<String> blocks =
                BLOCK.matcher(kernel).results().map(block -> block.group(1)).toList();
        assertThat(blocks).isNotEmpty();
        return Set.copyOf(blocks).size() < blocks.size();
    }

    /** Attends with padding in keys and channels, once for each way to quantize V and each type. */
    static final class Program {
        static final List<String> VARIANTS = List.of("flash", "int8-fp16", "int8-fp8", "int8-int8", "int4-fp8");
        static final List<DType> TYPES = List.of(DType.FLOAT32, DType.FLOAT16, DType.BFLOAT16);

        private Program() {}

        public static void main(String[] arguments) {
            try (Sage sage = Sage.open("tornado")) {
                for (String variant : VARIANTS) {
                    for (DType type : TYPES) {
                        Tensor in = Tensor.allocate(type, 1, 1, 17, 40);
                        AttentionSpec spec = AttentionSpec.builder()
                                .variant(Variant.of(variant))
                                .build();
                        sage.attend(in, in, in, spec);
                    }
                }
            }
        }
    }
}
