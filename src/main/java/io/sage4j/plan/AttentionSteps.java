package io.sage4j.plan;

import java.util.List;

/** The steps of one family of kernels between the inputs and the FP32 output of a plan. */
interface AttentionSteps {
    /** Adds the tasks, in order. */
    void addTo(StepGraph steps);

    /** Arrays that the kernels read and that never change. */
    List<Object> constants();

    /** Arrays that go to the host after each run, besides output and lse. */
    List<Object> results();

    /** The quantized operands; null if nothing is quantized. */
    OperandArrays operands();

    /** What the last run counted. */
    Counts counts();
}
