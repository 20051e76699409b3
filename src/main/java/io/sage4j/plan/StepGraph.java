package io.sage4j.plan;

import io.sage4j.SageException;
import java.util.ArrayList;
import java.util.List;
import uk.ac.manchester.tornado.api.GridScheduler;
import uk.ac.manchester.tornado.api.KernelContext;
import uk.ac.manchester.tornado.api.TaskGraph;
import uk.ac.manchester.tornado.api.WorkerGrid1D;

/** A task graph under construction: its steps in order, and the grid of each. */
final class StepGraph {
    /** Name of the graph; a step's full name is this, a dot and the step. */
    static final String NAME = "sage4j";

    final TaskGraph graph = new TaskGraph(NAME);
    final GridScheduler grids = new GridScheduler();
    final KernelContext context = new KernelContext();
    private final List<String> steps = new ArrayList<>();

    /** Names of the steps, in order. */
    List<String> steps() {
        return List.copyOf(steps);
    }

    /** Announces a step that runs in whole work-groups. */
    String groups(String step, long groups, int items) {
        long global = groups * items;
        if (global > PlanArrays.LIMIT) {
            throw new SageException("step " + step + " would take " + global + " work-items, more than "
                    + PlanArrays.LIMIT + ": split the batch, the heads or the sequence");
        }
        WorkerGrid1D grid = new WorkerGrid1D((int) global);
        grid.setGlobalWork(global, 1, 1);
        grid.setLocalWork(items, 1, 1);
        grids.addWorkerGrid(NAME + "." + step, grid);
        steps.add(step);
        return step;
    }

    /** Announces a step with a work-item per element, rounded up to whole work-groups. */
    String elements(String step, long elements, int items) {
        return groups(step, Math.ceilDiv(elements, (long) items), items);
    }
}
