package io.sage4j.bench;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

/** The table of docs/tornadovm-on-gpus.md is that of its record. */
class LadderTableTest {
    @Test
    void the_table_is_made_from_the_record() throws IOException {
        LadderRecord record = LadderRecord.read(Path.of("results/gpu/tornado-ladder-cuda-h100.json"));
        String rows = String.join("\n", record.rows());
        assertThat(record.failures()).isEmpty();
        assertThat(Files.readString(Path.of("docs/tornadovm-on-gpus.md")))
                .as("docs/tornadovm-on-gpus.md should have this table:%n%s", rows)
                .contains(rows);
    }
}
