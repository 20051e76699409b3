package io.sage4j.cli;

import java.io.PrintWriter;
import java.util.List;
import picocli.CommandLine;

/** The command line: {@code sage4j attend}, {@code demo}, {@code devices}, {@code variants}, {@code bench}, {@code ptx}, {@code explain}, {@code throughput}. */
public final class Main {
    private static final List<String> COMMANDS =
            List.of("attend", "demo", "devices", "variants", "bench", "ptx", "throughput", "explain");

    private Main() {}

    /** Runs a command and ends the JVM with its exit status: 0 done, 2 bad input, 1 an error of sage4j itself. */
    public static void main(String[] arguments) {
        PrintWriter out = new PrintWriter(System.out, true);
        PrintWriter err = new PrintWriter(System.err, true);
        int status = run(out, err, arguments);
        out.flush();
        err.flush();
        System.exit(status);
    }

    /**
     * Runs a command.
     *
     * @param out standard output
     * @param err standard error
     * @param arguments as typed
     * @return the exit status
     */
    public static int run(PrintWriter out, PrintWriter err, String... arguments) {
        try {
            CommandLine cli = commands(arguments)
                    .setOut(out)
                    .setErr(err)
                    .setExpandAtFiles(false)
                    .setParameterExceptionHandler((e, given) -> ErrorLine.usage(e))
                    .setExecutionExceptionHandler(
                            (e, command, parsed) -> ErrorLine.failure(e, command.getErr(), isDebug(arguments)));
            return cli.execute(arguments);
        } catch (Throwable e) {
            return ErrorLine.failure(e, err, isDebug(arguments));
        }
    }

    /** The command that is asked for, or all: reflection over a command costs more than the rest of a start. */
    private static CommandLine commands(String... arguments) {
        CommandLine cli = new CommandLine(new RootCommand());
        String first = arguments.length == 0 ? "" : arguments[0];
        if (COMMANDS.contains(first)) {
            cli.addSubcommand(first, command(first));
        } else if (!first.equals("--version") && !first.equals("-V")) {
            COMMANDS.forEach(name -> cli.addSubcommand(name, command(name)));
        }
        return cli;
    }

    private static Object command(String name) {
        return switch (name) {
            case "attend" -> new AttendCommand();
            case "demo" -> new DemoCommand();
            case "devices" -> new DevicesCommand();
            case "variants" -> new VariantsCommand();
            case "bench" -> new BenchCommand();
            case "ptx" -> new PtxCommand();
            case "explain" -> new ExplainCommand();
            case "throughput" -> new ThroughputCommand();
            default -> throw new IllegalArgumentException(name);
        };
    }

    private static boolean isDebug(String... arguments) {
        for (String argument : arguments) {
            if (argument.equals("--debug")) {
                return true;
            }
        }
        return false;
    }
}
