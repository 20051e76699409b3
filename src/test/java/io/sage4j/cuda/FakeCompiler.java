package io.sage4j.cuda;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The compiler of {@link FakeDriver}: reads the options and writes the logs as cuModuleLoadDataEx does, and finds the kernels. */
@SuppressWarnings("restricted")
public final class FakeCompiler {
    private static final int INFO_LOG = 3;
    private static final int ERROR_LOG = 5;

    /** What the last compilation was given. */
    public String ptx = "";
    /** How many there were. */
    public int compilations;
    /** What the next ones fail with; empty if they do not. */
    public String error = "";

    final Map<Integer, Long> options = new HashMap<>();

    /** Whether it worked. */
    boolean compile(String text, int count, MemorySegment codes, MemorySegment values) {
        readOptions(count, codes, values);
        ptx = text;
        compilations++;
        writeLog(INFO_LOG, "compiled " + text.length() + " characters");
        if (!error.isEmpty()) {
            writeLog(ERROR_LOG, error);
        }
        return error.isEmpty();
    }

    /** The kernels of a PTX text, with the sizes of their parameters. */
    static Map<String, List<Integer>> kernelsIn(String ptx) {
        Map<String, List<Integer>> found = new HashMap<>();
        Matcher entry = Pattern.compile("\\.entry (\\w+)\\s*\\(([^)]*)\\)").matcher(ptx);
        while (entry.find()) {
            List<Integer> sizes = Pattern.compile("\\.param \\.[usfb](\\d+)")
                    .matcher(entry.group(2))
                    .results()
                    .map(m -> Integer.parseInt(m.group(1)) / 8)
                    .toList();
            found.put(entry.group(1), sizes);
        }
        return found;
    }

    private void readOptions(int count, MemorySegment codes, MemorySegment values) {
        options.clear();
        for (int i = 0; i < count; i++) {
            options.put(
                    codes.reinterpret(4L * count).getAtIndex(JAVA_INT, i),
                    values.reinterpret(8L * count).getAtIndex(JAVA_LONG, i));
        }
    }

    /** As the driver does: no more than the buffer holds, and no end where it is full. */
    private void writeLog(int option, String text) {
        long room = options.get(option + 1);
        byte[] bytes = (text + "\0").getBytes(StandardCharsets.UTF_8);
        int written = (int) Math.min(room, bytes.length);
        MemorySegment.copy(
                bytes, 0, MemorySegment.ofAddress(options.get(option)).reinterpret(room), JAVA_BYTE, 0, written);
    }
}
