package io.sage4j.cli;

import io.sage4j.bench.BenchRecord;
import io.sage4j.bench.Json;
import io.sage4j.io.AtomicFile;
import java.io.PrintWriter;
import java.nio.file.Path;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** What a measurement runs on, and where its record goes. */
final class MeasureOptions {
    @Mixin
    private BackendOption backend;

    @Option(
            names = "--record",
            paramLabel = "FILE",
            converter = Words.ToFile.class,
            description = "Write the figures, the machine and the commit as JSON.")
    private Path record;

    @Option(names = "--json", description = "Print the record as JSON instead of tables.")
    private boolean json;

    String backend() {
        return backend.name();
    }

    /** Where the record goes; null for nowhere. */
    Path record() {
        return record;
    }

    boolean json() {
        return json;
    }

    /** Checks, before anything is measured, that the record could be written. */
    void check() {
        if (record != null) {
            AtomicFile.check(record);
        }
    }

    /** Writes the record, and prints it or what is made of it for people. */
    void deliver(BenchRecord found, PrintWriter out, Runnable table) {
        if (record != null) {
            found.write(record);
        }
        if (json) {
            out.println(Json.text(found));
        } else {
            table.run();
        }
    }
}
