package io.sage4j.bench;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The tables of docs/tornadovm-ladder.md are those of their records. */
class LadderTableTest {
    @ParameterizedTest
    @ValueSource(strings = {"cuda", "ptx"})
    void the_table_is_made_from_the_record(String backend) throws IOException {
        String file = "results/gpu/tornado-ladder-" + backend + "-h100.json";
        LadderRecord record = LadderRecord.read(Path.of(file));
        String rows = String.join("\n", record.rows());
        assertThat(record.failures()).isEmpty();
        assertThat(Files.readString(Path.of("docs/tornadovm-ladder.md")))
                .as("docs/tornadovm-ladder.md should have this table (scripts/readme-tables.py):%n%s", rows)
                .contains("<!-- " + file + " -->")
                .contains(rows);
    }
}
