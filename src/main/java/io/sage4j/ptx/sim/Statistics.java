package io.sage4j.ptx.sim;

import io.sage4j.ptx.Kernel;
import java.util.Map;
import java.util.TreeMap;

/** What a launch did. */
public final class Statistics {
    private final Kernel kernel;
    private final long[] executed;
    private final long[] conflicts;

    Statistics(Kernel kernel) {
        this.kernel = kernel;
        this.executed = new long[kernel.lines().size()];
        this.conflicts = new long[executed.length];
    }

    void execute(int line) {
        executed[line]++;
    }

    void access(int line, int taken, int ideal) {
        conflicts[line] += taken - ideal;
    }

    /** Warp instructions executed, by opcode; those whose guard was false in all lanes count too. */
    public Map<String, Long> executed() {
        Map<String, Long> counts = new TreeMap<>();
        for (int n = 0; n < executed.length; n++) {
            counts.merge(kernel.lines().get(n).instruction().opcode(), executed[n], Long::sum);
        }
        counts.remove("");
        return counts;
    }

    /** Passes that bank conflicts cost. */
    public long bankConflicts() {
        long sum = 0;
        for (long conflict : conflicts) {
            sum += conflict;
        }
        return sum;
    }

    /** Passes that bank conflicts cost, by line with its text; lines without any are left out. */
    public Map<String, Long> bankConflictsByLine() {
        Map<String, Long> counts = new TreeMap<>();
        for (int n = 0; n < conflicts.length; n++) {
            if (conflicts[n] > 0) {
                counts.put(n + ": " + kernel.lines().get(n), conflicts[n]);
            }
        }
        return counts;
    }
}
