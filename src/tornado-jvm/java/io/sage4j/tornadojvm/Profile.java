package io.sage4j.tornadojvm;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import uk.ac.manchester.tornado.api.types.arrays.TornadoNativeArray;

/** Times and sizes of one execution of a plan. All times are measured on the host, in nanoseconds. */
public final class Profile {
    private record TaskTime(String id, long nanos) {}

    private final boolean enabled;
    private final long memory;
    private final long start = System.nanoTime();
    private final Map<String, List<TaskTime>> graphs = new LinkedHashMap<>();

    private List<TaskTime> current;
    private long total;
    private long kernels;
    private long bytesIn;
    private long bytesOut;

    Profile(boolean enabled, long memory) {
        this.enabled = enabled;
        this.memory = memory;
    }

    void beginGraph(String name) {
        current = graphs.computeIfAbsent(name, key -> new ArrayList<>());
    }

    void copyIn(Object object) {
        bytesIn += bytes(object);
    }

    void copyOut(Object object) {
        bytesOut += bytes(object);
    }

    private static long bytes(Object object) {
        return object instanceof TornadoNativeArray array ? array.getNumBytesOfSegmentWithHeader() : 0;
    }

    void task(String id, long startedAt) {
        long nanos = System.nanoTime() - startedAt;
        kernels += nanos;
        current.add(new TaskTime(id, nanos));
    }

    void end() {
        total = System.nanoTime() - start;
    }

    /**
     * Time of the execution.
     *
     * @return nanoseconds, 0 without profiler
     */
    public long total() {
        return enabled ? total : 0;
    }

    /**
     * Time of all tasks.
     *
     * @return nanoseconds, 0 without profiler
     */
    public long kernels() {
        return enabled ? kernels : 0;
    }

    /**
     * Bytes that a device would have received; nothing is copied here.
     *
     * @return number of bytes, 0 without profiler
     */
    public long bytesIn() {
        return enabled ? bytesIn : 0;
    }

    /**
     * Bytes that a device would have sent back; nothing is copied here.
     *
     * @return number of bytes, 0 without profiler
     */
    public long bytesOut() {
        return enabled ? bytesOut : 0;
    }

    /**
     * Bytes of all arrays of the plan.
     *
     * @return number of bytes
     */
    public long memory() {
        return memory;
    }

    /**
     * All figures, with the time of every task, under the names that TornadoVM's profiler uses.
     *
     * @return JSON text
     */
    public String json() {
        StringBuilder text = new StringBuilder("{");
        String graphSeparator = "\n";
        for (Map.Entry<String, List<TaskTime>> graph : graphs.entrySet()) {
            long sum = graph.getValue().stream().mapToLong(TaskTime::nanos).sum();
            text.append(graphSeparator)
                    .append("    \"")
                    .append(escape(graph.getKey()))
                    .append("\": {\n");
            text.append("        \"TOTAL_KERNEL_TIME\": \"").append(sum).append("\",\n");
            text.append("        \"COPY_IN_TIME\": \"0\",\n        \"COPY_OUT_TIME\": \"0\"");
            for (TaskTime task : graph.getValue()) {
                text.append(",\n        \"")
                        .append(escape(graph.getKey() + "." + task.id))
                        .append("\": {\n");
                text.append("            \"BACKEND\": \"JAVA\",\n");
                text.append("            \"DEVICE\": \"")
                        .append(TornadoJvm.NAME)
                        .append("\",\n");
                text.append("            \"TASK_KERNEL_TIME\": \"")
                        .append(task.nanos)
                        .append("\"\n        }");
            }
            text.append("\n    }");
            graphSeparator = ",\n";
        }
        return text.append("\n}").toString();
    }

    private static String escape(String text) {
        return text.replace("\\", "\\\\").replace("\"", "\\\"");
    }
}
