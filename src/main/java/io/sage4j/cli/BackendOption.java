package io.sage4j.cli;

import picocli.CommandLine.Option;

/** Where a command computes attention. */
final class BackendOption {
    @Option(
            names = "--backend",
            paramLabel = "NAME",
            defaultValue = "auto",
            description =
                    "Where to run, a name from 'sage4j devices'. Default: auto, for each call the fastest that takes it.")
    private String name;

    String name() {
        return name;
    }
}
