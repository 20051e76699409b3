package io.sage4j.plan;

import java.util.List;
import uk.ac.manchester.tornado.api.types.arrays.IntArray;

/** The steps of one family of kernels between the inputs and the FP32 output of a plan. */
interface AttentionSteps {
    /** Adds the tasks, in order. */
    void addTo(StepGraph steps);

    /** Arrays that the kernels read and that never change. */
    List<Object> constants();

    /** What the kernels count, which goes to the host after each run. */
    IntArray counted();

    /** The quantized operands; null if nothing is quantized. */
    OperandArrays operands();

    /** What the last run counted. */
    Counts counts();
}
