package io.sage4j;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sage4j.backend.FakeCuda;
import io.sage4j.cuda.DriverSearch;
import io.sage4j.cuda.FakeDriver;
import java.util.List;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;

/** Backend cuda on a GPU that is not the driver's first, on a driver with two that computes nothing. */
class SageOfAnotherGpuTest {
    private static final AttentionSpec SPEC =
            AttentionSpec.builder().variant(Variant.of("int8-fp8-sm90")).build();

    private static Tensor tensor(Sage sage) {
        return sage.allocate(DType.FLOAT16, 1, 2, 70, 64);
    }

    @Test
    void eachSageWorksOnItsOwn() {
        try (FakeDriver fake = new FakeDriver()) {
            try (Sage first = new Sage(FakeCuda.named(fake, null));
                    Sage second = new Sage(FakeCuda.named(fake, 1, null))) {
                assertThat(first.backend()).isEqualTo("cuda");
                assertThat(second.backend()).isEqualTo("cuda:1");
                Tensor q = tensor(first);
                assertThat(q.gpu()).isZero();
                Tensor theirs = tensor(second);
                assertThat(theirs).hasToString("float16[1, 2, 70, 64] on GPU 1");
                for (Sage sage : List.of(first, second, first)) {
                    fake.launches.clear();
                    try (GpuStream stream = sage.newStream()) {
                        Tensor own = sage == first ? q : theirs;
                        sage.enqueue(own, own, own, SPEC, tensor(sage), stream);
                    }
                    assertThat(fake.launches).isNotEmpty();
                }
                Tensor host = Tensor.allocate(DType.FLOAT16, 1, 2, 70, 64);
                assertThat(second.attend(host, host, host, SPEC).backend()).isEqualTo("cuda:1");
                assertThatThrownBy(() -> second.attend(q, q, q, SPEC))
                        .isInstanceOf(SageException.class)
                        .hasMessage("q is on GPU 0, this Sage works on GPU 1");
                assertThatThrownBy(() -> FakeCuda.named(fake, 2, null))
                        .isInstanceOf(SageException.class)
                        .hasMessageContaining("GPU 2 does not exist");
            }
            assertThat(fake.thrown).isEmpty();
            assertThat(fake.live()).isEmpty();
        }
    }

    @Test
    void namesOfGpus() {
        assertThatThrownBy(() -> Sage.open("cuda:x"))
                .isInstanceOf(SageException.class)
                .hasMessageStartingWith("unknown backend 'cuda:x'");
        Assumptions.assumeTrue(DriverSearch.here().driver().isEmpty());
        assertThatThrownBy(() -> Sage.open("cuda:1"))
                .isInstanceOf(SageException.class)
                .hasMessageStartingWith("backend cuda:1 cannot run here: no CUDA driver");
    }
}
