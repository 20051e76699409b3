package uk.ac.manchester.tornado.api;

import java.util.Arrays;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/** Worker grids by task, each named {@code graph.task}. */
public class GridScheduler {
    private final Map<String, WorkerGrid> grids = new ConcurrentHashMap<>();

    /** Makes an empty scheduler. */
    public GridScheduler() {}

    /**
     * Makes a scheduler of one task.
     *
     * @param taskName {@code graph.task}
     * @param workerGrid its grid
     */
    public GridScheduler(String taskName, WorkerGrid workerGrid) {
        grids.put(taskName, workerGrid);
    }

    /**
     * Sets the grid of a task.
     *
     * @param taskName {@code graph.task}
     * @param workerGrid its grid
     */
    public void addWorkerGrid(String taskName, WorkerGrid workerGrid) {
        grids.put(taskName, workerGrid);
    }

    /**
     * Grid of a task.
     *
     * @param taskName {@code graph.task}
     * @return the grid, or null
     */
    public WorkerGrid get(String taskName) {
        return grids.get(taskName);
    }

    /**
     * Whether a task has a grid.
     *
     * @param taskScheduleName the graph
     * @param taskName the task in it
     * @return true if there is one
     */
    public boolean contains(String taskScheduleName, String taskName) {
        return grids.containsKey(taskScheduleName + "." + taskName);
    }

    /**
     * The tasks that have a grid.
     *
     * @return their names, {@code graph.task}
     */
    public Set<String> keySet() {
        return grids.keySet();
    }

    @Override
    public String toString() {
        StringBuilder text = new StringBuilder();
        grids.forEach((task, grid) -> text.append(task)
                .append("::GlobalWorkGroup=")
                .append(Arrays.toString(grid.getGlobalWork()))
                .append("::LocalWorkGroup=")
                .append(Arrays.toString(grid.getLocalWork())));
        return text.toString();
    }
}
