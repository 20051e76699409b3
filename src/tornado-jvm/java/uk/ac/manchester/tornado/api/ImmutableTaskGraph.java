package uk.ac.manchester.tornado.api;

import io.sage4j.tornadojvm.Graph;

/** A finished task graph; see {@link TaskGraph#snapshot}. */
public class ImmutableTaskGraph {
    private final Graph graph;

    ImmutableTaskGraph(Graph graph) {
        this.graph = graph;
    }

    Graph graph() {
        return graph;
    }
}
