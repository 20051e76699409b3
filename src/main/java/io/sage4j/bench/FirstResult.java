package io.sage4j.bench;

import io.sage4j.AttentionSpec;
import io.sage4j.DType;
import io.sage4j.Sage;
import io.sage4j.SageException;
import io.sage4j.Tensor;
import io.sage4j.Variant;
import java.io.PrintStream;
import java.lang.management.ManagementFactory;
import java.util.Locale;

/**
 * How long a new process takes to its first result: {@code java -cp ... io.sage4j.bench.FirstResult BACKEND VARIANT}, with
 * nothing loaded before. Times are since Java started, which is some ten milliseconds before {@code main}.
 */
public final class FirstResult {
    private FirstResult() {}

    /** Runs it in this process, which should be new. */
    public static void main(String[] arguments) {
        try {
            measure(arguments, System.out);
        } catch (SageException e) {
            System.err.println("sage4j: " + e.getMessage());
            System.exit(2);
        }
    }

    static void measure(String[] arguments, PrintStream out) {
        if (arguments.length != 2) {
            throw new SageException("found " + arguments.length + " arguments, expected BACKEND VARIANT");
        }
        long start = ManagementFactory.getRuntimeMXBean().getStartTime();
        long main = System.currentTimeMillis() - start;
        try (Sage sage = Sage.open(arguments[0])) {
            long open = System.currentTimeMillis() - start;
            AttentionSpec spec =
                    AttentionSpec.builder().variant(Variant.of(arguments[1])).build();
            Tensor q = Tensor.allocate(DType.FLOAT16, 1, 2, 128, 64);
            sage.attend(q, q, q, spec);
            long first = System.currentTimeMillis() - start;
            sage.attend(q, q, q, spec);
            long second = System.currentTimeMillis() - start;
            out.printf(
                    Locale.ROOT,
                    "{\"backend\": \"%s\", \"main_ms\": %d, \"open_ms\": %d, \"first_ms\": %d, \"second_ms\": %d}%n",
                    sage.backend(),
                    main,
                    open,
                    first,
                    second);
        }
    }
}
