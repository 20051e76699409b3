package io.sage4j.tornado;

import static org.assertj.core.api.Assertions.assertThat;

import io.sage4j.AttentionSpec;
import io.sage4j.DType;
import io.sage4j.Sage;
import io.sage4j.Tensor;
import io.sage4j.Variant;
import io.sage4j.plan.SourceOrder;
import java.io.IOException;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What keeps a driver's cache of compiled kernels useful: their source is the same in programs that did other things before. */
class SourceOrderTest {
    @TempDir
    private Path folder;

    @Test
    void theSourceOfAKernelDoesNotDependOnWhatElseAProgramDid() throws IOException, InterruptedException {
        String source = PrintedKernels.of(Program.class, folder.resolve("first"), "0");
        assertThat(source).contains("__kernel");
        assertThat(PrintedKernels.of(Program.class, folder.resolve("second"), "1000"))
                .isEqualTo(source);
    }

    /** Attends once, after it has asked the JVM for some hash codes. */
    static final class Program {
        private Program() {}

        public static void main(String[] arguments) {
            SourceOrder.fix();
            int sum = 0;
            for (int i = 0; i < Integer.parseInt(arguments[0]); i++) {
                sum += new Object().hashCode();
            }
            System.out.println(sum);
            long[] shape = {1, 1, 16, 32};
            Tensor in = Tensor.allocate(DType.FLOAT32, shape);
            AttentionSpec spec =
                    AttentionSpec.builder().variant(Variant.of("naive")).build();
            try (Sage sage = Sage.open("tornado")) {
                sage.attend(in, in, in, spec, Tensor.allocate(DType.FLOAT32, shape));
            }
        }
    }
}
