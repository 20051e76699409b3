package io.sage4j.ptx;

import java.util.EnumMap;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;

/**
 * A finished kernel.
 *
 * @param name entry point
 * @param params parameters in order
 * @param shared shared-memory arrays; at most one is dynamic, and it comes last
 * @param lines program; falls off its end into a return
 * @param maxThreads threads of a CTA, all in the first dimension
 * @param minBlocks CTAs that must fit on a multiprocessor at once, which bounds the registers; 0 for no such bound
 */
public record Kernel(
        String name, List<Param> params, List<SharedArray> shared, List<Line> lines, int maxThreads, int minBlocks) {
    private static final int WARP = 32;
    private static final int MAX_THREADS = 1024;

    /** @throws IllegalArgumentException if a label is missing or there twice, or a size is out of range */
    public Kernel {
        params = List.copyOf(params);
        shared = List.copyOf(shared);
        lines = List.copyOf(lines);
        if (maxThreads < WARP || maxThreads > MAX_THREADS || maxThreads % WARP != 0) {
            throw new IllegalArgumentException(
                    name + ": " + maxThreads + " threads, expected a multiple of 32 up to 1024");
        }
        Map<Label, Integer> places = places(name, lines);
        for (Line line : lines) {
            if (line.instruction() instanceof Branch branch && !places.containsKey(branch.target())) {
                throw new IllegalArgumentException(name + ": no label " + branch.target());
            }
        }
        int fixed = shared.stream()
                .filter(s -> !s.dynamic())
                .mapToInt(SharedArray::bytes)
                .sum();
        if (fixed > SharedArray.STATIC_LIMIT) {
            throw new IllegalArgumentException(name + ": " + fixed + " bytes of static shared memory, at most "
                    + SharedArray.STATIC_LIMIT + " are possible; declare the array dynamic");
        }
        for (int n = 0; n < shared.size() - 1; n++) {
            if (shared.get(n).dynamic()) {
                throw new IllegalArgumentException(name + ": the dynamic array must be the only one and the last one");
            }
        }
    }

    private static Map<Label, Integer> places(String name, List<Line> lines) {
        Map<Label, Integer> places = new HashMap<>();
        for (int n = 0; n < lines.size(); n++) {
            if (lines.get(n).instruction() instanceof Mark mark && places.put(mark.label(), n) != null) {
                throw new IllegalArgumentException(name + ": label " + mark.label() + " is there twice");
            }
        }
        return places;
    }

    /** Line of each label. */
    public Map<Label, Integer> labels() {
        return places(name, lines);
    }

    /** How many instructions of each opcode the program has, labels apart. */
    public Map<String, Integer> mix() {
        Map<String, Integer> mix = new TreeMap<>();
        lines.stream()
                .filter(line -> !(line.instruction() instanceof Mark))
                .forEach(line -> mix.merge(line.instruction().opcode(), 1, Integer::sum));
        return mix;
    }

    /** Virtual registers declared, by class. */
    public Map<RegType, Integer> registers() {
        Map<RegType, Integer> counts = new EnumMap<>(RegType.class);
        lines.stream()
                .flatMap(line -> Stream.concat(
                        Stream.concat(
                                line.instruction().writes().stream(),
                                line.instruction().reads().stream()
                                        .filter(Reg.class::isInstance)
                                        .map(Reg.class::cast)),
                        Stream.ofNullable(line.guard())))
                .forEach(reg -> counts.merge(reg.type(), reg.index() + 1, Math::max));
        return counts;
    }

    /** Shared memory of a CTA, static and dynamic, each array aligned. */
    public int sharedBytes() {
        int bytes = 0;
        for (SharedArray array : shared) {
            bytes = Math.ceilDiv(bytes, array.align()) * array.align() + array.bytes();
        }
        return bytes;
    }

    /** Shared memory that a launch must give. */
    public int dynamicSharedBytes() {
        return shared.stream()
                .filter(SharedArray::dynamic)
                .mapToInt(SharedArray::bytes)
                .sum();
    }

    /** What its instructions need together. */
    public Requirement requirement() {
        return lines.stream().map(l -> l.instruction().requirement()).reduce(Requirement.BASE, Requirement::and);
    }

    /**
     * Checks that a target can run it.
     *
     * @throws IllegalArgumentException naming the first instruction that the target lacks, or the shared memory
     */
    public void requireFits(Arch arch) {
        for (Line line : lines) {
            Requirement needed = line.instruction().requirement();
            if (needed.hopperOnly() && arch != Arch.SM_90A) {
                throw new IllegalArgumentException(name + ": "
                        + line.instruction().opcode() + " is there on sm_90a only, the target is " + arch.ptx());
            }
            int least = needed.sm();
            if (least > arch.sm()) {
                throw new IllegalArgumentException(name + ": "
                        + line.instruction().opcode() + " needs sm_" + least + ", the target is " + arch.ptx());
            }
        }
        if (sharedBytes() > arch.maxSharedBytes()) {
            throw new IllegalArgumentException(name + ": " + sharedBytes() + " bytes of shared memory, " + arch.ptx()
                    + " has " + arch.maxSharedBytes());
        }
    }

    /** PTX text of the entry point. */
    String text() {
        StringBuilder text = new StringBuilder();
        shared.forEach(s -> text.append(s.dynamic() ? s.declaration() + "\n\n" : ""));
        text.append(".visible .entry ").append(name).append("(\n");
        text.append(String.join(
                ",\n",
                params.stream()
                        .map(p -> "    .param ." + p.of().ptx() + " " + p.name())
                        .toList()));
        text.append(")\n.maxntid ").append(maxThreads).append(", 1, 1\n");
        if (minBlocks > 0) {
            text.append(".minnctapersm ").append(minBlocks).append('\n');
        }
        text.append("{\n");
        registers().forEach((type, count) -> text.append("    .reg .")
                .append(type.ptx())
                .append(' ')
                .append(type.prefix())
                .append('<')
                .append(count)
                .append(">;\n"));
        shared.forEach(s -> text.append(s.dynamic() ? "" : "    " + s.declaration() + "\n"));
        text.append('\n');
        for (Line line : lines) {
            text.append(line.instruction() instanceof Mark ? "" : "    ")
                    .append(line)
                    .append('\n');
        }
        return text.append("    ret;\n}\n").toString();
    }
}
