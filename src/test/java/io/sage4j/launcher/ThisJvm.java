package io.sage4j.launcher;

import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** What starts another JVM like this one, with the modules of an SDK for example. */
public final class ThisJvm {
    private ThisJvm() {}

    /** The program {@code java}. */
    public static String java() {
        return Path.of(System.getProperty("java.home"), "bin", "java").toString();
    }

    /** Its options, but for those that only tests want and that may be warned of: agents, and JMH in the place of an SDK's. */
    public static List<String> options() {
        List<String> options =
                new ArrayList<>(ManagementFactory.getRuntimeMXBean().getInputArguments());
        options.removeIf(option -> option.startsWith("-javaagent") || option.startsWith("--patch-module"));
        return options;
    }
}
