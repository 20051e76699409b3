package io.sage4j.ptx;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Collections;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

class PtxModuleTest {
    private static Kernel withMma(MmaShape shape) {
        KernelBuilder k = new KernelBuilder("probe", 32);
        Reg zero = k.move(Type.B32, Imm.of(0));
        Operand c = shape.accumulator() == RegType.F32 ? Imm.of(0f) : zero;
        List<Reg> d = k.regs(shape.accumulator(), shape.accumulatorRegs());
        List<Reg> a = Collections.nCopies(shape.aRegs(), zero);
        List<Reg> b = Collections.nCopies(shape.bRegs(), zero);
        k.mma(shape, d, a, b, Collections.nCopies(d.size(), c));
        return k.build();
    }

    @Test
    void printsAWholeModule() {
        KernelBuilder k = new KernelBuilder("scale", 64).minBlocks(2);
        Reg x = k.param("x", Type.U64);
        SharedArray tile = k.shared("tile", 256, 16, false);
        Reg tid = k.read(Special.TID_X);
        k.when(k.compare(Compare.Relation.LT, Type.U32, tid, Imm.of(8)), () -> {
            Address at = Address.of(k.index(x, tid, 4)).plus(16);
            Reg value = k.load(Space.GLOBAL, Type.F32, at);
            k.store(Space.SHARED, Type.F32, Address.of(tile), value);
            k.guarded(
                    k.compare(Compare.Relation.GE, Type.F32, value, Imm.of(0f)),
                    () -> k.store(Space.GLOBAL, Type.F32, at, k.mul(Type.F32, value, Imm.of(0.5f))));
        });
        assertThat(PtxModule.of(Arch.SM_80, k.build()).text())
                .isEqualTo(
                        """
                        .version 7.0
                        .target sm_80
                        .address_size 64

                        .visible .entry scale(
                            .param .u64 scale_x)
                        .maxntid 64, 1, 1
                        .minnctapersm 2
                        {
                            .reg .pred %p<2>;
                            .reg .b32 %r<1>;
                            .reg .b64 %rd<2>;
                            .reg .f32 %f<2>;
                            .shared .align 16 .b8 scale_tile[256];

                            ld.param.u64 %rd0, [scale_x];
                            mov.u32 %r0, %tid.x;
                            setp.lt.u32 %p0, %r0, 8;
                            @!%p0 bra $skip0;
                            mad.wide.u32 %rd1, %r0, 4, %rd0;
                            ld.global.f32 %f0, [%rd1+16];
                            st.shared.f32 [scale_tile], %f0;
                            setp.ge.f32 %p1, %f0, 0f00000000;
                            @%p1 mul.rn.f32 %f1, %f0, 0f3F000000;
                            @%p1 st.global.f32 [%rd1+16], %f1;
                        $skip0:
                            ret;
                        }
                        """);
        assertThat(k.build().mix())
                .containsEntry("mul.rn.f32", 1)
                .containsEntry("bra", 1)
                .doesNotContainKey("");
        assertThat(k.build().registers()).containsEntry(RegType.F32, 2).containsEntry(RegType.PRED, 2);
        assertThat(k.build().sharedBytes()).isEqualTo(256);
    }

    @ParameterizedTest
    @CsvSource({
        "S8, SM_80, 70",
        "S8, SM_89, 78",
        "E4M3_F32, SM_89, 84",
        "E4M3_F16, SM_89, 87",
        "E4M3_F16, SM_120A, 87",
        "F16_F32, SM_86, 71",
        "S8, SM_90A, 80"
    })
    void versionIsTheLowestThatInstructionsAndTargetNeed(MmaShape shape, Arch arch, int version) {
        assertThat(PtxModule.of(arch, withMma(shape)).version()).isEqualTo(version);
    }

    @Test
    void aTargetWithoutTheInstructionIsRefused() {
        assertThatThrownBy(() -> PtxModule.of(Arch.SM_86, withMma(MmaShape.E4M3_F16)))
                .hasMessage(
                        "probe: mma.sync.aligned.m16n8k32.row.col.f16.e4m3.e4m3.f16 needs sm_89, the target is sm_86");
    }

    @Test
    void sharedMemoryThatTheTargetLacksIsRefused() {
        KernelBuilder k = new KernelBuilder("big", 32);
        k.shared("s", 120 * 1024, 16, true);
        assertThat(PtxModule.of(Arch.SM_80, k.build()).text()).contains(".extern .shared .align 16 .b8 big_s[];");
        assertThatThrownBy(() -> PtxModule.of(Arch.SM_89, k.build()))
                .hasMessageContaining("122880 bytes of shared memory");
    }

    @ParameterizedTest
    @EnumSource(MmaShape.class)
    void everyMmaAssembles(MmaShape shape) {
        Ptxas.assemble(PtxModule.of(Arch.SM_89, withMma(shape)));
    }

    @Test
    void wrongOperandsAreRefusedWhereTheyAreWritten() {
        KernelBuilder k = new KernelBuilder("wrong", 32);
        Reg f = k.move(Type.F32, Imm.of(1f));
        assertThatThrownBy(() -> k.add(Type.U32, f, f)).hasMessage("add.u32: operand %f0 is F32, expected B32");
        assertThatThrownBy(() -> k.get(Operation.PRMT, Type.F32, f, f, f))
                .hasMessageContaining("does not exist for F32");
        assertThatThrownBy(() -> k.load(Space.GLOBAL, Type.F32, Address.of(k.reg(RegType.B32))))
                .hasMessageContaining("is no address of GLOBAL");
        assertThatThrownBy(() -> k.loadVector(Space.SHARED, Type.B64, 4, Address.of(k.reg(RegType.B32)), false))
                .hasMessage("ld: no vector of 4 B64");
        assertThatThrownBy(() -> new KernelBuilder("odd", 48).build()).hasMessageContaining("48 threads");
    }
}
