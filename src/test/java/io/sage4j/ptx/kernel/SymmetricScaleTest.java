package io.sage4j.ptx.kernel;

import static org.assertj.core.api.Assertions.assertThat;

import io.sage4j.numeric.IntCode;
import io.sage4j.ptx.Address;
import io.sage4j.ptx.Conversion;
import io.sage4j.ptx.Imm;
import io.sage4j.ptx.Kernel;
import io.sage4j.ptx.KernelBuilder;
import io.sage4j.ptx.Operation;
import io.sage4j.ptx.Reg;
import io.sage4j.ptx.RegType;
import io.sage4j.ptx.Space;
import io.sage4j.ptx.Special;
import io.sage4j.ptx.Type;
import io.sage4j.ptx.sim.GlobalMemory;
import io.sage4j.ptx.sim.Simulator;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * {@link SymmetricScale#ofHalf} in the interpreter, for every magnitude of FP16 and BF16. The hardware's reciprocal may be
 * one off in the last place either way; so the interpreter's is moved by as much too.
 */
class SymmetricScaleTest {
    private static final int THREADS = 256;
    private static final int MAGNITUDES = 0x8000;
    private static final float LIMIT = 127f;

    /** The scale and its inverse of the magnitude number (CTA, thread), the reciprocal moved by so many last places. */
    private static Kernel kernel(boolean half, int moved) {
        KernelBuilder k = new KernelBuilder("scales", THREADS);
        Reg out = k.param("out", Type.U64);
        Reg number = k.mad(Type.U32, k.read(Special.CTAID_X), Imm.of(THREADS), k.read(Special.TID_X));
        Reg amax = half ? k.convert(Conversion.F32_FROM_F16, k.unpack(number).get(0)) : floating(k, k.shl(number, 16));
        SymmetricScale of = SymmetricScale.ofHalf(k, amax, LIMIT, part -> {
            Reg bits = k.move(Type.B32, k.get(Operation.RCP_APPROX, Type.F32, part));
            return floating(k, k.add(Type.S32, bits, Imm.of(moved)));
        });
        k.store(Space.GLOBAL, Type.F32, Address.of(k.index(out, number, 8)), of.scale(), of.inverse());
        return k.build();
    }

    private static Reg floating(KernelBuilder k, Reg bits) {
        Reg to = k.reg(RegType.F32);
        k.set(to, Type.B32, bits);
        return to;
    }

    @ParameterizedTest
    @CsvSource({"true, 0", "true, 1", "true, -1", "false, 0", "false, 1", "false, -1"})
    void everyMagnitudeHasTheNearestScaleAndInverse(boolean half, int moved) {
        try (Arena arena = Arena.ofConfined()) {
            GlobalMemory global = new GlobalMemory();
            MemorySegment out = arena.allocate(8L * MAGNITUDES, 16);
            new Simulator(global).run(kernel(half, moved), MAGNITUDES / THREADS, 1, 1, global.map(out));
            for (int n = 0; n < MAGNITUDES; n++) {
                float amax = half ? Float.float16ToFloat((short) n) : Float.intBitsToFloat(n << 16);
                float scale = out.getAtIndex(ValueLayout.JAVA_FLOAT, 2L * n);
                float inverse = out.getAtIndex(ValueLayout.JAVA_FLOAT, 2L * n + 1);
                assertThat(scale).as("scale of %s", amax).isEqualTo(Float.valueOf(IntCode.scale(amax, LIMIT)));
                if (Float.isFinite(amax)) {
                    assertThat(inverse).as("inverse of %s", amax).isEqualTo(IntCode.inverse(amax, LIMIT));
                } else if (moved == 0) {
                    // Codes of such a group are 0, as round(NaN) is. The reciprocal of infinity is 0 exactly.
                    assertThat(inverse).isNaN();
                }
            }
        }
    }
}
