package io.sage4j.tornadojvm;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Set;
import java.util.function.Function;
import uk.ac.manchester.tornado.api.KernelContext;
import uk.ac.manchester.tornado.api.enums.DataTransferMode;
import uk.ac.manchester.tornado.api.exceptions.TornadoRuntimeException;
import uk.ac.manchester.tornado.api.exceptions.TornadoTaskRuntimeException;
import uk.ac.manchester.tornado.api.types.arrays.TornadoNativeArray;

/** A finished task graph: tasks in order, and what it says about its data. */
public final class Graph {
    /**
     * One task.
     *
     * @param id name in the graph
     * @param call calls the kernel
     * @param arguments its arguments
     * @param loader loader of the code that named the kernel
     */
    record Task(String id, KernelCall call, Object[] arguments, ClassLoader loader) {
        boolean hasContext() {
            for (Object argument : arguments) {
                if (argument instanceof KernelContext) {
                    return true;
                }
            }
            return false;
        }
    }

    /**
     * Data that another graph leaves on the device.
     *
     * @param graph that graph, or null for any
     * @param object the data
     */
    record Consumed(String graph, Object object) {}

    /**
     * Data that moves.
     *
     * @param mode when
     * @param object the data
     */
    record Transfer(int mode, Object object) {}

    private final String name;
    private final List<Task> tasks;
    private final List<Transfer> toDevice;
    private final List<Transfer> toHost;
    private final List<Consumed> consumed;
    private final Set<Object> persisted;
    private final Function<WorkItem, KernelContext> contexts;

    private Graph(Builder builder) {
        name = builder.name;
        tasks = List.copyOf(builder.tasks);
        toDevice = List.copyOf(builder.toDevice);
        toHost = List.copyOf(builder.toHost);
        consumed = List.copyOf(builder.consumed);
        persisted = identitySet();
        persisted.addAll(builder.persisted);
        contexts = builder.contexts;
    }

    /**
     * The error of a call that tornado-jvm does not support.
     *
     * @param call class and method
     * @return the exception, to be thrown
     */
    public static TornadoRuntimeException unsupported(String call) {
        return new TornadoRuntimeException(call + " is not supported by tornado-jvm");
    }

    /**
     * Arguments of all tasks.
     *
     * @return each object once
     */
    public Set<Object> arguments() {
        Set<Object> all = identitySet();
        for (Task task : tasks) {
            Collections.addAll(all, task.arguments);
        }
        return all;
    }

    /**
     * Data that comes back to the host.
     *
     * @return each object once
     */
    public Set<Object> outputs() {
        Set<Object> all = identitySet();
        for (Transfer transfer : toHost) {
            all.add(transfer.object);
        }
        return all;
    }

    String name() {
        return name;
    }

    List<Task> tasks() {
        return tasks;
    }

    Task task(String id) {
        for (Task task : tasks) {
            if (task.id.equals(id)) {
                return task;
            }
        }
        return null;
    }

    List<Transfer> toDevice() {
        return toDevice;
    }

    List<Transfer> toHost() {
        return toHost;
    }

    List<Consumed> consumed() {
        return consumed;
    }

    /** Whether this graph leaves an object on the device for others. */
    boolean persists(Object object) {
        return persisted.contains(object);
    }

    Function<WorkItem, KernelContext> contexts() {
        return contexts;
    }

    /** Everything that would lie in device memory. */
    Set<Object> data() {
        Set<Object> all = arguments();
        toDevice.forEach(transfer -> all.add(transfer.object));
        all.removeIf(object ->
                !(object instanceof TornadoNativeArray) && !object.getClass().isArray());
        return all;
    }

    static Set<Object> identitySet() {
        return Collections.newSetFromMap(new IdentityHashMap<>());
    }

    /** Collects a graph and checks every part as it comes. */
    public static final class Builder {
        private final String name;
        private final Function<WorkItem, KernelContext> contexts;
        private final List<Task> tasks = new ArrayList<>();
        private final List<Transfer> toDevice = new ArrayList<>();
        private final List<Transfer> toHost = new ArrayList<>();
        private final List<Consumed> consumed = new ArrayList<>();
        private final Set<Object> persisted = identitySet();

