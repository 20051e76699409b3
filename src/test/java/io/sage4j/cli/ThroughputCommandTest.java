package io.sage4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.PrintWriter;
import java.io.StringWriter;
import org.junit.jupiter.api.Test;

/** The table of predictions. */
class ThroughputCommandTest {
    private static String run(String... arguments) {
        StringWriter out = new StringWriter();
        StringWriter err = new StringWriter();
        assertThat(Main.run(new PrintWriter(out, true), new PrintWriter(err, true), arguments))
                .as(err.toString())
                .isZero();
        return out.toString();
    }

    @Test
    void saysThatItPredictsAndShowsThePublishedFigures() {
        String table = run("throughput");
        assertThat(table).startsWith("A prediction, not a measurement");
        assertThat(table.lines().map(l -> l.replaceAll(" +", " ")))
                .anyMatch(l -> l.startsWith("RTX 4090 128 int8-fp8-f16acc 641 tensor cores ") && l.contains(" 493 "))
                .anyMatch(l -> l.startsWith("L40S 128 int8-fp8 733 tensor cores - -"));
        assertThat(run("throughput", "--pipes")).contains("exponential", "shared memory");
        assertThat(run("throughput", "--json")).contains("\"ceiling\"", "\"TENSOR\"");
    }
}
