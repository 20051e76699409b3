package io.sage4j.cli;

import io.sage4j.backend.Backends;
import io.sage4j.io.OneLine;
import io.sage4j.plan.SourceOrder;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.FilterOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintWriter;
import java.nio.charset.Charset;
import java.util.List;
import picocli.CommandLine;

/** The command line: {@code sage4j attend}, {@code demo}, {@code devices}, {@code variants}, {@code bench}, {@code ptx}, {@code explain}, {@code throughput}. */
public final class Main {
    private static final List<String> COMMANDS =
            List.of("attend", "demo", "devices", "variants", "bench", "ptx", "throughput", "explain");

    private Main() {}

    /** Runs a command and ends the JVM with its exit status: 0 done, 2 bad input, 1 an error of sage4j itself. */
    public static void main(String[] arguments) {
        if (System.getProperty(Backends.TORNADO_KIND) != null
                && arguments.length > 0
                && COMMANDS.contains(arguments[0])) {
            SourceOrder.fix();
        }
        PrintWriter err = new PrintWriter(System.err, true);
        int status = run(new FileOutputStream(FileDescriptor.out), System.out.charset(), err, arguments);
        err.flush();
        System.exit(status);
    }

    /** Runs a command; a standard output that does not take all of it is bad input too, unless its reader went away. */
    static int run(OutputStream stdout, Charset charset, PrintWriter err, String... arguments) {
        Watched watched = new Watched(stdout);
        PrintWriter out = new PrintWriter(watched, true, charset);
        int status = run(out, err, arguments);
        out.flush();
        if (status == 0 && watched.failure != null && !watched.isReaderGone()) {
            ErrorLine.print(err, "standard output: cannot write: " + OneLine.reason(watched.failure));
            return ErrorLine.BAD_INPUT;
        }
        return status;
    }

    /** Remembers why an output was not taken, which a writer keeps for itself. */
    private static final class Watched extends FilterOutputStream {
        private IOException failure;

        Watched(OutputStream out) {
            super(out);
        }

        @Override
        public void write(int b) throws IOException {
            write(new byte[] {(byte) b}, 0, 1);
        }

        @Override
        public void write(byte[] bytes, int from, int count) throws IOException {
            try {
                out.write(bytes, from, count);
            } catch (IOException e) {
                failure = e;
                throw e;
            }
        }

        /** As behind {@code | head}: it has what it wanted. */
        boolean isReaderGone() {
            return "Broken pipe".equals(failure.getMessage());
        }
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
