package io.sage4j.backend;

import java.util.ArrayList;
import java.util.BitSet;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/** Which steps of a plan must follow which: those that have a buffer in common, as one of them may write it. */
final class StepOrder {
    private final List<List<Integer>> after = new ArrayList<>();

    /** @param buffers the scratch buffers that each step is given, in the order of the steps */
    StepOrder(List<Set<Long>> buffers) {
        List<BitSet> all = new ArrayList<>();
        for (int step = 0; step < buffers.size(); step++) {
            BitSet before = new BitSet();
            List<Integer> direct = new ArrayList<>();
            // From the nearest on: one that another of them follows needs no mention.
            for (int earlier = step - 1; earlier >= 0; earlier--) {
                Set<Long> common = new HashSet<>(buffers.get(step));
                common.retainAll(buffers.get(earlier));
                if (!common.isEmpty() && !before.get(earlier)) {
                    direct.add(earlier);
                    before.set(earlier);
                    before.or(all.get(earlier));
                }
            }
            all.add(before);
            after.add(List.copyOf(direct));
        }
    }

    /**
     * The lane of each step, where steps of a lane follow each other anyway: that of a step which it follows and which no
     * other has followed yet in its lane, else one of its own.
     */
    List<Integer> lanes() {
        List<Integer> lanes = new ArrayList<>();
        int count = 0;
        for (List<Integer> before : after) {
            int lane = before.stream()
                    .filter(earlier -> lanes.lastIndexOf(lanes.get(earlier)) == earlier)
                    .map(lanes::get)
                    .findFirst()
                    .orElse(count);
            lanes.add(lane);
            count = Math.max(count, lane + 1);
        }
        return lanes;
    }

    /** The steps that a step directly follows, nearest first. */
    List<Integer> after(int step) {
        return after.get(step);
    }
}
