package io.sage4j.tornadojvm;

import java.time.Duration;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import uk.ac.manchester.tornado.api.GridScheduler;
import uk.ac.manchester.tornado.api.TaskGraph;
import uk.ac.manchester.tornado.api.TornadoExecutionPlan;
import uk.ac.manchester.tornado.api.TornadoExecutionResult;
import uk.ac.manchester.tornado.api.WorkerGrid;
import uk.ac.manchester.tornado.api.WorkerGrid1D;

/** Runs single kernels in tests. */
final class Kernels {
    private static final Duration LIMIT = Duration.ofSeconds(60);

    private Kernels() {}

    /** A one-dimensional grid. */
    static WorkerGrid grid(int global, int local) {
        WorkerGrid grid = new WorkerGrid1D(global);
        grid.setLocalWork(local, 1, 1);
        return grid;
    }

    /** Runs task {@code g.t} of a graph over a grid; fails instead of hanging. */
    static TornadoExecutionResult run(TaskGraph graph, WorkerGrid grid) {
        return inTime(() -> {
            try (TornadoExecutionPlan plan = new TornadoExecutionPlan(graph.snapshot())) {
                if (grid != null) {
                    plan.withGridScheduler(new GridScheduler("g.t", grid));
                }
                return plan.execute();
            }
        });
    }

    /** Runs something on another thread and gives up when it takes too long. */
    static <T> T inTime(Callable<T> action) {
        FutureTask<T> task = new FutureTask<>(action);
        Thread thread = new Thread(task, "test kernel");
        thread.setDaemon(true);
        thread.start();
        try {
            return task.get(LIMIT.toSeconds(), TimeUnit.SECONDS);
        } catch (ExecutionException e) {
            if (e.getCause() instanceof RuntimeException cause) {
                throw cause;
            }
            throw new AssertionError(e.getCause());
        } catch (TimeoutException e) {
            AssertionError hang = new AssertionError("no end after " + LIMIT);
            hang.setStackTrace(thread.getStackTrace());
            throw hang;
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }
}
