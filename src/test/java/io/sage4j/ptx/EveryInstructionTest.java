package io.sage4j.ptx;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class EveryInstructionTest {
    @ParameterizedTest
    @EnumSource(Arch.class)
    void everyOperationTypeAndConversionAssembles(Arch arch) {
        PtxModule module = PtxModule.of(arch, EveryInstruction.kernel(arch.sm()));
        assertThat(Ptxas.assemble(module).spilled()).isZero();
    }
}