        /**
         * Begins a graph.
         *
         * @param name its name
         * @param contexts makes the kernel context of a work-item
         */
        public Builder(String name, Function<WorkItem, KernelContext> contexts) {
            if (name == null) {
                throw new TornadoTaskRuntimeException("a task graph needs a name");
            }
            this.name = name;
            this.contexts = contexts;
        }

        /**
         * The name.
         *
         * @return as given
         */
        public String name() {
            return name;
        }

        /**
         * Adds a task.
         *
         * @param id name of the task
         * @param code the kernel
         * @param call calls it
         * @param arguments its arguments
         */
        public void task(String id, Object code, KernelCall call, Object[] arguments) {
            if (id == null || code == null) {
                throw new TornadoTaskRuntimeException(
                        "task " + name + "." + id + ": " + (id == null ? "no name" : "no kernel"));
            }
            for (Task task : tasks) {
                if (task.id.equals(id)) {
                    throw new TornadoTaskRuntimeException("task graph " + name + " has a task " + id + " already");
                }
            }
            for (int i = 0; i < arguments.length; i++) {
                if (arguments[i] == null) {
                    throw new TornadoTaskRuntimeException("task " + name + "." + id + ": argument " + i + " is null");
                }
                if (arguments[i] instanceof MemorySegment) {
                    throw new TornadoRuntimeException("task " + name + "." + id + ": argument " + i
                            + " is a MemorySegment; wrap it in an off-heap array");
                }
            }
            tasks.add(new Task(id, call, arguments.clone(), code.getClass().getClassLoader()));
        }

        /**
         * Declares transfers to the device.
         *
         * @param mode when
         * @param objects the data
         */
        public void toDevice(int mode, Object... objects) {
            if (mode != DataTransferMode.FIRST_EXECUTION
                    && mode != DataTransferMode.EVERY_EXECUTION
                    && mode != DataTransferMode.UNDER_DEMAND) {
                throw new TornadoRuntimeException("task graph " + name + ": transferToDevice with mode " + mode);
            }
            check("transferToDevice", objects);
            for (Object object : objects) {
                toDevice.add(new Transfer(mode, object));
            }
        }

        /**
         * Declares transfers to the host.
         *
         * @param mode when
         * @param objects the data
         */
        public void toHost(int mode, Object... objects) {
            if (mode != DataTransferMode.EVERY_EXECUTION && mode != DataTransferMode.UNDER_DEMAND) {
                throw new TornadoRuntimeException("task graph " + name + ": transferToHost with mode " + mode);
            }
            check("transferToHost", objects);
            for (Object object : objects) {
                if (object instanceof Number || object instanceof Boolean || object instanceof Character) {
                    throw new TornadoRuntimeException("task graph " + name + ": transferToHost of a "
                            + object.getClass().getSimpleName() + ", expected arrays");
                }
                toHost.add(new Transfer(mode, object));
                if (mode == DataTransferMode.UNDER_DEMAND) {
                    persisted.add(object);
                }
            }
        }

        /**
         * Declares data that stays on the device.
         *
         * @param objects the data
         */
        public void persist(Object... objects) {
            toHost(DataTransferMode.UNDER_DEMAND, objects);
        }

        /**
         * Declares data left on the device by another graph.
         *
         * @param graph that graph, or null for any
         * @param objects the data
         */
        public void consume(String graph, Object... objects) {
            check("consumeFromDevice", objects);
            for (Object object : objects) {
                consumed.add(new Consumed(graph, object));
            }
        }

        private void check(String call, Object... objects) {
            if (objects == null) {
                throw new TornadoRuntimeException("task graph " + name + ": " + call + " of null");
            }
            for (Object object : objects) {
                if (object == null) {
                    throw new TornadoRuntimeException("task graph " + name + ": " + call + " of null");
                }
            }
        }

        /**
         * Finishes a copy.
         *
         * @return the graph
         */
        public Graph build() {
            Graph graph = new Graph(this);
            Set<Object> known = graph.arguments();
            toDevice.forEach(transfer -> known.add(transfer.object));
            consumed.forEach(use -> known.add(use.object));
            for (Transfer transfer : toHost) {
                if (!known.contains(transfer.object)) {
                    throw new TornadoRuntimeException("task graph " + name + ": transferToHost of a "
                            + transfer.object.getClass().getSimpleName()
                            + " that no task uses and no transfer brings to the device");
                }
            }
            return graph;
        }
    }
}
