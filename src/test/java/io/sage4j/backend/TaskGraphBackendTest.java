package io.sage4j.backend;

import static org.assertj.core.api.Assertions.assertThat;

import io.sage4j.Layout;
import io.sage4j.Tensor;
import io.sage4j.Variant;
import io.sage4j.numeric.AttentionShape;
import java.lang.foreign.ValueLayout;
import java.util.List;
import org.junit.jupiter.api.Test;
import uk.ac.manchester.tornado.api.types.arrays.ByteArray;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.HalfFloatArray;

class TaskGraphBackendTest {
    private static final long[] SHAPE = {1, 2, 3, 8};

    /** On the PTX backend, which may lose a copy of memory that sage4j did not pin. */
    @Test
    void theCallersArraysAreMemoryLikeAnyOther() {
        Tensor q = Tensor.of(new HalfFloatArray(48), SHAPE).slice(2, 1, 3);
        Tensor k = Tensor.of(new FloatArray(48), SHAPE);
        Tensor v = Tensor.of(new float[48], SHAPE);
        Tensor mask = Tensor.of(new ByteArray(6), 1, 1, 2, 3);
        AttentionRequest request = new AttentionRequest(
                new AttentionShape(1, 2, 2, 2, 3, 8), Variant.FLASH, false, Layout.HND, 0, 1f, q, k, v, mask, k, null);
        AttentionRequest copied = TaskGraphBackend.copied(request);
        assertThat(List.of(copied.q(), copied.k(), copied.v(), copied.mask(), copied.out()))
                .extracting(Tensor::tornadoArray)
                .containsOnlyNulls();
        assertThat(copied.q().data().address()).isEqualTo(q.data().address());
        assertThat(copied.q().shape()).isEqualTo(q.shape());
        assertThat(copied.q().strides()).isEqualTo(q.strides());
        assertThat(copied.v()).isSameAs(v);
        copied.out().data().set(ValueLayout.JAVA_FLOAT_UNALIGNED, 4, 2f);
        assertThat(k.get(0, 0, 0, 1)).isEqualTo(2f);
        assertThat(TaskGraphBackend.copied(copied).mask()).isSameAs(copied.mask());
    }
}
