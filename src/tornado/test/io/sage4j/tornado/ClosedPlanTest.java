package io.sage4j.tornado;

import static org.assertj.core.api.Assertions.assertThat;

import io.sage4j.AttentionSpec;
import io.sage4j.DType;
import io.sage4j.Sage;
import io.sage4j.Tensor;
import io.sage4j.Variant;
import java.lang.reflect.Field;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import uk.ac.manchester.tornado.api.TornadoDeviceContext;
import uk.ac.manchester.tornado.api.TornadoExecutionPlan;
import uk.ac.manchester.tornado.api.types.arrays.HalfFloatArray;

/** What a plan leaves on the device, by TornadoVM's own books. */
class ClosedPlanTest {
    /** TornadoVM frees what a graph moves, and no graph moves its KernelContext. */
    private static final long CONTEXT_BYTES = 512;

    @ParameterizedTest
    @ValueSource(strings = {"naive", "flash", "int8-fp8"})
    void aClosedPlanLeavesNoArraysOnTheDevice(String variant) throws ReflectiveOperationException {
        long[] shape = {1, 2, 65, 64};
        Tensor in = Tensor.of(new HalfFloatArray(2 * 65 * 64), shape);
        AttentionSpec spec =
                AttentionSpec.builder().variant(Variant.of(variant)).build();
        long before = bytesLeft();
        try (Sage sage = Sage.open("tornado")) {
            sage.attend(in, in, in, spec, Tensor.allocate(DType.FLOAT16, shape));
            assertThat(before - bytesLeft()).isGreaterThan(2 * 65 * 64 * Float.BYTES);
        }
        assertThat(before - bytesLeft()).isBetween(0L, CONTEXT_BYTES);
    }

    private static long bytesLeft() throws ReflectiveOperationException {
        TornadoDeviceContext context = TornadoExecutionPlan.getDevice(0, 0).getDeviceContext();
        Object buffers = context.getClass().getMethod("getBufferProvider").invoke(context);
        for (Class<?> type = buffers.getClass(); ; type = type.getSuperclass()) {
            if (type.getSimpleName().equals("TornadoBufferProvider")) {
                Field left = type.getDeclaredField("currentMemoryAvailable");
                left.setAccessible(true);
                return left.getLong(buffers);
            }
        }
    }
}
