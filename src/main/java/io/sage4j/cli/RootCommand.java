package io.sage4j.cli;

import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.IVersionProvider;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ScopeType;
import picocli.CommandLine.Spec;

/** {@code sage4j} without a command. */
@Command(
        name = "sage4j",
        description = "Quantized attention (SageAttention) in Java.",
        mixinStandardHelpOptions = true,
        scope = ScopeType.INHERIT,
        versionProvider = RootCommand.Version.class,
        usageHelpWidth = 100,
        footer = {"", "Exit status: 0 done, 2 bad input (one line on stderr), 1 an error of sage4j itself."})
final class RootCommand implements Callable<Integer> {
    @Spec
    private CommandSpec spec;

    /** Read from the raw arguments, so that it also holds for errors in the other ones. */
    @Option(names = "--debug", scope = ScopeType.INHERIT, description = "Print the stack trace of an error.")
    private boolean debug;

    @Override
    public Integer call() {
        throw new ParameterException(
                spec.commandLine(),
                "no command, expected one of "
                        + String.join(", ", spec.subcommands().keySet()));
    }

    /** Version of the jar and of the JVM. */
    static final class Version implements IVersionProvider {
        @Override
        public String[] getVersion() {
            return new String[] {"sage4j " + number() + " (Java " + Runtime.version() + ")"};
        }

        static String number() {
            String version = RootCommand.class.getPackage().getImplementationVersion();
            return version == null ? "(development)" : version;
        }
    }
}
