package io.sage4j.ptx.kernel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sage4j.ptx.Arch;
import io.sage4j.ptx.Kernel;
import io.sage4j.ptx.MmaShape;
import io.sage4j.ptx.PtxModule;
import io.sage4j.ptx.Ptxas;
import io.sage4j.ptx.kernel.AccumulatorProbe.Bits;
import io.sage4j.ptx.sim.GlobalMemory;
import io.sage4j.ptx.sim.Simulator;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The probe on the interpreter, whose sums are rounded once to the accumulator's format, and on made-up tensor cores. */
class AccumulatorProbeTest {
    @ParameterizedTest
    @CsvSource({"E4M3_F32, 23, 17", "F16_F32, 23, 17", "E4M3_F16, 10, 10", "F16_F16, 10, 10"})
    void measuresTheInterpreter(MmaShape shape, int addend, int products) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment out = arena.allocate(4L * AccumulatorProbe.RESULTS, 16);
            GlobalMemory global = new GlobalMemory();
            new Simulator(global).run(AccumulatorProbe.mma(shape), 1, 1, 1, global.map(out));
            assertThat(Bits.of(out.toArray(ValueLayout.JAVA_FLOAT))).isEqualTo(new Bits(addend, products));
        }
    }

    @ParameterizedTest
    @CsvSource({"13, 13", "22, 9", "0, 17"})
    void tellsWhatATensorCoreThatCutsOffKeeps(int addend, int products) {
        float[] out = new float[AccumulatorProbe.RESULTS];
        for (int n = 0; n < 30; n++) {
            out[n] = Math.scalb(1f, n) + (n <= addend ? 1 : 0);
        }
        for (int n = 0; n < 10; n++) {
            out[30 + n] = 256f + (8 + n <= products ? Math.scalb(1f, -n) : 0);
        }
        assertThat(Bits.of(out)).isEqualTo(new Bits(addend, products));
    }

    @Test
    void assembles() {
        for (MmaShape shape : MmaShape.values()) {
            if (shape.isInteger()) {
                assertThatThrownBy(() -> AccumulatorProbe.mma(shape)).hasMessageContaining("integers");
            } else {
                Kernel kernel = AccumulatorProbe.mma(shape);
                Ptxas.assemble(PtxModule.of(Arch.SM_89, kernel));
                assertThat(kernel.mix().get(shape.opcode())).isEqualTo(shape.isHalf() ? 26 : 40);
            }
        }
        assertThat(Ptxas.assemble(PtxModule.of(Arch.SM_90A, AccumulatorProbe.wgmma()))
                        .log())
                .doesNotContain("C75");
    }
}
